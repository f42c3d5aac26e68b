"""From a model of the solver to a concrete request the real engine can replay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import z3

from reticent.policy.request import Request, Value
from reticent.policy.schema import Attribute, Bool, Ent, Kind, Long, Schema, SetOf, Text, Type
from reticent.policy.solver import NO, TEXTS, YES, Leaf, Sorts
from reticent.policy.terms import ABSENT, BY_GATE, Uid

Key = tuple[str, int | str]


class Decoder:
    """Decodes the leaves of one formula; ``names`` is shared by the two worlds of one answer."""

    def __init__(self, schema: Schema, model: Any, leaves: Iterable[Leaf], names: dict[Key, Uid]) -> None:
        self.schema, self.model, self.names = schema, model, names
        self.leaves = {leaf.path: leaf for leaf in leaves}
        self.values = {path: model.eval(leaf.term, model_completion=True) for path, leaf in self.leaves.items()}
        self.entities: dict[Uid, dict[str, Value]] = {}
        self.absent: set[Uid] = set()

    def request(self, kind: Kind) -> Request:
        """Return the request; what no rule reads gets plain defaults so that the engine accepts it."""
        principal = self._root("principal", kind.principal)
        resource = self._root("resource", kind.resource)
        self._read_entities()
        context = {}
        for attribute in self.schema.context.values():
            value = self._field(("context",), attribute)
            if attribute.name in BY_GATE and ("context", attribute.name) not in self.values:
                value = BY_GATE[attribute.name][0]
            if value is not ABSENT:
                context[attribute.name] = value
        self._fill()
        return Request(principal, kind.action, resource, context, self.entities)

    def _root(self, name: str, kind: str) -> Uid:
        if (name,) in self.values:
            return self._uid(kind, self.values[(name,)])
        return self._fresh(kind)

    def _uid(self, kind: str, value: Any) -> Uid:
        number = value.as_long()
        if (kind, number) not in self.names:
            self._name(kind, number)
        uid = self.names[kind, number]
        if uid not in self.absent:
            self.entities.setdefault(uid, {})
        return uid

    def _name(self, kind: str, key: int | str) -> Uid:
        count = 1 + sum(1 for owner, _ in self.names if owner == kind)
        self.names[kind, key] = Uid(kind, f"{kind.lower()}-{count}")
        return self.names[kind, key]

    def _fresh(self, kind: str) -> Uid:
        uid = self.names.get((kind, f"any {kind}")) or self._name(kind, f"any {kind}")
        self.entities.setdefault(uid, {})
        return uid

    def _read_entities(self) -> None:
        """Give every entity the formula reaches the attributes the model chose."""
        owners = {
            path: self._uid(leaf.type.name, self.values[path])
            for path, leaf in self.leaves.items()
            if isinstance(leaf.type, Ent) and leaf.type.name not in self.schema.enums
        }
        for path, uid in owners.items():
            if z3.is_false(self.values.get((*path, "!"), YES)):
                self.absent.add(uid)
                self.entities.pop(uid, None)
        for path, uid in owners.items():
            for attribute in self.schema.entities[uid.type].values() if uid not in self.absent else ():
                value = self._field(path, attribute)
                if value is not ABSENT and (*path, attribute.name) in self.values:
                    self.entities[uid][attribute.name] = value

    def _field(self, path: tuple[str, ...], attribute: Attribute) -> Any:
        here = (*path, attribute.name)
        if not attribute.required and not z3.is_true(self.values.get((*here, "?"), NO)):
            return ABSENT
        if here in self.values:
            return self._value(attribute.type, self.values[here])
        return self._default(attribute.type)

    def _value(self, kind: Type, value: Any) -> Value:
        match kind:
            case Bool():
                return bool(z3.is_true(value))
            case Text():
                literals = {number: text for text, number in TEXTS.items()}
                return literals.get(value.as_long(), f"text {value.as_long()}")
            case Ent(name=name) if name in self.schema.enums:
                return self._word(name, value)
            case Ent(name=name):
                return self._uid(name, value)
            case SetOf(element=Ent(name=name)):
                return frozenset(uid for uid, term in self._candidates(name) if self._holds(z3.Select(value, term)))
        return int(value.as_long())

    def _candidates(self, name: str) -> list[tuple[Uid, Any]]:
        if name in self.schema.enums:
            words = Sorts.of(name, self.schema.enums[name])[1]
            return [(Uid(name, word), term) for word, term in words.items()]
        known = [(key, uid) for (owner, key), uid in self.names.items() if owner == name and isinstance(key, int)]
        return [(uid, z3.IntVal(key)) for key, uid in known if uid not in self.absent]

    def _holds(self, term: Any) -> bool:
        return bool(z3.is_true(self.model.eval(term, model_completion=True)))

    def _word(self, name: str, value: Any) -> Uid:
        words = Sorts.of(name, self.schema.enums[name])[1]
        return next(Uid(name, word) for word, term in words.items() if term.eq(value))

    def _default(self, kind: Type) -> Value:
        match kind:
            case Bool():
                return False
            case Long():
                return 0
            case Text():
                return ""
            case Ent(name=name) if name in self.schema.enums:
                return Uid(name, self.schema.enums[name][0])
            case Ent(name=name):
                return self._fresh(name)
        return frozenset()

    def _fill(self) -> None:
        """Complete every entity, and those its defaults name."""
        waiting = list(self.entities)
        while waiting:
            uid = waiting.pop()
            for attribute in self.schema.entities[uid.type].values():
                if attribute.required and attribute.name not in self.entities[uid]:
                    before = set(self.entities)
                    self.entities[uid][attribute.name] = self._default(attribute.type)
                    waiting += set(self.entities) - before


def fewer(request: Request, keep: Callable[[Request], bool]) -> Request:
    """Drop the set members a story does not need: those without which ``keep`` still holds."""
    for uid, attributes in request.entities.items():
        for name, value in attributes.items():
            for member in sorted(value) if isinstance(value, frozenset) else ():
                now = request.entities[uid][name]
                rest = now - {member} if isinstance(now, frozenset) else now
                less = request.knowing({uid: {**request.entities[uid], name: rest}})
                request = less if keep(less) else request
    return request
