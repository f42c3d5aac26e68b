"""The act of severing at a patron's own wish: every tie of theirs whose purpose is over, retention or not.

What is still open stays; what a hold waits for waits. Who it was about is in no statement, entry or count.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reticent.acts.active import ActiveBorrowers
from reticent.acts.casebook import Holds
from reticent.acts.gathering import Accounts, searchable
from reticent.acts.inquiry import covering
from reticent.acts.log_system import KINDS as LOGS
from reticent.acts.opening import Opened, Progress, map_of
from reticent.acts.plan import fingerprints
from reticent.acts.systems import RunSeverer, SqlSystem
from reticent.errors import NotPermitted, ReticentError, UsageError
from reticent.ledger.entries import Actor, Kind, Outcome
from reticent.model import Chunk, Receipt, RecordClass, SeriesFacts, Step
from reticent.policy.gate import Asker, Gate
from reticent.policy.retention import cutoff
from reticent.ports import Walk
from reticent.sever.engine import Engine, Limits, Stopped
from reticent.sever.plan import Plan
from reticent.state.database import only_one
from reticent.stores.sql.discloser import SqlDiscloser
from reticent.stores.sql.severer import SqlSeverer
from reticent.stores.sql.walks import Whose

_KEPT_FOR_OTHERS = (RecordClass.PAYMENT, RecordClass.REGISTRATION, RecordClass.STAFF_ACTION)


@dataclass
class Forgotten:
    """What was gone through and what was left, series by series, with the reason.

    ``titles`` says what each series is. ``severed`` counts records: it is for the patron's own paper and for no other.
    """

    done: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    severed: dict[str, int] = field(default_factory=dict, repr=False)

    @property
    def stays(self) -> dict[str, list[str]]:
        """Return each reason why something stays, with what stays for it, in words."""
        found: dict[str, list[str]] = {}
        for name, why in {**self.left, **self.stopped}.items():
            title = self.titles.get(name)
            found.setdefault(why, []).append(f"{name.partition('/')[0]}: {title}" if title else name)
        return found

    @property
    def exit_code(self) -> int:
        """0 when every system named was gone through; 3 when one failed."""
        return 3 if self.stopped else 0

    def document(self) -> dict[str, object]:
        """Return what ``--json`` prints."""
        return {"done": self.done, "left": self.left, "stopped": self.stopped}


def forget(
    opened: Opened,
    gate: Gate,
    asker: Asker,
    cards: Mapping[str, str],
    accounts: Accounts,
    progress: Progress,
    *,
    identity_verified: bool,
) -> Forgotten:
    """Sever what is over of one patron, system by system. ``cards`` as for an export.

    Raises NotPermitted until the identity was verified, and while something about the patron must be preserved.
    """
    if unknown := set(cards) - set(searchable(opened)):
        raise UsageError(f"There is no system named {min(unknown)}.", do="Name systems of reticent.toml.")
    _ = opened.book
    if covering(opened, list(cards.values())):
        raise NotPermitted("This cannot be done now.", do="Ask the custodian.")
    result = Forgotten()
    with only_one(opened.site):
        for name in searchable(opened):
            if name not in cards:
                result.left[name] = "no identifier for it was given"
            elif opened.site.systems[name].kind in LOGS:
                result.left[name] = "a log is severed file by file, everybody's lines together, when its day has come"
            else:
                decision = gate.own_export(cards[name], asker, [name], identity_verified=identity_verified).require()
                try:
                    _system(opened, gate, name, decision.permits[0], accounts, progress, result)
                except ReticentError as error:
                    result.stopped[name] = error.what
    return result


def _system(
    opened: Opened,
    gate: Gate,
    name: str,
    permit: object,
    accounts: Accounts,
    progress: Progress,
    result: Forgotten,
) -> None:
    if name not in accounts:
        raise UsageError(f"No account that may read names was entered for {name}.")
    with closing(SqlSystem(name, map_of(opened.site, name), opened.site)) as system:
        with closing(SqlDiscloser(accounts[name], system.finder.database, gate.open)) as door:
            whose = door.whose(permit)
        with closing(system.severer()) as severer:
            if opened.site.statistics.active_borrowers:
                severer.mark_active = ActiveBorrowers(opened, name).mark
            severer.prepare()
            with severer.alone():
                _collect(opened, severer)
                _Run(opened, system, severer, whose, progress, result).go()


@dataclass
class _Run:
    """One system's run."""

    opened: Opened
    system: SqlSystem
    severer: SqlSeverer
    whose: Whose
    progress: Progress
    result: Forgotten

    def go(self) -> None:
        """Go through every series, then record one entry that names nobody."""
        self._id = uuid.uuid4().hex
        self._now = self.system.now()
        self._start()
        steps: list[Step] = []
        try:
            for facts in self.system.series():
                self._series(facts, steps)
        finally:
            _collect(self.opened, self.severer)
            severed = self._close(steps)
        self.opened.record(
            Kind.SEVER_RUN,
            f"run {self._id}",
            Actor.CUSTODIAN,
            run=hashlib.sha256(self._id.encode()).hexdigest(),
            site=self.opened.site.fingerprint(),
            outcome=Outcome.DONE,
            system=self.system.name,
            severed=severed,
        )

    def _start(self) -> None:
        """Begin a run with an empty plan: killed half-way, the next `reticent sever` finds nothing left to do in it."""
        site, now = self.opened.site, self.opened.clock.now()
        made = f"{now.isoformat()} {self._id}"
        empty = Plan(site.library.name, made, fingerprints(self.opened, [self.system]), {}, ())
        self.opened.book.save_plan(empty.digest, empty.document(), now)
        self.opened.book.start_run(self._id, empty.digest, now)

    def _series(self, facts: SeriesFacts, steps: list[Step]) -> None:
        name = f"{self.system.name}/{facts.id}"
        self.result.titles[name] = facts.title
        if why := self._left(facts):
            self.result.left[name] = why
            return
        (step,) = self.system.steps(facts.id)
        steps.append(step)
        self.progress(f"{self.system.name}: {facts.title}", 0, 0)
        first, before = self.opened.book.next_chunk(self._id, step.name), self._cutoff(facts)
        assert isinstance(before, datetime)  # noqa: S101 - else it was left
        try:
            self._engine().run_step(step, facts.record_class, before, 10**9, self._id, first)
            self.result.done.append(name)
        except Stopped as stop:
            # Whom a hold is about is nobody's business here, and this paper is handed out.
            self.result.left[name] = "this cannot be done now; ask the custodian" if stop.held else stop.reason

    def _left(self, facts: SeriesFacts) -> str:
        if not facts.severable:
            return "it is counted and never severed from here: it ends in the system itself"
        (step,) = self.system.steps(facts.id)
        series = self.system.loaded.one(facts.id)
        if step.walk not in ("seek", "chain"):
            return "its rows have no number of their own, so none can be picked; they go with everybody's, on their day"
        if not series.persons and not series.who:
            return "its rows do not say for certain whose they are"
        limit = self._cutoff(facts)
        return limit if isinstance(limit, str) else ""

    def _cutoff(self, facts: SeriesFacts) -> datetime | str:
        """Return the moment before which a purpose must have ended: now, but never above the schedule's floor.

        What is kept for an audit, and accounts themselves, keep the site's own retention.
        """
        site, name = self.opened.site, f"{self.system.name}.{facts.id}"
        if facts.record_class not in _KEPT_FOR_OTHERS:
            site = site.model_copy(update={"retention": {**site.retention, name: timedelta()}})
        return cutoff(site, self.system.name, facts, self._now, recorded=True)

    def _engine(self) -> Engine:
        site = self.opened.site
        limits = Limits(site.state_path / "stop", site.state_path, free_space=site.sever.free_space)
        return Engine(
            severer=_Theirs(self.severer, self.whose),
            holds=Holds(self.opened),
            limits=limits,
            clock=self.opened.clock,
            totals=self.system.totals,
            obstacle=lambda: self.system.obstacle(site.sever.lag),
            collect=lambda: _collect(self.opened, self.severer),
            progress=lambda _step, _rows: None,
        )

    def _close(self, steps: list[Step]) -> int:
        """Remember, for a restored copy, that so many rows of these steps were tallied; return how many in all."""
        book, total = self.opened.book, 0
        for step in steps:
            rows = book.severed(self._id, step.name)
            total += rows
            self.result.severed |= {step.name: rows} if rows else {}
        touched = {s.name: (self._now.isoformat(), False) for s in steps if book.severed(self._id, s.name)}
        book.end_run(self._id, "done", self.opened.clock.now(), touched)
        return total


@dataclass
class _Theirs:
    """A severer that walks one person's rows only. Implements ``ports.Severer``."""

    inner: SqlSeverer
    whose: Whose

    def steps(self, series: str) -> Sequence[Step]:
        """Return what severing a series does."""
        return self.inner.steps(series)

    def chunks(self, step: Step, cutoff: datetime, run: str, first: int = 0) -> Walk:
        """Walk this person's due rows."""
        return self.inner.chunks_of(self.whose, step, cutoff, run, first)

    def apply(self, chunk: Chunk, hold_epoch: int) -> Receipt:
        """Sever one chunk."""
        return self.inner.apply(chunk, hold_epoch)

    def settle(self, chunk: Chunk) -> Receipt | None:
        """Return the chunk's receipt if it was committed."""
        return self.inner.settle(chunk)


def _collect(opened: Opened, severer: RunSeverer) -> None:
    if waiting := severer.collected():
        opened.book.import_receipts(waiting)
        severer.forget(waiting)
