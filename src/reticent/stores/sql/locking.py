"""Which rows a chunk really holds: found again, locked, counted, and left out where another table keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from reticent.errors import SystemBusy
from reticent.model import Chunk
from reticent.stores.sql import chains
from reticent.stores.sql.compile import Sql
from reticent.stores.sql.conditions import Conditions, listed
from reticent.stores.sql.walks import Rows, window_column


@dataclass(frozen=True)
class Locked:
    """The rows a chunk really holds: a condition that picks exactly them with its parameters, and how many.

    ``parameters["keys"]``: the text of an array of their keys (PostgreSQL), where the condition is
    ``Conditions.among``: what follows changes what else could pick them. The server alone writes and reads it.
    ``kind``: what the condition is called, if the next chunk has the same one; () if it has not.
    ``counted_before``: they were counted when the chunk was made, and are not locked yet.
    """

    where: Sql
    rows: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kind: tuple[object, ...] = ()
    limit: int = 0
    due: int = 0
    counted_before: bool = False


def trusted(conditions: Conditions, chunk: Chunk, rows: Rows, cutoff: datetime) -> Locked | None:
    """Return the rows as they were counted, where severing itself finds out whether that is still true; else None."""
    if rows.limit or conditions.series.tally or conditions.asks_elsewhere or conditions.by_key:
        return None
    where, bound, kind = _picked(conditions, rows, cutoff, "due")
    return Locked(where, chunk.expected, bound, kind, counted_before=True)


def lock(connection: sa.Connection, conditions: Conditions, chunk: Chunk, rows: Rows, cutoff: datetime) -> Locked:
    """Lock the due rows of a chunk. Raises SystemBusy if rows were added since it was made."""
    if conditions.chained:
        return _chains(connection, conditions, rows, cutoff)
    where, bound, kind = _picked(conditions, rows, cutoff, "due")
    if rows.limit:
        left = count(connection, conditions, where, bound)
        return Locked(where, min(rows.limit, left), bound, limit=rows.limit, due=left)
    if rows.span:
        return Locked(where, count(connection, conditions, where, bound, kind, lock=True), bound, kind)
    if connection.dialect.name == "postgresql":
        return _by_keys(connection, conditions, chunk, rows, cutoff)
    return _by_range(connection, conditions, chunk, rows, cutoff)


def _picked(
    conditions: Conditions, rows: Rows, cutoff: datetime, part: str
) -> tuple[Sql, dict[str, Any], tuple[object, ...]]:
    """Return what picks the ``part`` ("due", "own") of a chunk's rows, its parameters, and what it is called."""

    def made() -> Sql:
        of = conditions.due(cutoff) if part == "due" else conditions.own(cutoff)
        return sa.and_(_within(conditions, rows), of)

    if rows.picked or rows.limit:
        return made(), _bounds(conditions, rows), ()
    kind = ("keys" if rows.keys else "span", part, cutoff)
    return conditions.once(made, *kind), _bounds(conditions, rows), kind


def _within(conditions: Conditions, rows: Rows) -> Sql:
    """Return what picks the rows of a chunk, due or not; TRUE for a batch."""
    low, high = (sa.bindparam(name, type_=sa.types.NULLTYPE) for name in ("low", "high"))
    if rows.keys:
        return sa.and_(conditions.key >= low, conditions.key <= high)
    if rows.picked:
        return conditions.key.in_(rows.picked)
    if rows.span:
        return sa.and_(window_column(conditions) >= low, window_column(conditions) < high)
    window = conditions.database.loaded.tables[conditions.series.table].window
    return conditions.missing(window_column(conditions)) if window else sa.true()


def _bounds(conditions: Conditions, rows: Rows) -> dict[str, Any]:
    if rows.keys:
        return dict(zip(("low", "high"), rows.keys, strict=True))
    return {name: conditions.moment(at).value for name, at in zip(("low", "high"), rows.span or (), strict=False)}


