"""A process that appends until it ends or is killed. Prints a line for each act, after it is durable.

    python -m tests.ledger.worker PATH NAME ACTS BATCH [--limit BYTES] [--sign FOLDER]

Lines: ``done ACT FIRST`` or ``refused CODE``. A refused act is tried again, three times at most.
"""

from __future__ import annotations

import argparse
import resource
from pathlib import Path

from tests.ledger.builders import NAMES, ORIGIN, entry

from reticent.errors import ReticentError
from reticent.keyring.folder import Folder
from reticent.keyring.signing import LedgerKey
from reticent.ledger.log import Log


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("name")
    parser.add_argument("acts", type=int)
    parser.add_argument("batch", type=int)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--sign", type=Path)
    given = parser.parse_args()
    if given.limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (given.limit, resource.RLIM_INFINITY))
    try:
        work(given)
    except ReticentError as refused:
        print("refused", refused.exit_code, flush=True)


def work(given: argparse.Namespace) -> None:
    key = LedgerKey.load(Folder(given.sign, given.path), ORIGIN) if given.sign else None
    with Log.open(given.path, ORIGIN, names=NAMES) as log:
        for act in range(given.acts):
            append(log, act, given)
            if key:
                log.checkpoint(key)


def append(log: Log, act: int, given: argparse.Namespace) -> None:
    entries = [entry(act * given.batch + number) for number in range(given.batch)]
    for _ in range(3):
        try:
            print("done", act, log.append(entries, once=f"{given.name} {act}").start, flush=True)
        except ReticentError as refused:
            print("refused", refused.exit_code, flush=True)
        else:
            return


if __name__ == "__main__":
    main()
