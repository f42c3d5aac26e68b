"""What Reticent remembers between acts: plans, runs, receipts, tallies. Implements DESIGN's "exactly once"."""

from __future__ import annotations

import json
import operator
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from reticent.errors import ConfigurationError, EvidenceBroken
from reticent.model import Margins, Receipt
from reticent.state import tables
from reticent.state.database import writing

AGAIN, PARTLY = "-again", "-partly"
"""Runs of these suffixes sever rows an earlier run already tallied (a restored backup): their tallies are dropped."""


@dataclass(frozen=True)
class RunRow:
    """One severing run."""

    id: str
    sequence: int
    plan: str
    started: str
    ended: str | None
    outcome: str


@dataclass(frozen=True)
class Severed:
    """What was severed and tallied of a step: all up to ``cutoff`` ("" for nothing), and ``partly`` rows more.

    Those came from runs that ended early or were trials, the last of them with ``partly_cutoff``.
    """

    cutoff: str = ""
    partly: int = 0
    partly_cutoff: str = ""


class Book:
    """Reads and writes the state database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def watch_clock(self, now: datetime) -> None:
        """Remember the time of this act. Raises ConfigurationError if the clock went back."""
        last = self.fact("clock")
        if last and now < datetime.fromisoformat(last) - timedelta(minutes=5):
            raise ConfigurationError(
                f"The clock went back: the last act was at {last}, and now it is {now.isoformat()}.",
                do="Set the clock of this machine: cutoffs from a wrong clock sever too much or too little.",
            )
        self.set_fact("clock", now.isoformat())

    def fact(self, name: str) -> str | None:
        """Return a remembered fact."""
        with writing(self._engine) as connection:
            query = sa.select(tables.facts.c.value).where(tables.facts.c.name == name)
            return connection.execute(query).scalar()

    def set_fact(self, name: str, value: str) -> None:
        """Remember a fact."""
        with writing(self._engine) as connection:
            _put(connection, tables.facts, {"name": name}, {"value": value})

    def identity(self) -> str:
        """Return this state's own name on the servers it severs: 32 random hex digits."""
        if (name := self.fact("identity")) is None:
            name = uuid.uuid4().hex
            self.set_fact("identity", name)
        return name

    def save_plan(self, digest: str, body: Mapping[str, Any], now: datetime) -> None:
        """Remember a plan, so that only plans made here can be applied."""
        values = {"made": now.isoformat(), "body": json.dumps(body, sort_keys=True)}
        with writing(self._engine) as connection:
            _put(connection, tables.plans, {"digest": digest}, values)

    def plan(self, digest: str) -> Mapping[str, Any] | None:
        """Return a plan made with this state."""
        with writing(self._engine) as connection:
            body = connection.execute(sa.select(tables.plans.c.body).where(tables.plans.c.digest == digest)).scalar()
        return json.loads(body) if body else None

    def start_run(self, run: str, plan: str, now: datetime) -> int:
        """Record a run before its first chunk; return its sequence number."""
        with writing(self._engine) as connection:
            last = connection.execute(sa.select(sa.func.max(tables.runs.c.sequence))).scalar() or 0
            values = {"id": run, "sequence": last + 1, "plan": plan, "started": now.isoformat(), "outcome": "running"}
            connection.execute(tables.runs.insert().values(**values))
            return last + 1

    def end_run(self, run: str, outcome: str, now: datetime, cutoffs: Mapping[str, tuple[str, bool]]) -> None:
        """Record how a run ended, and drop its receipts: only the sums of its steps stay.

        ``cutoffs``: step -> its cutoff, and whether nothing was left due before it.
        """
        with writing(self._engine) as connection:
            for step, (cutoff, whole) in cutoffs.items():
                again, new = _rows(connection, [run + PARTLY], step), _rows(connection, [run], step)
                before = _severed(connection, step)
                partly = Severed(before.cutoff, max(0, before.partly - again) + new, cutoff)
                _put(connection, tables.severed_until, {"step": step}, asdict(Severed(cutoff) if whole else partly))
            ended = tables.runs.update().where(tables.runs.c.id == run)
            connection.execute(ended.values(ended=now.isoformat(), outcome=outcome[:200]))
            connection.execute(tables.receipts.delete().where(tables.receipts.c.run.in_(_names(run))))

    def came_back(self, run: str, steps: Mapping[str, str]) -> None:
        """Forget what an unfinished run severed: a restored copy has the rows again. ``steps``: step -> cutoff."""
        with writing(self._engine) as connection:
            for step, cutoff in steps.items():
                if rows := _rows(connection, [run], step):
                    before = _severed(connection, step)
                    after = Severed(before.cutoff, before.partly + rows, cutoff)
                    _put(connection, tables.severed_until, {"step": step}, asdict(after))
                gone = tables.receipts.delete().where(tables.receipts.c.run.in_(_names(run)))
                connection.execute(gone.where(tables.receipts.c.step == step))

    def runs(self) -> list[RunRow]:
        """Return all runs, oldest first."""
        with writing(self._engine) as connection:
            rows = connection.execute(sa.select(tables.runs).order_by(tables.runs.c.sequence))
            return [RunRow(*row) for row in rows]

    def unfinished(self) -> RunRow | None:
        """Return the run that a crash left without an end, if there is one."""
        return next((run for run in reversed(self.runs()) if run.ended is None), None)

    def import_receipts(self, receipts: Iterable[Receipt]) -> int:
        """Import receipts by primary key, each with its tally, in one transaction; return how many were new."""
        new = 0
        with writing(self._engine) as connection:
            for receipt in receipts:
                new += self._import(connection, receipt)
        return new

    def _import(self, connection: sa.Connection, receipt: Receipt) -> int:
        key = {"run": receipt.run, "step": receipt.step, "chunk": receipt.chunk}
        known = connection.execute(sa.select(tables.receipts.c.rows_severed).filter_by(**key)).scalar()
        if known is not None or self._is_over(connection, receipt.run):
            return 0
        connection.execute(tables.receipts.insert().values(**key, rows_severed=receipt.rows))
        if not receipt.run.endswith((AGAIN, PARTLY)):
            _change(connection, tables.tallies, receipt.step.split("/")[0], receipt.tally, operator.add)
        return 1

    def _is_over(self, connection: sa.Connection, run: str) -> bool:
        query = sa.select(tables.runs.c.ended).where(tables.runs.c.id == run.partition("-")[0])
        row = connection.execute(query).first()
        if row is None:
            raise EvidenceBroken(
                "The server holds receipts of a run this state does not know.",
                where=f"run {run}",
                do="Use the state folder that made the run, or restore it; no tally was taken.",
            )
        return row.ended is not None

    def next_chunk(self, run: str, step: str) -> int:
        """Return the first chunk number of a step that no receipt of the run has used."""
        with writing(self._engine) as connection:
            query = sa.select(sa.func.max(tables.receipts.c.chunk)).filter_by(run=run, step=step)
            last = connection.execute(query).scalar()
        return 0 if last is None else last + 1

    def severed(self, run: str, step: str) -> int:
        """Return the rows severed by a run in a step, as far as receipts were imported."""
        with writing(self._engine) as connection:
            return _rows(connection, _names(run), step)

    def severed_as(self, run: str, step: str) -> int:
        """Return the rows severed under exactly this run id, suffix included."""
        with writing(self._engine) as connection:
            return _rows(connection, [run], step)

    def save_step(self, run: str, step: str, planned: int, severed: int, still_due: int | None) -> None:
        """Record the sums of one step of a run."""
        values = {"planned": planned, "severed": severed, "still_due": still_due}
        with writing(self._engine) as connection:
            _put(connection, tables.run_steps, {"run": run, "step": step}, values)

    def steps(self, run: str) -> list[dict[str, Any]]:
        """Return the sums of a run's steps."""
        with writing(self._engine) as connection:
            rows = connection.execute(sa.select(tables.run_steps).filter_by(run=run))
            return [dict(row._mapping) for row in rows]

    def severed_until(self, step: str) -> Severed:
        """Return what finished runs severed and tallied of a step."""
        with writing(self._engine) as connection:
            return _severed(connection, step)

    def tallies(self, system: str) -> Margins:
        """Return the merged tallies of a system."""
        return self._margins(tables.tallies, system)

    def totals(self, system: str) -> Margins:
        """Return the reportable totals recorded before severing."""
        return self._margins(tables.totals, system)

    def raise_totals(self, system: str, margins: Margins) -> None:
        """Record reportable totals; a total already recorded is only ever raised (late entries)."""
        with writing(self._engine) as connection:
            _change(connection, tables.totals, system, margins, max)

    def _margins(self, table: sa.Table, system: str) -> Margins:
        found: dict[str, dict[str, int]] = {}
        with writing(self._engine) as connection:
            for row in connection.execute(sa.select(table).filter_by(system=system)):
                found.setdefault(f"{row.measure}|{row.month}|{row.margin}", {})[row.value] = row.rows_counted
        return found


