"""The act of checking: is the promise kept? Every question again, by other code and another account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reticent.acts import copies
from reticent.acts.gate import proof
from reticent.acts.log_keys import LogKeys
from reticent.acts.opening import Opened, Progress, open_systems
from reticent.acts.probe import with_probe
from reticent.acts.residue import with_residue
from reticent.acts.systems import OpenSystem, SqlSystem
from reticent.errors import ReticentError
from reticent.ledger.entries import Kind, Outcome
from reticent.ledger.verify import verify
from reticent.model import Finding, NotLookedAt, SeriesFacts
from reticent.policy.retention import cutoff
from reticent.prove.check import CheckResult
from reticent.prove.conservation import Before
from reticent.state.armings import ARMED
from reticent.systems.load import withdrawn

LONGEST_PAUSE = timedelta(hours=48)
"""No run for this long is a finding; what became due since the last run is not."""


@dataclass
class CheckReport:
    """The answer: kept or not, where it was looked, and where it was not."""

    findings: list[Finding] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    not_looked_at: list[NotLookedAt] = field(default_factory=list)
    unreachable: list[tuple[str, ReticentError]] = field(default_factory=list)
    ledger_broken: bool = False

    @property
    def result(self) -> CheckResult:
        """The same as the prover's result, over all systems."""
        return CheckResult(tuple(self.findings), tuple(self.checked), tuple(self.not_looked_at))

    @property
    def promise_kept(self) -> bool:
        """Whether nothing was found, something was looked at, and every system answered."""
        return self.result.promise_kept and not self.unreachable

    def verdict(self) -> str:
        """Return the answer in one sentence; a system that did not answer is never called kept."""
        if not self.unreachable:
            return self.result.verdict()
        silent = ", ".join(name for name, _ in self.unreachable)
        found = f"; {len(self.findings)} findings elsewhere" if self.findings else ""
        places = ", ".join(dict.fromkeys(f"{place.system}: {place.place}" for place in self.not_looked_at))
        return f"Nobody can say: {silent} could not be asked{found}; not looked at: {places}."

    @property
    def exit_code(self) -> int:
        """0 kept, 1 a finding, 3 a system was not reached, 5 the ledger does not verify."""
        if self.ledger_broken:
            return 5
        return 3 if self.unreachable else int(not self.promise_kept)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON content."""
        return {
            "promise_kept": self.promise_kept,
            "verdict": self.verdict(),
            "findings": [asdict(finding) for finding in self.findings],
            "checked": self.checked,
            "not_looked_at": [asdict(place) for place in self.not_looked_at],
        }


def check(opened: Opened, progress: Progress) -> CheckReport:
    """Check every system, the runs and the ledger; destroy the salts whose day has come."""
    report = CheckReport()
    for system in open_systems(opened.site):
        if isinstance(system, NotLookedAt):
            report.not_looked_at.append(system)
        elif isinstance(system, tuple):
            _unreachable(report, *system)
        else:
            _system(opened, system, report, progress)
    report.findings += _runs(opened)
    report.findings += LogKeys(opened).findings()
    _policy(opened, report)
    opened.destroy_salts()
    _ledger(opened, report)
    opened.record(
        Kind.CHECK_RUN,
        f"check {opened.clock.now().isoformat()}",
        site=opened.site.fingerprint(),
        outcome=Outcome.KEPT if report.promise_kept else Outcome.NOT_KEPT,
        systems=len(opened.site.systems),
        findings=len(report.findings),
        residue=sum(finding.count for finding in report.findings if finding.kind == "residue"),
        not_looked_at=len(report.not_looked_at),
    )
    return report


def _unreachable(report: CheckReport, name: str, error: ReticentError) -> None:
    report.unreachable.append((name, error))
    report.not_looked_at.append(NotLookedAt(name, "everything", error.on_one_line()))


def _system(opened: Opened, system: OpenSystem, report: CheckReport, progress: Progress) -> None:
    progress(f"{system.name}: asking again by other code", 0, 0)
    try:
        now = system.now()
        cutoffs = {series.id: _cutoff(opened, system.name, series, now) for series in system.series()}
        recorded = opened.book.fact(f"totals {system.name}")
        totals = opened.book.totals(system.name)
        before = Before(totals, datetime.fromisoformat(recorded)) if recorded else None
        found = system.check(cutoffs, before, opened.book.tallies(system.name))
        if isinstance(system, SqlSystem):
            found = with_probe(opened, system, with_residue(opened, system, found))
            there = copies.copies(opened, system, scan=False)
            report.findings += copies.findings(there)
            report.findings += [
                Finding(
                    "new exposure",
                    system.name,
                    name,
                    1,
                    "Not there at the last `find`, which lists it: who made it, for whom?",
                )
                for name in copies.new_exposures(opened, system, there, remember=False)
            ]
            report.not_looked_at += copies.not_looked_at(there)
    except ReticentError as error:
        _unreachable(report, system.name, error)
        return
    report.findings += found.findings
    report.checked += found.checked
    report.not_looked_at += found.not_looked_at


def _cutoff(opened: Opened, system: str, series: SeriesFacts, now: datetime) -> datetime | str:
    """Return the cutoff the last run should have met; today's if there was none for too long."""
    today = cutoff(opened.site, system, series, now, recorded=False)
    cutoff_met = opened.book.severed_until(f"{system}/{series.id}").cutoff
    if isinstance(today, str) or not cutoff_met:
        return today
    met = datetime.fromisoformat(cutoff_met)
    return met if today - LONGEST_PAUSE <= met <= today else today


def _runs(opened: Opened) -> Iterator[Finding]:
    runs = opened.book.runs()
    armed = [arming.step for arming in opened.armings.all() if arming.state == ARMED]
    last = max((run.ended or run.started for run in runs), default=None)
    if armed and last and opened.clock.now() - datetime.fromisoformat(last) > LONGEST_PAUSE:
        advice = f"The last run was at {last[:16]}. Look at the timer: systemctl status reticent-sever.timer."
        yield Finding("no run", "reticent", "armed series", len(armed), advice)
    if (unfinished := opened.book.unfinished()) is not None:
        yield Finding("unfinished run", "reticent", unfinished.id, 1, "Run `reticent sever` to finish it.")
    wrong = withdrawn()
    for run in runs:
        body = opened.book.plan(run.plan) or {}
        for system, digest in body.get("fingerprints", {}).get("maps", {}).items():
            if digest in wrong:
                advice = f"Run {run.id} of {run.started[:10]} used a map found wrong since: {wrong[digest]}"
                yield Finding("withdrawn map", system, run.id, 1, advice)


def _policy(opened: Opened, report: CheckReport) -> None:
    findings, checked = proof(opened)
    report.findings += findings
    report.checked += checked


def _ledger(opened: Opened, report: CheckReport) -> None:
    if not opened.ledger_path.exists():
        return
    key = opened.ledger_key()
    verified = verify(opened.ledger_path, key.verifier, own=key.last())
    report.checked.append(f"ledger: {verified.size} entries rebuilt and compared")
    report.ledger_broken = not verified.sound
    for fault in verified.faults:
        report.findings.append(
            Finding("ledger", "reticent", fault.place, 1, f"{fault.what}: keep the file, call counsel.")
        )
    if verified.unwitnessed:
        why = "no head kept by somebody outside was compared: it proves nothing against whoever holds the key"
        report.not_looked_at.append(NotLookedAt("reticent", "ledger witness", why))
