"""The map's predicates in plain Python, with three values: True, False and None for UNKNOWN.

Each predicate becomes one closure over a row of streamed fields, made once a table; it shares nothing with
the SQL that severs but the tree it reads.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reticent.errors import ConfigurationError
from reticent.ports import UNREADABLE
from reticent.prove.sweep import Layout, Read, Row
from reticent.prove.view import View
from reticent.systems.mapfile import Link
from reticent.systems.predicates import (
    And,
    Compare,
    Constant,
    Exists,
    Field,
    In,
    IsNull,
    Literal,
    Not,
    Operand,
    Or,
    Predicate,
    Sentinel,
)

Test = Callable[[Row], bool | None]
Get = Callable[[Row], Any]
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Joined:
    """The join keys of the linked rows for which a predicate is TRUE, and for which it is UNKNOWN."""

    true: frozenset[Any] | set[Any]
    unknown: frozenset[Any] | set[Any]


class Evaluator:
    """Compiles predicates for one system. What is read through a link is read once and kept for all series."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._joined: dict[tuple[str, tuple[str, ...], Predicate], Joined] = {}
        self._values: dict[tuple[str, tuple[str, ...], str], dict[Any, Any]] = {}

    def reads(self, table: str, predicate: Predicate) -> Iterator[Read]:
        """Yield the fields of ``table`` a predicate needs, those it joins by included."""
        match predicate:
            case IsNull(field):
                yield field.name, False
            case In(field, _):
                yield field.name, True
            case Compare(_, left, right):
                yield from ((side.name, True) for side in (left, right) if isinstance(side, Field))
            case Not(part):
                yield from self.reads(table, part)
            case And(parts) | Or(parts):
                for part in parts:
                    yield from self.reads(table, part)
            case Exists(link, _):
                yield from ((name, True) for name in self._link(table, link).on.values())
            case Constant():
                return

    def test(self, table: str, predicate: Predicate, at: Mapping[str, int]) -> Test:
        """Return the predicate as a closure over rows in which field ``f`` stands at index ``at[f]``."""
        match predicate:
            case Constant(value):
                return lambda _: value
            case IsNull(field):
                return self._is_null(table, field, at)
            case Compare(op, left, right):
                return self._compare(table, op, left, right, at)
            case In(field, values):
                return self._in(table, field, values, at)
            case Not(part):
                return _negated(self.test(table, part, at))
            case And(parts):
                return _all([self.test(table, part, at) for part in _flat(And, parts)])
            case Or(parts):
                return _any([self.test(table, part, at) for part in _flat(Or, parts)])
            case Exists(link, inner):
                return self._exists(table, link, inner, at)

    # -- leaves

    def _is_null(self, table: str, field: Field, at: Mapping[str, int]) -> Test:
        index = at[field.name]
        if not self._view.table(table).fields[field.name].place.path:
            return lambda row: row[index] is None
        # What cannot be read in a document may be anything, nothing included.
        return lambda row: None if (value := row[index]) is UNREADABLE else value is None

    def _compare(self, table: str, op: str, left: Operand, right: Operand, at: Mapping[str, int]) -> Test:
        if isinstance(left, Sentinel) and not isinstance(right, Sentinel):
            return self._compare(table, {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(op, op), right, left, at)
        kinds = {self._kind(table, side) for side in (left, right)} - {""}
        if len(kinds) > 1 or (op not in ("=", "<>") and "text" in kinds):
            raise self._cannot(table, f"compare {' with '.join(sorted(kinds))} by {op}")
        first, compare = self._get(table, left, at), _OPERATORS[op]
        if isinstance(right, Sentinel) and self._view.sentinel is None:
            # Nobody stands in for anybody: no patron is the stand-in.
            return _known_and(first, lambda _: {"<>": True, "=": False}.get(op))
        if isinstance(right, Field):
            second = self._get(table, right, at)
            return lambda row: _both(compare, first(row), second(row))
        constant = self._same(right.value if isinstance(right, Literal) else self._view.sentinel)
        return _known_and(first, lambda value: compare(value, constant))

    def _in(self, table: str, field: Field, values: tuple[str | int, ...], at: Mapping[str, int]) -> Test:
        sides: list[Operand] = [field, *map(Literal, values)]
        kinds = {self._kind(table, side) for side in sides} - {""}
        if len(kinds) > 1:
            raise self._cannot(table, f"compare {' with '.join(sorted(kinds))}")
        members = frozenset(self._same(value) for value in values)
        return _known_and(self._get(table, field, at), members.__contains__)

    def _kind(self, table: str, side: Operand) -> str:
        """Return number, text or when; "" for a field that is not there and a stand-in that is not set."""
        if isinstance(side, Field):
            kind = self._view.reader.family(table, side.name)
            return "number" if kind == "whole" else kind
        value = side.value if isinstance(side, Literal) else self._view.sentinel
        return "" if value is None else "text" if isinstance(value, str) else "number"

    def _cannot(self, table: str, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"The prover cannot {what}.",
            where=f"the map of {self._view.system}, table {table}",
            do="Correct the map: texts compare with texts by = and <>, numbers with numbers.",
        )

    def _same(self, value: Any) -> Any:
        return self._view.alike(value) if isinstance(value, str) else value

    def _get(self, table: str, side: Operand, at: Mapping[str, int]) -> Get:
        if not isinstance(side, Field):
            value = self._same(side.value if isinstance(side, Literal) else self._view.sentinel)
            return lambda _: value
        return self.value(table, side.name, at)

    def value(self, table: str, field: str, at: Mapping[str, int]) -> Get:
        """Return what gets a field's value, a text in the form under which texts are equal here."""
        index = at[field]
        if self._view.reader.family(table, field) != "text" or not self._view.reader.folds_case:
            return operator.itemgetter(index)
        alike = self._view.alike
        return lambda row: alike(value) if isinstance(value := row[index], str) else value

    # -- links

    def _link(self, table: str, link: str) -> Link:
        return self._view.table(table).links[link]

    def _exists(self, table: str, link: str, inner: Predicate, at: Mapping[str, int]) -> Test:
        spec = self._link(table, link)
        key, joined = self.key(table, link, at), self._keys(spec, inner)
        true, unknown = joined.true, joined.unknown
        if any(self._view.table(table).fields[ours].place.array for ours in spec.on.values()):
            return _of_any(key, joined)

        def test(row: Row) -> bool | None:
            found = key(row)
            if found is UNREADABLE:
                return None
            if found in true:
                return True
            return None if found in unknown else False

        return test

    def key(self, table: str, link: str, at: Mapping[str, int]) -> Get:
        """Return what gets a row's own key of a link, comparable with the linked rows' keys; None if any part is."""
        spec = self._link(table, link)
        for theirs, ours in spec.on.items():
            kinds = {self._kind(spec.table, Field(theirs)), self._kind(table, Field(ours))} - {""}
            if len(kinds) > 1:
                raise self._cannot(table, f"join {' with '.join(sorted(kinds))}")
        return self._tuple([self.value(table, name, at) for name in spec.on.values()])

    def _tuple(self, parts: list[Get]) -> Get:
        if len(parts) == 1:
            return parts[0]

        def several(row: Row) -> Any:
            values = tuple(part(row) for part in parts)
            if None in values:
                return None
            return UNREADABLE if UNREADABLE in values else values

        return several

    def _keys(self, spec: Link, inner: Predicate) -> Joined:
        name = (spec.table, tuple(spec.on), inner)
        if name not in self._joined:
            self._joined[name] = self._read_keys(spec, inner)
        return self._joined[name]

    def _read_keys(self, spec: Link, inner: Predicate) -> Joined:
        layout = Layout.of([*((name, True) for name in spec.on), *self.reads(spec.table, inner)])
        test, key = self.test(spec.table, inner, layout.positions), self._their_key(spec, layout)
        true: set[Any] = set()
        unknown: set[Any] = set()
        for row in layout.rows(self._view.reader, spec.table):
            held = test(row)
            if held is not False and (found := key(row)) is not None:
                (true if held else unknown).add(found)
        true.discard(UNREADABLE)
        unknown.discard(UNREADABLE)
        return Joined(true, unknown - true)

    def _their_key(self, spec: Link, layout: Layout) -> Get:
        return self._tuple([self.value(spec.table, name, layout.positions) for name in spec.on])

    def linked(self, table: str, link: str, field: str) -> Mapping[Any, Any]:
        """Return key -> a field of the one row it joins. Kept whole: linked tables are small beside their own."""
        spec = self._link(table, link)
        name = (spec.table, tuple(spec.on), field)
        if name not in self._values:
            layout = Layout.of([*((key, True) for key in spec.on), (field, True)])
            key, index = self._their_key(spec, layout), layout.positions[field]
            rows = layout.rows(self._view.reader, spec.table)
            self._values[name] = {found: row[index] for row in rows if (found := key(row)) is not None}
        return self._values[name]


def _of_any(keys: Get, joined: Joined) -> Test:
    """Return the test of a link that starts from every element of an array."""

    def test(row: Row) -> bool | None:
        found = keys(row)
        if found is None:
            return False
        if found is UNREADABLE:
            return None
        if not joined.true.isdisjoint(found):
            return True
        return None if UNREADABLE in found or not joined.unknown.isdisjoint(found) else False

    return test


def _known_and(get: Get, test: Callable[[Any], bool | None]) -> Test:
    def known(row: Row) -> bool | None:
        value = get(row)
        return None if value is None or value is UNREADABLE else test(value)

    return known


def _both(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool | None:
    if left is None or right is None or left is UNREADABLE or right is UNREADABLE:
        return None
    return compare(left, right)


def _flat(kind: type[And] | type[Or], parts: tuple[Predicate, ...]) -> Iterator[Predicate]:
    for part in parts:
        if isinstance(part, And | Or) and isinstance(part, kind):
            yield from _flat(kind, part.parts)
        else:
            yield part


def _negated(test: Test) -> Test:
    def negated(row: Row) -> bool | None:
        found = test(row)
        return None if found is None else not found

    return negated


def _all(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def every(row: Row) -> bool | None:
        unknown = False
        for test in tests:
            found = test(row)
            if found is False:
                return False
            unknown = unknown or found is None
        return None if unknown else True

    return every


def _any(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def some(row: Row) -> bool | None:
        unknown = False
        for test in tests:
            found = test(row)
            if found:
                return True
            unknown = unknown or found is None
        return None if unknown else False

    return some
