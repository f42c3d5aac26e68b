"""The results by record class: what was there, what was severed, what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reticent.model import Disposition, RecordClass
from reticent.report.results import Document, Results
from reticent.report.words import CLASSES, DISPOSITIONS

_SHOWN = 9
"""Bars a chart has room for; the table beneath has every class."""


@dataclass
class ClassRow:
    """One record class. Counts are ties; None where the inventory was not made."""

    title: str
    ties_before: int = 0
    due_before: int = 0
    severed: int = 0
    ties_after: int = 0
    due_after: int = 0
    how: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bar:
    """One bar: a label, the ties it shows, and its parts with their share of the longest bar in percent."""

    label: str
    ties: int
    due: float
    rest: float


def by_class(results: Results) -> list[ClassRow]:
    """Return the record classes that hold or held a tie, the ones with most due first."""
    classes = _classes_of(results)
    rows: dict[str, ClassRow] = {}

    def row(record_class: str) -> ClassRow:
        title = CLASSES[RecordClass(record_class)] if record_class in CLASSES else CLASSES[RecordClass.UNCLASSIFIED]
        return rows.setdefault(record_class, ClassRow(title))

    for found in _series(results.before):
        here = row(found["record_class"])
        here.ties_before += found["ties"]
        here.due_before += found["due"]
    for found in _series(results.after):
        here = row(found["record_class"])
        here.ties_after += found["ties"]
        here.due_after += found["due"]
    how = dispositions(results.plan)
    for step in results.run["steps"] if results.run else ():
        here = row(classes.get(step_name(step), RecordClass.UNCLASSIFIED))
        here.severed += step["severed"]
        if step["severed"]:
            here.how = tuple(dict.fromkeys((*here.how, *how.get(step_name(step), ()))))
    held = [each for each in rows.values() if each.ties_before or each.ties_after or each.severed]
    return sorted(held, key=lambda each: (-each.due_before, -each.severed, -max(each.ties_before, each.ties_after)))


def bars(rows: Iterable[ClassRow], when: str) -> list[Bar]:
    """Return the bars of one moment, ``before`` or ``after``; both moments share one scale."""
    chosen = list(rows)[:_SHOWN]
    longest = max((max(row.ties_before, row.ties_after) for row in chosen), default=0) or 1
    found = []
    for row in chosen:
        ties, due = (row.ties_before, row.due_before) if when == "before" else (row.ties_after, row.due_after)
        found.append(Bar(row.title, ties, _percent(due, longest), _percent(ties - due, longest)))
    return found


def dispositions(plan: Document | None) -> dict[str, tuple[str, ...]]:
    """Return what severing does in each step of a plan, in plain words."""
    steps = plan["steps"] if plan else ()
    return {step_name(step): tuple(_plain(word) for word in step["disposition"].split(", ")) for step in steps}


def step_name(found: Mapping[str, object]) -> str:
    """Return ``system/series`` of a series, a planned step or a severed one."""
    return f"{found['system']}/{found['series']}"


def _plain(word: str) -> str:
    return DISPOSITIONS[Disposition(word)] if word in DISPOSITIONS else word


def _classes_of(results: Results) -> dict[str, str]:
    everything = [*_series(results.before), *_series(results.after)]
    return {step_name(found): found["record_class"] for found in everything}


def _series(inventory: Document | None) -> Iterable[Document]:
    return inventory["series"] if inventory else ()


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2)
