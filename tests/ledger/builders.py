"""Ledgers to test with: real files, real keys, and entries of the closed schema."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from reticent.keyring.folder import Folder
from reticent.keyring.signing import LedgerKey
from reticent.ledger.entries import encode
from reticent.ledger.log import Log
from reticent.ledger.merkle import leaf_hash, node_hash
from reticent.ledger.note import Verifier
from reticent.ledger.verify import verify

ORIGIN = "library.example/ledger/1"
NAMES = frozenset({"ils", "ils/old_issues", "ils/statistics"})


def entry(number: int = 0) -> dict[str, object]:
    """Return a valid entry; different numbers, different bytes."""
    return {
        "kind": "sever_run",
        "hour": f"2026-03-{1 + number // 24 % 28:02d}T{number % 24:02d}:00Z",
        "actor": "timer",
        "run": sha256(f"run {number}".encode()).hexdigest(),
        "system": "ils",
        "series": "ils/old_issues",
        "severed": 100 + number,
    }


def bodies(count: int) -> list[bytes]:
    return [encode(entry(number), NAMES) for number in range(count)]


def new_log(path: Path, count: int = 0, batch: int = 1000) -> Log:
    """Return a new ledger of ``count`` entries."""
    log = Log.create(path, ORIGIN, names=NAMES)
    for start in range(0, count, batch):
        log.append([entry(number) for number in range(start, min(count, start + batch))], once=f"act {start}")
    return log


def new_key(tmp_path: Path, origin: str = ORIGIN) -> LedgerKey:
    return LedgerKey.create(Folder.create(tmp_path / "keys", tmp_path / "state"), origin)


def direct_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1 word for word over entries, sharing nothing with our tree but the hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    at = 1
    while at * 2 < len(leaves):
        at *= 2
    return node_hash(direct_root(leaves[:at]), direct_root(leaves[at:]))


def start_worker(*arguments: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start ``tests.ledger.worker``; ``before`` are words to put in front of python."""
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [*before, sys.executable, "-m", "tests.ledger.worker", *map(str, arguments)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def acts_done(said: str) -> dict[int, int]:
    """Return act -> first index from a worker's whole lines."""
    whole = said[: said.rfind("\n") + 1].splitlines()
    return {int(line.split()[1]): int(line.split()[2]) for line in whole if line.startswith("done")}


def assert_acts_stand(path: Path, done: dict[int, int], batch: int) -> int:
    """Check that the ledger is sound and holds each of these acts at its place; return its size."""
    report = verify(path, Verifier(ORIGIN, bytes(32)))
    assert report.sound, report.sentences()
    with Log.open(path, ORIGIN, names=NAMES) as log:
        for act, first in done.items():
            expected = [encode(entry(act * batch + number), NAMES) for number in range(batch)]
            assert [log.entry(first + number) for number in range(batch)] == expected
    return report.size
