"""The words of docs/reference/words.md as frozen data. No I/O.

Counts are rows (ties). Times are timezone-aware and in UTC unless a field says otherwise;
times inside a library's own database are naive local times of that database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class RecordClass(StrEnum):
    """What kind of use a tie records."""

    CIRCULATION = "circulation"
    HOLD_REQUEST = "hold_request"
    INTERLIBRARY_LOAN = "interlibrary_loan"
    SEARCH = "search"
    REFERENCE = "reference"
    ACCESS = "access"
    DIGITAL_LENDING = "digital_lending"
    COMPUTER_SESSION = "computer_session"
    NETWORK = "network"
    PRINT = "print"
    FACILITY = "facility"
    PROGRAM = "program"
    PAYMENT = "payment"
    NOTICE = "notice"
    SUGGESTION = "suggestion"
    PATRON_CONTENT = "patron_content"
    SUBSCRIPTION = "subscription"
    READING_HISTORY = "reading_history"
    REGISTRATION = "registration"
    SURVEILLANCE = "surveillance"
    ACTIVITY_LOG = "activity_log"
    STAFF_ACTION = "staff_action"
    UNCLASSIFIED = "unclassified"


class Disposition(StrEnum):
    """How a tie is severed, in the precise word."""

    NULL = "null"
    SENTINEL = "sentinel"
    DELETE = "delete"
    OVERWRITE = "overwrite"
    GENERALISE = "generalise"
    REMOVE_PATH = "remove path"
    REMOVE_ELEMENT = "remove element"
    SCRUB = "scrub"
    PSEUDONYMISE = "pseudonymise"
    AGGREGATE = "aggregate"
    AGE = "age"
    RENUMBER = "renumber"


@dataclass(frozen=True)
class Survey:
    """What stands in one series at one moment: counts and dates, no identifier.

    ``ties`` is the sum of ``open``, ``within_retention``, ``due`` and all of ``withheld``
    (rows whose state could not be decided or that a recorded reason keeps, by reason).
    ``oldest`` and ``newest`` are dates of uses, truncated to the day.
    """

    series: str
    ties: int
    open: int = 0
    within_retention: int = 0
    due: int = 0
    withheld: Mapping[str, int] = field(default_factory=dict)
    oldest: datetime | None = None
    newest: datetime | None = None


@dataclass(frozen=True)
class SeriesFacts:
    """What the acts know of a series, whatever kind of store keeps it.

    ``held``: (reason, question the site may answer) for finished ties that are left alone.
    """

    id: str
    title: str
    record_class: RecordClass
    retention_key: str
    purpose: str
    purpose_end: str
    severable: bool = True
    weak: str = ""
    held: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class MeasureFacts:
    """One thing a system counts: ``series`` whose severing touches what it is counted from."""

    id: str
    title: str
    source: str
    by: tuple[str, ...] = ()
    dated: bool = True
    includes: tuple[str, ...] = ()
    series: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    """Somewhere a system keeps data, mapped or not."""

    name: str
    columns: tuple[str, ...] = ()
    mapped: bool = True
    why: str = ""
    rows: int | None = None
    strength: str = ""
    """How sure it is that somebody stands there, where values were compared: certain, strong, likely."""
    record_class: RecordClass | None = None
    """The likely class of an unmapped place."""


@dataclass(frozen=True)
class Fingerprint:
    """Digests of what a system's structure is: equal digests, equal structure.

    ``places`` maps each table (or log) to the digest of its columns, types, keys,
    triggers and rules; ``digest`` is over all of them.
    """

    kind: str
    version: str
    digest: str
    places: Mapping[str, str]
    refused: Mapping[str, str] = field(default_factory=dict)
    """Series the map cannot be trusted for here, with the reason."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One thing a severing run does in one place, in its order."""

    system: str
    series: str
    place: str
    dispositions: tuple[str, ...]
    order: int
    walk: str

    @property
    def name(self) -> str:
        """The step's name in receipts and reports: ``system/series``."""
        return f"{self.system}/{self.series}"


