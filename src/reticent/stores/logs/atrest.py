"""Severs one closed log file in its place. A kill at any moment leaves the old file or the new one.

Order: check, read, treat into a file beside it, prove that file, dress it like the old one, make
its receipt durable, rename, sync the folder. What was not proved is never renamed.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from reticent.errors import ReticentError, SystemRefused
from reticent.stores.logs import files
from reticent.stores.logs.archives import BROKEN, complete, compression, reading, writing
from reticent.stores.logs.counting import LogTally
from reticent.stores.logs.files import State
from reticent.stores.logs.kernel import Outcome
from reticent.stores.logs.receipts import FileReceipt, Receipts, sync_folder
from reticent.stores.logs.residue import Needles, known_pattern
from reticent.stores.logs.sources import LogSource, WrongFormat
from reticent.stores.logs.streams import LONGEST, NOWHERE, Pumped, pump, treated
from reticent.systems.urlpacks import load_packs

_TRIES = 2


@dataclass(frozen=True)
class FileJob:
    """One file to sever. ``key`` None: identities are removed. ``tally_key`` tells sessions apart for the
    counts; empty: nothing is counted."""

    path: str
    source: LogSource
    receipts: str
    run: str
    step: str
    key: bytes | None = field(default=None, repr=False)
    tally_key: bytes = field(default=b"", repr=False)
    ties: int = 0
    chunk: int = 0
    period: str = ""
    """The period whose key ``key`` is; empty for none."""


@dataclass
class Treated:
    """What treating a stream gave: how many lines, what was counted, which identifiers were met."""

    pumped: Pumped
    outcome: Outcome
    tally: LogTally | None
    identities: set[bytes] = field(repr=False)


@dataclass(frozen=True)
class Ready:
    """A file's successor, made beside it and proved; or why there is none: ``made`` is its old receipt."""

    before: str
    after: str = ""
    state: State | None = None
    treated: Treated | None = None
    made: FileReceipt | None = None


Treat = Callable[[FileJob, IO[bytes], str, IO[bytes], "re.Pattern[bytes] | None"], Treated]
"""How the text of a file is treated: in this process, or in parts by several."""


def sever_file(job: FileJob, treat: Treat | None = None) -> FileReceipt:
    """Sever one file. Raises SystemRefused (reason given), SystemBusy (rotated, open, growing).

    Running it again on the same file changes nothing; after a kill it finishes the work.
    """
    return commit(job, make_ready(job, treat))


def make_ready(job: FileJob, treat: Treat | None = None) -> Ready:
    """Make and prove the file that will take the place of ``job.path``. Any worker may do this."""
    path, receipts = Path(job.path), Receipts(Path(job.receipts))
    files.clean(path)
    raw, state = files.opened(path)
    with raw:
        before = files.digest(raw)
        made = receipts.made(before)
        if made is not None:
            return Ready(before, made=made)
        with named_troubles(path), _fresh(path) as out:
            kind = compression(raw)
            complete(raw, kind, str(path))
            done = _treated(job, raw, kind, out, treat or treat_here)
            if done.tally is not None:
                leave_what_goes_on(job, done.tally)
            if done.pumped.before == done.pumped.after:
                files.clean(path)
                return Ready(before, before, state, done)
            files.dress(out.fileno(), path, raw.fileno())
            os.fsync(out.fileno())
            return Ready(before, files.digest(out), state, done)


def commit(job: FileJob, ready: Ready) -> FileReceipt:
    """Put a proved file in its place, its receipt first. One process does this, in the order of the files."""
    path, receipts = Path(job.path), Receipts(Path(job.receipts))
    if ready.made is not None:
        return ready.made if ready.made.done else receipts.finish(ready.made)
    if ready.state is None or ready.treated is None:
        raise SystemRefused("this file was not made ready", where=job.path)
    receipt = _receipt(job, receipts, ready, ready.treated)
    if not receipt.changed:
        return receipts.finish(receipt)
    try:
        files.same(path, ready.state)
        receipts.prepare(receipt)
        files.temporary(path, "new").rename(path)
    finally:
        files.clean(path)
    sync_folder(path.parent)
    return receipts.finish(receipt)


def leave_what_goes_on(job: FileJob, tally: LogTally) -> None:
    """Leave sessions that go on to the files behind this one, which are still there and count them in their turn.

    So nothing of a session need be remembered when its file is severed. A copy of this file does not go
    on where it ends, nor does another log of the same days; both are passed over.
    """
    paths = job.source.files()
    for path in paths[paths.index(Path(job.path)) + 1 :] if Path(job.path) in paths else ():
        behind = tally_of(job)
        with suppress(ReticentError, OSError, *BROKEN), path.open("rb") as raw:
            kind = compression(raw)
            worker = job.source.treater(None, first_line=first_line(raw, kind), watch=behind)
            with reading(raw, kind) as text:
                next(
                    (None for _ in treated(text, worker) if behind.newest > tally.reach or not tally.goes_on(behind)),
                    None,
                )
        if tally.goes_on(behind):
            tally.leave(behind)
            if behind.newest > tally.reach:
                return


