"""Many writers, killed writers, full disks and failing disks: real processes on real files."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from tests.ledger.builders import (
    NAMES,
    ORIGIN,
    acts_done,
    assert_acts_stand,
    entry,
    new_key,
    new_log,
    start_worker,
)

from reticent.errors import SystemBusy
from reticent.ledger.checkpoint import open_checkpoint
from reticent.ledger.log import Log
from reticent.ledger.merkle import EMPTY_ROOT, is_consistent
from reticent.ledger.note import Verifier
from reticent.ledger.verify import verify


def test_many_writers_leave_no_gap_and_no_duplicate(tmp_path: Path) -> None:
    path, writers, acts, batch = tmp_path / "ledger.db", 4, 30, 3
    new_log(path).close()
    workers = [start_worker(path, f"writer {number}", acts, batch) for number in range(writers)]
    while any(worker.poll() is None for worker in workers):
        assert verify(path, Verifier(ORIGIN, bytes(32))).sound
    firsts: list[int] = []
    for worker in workers:
        done = acts_done(worker.communicate()[0])
        assert_acts_stand(path, done, batch)
        firsts += done.values()
    assert sorted(firsts) == list(range(0, writers * acts * batch, batch))
    with Log.open(path, ORIGIN) as log:
        assert log.size == writers * acts * batch


def test_writers_racing_for_one_act_append_it_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    new_log(path).close()
    workers = [start_worker(path, "the same", 20, 2) for _ in range(3)]
    answers = [acts_done(worker.communicate()[0]) for worker in workers]
    assert answers[0] == answers[1] == answers[2]
    assert assert_acts_stand(path, answers[0], 2) == 40


def test_signers_racing_sign_forward_only(tmp_path: Path) -> None:
    path, key = tmp_path / "ledger.db", new_key(tmp_path)
    new_log(path).close()
    keys = tmp_path / "keys"
    workers = [start_worker(path, f"signer {number}", 15, 1, "--sign", keys) for number in range(3)]
    assert all("refused" not in worker.communicate()[0] for worker in workers)
    with Log.open(path, ORIGIN, names=NAMES) as log:
        last = open_checkpoint(key.last() or "", key.verifier)
        assert (last.size, last.root) == (45, log.root(45))
        assert log.checkpoint(key) == key.last()
    assert verify(path, key.verifier, own=key.last()).sound


def test_busy_ledger_says_so_in_time_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    new_log(path, 2).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Log.open(path, ORIGIN, names=NAMES, busy=0.2) as log:
        began = time.monotonic()
        with pytest.raises(SystemBusy):
            log.append([entry(2)], once="run")
        assert 0.1 < time.monotonic() - began < 5
        assert log.size == 2
        other.execute("ROLLBACK")
        assert log.append([entry(2)], once="run") == range(2, 3)
    other.close()


def kill_at_random(path: Path, times: int, seed: int) -> None:
    """Kill a writer again and again: nothing acknowledged is lost and no history is forked."""
    chance = random.Random(seed)
    new_log(path).close()
    old_size, old_root = 0, EMPTY_ROOT
    for life in range(times):
        worker = start_worker(path, f"life {life}", 10_000, 4)
        assert worker.stdout is not None
        said = worker.stdout.readline()
        time.sleep(chance.random() * 0.15)
        worker.kill()
        said += worker.communicate()[0]
        done = acts_done(said)
        assert done
        size = assert_acts_stand(path, done, 4)
        with Log.open(path, ORIGIN, names=NAMES) as log:
            root, proof = log.root(size), log.consistency_proof(old_size, size)
            assert is_consistent(old_size, size, old_root, root, proof)
            assert log.append([entry(number) for number in range(4)], once=f"life {life} 0") == range(
                done[0], done[0] + 4
            )
        assert size >= old_size + 4 * len(done)
        assert (size - old_size) % 4 == 0
        old_size, old_root = size, root


def test_killed_writers_lose_nothing_acknowledged(tmp_path: Path) -> None:
    kill_at_random(tmp_path / "ledger.db", 8, seed=1)


@pytest.mark.soak
def test_killed_writers_lose_nothing_acknowledged_soak(tmp_path: Path) -> None:
    kill_at_random(tmp_path / "ledger.db", 200, seed=2)


def test_full_disk_is_said_loses_nothing_and_is_mended_by_room(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    new_log(path, 300).close()
    said = start_worker(path, "writer", 400, 20, "--limit", path.stat().st_size + 60_000).communicate()[0]
    done = acts_done(said)
    assert 0 < len(done) < 400
    assert "refused 3" in said
    assert assert_acts_stand(path, done, 20) >= 300 + 20 * len(done)
    again = acts_done(start_worker(path, "writer", 400, 20).communicate()[0])
    assert {act: again[act] for act in done} == done
    assert assert_acts_stand(path, again, 20) == 300 + 400 * 20


FAILURES = ("error=EIO", "error=ENOSPC", "signal=SIGKILL")
FEW = [
    ("fdatasync", "error=EIO", 3),
    ("fdatasync", "signal=SIGKILL", 4),
    ("fdatasync", "error=EIO", 9),
    ("pwrite64", "error=ENOSPC", 2),
    ("pwrite64", "error=EIO", 13),
    ("pwrite64", "error=ENOSPC", 40),
    ("pwrite64", "signal=SIGKILL", 33),
]
ALL = [("fdatasync", failure, when) for failure in FAILURES for when in range(1, 16)]
ALL += [("pwrite64", failure, when) for failure in FAILURES for when in range(1, 92)]


def inject(folder: Path, call: str, failure: str, when: int) -> bool:
    """Fail the n-th such system call of a writer (as Tessera's fault test does), and look at what is left.

    Returns whether the writer noticed: it was killed, or was refused and said so.
    """
    path = folder / "ledger.db"
    new_log(path, 260).close()
    fault = f"inject={call}:{failure}:when={when}"
    strace = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", fault)
    worker = start_worker(path, "writer", 12, 1, before=strace)
    said = worker.communicate()[0]
    done = acts_done(said)
    assert assert_acts_stand(path, done, 1) in range(260 + len(done), 273)
    again = acts_done(start_worker(path, "writer", 12, 1).communicate()[0])
    assert {act: again[act] for act in done} == done
    assert assert_acts_stand(path, again, 1) == 272
    return worker.returncode == -signal.SIGKILL or "refused 3" in said


needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@needs_strace
@pytest.mark.parametrize(("call", "failure", "when"), FEW)
def test_failing_system_calls_lose_nothing(tmp_path: Path, call: str, failure: str, when: int) -> None:
    assert inject(tmp_path, call, failure, when)


@needs_strace
@pytest.mark.soak
@pytest.mark.parametrize(("call", "failure", "when"), ALL)
def test_failing_system_calls_lose_nothing_soak(tmp_path: Path, call: str, failure: str, when: int) -> None:
    inject(tmp_path, call, failure, when)
