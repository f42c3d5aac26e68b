"""Chains of loans that are moved (PostgreSQL), killed at random moments while a desk renews: whole, exactly once."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.acts.test_local_map import OFFICERS
from tests.stores.sql.test_together import OPEN, PAST, Desk, desk

from reticent.keyring.officers import statement
from reticent.systems.load import load_map

__all__ = ["desk"]
WORKER = Path(__file__).parents[2] / "acts" / "worker.py"
LOANS = 900


def _chains(rng: random.Random) -> list[list[int]]:
    numbers, chains = list(range(1, LOANS + 1)), []
    while numbers:
        size = rng.choice((1, 1, 1, 2, 3))
        chains.append(numbers[:size])
        del numbers[:size]
    return chains


@contextmanager
def _renewing(desk: Desk, heads: list[int]) -> Iterator[list[tuple[int, int]]]:
    """Renew loans as the system does, locking what is renewed; yields (renewal, what it renews)."""
    made: list[tuple[int, int]] = []
    stop, rng = threading.Event(), random.Random(3)

    def work() -> None:
        engine = sa.create_engine(desk.url)
        for number in range(10_001, 20_000):
            if stop.is_set():
                break
            with engine.begin() as connection:
                after = rng.choice(heads)
                there = connection.exec_driver_sql(f"SELECT 1 FROM desk.loan WHERE id = {after} FOR KEY SHARE").first()
                follows = f"EXISTS (SELECT 1 FROM desk.loan WHERE renews = {after})"
                if there and not connection.exec_driver_sql(f"SELECT {follows}").scalar():
                    connection.exec_driver_sql(f"INSERT INTO desk.loan VALUES ({number}, {after}, 1, NULL, {number})")
                    made.append((number, after))
            time.sleep(0.02)
        engine.dispose()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def _signed(desk: Desk) -> None:
    """Have two officers sign the desk's map: without them no own map counts."""
    message, public = desk.folder / "statement", list[str]()
    message.write_bytes(statement("map", {"map": load_map(desk.folder / "desk.toml").digest}))
    for role in ("custodian", "counsel"):
        key = desk.folder / role
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "reticent", "-f", key, message], check=True)
        message.with_suffix(".sig").rename(desk.folder / f"desk.toml.{role}.sig")
        public.append(" ".join(key.with_suffix(".pub").read_text().split()[:2]))
    with (desk.folder / "reticent.toml").open("a") as site:
        site.write('[state]\npath = "state"\nkeys = "keys"\n' + OFFICERS.format(*public))


def _command(desk: Desk, *words: str, size: int = 3) -> subprocess.Popen[str]:
    site = ("--site", str(desk.folder / "reticent.toml"))
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(size), str(desk.folder / "started"), *site, "--json", *words],
        env={**os.environ, "PYTHONPATH": str(WORKER.parents[2] / "src")},
        cwd=desk.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _done(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def _sever_with_kills(desk: Desk, kills: int, rng: random.Random) -> int:
    """Sever until nothing is left to do, killing the first ``kills`` tries."""
    plan = desk.folder / "plan.json"
    code, said = _done(_command(desk, "plan", "--out", str(plan)))
    assert code == 0, said
    killed = 0
    for _ in range(kills + 30):
        (desk.folder / "started").unlink(missing_ok=True)
        with _command(desk, "sever", "--plan", str(plan), size=3 if killed < kills else 200) as process:
            if killed < kills:
                while not (desk.folder / "started").exists() and process.poll() is None:
                    time.sleep(0.005)
                try:
                    process.wait(rng.uniform(0, 0.5))
                except subprocess.TimeoutExpired:
                    process.kill()
                    killed += 1
            code, said = _done(process)
        if code == 0 or "applied before" in said:
            return killed
        assert code in (-9, 3), said
    raise AssertionError("it never ended")


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.soak)])
def test_chains_are_moved_whole_and_once_whenever_it_is_killed(desk: Desk, kills: int) -> None:
    rng = random.Random(kills)
    chains = _chains(rng)
    ended = {chain[0]: rng.choice([PAST] * 8 + [OPEN]) for chain in chains}
    rows = [(number, before, ended[chain[0]] if number == chain[-1] else PAST)
            for chain in chains for number, before in zip(chain, [None, *chain], strict=False)]  # fmt: skip
    desk.loans(*rows)
    desk.opened()
    _signed(desk)
    ends = [chain[-1] for chain in chains]
    with _renewing(desk, ends) as renewed:
        killed = _sever_with_kills(desk, kills, rng)
    assert killed >= kills * 0.6
    renewals = dict(renewed)
    left = {row[0] for row in desk.ask("SELECT id FROM desk.loan")}
    stays = [chain for chain in chains if chain[-1] in renewals.values() or ended[chain[0]] is not PAST]
    assert left == {number for chain in stays for number in chain} | renewals.keys()
    moved = [row[0] for row in desk.ask("SELECT item FROM desk.old_loan ORDER BY item")]
    assert moved == sorted(set(range(1, LOANS + 1)) - left)
    assert desk.ask(
        "SELECT count(*) FROM desk.old_loan WHERE town IS NOT NULL OR staff IS NOT NULL OR id < 900000"
    ) == [(0,)]
    assert {row[0] for row in desk.ask("SELECT loan FROM desk.note WHERE body = ''")} == set(moved)
    assert desk.ask("SELECT count(*) FROM reticent_receipts WHERE run <> 'mark'") == [(0,)]
    with closing(sqlite3.connect(desk.folder / "state" / "state.sqlite")) as state:
        severed = state.execute("SELECT severed FROM run_steps WHERE step = 's/loans'").fetchall()
    assert severed == [(len(moved),)]
