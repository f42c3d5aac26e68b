"""Which keys of JSON documents are names of fields: those made of words that schemas are made of.

A key may be a person's user name. Whether one is shown rests on these words alone, never on the roster and never
on how many documents have it: the one would tell who is a patron, the other would show whoever stands in many.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from reticent.systems.load import MAPS
from reticent.systems.mapfile import Map

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_ALSO = (
    "applicant attended attendee attendees birthday color colour computer customer device door e entries",
    "gender holder icon image issued job kind labels locker mail member options participant participants",
    "payload people person postcode preferences prefs pseudonym seat signature student teacher visitor vote",
    "votes when where who zip",
)
"""Words that no shipped list of columns has and many schemas do. No name of a person is among them."""
_SHORT = frozenset(("at", "by", "id", "ip", "to"))
"""Keys of two letters that are fields: any other two are somebody's initials."""


def naming(loaded: Map) -> Callable[[str], bool]:
    """Return what tells whether a key names a field: by the words of the shipped maps' columns, and of this map's."""
    words = _shipped() | _words((*loaded.known, *(path for paths in loaded.known.values() for path in paths)))
    return lambda key: _names_a_field(key, words)


def _names_a_field(key: str, words: frozenset[str]) -> bool:
    return _words([key]) <= words and (len(key) > 2 or key.lower() in _SHORT)


def _words(names: Iterable[str]) -> frozenset[str]:
    return frozenset(word.lower() for name in names for word in _WORD.findall(name))


@lru_cache(maxsize=1)
def _shipped() -> frozenset[str]:
    """Read the words of every table and column of the shipped maps."""
    lists = [csv.reader(path.read_text(encoding="utf-8").splitlines()) for path in sorted(MAPS.glob("*.columns.csv"))]
    return _words(_ALSO) | _words(name for rows in lists for row in rows for name in row[:2])
