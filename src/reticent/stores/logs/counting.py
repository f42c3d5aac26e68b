"""What is counted before a log is severed: COUNTER 5.1's rules, as margins, never a person.

Rules read in the COUNTER Code of Practice 5.1 (facts/guidance.md, section 5): only success
(200, 304), no robots; of two clicks by one user on one link within 30 seconds the later counts;
a unique item counts once a session; a session is a session id and its date, else a user (or an
address and its agent) and one clock hour.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from reticent.deidentify.measures import family
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
_OPEN = 2

Cell = tuple[str, str, str, str]
"""Metric, dimension, month, value."""


@dataclass
class Carry:
    """What the next file must know so that nothing is counted twice; keyed, and a tie while the key lives.

    Periods map to the sessions and unique items already counted in them; clicks to their second.
    """

    sessions: dict[str, list[int]] = field(default_factory=dict)
    clicks: dict[int, float] = field(default_factory=dict)


_Click = tuple[float, tuple[Cell, ...]]


@dataclass(frozen=True)
class _Line:
    period: str
    session: int
    user: int
    seconds: float
    month: str
    platform: str


class LogTally:
    """Counts the lines of one file, or one range of it.

    ``merge`` joins the tally of the lines that follow; ``follow`` takes out what the file before counted.
    """

    def __init__(self, rules: Sequence[CountRule], key: bytes) -> None:
        self._metrics = [rule.metric for rule in rules]
        self._match = re.compile(_any(rules), re.MULTILINE) if rules else None
        self._key = hashlib.sha256(b"tally|" + key).digest()
        self.counts: Counter[Cell] = Counter()
        self.lines = 0
        self.late = 0
        """Lines that came after their day was settled: if not 0, sessions are approximate."""
        self.newest = 0.0
        """Seconds since 1970 of the newest line."""
        self._oldest = float("inf")
        self._settle_at = 0.0
        self._sessions: dict[str, dict[int, Cell]] = {}
        self._first: dict[int, _Click] = {}
        self._last: dict[int, _Click] = {}
        self._settled: set[str] = set()
        self._before = Carry()
        self._id = lru_cache(1 << 14)(self._identify)
        self._robot = lru_cache(1 << 12)(lambda agent: family(agent) == b"bot")

    def __getstate__(self) -> dict[str, object]:
        """Leave the caches behind when a worker hands its tally back."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_id", "_robot")}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        self.__dict__.update(state)
        self._id = lru_cache(1 << 14)(self._identify)
        self._robot = lru_cache(1 << 12)(lambda agent: family(agent) == b"bot")

    def _identify(self, value: bytes) -> int:
        return int.from_bytes(hashlib.blake2b(value, digest_size=8, key=self._key[:32]).digest())

    def see(self, columns: Columns) -> None:
        """Count the lines of a block (the kernel calls this before it severs them)."""
        self.lines += columns.rows
        agents, users, sessions, groups, hosts = (
            _column(columns, kind) for kind in (Kind.AGENT, Kind.USER, Kind.SESSION, Kind.GROUP, Kind.ADDRESS)
        )
        targets = _column(columns, Kind.URL)
        hits = self._hits(targets)
        for i, hour in enumerate(columns.hours):
            if columns.status[i] not in _COUNTED or hour is None or self._robot(agents[i]):
                continue
            seconds = columns.seconds[i]
            if seconds > self._settle_at:
                self.settle()
                self._settle_at = seconds + _HOUR
            self.newest, self._oldest = max(self.newest, seconds), min(self._oldest, seconds)
            user, session = users[i], sessions[i]
            known = user or session
            named = self._id(known) if known else _mixed(self._id(hosts[i]), self._id(agents[i]))
            day, month = _written(hour.day)
            period = day if session else f"{day}T{hour.hour:02d}"
            key = self._id(session) if session else named
            self._once(period, key, ("sessions", "group", month, _text(groups[i] or b"-")))
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
        if period in self._settled:
            self.late += 1
            return
        self._sessions.setdefault(period, {}).setdefault(key, cell)

    def _target(self, line: _Line, found: re.Match[bytes]) -> None:
        which = int((found.lastgroup or "r0").removeprefix("r"))
        metric = self._metrics[which]
        if metric == "searches":
            self.counts["searches", "platform", line.month, line.platform] += 1
            return
        title = self._title(line, found.groupdict().get(f"t{which}") or b"-")
        for counted in ("investigations", "requests") if metric == "requests" else ("investigations",):
            self._click(line, counted, title)

    def _title(self, line: _Line, title: bytes) -> str:
        """Return the title as it may be kept: of a plain form, and not the user's own name."""
        return _text(title) if _TITLE.fullmatch(title) and self._id(title) != line.user else "-"

    def _click(self, line: _Line, metric: str, title: str) -> None:
        item = self._id(f"{metric}|{line.platform}|{title}".encode())
        cells = _cells(metric, line.month, line.platform, title)
        link = _mixed(item, line.user)
        last = self._last.get(link)
        if last is not None and abs(line.seconds - last[0]) <= DOUBLE_CLICK:
            self.counts.subtract(last[1][:2])
        self.counts[cells[0]] += 1
        self.counts[cells[1]] += 1
        self._first.setdefault(link, (line.seconds, cells))
        self._last[link] = (line.seconds, cells)
        self._once(line.period, _mixed(item, line.session), cells[2])

    def merge(self, later: LogTally) -> None:
        """Join the tally of the lines that follow these; what straddles the cut counts once."""
        self.counts.update(later.counts)
        self.lines += later.lines
        self.late += later.late
        for link, (seconds, cells) in later._first.items():
            last = self._last.get(link)
            if last is not None and abs(seconds - last[0]) <= DOUBLE_CLICK:
                self.counts.subtract(last[1][:2])
            self._first.setdefault(link, (seconds, cells))
        self._last.update(later._last)
        self.newest, self._oldest = max(self.newest, later.newest), min(self._oldest, later._oldest)
        for period, ids in later._sessions.items():
            for key, cell in ids.items():
                self._once(period, key, cell)
        self.settle()

    def follow(self, carry: Carry) -> None:
        """Take out what the file before this one has counted already."""
        self._before = carry
        for period, ids in carry.sessions.items():
            for key in ids:
                self._sessions.get(period, {}).pop(key, None)
        for link, seconds in carry.clicks.items():
            first = self._first.get(link)
            if first is not None and abs(first[0] - seconds) <= DOUBLE_CLICK:
                self.counts.subtract(first[1][:2])

    def carry(self) -> Carry:
        """Return what the file that follows must know. Call it before ``margins``."""
        sessions: dict[str, list[int]] = {}
        for known in (self._before.sessions, self._sessions):
            for period, ids in known.items():
                sessions[period] = sorted({*sessions.get(period, ()), *ids})
        hours = sorted(period for period in sessions if "T" in period)
        days = sorted(period for period in sessions if "T" not in period)
        sessions = {period: sessions[period] for period in (*hours[-1:], *days[-1:])}
        clicks = {link: last[0] for link, last in self._last.items() if self.newest - last[0] <= DOUBLE_CLICK}
        return Carry(sessions, clicks)

    def settle(self, *, everything: bool = False) -> None:
        """Turn sessions of past periods into counts, so that memory stays bounded.

        The first period stays open, because the file before may have counted in it, and the last ones.
        """
        hours = sorted(period for period in self._sessions if "T" in period)
        days = sorted(period for period in self._sessions if "T" not in period)
        for period in [*hours, *days] if everything else [*hours[1:-_OPEN], *days[1:-_OPEN]]:
            self.counts.update(self._sessions.pop(period).values())
            self._settled.add(period)
        self._last = {k: v for k, v in self._last.items() if self.newest - v[0] <= DOUBLE_CLICK}
        self._first = {k: v for k, v in self._first.items() if v[0] - self._oldest <= DOUBLE_CLICK}

    def margins(self) -> Margins:
        """Settle and return the counts: ``{"searches|2026-03|platform": {"www.jstor.org": 12}}``.

        Each metric also has its total, under no dimension.
        """
        self.settle(everything=True)
        out: dict[str, dict[str, int]] = {}
        for (metric, dimension, month, value), count in sorted(self.counts.items()):
            if count:
                out.setdefault(f"{metric}|{month}|{dimension}", {})[value] = count
        for key in [key for key in out if key.endswith(("|platform", "|group"))]:
            out[key.rpartition("|")[0] + "|"] = {"": sum(out[key].values())}
        return out


