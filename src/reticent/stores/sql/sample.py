"""A few thousand rows of a table of any size, from its whole length, without a person in any statement.

A severed table names nobody in its old rows, so its beginning alone would tell nothing. Places to start from
are worked out by the server itself (a part of the way from the least key to the greatest), so that no row's
value ever stands in a statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from reticent.errors import SystemRefused
from reticent.stores.overlap import HEAD
from reticent.stores.sql.compile import whole
from reticent.stores.sql.connect import reading
from reticent.systems.structure import ColumnInfo, TableInfo, family

SLICES = 8
SLICE = 200
MANY = 100_000
_LONGEST = 8000
"""Letters of a text that are read."""
_SPARSE = 2000
PATIENCE = {
    "mariadb": "SET SESSION max_statement_time = 5",
    "mysql": "SET SESSION max_execution_time = 5000",
    "postgresql": "SET statement_timeout = '5s'",
}
"""A live system comes first: what takes longer is left."""
_NEVER = ("when", "number")
_NO_PERSON = ("tinyint", "boolean", "bool", "bit", "enum", "set", "year", "time", "interval", "money", "numeric")


def readable(table: TableInfo) -> list[ColumnInfo]:
    """Return the columns of a table that can hold a person: no dates, amounts, flags and closed lists."""
    return [column for column in table.columns.values() if _may_hold(column.type)]


def _may_hold(kind: str) -> bool:
    word = kind.lower().split("(")[0].split(" ")[0]
    # decimal without places is how some systems keep their numbers.
    return (family(kind) not in _NEVER and word not in _NO_PERSON) or kind.lower().endswith(",0)")


@dataclass(frozen=True)
class Sample:
    """Columns of sampled rows, in the order asked for; ``whole`` if no row was left out."""

    columns: Sequence[Sequence[Any]]
    whole: bool
    beginning: bool = False
    """Whether only the first rows could be read."""


class Sampler:
    """Samples the tables of one database by one account."""

    def __init__(self, engine: sa.Engine, system: str) -> None:
        self._engine, self._system, self._dialect = engine, system, engine.dialect.name

    def sample(self, table: TableInfo, columns: Sequence[ColumnInfo]) -> Sample:
        """Sample one table. Raises SystemRefused where the account may not read it."""
        source = self._source(table, columns)
        query = self._select(source, columns)
        rows = self._rows(query.limit(HEAD))
        if len(rows) < HEAD:
            return Sample(_turned(rows, columns), whole=True)
        more = self._more(table, source, query)
        found = _turned([*rows, *more], columns)
        filled = [self._filled(source, *each) for each in zip(columns, found, strict=True)]
        return Sample(filled, whole=False, beginning=not more)

    def many(self, table: TableInfo, column: ColumnInfo, most: int = MANY) -> list[Any]:
        """Return up to ``most`` values of one column, from wherever the server begins; none if that takes too long."""
        source = self._source(table, [column])
        held = self._select(source, [column]).where(source.c[column.name].is_not(None)).limit(most)
        try:
            return [row[0] for row in self._rows(held)]
        except SystemRefused:
            return []

    def _source(self, table: TableInfo, columns: Sequence[ColumnInfo]) -> sa.TableClause:
        names = dict.fromkeys([*(column.name for column in columns), *table.primary_key, *sorted(table.indexed)])
        return whole(table, *names)

    def _select(self, source: sa.TableClause, columns: Sequence[ColumnInfo]) -> sa.Select[Any]:
        wanted = [self._shown(source.c[column.name], column.type).label(f"f{n}") for n, column in enumerate(columns)]
        return sa.select(*wanted).select_from(source)

    def _shown(self, column: sa.ColumnElement[Any], kind: str) -> sa.ColumnElement[Any]:
        known = family(kind)
        if known in ("whole", "number"):
            return column
        if known != "binary" and self._dialect == "postgresql":
            column = sa.cast(column, sa.Text())
        return sa.func.substr(column, 1, _LONGEST)

    def _rows(self, query: sa.Select[Any]) -> list[tuple[Any, ...]]:
        with reading(self._engine, self._system) as connection:
            return [tuple(row) for row in connection.execute(query)]

    def _more(self, table: TableInfo, source: sa.TableClause, query: sa.Select[Any]) -> list[tuple[Any, ...]]:
        try:
            return [row for part in self._parts(table, source, query) for row in self._rows(part)]
        except SystemRefused:
            # A key the account may not read, a table without row numbers: the beginning is what there is.
            return []

    def _parts(self, table: TableInfo, source: sa.TableClause, query: sa.Select[Any]) -> Iterator[sa.Select[Any]]:
        key = self._key(table, source)
        if key is not None:
            for part in range(1, SLICES):
                step = (sa.func.max(key) - sa.func.min(key)) / SLICES
                start = sa.cast(sa.func.min(key) + step * part, sa.BigInteger)
                at = sa.select(start).select_from(source).scalar_subquery()
                yield query.where(key >= at).order_by(key).limit(SLICE)
            yield query.order_by(key.desc()).limit(SLICE)
        elif self._dialect == "postgresql":
            yield from self._spread(source, query)
        elif leading := sorted(table.indexed):
            yield query.order_by(source.c[leading[0]].desc()).limit(SLICE * SLICES)

    def _spread(self, source: sa.TableClause, query: sa.Select[Any]) -> Iterator[sa.Select[Any]]:
        # PostgreSQL finds a row by its page.
        with reading(self._engine, self._system) as connection:
            name = connection.dialect.identifier_preparer.format_table(source)
            pages = int(connection.execute(sa.text("SELECT pg_relation_size(:t) / 8192"), {"t": name}).scalar_one())
        ctid: sa.ColumnElement[Any] = sa.literal_column("ctid")
        for part in range(1, SLICES + 1):
            page = max(pages * part // SLICES - SLICE // 20, 0)
            yield query.where(ctid >= sa.literal_column(f"'({page},0)'::tid")).limit(SLICE)

    def _key(self, table: TableInfo, source: sa.TableClause) -> sa.ColumnElement[Any] | None:
        if len(table.primary_key) == 1 and family(table.columns[table.primary_key[0]].type) == "whole":
            return source.c[table.primary_key[0]]
        return sa.literal_column("rowid") if self._dialect == "sqlite" else None

    def _filled(self, source: sa.TableClause, column: ColumnInfo, values: Sequence[Any]) -> Sequence[Any]:
        """Return more of a column that is nearly always empty: what few rows hold is what was not severed."""
        if sum(value is not None for value in values) * 10 > len(values):
            return values
        held = self._select(source, [column]).where(source.c[column.name].is_not(None)).limit(_SPARSE)
        try:
            return [*values, *(row[0] for row in self._rows(held))]
        except SystemRefused:  # it took longer than a live system should bear
            return values


def _turned(rows: list[tuple[Any, ...]], columns: Sequence[ColumnInfo]) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) if rows else [() for _ in columns]
