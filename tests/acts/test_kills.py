"""Killed at random moments while somebody else inserts and severs the same kinds of rows: exactly once."""
# ruff: noqa: ISC004

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from tests import servers
from tests.acts import kit
from tests.acts.literal import ANONYMOUS

DUE_LOANS = (
    f"borrowernumber IS NOT NULL AND borrowernumber <> {ANONYMOUS} AND returndate < :cutoff AND issue_id NOT IN"
    " (SELECT old_issue_id FROM accountlines WHERE amountoutstanding <> 0 AND old_issue_id IS NOT NULL)"
    " AND issue_id NOT IN (SELECT issue_id FROM return_claims WHERE resolved_on IS NULL AND issue_id IS NOT NULL)"
    " AND borrowernumber NOT IN (SELECT borrowernumber FROM patron_consent WHERE type = 'READING_HISTORY'"
    " AND given_on IS NOT NULL AND refused_on IS NULL)"
)
DUE_STATISTICS = "borrowernumber IS NOT NULL AND (datetime < :cutoff OR datetime IS NULL)"
DUE_SEARCHES = "time < :cutoff"


@dataclass
class Other:
    """Another program at work in the same tables; counts what it really changed."""

    lab: kit.Lab
    cutoff: str
    changed: dict[str, int] = field(default_factory=lambda: {"old_issues": 0, "statistics": 0, "search_history": 0})
    inserted: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Other:
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _work(self) -> None:
        rng, engine = random.Random(5), sa.create_engine(self.lab.url)
        while not self._stop.wait(0.02):
            with contextlib.suppress(DBAPIError):  # a lock time-out, or the server is down: as in Koha
                self._once(rng, engine)
        engine.dispose()

    def _once(self, rng: random.Random, engine: sa.Engine) -> None:
        number = 900_000 + self.inserted
        with engine.begin() as connection:
            for sql in (
                "INSERT INTO old_issues (issue_id, borrowernumber, itemnumber, issuedate, returndate) VALUES"
                " (:n, 10, 1, '2026-01-01', '2037-01-01')",
                "INSERT INTO statistics (datetime, type, borrowernumber, itemnumber) VALUES"
                " ('2037-01-01', 'issue', 10, :n)",
                "INSERT INTO search_history (id, userid, sessionid, query_desc, query_cgi, type, time) VALUES"
                " (:n, 10, 's', 'q', 'c', 'biblio', '2037-01-01')",
            ):
                connection.execute(sa.text(sql), {"n": number})
        self.inserted += 1
        for table, change, where in (
            (
                "old_issues",
                f"UPDATE old_issues SET borrowernumber = {ANONYMOUS}, note = NULL",
                f"issue_id = :n AND {DUE_LOANS}",
            ),
            ("search_history", "DELETE FROM search_history", f"id = :n AND {DUE_SEARCHES}"),
            ("statistics", "UPDATE statistics SET borrowernumber = NULL", f"itemnumber = :n AND {DUE_STATISTICS}"),
        ):
            with engine.begin() as connection:
                values = {"n": rng.randrange(1, 1500), "cutoff": self.cutoff}
                rows = connection.execute(sa.text(f"{change} WHERE {where}"), values).rowcount
            self.changed[table] += rows


@dataclass
class Before:
    """What stood in the tables before the first run."""

    due: dict[str, int]
    searches: int
    untouched: dict[str, str]


def _due(lab: kit.Lab, cutoff: str) -> dict[str, int]:
    wheres = {"old_issues": DUE_LOANS, "statistics": DUE_STATISTICS, "search_history": DUE_SEARCHES}
    return {
        table: lab.ask(f"SELECT COUNT(*) FROM {table} WHERE {where}", cutoff=cutoff) for table, where in wheres.items()
    }


def _not_due(lab: kit.Lab, cutoff: str) -> dict[str, str]:
    """Digests of the rows nobody may touch."""
    wheres = {"old_issues": DUE_LOANS, "statistics": DUE_STATISTICS}
    found = {}
    with lab.engine.connect() as connection:
        for table, where in wheres.items():
            sql = f"SELECT * FROM {table} WHERE borrowernumber <> {ANONYMOUS} AND NOT COALESCE({where}, FALSE)"
            mine = " AND NOT COALESCE(issue_id >= 900000, FALSE)" if table == "old_issues" else ""
            mine = mine or " AND NOT COALESCE(itemnumber >= 900000, FALSE)"
            rows = connection.execute(sa.text(sql + mine), {"cutoff": cutoff}).mappings()
            found[table] = kit.digest([dict(row) for row in rows])
    return found


