"""How much does a durable append to the ledger cost, next to a plain SQLite insert?

    python bench/ledger_append.py [BATCHES] [BATCH]

All ways append the same entries in the same process, batch by batch in turn, each batch durable
(write-ahead log, synchronous=FULL). Printed: the median CPU and wall time of a batch, and its ratio
to the plain insert of the same kind. ``bytes``: the entry's bytes are ready. ``entry``: the entry is a
mapping, so JSON is written, and for the ledger the closed schema checked. pymerkle gets ready bytes.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from statistics import median

from pymerkle import SqliteTree

from reticent.ledger.entries import encode
from reticent.ledger.log import Log

ORIGIN = "library.example/ledger/1"
NAMES = frozenset({"ils", "ils/old_issues"})
Entry = dict[str, object]
Way = Callable[[int, Sequence[Entry], Sequence[bytes]], object]


def entries(batch: int, size: int) -> list[Entry]:
    return [
        {
            "kind": "sever_run",
            "hour": "2026-03-01T14:00Z",
            "actor": "timer",
            "run": sha256(b"%d %d" % (batch, number)).hexdigest(),
            "system": "ils",
            "series": "ils/old_issues",
            "severed": 100 + number,
        }
        for number in range(size)
    ]


def durable(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE entry (i INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    return connection


def plain(path: Path, *, ready: bool) -> Way:
    connection = durable(path)

    def append(batch: int, given: Sequence[Entry], bodies: Sequence[bytes]) -> None:
        if not ready:
            bodies = [json.dumps(each, sort_keys=True, separators=(",", ":")).encode() for each in given]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO entry VALUES (?, ?)", enumerate(bodies, batch * len(bodies)))
        connection.execute("COMMIT")

    return append


def ledger(path: Path, *, ready: bool) -> Way:
    log = Log.create(path, ORIGIN, names=NAMES)

    def append(batch: int, given: Sequence[Entry], bodies: Sequence[bytes]) -> range:
        if ready:
            return log._extend(bodies, ["sever_run"] * len(bodies), sha256(b"%d" % batch).digest())
        return log.append(given, once=f"batch {batch}")

    return append


def pymerkle_tree(path: Path) -> Way:
    tree = SqliteTree(str(path))
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        tree.con.execute(f"PRAGMA {pragma}").fetchall()
    return lambda _batch, given, bodies: tree.append_entries(bodies, chunksize=len(given))


def main() -> None:
    batches, size = (int(word) for word in (sys.argv[1:] + ["200", "1000"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Way] = {
            "plain insert, bytes": plain(Path(folder, "a"), ready=True),
            "ledger, bytes": ledger(Path(folder, "b"), ready=True),
            "pymerkle 7 SqliteTree, bytes": pymerkle_tree(Path(folder, "c")),
            "plain insert, entry": plain(Path(folder, "d"), ready=False),
            "ledger, entry": ledger(Path(folder, "e"), ready=False),
        }
        cpu: dict[str, list[float]] = {name: [] for name in ways}
        wall: dict[str, list[float]] = {name: [] for name in ways}
        for batch in range(batches):
            given = entries(batch, size)
            bodies = [encode(each, NAMES) for each in given]
            for name, way in ways.items():
                began = time.process_time(), time.perf_counter()
                way(batch, given, bodies)
                cpu[name].append(time.process_time() - began[0])
                wall[name].append(time.perf_counter() - began[1])
    print(f"{batches} durable batches of {size}, interleaved; medians of a batch")
    for name in ways:
        base = f"plain insert, {'entry' if name.endswith('entry') else 'bytes'}"
        times, bases = (median(cpu[name]), median(wall[name])), (median(cpu[base]), median(wall[base]))
        print(
            f"{name:30} CPU {times[0] * 1e3:6.2f} ms ({times[0] / bases[0]:.2f}x)   "
            f"wall {times[1] * 1e3:6.2f} ms ({times[1] / bases[1]:.2f}x)   {size / times[1]:9,.0f} entries/s"
        )


if __name__ == "__main__":
    main()
