"""The act of finding: where readers are still tied to what they read, series by series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from reticent.acts.copies import copies, new_exposures
from reticent.acts.opening import Opened, Progress, open_systems
from reticent.acts.probe import probe, remedy, unmapped, why_weak
from reticent.acts.systems import OpenSystem, SqlSystem
from reticent.errors import ReticentError
from reticent.ledger.entries import Kind
from reticent.model import Copy, NotLookedAt, Place, RecordClass, SeriesFacts, Setting, Survey
from reticent.policy.retention import cutoff


@dataclass(frozen=True)
class Found:
    """One series of one system as it stands."""

    system: str
    series: SeriesFacts
    place: str
    survey: Survey


@dataclass(frozen=True)
class Undone:
    """A column of hashes that was undone with the library's own identifiers; counts, no value."""

    system: str
    place: str
    reversed: int
    of: int
    why: str
    advice: str


@dataclass
class Inventory:
    """Everything `find` found. ``unreachable``: systems that could not be opened, with the error."""

    library: str
    generated: datetime
    found: list[Found] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    unmapped: list[tuple[str, Place]] = field(default_factory=list)
    undone: list[Undone] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    not_looked_at: list[NotLookedAt] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    unreachable: list[tuple[str, ReticentError]] = field(default_factory=list)

    @property
    def weak(self) -> list[Found]:
        """Series of pseudonyms that can be undone."""
        return [found for found in self.found if found.series.weak and found.survey.ties]

    @property
    def unseen(self) -> int:
        """How many places were not looked at, copies included."""
        return len(self.not_looked_at) + sum(not copy.looked_at for copy in self.copies)

    @property
    def exit_code(self) -> int:
        """0 if nothing is due, unmapped, weak or refused; 3 if a system could not be opened."""
        if self.unreachable:
            return 3
        due = any(found.survey.due for found in self.found)
        overdue = any(copy.overdue for copy in self.copies)
        return int(due or overdue or bool(self.unmapped or self.refused or self.weak or self.undone))

    def document(self) -> dict[str, Any]:
        """Return the inventory as JSON content."""
        return {
            "library": self.library,
            "generated": self.generated.isoformat(),
            "series": [_series(found) for found in self.found],
            "settings": [asdict(setting) for setting in self.settings],
            "unmapped": [_unmapped(system, place) for system, place in self.unmapped],
            "weak_pseudonyms": [
                *(
                    {"system": w.system, "place": w.place, "rows": w.survey.ties, "why": w.series.weak}
                    for w in self.weak
                ),
                *(asdict(undone) for undone in self.undone),
            ],
            "copies": [asdict(copy) for copy in self.copies],
            "refused": [{"system": s, "series": series, "why": why} for s, series, why in self.refused],
            "notes": [{"system": system, "note": note} for system, note in self.notes],
            "not_looked_at": [asdict(place) for place in self.not_looked_at],
        }


def _unmapped(system: str, place: Place) -> Mapping[str, Any]:
    told = {"system": system, "place": place.name, "columns": list(place.columns), "why": place.why}
    if place.record_class is not None:
        told |= {"strength": place.strength, "record_class": place.record_class.value}
    return told


def _series(found: Found) -> dict[str, Any]:
    survey, series = found.survey, found.series
    return {
        "system": found.system,
        "series": series.id,
        "title": series.title,
        "record_class": series.record_class.value,
        "place": found.place,
        "ties": survey.ties,
        "open": survey.open,
        "within_retention": survey.within_retention,
        "due": survey.due,
        "withheld": dict(survey.withheld),
        "oldest": survey.oldest.date().isoformat() if survey.oldest else None,
        "newest": survey.newest.date().isoformat() if survey.newest else None,
    }


def find(opened: Opened, progress: Progress) -> Inventory:
    """Count every series of every system. Counts and dates only; no identifier leaves a store."""
    inventory = Inventory(opened.site.library.name, opened.clock.now())
    for system in open_systems(opened.site):
        if isinstance(system, NotLookedAt):
            inventory.not_looked_at.append(system)
        elif isinstance(system, tuple):
            inventory.unreachable.append(system)
            inventory.not_looked_at.append(NotLookedAt(system[0], "everything", system[1].on_one_line()))
        else:
            with closing(system):
                _survey(opened, system, inventory, progress)
    inventory.found += _own(opened)
    due = sum(found.survey.due for found in inventory.found)
    ties = sum(found.survey.ties for found in inventory.found)
    opened.record(
        Kind.FIND_RUN,
        f"find {inventory.generated.isoformat()}",
        site=opened.site.fingerprint(),
        systems=len(opened.site.systems),
        places=len(inventory.found),
        not_looked_at=inventory.unseen,
        ties=ties,
        due=due,
    )
    return inventory


def _own(opened: Opened) -> Iterator[Found]:
    """Yield what Reticent itself keeps under a live key: a flag still ties a patron to a year."""
    for system in opened.site.systems:
        for period in opened.flags.periods(system):
            facts = SeriesFacts(
                f"active_borrowers.{period}",
                f"Flags of active borrowers {period} (Reticent's own)",
                RecordClass.REGISTRATION,
                "active_borrowers",
                "count active borrowers once a year",
                "the year is counted: its key is destroyed",
                severable=False,
            )
            flags = len(opened.flags.all(system, period))
            yield Found(system, facts, "Reticent's state", Survey(facts.id, flags, open=flags))


def _survey(opened: Opened, system: OpenSystem, inventory: Inventory, progress: Progress) -> None:
    now, here = system.now(), system.series()
    for number, series in enumerate(here):
        progress(f"{system.name}: {series.title}", number, len(here))
        limit = cutoff(opened.site, system.name, series, now, recorded=False)
        survey = system.survey(series.id, limit)
        inventory.found.append(Found(system.name, series, system.place(series.id), survey))
    progress(f"{system.name}: settings", len(here), len(here))
    inventory.settings += system.settings()
    if isinstance(system, SqlSystem):
        progress(f"{system.name}: places no map knows", 0, 0)
        _probe(opened, system, inventory)
    else:
        inventory.unmapped += [(system.name, place) for place in system.unmapped()]
    inventory.refused += [(system.name, name, why) for name, why in system.refused.items()]
    inventory.notes += [(system.name, note) for note in system.notes]
    inventory.not_looked_at += system.not_looked_at()


def _probe(opened: Opened, system: SqlSystem, inventory: Inventory) -> None:
    found = probe(opened, system)
    inventory.unmapped += [(system.name, place) for place in unmapped(system, found)]
    inventory.undone += [
        Undone(system.name, f"{w.table}({w.place})", w.reversed, w.distinct, why_weak(w), remedy(system, w))
        for w in found.weak
    ]
    inventory.notes += [(system.name, note) for note in found.notes]
    inventory.not_looked_at += found.not_looked_at
    there = copies(opened, system)
    inventory.copies += there
    new = new_exposures(opened, system, there, remember=True)
    inventory.notes += [(system.name, f"new since the last find: {name}") for name in new]
