"""The kernel: a block of lines in, the same lines with their ties severed out.

One pattern splits a block into columns; each column is treated at once; one join puts the block
together again. What is not understood is withheld, never passed on. Lines the loose pattern does
not know, and blocks in which a value is not what its format says, go to the strict pattern.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reticent.deidentify import measures
from reticent.deidentify.pseudonyms import day_key
from reticent.deidentify.times import YEAR_2000, Instant, TimeForm
from reticent.stores.logs.columns import ENTRY, REMEMBERED, Column, Unreadable, column
from reticent.stores.logs.formats import Field, Kind, LogFormat
from reticent.stores.logs.slots import Slot, shape_of, time_form
from reticent.stores.logs.treatments import Treatments

_FEW = 8
_SHOWN = 20
_NO_DAY = b""
_DAYS = 4


@dataclass
class Outcome:
    """What happened to the lines of one file. ``shown``: offset and shape of the first withheld lines.

    ``days`` counts the lines of a log that is read line by line, each by the last day met before it.
    """

    lines: int = 0
    withheld: int = 0
    shown: list[tuple[int, str]] = field(default_factory=list)
    days: Counter[bytes] = field(default_factory=Counter)

    def withhold(self, offset: int, line: bytes) -> None:
        """Count one withheld line; its text is not kept, only what it looks like."""
        self.withheld += 1
        if len(self.shown) < _SHOWN:
            self.shown.append((offset, measures.shape(line)))


@dataclass(frozen=True)
class Columns:
    """Values of the same lines as they were, by kind; what the tallies are taken from.

    ``hours`` tell day and hour (None: the line has no time), ``seconds`` count from 1970 in UTC.
    ``status`` and ``host`` are empty where the format has none.
    """

    rows: int
    hours: Sequence[Instant | None]
    seconds: Sequence[float]
    values: Mapping[Kind, Sequence[Sequence[bytes]]]
    status: Sequence[bytes]
    host: Sequence[bytes]


class Watch(Protocol):
    """Sees every line that parsed, before it is severed."""

    def see(self, columns: Columns) -> None:
        """Take what is to be counted from these lines."""
        ...


class Treater(Protocol):
    """Treats whole lines of one kind of log."""

    outcome: Outcome
    identities: set[bytes] | None

    def treat(self, block: bytes, offset: int) -> bytes:
        """Treat a block of whole lines, each ending in a newline; ``offset`` is its place in the file."""
        ...

    def overlong(self, offset: int) -> bytes:
        """Return the marked line that stands for a line too long to read."""
        ...


class _Moments(dict[bytes, Instant | None]):
    """The times in the values of one group, each read once. Raises Unreadable."""

    def __init__(self, slot: Slot) -> None:
        super().__init__()
        self._slot = slot

    def __missing__(self, value: bytes) -> Instant | None:
        if len(self) > REMEMBERED // ENTRY // 4:
            self.clear()
        self[value] = _read(self._slot.time, self._slot.bare(value))
        return self[value]


class Kernel:
    """Treats the lines of one log format. Not shared between processes: each makes its own."""

    def __init__(
        self,
        form: LogFormat,
        how: Treatments,
        *,
        watch: Watch | None = None,
        collect: bool = False,
        only_watch: bool = False,
    ) -> None:
        """``only_watch``: show the lines to ``watch``, their values unchecked, and write nothing of use."""
        self.outcome = Outcome()
        self.identities: set[bytes] | None = set() if collect else None
        self._form, self._how, self._watch, self._only_watch = form, how, watch, only_watch
        self._shape = shape_of(form, grain=how.grain)
        self._lenient = shape_of(form, grain=how.grain, lenient=True)
        self._marker = marker(form)
        self._quotes = b'"' if b'"' in form.text.encode() or form.csv else b""
        self._moments = {i: _Moments(slot) for i, slot in enumerate(self._shape.slots) if slot.time}
        self._parts: defaultdict[int, dict[bytes, Mapping[str, bytes]]] = defaultdict(dict)
        self._days: dict[tuple[bytes, bool], tuple[Column, ...]] = {}
        self._clock = next((i for i, slot in enumerate(self._shape.slots) if slot.dated), None)
        self._constant = 1 + sum(len(slot.before) + len(slot.after) for slot in self._shape.slots)

    def treat(self, block: bytes, offset: int) -> bytes:
        """Treat whole lines, each ending in a newline. As many lines come back, in the same order."""
        if b"\r" not in block:
            return self._halves(block, offset, 0)
        if block.count(b"\r\n") == block.count(b"\n") == block.count(b"\r"):
            return self._halves(block.replace(b"\r\n", b"\n"), offset, 1).replace(b"\n", b"\r\n")
        return b"".join(self._singly(block, offset))

    def overlong(self, offset: int) -> bytes:
        """Count and mark a line that was too long to be held."""
        self.outcome.lines += 1
        self.outcome.withhold(offset, b"")
        return self._marker

    def _halves(self, block: bytes, offset: int, dropped: int) -> bytes:
        """Treat a block as a whole, else each half; ``dropped`` bytes were taken off the end of each line."""
        fast = self._fast(block, offset, dropped)
        if fast is not None:
            return fast
        if block.count(b"\n") <= _FEW:
            return b"".join(self._singly(block, offset, dropped))
        middle = block.find(b"\n", len(block) // 2, -1) + 1 or block.rfind(b"\n", 0, len(block) // 2) + 1
        first = self._halves(block[:middle], offset, dropped)
        offset += middle + block.count(b"\n", 0, middle) * dropped
        return first + self._halves(block[middle:], offset, dropped)

    def _fast(self, block: bytes, offset: int, dropped: int) -> bytes | None:
        """Treat a block by columns; None if that would not be exact.

        The lines between two matches are the ones the loose pattern does not know; they are whole
        lines, because a match starts and ends at a line. A match is one line, because no column
        takes a value with a newline in it; where values are not looked at, newlines are counted.
        """
        step = len(self._shape.slots) + 1
        flat = self._shape.fast.split(block)
        gaps = flat[::step]
        odd = [i for i, gap in enumerate(gaps) if gap] if any(gaps) else []
        rows = len(flat) // step
        if self._only_watch and block.count(b"\n") - rows != sum(flat[i * step].count(b"\n") for i in odd):
            return None
        columns = [flat[i + 1 :: step] for i in range(step - 1)]
        places = [self._place(flat, i * step, i) for i in odd]
        try:
            if rows and not self._only_watch:
                self._columns(flat, columns, step)
            seen = self._seen(columns, rows) if rows and self._watch is not None else None
        except Unreadable:
            return None
        self.outcome.lines += rows
        if self._watch is not None and seen is not None:
            self._watch.see(seen)
        if self._only_watch and not odd:
            return b""
        flat[step::step] = [b"\n"] * rows  # the newline of each row, which no group captures
        for i, (at, lines) in zip(odd, places, strict=True):
            singly = self._singly(gaps[i], offset + at + lines * dropped, dropped)
            flat[i * step] = b"".join([b"\n" if i else b"", *singly])
        return b"".join(flat)

    def _place(self, flat: Sequence[bytes], index: int, rows: int) -> tuple[int, int]:
        """Return the byte and the line at which the gap ``flat[index]`` starts in its block."""
        before = flat[:index]
        gaps = sum(gap.count(b"\n") for gap in before[:: len(self._shape.slots) + 1])
        return sum(map(len, before)) + rows * self._constant, rows + gaps

    def _columns(self, flat: list[bytes], columns: Sequence[list[bytes]], step: int) -> None:
        today = self._day(self._one_day(columns))
        for i, (slot, values, treat) in enumerate(zip(self._shape.slots, columns, today, strict=True)):
            if slot.kind is None:
                for value in set(values).difference(self._parts[i]):
                    self._parts_of(i, slot, value)
            else:
                flat[i + 1 :: step] = treat.many(values)

    def _one_day(self, columns: Sequence[Sequence[bytes]]) -> bytes:
        """Return the day all lines of a block are of; Unreadable if there are two."""
        if self._clock is None:
            return _NO_DAY
        times = columns[self._clock]
        days = {self._day_of(value) for value in (times[:1] if times.count(times[0]) == len(times) else set(times))}
        if len(days) != 1:
            raise Unreadable
        return days.pop()

    def _day_of(self, value: bytes) -> bytes:
        """Return the day in a value of the group that tells it. Raises Unreadable."""
        instant = self._moments[self._clock or 0][value]
        return _NO_DAY if instant is None else instant.day

    def _day(self, day: bytes, *, lenient: bool = False) -> tuple[Column, ...]:
        """Return what treats the columns of one day; the last few days are kept."""
        if (day, lenient) not in self._days:
            if len(self._days) >= _DAYS:
                del self._days[next(iter(self._days))]
            key = None if self._how.key is None else day_key(self._how.key, day)
            slots = (self._lenient if lenient else self._shape).slots
            self._days[day, lenient] = tuple(
                column(
                    slot,
                    self._how,
                    day,
                    key,
                    csv=self._form.csv,
                    quotes=self._quotes,
                    identities=self.identities,
                )
                for slot in slots
            )
        return self._days[day, lenient]

    def _parts_of(self, i: int, slot: Slot, value: bytes) -> Mapping[str, bytes]:
        """Check a value that stays; return the status, host and method in it. Raises Unreadable."""
        known = self._parts[i]
        if value in known:
            return known[value]
        found = slot.parts.fullmatch(value) if slot.parts else None
        if found is None or (self._how.known and self._how.known.search(value)):
            raise Unreadable
        if len(known) > REMEMBERED // ENTRY // 4:
            known.clear()
        known[value] = found.groupdict()
        return known[value]

    def _seen(self, columns: Sequence[Sequence[bytes]], rows: int) -> Columns:
        values: dict[Kind, list[Sequence[bytes]]] = {}
        parts = {"status": [b""] * rows, "host": [b""] * rows}
        for i, (slot, column_) in enumerate(zip(self._shape.slots, columns, strict=True)):
            if slot.kind is not None:
                values.setdefault(slot.kind, []).append(column_)
            for name in parts if slot.parts else ():
                if slot.parts and name in slot.parts.groupindex:
                    found = {value: self._parts_of(i, slot, value)[name] for value in set(column_)}
                    parts[name] = list(map(found.__getitem__, column_))
        hours, seconds = self._times(columns, rows)
        return Columns(rows, hours, seconds, values, parts["status"], parts["host"])

    def _times(self, columns: Sequence[Sequence[bytes]], rows: int) -> tuple[Sequence[Instant | None], Sequence[float]]:
        """Return hour and second of each line; of a time in two halves each half is read once."""
        if self._clock is None:
            return [None] * rows, [0.0] * rows
        clock = self._clock
        hours = list(map(self._moments[clock].__getitem__, columns[clock]))
        seconds = [one.seconds if one else 0.0 for one in hours]
        if self._shape.slots[clock].whole is not None:
            rest = map(self._moments[clock + 1].__getitem__, columns[clock + 1])
            seconds = [s + (one.seconds - YEAR_2000 if one else 0) for s, one in zip(seconds, rest, strict=True)]
        return hours, seconds

    def _singly(self, block: bytes, offset: int, dropped: int = 0) -> list[bytes]:
        out = []
        for line in block.split(b"\n")[:-1]:  # splitlines would cut at a lone carriage return too
            out.append(self._one(line, offset))
            offset += len(line) + 1 + dropped
        return out

    def _one(self, line: bytes, offset: int) -> bytes:
        self.outcome.lines += 1
        bare = line.removesuffix(b"\r")
        end = b"\r\n" if len(bare) < len(line) else b"\n"
        if bare == self._form.header:
            return bare + end
        for lenient in (False, True):
            try:
                return self._strict(bare, lenient=lenient) + end
            except Unreadable:
                continue
        self.outcome.withhold(offset, bare)
        return self._marker[:-1] + end

    def _strict(self, bare: bytes, *, lenient: bool) -> bytes:
        shape = self._lenient if lenient else self._shape
        found = shape.line.fullmatch(bare)
        if found is None:
            raise Unreadable
        groups = list(found.groups())
        clock = next((i for i, slot in enumerate(shape.slots) if slot.dated), None)
        today = self._day(_NO_DAY if clock is None else self._day_of(groups[clock]), lenient=lenient)
        for i, (slot, value) in enumerate(zip(shape.slots, found.groups(), strict=True)):
            if slot.kind is None:
                self._parts_of(-1 - i if lenient else i, slot, value)
            else:
                groups[i] = today[i].one(value)
        if self._watch is not None and not lenient:
            self._watch.see(self._seen([[one] for one in found.groups()], 1))
        return b"".join(groups)


def _read(form: TimeForm | None, value: bytes) -> Instant | None:
    """Read the time of a line; None if the server wrote none. Raises Unreadable for one that cannot be."""
    bare = value.strip(b'"')
    if form is None or bare in (b"", b"-"):
        return None
    instant = form.read(bare) if re.fullmatch(form.pattern, bare) else None
    if instant is None:
        raise Unreadable
    return instant


_BLANK = {
    Kind.ADDRESS: b"0.0.0.0",
    Kind.SIZE: b"0",
    Kind.NUMBER: b"0",
    Kind.STATUS: b"000",
    Kind.URL: b"/reticent-withheld",
    Kind.REQUEST: b"GET /reticent-withheld HTTP/1.0",
}


def marker(form: LogFormat) -> bytes:
    """Return the line, newline included, that stands in this format for one that was withheld."""

    def blank(one: Field) -> bytes:
        clock = time_form(one, "hour")
        return clock.epoch if clock else _BLANK.get(one.kind, b"-")

    return b"".join(piece if isinstance(piece, bytes) else blank(piece) for piece in form.pieces) + b"\n"
