"""The act of severing: applies a plan, resumes after any crash, and records the run in the ledger."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime

from reticent.acts.active import ActiveBorrowers
from reticent.acts.casebook import Holds
from reticent.acts.log_keys import LogKeys
from reticent.acts.opening import Opened, Progress
from reticent.acts.plan import current
from reticent.acts.systems import OpenSystem, RunSeverer
from reticent.errors import NotPermitted, ReticentError
from reticent.ledger.entries import Actor, Cause, Kind, Outcome
from reticent.model import Step
from reticent.sever.engine import Engine, Limits, Stopped
from reticent.sever.plan import Plan, PlannedStep, changed, read_plan
from reticent.sever.result import RunResult, SeveredStep
from reticent.state.book import AGAIN, PARTLY, Severed
from reticent.state.database import only_one

_CAUSES = (
    ("legal hold", Cause.LEGAL_HOLD),
    ("stop file", Cause.ASKED),
    ("ceiling", Cause.ROW_CEILING),
    ("window", Cause.TIME_WINDOW),
    ("free", Cause.FREE_SPACE),
    ("replica", Cause.REPLICA_LAG),
    ("upgrade", Cause.UPGRADE_RUNNING),
    ("tripwire", Cause.TRIPWIRE),
)


def pending(opened: Opened) -> Plan | None:
    """Return the plan of the run a crash left unfinished, if there is one."""
    run = opened.book.unfinished()
    body = opened.book.plan(run.plan) if run else None
    return read_plan(body, "state") if body else None


def sever(
    opened: Opened, plan: Plan, progress: Progress, kind: Kind = Kind.SEVER_RUN, actor: Actor = Actor.OPERATOR
) -> RunResult:
    """Apply a plan, or go on with it. Raises NotPermitted, EvidenceBroken, and what a system raises."""
    _ = opened.book  # makes the state folder, and refuses a clock that went back, before anything is locked
    with only_one(opened.site), ExitStack() as locks:
        run = _Run(opened, plan, progress, locks)
        run.start()
        try:
            run.steps()
        except Stopped as stop:
            run.result.stopped = stop.reason
        except ReticentError:
            run.abandon()
            raise
        return run.finish(kind, actor)


@dataclass
class _Run:
    """One run of one plan."""

    opened: Opened
    plan: Plan
    progress: Progress
    locks: ExitStack

    def start(self) -> None:
        """Check that the plan may be applied, open the systems, settle what a crash left."""
        self._require_known()
        self._severers: dict[str, RunSeverer] = {}
        self._restored: set[str] = set()
        fingerprints, self._systems = current(self.opened)
        self._facts = {f"{n}/{facts.id}": facts for n, system in self._systems.items() for facts in system.series()}
        for system in self._systems.values():
            self.locks.callback(system.close)
        different = changed(self.plan, fingerprints)
        if different and self._resumes:
            self._close_interrupted(self._resumes.id)
        if different:
            raise NotPermitted(
                f"The plan no longer fits: {', '.join(different)} changed since it was made.",
                do="Make a new plan and read it: `reticent plan --out plan.json`.",
            )
        self._open_severers()
        self._begin()

    def _close_interrupted(self, run: str) -> None:
        """End a run nobody can finish any more: what it severed is counted, the rest is for a new plan."""
        self._open_severers()
        self._run, self.result = run, RunResult(self.plan.digest, run, stopped="the system changed under it")
        for planned in self.plan.steps:
            severed = self.opened.book.severed(run, planned.name)
            self.result.steps.append(SeveredStep(planned.system, planned.series, planned.rows, severed, 0))
        fields = {"outcome": Outcome.STOPPED, "cause": Cause.SCHEMA_CHANGED, "severed": self.result.severed}
        self.opened.record(Kind.SEVER_RUN, f"run {run}", Actor.OPERATOR, **self._identity(), **fields)
        self.opened.book.end_run(run, self.result.stopped, self.opened.clock.now(), self._cutoffs(set()))

    def _require_known(self) -> None:
        book, digest = self.opened.book, self.plan.digest
        if book.plan(digest) is None:
            raise NotPermitted(
                "This plan was not made with this site's state.",
                where=f"plan {digest[:16]}",
                do="Make a plan here: `reticent plan --out plan.json`.",
            )
        unfinished = book.unfinished()
        if unfinished and unfinished.plan != digest:
            raise NotPermitted(
                "An earlier run was interrupted and is not finished.",
                where=f"run {unfinished.id}, plan {unfinished.plan[:16]}",
                do="Run `reticent sever` without a plan to finish it first.",
            )
        self._resumes = unfinished
        if not unfinished and any(run.plan == digest for run in book.runs()):
            raise NotPermitted(
                "This plan was applied before.", where=f"plan {digest[:16]}", do="Make a new one: `reticent plan`."
            )

    def _open_severers(self) -> None:
        keys = LogKeys(self.opened)
        for name in sorted({step.system for step in self.plan.steps if step.rows}):
            severer = self._systems[name].severer()
            if self.opened.site.statistics.active_borrowers:
                active = ActiveBorrowers(self.opened, name)
                active.close_past_years(self._systems[name])
                severer.mark_active = active.mark
            self.locks.callback(severer.close)
            keys.lend(name, severer)
            severer.prepare()
            self.locks.enter_context(severer.alone())
            self._severers[name] = severer
            self._collect(severer)

    def _begin(self) -> None:
        book = self.opened.book
        self._run = self._resumes.id if self._resumes else uuid.uuid4().hex
        self.result = RunResult(self.plan.digest, self._run)
        self.result.notes += LogKeys(self.opened).destroy_past()
        for name in self._severers:
            self._look_for_restore(name)
        now = self.opened.clock.now()
        sequence = self._resumes.sequence if self._resumes else book.start_run(self._run, self.plan.digest, now)
        for name, severer in self._severers.items():
            if severer.leaves_receipts:
                severer.set_mark(book.identity(), sequence)
                book.set_fact(f"mark {name}", str(sequence))
        self._record_totals()

    def _look_for_restore(self, name: str) -> None:
        """Notice a system that has forgotten a run: what came back was tallied then, and must not be again."""
        book, severer = self.opened.book, self._severers[name]
        expected = int(book.fact(f"mark {name}") or 0)
        if severer.leaves_receipts and severer.mark(book.identity()) < expected:
            ours = (step for step in self.plan.steps if step.system == name and step.rows)
            book.came_back(self._run, {step.name: self.plan.cutoffs[step.name] for step in ours})
            book.set_fact(f"restored {name}", self._run)
            self.opened.record(Kind.RESTORE_SEEN, f"restore {self._run} {name}", system=name)
        if book.fact(f"restored {name}"):
            self._restored.add(name)
            self.result.notes.append(
                f"{name} was restored from a copy older than the last run: what came back is severed, not counted twice"
            )

    def _record_totals(self) -> None:
        """Keep the reportable totals as they are before anything is severed."""
        for name in sorted(self._severers.keys() - self._restored):
            system = self._systems[name]
            touched = {step.series for step in self.plan.steps if step.system == name}
            for measure in system.measures():
                if touched & measure.series:
                    self.progress(f"{name}: counting {measure.title.lower()}", 0, 0)
                    margins = system.margins(measure.id)
                    self.opened.book.raise_totals(name, _plus(margins, self.opened.book.tallies(name), measure.id))
            self.opened.book.set_fact(f"totals {name}", system.now().isoformat())

    def _collect(self, severer: RunSeverer) -> None:
        if waiting := severer.collected():
            self.opened.book.import_receipts(waiting)
            severer.forget(waiting)

    def steps(self) -> None:
        """Sever every step of the plan, in order."""
        engines = {name: self._engine(name, severer) for name, severer in self._severers.items()}
        for planned in self.plan.steps:
            if planned.rows:
                try:
                    self._step(planned, engines[planned.system])
                except Stopped as stop:
                    if not stop.held:
                        raise
                    self.result.held = True
                    self.result.notes.append(f"{planned.name} waits: {stop.reason}")

    def _engine(self, name: str, severer: RunSeverer) -> Engine:
        site = self.opened.site
        limits = Limits(
            stop_file=site.state_path / "stop",
            state_path=site.state_path,
            window=site.sever.window,
            rows=site.sever.rows,
            free_space=site.sever.free_space,
        )
        system = self._systems[name]
        return Engine(
            severer=severer,
            holds=Holds(self.opened),
            limits=limits,
            clock=self.opened.clock,
            totals=system.totals,
            obstacle=lambda: system.obstacle(site.sever.lag),
            collect=lambda: self._collect(severer),
            progress=self._moved,
        )

    def _step(self, planned: PlannedStep, engine: Engine) -> None:
        step, record_class = planned.step(), self._facts[planned.name].record_class
        self._planned, self._done = planned, self.opened.book.severed(self._run, planned.name)
        engine.severed += self._done
        cutoff = self.plan.cutoff(planned.name)
        book = self.opened.book

        def go(run: str, before: datetime, most: int) -> None:
            left = min(most, planned.rows - book.severed(self._run, planned.name))
            engine.run_step(step, record_class, before, left, run, book.next_chunk(run, planned.name))

        try:
            known = book.severed_until(planned.name) if planned.system in self._restored else Severed()
            if known.cutoff:
                go(self._run + AGAIN, min(datetime.fromisoformat(known.cutoff), cutoff), planned.rows)
            if known.partly:
                done = book.severed_as(self._run + PARTLY, planned.name)
                before = min(datetime.fromisoformat(known.partly_cutoff), cutoff)
                go(self._run + PARTLY, before, known.partly - done)
            go(self._run, cutoff, planned.rows)
        finally:
            book.save_step(self._run, planned.name, planned.rows, book.severed(self._run, planned.name), None)

    def _moved(self, step: Step, rows: int) -> None:
        self._done += rows
        title = self._facts[step.name].title
        self.progress(f"{step.system}: {title}", self._done, self._planned.rows)

    def _system(self, planned: PlannedStep) -> OpenSystem:
        return self._systems[planned.system]

    def abandon(self) -> None:
        """Import what was severed before a system failed; the run stays unfinished and can be resumed."""
        for severer in self._severers.values():
            with suppress(ReticentError):
                self._collect(severer)

    def finish(self, kind: Kind, actor: Actor) -> RunResult:
        """Recount every step, record the run, and close it."""
        book, whole = self.opened.book, set()
        for planned in self.plan.steps:
            if not planned.rows:
                continue
            self.progress(f"{planned.system}: recounting {planned.series}", 0, 0)
            survey = self._system(planned).survey(planned.series, self.plan.cutoff(planned.name))
            severed = book.severed(self._run, planned.name)
            self.result.steps.append(SeveredStep(planned.system, planned.series, planned.rows, severed, survey.due))
            book.save_step(self._run, planned.name, planned.rows, severed, survey.due)
            whole |= {planned.name} if survey.due == 0 else set()
        for name, severer in self._severers.items():
            self.result.notes += [f"{name}: {note}" for note in severer.notes]
        self.result.ledger = self._record(kind, actor)
        outcome = self.result.stopped or ("held" if self.result.held else "done")
        book.end_run(self._run, outcome, self.opened.clock.now(), self._cutoffs(whole))
        if outcome == "done":
            for name in self._restored:
                book.set_fact(f"restored {name}", "")
        return self.result

    def _cutoffs(self, whole: set[str]) -> dict[str, tuple[str, bool]]:
        return {step.name: (self.plan.cutoffs[step.name], step.name in whole) for step in self.plan.steps if step.rows}

    def _identity(self) -> dict[str, object]:
        return {
            "run": hashlib.sha256(self._run.encode()).hexdigest(),
            "plan": self.plan.digest,
            "site": self.plan.fingerprints.site,
            "policy": self.plan.fingerprints.policy,
            "systems": len(self._severers),
            "planned": self.plan.total,
        }

    def _record(self, kind: Kind, actor: Actor) -> Mapping[str, object]:
        stopped = "legal hold" if self.result.held else self.result.stopped
        cause = next((cause for word, cause in _CAUSES if word in stopped), Cause.ASKED)
        held_back = {"held_back": sum(sum(step.held_back.values()) for step in self.plan.steps)}
        return self.opened.record(
            kind,
            f"run {self._run}",
            actor,
            **self._identity(),
            outcome=Outcome.STOPPED if stopped else Outcome.DONE,
            severed=self.result.severed,
            still_due=sum(step.still_due for step in self.result.steps),
            **(held_back if kind is Kind.SEVER_RUN else {}),
            **({"cause": cause} if stopped and kind is Kind.SEVER_RUN else {}),
        )


def _plus(
    live: Mapping[str, Mapping[str, int]], tallies: Mapping[str, Mapping[str, int]], measure: str
) -> dict[str, dict[str, int]]:
    """Return live rows plus tallies of one measure: what would be reported today."""
    total = {key: dict(values) for key, values in live.items()}
    for key, values in tallies.items():
        if key.partition("|")[0] == measure:
            cells = total.setdefault(key, {})
            for value, rows in values.items():
                cells[value] = cells.get(value, 0) + rows
    return total
