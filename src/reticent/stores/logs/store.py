"""A system's logs behind the protocols the jobs know: find, sever, scan."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from reticent.errors import ReticentError, SystemRefused
from reticent.model import Chunk, Fingerprint, Margins, NotLookedAt, Place, Receipt, Setting, Step, Survey
from reticent.stores.logs import files
from reticent.stores.logs.archives import BROKEN, compression, reading
from reticent.stores.logs.atrest import (
    FileJob,
    Ready,
    check_format,
    commit,
    first_line,
    leave_what_goes_on,
    make_ready,
    named_troubles,
    tally_of,
)
from reticent.stores.logs.formats import Kind
from reticent.stores.logs.kernel import Columns, Outcome, Watch
from reticent.stores.logs.lines import MESSAGES
from reticent.stores.logs.receipts import FileReceipt, Receipts
from reticent.stores.logs.sources import LogSource
from reticent.stores.logs.streams import NOWHERE, pump
from reticent.stores.logs.workers import RANGE, Done, Workers, treat_in_parts

UNREADABLE: tuple[type[Exception], ...] = (OSError, *BROKEN)
_PERSONAL = (Kind.ADDRESS, Kind.USER, Kind.SESSION)
_NOBODY = frozenset({b"", b"-", b"0.0.0.0", b"::"})


@dataclass(frozen=True)
class Keys:
    """The keys of one severing run. ``pseudonym`` None: identities are removed; else ``period`` names its key.

    ``tally`` tells sessions apart while they are counted. ``alive`` are the periods whose keys still
    exist: the lines written under them are still ties.
    """

    pseudonym: bytes | None
    tally: bytes
    period: str = ""
    alive: frozenset[str] = frozenset()


class _Days:
    """Counts the lines that name someone, by day."""

    def __init__(self) -> None:
        self.ties: Counter[bytes] = Counter()

    def see(self, columns: Columns) -> None:
        named = [column for kind in _PERSONAL for column in columns.values.get(kind, ())]
        first = columns.hours[0]
        if columns.hours.count(first) == columns.rows and any(map(_NOBODY.isdisjoint, named)):
            self.ties[first.day if first else b""] += columns.rows  # nearly every block: one hour, no empty address
            return
        for i, hour in enumerate(columns.hours):
            if any(column[i] not in _NOBODY for column in named):
                self.ties[hour.day if hour else b""] += 1


class LogStore:
    """The logs of one system. One series a log; a chunk is one file."""

    def __init__(
        self,
        system: str,
        sources: Sequence[LogSource],
        receipts: Path,
        keys: Keys,
        *,
        settings: Sequence[Setting] = (),
        not_looked_at: Sequence[NotLookedAt] = (),
        workers: Workers | None = None,
    ) -> None:
        self._system, self.keys = system, keys
        self._sources = {source.name: source for source in sources}
        self._folder, self.receipts = str(receipts), Receipts(receipts)
        self._settings, self._workers = tuple(settings), workers
        self._ahead: Iterator[tuple[FileJob, Ready | ReticentError]] = iter(())
        self._handed_out: list[FileJob] = []
        self.not_looked_at = tuple(not_looked_at)
        self.refusals: dict[str, str] = {}
        """Files that are due and may not be touched, with the reason; filled by ``survey``."""

    # Finder

    def fingerprint(self) -> Fingerprint:
        """Return digests of the logs' formats; a log none of whose files fits its format is refused."""
        places = {name: _digest(repr(source)) for name, source in self._sources.items()}
        refused: dict[str, str] = {}
        for name in self._sources:
            whys = [self._misfit(name, path) for path in self.files(name)]
            if whys and all(whys):
                refused[name] = whys[0]
        return Fingerprint("logs", "", _digest(repr(sorted(places.items()))), places, refused)

    def _misfit(self, series: str, path: Path) -> str:
        try:
            if self._made(path) is None:
                check_format(self._job(path, series))
        except (ReticentError, OSError) as error:
            return getattr(error, "what", "a file of this log cannot be read")
        return ""

    def files(self, series: str) -> list[Path]:
        """Return the files of one log, oldest first."""
        return self._sources[series].files()

    def survey(self, series: str, cutoff: datetime | str) -> Survey:
        """Count the lines that name someone, against a cutoff (whole days, local time of the log).

        A file is severed whole: its lines are within retention until its newest one is past the cutoff.
        What is due in a file that may not be touched is withheld, with the reason.
        """
        days: Counter[bytes] = Counter()
        withheld: Counter[str] = Counter()
        within, due = 0, 0
        for job, here in self._counted(series, withheld):
            days.update(here)
            past = 0 if isinstance(cutoff, str) else _past(here, _day(cutoff))
            if isinstance(cutoff, str):
                withheld[cutoff] += here.total()
            elif not past:
                within += here.total()
            elif why := self._refusal(job):
                withheld[why] += past
            else:
                due += past
        dates = [datetime.fromisoformat(day.decode()) for day in days]
        return Survey(
            series,
            within + due + withheld.total(),
            within_retention=within,
            due=due,
            withheld=dict(withheld),
            oldest=min(dates, default=None),
            newest=max(dates, default=None),
        )

    def watch(self, series: str, path: Path, watch: Watch) -> str:
        """Show every line of a file as it was to ``watch``; return why some or all could not be shown, or ""."""
        if self._made(path) is not None:
            return "severed files name nobody"
        outcome = _read(self._job(path, series), watch, search=True).outcome
        if self._sources[series].format in MESSAGES:
            return "its messages are free text, in which nobody can tell accounts from the rest"
        return "some of its lines do not fit its format" if outcome.withheld else ""

    def _counted(self, series: str, withheld: Counter[str]) -> Iterator[tuple[FileJob, Counter[bytes]]]:
        """Yield the files that are not severed yet with their ties by day; count the others as withheld."""
        jobs = []
        for path in self.files(series):
            made = self._made(path)
            if made is None:
                jobs.append(self._job(path, series))
            elif made.changed and made.key in self.keys.alive:
                withheld["pseudonyms whose key still exists"] += made.lines
        for job, here in zip(jobs, self._each(count_ties, jobs), strict=True):
            if isinstance(here, ReticentError):
                withheld["files that cannot be read"] += 1
            else:
                yield job, here

    def _each(self, work: Callable[[FileJob], Done], jobs: Sequence[FileJob]) -> Iterator[Done | ReticentError]:
        """Do the same to many files: with the workers if that pays, else one after the other."""
        if self._workers is not None and sum(os.path.getsize(job.path) for job in jobs) >= self._workers.least:
            yield from self._workers.map(work, jobs)
            return
        for job in jobs:
            try:
                yield work(job)
            except ReticentError as error:
                yield error

    def _refusal(self, job: FileJob) -> str:
        """Return why a file may not be touched; empty if it may."""
        why = files.refusal(Path(job.path))
        if not why:
            try:
                check_format(job)
            except ReticentError as error:
                why = error.what
        if why:
            self.refusals[job.path] = why
        return why

    def _made(self, path: Path) -> FileReceipt | None:
        with path.open("rb") as raw:
            return self.receipts.made(hashlib.file_digest(raw, "sha256").hexdigest())

    def places(self) -> Sequence[Place]:
        """Return every file of every log, and files beside them that no log accounts for."""
        known = {path: name for name in self._sources for path in self.files(name)}
        out = []
        for path, name in known.items():
            with suppress(ReticentError, *UNREADABLE):
                out.append(Place(str(path), self._columns(name, path), why=self._undeclared(name, path)))
        for folder in {path.parent for path in known}:
            for path in sorted(folder.iterdir()):
                if path not in known and path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                    out.append(Place(str(path), mapped=False, why="a file beside the logs that no log accounts for"))
        return out

    def _columns(self, series: str, path: Path) -> tuple[str, ...]:
        form = self._sources[series].compiled(_first(path))
        return tuple(one.name for one in form.fields) if form else ()

    def _undeclared(self, series: str, path: Path) -> str:
        form = self._sources[series].compiled(_first(path))
        names = ", ".join(form.undeclared) if form else ""
        return f"treated as personal because nobody declared them: {names}" if names else ""

    def settings(self) -> Sequence[Setting]:
        """Return the server's settings that make its logs hold more."""
        return self._settings

    def margins(self) -> Margins:
        """Count what is not severed yet, as severing would count it: a copy, and a file that came back, not again."""
        found: dict[str, dict[str, int]] = {}
        for name in self._sources:
            texts = set[str]()
            for part in self._each(count_uses, [self._job(path, name) for path in self._unsevered(name)]):
                if isinstance(part, ReticentError) or part.text in texts or self.receipts.counted(part.text):
                    continue
                texts.add(part.text)
                for key, cells in part.margins.items():
                    mine = found.setdefault(key, {})
                    for value, count in cells.items():
                        mine[value] = mine.get(value, 0) + count
        return found

    def _unsevered(self, series: str) -> Iterator[Path]:
        return (path for path in self.files(series) if self._made(path) is None)

    # Severer

    def steps(self, series: str) -> Sequence[Step]:
        """Return the one step of a log."""
        how = "pseudonymise" if self.keys.pseudonym is not None else "scrub"
        paths = ", ".join(self._sources[series].paths)
        return [Step(self._system, series, paths, (how, "generalise", "aggregate"), 0, "files")]

    def chunks(self, step: Step, cutoff: datetime, run: str, first: int = 0) -> Files:
        """Walk the files whose lines are all older than ``cutoff`` (naive local time of the log)."""
        return Files(self._due(step, cutoff, run), step, run, self._look_ahead, first)

    def _due(self, step: Step, cutoff: datetime, run: str) -> Iterator[FileJob]:
        for job, here in self._counted(step.series, Counter()):
            ties = _past(here, _day(cutoff))
            if ties and not self._refusal(job):
                yield replace(job, run=run, step=step.name, ties=ties)

    def _job(self, path: Path, series: str) -> FileJob:
        keys = self.keys
        return FileJob(
            str(path), self._sources[series], self._folder, "", series, keys.pseudonym, keys.tally, period=keys.period
        )

    def _look_ahead(self, batch: Sequence[FileJob]) -> None:
        """Let the workers make these files ready while earlier ones are put in their places."""
        self._handed_out += batch
        small = [job for job in batch if not self._large(job)]
        self._ahead = zip(small, self._each(make_ready_job, small), strict=True)

    def _large(self, job: FileJob) -> bool:
        return self._workers is not None and os.path.getsize(job.path) > RANGE

    def _ready(self, job: FileJob) -> Ready:
        if self._workers is not None and self._large(job):
            check_format(job)
            return make_ready(job, treat_in_parts(self._workers))
        for one, ready in self._ahead:
            if one.path == job.path:
                if isinstance(ready, ReticentError):
                    raise ready
                return ready
        return make_ready_job(job)

    def apply(self, chunk: Chunk, hold_epoch: int) -> Receipt:
        """Sever one file. Raises SystemBusy (open, growing, rotated) or SystemRefused, reason given.

        Files are put in their places here, in the order of the walk, so that sessions that straddle
        two files are counted once.
        """
        job = _job(chunk)
        return _receipt(chunk, commit(job, self._ready(job)))

    def close(self) -> None:
        """Let go of the workers, and of what they made ready for nobody."""
        self._ahead = iter(())
        if self._workers is not None:
            self._workers.close()
        for job in self._handed_out:
            files.clean(Path(job.path))

    def settle(self, chunk: Chunk) -> Receipt | None:
        """After a kill: the receipt of a file whose new content is in its place, else None."""
        path = Path(_job(chunk).path)
        made = self._made(path) if path.is_file() else None
        if made is None:
            return None
        return _receipt(chunk, made if made.done else self.receipts.finish(made))


