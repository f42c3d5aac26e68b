"""Logs asked again by other code: does a line past its cutoff still say who?

Shares nothing with what severs: no format, no column. Every line is one string, and what could name
somebody is looked for wherever it stands: addresses, e-mails, accounts and sessions in URLs, patron
fields of SIP2. A network of at least 65,536 addresses is nobody, and so is a documentation address,
which stands for a keyed pseudonym. It can miss a bare account name in a column; it cannot be fooled
by a wrong format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol

from reticent.model import Finding
from reticent.prove.check import CheckResult

_BLOCK = 1 << 20
_MONTHS = {name: n for n, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_CLF = re.compile(rb"(\d{2})/([A-Z][a-z]{2})/(\d{4}):")
_ISO = re.compile(rb"\b(\d{4})[-/](\d{2})[-/](\d{2})[T :]|\b(\d{4})(\d{2})(\d{2})(?:T| {4})\d{6}")
_CTIME = re.compile(rb"([A-Z][a-z]{2}) +(\d{1,2}) \d\d:\d\d:\d\d(?:\.\d+)? (\d{4})")
_EPOCH = re.compile(rb"\A(\d{9,10})\.\d{3} ")
_NAMES_SOMEBODY = re.compile(
    rb"(?<![\d.:])(?!\d{1,3}\.\d{1,3}\.0\.0(?!\d))\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.])"
    rb"|(?<![\w:])(?!2001:db8:)(?:(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}"
    rb"|(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6})"
    rb"|(?<=[\w.+-])@[\w-]+\.\w{2,}"  # from the @ on: from the name on, a megabyte of letters takes hours
    rb"|[?&;](?:user|userid|login|password|pass|ticket|session|sid|cardnumber|card|email)=(?![-*&; ]|$)[^&; \"]+"
    rb"|\|(?:AE|BD|BE|BF|AD|PB)[^|]+\|"
)


class Text(Protocol):
    """Decompressed bytes, read piece by piece."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""
        ...


def check_log(
    system: str, series: str, place: str, text: Text, cutoff: datetime | str, written: datetime
) -> CheckResult:
    """Check one file, decompressed, last ``written`` then.

    A file with a line of today is within retention as a whole; one whose lines tell no day is as old
    as its last writing.
    """
    limit = (9999, 99, 99) if isinstance(cutoff, str) else (cutoff.year, cutoff.month, cutoff.day)
    guilty, newest = 0, (0, 0, 0)
    for line in _lines(text):
        newest = max(newest, _day(line))
        guilty += _NAMES_SOMEBODY.search(line) is not None
    newest = newest if newest[0] else (written.year, written.month, written.day)
    checked = (f"{series}: {place} read again by other code",)
    if isinstance(cutoff, str) or newest >= limit or not guilty:
        return CheckResult((), checked, ())
    advice = "Lines past their cutoff still name somebody: run `reticent sever`."
    return CheckResult((Finding("due ties", system, f"{series}: {place}", guilty, advice),), checked, ())


def _lines(text: Text) -> Iterator[bytes]:
    """Yield lines; one longer than a block comes in pieces, so that memory stays bounded."""
    rest = b""
    while block := text.read(_BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        if len(rest) > _BLOCK:
            yield rest
            rest = b""
    if rest:
        yield rest


def _day(line: bytes) -> tuple[int, int, int]:
    if found := _CLF.search(line):
        return int(found[3]), _MONTHS.get(found[2], 0), int(found[1])
    if found := _ISO.search(line):
        year, month, day = (int(part) for part in found.groups() if part)
        return year, month, day
    if found := _CTIME.search(line):
        return int(found[3]), _MONTHS.get(found[1], 0), int(found[2])
    if found := _EPOCH.search(line):
        moment = datetime.fromtimestamp(int(found[1]), UTC)
        return moment.year, moment.month, moment.day
    return (0, 0, 0)