def _begin(lab: kit.Lab, more: int = 0) -> tuple[str, Before]:
    lab.write_site("search", "circulation")
    for _ in range(more):
        columns = "userid, sessionid, query_desc, query_cgi, type, total, time"
        lab.do(f"INSERT INTO search_history ({columns}) SELECT {columns} FROM search_history WHERE id < 900")
    plan = lab.plan()
    cutoff = plan["cutoffs"]["ils/old_issues"].replace("T", " ")
    assert cutoff == plan["cutoffs"]["ils/search_history"].replace("T", " ")
    due = _due(lab, cutoff)
    assert {step["series"]: step["rows"] for step in plan["steps"] if step["series"] in due} == due
    return cutoff, Before(due, lab.ask("SELECT COUNT(*) FROM search_history"), _not_due(lab, cutoff))


def _check(lab: kit.Lab, cutoff: str, before: Before, other: Other) -> None:
    """Exactly the due rows, exactly once, whoever severed them; every search still counted."""
    assert _due(lab, cutoff) == dict.fromkeys(before.due, 0)
    assert _not_due(lab, cutoff) == before.untouched
    (run,) = lab.state("SELECT id, ended, outcome FROM runs")
    assert (run[1] is not None, run[2]) == (True, "done")
    severed = {step.removeprefix("ils/"): rows for step, rows in lab.state("SELECT step, severed FROM run_steps")}
    ours = {table: severed[table] for table in before.due}
    assert {table: ours[table] + other.changed[table] for table in ours} == before.due
    assert lab.tally() == severed["search_history"]
    assert lab.tally(margin="type") == severed["search_history"]
    live = lab.ask("SELECT COUNT(*) FROM search_history")
    assert lab.tally() + live + other.changed["search_history"] == before.searches + other.inserted
    assert lab.ask("SELECT COUNT(*) FROM reticent_receipts WHERE run <> 'mark'") == 0
    assert lab.state("SELECT COUNT(*) FROM receipts") == [(0,)]
    with contextlib.closing(sqlite3.connect(lab.folder / "state" / "ledger.sqlite")) as ledger:
        kinds = [body for (body,) in ledger.execute("SELECT body FROM entry")]
    assert sum(b'"kind":"sever_run"' in body for body in kinds) == 1


@contextmanager
def _worker(lab: kit.Lab, size: int) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    root, started = Path(__file__).resolve().parents[2], lab.folder / "started"
    started.unlink(missing_ok=True)
    arguments = [
        "--site",
        str(lab.folder / "reticent.toml"),
        "--json",
        "sever",
        "--plan",
        str(lab.folder / "plan.json"),
    ]
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("worker.py")), str(size), str(started), *arguments],
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}"},
        cwd=lab.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, started
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


def _run_and_kill(lab: kit.Lab, kills: int, rng: random.Random, longest: float) -> int:
    """Run until done, killing the first ``kills`` tries: some while they start, most while they sever."""
    killed = gave_way = 0
    while True:
        with _worker(lab, 17 if killed < kills else 400) as (process, started):
            if killed < kills:
                early = killed % 4 == 3
                while not early and not started.exists() and process.poll() is None:
                    time.sleep(0.005)
                try:
                    process.wait(rng.uniform(0, 1.2 if early else longest))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    killed += 1
            out, err = process.communicate(timeout=120)
        if process.returncode == -signal.SIGKILL:
            continue
        if process.returncode == 3 and "wanted the same rows" in out and gave_way < 5:
            gave_way += 1  # before its first chunk or after its last, on a machine that is very busy
            continue
        assert process.returncode in (0, 4), out + err
        if process.returncode == 4:
            assert "applied before" in out
        return killed


def _kill_test(lab: kit.Lab, kills: int, more: int, longest: float) -> None:
    cutoff, before = _begin(lab, more)
    with Other(lab, cutoff) as other:
        killed = _run_and_kill(lab, kills, random.Random(kills), longest)
    lab.close()
    _check(lab, cutoff, before, other)
    assert other.inserted > 20
    assert killed >= kills * 0.8


def test_kills_on_sqlite(sqlite_lab: kit.Lab) -> None:
    _kill_test(sqlite_lab, 4, 2, 0.7)


def test_kills_on_mariadb(mariadb_lab: kit.Lab) -> None:
    _kill_test(mariadb_lab, 4, 2, 0.7)


@pytest.mark.soak
def test_fifty_kills_on_sqlite(sqlite_lab: kit.Lab) -> None:
    _kill_test(sqlite_lab, 50, 60, 0.5)


@pytest.mark.soak
def test_fifty_kills_on_mariadb(mariadb_lab: kit.Lab) -> None:
    _kill_test(mariadb_lab, 50, 60, 0.5)


def _until_done(lab: kit.Lab) -> list[int]:
    codes = []
    for _ in range(20):
        done = lab.sever()
        codes.append(done.code)
        if done.code == 0:
            return codes
        assert done.code == 3, done.said
        assert "Running again" in done.said or "again" in done.said
    raise AssertionError(codes)


