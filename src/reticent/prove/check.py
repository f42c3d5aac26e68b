"""`reticent check` of one system: every question again by other code, and what nobody looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from reticent.model import Finding, Margins, NotLookedAt, Survey
from reticent.prove import conservation, due
from reticent.prove.chains import CIRCULAR
from reticent.prove.evaluate import Evaluator
from reticent.prove.relinks import relink
from reticent.prove.sweep import sweep
from reticent.prove.view import View
from reticent.systems.mapfile import Held, Series

NO_CUTOFF = "no cutoff was given"


@dataclass(frozen=True)
class CheckResult:
    """What a check found, what it looked at, and what it did not. The last is part of every verdict."""

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    not_looked_at: tuple[NotLookedAt, ...]

    @property
    def promise_kept(self) -> bool:
        """Whether nothing was found and something was looked at."""
        return not self.findings and bool(self.checked)

    def plus(self, other: CheckResult) -> CheckResult:
        """Return both results as one."""
        return CheckResult(
            self.findings + other.findings, self.checked + other.checked, self.not_looked_at + other.not_looked_at
        )

    def verdict(self) -> str:
        """Return the answer in one sentence, with what was not looked at in the same sentence."""
        kept = f"Kept in {len(self.checked)} questions"
        said = kept if self.promise_kept else f"Not kept: {len(self.findings)} findings"
        names = ", ".join(dict.fromkeys(f"{place.system}: {place.place}" for place in self.not_looked_at))
        return f"{said}; not looked at: {names}." if names else f"{said}; nothing was left out."


def check_system(
    view: View,
    cutoffs: Mapping[str, datetime | str],
    before: conservation.Before | None = None,
    tallies: Margins | None = None,
) -> CheckResult:
    """Check one system; each table is streamed once.

    ``cutoffs``: series -> the moment (the system's local time) before which its purposes must have ended, the
    cutoff the last run should have met; or, as text, why there is none ("the site has not set ..."). ``before``
    are the totals recorded before the first run, ``tallies`` everything imported since.

    Raises SystemUnreachable or SystemRefused: what cannot be read is never called kept.
    """
    evaluator = Evaluator(view)
    recounts = {s.id: _recount(evaluator, view, s, cutoffs) for s in view.fit.here(view.loaded)}
    counted = conservation.measures(view, before) if before else []
    margins = {m.id: conservation.Recounted(evaluator, view, m) for m in counted}
    sweep(view.reader, [*recounts.values(), *margins.values()])
    surveys = {name: question.survey() for name, question in recounts.items()}
    attacks = relink(view, cutoffs)
    live = conservation.union(question.margins() for question in margins.values())
    conserved = conservation.compare(view.system, before, live, tallies or {}, view.alike) if before else []
    return CheckResult(
        (*_series_findings(view, surveys, cutoffs), *_structure(view), *attacks.findings, *conserved),
        (*_checked(view, surveys), *attacks.checked, *(f"conservation: {m.title}" for m in counted)),
        (*_not_looked_at(view, before), *attacks.not_looked_at),
    )


def _recount(evaluator: Evaluator, view: View, series: Series, cutoffs: Mapping[str, datetime | str]) -> due.Recount:
    cutoff = cutoffs.get(series.id, NO_CUTOFF)
    if isinstance(cutoff, str):
        return due.Recount(evaluator, view, series, None, cutoff)
    return due.Recount(evaluator, view, series, cutoff)


def _series_findings(
    view: View, surveys: Mapping[str, Survey], cutoffs: Mapping[str, datetime | str]
) -> Iterator[Finding]:
    for name, survey in surveys.items():
        series = view.loaded.one(name)
        if survey.due:
            yield Finding("due ties", view.system, name, survey.due, f"{series.title}: run `reticent sever`.")
        if series.weak and survey.ties:
            yield Finding("weak pseudonym", view.system, name, survey.ties, f"{series.title}: {series.weak}.")
        for reason, rows in survey.withheld.items():
            if finding := _withheld(view, series, reason, rows, cutoffs.get(name, NO_CUTOFF)):
                yield finding


def _withheld(view: View, series: Series, reason: str, rows: int, cutoff: datetime | str) -> Finding | None:
    """Return the finding for ties that were held back; None where the patron asked for it."""
    if reason in _UNCLEAR:
        return Finding("withheld", view.system, series.id, rows, f"{series.title}: {reason}. {_UNCLEAR[reason]}")
    if reason == cutoff:
        return Finding("undecided", view.system, series.id, rows, f"{series.title}: {reason}.")
    held = _reason(due.held_back(series, view.decided), reason)
    if not held.until:
        return None
    decision = view.loaded.decisions[held.until]
    choices = "; ".join(f"{held.until} = {word}: {text}" for word, text in decision.choices.items())
    advice = f"{series.title}: {reason}. {decision.question} Decide in [systems.{view.system}.decisions]: {choices}."
    return Finding("undecided", view.system, series.id, rows, advice)


_UNCLEAR = {
    due.UNDECIDED: "A value the decision rests on is missing or unreadable: correct the rows in the system.",
    due.NO_BRANCH: "Correct the branch of these rows, or of their patrons, in the system.",
    due.NO_DATE: "Enter the end date in the system; without it nobody can say when the purpose ended.",
    CIRCULAR: "A chain of renewals has no first loan: correct the rows in the system.",
    due.FUTURE: "Correct the date in the system; check the clock of the machine that wrote it.",
}


def _reason(reasons: Iterable[Held], reason: str) -> Held:
    return next(held for held in reasons if held.reason == reason)


def _structure(view: View) -> Iterator[Finding]:
    for name, why in view.fit.refused.items():
        advice = f"{why}. Nothing here is severed; its ties stay. Ask for a map that knows this release."
        yield Finding("refused series", view.system, name, 1, advice)
    for place in view.fit.unmapped:
        advice = f"{place.why}. Have someone read what it keeps; a local map can then name it."
        yield Finding("unmapped place", view.system, place.name, 1, advice)


def _checked(view: View, surveys: Mapping[str, Survey]) -> Iterator[str]:
    for name, survey in surveys.items():
        yield f"{name}: {view.loaded.one(name).title}, {survey.ties} ties counted again, {survey.due} due"


def _not_looked_at(view: View, before: conservation.Before | None) -> Iterator[NotLookedAt]:
    for name, why in view.fit.refused.items():
        yield NotLookedAt(view.system, name, f"refused: {why}")
    for place in view.fit.unmapped:
        yield NotLookedAt(view.system, place.name, place.why)
    yield from view.fit.not_looked_at(view.system)
    if before is None:
        yield NotLookedAt(view.system, "conservation", conservation.UNRECORDED)
    for elsewhere in view.loaded.elsewhere:
        yield NotLookedAt(view.system, elsewhere.place, elsewhere.why)