def _any(rules: Sequence[CountRule]) -> bytes:
    """Join the rules into one pattern: group ``rN`` tells which was met, ``tN`` is its title."""
    parts = (rule.match.replace(b"(?P<title>", b"(?P<t%d>" % n) for n, rule in enumerate(rules))
    return b"|".join(b"(?P<r%d>%s)" % (n, part) for n, part in enumerate(parts))


def _column(columns: Columns, kind: Kind) -> Sequence[bytes]:
    """Return the values of one kind, the first that is not empty where a line has several; ``-`` is empty."""
    found = columns.values.get(kind, ())
    if not found:
        return [b""] * columns.rows
    if len(found) == 1:
        return [b"" if one == b"-" else one for one in found[0]]
    return [next((one for one in row if one not in (b"", b"-")), b"") for row in zip(*found, strict=True)]


@lru_cache(1 << 12)
def _cells(metric: str, month: str, platform: str, title: str) -> tuple[Cell, Cell, Cell]:
    """Return where a click counts: by platform, by title, and once a session by platform."""
    return (
        (f"total_item_{metric}", "platform", month, platform),
        (f"total_item_{metric}", "title", month, title),
        (f"unique_item_{metric}", "platform", month, platform),
    )


def _mixed(one: int, other: int) -> int:
    """Join two 64-bit identifiers into one."""
    return (one * 0x9E3779B97F4A7C15 + other) & 0xFFFFFFFFFFFFFFFF


@lru_cache(1 << 10)
def _written(day: bytes) -> tuple[str, str]:
    text = day.decode()
    return text, text[:7]


def _platform(target: bytes, host: bytes) -> str:
    found = _HOST.match(target)
    return _text(found[1].lower() if found else host or b"-")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")[:200]