def test_the_database_server_is_killed_in_the_middle(sample: kit.Sample, tmp_path: Path) -> None:
    with servers.mariadb() as server:
        server.execute("CREATE DATABASE koha")
        lab = sample.mariadb(tmp_path, server.url(database="koha"))
        cutoff, before = _begin(lab, 3)
        with Other(lab, cutoff) as other:
            for kill in range(2):
                with _worker(lab, 11) as (process, started):
                    while not started.exists() and process.poll() is None:
                        time.sleep(0.005)
                    time.sleep(0.3 + 0.4 * kill)
                    server.kill()
                    time.sleep(0.5)
                    server.start()
                    out, err = process.communicate(timeout=120)
                assert process.returncode in (0, 3), out + err
            with _worker(lab, 400) as (process, _):
                out, err = process.communicate(timeout=120)
            assert process.returncode == 0 or "applied before" in out, out + err
        lab.close()
        _check(lab, cutoff, before, other)
        lab.close()


class Proxy:
    """Stands between Reticent and the server and cuts the line at a COMMIT: before or after it got through.

    ``cuts``: which COMMIT, counted from 1; with ``receipts`` only those that follow a chunk's receipt count.
    """

    def __init__(self, port: int, cuts: dict[int, str], *, receipts: bool = False) -> None:
        self.server_port, self.cuts, self.commits, self.done = port, cuts, 0, 0
        self._before = b"INSERT INTO reticent_receipts" if receipts else b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.server_port))
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        last = b""
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if data[4:] == b"\x03COMMIT" and self._before in last and b"'mark'" not in last:
                    self.commits += 1
                    if cut := self.cuts.get(self.commits):
                        self.done += 1
                        if cut == "after":
                            client.shutdown(socket.SHUT_WR)  # the answer goes nowhere
                            server.sendall(data)
                            time.sleep(0.2)
                        break
                last = data
                server.sendall(data)
        for end in (client, server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _pass(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


def test_a_chunk_whose_commit_got_no_answer_is_settled_in_the_same_run(
    mariadb_lab: kit.Lab, mariadb: servers.Server
) -> None:
    lab = mariadb_lab
    cutoff, before = _begin(lab)
    proxy = Proxy(mariadb.port, {1: "after", 2: "before"}, receipts=True)
    direct = lab.url
    lab.write_site("search", "circulation", sever=direct.replace(f":{mariadb.port}/", f":{proxy.port}/"))
    done = lab.sever()
    proxy.close()
    assert done.code == 0, done.said
    assert proxy.done == 2
    _check(lab, cutoff, before, Other(lab, cutoff))


def test_the_line_is_cut_at_every_kind_of_commit(mariadb_lab: kit.Lab, mariadb: servers.Server) -> None:
    lab = mariadb_lab
    cutoff, before = _begin(lab)
    cuts = {n: ("after", "before")[n % 2] for n in (1, 2, 3, 5, 6, 8, 9, 11, 12, 13, 15, 16)}
    proxy = Proxy(mariadb.port, cuts)
    direct = lab.url
    lab.write_site("search", "circulation", sever=direct.replace(f":{mariadb.port}/", f":{proxy.port}/"))
    codes = _until_done(lab)
    proxy.close()
    assert len(codes) > 3
    assert proxy.done == len(cuts)
    _check(lab, cutoff, before, Other(lab, cutoff))


@pytest.mark.parametrize("stops", ["sever", "plan", "find"])
def test_the_very_first_command_may_be_killed_anywhere(sqlite_lab: kit.Lab, stops: str) -> None:
    """State, keys and ledger are made on first use; a kill in between must not lock the site out."""
    lab, rng = sqlite_lab, random.Random(stops)
    lab.write_site("search")
    for _ in range(2):
        process = lab.start("plan" if stops == "plan" else "find")
        deadline = time.monotonic() + 20
        while not (lab.folder / "state").exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        process.communicate()
    lab.plan()
    assert lab.sever().code == 0
    assert lab.run("find").code == 1


def test_a_key_without_a_ledger_is_what_a_kill_leaves_and_goes_on(sqlite_lab: kit.Lab) -> None:
    lab = sqlite_lab
    lab.write_site("search")
    lab.plan()
    assert lab.sever().code == 0
    assert lab.run("find").code == 1
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
        (lab.folder / "state" / name).unlink(missing_ok=True)
    lost = lab.run("find")
    assert lost.code == 5, "a ledger that was lost is not begun again in silence"
    assert "not a continuation of what was signed before" in lost.said
    for path in (lab.folder / "keys").glob("*.last"):
        path.unlink()  # as if the kill had come between making the key and making the ledger
    (lab.folder / "state" / "ledger.sqlite").unlink()
    assert lab.run("find").code == 1
