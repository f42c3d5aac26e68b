"""Chains: a renewal follows its loan, and they end together or not at all.

A row's ``chain`` field holds the key of the row it follows. A row that follows none, or one that is not there,
is the head of its chain. Rows that follow one another in a circle have no head and are withheld. Every row of a
chain is in the state of the row that is least ready to be severed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from reticent.stores.sql.compile import Column, Sql
from reticent.stores.sql.conditions import CIRCULAR, DUE, OPEN, UNDECIDED, WITHHELD, WITHIN, Conditions, listed

_LAST = 1_000_000
"""Above every withheld state: the two states that wait for nothing but time."""


def columns(conditions: Conditions, source: sa.FromClause | None = None) -> tuple[Column, Column]:
    """Return a table's key and the column that holds the key of the row before."""
    table = conditions.database.loaded.tables[conditions.series.table]
    found = [
        conditions.compiler.column(conditions.source if source is None else source, conditions.series.table, name)
        for name in (table.key, table.chain)
    ]
    assert found[0] is not None  # noqa: S101 - a missing key column refuses the series
    assert found[1] is not None  # noqa: S101
    return found[0], found[1]


def is_head(conditions: Conditions) -> Sql:
    """TRUE of rows that follow none, or one that is not there."""
    _, parent = columns(conditions)
    before = conditions.compiler.table(conditions.series.table).alias("before")
    key = columns(conditions, before)[0]
    # A look-up a row, not an EXISTS: that would read every key of the table for the few thousand of a chunk.
    there = sa.select(key).where(key == parent).correlate(conditions.source).limit(1).scalar_subquery()
    return sa.or_(parent.is_(None), there.is_(None))


def members(conditions: Conditions, heads: sa.Select[Any]) -> sa.CTE:
    """Return (head, key) of every row in the chains whose heads ``heads`` selects by key."""
    first = heads.subquery()
    chain = sa.select(first.c[0].label("head"), first.c[0].label("key")).cte("chain", recursive=True)
    after = conditions.compiler.table(conditions.series.table).alias("after")
    key, parent = columns(conditions, after)
    # The OFFSET keeps the server to a look-up a row; it would rather read all that follow anything.
    follower = sa.select(key.label("key")).where(parent == chain.c.key).offset(sa.literal_column("0")).lateral()
    return chain.union_all(sa.select(chain.c.head, follower.c.key).select_from(chain.join(follower, sa.true())))


def checking(conditions: Conditions, cutoff: datetime) -> sa.Select[Any]:
    """Return what picks, of locked chains (``Conditions.keys``), those of which every row is due.

    (their keys, how many, whether the locked chains are whole): no row can join a locked chain any more, but one
    may have done so while the locks were waited for. They are whole if as many rows follow one of them as there
    are among them that follow any.
    """
    key, before = columns(conditions)
    due = sa.func.coalesce(conditions.due(cutoff), sa.false())
    now = (
        sa.select(key.label("key"), before.label("before"), due.label("due"), is_head(conditions).label("head"))
        .where(conditions.among)
        .cte("now")
    )
    kept = _with_all_of_their_chains(conditions, sa.select(now.c.key, now.c.before).where(sa.not_(now.c.due)))
    picked = sa.select(now.c.key).except_(sa.select(kept.c.key)).subquery()
    after = conditions.compiler.table(conditions.series.table).alias("after")
    of_them = sa.select(sa.func.count()).where(columns(conditions, after)[1] == sa.any_(conditions.keys))
    among_them = sa.select(sa.func.count()).select_from(now).where(sa.not_(now.c.head))
    whole = of_them.scalar_subquery() == among_them.scalar_subquery()
    return sa.select(*listed(picked.c.key), whole)  # type: ignore[return-value]


def _with_all_of_their_chains(conditions: Conditions, rows: sa.Select[Any]) -> sa.CTE:
    """Return (key, before) of rows and of all that go before and after them."""
    found = rows.cte("kept", recursive=True)
    near, after = (conditions.compiler.table(conditions.series.table).alias(name) for name in ("near", "next"))
    (near_key, near_before), (after_key, after_before) = columns(conditions, near), columns(conditions, after)
    beside = (
        sa.select(near_key.label("key"), near_before.label("before"))
        .where(near_key == found.c.before)
        .union_all(sa.select(after_key, after_before).where(after_before == found.c.key))
        .subquery()
        .lateral()
    )
    return found.union(sa.select(beside.c.key, beside.c.before).select_from(found.join(beside, sa.true())))


def survey(conditions: Conditions, cutoff: datetime | str, now: datetime) -> sa.Select[tuple[int, int]]:
    """Return a query of (state, rows, oldest, newest), each row in the worst state of its chain."""
    key, parent = columns(conditions)
    counted, state, names = conditions.counted, conditions.state(cutoff, now), conditions.withheld_names(cutoff)
    # A row that is not counted (another library's, or no tie) must not let the rest of its chain go.
    own_state = sa.case(
        (sa.not_(sa.func.coalesce(counted, sa.false())), WITHHELD + names.index(UNDECIDED)), else_=state
    )
    date = conditions.when
    own = sa.select(
        key.label("key"), parent.label("parent"), date.label("date"), counted.label("counted"), own_state.label("state")
    ).select_from(conditions.source)
    rows, heads = own.cte("own"), _heads(conditions)
    rank = sa.case((rows.c.state == WITHIN, _LAST), (rows.c.state == DUE, _LAST + 1), else_=rows.c.state)
    head = sa.func.coalesce(heads.c.head, sa.case((rows.c.parent.is_(None), rows.c.key)))
    worst = sa.func.min(rank).over(partition_by=head)
    alone = sa.case((rows.c.state == OPEN, OPEN), else_=WITHHELD + names.index(CIRCULAR))
    ranked = (
        sa.select(rows.c.date, rows.c.counted, sa.case((head.is_(None), alone), else_=worst).label("rank"))
        .select_from(rows.outerjoin(heads, heads.c.key == rows.c.key))
        .subquery()
    )
    final = sa.case((ranked.c.rank == _LAST, WITHIN), (ranked.c.rank == _LAST + 1, DUE), else_=ranked.c.rank)
    ends = (sa.func.min(ranked.c.date), sa.func.max(ranked.c.date))
    return sa.select(final.label("state"), sa.func.count(), *ends).where(ranked.c.counted).group_by(final)


def _heads(conditions: Conditions) -> sa.CTE:
    """Return (key, head) of every row that follows another; those in a circle are not in it."""
    key, parent = columns(conditions)
    before = conditions.compiler.table(conditions.series.table).alias("before")
    before_key, before_parent = columns(conditions, before)
    first = (
        sa.select(key.label("key"), sa.func.coalesce(before_key, key).label("head"))
        .select_from(conditions.source.outerjoin(before, before_key == parent))
        .where(parent.is_not(None), before_parent.is_(None))
    )
    found = first.cte("heads", recursive=True)
    after = conditions.compiler.table(conditions.series.table).alias("after")
    after_key, after_parent = columns(conditions, after)
    return found.union_all(sa.select(after_key, found.c.head).where(after_parent == found.c.key))
