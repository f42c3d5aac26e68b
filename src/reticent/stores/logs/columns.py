"""How a whole column of one block is treated: each distinct value once, or all of them at once."""

from __future__ import annotations

import re
from collections.abc import MutableSet, Sequence
from typing import Protocol

from reticent.deidentify.measures import size
from reticent.deidentify.pseudonyms import Treat
from reticent.deidentify.times import TimeForm
from reticent.stores.logs.formats import Kind
from reticent.stores.logs.slots import COLUMNS, CONTROL, Slot
from reticent.stores.logs.treatments import Treatments

REMEMBERED = 16 << 20
ENTRY = 200
"""A column remembers at most ``REMEMBERED`` bytes, ``ENTRY`` reckoned for each value besides its own."""
_IDENTITIES = 200_000
_LONGEST_SIZE = 19


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
    """Sizes rarely repeat, so remembering them does not pay: the zeros are put on by length."""

    def __init__(self, slot: Slot) -> None:
        self._before, self._after = slot.before, slot.after
        self._valid = re.compile(slot.strict).fullmatch
        self._zeros = [slot.after] + [b"0" * n + slot.after for n in range(_LONGEST_SIZE)]

    def many(self, values: Sequence[bytes]) -> Sequence[bytes]:
        longest = max(map(len, values))
        if self._before or longest >= _LONGEST_SIZE or not all(values) or not self._digits(values):
            return list(map(self.one, values))
        zeros, small = self._zeros, b"0" + self._after
        return [v[:1] + zeros[len(v)] if len(v) > 1 or v == b"-" else small for v in values]

    @staticmethod
    def _digits(values: Sequence[bytes]) -> bool:
        text = b"".join(values)
        none = text.count(b"-")
        return text.isdigit() or (none == values.count(b"-") and text.translate(None, b"-").isdigit())

    def one(self, value: bytes) -> bytes:
        if self._valid(value) is None:
            raise Unreadable
        return self._before + size(value) + self._after


class _Hours(Remembered):
    """Dates and hours: nearly always the same one in a whole block."""

    def many(self, values: Sequence[bytes]) -> Sequence[bytes]:
        first = values[0]
        if values.count(first) == len(values):
            return [self[first]] * len(values)
        return super().many(values)


class _Urls:
    """URLs, joined by newlines and treated in one go."""

    def __init__(self, slot: Slot, how: Treatments, key: bytes | None, quotes: bytes) -> None:
        self._valid = re.compile(slot.strict).fullmatch
        self._how, self._key = how, key
        self._bad = CONTROL.replace(b"\n", b"") + quotes

    def many(self, values: Sequence[bytes]) -> Sequence[bytes]:
        text = b"\n".join(values)
        if len(text.translate(None, self._bad)) != len(text):
            raise Unreadable
        if b"\\" in text and not all(map(self._valid, values)):
            raise Unreadable
        return self._how.texts(text, self._key).split(b"\n")

    def one(self, value: bytes) -> bytes:
        if self._valid(value) is None:
            raise Unreadable
        return self._how.texts(value, self._key)


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
    met = identities if kind in (Kind.USER, Kind.SESSION) else None
    if csv:
        return Remembered(_quoted(slot, work, met))
    if kind in COLUMNS:
        return _Urls(slot, how, key, quotes)
    if kind is Kind.SIZE:
        return _Sizes(slot)
    treat = _plain(slot, work, met)
    return _Hours(treat) if slot.whole else Remembered(treat)


def _plain(slot: Slot, work: Treat, met: MutableSet[bytes] | None) -> Treat:
    valid, before, after = re.compile(slot.strict).fullmatch, slot.before, slot.after

    def treat(value: bytes) -> bytes:
        if valid(value) is None:
            raise Unreadable
        if met is not None and len(met) < _IDENTITIES:
            met.add(value)
        return before + work(value) + after

    return treat


def _quoted(slot: Slot, work: Treat, met: MutableSet[bytes] | None) -> Treat:
    """Treat a CSV value: its quotes stay, and so do those doubled inside."""
    valid = re.compile(slot.strict).fullmatch

    def treat(value: bytes) -> bytes:
        if valid(value) is None:
            raise Unreadable
        inside = value[:1] == b'"'
        bare = value[1:-1].replace(b'""', b'"') if inside else value
        if met is not None and len(met) < _IDENTITIES:
            met.add(bare)
        done = work(bare)
        done = b'"' + done.replace(b'"', b'""') + b'"' if inside else done
        return slot.before + done + slot.after

    return treat


def _coarse(form: TimeForm) -> Treat:
    return lambda value: value if value in (b"", b"-") else form.coarse(value)
