"""The gate's vocabulary: who may ask what about which thing, as typed data.

Read from ``schema.json``, which is also what the Cedar engine is given, so that the engine,
the prover and the SQL compiler share one reading. The subset is closed: enumerated entity
types, plain entity types without hierarchy, and attributes that are truth values, whole
numbers, text, entities or sets of entities. Anything else is refused on loading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reticent.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Bool:
    """A truth value."""


@dataclass(frozen=True, slots=True)
class Long:
    """A whole number of 64 bits."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string; open vocabulary, so rules may only compare it."""


@dataclass(frozen=True, slots=True)
class Ent:
    """An entity of a named type."""

    name: str


@dataclass(frozen=True, slots=True)
class SetOf:
    """A set of entities of one type; ``element`` is None for the empty set literal."""

    element: Ent | Bool | Long | Text | None


@dataclass(frozen=True, slots=True)
class Rec:
    """The context record of an action."""


Type = Bool | Long | Text | Ent | SetOf | Rec


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its type, whether it must be there, and what it means."""

    name: str
    type: Type
    required: bool
    doc: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request: who (by type), asks what, of which type of thing."""

    principal: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.principal} {self.action} {self.resource}"


@dataclass(frozen=True)
class Schema:
    """The whole vocabulary; ``enums`` maps a closed vocabulary to its words in order."""

    source: str
    entities: Mapping[str, Mapping[str, Attribute]]
    enums: Mapping[str, tuple[str, ...]]
    context: Mapping[str, Attribute]
    actions: Mapping[str, str]
    kinds: tuple[Kind, ...]
    docs: Mapping[str, str]

    def attribute(self, kind: str, name: str) -> Attribute | None:
        """Return the attribute ``name`` of entity type ``kind``, or None when undeclared."""
        return self.entities.get(kind, {}).get(name)


def parse(source: str) -> Schema:
    """Parse ``schema.json``; raise ConfigurationError on anything outside the closed subset."""
    try:
        document: dict[str, Any] = json.loads(source)
        body = document[""]
        entity_types, actions = body["entityTypes"], body["actions"]
        situation = body["commonTypes"]["Situation"]["attributes"]
    except (ValueError, KeyError, TypeError) as error:
        raise _refused("it is not the JSON form of a Cedar schema with one context type") from error
    names = set(entity_types)
    enums = {name: tuple(body["enum"]) for name, body in entity_types.items() if "enum" in body}
    entities = {
        name: _attributes(body.get("shape", {}).get("attributes", {}), names, name)
        for name, body in entity_types.items()
        if name not in enums and _flat(name, body)
    }
    return Schema(
        source=source,
        entities=entities,
        enums=enums,
        context=_attributes(situation, names, "context"),
        actions={name: _doc(body) or name for name, body in actions.items()},
        kinds=tuple(kind for name, body in actions.items() for kind in _kinds(name, body)),
        docs={name: _doc(body) for name, body in entity_types.items()},
    )


def _flat(name: str, body: Mapping[str, Any]) -> bool:
    """Refuse hierarchies and tags: a proof over them is neither ours to give nor needed."""
    if body.get("memberOfTypes") or body.get("tags"):
        raise _refused(f"entity type {name} has a hierarchy or tags")
    return True


def _kinds(name: str, body: Mapping[str, Any]) -> list[Kind]:
    applies = body.get("appliesTo", {})
    if body.get("memberOf") or applies.get("context") != {"type": "Situation"}:
        raise _refused(f"action {name} is in a group or has a context of its own")
    return [Kind(p, name, r) for p in applies["principalTypes"] for r in applies["resourceTypes"]]


def _attributes(body: Mapping[str, Any], names: set[str], owner: str) -> dict[str, Attribute]:
    return {
        name: Attribute(name, _type(spec, names, f"{owner}.{name}"), spec.get("required", True), _doc(spec))
        for name, spec in body.items()
    }


def _type(spec: Mapping[str, Any], names: set[str], where: str) -> Type:
    match spec:
        case {"type": "Bool" | "Boolean"}:
            return Bool()
        case {"type": "Long"}:
            return Long()
        case {"type": "String"}:
            return Text()
        case {"type": "Entity", "name": str(name)} if name in names:
            return Ent(name)
        case {"type": "Set", "element": {"type": "Entity", "name": str(name)}} if name in names:
            return SetOf(Ent(name))
    raise _refused(f"attribute {where} has a type the prover does not model")


def _doc(body: Mapping[str, Any]) -> str:
    return str(body.get("annotations", {}).get("doc", ""))


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The policy's schema is refused: {why}.",
        where="schema.json",
        do="Use the schema that Reticent ships; libraries add rules, not vocabulary.",
    )
