"""The Severer of SQL systems: one chunk is locked, tallied, severed, recounted and receipted in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from reticent.errors import OutcomeUnknown, SystemBusy, SystemRefused, SystemUnreachable
from reticent.model import Chunk, Receipt, Step
from reticent.site import Site
from reticent.stores.sql import receipts
from reticent.stores.sql.change import companions, linked, moved, statement, unsevered
from reticent.stores.sql.compile import Sql
from reticent.stores.sql.conditions import Conditions, listed
from reticent.stores.sql.connect import explain, open_engine, reading, translating
from reticent.stores.sql.database import Database
from reticent.stores.sql.locking import Locked, count, lock, trusted
from reticent.stores.sql.tally import active_patrons, tallied
from reticent.stores.sql.walks import (
    BatchWalk,
    ChainWalk,
    PickedWalk,
    Rows,
    SeekWalk,
    SqlWalk,
    Whose,
    WindowWalk,
)
from reticent.systems.mapfile import Aged, Also, Series

_MAY_NOT = "the sever account lacks GRANT SET ON PARAMETER session_replication_role"


class _Moved(Exception):
    """Somebody changed the rows between reading and severing: count them again, under lock."""


class SqlSeverer:
    """Severs one system by its sever account."""

    def __init__(self, site: Site, database: Database) -> None:
        self.system, self.database = database.system, database
        self._engine = open_engine(site.account(self.system, "sever"), self.system)
        if self._engine.dialect.name in ("mysql", "mariadb"):
            sa.event.listen(self._engine, "connect", _look_up)
        elif self._engine.dialect.name == "postgresql":
            sa.event.listen(self._engine, "connect", _by_index)
        self.leaves_receipts = site.systems[self.system].receipts
        self._loose: list[Receipt] = []
        self._conditions: dict[str, Conditions] = {}

    mark_active: Callable[[int, set[str]], None] | None = None
    """Told the year and the patrons of loans that are about to be severed, if the site counts active borrowers."""

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def prepare(self) -> None:
        """Check that receipts can be written. Raises SystemRefused with the statements that mend it."""
        if self.leaves_receipts:
            receipts.ensure(self._engine, self.system)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the database's lock that lets one Reticent at a time sever it. Raises SystemRefused.

        SQLite has no such lock; there each chunk still has the whole database to itself.
        """
        with reading(self._engine, self.system) as connection:
            connection.detach()  # closed at the end, not pooled: closing is what frees the lock
            if not _lock_alone(connection):
                raise SystemRefused(
                    "Another Reticent is severing this database.",
                    where=f"system {self.system}",
                    do="Wait for it to end. One database should have one state folder: copies of it miscount.",
                )
            yield

    def steps(self, series: str) -> Sequence[Step]:
        """Return the one step that severs a series; none if it is only watched."""
        return steps_of(self.database, self.database.loaded.one(series))

    def chunks(self, step: Step, cutoff: datetime, run: str, first: int = 0) -> SqlWalk:
        """Walk the due rows of a step; ``cutoff`` in the database's local time, chunks numbered from ``first``."""
        kinds: dict[str, type[SeekWalk | ChainWalk | WindowWalk | BatchWalk]]
        kinds = {"seek": SeekWalk, "chain": ChainWalk, "window": WindowWalk, "batch": BatchWalk}
        few = step.walk != "batch"
        conditions = Conditions(self.database, self.database.loaded.one(step.series), few)
        return kinds[step.walk](self._engine, step, conditions, cutoff, run, first)

    def _known(self, series: str) -> Conditions:
        """Return the conditions of a series, kept for its next chunk."""
        if series not in self._conditions:
            self._conditions[series] = Conditions(self.database, self.database.loaded.one(series), few=True)
        return self._conditions[series]

    def chunks_of(self, whose: Whose, step: Step, cutoff: datetime, run: str, first: int = 0) -> PickedWalk:
        """Walk one person's due rows of a step, at their own wish; only a step that walks by key can be."""
        conditions = Conditions(self.database, self.database.loaded.one(step.series), few=True)
        return PickedWalk(self._engine, step, conditions, cutoff, run, first, whose)

    def apply(self, chunk: Chunk, hold_epoch: int) -> Receipt:
        """Sever one chunk. Raises SystemBusy (rolled back) or OutcomeUnknown (ask ``settle``)."""
        try:
            return self._once(chunk, hold_epoch, trust=True)
        except _Moved:
            return self._once(chunk, hold_epoch, trust=False)

    def _once(self, chunk: Chunk, hold_epoch: int, *, trust: bool) -> Receipt:
        with translating(self.system), self._engine.connect() as connection:
            transaction = connection.begin()
            receipt = self._apply(connection, chunk, hold_epoch, trust)
            try:
                transaction.commit()
            except DBAPIError as error:
                reason = explain(error, self.system)
                if isinstance(reason, SystemUnreachable):
                    raise OutcomeUnknown(
                        "The connection broke at the commit.", where=f"system {self.system}", do="Run again."
                    ) from None
                raise reason from None
            if not self.leaves_receipts:
                self._loose.append(receipt)
            return receipt

    def _apply(self, connection: sa.Connection, chunk: Chunk, hold_epoch: int, trust: bool) -> Receipt:
        rows = chunk.scope
        assert isinstance(rows, Rows)  # noqa: S101 - only this store makes the chunks it gets
        assert rows.cutoff is not None  # noqa: S101
        conditions = self._known(chunk.step.series)
        locked = trusted(conditions, chunk, rows, rows.cutoff) if trust else None
        locked = locked or lock(connection, conditions, chunk, rows, rows.cutoff)
        tally = tallied(connection, conditions, locked.where, locked.parameters) if locked.rows else {}
        if self.mark_active and conditions.series.active and locked.rows:
            for year, patrons in active_patrons(connection, conditions, locked.where, locked.parameters).items():
                self.mark_active(year, patrons)
        if locked.rows:
            self._sever(connection, conditions, locked)
        receipt = Receipt(chunk.run, chunk.step.name, chunk.number, locked.rows, tally)
        if self.leaves_receipts and locked.rows:
            receipts.write(connection, receipt, hold_epoch)
        return receipt

    def _sever(self, connection: sa.Connection, conditions: Conditions, locked: Locked) -> None:
        """Sever what goes with the rows, the rows, and what that made the system write; recount after each."""
        series = conditions.series
        native = self.native(series)
        if series.set and not native:
            connection.exec_driver_sql("SET LOCAL session_replication_role = 'replica'")
        narrowed: dict[str, Locked] = {}
        for number, also in enumerate(series.also):
            if not also.written:
                self._with(
                    connection, conditions, number, self._narrowed(connection, conditions, also, locked, narrowed)
                )
        if conditions.renumbers:
            keys, changed = connection.execute(self._renumbering(conditions), locked.parameters).one()
            locked = replace(locked, parameters={"keys": keys})
        elif series.aged is not None:
            changed = self._age(connection, conditions, series.aged, locked, bool(native))
        else:
            changed = self._change(connection, conditions, locked)
        self._recount(connection, conditions, locked, changed)
        for number, also in enumerate(series.also):
            if also.written:
                self._with(connection, conditions, number, locked)

    def native(self, series: Series) -> str:
        """Return why the system's own triggers do the severing of a series here; "" if they are left out."""
        if not series.set:
            return "the map does not list what they do"
        return self.database.fit.drifted.get(series.id, "") or self._no_set

    @cached_property
    def _no_set(self) -> str:
        """Why this account may not leave triggers out, "" if it may."""
        with reading(self._engine, self.system) as connection:
            if not self.database.grants_parameters:
                return "PostgreSQL before 15 lets only its superuser leave triggers out"
            may = "SELECT has_parameter_privilege('session_replication_role', 'SET')"
            return "" if connection.exec_driver_sql(may).scalar() else _MAY_NOT

    @property
    def notes(self) -> list[str]:
        """Why everything goes row by row, by the system's own triggers, though the map knows a faster way."""
        here = any(series.set for series in self.database.fit.here(self.database.loaded))
        return [f"severed row by row, by the system's own triggers: {self._no_set}"] if here and self._no_set else []

    def _with(self, connection: sa.Connection, conditions: Conditions, number: int, locked: Locked) -> None:
        """Sever what goes with the rows, and count that nothing of it is left."""
        also = conditions.series.also[number]
        if (found := conditions.once(lambda: self._companions(conditions, also), "also", number)) is None:
            return
        table, change, left = found
        changed = connection.execute(change, locked.parameters).rowcount
        if not changed and not self.database.structure.tables[table].triggers:
            return  # it has looked already, and no trigger or rule can have made it look away
        if connection.execute(left, locked.parameters).scalar_one():
            raise _stayed(table, self.system)

    def _narrowed(
        self, connection: sa.Connection, conditions: Conditions, also: Also, locked: Locked, known: dict[str, Locked]
    ) -> Locked:
        """Return those of the rows to which the first link of ``also`` leads at all, if more than one goes by it."""
        first = also.link.partition(".")[0]
        if sum(other.link.partition(".")[0] == first for other in conditions.series.also) < 2:
            return locked
        if first not in known:
            query = conditions.once(lambda: linked(self.database, conditions, first), "linked", first)
            keys = None if query is None else connection.execute(query, locked.parameters).one()[0]
            known[first] = locked if keys is None else replace(locked, parameters={"keys": keys})
        return known[first]

    def _companions(
        self, conditions: Conditions, also: Also
    ) -> tuple[str, sa.Update | sa.Delete, sa.Select[Any]] | None:
        """Return a table, what severs that in it which goes with the rows, and what counts how much is left."""
        if (found := companions(self.database, conditions, also)) is None:
            return None
        target, table, picked = found
        left = sa.and_(picked, unsevered(self.database, target, table, also.sever))
        change = statement(self.database, target, table, also.sever, left)
        count_left: sa.Select[Any] = sa.select(sa.func.count()).select_from(target).where(left)
        return table, change, count_left

    def _age(self, connection: sa.Connection, conditions: Conditions, aged: Aged, locked: Locked, native: bool) -> int:
        """Move rows to the table of finished ones without their patron; return how many have come."""
        into = self.database.loaded.one(aged.series)
        if not native:
            # Of other tables it reads by list what it needs, so that a hash of them holds no more than that.
            connection.exec_driver_sql("SET LOCAL enable_hashjoin = on")
            move = conditions.once(lambda: moved(self.database, conditions, aged), "moved")
            counting = {"preserve_rowcount": True}
            return connection.execute(move, locked.parameters, execution_options=counting).rowcount
        delete = sa.delete(conditions.source).where(conditions.among)  # type: ignore[arg-type]
        connection.execute(delete, locked.parameters)
        # The system's triggers may delete a chain from its end, so the statement's own count says nothing.
        target = conditions.compiler.table(into.table)
        key = conditions.compiler.column(target, into.table, self.database.loaded.tables[into.table].key)
        assert key is not None  # noqa: S101 - a missing key column refuses the series
        theirs = key == sa.any_(conditions.keys)
        severed = statement(self.database, target, into.table, into.sever, theirs)
        return connection.execute(severed, locked.parameters).rowcount

    def _change(self, connection: sa.Connection, conditions: Conditions, locked: Locked) -> int:
        series, where = conditions.series, locked.where
        assert isinstance(series.sever, str) is (series.sever == "delete")  # noqa: S101 - others have no step
        if locked.kind:
            change = conditions.once(lambda: self._statement(conditions, where), "change", *locked.kind)
            return connection.execute(change, locked.parameters).rowcount
        if locked.limit and connection.dialect.name in ("sqlite", "postgresql"):
            physical: sa.ColumnElement[Any] = sa.literal_column(
                "rowid" if connection.dialect.name == "sqlite" else "ctid"
            )
            some = sa.select(physical).select_from(conditions.source).where(where).limit(locked.limit)
            where = physical.in_(some)
        change = self._statement(conditions, where)
        if locked.limit and connection.dialect.name in ("mysql", "mariadb"):
            change = change.with_dialect_options(mysql_limit=locked.limit, mariadb_limit=locked.limit)
        return connection.execute(change, locked.parameters).rowcount

    def _renumbering(self, conditions: Conditions) -> sa.Select[Any]:
        """Return what severs rows that get new keys, and lists these: the rows are counted again by them."""

        def made() -> sa.Select[Any]:
            changed = self._statement(conditions, conditions.among).returning(conditions.key.label("key")).cte()
            return sa.select(*listed(changed.c.key))  # type: ignore[return-value]

        return conditions.once(made, "renumbering")

    def _statement(self, conditions: Conditions, where: Sql) -> sa.Update | sa.Delete:
        series = conditions.series
        return statement(self.database, conditions.source, series.table, series.sever, where)

    def _recount(self, connection: sa.Connection, conditions: Conditions, locked: Locked, changed: int) -> None:
        """Roll back unless every locked row is severed: a store's own row count is not evidence."""
        if not locked.rows:
            return
        gone = conditions.series.sever in ("delete", "age")
        where, kind = locked.where, locked.kind
        if not gone and not locked.limit:
            where, kind = sa.and_(where, conditions.tied), kind and ("tied", *kind)
        left = count(connection, conditions, where, locked.parameters, kind)
        fine = changed == locked.rows == locked.due - left if locked.limit else changed == locked.rows and not left
        if not fine and locked.counted_before:
            raise _Moved
        if not fine:
            raise _stayed(conditions.series.table, self.system)

    def settle(self, chunk: Chunk) -> Receipt | None:
        """Return the chunk's receipt if its transaction was committed."""
        if not self.leaves_receipts:
            return None
        with reading(self._engine, self.system) as connection:
            return receipts.find(connection, chunk.run, chunk.step.name, chunk.number)

    def collected(self) -> list[Receipt]:
        """Return the receipts that wait on the server, or in memory where the server may hold none."""
        if not self.leaves_receipts:
            return list(self._loose)
        with reading(self._engine, self.system) as connection:
            return list(receipts.read(connection))

    def forget(self, imported: list[Receipt]) -> None:
        """Delete receipts that state has imported."""
        if not self.leaves_receipts:
            self._loose = [receipt for receipt in self._loose if receipt not in imported]
            return
        with translating(self.system), self._engine.begin() as connection:
            receipts.forget(connection, imported)

    def mark(self, state: str) -> int:
        """Return the number of the last run of a state that this server remembers."""
        with reading(self._engine, self.system) as connection:
            return receipts.mark(connection, state)

    def set_mark(self, state: str, sequence: int) -> None:
        """Remember the number of the last run, so that a restored copy can be told."""
        with translating(self.system), self._engine.begin() as connection:
            receipts.set_mark(connection, state, sequence)


