"""Are the library's statistics still whole? Every measure recounted by month, in Python, tallies added.

What was counted before the first run must still be there: as live rows, or as a tally of severed ones.

Only months that were over when the totals were recorded are compared. In those months

- less than before is always a finding: something was destroyed and not tallied (by Reticent, by the system's
  own clean-up, or by hand);
- more is a late entry (a loan posted offline, a loan of that month returned since) where every row is still
  live. Where tallies take part it is a finding too, because only a tally can be counted twice: a backup was
  restored over severed rows.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from reticent.model import Finding, Margins
from reticent.ports import UNREADABLE
from reticent.prove.evaluate import Evaluator, Get
from reticent.prove.sweep import Read, Row
from reticent.prove.view import View
from reticent.systems.mapfile import Measure
from reticent.systems.predicates import TRUE

_MONTH = re.compile(r"(?!0000)\d{4}-(0[1-9]|1[0-2])")


UNRECORDED = "no totals were recorded before the first run"


@dataclass(frozen=True)
class Before:
    """The totals recorded before the first run, and when (the system's local time)."""

    totals: Margins
    recorded: datetime


class Recounted:
    """One measure counted again by month and by one margin at a time, from every row of its table."""

    def __init__(self, evaluator: Evaluator, view: View, measure: Measure) -> None:
        self._evaluator, self._view, self._measure = evaluator, view, measure
        self._counts: dict[str, Counter[tuple[int, int, str]]] = {margin: Counter() for margin in ("", *measure.by)}

    @property
    def table(self) -> str:
        """The table of the measure."""
        return self._measure.table

    def reads(self) -> Iterator[Read]:
        """Yield its date, its margins and what its condition needs."""
        yield from ((name, True) for name in (self._measure.date, *self._measure.by))
        yield from self._evaluator.reads(self.table, self._measure.when or TRUE)

    def bind(self, positions: Mapping[str, int]) -> Callable[[Row], None]:
        """Return what counts one row."""
        counted = self._evaluator.test(self.table, self._measure.when or TRUE, positions)
        date = self._evaluator.value(self.table, self._measure.date, positions)
        margins = [(self._counts[name], self._margin(name, positions)) for name in self._counts]

        def count(row: Row) -> None:
            if counted(row) and (when := date(row)) is not None and when is not UNREADABLE:
                for counts, value in margins:
                    counts[when.year, when.month, value(row)] += 1

        return count

    def _margin(self, name: str, positions: Mapping[str, int]) -> Get:
        if not name:
            return lambda _: ""
        value = self._evaluator.value(self.table, name, positions)
        return lambda row: "" if (found := value(row)) is None else str(found)

    def margins(self) -> Margins:
        """Return ``{"loans|2026-03|branch": {"MAIN": 12}}``; rows without a readable date are in no month."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for margin, counts in self._counts.items():
            for (year, month, value), rows in counts.items():
                found[f"{self._measure.id}|{year:04}-{month:02}|{margin}"][value] = rows
        return found


def measures(view: View, before: Before) -> list[Measure]:
    """Return the measures that were recorded and can be counted by month."""
    recorded = {key.partition("|")[0] for key in before.totals}
    return [measure for measure in view.loaded.measures if measure.id in recorded and measure.date]


def compare(
    system: str, before: Before, live: Margins, tallies: Margins, alike: Callable[[str], str] = str
) -> list[Finding]:
    """Compare what is left and what was tallied with what was recorded; at most two findings a margin.

    ``alike``: text -> the form under which the system calls two values equal.
    """
    open_month = f"{before.recorded:%Y-%m}"
    lost: dict[str, Counter[str]] = defaultdict(Counter)
    twice: dict[str, Counter[str]] = defaultdict(Counter)
    for key, recorded in before.totals.items():
        measure, month, margin = key.split("|")
        if not _MONTH.fullmatch(month) or month >= open_month:
            continue
        then, left, kept = (_alike(alike, values) for values in (recorded, live.get(key, {}), tallies.get(key, {})))
        name = f"{measure} by {margin}" if margin else measure
        for value in {*then, *kept}:
            more = left[value] + kept[value] - then[value]
            lost[name][month] += max(-more, 0)
            twice[name][month] += max(more, 0) if kept[value] else 0
    return [*_findings(system, lost, _LOST), *_findings(system, twice, _TWICE)]


def _alike(alike: Callable[[str], str], values: Mapping[str, int]) -> Counter[str]:
    # The database that wrote the totals calls "MAIN" and "main" one branch; so must we.
    found: Counter[str] = Counter()
    for value, rows in values.items():
        found[alike(value)] += rows
    return found


_LOST = (
    "Fewer than were recorded before the first run ({months}). Look for what deleted rows: the system's own "
    "clean-up, a restore, a change by hand; if nothing did, stop severing and report it."
)
_TWICE = (
    "More than were recorded before the first run, tallies included ({months}): rows that were severed and tallied "
    "are back, as after restoring a backup. Run `reticent sever`, which severs them without a second tally."
)


def _findings(system: str, wrong: Mapping[str, Counter[str]], advice: str) -> Iterator[Finding]:
    for name, months in wrong.items():
        if rows := months.total():
            named = _named(sorted(month for month, found in months.items() if found))
            yield Finding("conservation", system, name, rows, advice.format(months=named))


def _named(months: list[str]) -> str:
    rest = len(months) - 3
    return ", ".join(months[:3]) + (f" and {rest} more months" if rest > 0 else "")


def union(parts: Iterable[Margins]) -> Margins:
    """Return the margins of several measures as one mapping."""
    return {key: values for part in parts for key, values in part.items()}
