"""The small protocols between rooms. Stores and state implement them; jobs know nothing else.

Each store protocol is one right, with a database account of its own: the Finder reads structure
and counts, the Severer severs, the Reader streams named fields for the prover, the Scanner looks
for a whole roster at once, the Discloser alone answers who, and only to a permit of the gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from reticent.model import Chunk, Fingerprint, Place, Receipt, Scanned, Setting, Step, Survey


class Clock(Protocol):
    """Where time comes from, so that tests can set it."""

    def now(self) -> datetime:
        """Return the time now, in UTC."""
        ...


class Finder(Protocol):
    """Reads a system's structure, settings and counts; no identifier leaves it."""

    def fingerprint(self) -> Fingerprint:
        """Return digests of the system's structure and which series cannot be trusted here."""
        ...

    def survey(self, series: str, cutoff: datetime | str) -> Survey:
        """Count one series against a cutoff (naive local time of the system), or say why there is none."""
        ...

    def places(self) -> Sequence[Place]:
        """Return what is there, mapped or not."""
        ...

    def settings(self) -> Sequence[Setting]:
        """Return the settings that create or expose ties."""
        ...


class Walk(Protocol):
    """The rows of one step still to sever, handed out a chunk at a time."""

    def next(self, size: int) -> Chunk | None:
        """Return the next chunk of at most ``size`` rows, or None at the end.

        Until ``advance`` is called the same rows are handed out again.
        """
        ...

    def advance(self) -> None:
        """The last chunk is done; go on behind it."""
        ...


class Severer(Protocol):
    """Severs chunks, each in one transaction of the severed system, with a receipt in it."""

    def steps(self, series: str) -> Sequence[Step]:
        """Return what severing this series does, in order."""
        ...

    def chunks(self, step: Step, cutoff: datetime, run: str, first: int = 0) -> Walk:
        """Walk the rows of ``step`` that are due at ``cutoff`` (naive local time of the system)."""
        ...

    def apply(self, chunk: Chunk, hold_epoch: int) -> Receipt:
        """Lock, tally, sever, recount and receipt one chunk.

        Raises SystemBusy (nothing done, retry smaller) or OutcomeUnknown (ask ``settle``).
        """
        ...

    def settle(self, chunk: Chunk) -> Receipt | None:
        """After OutcomeUnknown: the chunk's receipt if it was committed, None if it was not."""
        ...


class Unreadable:
    """A value that is there and cannot be understood (a date 0000-00-00). Every comparison with it is UNKNOWN."""

    def __repr__(self) -> str:
        return "UNREADABLE"


UNREADABLE = Unreadable()


class Reader(Protocol):
    """Streams named fields to the prover, which asks the severer's questions again by other code."""

    @property
    def folds_case(self) -> bool:
        """Whether two texts are equal here whatever their case, accents and trailing spaces (MariaDB, MySQL)."""
        ...

    def family(self, table: str, field: str) -> str:
        """Return a field's type family: whole, number, when, text, binary; "" if unknown or absent."""
        ...

    def has(self, column: str) -> bool:
        """Whether a ``table.column`` is there."""
        ...

    def rows(self, table: str, fields: Sequence[str], present: Sequence[str] = ()) -> Iterator[tuple[Any, ...]]:
        """Stream the named fields of every row of a mapped table; memory stays flat.

        ``fields`` come as numbers, str or naive datetime, None for NULL and for a field this release does
        not have, UNREADABLE for what cannot be understood. Of the fields ``present``, which follow, only
        whether they hold anything is read: 1 or None. A table that is not there has no rows.
        """
        ...

    def count(self, sql: str, parameters: Mapping[str, object]) -> int:
        """Run one literal counting query kept with the map; return its single number."""
        ...


class Scanner(Protocol):
    """Looks for a whole roster at once; cannot be used to look one person up.

    It reads the roster itself, by a Discloser and for a permit of the gate: nobody hands it what to look for.
    """

    def scan(self, permit: object) -> Scanned:
        """Return where anybody of the roster was met, never whom.

        Raises NotPermitted for what is no roster permit, and under 50 persons that can be looked for.
        """
        ...


class Discloser(Protocol):
    """The only door behind which a tie has a name. Opens for a permit of the gate alone."""

    def ties(self, permit: object) -> Iterator[Mapping[str, object]]:
        """Stream the ties inside the permit's scope."""
        ...

    def counts(self, permit: object) -> Mapping[str, int]:
        """Return series -> ties inside the permit's scope: a preview, which hands out nobody's tie."""
        ...

    def roster(self, permit: object) -> Iterator[Mapping[str, str]]:
        """Stream the identifiers of every patron: field -> identifier. Raises NotPermitted under 50 persons."""
        ...


class Journal(Protocol):
    """Appends acts to the ledger."""

    def append(self, entry: Mapping[str, object], *, once: str) -> int:
        """Append one entry of the closed schema, once per id; return its index."""
        ...


class PermitRegister(Protocol):
    """Where used permits are remembered: durable, atomic, shared by every process of the site."""

    def take(self, serial: str, expires: datetime) -> bool:
        """Record that a permit is used; True the first time, False ever after.

        Rows may be forgotten once ``expires`` (UTC) is past.
        """
        ...


class HoldBook(Protocol):
    """The legal holds in force, read by epoch at every chunk."""

    def epoch(self) -> int:
        """Return a number that grows whenever a hold is placed or released."""
        ...

    def held(self, system: str, series: str, record_class: str) -> str | None:
        """Return why this series must wait, or None."""
        ...

    def acknowledge(self, epoch: int) -> None:
        """Record that no chunk begun before ``epoch`` is still running."""
        ...