AHEAD = 16
"""So many files are handed out at a time."""


class Files:
    """The files of one step that are due, one a chunk."""

    def __init__(
        self, jobs: Iterator[FileJob], step: Step, run: str, ahead: Callable[[Sequence[FileJob]], None], first: int
    ) -> None:
        self._jobs, self._step, self._run, self._ahead, self._number = jobs, step, run, ahead, first
        self._batch: list[FileJob] = []
        self._chunk: Chunk | None = None

    def next(self, size: int) -> Chunk | None:
        """Return the next file; the same one until ``advance``. A file is never cut, whatever ``size``."""
        if self._chunk is None:
            if not self._batch:
                self._batch = list(islice(self._jobs, AHEAD))
                self._ahead(self._batch)
            if not self._batch:
                return None
            job = replace(self._batch.pop(0), chunk=self._number)
            self._chunk = Chunk(self._run, self._step, self._number, job, job.ties)
        return self._chunk

    def advance(self) -> None:
        """Go on behind the last file."""
        self._number, self._chunk = self._number + 1, None


def count_ties(job: FileJob) -> Counter[bytes]:
    """Count the lines of a file that name someone, by day; what tells no day is of the newest one."""
    counted = _Days()
    read = _read(job, counted, only_watch=True)
    ties = counted.ties + read.outcome.days
    undated = ties.pop(b"", 0) + read.outcome.withheld
    if undated:
        ties[max(ties, default=_day(datetime.fromtimestamp(read.written)))] += undated  # noqa: DTZ006 - as the log
    return ties


