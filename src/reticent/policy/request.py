"""A request as plain data: who asks what about which thing, in which situation, with which facts.

The same value goes to the engine, to the Python back end and into stories; a counterexample of
the prover is decoded into one, so that everybody replays the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reticent.policy.schema import Kind
from reticent.policy.terms import Uid

Value = bool | int | str | Uid | frozenset[Any]
Attributes = Mapping[str, Value]


@dataclass(frozen=True)
class Request:
    """``entities`` maps each entity the gate was handed to its attributes; closed words are not listed."""

    principal: Uid
    action: str
    resource: Uid
    context: Attributes = field(repr=False)
    entities: Mapping[Uid, Attributes] = field(repr=False)

    @property
    def kind(self) -> Kind:
        """Which kind of request this is."""
        return Kind(self.principal.type, self.action, self.resource.type)

    def situated(self, **context: Value | None) -> Request:
        """Return the request with context fields set; None removes one."""
        merged = {**self.context, **context}
        return replace(self, context={name: value for name, value in merged.items() if value is not None})

    def knowing(self, entities: Mapping[Uid, Attributes]) -> Request:
        """Return the request with entities added or replaced."""
        return replace(self, entities={**self.entities, **entities})

    def referenced(self) -> set[Uid]:
        """Every entity named anywhere in the request."""
        found = {self.principal, self.resource}
        for attributes in (self.context, *self.entities.values()):
            for value in attributes.values():
                if isinstance(value, Uid):
                    found.add(value)
                elif isinstance(value, frozenset):
                    found |= {member for member in value if isinstance(member, Uid)}
        return found


def as_json(value: Value) -> Any:
    """Return a value in Cedar's JSON form."""
    if isinstance(value, Uid):
        return {"type": value.type, "id": value.id}
    if isinstance(value, frozenset):
        return [as_json(member) for member in sorted(value)]
    return value


def entities_json(entities: Mapping[Uid, Attributes]) -> list[dict[str, Any]]:
    """Return entities in Cedar's JSON form."""
    return [
        {
            "uid": {"type": uid.type, "id": uid.id},
            "attrs": {name: as_json(value) for name, value in attributes.items()},
            "parents": [],
        }
        for uid, attributes in entities.items()
    ]


def request_json(request: Request) -> dict[str, Any]:
    """Return a request in cedarpy's form, without its entities."""
    return {
        "principal": as_json(request.principal),
        "action": {"type": "Action", "id": request.action},
        "resource": as_json(request.resource),
        "context": {name: as_json(value) for name, value in request.context.items()},
    }
