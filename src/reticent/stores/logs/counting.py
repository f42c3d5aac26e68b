"""What is counted before a log is severed: COUNTER 5.1's rules, as margins, never a person.

Rules read in the COUNTER Code of Practice 5.1 (facts/guidance.md, section 5): only success
(200, 304), no robots; of two clicks by one user on one link within 30 seconds the later counts;
a unique item counts once a session; a session is a session id and its date, else a user (or an
address and its agent) and one clock hour.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from reticent.deidentify.measures import family
from reticent.deidentify.times import Instant
from reticent.deidentify.urls import CountRule
from reticent.model import Margins
from reticent.stores.logs.formats import Kind
from reticent.stores.logs.kernel import Columns

METRICS = (
    ("total_item_investigations", "Item investigations"),
    ("unique_item_investigations", "Item investigations, once a session"),
    ("total_item_requests", "Item requests"),
    ("unique_item_requests", "Item requests, once a session"),
    ("searches", "Searches"),
    ("sessions", "Sessions"),
)
"""What is counted, and what people call it."""
DOUBLE_CLICK = 30
_COUNTED = frozenset({b"200", b"304", b""})
_HOST = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://(?:[^/?#\s]*@)?([A-Za-z0-9.\-]{1,253})(?=[:/?#]|\Z)")
_TITLE = re.compile(rb"[\w.:/()\-]{1,100}")
_HOUR = 3_600
_DAY = 86_400
_OPEN = 2
_REMEMBERED = 1 << 15

Cell = tuple[str, str]
"""A margin (``searches|2026-03|platform``) and one of its values."""
_Click = tuple[float, tuple[Cell, ...]]


class _Line(NamedTuple):
    period: str
    session: int
    user: int
    seconds: float
    month: str
    platform: str


class LogTally:
    """Counts the lines of one file, or one range of it.

    ``merge`` joins the tally of the lines that follow; ``leave`` takes out what those count themselves.
    """

    def __init__(self, rules: Sequence[CountRule], key: bytes) -> None:
        self._metrics = [rule.metric for rule in rules]
        self._match = re.compile(_any(rules), re.MULTILINE) if rules else None
        self._key = hashlib.sha256(b"tally|" + key).digest()[:32]
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.late = 0
        """Lines that came after their day was settled: if not 0, sessions are approximate."""
        self.newest = 0.0
        """Seconds since 1970 of the newest line."""
        self.oldest = float("inf")
        self._settle_at = 0.0
        self._sessions: dict[str, dict[int, Cell]] = {}
        self._first: dict[int, _Click] = {}
        self._last: dict[int, _Click] = {}
        self._settled: set[str] = set()
        self._remember()

    def _remember(self) -> None:
        keyed = hashlib.blake2b(digest_size=8, key=self._key)

        def identify(value: bytes) -> int:
            digest = keyed.copy()
            digest.update(value)
            return int.from_bytes(digest.digest())

        self._id = lru_cache(_REMEMBERED)(identify)
        self._robot = lru_cache(1 << 12)(lambda agent: family(agent) == b"bot")

    def __getstate__(self) -> dict[str, object]:
        """Leave the caches behind when a worker hands its tally back."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_id", "_robot")}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        self.__dict__.update(state)
        self._remember()

    def see(self, columns: Columns) -> None:
        """Count the lines of a block (the kernel calls this before it severs them)."""
        agents, users, sessions, groups, hosts = (
            _column(columns, kind) for kind in (Kind.AGENT, Kind.USER, Kind.SESSION, Kind.GROUP, Kind.ADDRESS)
        )
        targets = _column(columns, Kind.URL)
        hits = self._hits(targets)
        lines = zip(columns.hours, columns.seconds, columns.status, agents, hosts, users, sessions, groups, strict=True)
        last, (day, surrogate, month) = None, ("", "", "")
        for i, (hour, seconds, status, agent, host, user, session, group) in enumerate(lines):
            if status not in _COUNTED or hour is None or self._robot(agent):
                continue
            if seconds > self._settle_at:
                self.settle()
                self._settle_at = seconds + _HOUR
            if seconds > self.newest:
                self.newest = seconds
            if seconds < self.oldest:
                self.oldest = seconds
            if hour is not last:
                last, (day, surrogate, month) = hour, _periods(hour)
            known = user or session
            named = self._id(known) if known else _mixed(self._id(host), self._id(agent))
            key = self._id(session) if session else named
            period = day if session else surrogate
            self._once(period, key, _session_cell(month, group))
            if i in hits:
                platform = _platform(targets[i], columns.host[i])
                self._target(_Line(period, key, named, seconds, month, platform), hits[i])

    def _hits(self, targets: Sequence[bytes]) -> dict[int, re.Match[bytes]]:
        """Return which rows have a URL that counts, with the first rule met in it; one scan for all rows."""
        if self._match is None:
            return {}
        text, out, row, at = b"\n".join(targets), dict[int, re.Match[bytes]](), 0, 0
        for found in self._match.finditer(text):
            row += text.count(b"\n", at, found.start())
            at = found.start()
            out.setdefault(row, found)
        return out

    def _once(self, period: str, key: int, cell: Cell) -> None:
        """Count something once a period, where it was met last: wherever a log is cut, that is the same."""
        keys = self._sessions.get(period)
        if keys is None:
            if period in self._settled:
                self.late += 1
                return
            keys = self._sessions[period] = {}
        keys[key] = cell

    def _target(self, line: _Line, found: re.Match[bytes]) -> None:
        which = int((found.lastgroup or "r0").removeprefix("r"))
        metric, named = self._metrics[which], f"t{which}"
        if metric == "searches":
            self.counts[f"searches|{line.month}|platform"][line.platform] += 1
            return
        title = self._title(line, found[named] if named in found.re.groupindex else b"-")
        for counted in ("investigations", "requests") if metric == "requests" else ("investigations",):
            self._click(line, counted, title)

    def _title(self, line: _Line, title: bytes) -> str:
        """Return the title as it may be kept: of a plain form, and not the user's own name."""
        return _text(title) if _TITLE.fullmatch(title) and self._id(title) != line.user else "-"

    def _click(self, line: _Line, metric: str, title: str) -> None:
        item = _mixed(self._id(f"{metric}|{line.platform}".encode()), self._id(title.encode()))
        total, by_title, unique = _margins(metric, line.month)
        cells = ((total, line.platform), (by_title, title))
        link = _mixed(item, line.user)
        last = self._last.get(link)
        if last is not None and abs(line.seconds - last[0]) <= DOUBLE_CLICK:
            self._take_out(last)
        for margin, value in cells:
            self.counts[margin][value] += 1
        self._first.setdefault(link, (line.seconds, cells))
        self._last[link] = (line.seconds, cells)
        self._once(line.period, _mixed(item, line.session), (unique, line.platform))

    def _take_out(self, click: _Click) -> None:
        for margin, value in click[1]:
            self.counts[margin][value] -= 1

    def merge(self, later: LogTally) -> None:
        """Join the tally of the lines that follow these; what straddles the cut counts once."""
        self._leave_clicks(later)
        for margin, values in later.counts.items():
            self.counts[margin].update(values)
        self.late += later.late
        self._first = {**later._first, **self._first}
        self._last.update(later._last)
        self.newest, self.oldest = max(self.newest, later.newest), min(self.oldest, later.oldest)
        for period, ids in later._sessions.items():
            for key, cell in ids.items():
                self._once(period, key, cell)
        self.settle()

    def leave(self, behind: LogTally) -> None:
        """Leave to the tally of lines behind these what goes on in them: sessions, their items, double clicks."""
        self._leave_clicks(behind)
        for period, ids in behind._sessions.items():
            mine = self._sessions.get(period, {})
            for key in mine.keys() & ids.keys():
                del mine[key]

    def _leave_clicks(self, behind: LogTally) -> None:
        for link, (seconds, _) in behind._first.items():
            last = self._last.get(link)
            if last is not None and abs(seconds - last[0]) <= DOUBLE_CLICK:
                self._take_out(last)
                del self._last[link]

    def goes_on(self, behind: LogTally) -> bool:
        """Tell whether lines begin where these end: requests are written when they are over, so not to the second."""
        return behind.oldest > self.oldest and behind.oldest > self.newest - _HOUR

    @property
    def reach(self) -> float:
        """Return the second since 1970 up to which a session of these lines may go on."""
        return self.newest + (_HOUR if all("T" in period for period in self._sessions) else _DAY)

    def settle(self, *, everything: bool = False) -> None:
        """Turn sessions of past periods into counts, so that memory stays bounded.

        The first period stays open, because the file before may have counted in it, and the last ones.
        """
        hours = sorted(period for period in self._sessions if "T" in period)
        days = sorted(period for period in self._sessions if "T" not in period)
        for period in [*hours, *days] if everything else [*hours[1:-_OPEN], *days[1:-_OPEN]]:
            for (margin, value), count in Counter(self._sessions.pop(period).values()).items():
                self.counts[margin][value] += count
            self._settled.add(period)
        self._last = {k: v for k, v in self._last.items() if self.newest - v[0] <= DOUBLE_CLICK}
        self._first = {k: v for k, v in self._first.items() if v[0] - self.oldest <= DOUBLE_CLICK}

    def margins(self) -> Margins:
        """Settle and return the counts: ``{"searches|2026-03|platform": {"www.jstor.org": 12}}``.

        Each metric also has its total, under no dimension.
        """
        self.settle(everything=True)
        there = {key: {value: count for value, count in self.counts[key].items() if count} for key in self.counts}
        out = {key: cells for key, cells in there.items() if cells}
        for key in [key for key in out if key.endswith(("|platform", "|group"))]:
            out[key.rpartition("|")[0] + "|"] = {"": sum(out[key].values())}
        return out


