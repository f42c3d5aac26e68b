"""A copy of a log that may leave the house: sent to a vendor, pasted into a bug report."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from reticent.errors import SystemRefused, UsageError
from reticent.stores.logs.archives import BROKEN, complete, compression, reading
from reticent.stores.logs.atrest import first_line
from reticent.stores.logs.residue import Needles, known_pattern
from reticent.stores.logs.sources import LogSource
from reticent.stores.logs.streams import pump

_KEY = 32
_TRIES = 2


@dataclass(frozen=True)
class Shared:
    """What a shared copy holds: lines, and how many of them had to be withheld."""

    lines: int
    withheld: int
    shown: tuple[tuple[int, str], ...]


def share(path: Path, out: Path, source: LogSource) -> Shared:
    """Write a plain-text copy of ``path`` without accounts, items, titles, transactions and times.

    The same item has the same mask within a day of the copy; the key is made for this copy and kept
    nowhere. ``out`` must not exist. Raises UsageError (most lines have another format), SystemRefused.
    """
    if out.exists():
        raise UsageError("the copy would replace a file", where=str(out), do="name a file that does not exist")
    key, known = os.urandom(_KEY), None
    for _ in range(_TRIES):
        shared, met = _copy(path, out, source, key, known)
        if shared.withheld * 2 > shared.lines:
            out.unlink()
            offset, looks = shared.shown[0]
            raise UsageError(
                f"{shared.withheld} of {shared.lines} lines do not have this format",
                where=f"{path}, byte {offset}; the line looks like {looks!r}",
                do="name the format the server writes, or copy it from its configuration",
            )
        if not met:
            return shared
        known = known_pattern(met)
    out.unlink()
    raise SystemRefused(
        "accounts of this log still stood in the copy, so it was removed",
        where=str(path),
        do="declare the field they stand in as personal",
    )


def _copy(
    path: Path, out: Path, source: LogSource, key: bytes, known: re.Pattern[bytes] | None
) -> tuple[Shared, set[bytes]]:
    try:
        with path.open("rb") as raw:
            kind = compression(raw)
            complete(raw, kind, str(path))
            worker = source.treater(key, first_line=first_line(raw, kind), collect=True, share=True, known=known)
            with reading(raw, kind) as text, out.open("wb") as sink:
                pump(text, sink, worker)
    except BROKEN as error:
        out.unlink(missing_ok=True)
        why = (error.strerror if isinstance(error, OSError) else "") or "the file is damaged"
        where = str(getattr(error, "filename", None) or path)
        raise SystemRefused(
            f"this log cannot be copied: {why}", where=where, do="check name, rights and disk"
        ) from None
    with out.open("rb") as written:
        met = Needles(worker.identities or ()).scan(written)[1]
    outcome = worker.outcome
    return Shared(outcome.lines, outcome.withheld, tuple(outcome.shown)), met
