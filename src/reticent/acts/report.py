"""The act of reporting: gathers results and the maps' own words into one page for a director."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reticent.acts.check import CheckReport, check
from reticent.acts.files import write_text
from reticent.acts.find import Inventory, find
from reticent.acts.gate import in_force
from reticent.acts.opening import Opened, Progress, map_of
from reticent.errors import ReticentError
from reticent.ledger.log import Log
from reticent.policy.director import DirectorPage, director_page
from reticent.report.page import render
from reticent.report.results import Document, Evidence, Purpose, Question, Results, Statistics
from reticent.report.verdict import verdict
from reticent.sever.result import RunResult, SeveredStep
from reticent.systems.load import kinds


@dataclass(frozen=True)
class Done:
    """What the acts returned. ``after`` is the inventory of now; without one, ``before`` is."""

    before: Inventory | None = None
    plan: Document | None = None
    run: RunResult | None = None
    after: Inventory | None = None
    check: CheckReport | None = None


@dataclass(frozen=True)
class Report:
    """A page that was written. ``exit_code`` is that of the check it rests on."""

    path: Path
    results: Results
    exit_code: int

    def document(self) -> dict[str, Any]:
        """Return what the page answers, as JSON content."""
        answer = verdict(self.results)
        not_looked_at = [dict(place) for place in answer.not_looked_at]
        return {"report": str(self.path), "answer": answer.state, "said": answer.said, "not_looked_at": not_looked_at}


def report(opened: Opened, out: Path, progress: Progress) -> Report:
    """Count afresh, check, take the last run from the state, and write the page to ``out``."""
    now = find(opened, progress)
    checked = check(opened, progress)
    plan, run = last_run(opened)
    results = gather(opened, Done(plan=plan, run=run, after=now, check=checked))
    write_text(out, render(results))
    return Report(out, results, checked.exit_code)


def last_run(opened: Opened) -> tuple[Document | None, RunResult | None]:
    """Return the plan and the sums of the last run that ended, if there was one."""
    ended = [run for run in opened.book.runs() if run.ended]
    if not ended:
        return None, None
    last = ended[-1]
    result = RunResult(last.plan, last.id, stopped="" if last.outcome == "done" else last.outcome)
    for step in opened.book.steps(last.id):
        system, _, series = step["step"].partition("/")
        result.steps.append(SeveredStep(system, series, step["planned"], step["severed"], step["still_due"] or 0))
    return opened.book.plan(last.plan), result


def gather(opened: Opened, done: Done, *, sample: bool = False) -> Results:
    """Put together what a page is made from."""
    now = done.after or done.before
    return Results(
        library=opened.site.library.name,
        made=opened.clock.now(),
        before=done.before.document() if done.before else None,
        plan=done.plan,
        run=done.run.document() if done.run else None,
        after=done.after.document() if done.after else None,
        check=done.check.document() if done.check else None,
        statistics=_statistics(opened),
        evidence=_evidence(opened, done.run),
        purposes=_purposes(now) if now else {},
        questions=_questions(opened, now) if now else {},
        policy=_policy(opened),
        sample=sample,
    )


def _policy(opened: Opened) -> DirectorPage | None:
    try:
        return director_page(in_force(opened), opened.clock.now())
    except ReticentError:  # `check` names it as a finding
        return None


def _purposes(inventory: Inventory) -> Mapping[str, Purpose]:
    return {
        f"{found.system}/{found.series.id}": Purpose(
            found.series.purpose, found.series.purpose_end, found.series.severable
        )
        for found in inventory.found
    }


def _questions(opened: Opened, inventory: Inventory) -> Mapping[tuple[str, str], Question]:
    questions = {}
    for found in inventory.found:
        for reason, until in found.series.held:
            if until and reason in found.survey.withheld:
                asked = map_of(opened.site, found.system).decisions[until]
                questions[found.system, reason] = Question(until, asked.question, asked.choices)
    return questions


def _statistics(opened: Opened) -> Statistics | None:
    titles: dict[str, str] = {}
    totals: dict[str, dict[str, int]] = {}
    for name, system in opened.site.systems.items():
        if system.kind not in kinds():
            continue
        titles |= {measure.id: measure.title for measure in map_of(opened.site, name).measures}
        for key, cells in opened.book.totals(name).items():
            here = totals.setdefault(key, {})
            for value, rows in cells.items():
                here[value] = here.get(value, 0) + rows
    return Statistics(titles, totals) if totals else None


def _evidence(opened: Opened, run: RunResult | None) -> Evidence | None:
    if not opened.ledger_path.exists():
        return None
    with Log.open(opened.ledger_path, opened.origin) as log:
        signed = log.signed()
        if signed is None:
            return None
        entry = _entry(log, signed[0], run.run) if run else None
    return Evidence(signed[1], opened.ledger_key().verifier.vkey, entry)


def _entry(log: Log, size: int, run: str) -> int | None:
    digest = hashlib.sha256(run.encode()).hexdigest()
    for index in reversed(range(size)):
        if json.loads(log.entry(index)).get("run") == digest:
            return index
    return None
