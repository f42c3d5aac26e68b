"""Hands work to processes, or to machines, and takes a worker's death in its stride.

The processes of this machine by default; Dask distributed if the site names a scheduler. Files
must be on a file system all workers share.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any, TypeVar

from reticent.errors import ConfigurationError, ReticentError, SystemUnreachable
from reticent.stores.logs import files
from reticent.stores.logs.atrest import FileJob, Treated, first_line, tally_of, treat_here
from reticent.stores.logs.streams import Pumped, pump

RANGE = 64 << 20
_LIVES = 5
PATIENCE = 10
"""Seconds in which a scheduler must answer."""

Job = TypeVar("Job")
Done = TypeVar("Done")


def local(processes: int) -> Callable[[], Executor]:
    """Return what opens a pool of processes on this machine; not forked, because this one may have threads."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return lambda: ProcessPoolExecutor(processes, context)


def cluster(scheduler: str) -> Callable[[], Executor]:
    """Return what opens a Dask cluster's executor; needs the extra ``cluster``.

    Raises ConfigurationError if Dask is missing, SystemUnreachable if the scheduler does not answer.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ConfigurationError(
            "[cluster] needs Dask distributed", do="install reticent[cluster], or take the scheduler out"
        ) from None

    connect: Callable[..., Any] = Client

    def opened() -> Executor:
        try:
            return _Cluster(connect(scheduler, timeout=PATIENCE))
        except OSError:
            raise SystemUnreachable("the scheduler does not answer", where=scheduler) from None

    return opened


class _Cluster(Executor):
    """A Dask client as an executor; unlike Dask's own it lets go of the client when it is shut down."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor: Executor = client.get_executor(pure=False, retries=_LIVES)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._executor.shutdown(wait=wait)
        self._client.close()


class Workers:
    """Runs jobs on an executor and opens another when it breaks; a job whose worker died runs again.

    Jobs must be such that running one twice does what running it once does.
    """

    def __init__(self, opens: Callable[[], Executor], *, least: int = 0) -> None:
        """``least``: bytes under which handing work out costs more than it saves."""
        self._opens, self.least = opens, least
        self._executor: Executor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the executor; work that nobody waits for is dropped."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    def map(self, work: Callable[[Job], Done], jobs: Sequence[Job]) -> Iterator[Done | ReticentError]:
        """Run every job; yield results, or the error a job ended with, in the order of the jobs.

        Raises SystemUnreachable when workers keep dying.
        """
        lives, at = _LIVES, 0
        waiting: list[Future[Done]] = []
        while at < len(jobs):
            try:
                waiting = waiting or [self._submit(work, job) for job in jobs[at:]]
                done = _result(waiting[0])
            except BrokenExecutor:
                lives, self._executor, waiting = lives - 1, None, []
                if not lives:
                    raise SystemUnreachable("workers keep dying", do="look at memory and disk") from None
                continue
            yield done
            del waiting[0]
            at += 1

    def _submit(self, work: Callable[[Job], Done], job: Job) -> Future[Done]:
        if self._executor is None:
            self._executor = self._opens()
        return self._executor.submit(work, job)


def _result(future: Future[Done]) -> Done | ReticentError:
    """Return a job's result or its error; a worker lost for good counts as a broken executor."""
    try:
        return future.result()
    except ReticentError as error:
        return error
    except BrokenExecutor:
        raise
    except Exception as error:
        if type(error).__name__ == "KilledWorker":  # Dask's, which may not be installed here
            raise BrokenExecutor from None
        raise


@dataclass(frozen=True)
class RangeJob:
    """Lines of a large plain file from byte ``start`` to byte ``end``, treated into a file of their own."""

    job: FileJob
    start: int
    end: int
    part: str
    known: re.Pattern[bytes] | None


def treat_range(one: RangeJob) -> Treated:
    """Treat one range. Running it again writes the same part again."""
    tally = tally_of(one.job) if one.job.tally_key else None
    with Path(one.job.path).open("rb") as raw, Path(one.part).open("wb") as out:
        first = first_line(raw, "")
        worker = one.job.source.treater(one.job.key, first_line=first, watch=tally, collect=True, known=one.known)
        raw.seek(one.start)
        pumped = pump(_Range(raw, one.end - one.start), out, worker, start=one.start)
        out.flush()
        os.fsync(out.fileno())
    return Treated(pumped, worker.outcome, tally, worker.identities or set())


class _Range:
    def __init__(self, raw: IO[bytes], size: int) -> None:
        self._raw, self._left = raw, size

    def read(self, size: int, /) -> bytes:
        data = self._raw.read(min(size, self._left))
        self._left -= len(data)
        return data


def treat_in_parts(workers: Workers, size: int = RANGE) -> Callable[..., Treated]:
    """Return a ``Treat`` that hands ranges of large plain files to workers and puts the parts together."""

    def treat(job: FileJob, raw: IO[bytes], kind: str, out: IO[bytes], known: re.Pattern[bytes] | None) -> Treated:
        whole = os.fstat(raw.fileno()).st_size
        if kind or whole <= size or job.source.compiled(first_line(raw, kind)) is None:
            return treat_here(job, raw, kind, out, known)
        path = Path(job.path)
        jobs = [
            RangeJob(job, start, end, str(files.temporary(path, f"part-{n}")), known)
            for n, (start, end) in enumerate(ranges(raw, whole, size))
        ]
        try:
            return _together(jobs, workers.map(treat_range, jobs), raw, out)
        finally:
            for one in jobs:
                with suppress(FileNotFoundError):
                    os.unlink(one.part)

    return treat


def ranges(raw: IO[bytes], whole: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut a file into ranges of about ``size`` bytes that end at newlines."""
    start = 0
    while start < whole:
        raw.seek(min(start + size, whole))
        while (data := raw.read(1 << 16)) and b"\n" not in data:
            pass
        end = raw.tell() - len(data) + data.find(b"\n") + 1 if data else whole
        yield start, end
        start = end


def _together(
    jobs: Sequence[RangeJob], parts: Iterator[Treated | ReticentError], raw: IO[bytes], out: IO[bytes]
) -> Treated:
    whole: Treated | None = None
    for one, part in zip(jobs, parts, strict=True):
        if isinstance(part, ReticentError):
            raise part
        with Path(one.part).open("rb") as made:
            shutil.copyfileobj(made, out, 1 << 20)
        whole = part if whole is None else _joined(whole, part)
    out.flush()
    if whole is None:
        raise SystemUnreachable("no range came back")
    whole.pumped = Pumped(files.digest(raw), _digest(out))
    return whole


def _digest(out: IO[bytes]) -> str:
    at = out.tell()
    digest = files.digest(out)
    out.seek(at)
    return digest


def _joined(first: Treated, then: Treated) -> Treated:
    first.outcome.lines += then.outcome.lines
    first.outcome.withheld += then.outcome.withheld
    first.outcome.shown += then.outcome.shown
    first.identities |= then.identities
    if first.tally is not None and then.tally is not None:
        first.tally.merge(then.tally)
    return first
