"""A format's pieces become the groups of one pattern; together they cover every byte of a line.

Two patterns share the same groups. The strict one says what each field may hold. The loose one
only looks for the character that ends a field, which the engine does three times as fast; what
it finds is checked value by value, once per distinct value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from reticent.deidentify.times import TimeForm, any_form, epoch_form, fraction_form, strftime_form
from reticent.stores.logs.formats import KEPT, Field, Kind, LogFormat, Piece

LONGEST_SIZE = 18
"""Digits of the longest size that is read."""
CONTROL = bytes(range(32)) + b"\x7f"
_CTL = rb"\x00-\x1f\x7f"
_FORMS = {
    Kind.METHOD: rb"[A-Za-z_\-]{1,24}+",
    Kind.STATUS: rb"(?:\d{1,4}|-)",
    Kind.NUMBER: rb"(?:-?\d[\d.]*+|-)",
    Kind.SIZE: rb"(?:\d{1,%d}|-)" % LONGEST_SIZE,
}
_HOST = rb"\w.:/\[\]\-"
_SAFE = rb"\w.:/+,;=()*#&%\-"
COLUMNS = frozenset({Kind.URL, Kind.REFERRER})
"""Kinds treated a whole column at a time; their neighbours cannot be folded into them."""


@dataclass(frozen=True)
class Slot:
    """One group of the pattern. ``kind`` None: stays. ``before`` and ``after`` are matched, not captured."""

    kind: Kind | None
    strict: bytes
    loose: bytes
    field: Field | None = None
    time: TimeForm | None = None
    whole: TimeForm | None = None
    """For the first half of a time that was cut in two: the form of both halves."""
    stays: bytes = b""
    """What is captured with the value and stays: a pattern."""
    before: bytes = b""
    after: bytes = b""
    parts: re.Pattern[bytes] | None = None
    """For a group that stays: finds the ``status``, ``host`` and ``method`` inside it."""

    @property
    def dated(self) -> bool:
        """Whether it tells the day of its line."""
        return self.time is not None and self.time.dated

    def bare(self, value: bytes) -> bytes:
        """Return a captured value without what stays behind it."""
        found = re.fullmatch(b"(%s)%s" % (self.strict, self.stays), value) if self.stays else None
        return found[1] if found else value


@dataclass(frozen=True)
class Shape:
    """The groups of a format, and its two patterns. ``fast`` has a newline at its end, ``line`` has none."""

    slots: tuple[Slot, ...]
    fast: re.Pattern[bytes]
    line: re.Pattern[bytes]


def shape_of(form: LogFormat, *, grain: str = "hour", lenient: bool = False) -> Shape:
    """Build the groups of ``form``; ``lenient`` reads a request that is no request as personal text."""
    pieces = list(_expanded(form, lenient=lenient))
    rules = _Rules(form.escapes, form.csv, any(b'"' in one for one in pieces if isinstance(one, bytes)), grain)
    parts: list[bytes | Slot] = []
    for i, one in enumerate(pieces):
        parts += [one] if isinstance(one, bytes) else rules.slots(one, pieces, i)
    slots = _grouped(parts)
    fast = b"".join(re.escape(s.before) + b"(" + s.loose + b")" + re.escape(s.after) for s in slots)
    line = b"".join(re.escape(s.before) + b"(" + s.strict + s.stays + b")" + re.escape(s.after) for s in slots)
    return Shape(tuple(slots), re.compile(rb"(?m:^)" + fast + rb"\n"), re.compile(line))


def _expanded(form: LogFormat, *, lenient: bool) -> list[Piece]:
    out: list[Piece] = []
    for piece in form.pieces:
        if not isinstance(piece, Field) or piece.kind is not Kind.REQUEST:
            out.append(piece)
        elif lenient:
            out.append(replace(piece, kind=Kind.PERSONAL))
        else:
            out += [replace(piece, kind=Kind.METHOD), b" ", replace(piece, kind=Kind.URL), b" HTTP/"]
            out.append(replace(piece, kind=Kind.NUMBER))
    return _joined(out)


def _joined(pieces: list[Piece]) -> list[Piece]:
    out: list[Piece] = []
    for piece in pieces:
        if out and isinstance(piece, bytes) and isinstance(out[-1], bytes):
            out[-1] += piece
        else:
            out.append(piece)
    return out


@dataclass(frozen=True)
class _Rules:
    """How the fields of one format are delimited and quoted."""

    escapes: bool
    csv: bool
    quotes: bool
    grain: str

    def slots(self, field: Field, pieces: list[Piece], i: int) -> list[Slot]:
        """Return the groups of a field: one, or two of which each has few distinct values.

        A time is cut behind the hour, a size behind its first digit.
        """
        behind = pieces[i + 1 : i + 2]
        following = behind[0] if behind and isinstance(behind[0], bytes) else b""
        time = time_form(field, self.grain)
        if time is not None and time.halves and not self.csv and following:
            head, tail = time.halves
            end = self._loose(field, following[:1], b"")
            return [
                Slot(field.kind, head.pattern, b".{%d}" % time.head, field, head, time),
                Slot(field.kind, tail.pattern, end, field, tail),
            ]
        strict = self._strict(field, following, time)
        if field.kind is Kind.SIZE and not self.csv and following:
            blanks = b" *+" if field.padded else b""
            rest = rb"\d{0,%d}" % (LONGEST_SIZE - 1)
            return [
                Slot(None, blanks + rb"[\d\-]", blanks + b".", field),
                Slot(field.kind, rest, b"[^" + re.escape(following[:1]) + b"]*+", field),
            ]
        if self.csv:
            strict = rb"(?:%s|\"%s\")" % (strict, self._inside(field, strict))
        loose = self._loose(field, following[:1] or (b"" if behind else b"\n"), strict)
        return [Slot(None if field.kind in KEPT else field.kind, strict, loose, field, time)]

    def _strict(self, field: Field, following: bytes, time: TimeForm | None) -> bytes:
        if time is not None:
            return b"(?:" + time.pattern + b"|-|)"
        end = following[:1]
        if field.kind in _FORMS:
            return (b" *+" if field.padded else b"") + _FORMS[field.kind]
        if field.kind is Kind.HOST:
            return b"[" + _HOST.replace(end or b"\n", b"") + b"]*+"
        if field.kind is Kind.SAFE:
            blank = b"" if end == b" " else b" "
            return b"[" + _SAFE.replace(end or b"\n", b"") + blank + b"]*+"
        if field.kind is Kind.TEXT:
            return b"[^" + _CTL + b"]*"
        words = self._words(end)
        if field.kind is Kind.USER and following.startswith(b" ["):
            return words + rb"(?: (?!\[)" + words + b")*+"
        if field.kind is Kind.ADDRESS and end == b" ":
            return rb"(?:[^, \"\\" + _CTL + b"]++, )*+" + words
        return words

    def _words(self, end: bytes) -> bytes:
        out = _CTL + re.escape(end) + (b'"' if self.quotes or self.csv else b"")
        if not self.escapes:
            return b"[^" + out + b"]*+"
        behind = _CTL + (re.escape(end) if end != b'"' else b"")
        return rb"[^%s\\]*+(?:\\[^%s][^%s\\]*+)*+" % (out, behind, out)

    def _inside(self, field: Field, strict: bytes) -> bytes:
        free = field.kind not in _FORMS and field.kind is not Kind.SAFE and time_form(field, self.grain) is None
        return rb'(?:[^"%s]|"")*+' % _CTL if free else strict

    def _loose(self, field: Field, end: bytes, strict: bytes) -> bytes:
        if self.csv or not end:
            return strict
        if field.kind is Kind.TEXT:
            return rb"[^\n]*"
        return (b" *+" if field.padded else b"") + b"[^" + re.escape(end) + b"]*+"


def time_form(field: Field, grain: str) -> TimeForm | None:
    """Return how a field writes times; None if it is none."""
    if field.kind is Kind.FRACTION or field.time == "fraction":
        return fraction_form()
    if field.kind is Kind.SECONDS:
        return epoch_form(1, grain)
    if field.kind is not Kind.TIME:
        return None
    units = {"msec": 1_000, "usec": 1_000_000}
    if field.time in units:
        return epoch_form(units[field.time], grain)
    return strftime_form(field.time, grain) if field.time else any_form(grain)


def _grouped(parts: list[bytes | Slot]) -> list[Slot]:
    """Merge what stays into single groups; fold literals between treated fields into their values."""
    out: list[Slot] = []
    run: list[bytes | Slot] = []
    for part in [*parts, None]:
        if isinstance(part, bytes) or (part is not None and part.kind is None):
            run.append(part)
            continue
        before = _close(out, run, part)
        if part is not None:
            out.append(replace(part, before=before))
        run = []
    return out


def _close(out: list[Slot], run: list[bytes | Slot], following: Slot | None) -> bytes:
    """End a run of kept parts: fold it into a neighbour, or a group. Returns what ``following`` takes."""
    if not run:
        return b""
    if len(run) == 1 and isinstance(run[0], bytes):
        if out and out[-1].kind is not None and out[-1].kind not in COLUMNS:
            out[-1] = replace(out[-1], after=run[0])
            return b""
        if following is not None and following.kind not in COLUMNS:
            return run[0]
    strict = b"".join(re.escape(one) if isinstance(one, bytes) else one.strict for one in run)
    loose = b"".join(re.escape(one) if isinstance(one, bytes) else one.loose for one in run)
    if len(out) > 1 and out[-2].whole and all(isinstance(one, bytes) or _kind(one) is Kind.METHOD for one in run):
        out[-1] = replace(out[-1], loose=out[-1].loose + loose, stays=strict)
        return b""
    parts = b"".join(re.escape(one) if isinstance(one, bytes) else _named(one) for one in run)
    out.append(Slot(None, strict, loose, parts=re.compile(_once(parts))))
    return b""


_COUNTED = {Kind.STATUS: b"status", Kind.HOST: b"host", Kind.METHOD: b"method"}


def _kind(slot: Slot) -> Kind | None:
    return slot.field.kind if slot.field else None


def _named(slot: Slot) -> bytes:
    name = _COUNTED.get(_kind(slot) or Kind.SAFE)
    return b"(?P<%s>%s)" % (name, slot.strict) if name else slot.strict


def _once(pattern: bytes) -> bytes:
    """Keep the first group of each name: a format may hold two statuses."""
    for name in _COUNTED.values():
        head, mark, tail = pattern.partition(b"(?P<%s>" % name)
        pattern = head + mark + tail.replace(b"(?P<%s>" % name, b"(?:")
    return pattern


def prefix_fits(form: LogFormat, line: bytes) -> str:
    """Return the name of the first directive at which ``line`` stops fitting; empty if all of them fit."""
    pieces = _expanded(form, lenient=False)
    rules = _Rules(form.escapes, form.csv, any(b'"' in one for one in pieces if isinstance(one, bytes)), "hour")
    pattern = b""
    for i, piece in enumerate(pieces):
        if isinstance(piece, bytes):
            pattern += re.escape(piece)
            continue
        behind = pieces[i + 1] if i + 1 < len(pieces) else b""
        pattern += b"".join(slot.strict for slot in rules.slots(piece, pieces, i))
        end = re.escape(behind) if isinstance(behind, bytes) and behind else b""
        if re.match(pattern + end, line) is None:
            return piece.name
    return "" if re.fullmatch(pattern, line) else "the end of the line"
