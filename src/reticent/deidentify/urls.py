"""URLs, whole columns of them at once: what a request says about a person goes, the rest stays.

An allow-list decides: the value of a query key nobody declared is personal. One compiled
pattern runs over the joined column, because a call for each URL would cost more than the work. While
it does, a zero byte stands in front of every delimiter: to look for one byte costs the engine a fraction
of looking for one of four (both measured in docs/benchmarks.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import ahocorasick_rs

from reticent.deidentify.pseudonyms import token

METRICS = ("searches", "investigations", "requests")


@dataclass(frozen=True)
class CountRule:
    """A URL that counts: ``match`` is a pattern; its group ``title``, if any, names the title."""

    metric: str
    match: bytes


@dataclass(frozen=True)
class UrlPack:
    """What is known of one system's URLs. ``keep`` are query keys whose short values stay.

    ``personal`` keys are never kept, whatever another pack says; ``nested`` keys hold another
    URL, of which scheme and host stay; behind a ``segments`` prefix the next path segment is
    personal; ``words`` are path segments that a shared copy may show.
    """

    name: str
    keep: frozenset[str] = frozenset()
    personal: frozenset[str] = frozenset()
    nested: frozenset[str] = frozenset()
    segments: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    counts: tuple[CountRule, ...] = field(default=())


_NAME = rb"[A-Za-z_.\-\[\]]{1,30}+[0-9]{0,2}+="
_VALUE = rb"[\w.,:\-]{0,40}+(?![^\0\n])"
_HOST = rb"https?(?:://|%3[aA]%2[fF]%2[fF])[A-Za-z0-9.\-]{1,100}+(?=/|%2[fF]|[\0\n]|\Z)"
_USERINFO = re.compile(rb"(//)[^/?#\s@]*@")
_MAILBOX = re.compile(rb"(?<![^/?&;#=\s])[^/?&;#=\s]*(?:@|%40)[^/?&;#\s]*")
_HIDDEN = re.compile(rb"(%(?:25)*(?:3[fFbBdD]|2[36]|0[aAdD])|\\)[^?&;#\s]*")
"""An encoded ?, ;, =, #, & or line end inside a path hides a query, or forges a line."""
_HOME = re.compile(rb"(/(?:~|%7[eE]))[^/?&;#\s]+")


class UrlPolicy:
    """Treats URLs by the packs chosen for one log."""

    def __init__(self, packs: Sequence[UrlPack]) -> None:
        personal = frozenset[str]().union(*(pack.personal for pack in packs))
        keep = frozenset[str]().union(*(pack.keep for pack in packs)) - personal
        nested = frozenset[str]().union(*(pack.nested for pack in packs)) - personal
        prefixes = sorted({one for pack in packs for one in pack.segments})
        self._items = re.compile(_items(sorted(keep), sorted(nested)))
        self._prefixes = ahocorasick_rs.BytesAhoCorasick([one.encode() for one in prefixes])
        self._segment = re.compile(rb"(%s)[^/?&;#\s]+" % _either(prefixes))
        self.counts = tuple(rule for pack in packs for rule in pack.counts)
        self.words = frozenset(word.encode() for pack in packs for word in pack.words)

    def treat(self, url: bytes) -> bytes:
        """Treat one URL; of one that runs over a line end only what stands before it."""
        return self.text(url.partition(b"\n")[0])

    def text(self, text: bytes) -> bytes:
        """Treat many URLs joined by newlines; as many come back, in the same order."""
        for mark in (b"?", b"&", b";", b"#"):
            text = text.replace(mark, b"\0" + mark)
        text = b"".join(self._items.split(text))
        if b"@" in text or b"%" in text or b"\\" in text or b"~" in text:
            text = self._odd(text)
        if self._prefixes.find_matches_as_indexes(text):
            text = self._segment.sub(rb"\1-", text)
        return text

    @staticmethod
    def _odd(text: bytes) -> bytes:
        text = _HIDDEN.sub(rb"\1", _USERINFO.sub(rb"\1", text))
        return _HOME.sub(rb"\1-", _MAILBOX.sub(b"-", text))

    def masked(self, url: bytes, key: bytes) -> bytes:
        """Treat one URL for a copy that leaves the house: no value stays, and no item in the path.

        Path segments outside the packs' words become tokens under ``key``, the same segment the
        same token, so that a vendor still sees which requests belong together.
        """
        bare = _BARE.sub(rb"\1", self.treat(url))
        start = _AUTHORITY.match(bare)
        head, path = (bare[: start.end()], bare[start.end() :]) if start else (b"", bare)
        path, mark, query = path.partition(b"?")
        parts = [part if part in self.words or part == b"" else token(key, part) for part in path.split(b"/")]
        return head + b"/".join(parts) + mark + query


_BARE = re.compile(rb"([?&;][^=?&;#\s]*=?)[^?&;#\s]*")
_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*")


def _items(keep: Sequence[str], nested: Sequence[str]) -> bytes:
    """Return the pattern whose one group is what stays of a query item, and whose rest goes."""
    kept = b"(?:%s)=%s|" % (_either(keep), _VALUE) if keep else b""
    inner = b"(?:%s)=(?:%s)?|" % (_either(nested), _HOST) if nested else b""
    return rb"\0([?&;#](?:%s%s%s)?+)[^\0\n]*+" % (kept, inner, _NAME)


def _either(names: Sequence[str]) -> bytes:
    return b"|".join(re.escape(name.encode()) for name in names)
