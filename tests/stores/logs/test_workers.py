"""Many processes, many machines; workers that die."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.stores.logs.made import ACCESS_FORMAT, made

from reticent.errors import ReticentError, SystemBusy, SystemUnreachable
from reticent.stores.logs.atrest import FileJob, sever_file
from reticent.stores.logs.sources import LogSource
from reticent.stores.logs.workers import Workers, cluster, local, ranges, treat_in_parts

KEY = bytes(range(32))
SOURCE = LogSource("access", (), ACCESS_FORMAT, ("ezproxy", "publishers"))
TEXT = made(800).access


def job(path: Path) -> FileJob:
    return FileJob(str(path), SOURCE, str(path.parent / "r"), "run", "proxy/access", KEY, KEY)


def log(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "e.log"
    path.write_bytes(TEXT)
    return path


def double(n: int) -> int:
    return 2 * n


def refuse(n: int) -> int:
    if n == 2:
        raise SystemBusy("the second is busy")
    return n


def die_once(mark: str) -> str:
    """Kill this worker the first time; do the work the second."""
    path = Path(mark)
    if path.name.startswith("dies") and not path.exists():
        path.write_text("died")
        os.kill(os.getpid(), signal.SIGKILL)
    with path.with_suffix(".done").open("a") as done:
        done.write("x")
    return path.name


def die(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_results_come_in_order_and_errors_as_values() -> None:
    with Workers(local(2)) as workers:
        assert list(workers.map(double, range(20))) == [2 * n for n in range(20)]
        found = list(workers.map(refuse, [1, 2, 3]))
    assert found[0] == 1
    assert isinstance(found[1], ReticentError)
    assert found[2] == 3


def test_a_worker_that_dies_loses_nothing(tmp_path: Path) -> None:
    marks = [str(tmp_path / name) for name in ("a", "dies-1", "b", "dies-2", "c")]
    with Workers(local(2)) as workers:
        assert list(workers.map(die_once, marks)) == [Path(mark).name for mark in marks]


def test_workers_that_keep_dying_stop_the_run() -> None:
    with Workers(local(1)) as workers, pytest.raises(SystemUnreachable, match="keep dying"):
        list(workers.map(die, [1]))


@pytest.mark.parametrize("size", [1, 999, 5_000, 1 << 30])
def test_ranges_end_at_newlines_and_cover_the_file(tmp_path: Path, size: int) -> None:
    path = log(tmp_path)
    path.write_bytes(TEXT[:20_000] + b"no newline at the end")
    with path.open("rb") as raw:
        cuts = list(ranges(raw, path.stat().st_size, size))
    text = path.read_bytes()
    assert b"".join(text[a:b] for a, b in cuts) == text
    assert all(text[b - 1 : b] == b"\n" for _, b in cuts[:-1])


def test_ranges_give_the_same_bytes_counts_and_offsets_as_one_pass(tmp_path: Path) -> None:
    one, many = log(tmp_path / "one"), log(tmp_path / "many")
    for path in (one, many):
        path.write_bytes(TEXT[:30_000] + b"\nnoise\n" + TEXT[30_000:])
    alone = sever_file(job(one))
    with Workers(local(2)) as workers:
        parted = sever_file(job(many), treat_in_parts(workers, 20_000))
    assert many.read_bytes() == one.read_bytes()
    assert parted.tally == alone.tally
    assert parted.shown == alone.shown
    assert (parted.lines, parted.withheld, parted.after) == (alone.lines, alone.withheld, alone.after)
    assert not list((tmp_path / "many").glob(".*"))


def test_a_worker_killed_in_the_middle_of_a_file_repeats_nothing(tmp_path: Path) -> None:
    path = log(tmp_path / "killed")
    alone = sever_file(job(log(tmp_path / "alone")))
    with Workers(local(2)) as workers:
        list(workers.map(double, [1, 2]))
        assert workers._executor is not None
        victim = next(iter(workers._executor._processes))  # type: ignore[attr-defined]
        os.kill(victim, signal.SIGKILL)
        receipt = sever_file(job(path), treat_in_parts(workers, 20_000))
    assert receipt.after == alone.after
    assert receipt.tally == alone.tally


def process_of_a_worker() -> int:
    return os.getpid()


def test_a_dask_cluster_does_the_same_and_survives_a_killed_worker(tmp_path: Path, dask_cluster: str) -> None:
    import distributed

    alone = sever_file(job(log(tmp_path / "alone")))
    with distributed.Client(dask_cluster) as client:  # type: ignore[no-untyped-call]
        workers_pids = client.run(process_of_a_worker)
    with Workers(cluster(dask_cluster)) as workers:
        assert list(workers.map(double, [1, 2, 3])) == [2, 4, 6]
        os.kill(next(iter(workers_pids.values())), signal.SIGKILL)
        receipt = sever_file(job(log(tmp_path / "cluster")), treat_in_parts(workers, 20_000))
    assert receipt.after == alone.after
    assert receipt.tally == alone.tally
