"""A system's logs behind the protocols the jobs know: find, sever, scan."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reticent.errors import ReticentError, SystemRefused
from reticent.model import Chunk, Fingerprint, Margins, NotLookedAt, Place, Receipt, Setting, Step, Survey
from reticent.stores.logs.archives import BROKEN, compression, reading
from reticent.stores.logs.atrest import FileJob, Ready, check_format, commit, first_line, make_ready
from reticent.stores.logs.formats import Kind
from reticent.stores.logs.kernel import Columns, Treater, Watch
from reticent.stores.logs.receipts import FileReceipt, Receipts
from reticent.stores.logs.sources import LogSource
from reticent.stores.logs.streams import pump
from reticent.stores.logs.workers import Workers, treat_in_parts

UNREADABLE: tuple[type[Exception], ...] = (OSError, *BROKEN)
_PERSONAL = (Kind.ADDRESS, Kind.USER, Kind.SESSION)
_NOBODY = frozenset({b"", b"-", b"0.0.0.0", b"::"})


@dataclass(frozen=True)
class Keys:
    """The keys of one severing run. ``pseudonym`` None: identities are removed.

    ``tally`` tells sessions apart while they are counted. ``alive`` tells whether the key that a past
    run (by its id) used still exists: then the lines it wrote are still ties.
    """

    pseudonym: bytes | None
    tally: bytes
    alive: Callable[[str], bool]


class _Days:
    """Counts the lines that name someone, by day."""

    def __init__(self) -> None:
        self.ties: Counter[bytes] = Counter()

    def see(self, columns: Columns) -> None:
        named = [column for kind in _PERSONAL for column in columns.values.get(kind, ())]
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
        self._system, self._keys = system, keys
        self._sources = {source.name: source for source in sources}
        self._folder, self.receipts = str(receipts), Receipts(receipts)
        self._settings, self._workers = tuple(settings), workers
        self.not_looked_at = tuple(not_looked_at)

    # Finder

    def fingerprint(self) -> Fingerprint:
        """Return digests of the logs' formats; a log whose lines do not fit its format is refused."""
        places = {name: _digest(repr(source)) for name, source in self._sources.items()}
        refused: dict[str, str] = {}
        for name, source in self._sources.items():
            try:
                for path in self.files(name):
                    if self._made(path) is None:
                        check_format(FileJob(str(path), source, self._folder, "", name))
            except (ReticentError, OSError) as error:
                refused[name] = getattr(error, "what", "a file of this log cannot be read")
        return Fingerprint("logs", "", _digest(repr(sorted(places.items()))), places, refused)

    def files(self, series: str) -> list[Path]:
        """Return the files of one log, rotated siblings included, oldest first."""
        found = {path for pattern in self._sources[series].paths for path in glob.glob(pattern)}
        plain = [Path(path) for path in found if os.path.isfile(path)]
        return sorted(plain, key=lambda path: (path.stat().st_mtime_ns, str(path)))

    def survey(self, series: str, cutoff: datetime | str) -> Survey:
        """Count the lines that name someone, against a cutoff (whole days, local time of the log).

        A file is severed whole: its lines are within retention until its newest one is past the cutoff.
        """
        days: Counter[bytes] = Counter()
        withheld: Counter[str] = Counter()
        due = 0
        limit = b"" if isinstance(cutoff, str) else cutoff.strftime("%Y-%m-%d").encode()
        for path in self.files(series):
            made = self._made(path)
            if made is not None:
                if self._keys.alive(made.run) and made.changed:
                    withheld["pseudonyms whose key still exists"] += made.lines
                continue
            try:
                here = self._days(series, path)
            except UNREADABLE:
                withheld["files that cannot be read"] += 1
                continue
            days.update(here)
            due += _past(here, limit)
        undated = days.pop(b"", 0)
        if undated:
            withheld["lines without a date"] += undated
        dates = [datetime.fromisoformat(day.decode()) for day in days]
        total = sum(days.values())
        if isinstance(cutoff, str):
            withheld[cutoff] += total
            total = 0
        return Survey(
            series,
            total + sum(withheld.values()),
            within_retention=total - due,
            due=due,
            withheld=dict(withheld),
            oldest=min(dates, default=None),
            newest=max(dates, default=None),
        )

    def watch(self, series: str, path: Path, watch: Watch) -> str:
        """Show every line of a file as it was to ``watch``; return why some or all could not be shown, or ""."""
        if self._made(path) is not None:
            return "severed files name nobody"
        worker, watched = self._pumped(series, path, watch)
        if not watched:
            return "it is read line by line, without telling accounts from the rest"
        return "some of its lines do not fit its format" if worker.outcome.withheld else ""

    def _pumped(self, series: str, path: Path, watch: Watch) -> tuple[Treater, bool]:
        """Read a file through, nothing written; return what read it, and whether ``watch`` saw its lines."""
        with path.open("rb") as raw:
            kind = compression(raw)
            first = first_line(raw, kind)
            worker = self._sources[series].treater(None, first_line=first, watch=watch)
            with reading(raw, kind) as text:
                pump(text, _Nowhere(), worker)
        return worker, self._sources[series].compiled(first) is not None

    def _days(self, series: str, path: Path) -> Counter[bytes]:
        counted = _Days()
        worker, watched = self._pumped(series, path, counted)
        if not watched:  # read line by line: no watch, the file's own date
            day = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d")
            counted.ties[day.encode()] = worker.outcome.lines
        counted.ties[b""] += worker.outcome.withheld
        return counted.ties

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
                if path not in known and path.is_file() and not path.name.startswith("."):
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

    # Severer

    def steps(self, series: str) -> Sequence[Step]:
        """Return the one step of a log."""
        how = "pseudonymise" if self._keys.pseudonym is not None else "scrub"
        paths = ", ".join(self._sources[series].paths)
        return [Step(self._system, series, paths, (how, "generalise", "aggregate"), 0, "files")]

    def chunks(self, step: Step, cutoff: datetime, run: str, first: int = 0) -> Files:
        """Walk the files whose lines are all older than ``cutoff`` (naive local time of the log)."""
        return Files(self._due(step.series, cutoff), step, run, self._job, first)

    def _due(self, series: str, cutoff: datetime) -> Iterator[tuple[Path, int]]:
        limit = cutoff.strftime("%Y-%m-%d").encode()
        for path in self.files(series):
            if self._made(path) is None and (ties := _past(self._days(series, path), limit)):
                yield path, ties

    def _job(self, path: Path, ties: int, step: Step, run: str) -> FileJob:
        source = self._sources[step.series]
        keys = self._keys
        return FileJob(str(path), source, self._folder, run, step.name, keys.pseudonym, keys.tally, ties)

    def apply(self, chunk: Chunk, hold_epoch: int) -> Receipt:
        """Sever one file. Raises SystemBusy (open, growing, rotated) or SystemRefused, reason given."""
        job = _job(chunk)
        check_format(job)
        treat = treat_in_parts(self._workers) if self._workers else None
        return _receipt(chunk, commit(job, make_ready(job, treat)))

    def apply_all(self, chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, Receipt | ReticentError]]:
        """Sever many files with the workers; each is put in its place here, in order, so that sessions
        that straddle two files are counted once."""
        if self._workers is None:
            raise SystemRefused("no workers were given to this store")
        for chunk, ready in zip(chunks, self._workers.map(make_ready_job, [_job(one) for one in chunks]), strict=True):
            try:
                if isinstance(ready, ReticentError):
                    raise ready
                yield chunk, _receipt(chunk, commit(_job(chunk), ready))
            except ReticentError as error:
                yield chunk, error

    def settle(self, chunk: Chunk) -> Receipt | None:
        """After a kill: the receipt of a file whose new content is in its place, else None."""
        path = Path(_job(chunk).path)
        made = self._made(path) if path.is_file() else None
        if made is None:
            return None
        return _receipt(chunk, made if made.done else self.receipts.finish(made))


