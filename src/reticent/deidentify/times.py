"""Times made coarse in the form they are written in: Apache, strftime, ISO 8601, seconds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

from reticent.errors import ConfigurationError

_MONTHS = {name: n for n, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_CODES: Mapping[str, bytes] = {
    "Y": rb"\d{4}",
    "y": rb"\d\d",
    "m": rb"(?:0[1-9]|1[0-2])",
    "b": rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
    "B": rb"[A-Z][a-z]{2,8}",
    "h": rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
    "d": rb"(?:0[1-9]|[12]\d|3[01])",
    "e": rb"(?:[ 0][1-9]|[12]\d|3[01])",
    "H": rb"(?:[01]\d|2[0-3])",
    "M": rb"[0-5]\d",
    "S": rb"(?:[0-5]\d|60)",
    "f": rb"\d{1,9}",
    "z": rb"(?:[+-]\d\d:?\d\d|Z)",
    "Z": rb"[A-Za-z]{1,5}",
    "a": rb"[A-Z][a-z]{2}",
    "A": rb"[A-Z][a-z]{5,8}",
    "s": rb"\d{9,11}",
}
_LONG = {"T": "%H:%M:%S", "D": "%m/%d/%y", "F": "%Y-%m-%d", "R": "%H:%M"}
_DROPPED = {"hour": "MSf", "day": "HMSf"}
"""Which parts become zero, by how coarse the time is made."""
_DAY = 86_400
YEAR_2000 = 946_684_800
"""The seconds a time without a date counts from: midnight of 1 January 2000, in UTC."""
_HOUR = 3_600


@dataclass(frozen=True)
class Instant:
    """One time as a log wrote it. ``day`` is ``2026-03-01``; ``seconds`` count from 1970 in UTC."""

    day: bytes
    hour: int
    seconds: float


@dataclass(frozen=True)
class TimeForm:
    """How one log writes times: a pattern, a way to read them and a way to make them coarse."""

    pattern: bytes
    read: Callable[[bytes], Instant | None]
    coarse: Callable[[bytes], bytes]
    epoch: bytes
    """The time of the marked line that stands for a withheld one: 1 January 1970."""
    dated: bool = True
    """Whether the date is in it; a part of a second or a time of day alone is not."""
    head: int = 0
    """If not 0: so many leading bytes hold the date and the hour, the others neither."""
    halves: tuple[TimeForm, TimeForm] | None = None
    """If ``head`` is not 0: the form of those bytes and the form of the others."""


def strftime_form(text: str, grain: str = "hour") -> TimeForm:
    """Build the form of a strftime text (``%d/%b/%Y:%H:%M:%S %z``); ``grain`` is hour or day.

    Raises ConfigurationError for a code that is not known here.
    """
    for short, long in _LONG.items():
        text = text.replace(f"%{short}", long)
    if text in ("%s", "%s.%f"):
        return epoch_form(1, grain)
    parts = re.split(r"%(.)", text)
    unknown = [code for code in parts[1::2] if code not in _CODES or code == "s"]
    if unknown:
        raise ConfigurationError(
            f"%{unknown[0]} in a time format is not known",
            where=text,
            do="use a format of %Y %m %d %H %M %S and %z, or declare the field personal",
        )
    whole, end = _built(parts, grain), _head_parts(parts)
    if not end:
        return whole
    first, rest = _built([*parts[:end], ""], grain), _built(parts[end:], grain)
    width = len(first.epoch)
    return replace(whole, head=width, halves=(replace(first, head=width), rest))


def _built(parts: list[str], grain: str) -> TimeForm:
    codes = parts[1::2]
    pattern, blank, names, seen = b"", b"", [], set[str]()
    for i, part in enumerate(parts):
        if i % 2 == 0:
            pattern += re.escape(part.encode())
            blank += part.encode()
        else:
            name = part if part not in seen else f"{part}{i}"
            seen.add(part)
            names.append(name)
            pattern += b"(?P<" + name.encode() + b">" + _CODES[part] + b")"
            blank += _EPOCH[part]
    match = re.compile(pattern + rb"\Z").match
    zero = _DROPPED[grain]

    def coarse(value: bytes) -> bytes:
        found = match(value)
        if found is None:
            return blank
        out, at = b"", 0
        for code, name in zip(codes, names, strict=True):
            if code in zero:
                start, end = found.span(name)
                out, at = out + value[at:start] + b"0" * (end - start), end
        return out + value[at:]

    def read(value: bytes) -> Instant | None:
        found = match(value)
        return None if found is None else instant(found.groupdict())

    bare = re.sub(rb"\(\?P<\w+>", b"(?:", pattern)
    return TimeForm(bare, read, coarse, blank, bool({"d", "e"} & set(codes)))


def _head_parts(parts: list[str]) -> int:
    """Return how many parts hold the date and the hour, if those stand first and alone; else 0."""
    codes = set[str]()
    for i in range(1, len(parts), 2):
        if parts[i] not in "YymbhdeH":  # of the codes with a fixed width, the date's and the hour
            return 0
        codes.add(parts[i])
        if {"H"} < codes and len(codes) == len("dmYH"):
            return i + 1
    return 0


_EPOCH = {
    "Y": b"1970", "y": b"70", "m": b"01", "b": b"Jan", "B": b"January", "h": b"Jan", "d": b"01",
    "e": b" 1", "H": b"00", "M": b"00", "S": b"00", "f": b"000", "z": b"+0000", "Z": b"UTC",
    "a": b"Thu", "A": b"Thursday",
}  # fmt: skip


def instant(found: Mapping[str, bytes]) -> Instant | None:
    """Return the time in what was found by code (``Y``, ``m``, ``d``, ``H``, ...); None if there is no such day."""
    year = int(found.get("Y") or 0) or 2000 + int(found.get("y") or 0)
    name = found.get("b") or found.get("B") or found.get("h")
    month = _MONTHS.get(name[:3], 0) if name else int(found.get("m") or 1)
    day, hour = int(found.get("d") or found.get("e") or 1), int(found.get("H") or 0)
    try:
        moment = datetime(
            year,
            month,
            day,
            hour,
            int(found.get("M") or 0),
            min(int(found.get("S") or 0), 59),  # a leap second is written as 60
            tzinfo=_zone(found.get("z")),
        )
    except ValueError:
        return None
    return Instant(moment.strftime("%Y-%m-%d").encode(), hour, moment.timestamp())


def _zone(text: bytes | None) -> timezone:
    if text is None or text == b"Z":
        return UTC
    digits = text.replace(b":", b"")
    ahead = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    return timezone(-ahead if digits[:1] == b"-" else ahead)


def epoch_form(unit: int = 1, grain: str = "hour") -> TimeForm:
    """Build the form of a count since 1970 in 1/``unit`` seconds; a fraction after a dot is dropped to 0."""
    step = (_HOUR if grain == "hour" else _DAY) * unit
    pattern = rb"\d{9,17}(?:\.\d{1,9})?"

    def coarse(value: bytes) -> bytes:
        whole, dot, fraction = value.partition(b".")
        return b"%0*d" % (len(whole), int(whole) // step * step) + dot + b"0" * len(fraction)

    def read(value: bytes) -> Instant | None:
        seconds = float(value) / unit
        try:
            moment = datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):
            return None
        return Instant(moment.strftime("%Y-%m-%d").encode(), moment.hour, seconds)

    return TimeForm(pattern, read, coarse, b"0" * 10)


def fraction_form() -> TimeForm:
    """Build the form of a part of a second standing alone (Squid's %tu): always zeros."""
    return TimeForm(rb"\d{1,9}", lambda value: None, lambda value: b"0" * len(value), b"000", dated=False)


COMMON_LOG = "%d/%b/%Y:%H:%M:%S %z"

_ANY = (
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%Y%m%dT%H%M%S%z",
    "%a %b %e %H:%M:%S %Y",
    "%Y-%m-%d",
    COMMON_LOG,
)


def any_form(grain: str = "hour") -> TimeForm:
    """Build a form that knows the usual ways to write a time, for logs whose settings do not say which."""
    forms = [strftime_form(text, grain) for text in _ANY] + [epoch_form(1, grain)]
    known = [(re.compile(form.pattern + rb"\Z").match, form) for form in forms]

    def pick(value: bytes) -> TimeForm | None:
        return next((form for match, form in known if match(value)), None)

    def read(value: bytes) -> Instant | None:
        form = pick(value)
        return form.read(value) if form else None

    def coarse(value: bytes) -> bytes:
        form = pick(value)
        return form.coarse(value) if form else forms[0].epoch

    pattern = b"(?:" + b"|".join(form.pattern for form in forms[::-1]) + b")"
    return TimeForm(pattern, read, coarse, b"1970-01-01T00:00:00Z")