def _any(rules: Sequence[CountRule]) -> bytes:
    """Join the rules into one pattern: the empty group ``rN`` tells which was met, ``tN`` is its title.

    No group stands before a rule, so that the engine looks for the slash they all start with.
    """
    parts = (rule.match.replace(b"(?P<title>", b"(?P<t%d>" % n) for n, rule in enumerate(rules))
    return b"|".join(b"(?:%s)(?P<r%d>)" % (part, n) for n, part in enumerate(parts))


def _column(columns: Columns, kind: Kind) -> Sequence[bytes]:
    """Return the values of one kind, the first that is not empty where a line has several; ``-`` is empty."""
    found = columns.values.get(kind, ())
    if not found:
        return [b""] * columns.rows
    if len(found) == 1:
        return [b"" if one == b"-" else one for one in found[0]] if b"-" in found[0] else found[0]
    return [next((one for one in row if one not in (b"", b"-")), b"") for row in zip(*found, strict=True)]


@lru_cache(1 << 10)
def _margins(metric: str, month: str) -> tuple[str, str, str]:
    """Return where a click counts: by platform, by title, and once a session by platform."""
    total = f"total_item_{metric}|{month}|"
    return f"{total}platform", f"{total}title", f"unique_item_{metric}|{month}|platform"


def _mixed(one: int, other: int) -> int:
    """Join two 64-bit identifiers into one."""
    return (one * 0x9E3779B97F4A7C15 + other) & 0xFFFFFFFFFFFFFFFF


def _periods(hour: Instant) -> tuple[str, str, str]:
    """Return the day, the clock hour and the month of a time."""
    day = hour.day.decode()
    return day, f"{day}T{hour.hour:02d}", day[:7]


@lru_cache(1 << 10)
def _session_cell(month: str, group: bytes) -> Cell:
    return f"sessions|{month}|group", _text(group or b"-")


def _platform(target: bytes, host: bytes) -> str:
    found = _HOST.match(target)
    return _text(found[1].lower() if found else host or b"-")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")[:200]