def _by_range(connection: sa.Connection, conditions: Conditions, chunk: Chunk, rows: Rows, cutoff: datetime) -> Locked:
    """Lock a range of keys, and leave out the rows that another table keeps from being due.

    What then picks the rows reads no other table; the few keys left out are surrogates, and a range
    that leaves some out is many times faster than a list of thousands.
    """
    own, bound, kind = _picked(conditions, rows, cutoff, "own")
    candidates = count(connection, conditions, own, bound, kind, lock=True)
    if candidates > chunk.expected:
        raise _added()
    if not (kept := conditions.not_elsewhere(cutoff)):
        return Locked(own, candidates, bound, kind)

    def made() -> sa.CompoundSelect[Any]:
        return sa.union(*(sa.select(conditions.key).where(own, one) for one in kept))

    out = [row[0] for row in connection.execute(conditions.once(made, "kept", *kind) if kind else made(), bound)]
    if not out:
        return Locked(own, candidates, bound, kind)
    return Locked(sa.and_(own, conditions.key.not_in(out)), candidates - len(out), bound)


def _by_keys(connection: sa.Connection, conditions: Conditions, chunk: Chunk, rows: Rows, cutoff: datetime) -> Locked:
    """Lock rows and go on by their keys: reading documents again would cost more."""
    own, bound, kind = _picked(conditions, rows, cutoff, "own")

    def to_lock() -> sa.Select[*tuple[Any, ...]]:
        return _locking(conditions, own)

    query = conditions.once(to_lock, "lock", *kind) if kind else to_lock()
    keys, found = connection.execute(query, bound).one()
    if found > chunk.expected:
        raise _added()
    if kept := conditions.not_elsewhere(cutoff):
        free = sa.select(*listed(conditions.key)).where(conditions.among, sa.or_(*kept).is_not(sa.true()))
        keys, found = connection.execute(free, {"keys": keys}).one()
    return Locked(conditions.among, found, {"keys": keys}, ("among",))


def _chains(connection: sa.Connection, conditions: Conditions, rows: Rows, cutoff: datetime) -> Locked:
    """Lock whole chains, and pick those of which every row is due."""
    if rows.members:
        to_lock = conditions.once(lambda: _locking(conditions, conditions.among), "lock chains")
        limits: dict[str, Any] = {"keys": rows.members}
    else:
        heads = sa.select(conditions.key).where(
            _within(conditions, rows), conditions.own(cutoff), chains.is_head(conditions)
        )
        every = sa.func.array(sa.select(chains.members(conditions, heads).c.key).scalar_subquery())
        to_lock, limits = _locking(conditions, conditions.key == sa.any_(every)), _bounds(conditions, rows)
    keys, _ = connection.execute(to_lock, limits).one()
    to_check = conditions.once(lambda: chains.checking(conditions, cutoff), "check chains", cutoff)
    due, picked, whole = connection.execute(to_check, {"keys": keys}).one()
    if not whole:
        raise _added()
    return Locked(conditions.among, picked, {"keys": due}, ("among",))


def _locking(conditions: Conditions, where: Sql) -> sa.Select[*tuple[Any, ...]]:
    """Return what locks rows and lists their keys."""
    some = sa.select(conditions.key.label("key")).where(where).with_for_update().subquery()
    return sa.select(*listed(some.c.key))


def count(
    connection: sa.Connection,
    conditions: Conditions,
    where: Sql,
    bound: Mapping[str, Any],
    kind: tuple[object, ...] = (),
    *,
    lock: bool = False,
) -> int:
    """Count the rows of ``where``, whose parameters are ``bound``, and lock them if asked; ``kind`` as in Locked."""

    def made() -> sa.Select[Any]:
        one: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(conditions.source).where(where)
        if lock and connection.dialect.name == "postgresql":
            return sa.select(sa.func.count()).select_from(one.with_for_update().subquery())
        query = sa.select(sa.func.count()).select_from(conditions.source).where(where)
        return query.with_for_update() if lock else query

    query = conditions.once(made, "count", lock, *kind) if kind else made()
    return int(connection.execute(query, bound).scalar_one())


def _added() -> SystemBusy:
    return SystemBusy("Rows were added while a chunk was read.", do="It is read again.")
