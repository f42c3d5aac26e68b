"""Looks for identifiers in text that was severed: the same file's accounts, or a whole roster."""

from __future__ import annotations

import re
from collections.abc import Iterable

import ahocorasick_rs

from reticent.deidentify.measures import family
from reticent.deidentify.pseudonyms import is_token
from reticent.stores.logs.streams import Source, pieces

_SHORTEST = 5
_SHORTEST_NUMBER = 7
_OURS = frozenset(
    b"withheld reticent reticent-withheld Firefox Chrome Safari Opera script other HTTP/1.1".split()
)
_ROUND = re.compile(rb"\d0+\Z")


def telling(identifier: bytes) -> bool:
    """Tell whether an identifier is long enough to be looked for: short ones are found in any text."""
    bare = identifier.strip()
    if len(bare) < _SHORTEST or bare in _OURS or family(bare) == bare or is_token(bare):
        return False
    return not bare.isdigit() or (len(bare) >= _SHORTEST_NUMBER and not _ROUND.match(bare))


class Needles:
    """A set of identifiers, looked for all at once; whole words only."""

    def __init__(self, identifiers: Iterable[bytes]) -> None:
        self.words = sorted({one.strip() for one in identifiers if telling(one)})
        self._search = ahocorasick_rs.BytesAhoCorasick(self.words) if self.words else None

    def hits(self, text: bytes) -> list[int]:
        """Return which of ``words`` stand in the text, once for each time."""
        if self._search is None:
            return []
        found = self._search.find_matches_as_indexes(text, overlapping=True)
        return [which for which, start, end in found if _alone(text, start, end)]

    def scan(self, source: Source) -> tuple[int, set[bytes]]:
        """Return how often any of them stands in a stream, and which."""
        count, met = 0, set[bytes]()
        for piece in pieces(source):
            hits = self.hits(piece.data)
            count += len(hits)
            met.update(self.words[which] for which in hits)
        return count, met


def _alone(text: bytes, start: int, end: int) -> bool:
    before, behind = text[start - 1 : start] if start else b"", text[end : end + 1]
    return not (before.isalnum() or behind.isalnum())


def known_pattern(identifiers: Iterable[bytes]) -> re.Pattern[bytes]:
    """Return a pattern for identifiers met where they should not be, to sever the file once more."""
    words = b"|".join(re.escape(one) for one in sorted(identifiers, key=len, reverse=True))
    return re.compile(rb"(?<![A-Za-z0-9])(?:" + words + rb")(?![A-Za-z0-9])")
