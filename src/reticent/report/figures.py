"""The statistics that were kept: closed years only, small cells hidden before anything is drawn."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from reticent.report.results import Statistics
from reticent.tallies.suppress import Shown, suppress


@dataclass(frozen=True)
class Column:
    """One column of a chart; ``height`` is its share of the tallest in percent, None where it is hidden."""

    label: str
    count: int | None
    height: float | None


@dataclass(frozen=True)
class Kept:
    """Totals by closed year: measure title -> year -> count, None where hidden; and one chart."""

    years: tuple[str, ...]
    rows: Mapping[str, Mapping[str, int | None]]
    chart_title: str
    chart: tuple[Column, ...]


def kept(statistics: Statistics | None, year: int) -> Kept | None:
    """Return what can still be reported for the years before ``year``; None if nothing was recorded."""
    if statistics is None:
        return None
    rows = {statistics.titles[name]: cells for name, cells in _by_year(statistics, year).items()}
    years = sorted({label for cells in rows.values() for label in cells})
    if not years:
        return None
    title, first = next(iter(rows.items()))
    return Kept(tuple(years), rows, title, _columns({label: first.get(label, 0) for label in years}))


def _by_year(statistics: Statistics, year: int) -> Mapping[str, Mapping[str, int | None]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for key, values in statistics.totals.items():
        measure, month, margin = key.split("|")
        if not margin and month[:4].isdigit() and int(month[:4]) < year and measure in statistics.titles:
            counts[measure][month[:4]] += sum(values.values())
    ordered = [measure for measure in statistics.titles if measure in counts]
    return {measure: _shown(dict(sorted(counts[measure].items()))) for measure in ordered}


def _shown(cells: Mapping[str, int]) -> Mapping[str, int | None]:
    shown: Shown = suppress(cells)
    return dict.fromkeys(cells, None) if shown.withheld else shown.cells


def _columns(cells: Mapping[str, int | None]) -> tuple[Column, ...]:
    tallest = max((count for count in cells.values() if count), default=0) or 1
    return tuple(
        Column(label, count, None if count is None else round(100 * count / tallest, 2))
        for label, count in cells.items()
    )