@contextmanager
def _fresh(path: Path) -> Iterator[IO[bytes]]:
    """Open the new file; it is removed again if anything goes wrong."""
    fresh = files.temporary(path, "new")
    handle = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w+b") as out:
            yield out
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@contextmanager
def named_troubles(path: Path) -> Iterator[None]:
    """Turn what disks and decompressors raise into errors a person can act on."""
    try:
        yield
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise SystemRefused("the disk is full", where=str(path.parent), do="make room and run again") from None
        raise SystemRefused(
            "this file is damaged or cut short", where=str(path), do="restore it, or leave it as it is"
        ) from None


def _treated(job: FileJob, raw: IO[bytes], kind: str, out: IO[bytes], treat: Treat) -> Treated:
    """Treat into ``out`` and prove the result; once more if an account of this very file is met in it."""
    known: re.Pattern[bytes] | None = None
    for _ in range(_TRIES):
        out.seek(0)
        out.truncate()
        raw.seek(0)
        done = treat(job, raw, kind, out, known)
        out.flush()
        met = _prove(job, out, kind, done, known)
        if not met:
            return done
        known = known_pattern(met)
    raise SystemRefused(
        "accounts of this file still stand in its severed copy, so it was not put in place",
        where=job.path,
        do="declare the field they stand in as personal",
    )


def treat_here(job: FileJob, raw: IO[bytes], kind: str, out: IO[bytes], known: re.Pattern[bytes] | None) -> Treated:
    """Treat the whole text of a file in this process."""
    tally = tally_of(job) if job.tally_key else None
    first = first_line(raw, kind)
    worker = job.source.treater(job.key, first_line=first, watch=tally, collect=True, known=known)
    mtime = os.fstat(raw.fileno()).st_mtime
    with reading(raw, kind) as text, writing(out, kind, mtime=mtime) as sink:
        pumped = pump(text, sink, worker)
    return Treated(pumped, worker.outcome, tally, worker.identities or set())


def tally_of(job: FileJob) -> LogTally:
    """Return the tally of a job's file, empty."""
    rules = [rule for pack in load_packs(job.source.packs) for rule in pack.counts]
    return LogTally(rules, job.tally_key)


def first_line(raw: IO[bytes], kind: str) -> bytes:
    """Return the first line of a file without its end; the file is left at its start."""
    raw.seek(0)
    with reading(raw, kind) as text:
        line = text.read(LONGEST).partition(b"\n")[0].removesuffix(b"\r")
    raw.seek(0)
    return line


def _prove(job: FileJob, out: IO[bytes], kind: str, done: Treated, known: re.Pattern[bytes] | None) -> set[bytes]:
    """Read the new file again: every line must parse, stay as it is when treated again, and name nobody.

    Returns the accounts of this file that were met in it.
    """
    out.seek(0)
    worker = job.source.treater(job.key, first_line=first_line(out, kind), known=known)
    with reading(out, kind) as text:
        again = pump(text, NOWHERE, worker)
    same = again.before == again.after == done.pumped.after
    if not same or worker.outcome.withheld or worker.outcome.lines != done.outcome.lines:
        raise SystemRefused(
            "the severed copy does not read back as it was written, so it was not put in place",
            where=job.path,
            do="report this with the log's format",
        )
    out.seek(0)
    with reading(out, kind) as text:
        return Needles(done.identities).scan(text)[1]


def _receipt(job: FileJob, receipts: Receipts, ready: Ready, done: Treated) -> FileReceipt:
    """Build the receipt. A second file with the same text, or a file that came back, is not counted again."""
    earlier = receipts.of(ready.before, job.path)
    tally = earlier.tally if earlier and earlier.done else {}
    if done.tally is not None and ready.after != ready.before and not receipts.counted(done.pumped.before):
        tally = done.tally.margins()
    return FileReceipt(
        job.run,
        job.step,
        ready.before,
        ready.after,
        done.pumped.before,
        done.outcome.lines,
        done.outcome.withheld,
        tally,
        tuple(done.outcome.shown),
        job.path,
        changed=ready.after != ready.before,
        ties=job.ties,
        chunk=job.chunk,
        key=job.period if job.key is not None else "",
    )


def check_format(job: FileJob) -> None:
    """Raise WrongFormat if most lines of a file's beginning do not parse."""
    path = Path(job.path)
    with path.open("rb") as raw:
        kind = compression(raw)
        worker = job.source.treater(None, first_line=first_line(raw, kind))
        with reading(raw, kind) as text:
            data = text.read(1 << 16)
    whole = data[: data.rfind(b"\n") + 1]
    worker.treat(whole, 0)
    if worker.outcome.lines and worker.outcome.withheld * 2 > worker.outcome.lines:
        raise WrongFormat(job.source, worker.outcome, whole, job.path)