@dataclass(frozen=True)
class Chunk:
    """A handful of rows severed in one transaction. Lives in memory only: it holds row keys."""

    run: str
    step: Step
    number: int
    scope: object = field(repr=False)
    """What the store needs to find these rows again; opaque to everyone else."""
    expected: int = 0


Margins = Mapping[str, Mapping[str, int]]
"""Counts by margin: ``{"searches|branch|2026-03": {"MAIN": 12}}``; never a joint of two."""


@dataclass(frozen=True)
class Receipt:
    """The proof, written in the severed system's own transaction, that a chunk was severed."""

    run: str
    step: str
    chunk: int
    rows: int
    tally: Margins = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """A setting of a system that creates or exposes ties."""

    system: str
    name: str
    value: str
    why: str
    advice: str


@dataclass(frozen=True)
class NotLookedAt:
    """A place nobody looked at, and why. Said wherever "kept" is said."""

    system: str
    place: str
    why: str


@dataclass(frozen=True)
class Scanned:
    """Where any of a whole roster was met: never whom. ``hits``: place -> about how many of the roster.

    A count is blurred, so that it tells of no single person; a place where nobody was met has none.

    ``places`` were looked into; ``unread`` says of which tables why not.
    """

    places: tuple[str, ...]
    hits: Mapping[str, int]
    unread: Mapping[str, str]


@dataclass(frozen=True)
class Overlap:
    """How much of what stands in one place is anybody's: blurred counts of distinct values of a sample.

    ``path`` is where in a JSON column, "$.a.b"; ``once``: hardly a value stands in two rows.

    ``identifiers``: kind -> values that are somebody's;
    ``numbers``: kind -> values that are somebody's short number, how many chance would give, and its deviation;
    ``texts`` were read as free text, in some of them somebody's identifier or whole name stood for the first time;
    ``pairs``: rows' given names and surnames that are one person's, told of the column with the surname.
    """

    table: str
    column: str
    distinct: int
    path: str = ""
    once: bool = False
    identifiers: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, tuple[int, float, float]] = field(default_factory=dict)
    given: int = 0
    family: int = 0
    full: int = 0
    pairs: int = 0
    texts: int = 0
    with_identifier: int = 0
    with_name: int = 0

    @property
    def place(self) -> str:
        """The column, and the path inside it."""
        return f"{self.column}{self.path}"


@dataclass(frozen=True)
class Reversed:
    """What an attack with the library's own identifiers did to hashes in one place: counts, no value.

    The place is a column, or ``path`` in its JSON documents, "$.a.b".
    About ``reversed`` of ``distinct`` values of a sample were undone, each identifier counted once; ``how`` says by
    what, ``one_setting`` that every value was made with the same setting, ``left_out`` what was not tried to the end.
    """

    table: str
    column: str
    shape: str
    distinct: int
    reversed: int
    how: tuple[str, ...] = ()
    one_setting: bool = False
    left_out: tuple[str, ...] = ()
    path: str = ""

    @property
    def place(self) -> str:
        """The column, and the path inside it."""
        return f"{self.column}{self.path}"


@dataclass(frozen=True)
class Probed:
    """What comparing a database with the rosters told. ``places`` were judged, ``few`` had too few values to be.

    ``unread``: table -> why not; ``beginnings``: tables of which only the first rows could be sampled.
    """

    overlaps: tuple[Overlap, ...] = ()
    reversed: tuple[Reversed, ...] = ()
    places: int = 0
    few: int = 0
    unread: Mapping[str, str] = field(default_factory=dict)
    beginnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Copy:
    """Another medium that keeps what a system keeps, or kept: severing does not reach it.

    ``expires`` is what is declared, or how the server is set; "unknown" if nobody said. ``said`` is what was met
    there, or why it was not ``looked_at``. ``overdue``: it is older than it is declared to become.
    """

    system: str
    kind: str
    medium: str
    keeps: str
    expires: str
    said: str
    looked_at: bool = False
    overdue: bool = False


@dataclass(frozen=True)
class Finding:
    """Something that breaks the promise, with what to do."""

    kind: str
    system: str
    place: str
    count: int
    advice: str
