"""What may be told of inquiries: level of government, kind, outcome, and how many, in bands. Nothing sealed.

For the board, for the public, and for the American Library Association (R17). Pure: it is handed cases
and hands back words; targets, agencies, days and record classes never come near it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from reticent.guard.case import Case
from reticent.guard.words import Level

BANDS = ((1, "1 to 4"), (5, "5 to 9"), (10, "10 to 24"), (25, "25 to 99"), (100, "100 or more"))
"""(from, in words). A count of nothing is said as none."""
OPEN = "open"


@dataclass(frozen=True)
class Figure:
    """One line: who asked (level of government), on what, how it ended, and in which band the number lies."""

    level: str
    kind: str
    ending: str
    band: str


@dataclass(frozen=True)
class Transparency:
    """A year's report; ``departures`` are (code, band), ``total`` is a band."""

    year: int
    total: str
    figures: tuple[Figure, ...]
    departures: tuple[tuple[str, str], ...]

    def document(self) -> dict[str, object]:
        """Return the report as JSON values."""
        return {
            "year": self.year,
            "total": self.total,
            "inquiries": [vars(figure) for figure in self.figures],
            "departures": dict(self.departures),
            "says": NOTE,
        }


NOTE = (
    "Contacts by outside parties about library users. Numbers are bands. What a court or counsel ordered to be kept "
    "silent is not in here and changes nothing here; that there is none is therefore not said either."
)


def transparency(year: int, cases: Iterable[tuple[int, Level, Case]]) -> Transparency:
    """Report a year: ``cases`` are (year of the contact, level, case)."""
    told = [(level, case) for when, level, case in cases if when == year and not case.sealed]
    lines = Counter((str(level), str(case.kind or "no_request"), str(case.ending or OPEN)) for level, case in told)
    departures = Counter(str(one) for _, case in told for one in case.departures)
    return Transparency(
        year,
        band(len(told)),
        tuple(Figure(*line, band(count)) for line, count in sorted(lines.items())),
        tuple((code, band(count)) for code, count in sorted(departures.items())),
    )


def band(count: int) -> str:
    """Return the band a number lies in."""
    return next((words for least, words in reversed(BANDS) if count >= least), "none")
