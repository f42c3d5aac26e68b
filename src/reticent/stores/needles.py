"""A whole roster as one opaque set of needles: tells whether anybody stands in a text, never who."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Mapping

import ahocorasick_rs

from reticent.errors import NotPermitted
from reticent.systems.mapfile import Roster

LEAST = 50
"""Persons who can be looked for, and distinct needles: with fewer an answer could be about one of them."""
SHORTEST = 5
_WORD = 8
"""A user name that is a mere word ("gardener") must be this long: shorter ones stand in any text."""
_ROUND = re.compile(r"\d0+")
_GAPS = re.compile(r"[,\s]+")


class Needles:
    """What a whole roster leaves in a text: identifiers, addresses, full names, numbers; whole words only.

    ``people`` are a Discloser's own rows. Raises NotPermitted when fewer than ``LEAST`` of them can be
    looked for: a set filled up with people of whom nothing is known would be a question about the others.
    """

    def __init__(self, people: Iterable[Mapping[str, str]], roster: Roster) -> None:
        whose: dict[str, int] = {}
        self.persons = 0
        for person in people:
            found = set(_needles(person, roster))
            for word in found:
                whose.setdefault(word, self.persons)
            self.persons += bool(found)
        if min(self.persons, len(whose)) < LEAST:
            raise NotPermitted(
                f"Fewer than {LEAST} persons of the roster can be looked for.",
                do="So few cannot be looked for together without looking for each.",
            )
        words = sorted(whose)
        self._whose = array("L", (whose[word] for word in words))
        self._search = ahocorasick_rs.AhoCorasick(words)

    def met(self, value: object) -> set[int]:
        """Return who stands in a value of a database (text, or bytes read as UTF-8), as numbers that tell nothing."""
        text = bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | memoryview) else str(value)
        if len(text) < SHORTEST:
            return set()
        text = fold(text)
        found = self._search.find_matches_as_indexes(text, overlapping=True)
        return {self._whose[which] for which, start, end in found if alone(text, start, end)}


def _needles(person: Mapping[str, str], roster: Roster) -> Iterator[str]:
    for field in (*roster.issued, *roster.personal, roster.number):
        value = fold(person.get(field, "")).strip()
        if telling(value):
            yield value
            if "@" in value:
                yield value.replace("@", "%40")
    parts = [fold(person.get(field, "")).strip() for field in roster.name]
    if len(parts) > 1 and all(len(part) > 1 for part in parts):
        yield " ".join(parts)
        yield " ".join([parts[-1], *parts[:-1]])


def telling(value: str) -> bool:
    """Whether an identifier can be looked for: what is short, a plain word or a round number stands anywhere."""
    if len(value) < SHORTEST or _ROUND.fullmatch(value):
        return False
    return len(value) >= _WORD or not value.isalpha()


def fold(text: str) -> str:
    """Return text without case, with one space for every gap and for the comma of "Surname, First name"."""
    # Half a surrogate pair, which no database keeps but JSON may bring, is no text to the searcher.
    plain = text if text.isascii() else unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    # The one mark that loses its case by becoming a letter would glue itself to the word before it.
    return _GAPS.sub(" ", plain.replace("\u0345", "").casefold())


def alone(text: str, start: int, end: int) -> bool:
    """Whether what stands at ``text[start:end]`` is a word of its own."""
    return not (text[start - 1 : start].isalnum() if start else False) and not text[end : end + 1].isalnum()
