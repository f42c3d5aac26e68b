"""The ways to hand out the due rows of a table in chunks.

seek:   the next keys of rows that may be due by their own columns, read without locks; the key is a
        surrogate, never a person or a use. What other tables say is asked once, under lock.
chain:  the next heads of chains, in the same way, each with the rows that follow it.
window: spans of an indexed time, for large tables without a key.
picked: one person's due rows, at their own wish: all are read and matched here, and only keys go back.
batch:  so many due rows, chosen by the server; for small tables whose key is a person or a use, so
        that no such value is ever a literal in a statement.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from reticent.model import Chunk, Step
from reticent.stores.sql import chains
from reticent.stores.sql.conditions import Conditions, listed
from reticent.stores.sql.connect import reading
from reticent.stores.sql.streams import stream


@dataclass(frozen=True)
class Rows:
    """Which rows a chunk holds: the first and last key, a time span, or just a number of due rows.

    ``members``: the keys of whole chains, of which ``keys`` are heads, as the text of an array (PostgreSQL).
    """

    keys: tuple[int | str, int | str] | None = None
    span: tuple[datetime, datetime] | None = None
    limit: int = 0
    cutoff: datetime | None = None
    picked: tuple[int | str, ...] = field(default=(), repr=False)
    members: str = field(default="", repr=False)


class SqlWalk(ABC):
    """Hands out chunks; ``next`` repeats the same rows until ``advance``."""

    def __init__(
        self, engine: sa.Engine, step: Step, conditions: Conditions, cutoff: datetime, run: str, first: int
    ) -> None:
        self._engine, self._step, self._conditions = engine, step, conditions
        self._cutoff, self._run, self._number = cutoff, run, first

    def next(self, size: int) -> Chunk | None:
        """Return the next chunk of at most ``size`` rows, None at the end."""
        rows, expected = self._rows(size)
        if rows is None:
            return None
        return Chunk(self._run, self._step, self._number, replace(rows, cutoff=self._cutoff), expected)

    def advance(self) -> None:
        """Go on behind the last chunk."""
        self._number += 1
        self._passed()

    @abstractmethod
    def _rows(self, size: int) -> tuple[Rows | None, int]: ...

    def _passed(self) -> None:  # noqa: B027 - a batch walk has no position
        """Move the position behind the last chunk."""


class SeekWalk(SqlWalk):
    """By surrogate key."""

    _after: int | str | None = None
    _last: int | str | None = None

    def _rows(self, size: int) -> tuple[Rows | None, int]:
        key = self._conditions.key
        query = sa.select(key.label("k")).where(self._conditions.own(self._cutoff)).order_by(key).limit(size)
        if self._after is not None:
            query = query.where(key > self._after)
        found = query.subquery()
        ordered = _ordered(found.c.k)
        ends = sa.select(sa.func.min(ordered), sa.func.max(ordered), sa.func.count())
        with reading(self._engine, self._step.system, brief=True) as connection:
            first, self._last, rows = connection.execute(ends).one()
        return (Rows(keys=(first, self._last)), rows) if rows else (None, 0)

    def _passed(self) -> None:
        self._after = self._last


def _ordered(key: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a key of which the server can tell the least: it has no least UUID, but their texts sort as they do."""
    return sa.collate(sa.cast(key, sa.Text()), "C") if isinstance(key.type, sa.Uuid) else key


class ChainWalk(SqlWalk):
    """By the key of each chain's head; a chunk holds whole chains, one at least."""

    _after: int | str | None = None
    _last: int | str | None = None

    def _rows(self, size: int) -> tuple[Rows | None, int]:
        begun = self._after is not None
        query = self._conditions.once(lambda: self._query(begun), "next chains", self._cutoff, begun)
        limits = {"size": size, "after": self._after} if begun else {"size": size}
        with reading(self._engine, self._step.system, brief=True) as connection:
            first, self._last, members, total = connection.execute(query, limits).one()
        return (Rows(keys=(first, self._last), members=members), total) if total else (None, 0)

    def _query(self, begun: bool) -> sa.Select[*tuple[Any, ...]]:
        """Return a query of the first and last head of the next chains, and all rows of theirs."""
        key, size = self._conditions.key, sa.bindparam("size", type_=sa.Integer())
        heads = sa.select(key).where(self._conditions.own(self._cutoff), chains.is_head(self._conditions))
        if begun:
            heads = heads.where(key > sa.bindparam("after", type_=sa.types.NULLTYPE))
        chain = chains.members(self._conditions, heads.order_by(key).limit(size))
        running = sa.func.count().over(order_by=chain.c.head)  # with all rows of the chain itself
        first = sa.func.min(chain.c.head).over()
        each = sa.select(chain.c.head, chain.c.key, running.label("all"), first.label("first")).subquery()
        ends = (sa.func.min(each.c.head), sa.func.max(each.c.head), *listed(each.c.key))
        return sa.select(*ends).where(sa.or_(each.c.all <= size, each.c.head == each.c.first))

    def _passed(self) -> None:
        self._after = self._last


