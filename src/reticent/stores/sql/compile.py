"""The map's predicate trees as SQL that is TRUE exactly when the predicate is known to be.

SQL's three-valued logic loses its third value inside EXISTS, and a lost UNKNOWN severs or keeps by
accident. So each predicate is compiled twice: ``holds`` is TRUE iff the predicate is TRUE, ``fails``
is TRUE iff it is FALSE. NOT is pushed down to the leaves; only EXISTS is ever negated in SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from reticent.stores.sql import paths
from reticent.systems.fit import Fit
from reticent.systems.mapfile import Map
from reticent.systems.paths import Place, place
from reticent.systems.predicates import (
    COMPLEMENT,
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
from reticent.systems.structure import TableInfo

Sql = sa.ColumnElement[bool]
Column = sa.ColumnElement[Any]
_ONE: Column = sa.literal_column("1")
_UUID = sa.Uuid(as_uuid=False)


class _Only(sa.TableClause):
    """A table of PostgreSQL whose own rows are meant, not those of the tables that inherit from it."""

    inherit_cache = True


@compiles(_Only)
def _only(element: _Only, compiler: Any, **kw: Any) -> str:
    text = compiler.visit_table(element, **kw)
    return f"ONLY {text}" if kw.get("asfrom") else text


def clause(name: str, *columns: str | sa.ColumnClause[Any], only: bool = False) -> sa.TableClause:
    """Return a table of a map by its name, ``schema.table`` or ``table``."""
    schema, _, table = name.rpartition(".")
    return _clause(table, schema, columns, only)


def whole(info: TableInfo, *columns: str) -> sa.TableClause:
    """Return a table as it stands in a database, whatever its name."""
    return _clause(info.bare, info.schema, columns, info.parent)


def _clause(name: str, schema: str, columns: Iterable[str | sa.ColumnClause[Any]], only: bool) -> sa.TableClause:
    kind = _Only if only else sa.TableClause
    made = (sa.column(column) if isinstance(column, str) else column for column in columns)
    return kind(name, *made, schema=schema or None)


@dataclass
class Compiler:
    """Compiles predicates for one database. ``sentinel`` is the stand-in patron's number, None if unset.

    ``few`` compiles EXISTS as a correlated look-up, for statements that touch a chunk; otherwise as
    membership in a set the server builds once, for statements that read a whole table.
    """

    loaded: Map
    fit: Fit
    sentinel: int | str | None = None
    few: bool = False
    element: sa.TableValuedAlias | None = None
    """The element of an array that is being looked at; see ``looking_at``."""
    _names: count[int] = field(default_factory=count)

    def table(self, name: str) -> sa.FromClause:
        """Return the table itself, unaliased."""
        mapped = [place(c).column for c in self.fit.columns[name].values() if c]
        names = dict.fromkeys([*mapped, *self.fit.touched.get(name, ())])
        types = self.fit.types.get(name, {})
        columns = [sa.column(c, _UUID) if types.get(c) == "uuid" else sa.column(c) for c in names]
        return clause(name, *columns, only=name in self.fit.parents)

    def column(self, source: sa.FromClause, table: str, name: str) -> Column | None:
        """Return a field as a column of ``source``, None where this release has none."""
        found = self.fit.columns[table][name]
        if not found:
            return None
        stands, kind = place(found), self.fit.types.get(table, {}).get(found, "")
        column: Column = source.c[stands.column]
        if stands.array:
            return paths.value(self.element.c.value, stands.steps, kind) if self.element is not None else None
        if stands.steps:
            return paths.value(column, stands.steps, kind)
        return sa.cast(column, sa.Text()) if kind == "enum" else column

    def stands(self, table: str, name: str) -> Place | None:
        """Return where a field stands, if that is inside a document."""
        found = self.fit.columns[table][name]
        stands = place(found) if found else None
        return stands if stands and stands.path else None

    def _present(self, source: sa.FromClause, table: str, name: str) -> Sql:
        column = self.column(source, table, name)
        return column.is_not(None) if column is not None else sa.false()

    def absent(self, source: sa.FromClause, table: str, path: str) -> Sql:
        """TRUE where a field, or that of the row it is linked to, holds nothing; not where it cannot be read."""
        link, _, name = path.rpartition(".")
        if not link:
            stands, column = self.stands(table, name), self.column(source, table, name)
            if stands is not None:
                return paths.absent(source.c[stands.column], stands.steps)
            return column.is_(None) if column is not None else sa.true()
        target, alias, joined = self.join(source, table, link)
        if joined is None:
            return sa.true()
        there = sa.not_(self.absent(alias, target, name))
        return ~sa.exists(sa.select(_ONE).select_from(alias).where(joined, there).correlate(source))

    def path(self, source: sa.FromClause, table: str, path: str) -> Column | None:
        """Return a field or a ``link.field`` (of the one joined row; NULL if there is none), by any number of links."""
        link, _, rest = path.partition(".")
        if not rest:
            return self.column(source, table, path)
        target, alias, joined = self.join(source, table, link)
        column = self.path(alias, target, rest) if joined is not None else None
        if joined is None or column is None:
            return None
        return sa.select(column).where(joined).limit(1).correlate(source).scalar_subquery()

    def holds(self, source: sa.FromClause, table: str, predicate: Predicate) -> Sql:
        """Return SQL that is TRUE iff the predicate is TRUE."""
        match predicate:
            case Constant(value):
                return sa.true() if value else sa.false()
            case IsNull(name):
                return self.absent(source, table, name.name)
            case Compare(op, left, right):
                return self._compare(source, table, op, left, right)
            case In(name, values):
                column = self.column(source, table, name.name)
                return column.in_(values) if column is not None else sa.false()
            case Not(part):
                return self.fails(source, table, part)
            case And(parts):
                return sa.and_(sa.true(), *(self.holds(source, table, part) for part in self._telling(parts)))
            case Or(parts):
                return sa.or_(sa.false(), *(self.holds(source, table, part) for part in parts))
            case Exists():
                return self._exists(source, table, predicate)

    def _telling(self, parts: tuple[Predicate, ...]) -> Iterator[Predicate]:
        """Leave out what says no more: where no stand-in is set, whoever is somebody is not the stand-in."""
        for part in parts:
            match part:
                case Compare("<>", Field() as field, Sentinel()) if self.sentinel is None:
                    if Not(IsNull(field)) not in parts:
                        yield part
                case _:
                    yield part

    def fails(self, source: sa.FromClause, table: str, predicate: Predicate) -> Sql:
        """Return SQL that is TRUE iff the predicate is FALSE."""
        match predicate:
            case Constant(value):
                return sa.false() if value else sa.true()
            case IsNull(name):
                return self._present(source, table, name.name)
            case Compare(op, left, right):
                return self._compare(source, table, COMPLEMENT[op], left, right)
            case In(name, values):
                column = self.column(source, table, name.name)
                return column.not_in(values) if column is not None else sa.false()
            case Not(part):
                return self.holds(source, table, part)
            case And(parts):
                return sa.or_(sa.false(), *(self.fails(source, table, part) for part in parts))
            case Or(parts):
                return sa.and_(sa.true(), *(self.fails(source, table, part) for part in parts))
            case Exists():
                return self._no_row(source, table, predicate)

    def possible(self, source: sa.FromClause, table: str, predicate: Predicate) -> list[Sql]:
        """Return SQL of which at least one is TRUE iff the predicate is not known to be FALSE.

        Each stands alone, so that a server can look each up by the index that fits it.
        """
        match predicate:
            case Or(parts):
                return [each for part in parts for each in self.possible(source, table, part)]
            case Exists() if (array := self._array(table, predicate.link)) is not None:
                return [
                    paths.unreadable(source.c[array.column], array.array),
                    self._unreadable_element(source, table, array, predicate),
                    self._of_element(source, array, self._possible, table, predicate),
                ]
            case Exists():
                target, alias, joined = self.join(source, table, predicate.link)
                if joined is None:
                    return []
                inner = sa.or_(sa.false(), *self.possible(alias, target, predicate.inner))
                member = self._member(source, table, predicate, alias, joined, inner)
                return [member, *self._unreadable_keys(source, table, predicate.link)]
            case Constant(value):
                return [sa.true()] if value else []
            case _:
                return [self.fails(source, table, predicate).is_not(sa.true())]

    def _unreadable_keys(self, source: sa.FromClause, table: str, link: str) -> Iterator[Sql]:
        """Yield what is TRUE where a key stands in a document and cannot be read: nobody knows what it joins."""
        for ours in self.loaded.tables[table].links[link].on.values():
            if self.element is None and self.stands(table, ours) is not None:
                yield sa.not_(sa.or_(self._present(source, table, ours), self.absent(source, table, ours)))

    def _compare(self, source: sa.FromClause, table: str, op: str, left: Operand, right: Operand) -> Sql:
        if op == "=" and (places := self._uuids(table, left, right)) is not None:
            one, other = places
            return paths.same(source.c[one.column], one.steps, source.c[other.column], other.steps)
        if self.sentinel is None and isinstance(right, Sentinel):
            return self._unlike_nobody(source, table, op, left)
        if self.sentinel is None and isinstance(left, Sentinel):
            return self._unlike_nobody(source, table, op, right)
        fields = [self._operand(source, table, side) for side in (left, right) if isinstance(side, Field)]
        # A UUID compares with a UUID only: what it is compared with is sent as one.
        like = _UUID if any(side is not None and isinstance(side.type, sa.Uuid) for side in fields) else None
        sides = [self._operand(source, table, side, like) for side in (left, right)]
        if self.sentinel is None and Sentinel() in (left, right):
            # Nobody stands in for anybody: no patron is the stand-in, and every patron is someone else.
            known = [side for side in sides if side is not None]
            return known[0].is_not(None) if known and op == "<>" else sa.false()
        if sides[0] is None or sides[1] is None:
            return sa.false()
        if like is not None and not all(isinstance(side.type, sa.Uuid) for side in sides if side is not None):
            # A column may hold one as text.
            return sa.cast(sides[0], sa.Text()).op(op, is_comparison=True)(sa.cast(sides[1], sa.Text()))
        return sides[0].op(op, is_comparison=True)(sides[1])

    def _uuids(self, table: str, left: Operand, right: Operand) -> tuple[Place, Place] | None:
        """Return where two UUIDs stand that are both fields of a document."""
        found = [self.fit.columns[table][side.name] for side in (left, right) if isinstance(side, Field)]
        places = [place(name) for name in found if name and self.fit.types.get(table, {}).get(name) == "uuid"]
        first, second = places if len(places) == len((left, right)) else (None, None)
        plain = first and second and first.path and second.path and not first.array and not second.array
        return (first, second) if first and second and plain else None

    def _unlike_nobody(self, source: sa.FromClause, table: str, op: str, side: Operand) -> Sql:
        """Where no stand-in is set nobody is it: ``<>`` is TRUE of every value, all else of none."""
        value = self._operand(source, table, side)
        return value.is_not(None) if op == "<>" and value is not None else sa.false()

    def _operand(self, source: sa.FromClause, table: str, side: Operand, like: Any = None) -> Column | None:
        if isinstance(side, Field):
            return self.column(source, table, side.name)
        value = side.value if isinstance(side, Literal) else self.sentinel
        return None if value is None else sa.bindparam(None, value, unique=True, type_=like)

    def join(self, source: sa.FromClause, table: str, link: str) -> tuple[str, sa.FromClause, Sql | None]:
        """Return the table a link leads to, an alias of it and what joins it; None if that cannot be followed."""
        spec = self.loaded.tables[table].links[link]
        alias = self.table(spec.table).alias(f"l{next(self._names)}")
        pairs = [
            (self.column(alias, spec.table, theirs), self.column(source, table, ours))
            for theirs, ours in spec.on.items()
        ]
        equal = [theirs == ours for theirs, ours in pairs if theirs is not None and ours is not None]
        if len(equal) < len(pairs):
            return spec.table, alias, None
        for theirs, (_, own) in zip(spec.on, pairs, strict=True):
            if by_index := self.by_index(alias, spec.table, theirs, own):
                equal.append(by_index[0] == by_index[1])
        return spec.table, alias, sa.and_(*equal)

    def by_index(
        self, alias: sa.FromClause, table: str, theirs: str, own: Column | None
    ) -> tuple[Column, Column] | None:
        """Return what equal UUIDs are in the words of an index the system keeps on the far one's text, if it does."""
        stands = self.stands(table, theirs)
        if not self.few or stands is None or own is None or not isinstance(own.type, sa.Uuid):
            return None
        index = self.fit.folded.get(table, {}).get(".".join((stands.column, *stands.steps)))
        return (paths.folded(alias.c[stands.column], stands.steps, index), sa.cast(own, sa.Text())) if index else None

    def _exists(self, source: sa.FromClause, table: str, predicate: Exists) -> Sql:
        if (array := self._array(table, predicate.link)) is not None:
            return self._of_element(source, array, self.holds, table, predicate)
        target, alias, joined = self.join(source, table, predicate.link)
        if joined is None:
            return sa.false()
        return self._member(source, table, predicate, alias, joined, self.holds(alias, target, predicate.inner))

    def _possible(self, source: sa.FromClause, table: str, predicate: Predicate) -> Sql:
        return sa.or_(sa.false(), *self.possible(source, table, predicate))

    def _array(self, table: str, link: str) -> Place | None:
        """Return the array a link starts from, unless one element of it is being looked at already."""
        for ours in self.loaded.tables[table].links[link].on.values():
            stands = self.stands(table, ours)
            if stands is not None and stands.array and self.element is None:
                return stands
        return None

    def _elements(self, source: sa.FromClause, array: Place) -> sa.TableValuedAlias:
        return paths.elements(source.c[array.column], array.array, f"e{next(self._names)}")

    def _of_element(
        self,
        source: sa.FromClause,
        array: Place,
        judge: Callable[[sa.FromClause, str, Predicate], Sql],
        table: str,
        predicate: Predicate,
    ) -> Sql:
        """Whether ``judge`` is TRUE of one element of the array."""
        listed = self._elements(source, array)
        with self.looking_at(listed):
            found = judge(source, table, predicate)
        return sa.exists(sa.select(_ONE).select_from(listed).where(found).correlate(source))

    def _unreadable_element(self, source: sa.FromClause, table: str, array: Place, predicate: Exists) -> Sql:
        listed = self._elements(source, array)
        ours = next(iter(self.loaded.tables[table].links[predicate.link].on.values()))
        with self.looking_at(listed):
            key = self.column(source, table, ours)
        nothing = paths.absent(listed.c.value, array.steps)
        there = sa.and_(sa.not_(nothing), key.is_(None) if key is not None else sa.true())
        return sa.exists(sa.select(_ONE).select_from(listed).where(there).correlate(source))

    @contextmanager
    def looking_at(self, element: sa.TableValuedAlias) -> Iterator[None]:
        """Read fields that stand in an array from this element of it."""
        self.element = element
        try:
            yield
        finally:
            self.element = None

    def _no_row(self, source: sa.FromClause, table: str, predicate: Exists) -> Sql:
        return sa.not_(sa.or_(sa.false(), *self.possible(source, table, predicate)))

    def _member(
        self, source: sa.FromClause, table: str, predicate: Exists, alias: sa.FromClause, joined: Sql, inner: Sql
    ) -> Sql:
        spec = self.loaded.tables[table].links[predicate.link]
        if self.few or self.element is not None or len(spec.on) > 1:
            near = [source] if self.element is None else [source, self.element]
            return sa.exists(sa.select(_ONE).select_from(alias).where(joined, inner).correlate(*near))
        theirs, ours = next(iter(spec.on.items()))
        key, own = self.column(alias, spec.table, theirs), self.column(source, table, ours)
        if key is None or own is None:
            return sa.false()
        members = sa.select(key).where(key.is_not(None), inner)
        return sa.and_(own.is_not(None), own.in_(members))
