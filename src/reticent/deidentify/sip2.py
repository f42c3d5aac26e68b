"""SIP2 messages, field by field: who goes, PINs always go, the checksum is right again.

Field and message layouts: the 3M SIP2 protocol definition, as described by public client
libraries' documentation (facts/logs.md, section 1.6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reticent.deidentify.pseudonyms import token

_DATE = re.compile(rb"\d{8}[ 0-9A-Z]{4}\d{6}")
_D = rb"\d{8}[ 0-9A-Z]{4}\d{6}"
_DUE = rb"(?:" + _D + rb"| {18})"
_OK = rb"[01YN][YN][YNU][YN]"
_STATUS = rb"[YN ]{14}[0-9 ]{3}"
_FIXED: dict[bytes, bytes] = {
    b"01": rb"[YN]" + _D, b"09": rb"[YN]" + _D + _DUE, b"10": _OK + _D, b"11": rb"[YN][YN]" + _D + _DUE,
    b"12": _OK + _D, b"15": rb"[+\-*]" + _D, b"16": rb"[01][YN]" + _D, b"17": _D, b"18": rb"\d{6}" + _D,
    b"19": _D, b"20": rb"[01]" + _D, b"23": rb"[0-9 ]{3}" + _D, b"24": _STATUS + _D, b"25": _D,
    b"26": _STATUS + _D, b"29": rb"[YN][YN]" + _D + _DUE, b"30": _OK + _D, b"35": _D, b"36": rb"[YN]" + _D,
    b"37": _D + rb"\d{4}[A-Z]{3}", b"38": rb"[YN]" + _D, b"63": rb"[0-9 ]{3}" + _D + rb"[YN ]{10}",
    b"64": _STATUS + _D + rb"[0-9 ]{24}", b"65": _D, b"66": rb"[01]\d{8}" + _D, b"93": rb"\d\d",
    b"94": rb"[01]", b"96": rb"", b"97": rb"", b"98": rb"[YN]{6}\d{6}" + _D + rb"\d\.\d\d",
    b"99": rb"\d.{3}\d\.\d\d",
}  # fmt: skip
"""The fixed part behind the two-digit code of each message."""
_HEAD = re.compile(
    rb"(?<![0-9A-Za-z])(?:"
    + b"|".join(rb"(?P<m%s>%s)%s" % (code, code, fixed) for code, fixed in _FIXED.items())
    + rb")"
)
_FIELDS = re.compile(rb"(?:[A-Z][A-Z0-9][^|\x00-\x1f\x7f]*\|)*(?:AY\d(?:AZ[0-9A-F]{4})?)?\Z")
_FIELD = re.compile(rb"([A-Z][A-Z0-9])([^|]*)\|")

PERSON = frozenset({b"AA"})
"""Identifiers of the patron: a pseudonym, or nothing."""
ITEM = frozenset({b"AB", b"BK"})
"""The one item, the one transaction of a message: stays at rest, masked in a shared copy."""
SAFE = frozenset({b"AO", b"AP", b"AQ", b"AM", b"AN", b"CP", b"CK", b"BH", b"BT", b"BX", b"CT", b"CL", b"BR"})
"""What the institution says of itself and of kinds of things. Every other field is emptied."""
AT_REST = frozenset({b"AJ", b"AH", b"CH"})
"""Title, due date, properties of the one item: stay at rest only."""


_USE = (ITEM | AT_REST | {b"AS", b"AT", b"AU", b"AV", b"BU", b"CD"}) - {b"BK"}
"""The item of a message, and the items a patron has on hold, overdue, borrowed, fined, recalled, unavailable."""


@dataclass(frozen=True)
class Found:
    """A message found in a line: where it starts, its code, and where its fields start."""

    start: int
    code: bytes
    fields: int


def find(line: bytes) -> Found | None:
    """Find the SIP2 message that ends ``line`` (no line end); None if there is none."""
    for head in _HEAD.finditer(line):
        if _FIELDS.match(line, head.end()):
            return Found(head.start(), line[head.start() : head.start() + 2], head.end())
    return None


def patrons(message: bytes, found: Found) -> list[bytes]:
    """Return who a message names: card numbers and personal names."""
    fields = _FIELD.findall(message[found.fields - found.start :])
    return [value for code, value in fields if code in (b"AA", b"AE") and value]


def use(message: bytes, found: Found) -> bytes:
    """Return what a message says of a use, as it was written: its code, and the items named in it."""
    fields = _FIELD.findall(message[found.fields - found.start :])
    return b" ".join([found.code, *(code + value + b"|" for code, value in fields if code in _USE and value)])


def treat(message: bytes, found: Found, key: bytes | None, *, share: bool = False) -> bytes:
    """Return the message with its ties severed; the checksum, if there was one, computed anew.

    ``message`` starts at ``found.start`` of its line. Times become full hours; in a shared copy
    days, and items and transactions become pseudonyms as well.
    """
    split = found.fields - found.start
    fixed = _DATE.sub(lambda date: _coarse(date[0], share=share), message[:split])
    if found.code in (b"24", b"64", b"26"):
        fixed = _status(fixed)
    fields, tail = _tail(message[split:])
    body = _FIELD.sub(lambda one: one[1] + _value(one[1], one[2], key, share=share) + b"|", fields)
    out = fixed + body
    if tail:
        out += tail[:3] + (b"AZ" if b"AZ" in tail else b"")
    return out + checksum(out) if b"AZ" in tail else out


def checksum(message: bytes) -> bytes:
    """Return the four hexadecimal digits that make the bytes of a message, ``AZ`` included, sum to 0."""
    return b"%04X" % (-sum(message) & 0xFFFF)


def _tail(fields: bytes) -> tuple[bytes, bytes]:
    found = re.search(rb"AY\d(?:AZ[0-9A-F]{4})?\Z", fields)
    return (fields, b"") if found is None else (fields[: found.start()], found[0])


def _value(code: bytes, value: bytes, key: bytes | None, *, share: bool) -> bytes:
    if code in SAFE:
        return value
    if code in PERSON:
        return token(key, value) if key is not None else b""
    if code in ITEM:
        return token(key, value) if share and key is not None else (b"" if share else value)
    if code in AT_REST and not share:
        return value
    return b""


def _coarse(date: bytes, *, share: bool) -> bytes:
    return date[:12] + (b"000000" if share else date[12:14] + b"0000")


def _status(fixed: bytes) -> bytes:
    """Blank the fourteen flags and the six counts of a patron's status: they describe a person."""
    counts = b"0000" * 6 if fixed[:2] == b"64" else b""
    return fixed[:2] + b" " * 14 + fixed[16 : len(fixed) - len(counts)] + counts
