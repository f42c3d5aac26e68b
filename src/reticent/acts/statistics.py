"""The act of answering a statistics form: live rows plus what severing tallied, never a person."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from reticent.acts.active import ActiveBorrowers
from reticent.acts.opening import Opened, Progress, open_systems
from reticent.acts.systems import OpenSystem
from reticent.errors import ReticentError
from reticent.model import MeasureFacts, NotLookedAt
from reticent.tallies.programmes import Figure, Programme, figures, programme


@dataclass
class Form:
    """An answered form. ``sources``: measure -> where it was counted."""

    programme: Programme
    year: int
    figures: list[Figure]
    sources: dict[str, list[str]]
    not_looked_at: list[NotLookedAt] = field(default_factory=list)
    unreachable: list[tuple[str, ReticentError]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0, or 3 if a system could not be counted."""
        return 3 if self.unreachable else 0

    def document(self) -> dict[str, Any]:
        """Return the form as JSON content."""
        return {
            "form": self.programme.form,
            "year": self.year,
            "title": self.programme.title,
            "fields": [self._field(figure) for figure in self.figures],
            "not_looked_at": [vars(place) for place in self.not_looked_at],
        }

    def _field(self, figure: Figure) -> dict[str, Any]:
        asked = figure.field
        used = {part.partition(" of ")[0].partition(" without ")[0] for part, _ in figure.parts}
        return {
            "id": asked.id,
            "number": asked.number,
            "title": asked.title,
            "definition_year": asked.definition_year,
            "value": figure.value,
            "parts": dict(figure.parts),
            "source": sorted({source for name in used for source in self.sources.get(name, [])}),
            "why_not": figure.why or None,
            "unverified": asked.unverified,
        }


def statistics(opened: Opened, form: str, year: int, progress: Progress) -> Form:
    """Answer a form for a year. Raises UsageError for a form or year nobody has read."""
    asked = programme(form, year)
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    answered = Form(asked, year, [], defaultdict(list))
    for system in open_systems(opened.site):
        if isinstance(system, NotLookedAt):
            answered.not_looked_at.append(system)
        elif isinstance(system, tuple):
            answered.unreachable.append(system)
            answered.not_looked_at.append(NotLookedAt(system[0], "everything", system[1].on_one_line()))
        else:
            _count(opened, system, year, counts, answered, progress)
    groups = {group: frozenset(types) for group, types in opened.site.statistics.item_types.items()}
    answered.figures = list(figures(asked, counts, groups))
    return answered


def _count(
    opened: Opened,
    system: OpenSystem,
    year: int,
    counts: dict[str, dict[str, int]],
    answered: Form,
    progress: Progress,
) -> None:
    active = ActiveBorrowers(opened, system.name).count(system, year)
    if active is not None:
        counts["active_borrowers"][""] = counts["active_borrowers"].get("", 0) + active
        answered.sources["active_borrowers"].append(f"{system.name}: flags of the year and loans still there")
    tallies = opened.book.tallies(system.name)
    measures = system.measures()
    for number, measure in enumerate(measures):
        progress(f"{system.name}: {measure.title}", number, len(measures))
        if not measure.dated and year < opened.clock.now().year - 1:
            continue
        margin = "itemtype" if "itemtype" in measure.by else ""
        for margins in (system.margins(measure.id), tallies):
            _add(margins, measure, margin, str(year), counts)
        for included in measure.includes:
            counts.setdefault(included, {})
        answered.sources[measure.id].append(
            f"{system.name}: {measure.source}, {measure.title[0].lower()}{measure.title[1:]}"
        )


def _add(margins: Any, measure: MeasureFacts, margin: str, year: str, counts: dict[str, dict[str, int]]) -> None:
    cells = counts[measure.id]
    for key, values in margins.items():
        name, month, by = key.split("|")
        if name == measure.id and by == margin and (not measure.dated or month.startswith(year)):
            for value, rows in values.items():
                cells[value] = cells.get(value, 0) + rows