class Files:
    """The files of one step that are due, one a chunk."""

    def __init__(
        self,
        paths: Iterator[tuple[Path, int]],
        step: Step,
        run: str,
        job: Callable[[Path, int, Step, str], FileJob],
        first: int,
    ) -> None:
        self._paths, self._step, self._run, self._job, self._number = paths, step, run, job, first
        self._chunk: Chunk | None = None

    def next(self, size: int) -> Chunk | None:
        """Return the next file; the same one until ``advance``. A file is never cut, whatever ``size``."""
        if self._chunk is None:
            found = next(self._paths, None)
            if found is None:
                return None
            job = self._job(*found, self._step, self._run)
            self._chunk = Chunk(self._run, self._step, self._number, job, found[1])
        return self._chunk

    def advance(self) -> None:
        """Go on behind the last file."""
        self._number, self._chunk = self._number + 1, None


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
    """Return the ties of a file if its newest dated line is past the cutoff, else 0."""
    dated = {day: ties for day, ties in days.items() if day}
    return sum(dated.values()) if dated and max(dated) < limit else 0


def _first(path: Path) -> bytes:
    with path.open("rb") as raw:
        return first_line(raw, compression(raw))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class _Nowhere:
    def write(self, data: bytes, /) -> int:
        return len(data)
