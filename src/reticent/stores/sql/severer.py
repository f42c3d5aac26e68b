"""The Severer of SQL systems: one chunk is locked, tallied, severed, recounted and receipted in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from reticent.errors import OutcomeUnknown, SystemBusy, SystemRefused, SystemUnreachable
from reticent.model import Chunk, Disposition, Receipt, Step
from reticent.site import Site
from reticent.stores.sql import receipts
from reticent.stores.sql.compile import Sql
from reticent.stores.sql.conditions import Conditions
from reticent.stores.sql.connect import explain, open_engine, reading, translating
from reticent.stores.sql.database import Database
from reticent.stores.sql.rewrite import rewritten
from reticent.stores.sql.tally import active_patrons, tallied
from reticent.stores.sql.walks import BatchWalk, Rows, SeekWalk, SqlWalk, WindowWalk, key_condition, truncated
from reticent.systems.mapfile import Action, Series
from reticent.systems.paths import place


@dataclass(frozen=True)
class _Locked:
    """The rows a chunk really holds: a condition that picks exactly them, and how many.

    ``counted_before``: they were counted when the chunk was made, and are not locked yet.
    """

    where: Sql
    rows: int
    limit: int = 0
    due: int = 0
    counted_before: bool = False


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
        self._statements: dict[str, sa.Update | sa.Delete] = {}

    mark_active: Callable[[int, set[str]], None] | None = None
    notes: Sequence[str] = ()
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
        kinds: dict[str, type[SeekWalk | WindowWalk | BatchWalk]]
        kinds = {"seek": SeekWalk, "window": WindowWalk, "batch": BatchWalk}
        few = step.walk == "seek"
        conditions = Conditions(self.database, self.database.loaded.one(step.series), few)
        return kinds[step.walk](self._engine, step, conditions, cutoff, run, first)

    def _known(self, series: str) -> Conditions:
        """Return the conditions of a series, kept for its next chunk."""
        if series not in self._conditions:
            self._conditions[series] = Conditions(self.database, self.database.loaded.one(series), few=True)
        return self._conditions[series]

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
        if trust and not (rows.limit or conditions.series.tally or conditions.asks_elsewhere):
            where = sa.and_(key_condition(conditions, rows), conditions.due(rows.cutoff))
            locked = _Locked(where, chunk.expected, counted_before=True)
        else:
            locked = self._lock(connection, conditions, chunk, rows, rows.cutoff)
        tally = tallied(connection, conditions, locked.where) if locked.rows else {}
        if self.mark_active and conditions.series.active and locked.rows:
            for year, patrons in active_patrons(connection, conditions, locked.where).items():
                self.mark_active(year, patrons)
        changed = self._change(connection, conditions, locked) if locked.rows else 0
        self._recount(connection, conditions, locked, changed)
        receipt = Receipt(chunk.run, chunk.step.name, chunk.number, locked.rows, tally)
        if self.leaves_receipts and locked.rows:
            receipts.write(connection, receipt, hold_epoch)
        return receipt

    def _lock(
        self, connection: sa.Connection, conditions: Conditions, chunk: Chunk, rows: Rows, cutoff: datetime
    ) -> _Locked:
        where = sa.and_(key_condition(conditions, rows), conditions.due(cutoff))
        if rows.limit:
            left = self._count(connection, conditions, where)
            return _Locked(where, min(rows.limit, left), rows.limit, left)
        if rows.span:
            return _Locked(where, self._count(connection, conditions, where, lock=True))
        own = sa.and_(key_condition(conditions, rows), conditions.own(cutoff))
        candidates = self._count(connection, conditions, own, lock=True)
        if candidates > chunk.expected:
            raise SystemBusy("Rows were added while a chunk was read.", do="It is read again.")
        return self._without(connection, conditions, own, candidates, cutoff)

    def _without(
        self, connection: sa.Connection, conditions: Conditions, own: Sql, candidates: int, cutoff: datetime
    ) -> _Locked:
        """Leave out the locked rows that another table keeps from being due.

        What then picks the rows reads no other table; the few keys left out are surrogates, and a range
        that leaves some out is many times faster than a list of thousands.
        """
        if not (kept := conditions.not_elsewhere(cutoff)):
            return _Locked(own, candidates)
        key = self._key(conditions)
        out = [row[0] for row in connection.execute(sa.union(*(sa.select(key).where(own, one) for one in kept)))]
        return _Locked(sa.and_(own, key.not_in(out)) if out else own, candidates - len(out))

    def _key(self, conditions: Conditions) -> sa.ColumnElement[Any]:
        table = self.database.loaded.tables[conditions.series.table]
        key = conditions.compiler.column(conditions.source, conditions.series.table, table.key)
        assert key is not None  # noqa: S101 - a missing key column refuses the series
        return key

    def _count(self, connection: sa.Connection, conditions: Conditions, where: Sql, *, lock: bool = False) -> int:
        one: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(conditions.source).where(where)
        if lock and connection.dialect.name == "postgresql":
            query = sa.select(sa.func.count()).select_from(one.with_for_update().subquery())
        else:
            query = sa.select(sa.func.count()).select_from(conditions.source).where(where)
            query = query.with_for_update() if lock else query
        return connection.execute(query).scalar_one()

    def _change(self, connection: sa.Connection, conditions: Conditions, locked: _Locked) -> int:
        statement = self._statements.get(conditions.series.id)
        if statement is None:
            statement = self._statements[conditions.series.id] = self._statement(conditions)
        where = locked.where
        if locked.limit and connection.dialect.name in ("sqlite", "postgresql"):
            physical: sa.ColumnElement[Any] = sa.literal_column(
                "rowid" if connection.dialect.name == "sqlite" else "ctid"
            )
            some = sa.select(physical).select_from(conditions.source).where(where).limit(locked.limit)
            where = physical.in_(some)
        elif locked.limit:
            statement = statement.with_dialect_options(mysql_limit=locked.limit, mariadb_limit=locked.limit)
        return connection.execute(statement.where(where)).rowcount

    def _statement(self, conditions: Conditions) -> sa.Update | sa.Delete:
        series, source = conditions.series, conditions.source
        if series.sever == "delete":
            return sa.delete(source)  # type: ignore[arg-type]
        assert not isinstance(series.sever, str)  # noqa: S101 - "nothing" has no step
        columns: dict[str, Any] = {}
        for name, action in series.sever.items():
            found = self.database.fit.columns[series.table][name]
            if found:
                stands = place(found)
                before = columns.get(stands.column, source.c[stands.column])
                columns[stands.column] = (
                    rewritten(conditions.compiler, source, series.table, name, action, stands, before)
                    if stands.path
                    else self._value(conditions, before, action)
                )
        written = set(columns)
        values: list[tuple[Any, Any]] = [(source.c[name], new) for name, new in columns.items()]
        # A plain UPDATE would stamp today's time on every row it touches (facts measured on MariaDB).
        untouched = [source.c[name] for name in self.database.fit.touched[series.table] if name not in written]
        values += [(column, column) for column in untouched]
        return sa.update(source).ordered_values(*values)  # type: ignore[arg-type]

    def _value(self, conditions: Conditions, column: sa.ColumnElement[Any], action: Action) -> Any:
        new: Any = sa.null()
        if action.disposition is Disposition.SENTINEL and self.database.sentinel is not None:
            new = sa.bindparam(None, self.database.sentinel, unique=True)
        elif action.disposition is Disposition.OVERWRITE and action.argument == "random":
            new = sa.cast(sa.func.gen_random_uuid(), sa.Text())
        elif action.disposition is Disposition.OVERWRITE:
            text = action.argument
            like = column.type if isinstance(column.type, sa.Uuid) else None
            new = sa.literal(text[1:-1] if text.startswith("'") else int(text), like)
        elif action.disposition is Disposition.GENERALISE:
            new = truncated(column, action.argument, self.database.dialect)
        if action.condition is None:
            return new
        holds = conditions.compiler.holds(conditions.source, conditions.series.table, action.condition)
        return sa.case((holds, new), else_=column)

    def _recount(self, connection: sa.Connection, conditions: Conditions, locked: _Locked, changed: int) -> None:
        """Roll back unless every locked row is severed: a store's own row count is not evidence."""
        if not locked.rows:
            return
        if locked.limit:
            left = self._count(connection, conditions, locked.where)
            fine = changed == locked.rows == locked.due - left
        else:
            gone = conditions.series.sever == "delete"
            where = locked.where if gone else sa.and_(locked.where, conditions.tied)
            fine = changed == locked.rows and self._count(connection, conditions, where) == 0
        if not fine and locked.counted_before:
            raise _Moved
        if not fine:
            raise SystemBusy(
                f"{conditions.series.table}: severed rows did not stay severed.",
                where=f"system {self.system}",
                do="The chunk was rolled back. A trigger or another program may write the rows back.",
            )

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


def _look_up(connection: Any, _: object) -> None:
    """Keep the server from reading whole other tables for the few thousand rows of a chunk."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION optimizer_switch = 'materialization=off'")


def _by_index(connection: Any, _: object) -> None:
    """The same on PostgreSQL, which would read a whole other table into a hash for every chunk.

    What it reckons for compiling a statement to machine code then means nothing, so that is off too.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("SET jit = off")
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
    walk = "seek" if table.key else "window" if table.window else "batch"
    return [Step(database.system, series.id, series.table, series.dispositions(), series.order, walk)]