def _stayed(table: str, system: str) -> SystemBusy:
    return SystemBusy(
        f"{table}: severed rows did not stay severed.",
        where=f"system {system}",
        do="The chunk was rolled back. A trigger, a rule or another program may write the rows back.",
    )


def _look_up(connection: Any, _: object) -> None:
    """Keep the server from reading whole other tables for the few thousand rows of a chunk."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION optimizer_switch = 'materialization=off'")


def _by_index(connection: Any, _: object) -> None:
    """The same on PostgreSQL: look-ups by index, for the next keys and for what belongs to them.

    It would sort all that is left of a table for the next few thousand keys, and read whole other tables into a hash
    for each chunk. Where there is no index it still may: a look-up that reads a table each time counts for more.
    What it reckons for machine code and for parallel workers then means nothing, so both are off.
    """
    with connection.cursor() as cursor:
        for way in ("seqscan", "sort", "hashjoin", "mergejoin", "material"):
            cursor.execute(f"SET enable_{way} = off")
        cursor.execute("SET jit = off")
        cursor.execute("SET max_parallel_workers_per_gather = 0")
    connection.commit()


def _lock_alone(connection: sa.Connection) -> bool:
    """Try for a lock that the server frees when this connection ends, however it ends.

    A few seconds' wait: the server may not have noticed yet that an earlier run was killed.
    """
    if connection.dialect.name == "sqlite":
        return True
    if connection.dialect.name == "postgresql":
        for _ in range(6):
            if connection.exec_driver_sql("SELECT pg_try_advisory_lock(hashtext('reticent'))").scalar():
                return True
            time.sleep(0.5)
        return False
    lock = "SELECT GET_LOCK(CONCAT('reticent ', LEFT(SHA2(DATABASE(), 256), 40)), 3)"
    return connection.exec_driver_sql(lock).scalar() == 1


def steps_of(database: Database, series: Series) -> Sequence[Step]:
    """Return the one step that severs a series; none if it is only watched."""
    if series.sever == "nothing":
        return []
    table = database.loaded.tables[series.table]
    walk = "chain" if table.chain else "seek" if table.key else "window" if table.window else "batch"
    return [Step(database.system, series.id, series.table, series.dispositions(), series.order, walk)]
