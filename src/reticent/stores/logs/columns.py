"""How a whole column of one block is treated: each distinct value once, or all of them at once."""

from __future__ import annotations

import re
from collections.abc import MutableSet, Sequence
from typing import Protocol

from reticent.deidentify.pseudonyms import Treat
from reticent.deidentify.times import TimeForm
from reticent.stores.logs.formats import Kind
from reticent.stores.logs.slots import COLUMNS, CONTROL, LONGEST_SIZE, Slot
from reticent.stores.logs.treatments import Treatments

REMEMBERED = 16 << 20
ENTRY = 200
"""A column remembers at most ``REMEMBERED`` bytes, ``ENTRY`` reckoned for each value besides its own."""
_IDENTITIES = 200_000


class Unreadable(Exception):
    """A value is not what its format says; the line is withheld."""


class Column(Protocol):
    """Treats the values of one group."""

    def many(self, values: Sequence[bytes]) -> Sequence[bytes]:
        """Treat the values of a block, literals beside them included. Raises Unreadable."""
        ...

    def one(self, value: bytes) -> bytes:
        """Treat one value. Raises Unreadable."""
        ...


class Remembered(dict[bytes, bytes]):
    """Runs a function once per distinct value; forgets everything when it holds too much."""

    def __init__(self, work: Treat) -> None:
        super().__init__()
        self._work, self._held = work, 0
        self.one = self.__getitem__

    def __missing__(self, value: bytes) -> bytes:
        result = self._work(value)
        self._held += len(value) + ENTRY
        if self._held > REMEMBERED:
            self.clear()
            self._held = 0
        self[value] = result
        return result

    def many(self, values: Sequence[bytes]) -> Sequence[bytes]:
        """Treat the values of a block."""
        return list(map(self.__getitem__, values))


class _Sizes:
    """Sizes behind their first digit. They rarely repeat, so it is their length that is looked up."""

    def __init__(self, slot: Slot) -> None:
        self._zeros = [slot.before + b"0" * n + slot.after for n in range(LONGEST_SIZE)]

    def many(self, values: Sequence[bytes]) -> Sequence[bytes]:
        digits = b"".join(values)
        if digits and not digits.isdigit():
            raise Unreadable
        try:
            return list(map(self._zeros.__getitem__, map(len, values)))
        except IndexError:
            raise Unreadable from None

    def one(self, value: bytes) -> bytes:
        return self.many([value])[0]


class _Hours(Remembered):
    """Dates and hours: nearly always the same one in a whole block."""

    def many(self, values: Sequence[bytes]) -> Sequence[bytes]:
        first = values[0]
        if values.count(first) == len(values):
            return [self[first]] * len(values)
        return super().many(values)


class _Urls:
    """URLs, joined and treated in one go."""

    def __init__(self, slot: Slot, how: Treatments, day: bytes, key: bytes | None, quotes: bytes) -> None:
        self._valid = re.compile(slot.strict).fullmatch
        self._how, self._key, self._bad = how, key, CONTROL + quotes
        self._one = how.of(Kind.URL, day)

    def many(self, values: Sequence[bytes]) -> Sequence[bytes]:
        text = b"\n".join(values)
        if len(text) - len(text.translate(None, self._bad)) != len(values) - 1:  # the newlines just put in
            raise Unreadable
        if b"\\" in text and not all(map(self._valid, values)):
            raise Unreadable
        return self._how.texts(text, self._key)

    def one(self, value: bytes) -> bytes:
        if self._valid(value) is None:
            raise Unreadable
        return self._one(value)


def column(
    slot: Slot,
    how: Treatments,
    day: bytes,
    key: bytes | None,
    *,
    csv: bool,
    quotes: bytes,
    identities: MutableSet[bytes] | None,
) -> Column:
    """Build what treats one group on one day. ``identities`` takes the users and sessions that are met."""
    kind = slot.kind or Kind.SAFE
    work = _coarse(slot.time) if slot.time else how.of(kind, day)
    if identities is not None and kind in (Kind.USER, Kind.SESSION):
        work = _meeting(work, identities)
    if csv:
        return Remembered(_alone(slot, _in_quotes(work)))
    if kind in COLUMNS:
        return _Urls(slot, how, day, key, quotes)
    if kind is Kind.SIZE:
        return _Sizes(slot)
    treat = _beside(slot, work, how.known) if slot.stays else _alone(slot, work)
    return _Hours(treat) if slot.whole else Remembered(treat)


def _meeting(work: Treat, met: MutableSet[bytes]) -> Treat:
    def treat(value: bytes) -> bytes:
        if len(met) < _IDENTITIES:
            met.add(value)
        return work(value)

    return treat


def _in_quotes(work: Treat) -> Treat:
    """Treat a CSV value: its quotes stay, and so do those doubled inside."""

    def treat(value: bytes) -> bytes:
        if value[:1] != b'"':
            return work(value)
        return b'"' + work(value[1:-1].replace(b'""', b'"')).replace(b'"', b'""') + b'"'

    return treat


def _alone(slot: Slot, work: Treat) -> Treat:
    valid, before, after = re.compile(slot.strict).fullmatch, slot.before, slot.after

    def treat(value: bytes) -> bytes:
        if valid(value) is None:
            raise Unreadable
        return before + work(value) + after

    return treat


def _beside(slot: Slot, work: Treat, known: re.Pattern[bytes] | None) -> Treat:
    """Treat a value behind which something stays."""
    valid = re.compile(b"(%s)(%s)" % (slot.strict, slot.stays)).fullmatch

    def treat(value: bytes) -> bytes:
        found = valid(value)
        if found is None or (known and known.search(found[2])):
            raise Unreadable
        return slot.before + work(found[1]) + found[2] + slot.after

    return treat


def _coarse(form: TimeForm) -> Treat:
    return lambda value: value if value in (b"", b"-") else form.coarse(value)