@dataclass(frozen=True)
class Uses:
    """What one file counts, and the SHA-256 of its text."""

    margins: Margins
    text: str


def count_uses(job: FileJob) -> Uses:
    """Count the uses in a file that is not severed yet."""
    tally = tally_of(job)
    text = _read(job, tally).text
    leave_what_goes_on(job, tally)
    return Uses(tally.margins(), text)


@dataclass(frozen=True)
class _Read:
    """A file that was read: when it was last written, what became of its lines, the SHA-256 of its text."""

    written: float
    outcome: Outcome
    text: str


def _read(job: FileJob, watch: Watch, *, only_watch: bool = False, search: bool = False) -> _Read:
    """Let ``watch`` see every line of a file."""
    with named_troubles(Path(job.path)), Path(job.path).open("rb") as raw:
        kind = compression(raw)
        first = first_line(raw, kind)
        worker = job.source.treater(None, first_line=first, watch=watch, only_watch=only_watch, search=search)
        with reading(raw, kind) as text:
            pumped = pump(text, NOWHERE, worker)
        return _Read(os.fstat(raw.fileno()).st_mtime, worker.outcome, pumped.before)


def make_ready_job(job: FileJob) -> Ready:
    """Check a file's format and make its successor; what a worker runs."""
    check_format(job)
    return make_ready(job)


def _job(chunk: Chunk) -> FileJob:
    if not isinstance(chunk.scope, FileJob):
        raise SystemRefused("this chunk is not of a log")
    return chunk.scope


def _receipt(chunk: Chunk, made: FileReceipt) -> Receipt:
    tally: Margins = made.tally
    return Receipt(chunk.run, chunk.step.name, chunk.number, made.ties if made.changed else 0, tally)


def _past(days: Mapping[bytes, int], limit: bytes) -> int:
    """Return the ties of a file if its newest line is past the cutoff, else 0."""
    return sum(days.values()) if days and max(days) < limit else 0


def _day(moment: datetime) -> bytes:
    return moment.strftime("%Y-%m-%d").encode()


def _first(path: Path) -> bytes:
    with path.open("rb") as raw:
        return first_line(raw, compression(raw))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
