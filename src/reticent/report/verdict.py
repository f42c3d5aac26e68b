"""Is the promise kept? The answer in one sentence, which always says what was not looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reticent.report.results import Document, Results

_WAITING = ("undecided", "withheld")
"""Kinds of findings of `check` that end when the library decides or corrects something."""


@dataclass(frozen=True)
class Verdict:
    """The answer. ``said`` is the sentence up to the list of what was not looked at."""

    state: Literal["kept", "waiting", "broken", "unknown"]
    said: str
    against: Sequence[Mapping[str, Any]]
    waiting: int
    """Ties in findings that wait for the library; the others are in ``against``."""
    not_looked_at: Sequence[Mapping[str, str]]

    @property
    def unseen(self) -> str:
        """What was not looked at, by system, as the end of the sentence."""
        places: dict[str, list[str]] = {}
        for each in self.not_looked_at:
            places.setdefault(each["system"], []).append(each["place"])
        alike: dict[tuple[str, ...], list[str]] = {}
        for system, names in places.items():
            alike.setdefault(tuple(names), []).append(system)
        return ", ".join(f"{_and(systems)} ({'; '.join(names)})" for names, systems in alike.items())


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def verdict(results: Results) -> Verdict:
    """Answer from the check, or, where there is none, say that nobody asked by other code."""
    found = list(results.check["findings"] if results.check else _of_inventory(results.now))
    against = sorted((each for each in found if each["kind"] not in _WAITING), key=lambda each: -int(each["count"]))
    waiting = sum(each["count"] for each in found if each["kind"] in _WAITING)
    state, said = _checked(results.check, against, waiting) if results.check else _unchecked(results.now, against)
    return Verdict(state, said, against, waiting, _not_looked_at(results))


State = Literal["kept", "waiting", "broken", "unknown"]


def _checked(check: Document, against: Sequence[object], waiting: int) -> tuple[State, str]:
    looked = f"{_count(len(check['checked']), 'question', 'questions')} asked by other code"
    if check["promise_kept"]:
        return "kept", f"Kept in {looked} than the one that severs"
    if against:
        return "broken", f"Not kept: {_count(len(against), 'finding stands', 'findings stand')} against it in {looked}"
    ties = _count(waiting, "tie waits", "ties wait")
    return (
        "waiting",
        f"Not kept yet: nothing is due in {looked}, but {ties} for something the library must decide or correct",
    )


def _unchecked(inventory: Document | None, against: Sequence[object]) -> tuple[State, str]:
    if inventory is None:
        return "unknown", "Not known: nothing was counted"
    due = sum(series["due"] for series in inventory["series"])
    if due:
        return "broken", f"Not kept: {_count(due, 'tie is', 'ties are')} due and not severed"
    if against:
        return "broken", f"Not kept: {_count(len(against), 'finding stands', 'findings stand')} against it"
    series = _count(len(inventory["series"]), "series", "series")
    return "unknown", f"Not checked yet: nothing is due in {series}, but no other code has asked again (reticent check)"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _of_inventory(inventory: Document | None) -> Iterator[Mapping[str, Any]]:
    """Yield the findings of an inventory in the shape `check` gives them."""
    if inventory is None:
        return
    for place in inventory["unmapped"]:
        yield _finding("unmapped place", place, place["place"], 1, place["why"])
    for place in inventory["weak_pseudonyms"]:
        yield _finding("weak pseudonym", place, place["place"], weight(place), place["why"])
    for place in inventory["refused"]:
        yield _finding("refused series", place, place["series"], 1, place["why"])


def weight(weak: Document) -> int:
    """Return the rows of a pseudonym the map knows, or how many values of a sample were undone."""
    return int(weak.get("rows") or weak.get("reversed") or weak.get("of") or 0)


def _finding(kind: str, found: Document, place: str, count: int, advice: str) -> Mapping[str, Any]:
    return {"kind": kind, "system": found["system"], "place": place, "count": count, "advice": advice}


def _not_looked_at(results: Results) -> list[Mapping[str, str]]:
    places: dict[tuple[str, str], Mapping[str, str]] = {}
    for document in (results.check, results.now):
        for place in document["not_looked_at"] if document else ():
            places.setdefault((place["system"], place["place"]), place)
    return list(places.values())
