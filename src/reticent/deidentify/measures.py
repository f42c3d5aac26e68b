"""Sizes and browser names made coarse: an exact size names an article, an exact agent a person."""

from __future__ import annotations

import re

from reticent.deidentify.pseudonyms import NOTHING

_FAMILIES = (
    (b"bot", rb"(?i)bot\b|bot[/;]|crawl|spider|slurp|archiver"),
    (b"Edge", rb"Edg(?:e|A|iOS)?/|\AEdge\Z"),
    (b"Opera", rb"OPR/|Opera"),
    (b"Firefox", rb"Firefox|FxiOS"),
    (b"Chrome", rb"Chrom(?:e|ium)|CriOS"),
    (b"Safari", rb"Safari"),
    (b"Internet Explorer", rb"MSIE |Trident/|\AInternet Explorer\Z"),
    (b"script", rb"(?i)curl|wget|python|java/|libwww|go-http|okhttp|apache-httpclient|\Ascript\Z"),
)
_COMPILED = tuple((name, re.compile(pattern)) for name, pattern in _FAMILIES)


def family(agent: bytes) -> bytes:
    """Return the family of a user agent (``Firefox``, ``bot``, ``other``); ``-`` and empty stay."""
    if agent in (NOTHING, b""):
        return agent
    return next((name for name, found in _COMPILED if found.search(agent)), b"other")


def size(value: bytes) -> bytes:
    """Keep the first digit of a number of bytes and zero the rest; ``-`` and the empty value stay."""
    return value[:1] + b"0" * (len(value) - 1)


def shape(line: bytes) -> str:
    """Return what a line looks like and nothing it says: letters as a, digits as 9, others as ~.

    Runs are shortened, so that not even the length of a name is shown.
    """
    text = re.sub(rb"[A-Za-z\x80-\xff]+", b"a", line[:400])
    text = re.sub(rb"[0-9]+", b"9", text)
    return re.sub(rb"[^ -}]+", b"~", text).decode("ascii")[:120]
