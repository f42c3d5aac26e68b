"""Everybody on the rosters at once: tells how much of a column is anybody's, never whose.

Read by a Discloser for a permit of the gate, kept in memory for one act. What leaves it are counts of
distinct values, blurred: nobody can learn whether one value is a patron's by planting it among others.
"""

from __future__ import annotations

import secrets
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import ahocorasick_rs

from reticent.errors import NotPermitted
from reticent.stores.needles import LEAST, alone, fold, telling
from reticent.systems.mapfile import Roster

EPSILON = 0.5
"""How little one value can change what is told of a count: by a factor of e ** EPSILON in its probability."""
_SHORT_NUMBER = 9
"""Digits of an identifier that other numbers are likely to be by chance."""
_BINS = 64
_random = secrets.SystemRandom()

Person = Mapping[str, str]


def blurred(count: int, of: int) -> int:
    """Return a count with two-sided noise of a few, within 0 and ``of``."""
    noise = round(_random.expovariate(EPSILON) - _random.expovariate(EPSILON))
    return min(max(count + noise, 0), of)


class Crowd:
    """The persons of one or more rosters, by kind of identifier: ``number``, ``issued``, ``personal``, ``name``.

    ``rosters`` are a Discloser's own rows with the roster they come from. Raises NotPermitted when fewer than
    ``LEAST`` of the persons can be looked for.
    """

    def __init__(self, rosters: Iterable[tuple[Iterable[Person], Roster]]) -> None:
        self._words: dict[str, set[str]] = defaultdict(set)
        self._digits: dict[str, set[int]] = defaultdict(set)
        self._raw: dict[str, set[str]] = defaultdict(set)
        self._given: set[str] = set()
        self._family: set[str] = set()
        self._full: set[str] = set()
        self._whose: dict[str, int] = {}
        everybody = ((person, roster) for people, roster in rosters for person in people)
        persons = sum(self._take(who, person, roster) for who, (person, roster) in enumerate(everybody))
        distinct = sum(len(found) for kinds in (self._words, self._digits) for found in kinds.values())
        if min(persons, distinct) < LEAST:
            raise NotPermitted(
                f"Fewer than {LEAST} persons of the roster can be looked for.",
                do="So few cannot be looked for together without looking for each.",
            )

    def _take(self, who: int, person: Person, roster: Roster) -> bool:
        kinds = [("number", (roster.number,)), ("issued", roster.issued), ("personal", roster.personal)]
        taken = [self._identifier(who, kind, person.get(name, "")) for kind, names in kinds for name in names]
        parts = [fold(person.get(name, "")).strip() for name in roster.name]
        if len(parts) > 1 and all(len(part) > 1 for part in parts):
            self._given.update(parts[:-1])
            self._family.add(parts[-1])
            for whole in (" ".join(parts), " ".join([parts[-1], *parts[:-1]])):
                self._full.add(whole)
                self._whose.setdefault(whole, who)
        # A person of whom only a running number is known cannot be told from anybody.
        return any(taken[1:]) or (bool(taken) and not person.get(roster.number, "").isdigit())

    def _identifier(self, who: int, kind: str, value: str) -> bool:
        word = fold(value).strip()
        if word:
            # What is too short to be looked for in a text is still what a hash was made of.
            self._raw[kind].add(value.strip())
        if _short_number(word):
            self._digits[kind].add(int(word))
        elif telling(word):
            self._words[kind].add(word)
            self._whose.setdefault(word, who)
        else:
            return False
        return True

    def matched(self, values: Collection[str]) -> dict[str, int]:
        """Count the folded values that are an identifier nothing else is by chance, by kind."""
        return {kind: len(words.intersection(values)) for kind, words in self._words.items()}

    def numbers(self, values: Collection[int]) -> dict[str, tuple[int, float, float]]:
        """Count, by kind, the values that are somebody's short number.

        With each: how many chance alone would give (by how densely the numbers lie where the values lie), and
        the variance of that.
        """
        return {kind: _by_chance(found, values) for kind, found in self._sorted.items()}

    @cached_property
    def _sorted(self) -> dict[str, _Density]:
        return {kind: _Density(found) for kind, found in self._digits.items() if found}

    def names(self, values: Collection[str]) -> tuple[int, int, int]:
        """Count the folded values that are a given name, a surname, a whole name of somebody."""
        return (
            len(self._given.intersection(values)),
            len(self._family.intersection(values)),
            len(self._full.intersection(values)),
        )

    def standing_in(self, texts: Iterable[str]) -> tuple[int, int]:
        """Count the texts in which there stands an identifier, and a whole name, of somebody met for the first time.

        A thousand texts about one person count as one: they could have been written to ask about them.
        """
        identified: set[int] = set()
        named: set[int] = set()
        identifiers = names = 0
        for text in texts:
            before = len(identified), len(named)
            for _, which in self._matches(fold(text)):
                (named if which >= self._first_name else identified).add(self._owner[which])
            identifiers += len(identified) > before[0]
            names += len(named) > before[1]
        return identifiers, names

    def met(self, folded: str, since: int, before: int) -> set[int]:
        """Return whose identifier or whole name begins in ``folded[since:before]``, as numbers that tell nothing."""
        return {self._owner[which] for start, which in self._matches(folded) if since <= start < before}

    def _matches(self, folded: str) -> Iterator[tuple[int, int]]:
        for which, start, end in self._search.find_matches_as_indexes(folded, overlapping=True):
            if alone(folded, start, end):
                yield start, which

    @cached_property
    def _search(self) -> ahocorasick_rs.AhoCorasick:
        words = sorted(set().union(*self._words.values()))
        mailed = [word for word in words if "@" in word]
        self._first_name = len(words) + len(mailed)
        names = sorted(self._full)
        self._owner = array("L", (self._whose[word] for word in (*words, *mailed, *names)))
        return ahocorasick_rs.AhoCorasick([*words, *(word.replace("@", "%40") for word in mailed), *names])

    def candidates(self) -> Iterator[str]:
        """Yield every identifier as it was issued, for the attack on pseudonyms: the issued ones first.

        It does not leave the stores.
        """
        for kind in ("issued", "number", "personal"):
            found = list(self._raw[kind])
            _random.shuffle(found)
            yield from found


class _Density:
    """Short numbers, and how densely they lie: equal widths from the least to the greatest."""

    def __init__(self, numbers: Collection[int]) -> None:
        self.numbers, ordered = frozenset(numbers), sorted(numbers)
        self.least, greatest = ordered[0], ordered[-1]
        self.width = max(1, -(-(greatest - self.least + 1) // _BINS))
        edges = range(self.least, greatest + self.width + 1, self.width)
        places = [bisect_right(ordered, edge - 1) for edge in edges]
        tops = [min(edge + self.width, greatest + 1) for edge in edges]
        self._share: Sequence[float] = [
            (after - before) / max(1, top - edge)
            for before, after, edge, top in zip(places, places[1:], edges, tops, strict=False)
        ]

    def at(self, value: int) -> float:
        """Return the chance that a number like this one is somebody's."""
        place = (value - self.least) // self.width
        return self._share[place] if 0 <= place < len(self._share) else 0.0


def _by_chance(known: _Density, values: Collection[int]) -> tuple[int, float, float]:
    shares = [known.at(value) for value in values]
    variance = sum(share * (1 - share) for share in shares)
    return len(known.numbers.intersection(values)), sum(shares), variance


def _short_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= _SHORT_NUMBER and (word[0] != "0" or word == "0")