def _names(run: str) -> list[str]:
    return [run, run + AGAIN, run + PARTLY]


def _rows(connection: sa.Connection, runs: list[str], step: str) -> int:
    query = sa.select(sa.func.coalesce(sa.func.sum(tables.receipts.c.rows_severed), 0))
    where = (tables.receipts.c.run.in_(runs), tables.receipts.c.step == step)
    return int(connection.execute(query.where(*where)).scalar_one())


def _severed(connection: sa.Connection, step: str) -> Severed:
    row = connection.execute(sa.select(tables.severed_until).filter_by(step=step)).first()
    return Severed(row.cutoff, row.partly, row.partly_cutoff) if row else Severed()


def _change(
    connection: sa.Connection, table: sa.Table, system: str, margins: Margins, join: Callable[[int, int], int]
) -> None:
    """Join new counts to those recorded; cells that do not change are not written."""
    cells: dict[tuple[str, ...], int] = {}
    for name, values in margins.items():
        for value, rows in values.items():
            key = (system, *name.split("|"), value[:80])
            cells[key] = cells.get(key, 0) + rows
    if not cells:
        return
    recorded = {tuple(row[:-1]): row[-1] for row in connection.execute(sa.select(table).filter_by(system=system))}
    after = {key: join(recorded.get(key, 0), rows) for key, rows in cells.items()}
    moved = [(*key, rows) for key, rows in after.items() if recorded.get(key) != rows]
    names = [column.name for column in table.columns]
    if moved:
        gone = sa.and_(*(table.c[name] == sa.bindparam(f"old_{name}") for name in names[:-1]))
        old = [{f"old_{name}": part for name, part in zip(names[:-1], row[:-1], strict=True)} for row in moved]
        connection.execute(table.delete().where(gone), old)
        connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in moved])


def _put(connection: sa.Connection, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    where = [table.c[name] == value for name, value in key.items()]
    if connection.execute(table.update().where(*where).values(**values)).rowcount == 0:
        connection.execute(table.insert().values(**key, **values))