class WindowWalk(SqlWalk):
    """By spans of time, each of whole hours, read only as far as the next chunk goes."""

    _after: datetime | None = None
    _end: datetime | None = None

    def _rows(self, size: int) -> tuple[Rows | None, int]:
        hours = self._hours(size + 1)
        if not hours:
            return self._undated(size)
        total, first = sum(hours.values()), next(iter(hours))
        if total > size and len(hours) > 1:
            total -= hours.popitem()[1]  # the rows of this hour may go on
        if total > size:
            # A load of old records can put more rows into one hour than a chunk may hold.
            self._end = first
            return Rows(span=(first, first + timedelta(hours=1)), limit=size), size
        self._end = next(reversed(hours)) + timedelta(hours=1)
        return Rows(span=(first, self._end)), total

    def _hours(self, limit: int) -> dict[datetime, int]:
        """Return the hours of the next due rows, in order, each with how many of ``limit`` rows it holds."""
        conditions, column = self._conditions, window_column(self._conditions)
        query = sa.select(column.label("at")).where(conditions.due(self._cutoff), sa.not_(conditions.missing(column)))
        if self._after is not None:
            query = query.where(column >= conditions.moment(self._after))
            if conditions.database_is_sqlite:
                # What another program wrote with a T in it sorts behind the whole day, and must not come again.
                query = query.where(sa.func.datetime(column) >= conditions.moment(self._after))
        some = query.order_by(column).limit(limit).subquery()
        hour = truncated(some.c.at, "hour", conditions.database.dialect)
        counted = sa.select(hour, sa.func.count()).group_by(hour).order_by(hour)
        with reading(self._engine, self._step.system, brief=True) as connection:
            return {datetime.fromisoformat(str(moment)): rows for moment, rows in connection.execute(counted)}

    def _undated(self, size: int) -> tuple[Rows | None, int]:
        if self._conditions.series.undated != "due":
            return None, 0
        undated = self._conditions.missing(window_column(self._conditions))
        query = sa.select(sa.func.count()).select_from(self._conditions.source)
        with reading(self._engine, self._step.system) as connection:
            left = connection.execute(query.where(undated, self._conditions.due(self._cutoff))).scalar_one()
        return (Rows(limit=size), min(size, left)) if left else (None, 0)

    def _passed(self) -> None:
        self._after = self._end


@dataclass(frozen=True)
class Whose:
    """One person, as a system numbers them; made by its Discloser for that person's own permit."""

    numbers: frozenset[str] = field(repr=False)


class PickedWalk(SqlWalk):
    """One person's due rows. Everybody's are read with whose they are; the person is in no statement."""

    def __init__(
        self,
        engine: sa.Engine,
        step: Step,
        conditions: Conditions,
        cutoff: datetime,
        run: str,
        first: int,
        whose: Whose,
    ) -> None:
        super().__init__(engine, step, conditions, cutoff, run, first)
        self._left = list(self._matching(whose))
        self._handed = 0

    def _matching(self, whose: Whose) -> Iterator[int | str]:
        conditions, series = self._conditions, self._conditions.series
        compiler, source = conditions.compiler, conditions.source
        paths = [compiler.path(source, series.table, path) for path in series.persons or (series.who,)]
        known = [path.label(f"p{n}") for n, path in enumerate(paths) if path is not None]
        query = sa.select(conditions.key.label("k"), *known).select_from(source).where(conditions.due(self._cutoff))
        for one, *persons in stream(self._engine, self._step.system, query):
            if any(str(person) in whose.numbers for person in persons if person is not None):
                yield one

    def _rows(self, size: int) -> tuple[Rows | None, int]:
        part = tuple(self._left[:size])
        self._handed = len(part)
        return (Rows(picked=part), len(part)) if part else (None, 0)

    def _passed(self) -> None:
        del self._left[: self._handed]


class BatchWalk(SqlWalk):
    """By number: the server chooses which due rows come next."""

    def _rows(self, size: int) -> tuple[Rows | None, int]:
        query = sa.select(sa.func.count()).select_from(self._conditions.source)
        with reading(self._engine, self._step.system) as connection:
            left = connection.execute(query.where(self._conditions.due(self._cutoff))).scalar_one()
        return (Rows(limit=size), min(size, left)) if left else (None, 0)


def window_column(conditions: Conditions) -> sa.ColumnElement[datetime]:
    """Return the column a window walk goes by."""
    table = conditions.database.loaded.tables[conditions.series.table]
    column = conditions.compiler.column(conditions.source, conditions.series.table, table.window)
    assert column is not None  # noqa: S101 - a missing window column refuses the series
    return column


def truncated(column: sa.ColumnElement[datetime], unit: str, dialect: str) -> sa.ColumnElement[datetime]:
    """Return a time cut to the hour, day, month or year."""
    if dialect == "postgresql":
        return sa.func.date_trunc(unit, column)
    formats = {"hour": "%Y-%m-%d %H:00:00", "day": "%Y-%m-%d 00:00:00", "month": "%Y-%m-01 00:00:00"}
    pattern = formats.get(unit, "%Y-01-01 00:00:00")
    if dialect == "sqlite":
        return sa.func.strftime(pattern, column)
    return sa.func.date_format(column, pattern)
