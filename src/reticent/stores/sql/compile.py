"""The map's predicate trees as SQL that is TRUE exactly when the predicate is known to be.

SQL's three-valued logic loses its third value inside EXISTS, and a lost UNKNOWN severs or keeps by
accident. So each predicate is compiled twice: ``holds`` is TRUE iff the predicate is TRUE, ``fails``
is TRUE iff it is FALSE. NOT is pushed down to the leaves; only EXISTS is ever negated in SQL.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from reticent.systems.fit import Fit
from reticent.systems.mapfile import Map
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


class _Only(sa.TableClause):
    """A table of PostgreSQL whose own rows are meant, not those of the tables that inherit from it."""

    inherit_cache = True


@compiles(_Only)
def _only(element: _Only, compiler: Any, **kw: Any) -> str:
    text = compiler.visit_table(element, **kw)
    return f"ONLY {text}" if kw.get("asfrom") else text


def clause(name: str, *columns: str, only: bool = False) -> sa.TableClause:
    """Return a table of a map by its name, ``schema.table`` or ``table``."""
    schema, _, table = name.rpartition(".")
    return _clause(table, schema, columns, only)


def whole(info: TableInfo, *columns: str) -> sa.TableClause:
    """Return a table as it stands in a database, whatever its name."""
    return _clause(info.bare, info.schema, columns, info.parent)


def _clause(name: str, schema: str, columns: Iterable[str], only: bool) -> sa.TableClause:
    kind = _Only if only else sa.TableClause
    return kind(name, *(sa.column(column) for column in columns), schema=schema or None)


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
    _names: count[int] = field(default_factory=count)

    def table(self, name: str) -> sa.FromClause:
        """Return the table itself, unaliased."""
        mapped = [c for c in self.fit.columns[name].values() if c]
        names = dict.fromkeys([*mapped, *self.fit.touched.get(name, ())])
        return clause(name, *names, only=name in self.fit.parents)

    def column(self, source: sa.FromClause, table: str, name: str) -> Column | None:
        """Return a field as a column of ``source``, None where this release has none."""
        found = self.fit.columns[table][name]
        return source.c[found] if found else None

    def path(self, source: sa.FromClause, table: str, path: str) -> Column | None:
        """Return a field or a ``link.field`` (of the one joined row; NULL if there is none)."""
        link, _, name = path.rpartition(".")
        if not link:
            return self.column(source, table, name)
        target, alias, joined = self._join(source, table, link)
        column = self.column(alias, target, name) if joined is not None else None
        if joined is None or column is None:
            return None
        return sa.select(column).where(joined).limit(1).correlate(source).scalar_subquery()

    def holds(self, source: sa.FromClause, table: str, predicate: Predicate) -> Sql:
        """Return SQL that is TRUE iff the predicate is TRUE."""
        match predicate:
            case Constant(value):
                return sa.true() if value else sa.false()
            case IsNull(name):
                column = self.column(source, table, name.name)
                return column.is_(None) if column is not None else sa.true()
            case Compare(op, left, right):
                return self._compare(source, table, op, left, right)
            case In(name, values):
                column = self.column(source, table, name.name)
                return column.in_(values) if column is not None else sa.false()
            case Not(part):
                return self.fails(source, table, part)
            case And(parts):
                return sa.and_(sa.true(), *(self.holds(source, table, part) for part in parts))
            case Or(parts):
                return sa.or_(sa.false(), *(self.holds(source, table, part) for part in parts))
            case Exists():
                return self._exists(source, table, predicate)

    def fails(self, source: sa.FromClause, table: str, predicate: Predicate) -> Sql:
        """Return SQL that is TRUE iff the predicate is FALSE."""
        match predicate:
            case Constant(value):
                return sa.false() if value else sa.true()
            case IsNull(name):
                column = self.column(source, table, name.name)
                return column.is_not(None) if column is not None else sa.false()
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
            case Exists():
                target, alias, joined = self._join(source, table, predicate.link)
                if joined is None:
                    return []
                inner = sa.or_(sa.false(), *self.possible(alias, target, predicate.inner))
                return [self._member(source, table, predicate, alias, joined, inner)]
            case Constant(value):
                return [sa.true()] if value else []
            case _:
                return [self.fails(source, table, predicate).is_not(sa.true())]

    def _compare(self, source: sa.FromClause, table: str, op: str, left: Operand, right: Operand) -> Sql:
        if self.sentinel is None and isinstance(right, Sentinel):
            return self._unlike_nobody(source, table, op, left)
        if self.sentinel is None and isinstance(left, Sentinel):
            return self._unlike_nobody(source, table, op, right)
        sides = [self._operand(source, table, side) for side in (left, right)]
        if self.sentinel is None and Sentinel() in (left, right):
            # Nobody stands in for anybody: no patron is the stand-in, and every patron is someone else.
            known = [side for side in sides if side is not None]
            return known[0].is_not(None) if known and op == "<>" else sa.false()
        if sides[0] is None or sides[1] is None:
            return sa.false()
        return sides[0].op(op, is_comparison=True)(sides[1])

    def _unlike_nobody(self, source: sa.FromClause, table: str, op: str, side: Operand) -> Sql:
        """Where no stand-in is set nobody is it: ``<>`` is TRUE of every value, all else of none."""
        value = self._operand(source, table, side)
        return value.is_not(None) if op == "<>" and value is not None else sa.false()

    def _operand(self, source: sa.FromClause, table: str, side: Operand) -> Column | None:
        if isinstance(side, Field):
            return self.column(source, table, side.name)
        value = side.value if isinstance(side, Literal) else self.sentinel
        return None if value is None else sa.bindparam(None, value, unique=True)

    def _join(self, source: sa.FromClause, table: str, link: str) -> tuple[str, sa.FromClause, Sql | None]:
        spec = self.loaded.tables[table].links[link]
        alias = self.table(spec.table).alias(f"l{next(self._names)}")
        pairs = [
            (self.column(alias, spec.table, theirs), self.column(source, table, ours))
            for theirs, ours in spec.on.items()
        ]
        equal = [theirs == ours for theirs, ours in pairs if theirs is not None and ours is not None]
        return spec.table, alias, sa.and_(*equal) if len(equal) == len(pairs) else None

    def _exists(self, source: sa.FromClause, table: str, predicate: Exists) -> Sql:
        target, alias, joined = self._join(source, table, predicate.link)
        if joined is None:
            return sa.false()
        return self._member(source, table, predicate, alias, joined, self.holds(alias, target, predicate.inner))

    def _no_row(self, source: sa.FromClause, table: str, predicate: Exists) -> Sql:
        return sa.not_(sa.or_(sa.false(), *self.possible(source, table, predicate)))

    def _member(
        self, source: sa.FromClause, table: str, predicate: Exists, alias: sa.FromClause, joined: Sql, inner: Sql
    ) -> Sql:
        spec = self.loaded.tables[table].links[predicate.link]
        if self.few or len(spec.on) > 1:
            return sa.exists(
                sa.select(sa.literal_column("1")).select_from(alias).where(joined, inner).correlate(source)
            )
        theirs, ours = next(iter(spec.on.items()))
        key, own = self.column(alias, spec.table, theirs), self.column(source, table, ours)
        if key is None or own is None:
            return sa.false()
        members = sa.select(key).where(key.is_not(None), inner)
        return sa.and_(own.is_not(None), own.in_(members))
