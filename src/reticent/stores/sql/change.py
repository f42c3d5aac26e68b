"""What severing writes: the UPDATE, DELETE and INSERT statements of a series and of what goes with its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from reticent.model import Disposition
from reticent.stores.sql import paths
from reticent.stores.sql.compile import Column, Compiler, Sql
from reticent.stores.sql.conditions import Conditions, listed
from reticent.stores.sql.database import Database
from reticent.stores.sql.rewrite import rewritten
from reticent.stores.sql.walks import truncated
from reticent.systems.mapfile import Action, Aged, Also
from reticent.systems.paths import place
from reticent.systems.predicates import Predicate

RANDOM = "random"


def statement(
    database: Database, source: sa.FromClause, table: str, sever: str | Mapping[str, Action], where: Sql
) -> sa.Update | sa.Delete:
    """Return what severs the rows of ``where``: a DELETE, or an UPDATE of the fields of ``sever``."""
    if isinstance(sever, str):
        return sa.delete(source).where(where)  # type: ignore[arg-type]
    compiler = database.compiler(few=True)
    new: dict[str, Any] = {}
    removed: dict[tuple[Predicate | None, str], list[tuple[str, ...]]] = {}
    for name, action in sever.items():
        if (found := database.fit.columns[table][name]) is None:
            continue
        stands = place(found)
        before = new.get(stands.column, source.c[stands.column])
        if action.disposition is Disposition.REMOVE_PATH and not stands.array:
            removed.setdefault((action.condition, stands.column), []).append(stands.steps)
        elif stands.path:
            new[stands.column] = rewritten(compiler, source, table, name, action, stands, before)
        elif action.disposition is Disposition.RENUMBER:
            drawn = _drawn(source, before, action.argument, where)
            new[stands.column], where = drawn.c.fresh, before == drawn.c.old
        else:
            changed = value(database, before, action)
            new[stands.column] = _if(compiler, source, table, action.condition, changed, before)
    # Each removal writes the whole document anew, so what goes under one condition goes at once.
    for (condition, column), steps in sorted(removed.items(), key=lambda each: each[0][0] is None):
        before = new.get(column, source.c[column])
        without = paths.removed(before, steps)
        new[column] = _if(compiler, source, table, condition, without, before)
    written = set(new)
    values: list[tuple[Any, Any]] = [(source.c[name], value) for name, value in new.items()]
    # A plain UPDATE would stamp today's time on every row it touches (facts measured on MariaDB).
    untouched = [source.c[name] for name in database.fit.touched.get(table, ()) if name not in written]
    values += [(column, column) for column in untouched]
    return sa.update(source).where(where).ordered_values(*values)  # type: ignore[arg-type]


def _drawn(source: sa.FromClause, key: Column, sequence: str, where: Sql) -> sa.Subquery:
    """Return old and new numbers, drawn in no order: the new ones must not tell which was which."""
    some = sa.select(key.label("old")).select_from(source).where(where).order_by(sa.func.random()).subquery()
    return sa.select(some.c.old, sa.func.nextval(sequence).label("fresh")).subquery()


def _if(
    compiler: Compiler, source: sa.FromClause, table: str, condition: Predicate | None, new: Any, old: Column
) -> Any:
    return new if condition is None else sa.case((compiler.holds(source, table, condition), new), else_=old)


def value(database: Database, old: Column, action: Action) -> Any:
    """Return what an action makes of a value."""
    if action.disposition is Disposition.SENTINEL and database.sentinel is not None:
        return sa.bindparam(None, database.sentinel, unique=True)
    if action.disposition is Disposition.OVERWRITE and action.argument == RANDOM:
        fresh = sa.func.gen_random_uuid()
        return fresh if isinstance(old.type, sa.Uuid) else sa.cast(fresh, sa.Text())
    if action.disposition is Disposition.OVERWRITE:
        text = action.argument
        like = old.type if isinstance(old.type, sa.Uuid) else None
        return sa.literal(text[1:-1] if text.startswith("'") else int(text), like)
    if action.disposition is Disposition.GENERALISE:
        return truncated(old, action.argument, database.dialect)
    return sa.null()


def unsevered(database: Database, source: sa.FromClause, table: str, sever: str | Mapping[str, Action]) -> Sql:
    """TRUE of rows in which a field does not hold yet what severing writes; of every row that is to go."""
    if isinstance(sever, str):
        return sa.true()
    compiler = database.compiler(few=True)
    columns = [(compiler.column(source, table, name), action) for name, action in sever.items()]
    return sa.or_(
        sa.false(),
        *(
            column.is_not(None)
            if action.argument == RANDOM
            else column.is_distinct_from(value(database, column, action))
            for column, action in columns
            if column is not None
        ),
    )


def companions(database: Database, conditions: Conditions, also: Also) -> tuple[sa.FromClause, str, Sql] | None:
    """Return a table, its name and what picks there what goes with ``conditions.keys``; None if it is not here."""
    table = also.written or database.loaded.end(conditions.series.table, also.link)
    if table not in database.structure.tables:
        return None
    compiler = database.compiler(few=True)
    target = compiler.table(table)
    led = _led_to(compiler, conditions, also, target) if also.link else sa.true()
    if led is None:
        return None
    asked = compiler.holds(target, table, also.when) if also.when is not None else sa.true()
    now = _written_now() if also.written else sa.true()
    return target, table, sa.and_(now, led, asked)


def _written_now() -> Sql:
    """TRUE of exactly the rows that this transaction has written (PostgreSQL)."""
    return sa.literal_column("xmin = pg_current_xact_id()::xid", sa.Boolean())


def _led_to(compiler: Compiler, conditions: Conditions, also: Also, target: sa.FromClause) -> Sql | None:
    """Return what picks the rows of ``target`` that the links lead to from the rows of ``conditions.keys``."""
    table, here, picked = conditions.series.table, conditions.source, conditions.among
    own_key = compiler.loaded.tables[table].key
    *way, last = also.link.split(".")
    for number, link in enumerate((*way, last)):
        spec = compiler.loaded.tables[table].links[link]
        there = target if number == len(way) else compiler.table(spec.table).alias(f"w{number}")
        pairs = [
            compiler.by_index(there, spec.table, a, own) or (compiler.column(there, spec.table, a), own)
            for a, own in ((a, compiler.column(here, table, b)) for a, b in spec.on.items())
        ]
        theirs, ours = ([one for one in side if one is not None] for side in zip(*pairs, strict=True))
        if len(theirs) < len(pairs) or len(ours) < len(pairs):
            return None
        if number == 0 and tuple(spec.on.values()) == (own_key,):
            picked = theirs[0] == sa.any_(conditions.keys)
        else:
            inner = sa.select(*ours).select_from(here).where(picked).correlate(None)
            picked = theirs[0].in_(inner) if len(theirs) == 1 else sa.tuple_(*theirs).in_(inner)
        table, here = spec.table, there
    return picked


def linked(database: Database, conditions: Conditions, link: str) -> sa.Select[Any] | None:
    """Return what lists those of ``conditions.keys`` to which a link leads; None where it does not go by the key."""
    compiler = database.compiler(few=True)
    spec = compiler.loaded.tables[conditions.series.table].links[link]
    if tuple(spec.on.values()) != (compiler.loaded.tables[conditions.series.table].key,):
        return None
    there = compiler.table(spec.table)
    theirs = compiler.column(there, spec.table, next(iter(spec.on)))
    return None if theirs is None else sa.select(*listed(theirs)).where(theirs == sa.any_(conditions.keys))  # type: ignore[return-value]


def moved(database: Database, conditions: Conditions, aged: Aged) -> sa.Insert:
    """Return what moves the rows of ``conditions.keys`` into the aged table, already severed, in no order."""
    into = database.loaded.one(aged.series)
    assert not isinstance(into.sever, str)  # noqa: S101 - the loader has checked it
    compiler = database.compiler(few=True)
    target, beside = compiler.table(into.table), _Beside(database, compiler, conditions, aged)
    old = {name: beside.value(path) for name, path in aged.paths().items()}
    names = {name: column.name for name in old if (column := compiler.column(target, into.table, name)) is not None}
    carried = {name: column for name, column in old.items() if name in names and column is not None}
    inner = sa.select(*(column.label(names[name]) for name, column in carried.items()))
    rows = inner.select_from(beside.source).order_by(sa.func.random()).subquery()
    new = [_new(database, rows.c[names[name]], into.sever.get(name)) for name in carried]
    return sa.insert(target).from_select([names[name] for name in carried], sa.select(*new))  # type: ignore[arg-type]


def _new(database: Database, old: Column, action: Action | None) -> Any:
    if action is None:
        return old
    renumbered = action.disposition is Disposition.RENUMBER
    return sa.func.nextval(action.argument) if renumbered else value(database, old, action)


class _Beside:
    """The rows a statement deletes, beside the one row each of their links leads to, where a key says so.

    All that a link leads to is read by one list of keys and then put beside the rows by a hash: that takes the
    server less than half of a look-up for each row.
    """

    def __init__(self, database: Database, compiler: Compiler, conditions: Conditions, aged: Aged) -> None:
        self._database, self._compiler, self._table = database, compiler, conditions.series.table
        self._asked = dict[str, set[str]]()
        for path in aged.paths().values():
            self._ask(path)
        gone = sa.delete(conditions.source).where(conditions.among)  # type: ignore[arg-type]
        self._own = gone.returning(*self._columns(conditions.source, self._table, "")).cte("gone")
        self.source: sa.FromClause = self._own
        self._joined = dict[str, sa.FromClause]()

    def _ask(self, path: str) -> None:
        """Remember which fields of each table a path goes through: no others are read."""
        *links, name = path.split(".")
        table, way = self._table, ""
        for link in links:
            spec = self._compiler.loaded.tables[table].links[link]
            self._asked.setdefault(way, set()).update(spec.on.values())
            table, way = spec.table, f"{way}{link}."
            self._asked.setdefault(way, set()).update(spec.on)
        self._asked.setdefault(way, set()).add(name)

    def _columns(self, source: sa.FromClause, table: str, way: str) -> list[Column]:
        columns = (self._compiler.column(source, table, name) for name in sorted(self._asked[way]))
        return [column for column in columns if column is not None]

    def value(self, path: str) -> Column | None:
        """Return the value a path of links ends in."""
        *links, name = path.split(".")
        here: sa.FromClause = self._own
        table, way = self._table, ""
        for link in links:
            joined = self._joined.get(f"{way}{link}.")
            if joined is None and (joined := self._join(here, table, link, f"{way}{link}.")) is None:
                return self._compiler.path(self._own, self._table, path)
            table, here, way = self._compiler.loaded.tables[table].links[link].table, joined, f"{way}{link}."
        return self._compiler.column(here, table, name)

    def _join(self, here: sa.FromClause, table: str, link: str, way: str) -> sa.FromClause | None:
        spec = self._compiler.loaded.tables[table].links[link]
        info = self._database.structure.tables.get(spec.table)
        target = self._compiler.table(spec.table)
        ((theirs, ours),) = list(spec.on.items())[:1]
        key, leads = self._compiler.column(target, spec.table, theirs), self._compiler.column(here, table, ours)
        if info is None or key is None or leads is None or len(spec.on) > 1 or info.primary_key != (key.name,):
            return None
        every = sa.func.array(sa.select(leads).scalar_subquery())
        # The OFFSET keeps the server from looking for each row again.
        columns = self._columns(target, spec.table, way)
        those = sa.select(*columns).where(key == sa.any_(every)).offset(sa.literal_column("0"))
        there = those.cte(f"j{len(self._joined)}")
        self.source = self.source.outerjoin(there, there.c[key.name] == leads)
        self._joined[way] = there
        return there
