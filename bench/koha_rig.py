"""The rig for benchmarks on a real MariaDB: a big Koha, and a live ILS that keeps working beside us.

``python -m bench.koha_rig --patrons 20000 --loans 300000`` fills a private server and prints what the
live ILS feels when nobody severs: the baseline every other figure is compared with.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from multiprocessing.connection import Connection as Pipe

import pymysql
from sqlalchemy import Connection, create_engine, make_url, text
from tests.servers import Server, mariadb

from reticent.sample import schema

ANONYMOUS = 1
FIRST_PATRON = 1001
TICK_SECONDS = 0.025
DURABLE = ("--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=3G", "--innodb-log-file-size=1G")
"""A production server's durability (its default) and room for the whole database in memory."""


@dataclass(frozen=True)
class Size:
    """How many rows the big Koha has. The default is the one the benchmarks are published for."""

    patrons: int = 200_000
    items: int = 300_000
    loans: int = 3_000_000
    statistics: int = 3_000_000
    renewals: int = 750_000
    unpaid: int = 20_000
    years: int = 6


@contextmanager
def rig(size: Size, today: date) -> Iterator[tuple[Server, str]]:
    """Start a durable private MariaDB with a filled Koha; yield the server and the superuser's URL."""
    with mariadb(options=DURABLE) as server:
        server.execute("CREATE DATABASE koha")
        url = server.url(database="koha")
        engine = create_engine(url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            schema.create(connection)
            fill(connection, size, today)
        engine.dispose()
        yield server, url


def fill(connection: Connection, size: Size, today: date) -> None:
    """Fill the four big tables and what they refer to, by the server's own sequence tables.

    Privacy is 0, 2 and 1 for 5, 5 and 90 of 100 patrons; loans of privacy 2 are anonymised already.
    Issue ids grow with time; every loan came back before ``today``.
    """
    run = connection.exec_driver_sql
    # With both checks off InnoDB builds the indexes of an empty table by sorting: minutes become seconds.
    run("SET SESSION unique_checks = 0, foreign_key_checks = 0, sql_log_bin = 0")
    run("INSERT INTO branches (branchcode, branchname) VALUES ('MAIN', 'Main'), ('EAST', 'East')")
    run("INSERT INTO categories (categorycode, description) VALUES ('AD', 'Adult'), ('ANON', 'Anonymous')")
    run("INSERT INTO itemtypes (itemtype, description) VALUES ('BK', 'Book'), ('DVD', 'DVD')")
    settings = {"Version": "25.0500000", "AnonymousPatron": str(ANONYMOUS), "IssueLog": "1"}
    for name, value in settings.items():
        run("INSERT INTO systempreferences (variable, value) VALUES (%s, %s)", (name, value))
    run(
        "INSERT INTO borrowers (borrowernumber, cardnumber, surname, branchcode, categorycode, privacy)"
        f" VALUES ({ANONYMOUS}, 'ANONYMOUS', 'Anonymous', 'MAIN', 'ANON', 2)"
    )
    for statement in _statements(size, today):
        connection.execute(text(statement))
    run("SET SESSION unique_checks = 1, foreign_key_checks = 1")
    run("ANALYZE TABLE borrowers, items, old_issues, statistics, checkout_renewals, accountlines")


def _statements(size: Size, today: date) -> list[str]:
    scatter = "((seq * 2654435761) % 4294967296 / 4294967296e0)"
    patron = f"{FIRST_PATRON} + FLOOR(POW({scatter}, 1.6) * {size.patrons})"
    item = f"1 + (seq * 7919) % {size.items}"
    branch = "IF(seq % 3 = 0, 'EAST', 'MAIN')"
    start, span = today - timedelta(days=365 * size.years), 365 * size.years - 30
    issued = f"'{start} 09:00:00' + INTERVAL FLOOR({span} * seq / {{rows}}) DAY + INTERVAL (seq * 37) % 36000 SECOND"
    days = "(1 + (seq * 13) % 21)"
    loan_at = issued.format(rows=size.loans)
    back_at = f"{loan_at} + INTERVAL {days} DAY"
    stat_at = f"{issued.format(rows=size.statistics)} + INTERVAL IF(seq % 2, 0, {days}) DAY"
    return [
        ("INSERT INTO borrowers (borrowernumber, cardnumber, surname, firstname, email, branchcode, categorycode,"
        f" userid, dateenrolled, privacy) SELECT {FIRST_PATRON - 1} + seq, CONCAT('C', seq), CONCAT('Surname', seq),"
        f" CONCAT('Given', seq), CONCAT('p', seq, '@example.org'), {branch}, 'AD', CONCAT('u', seq), '{start}',"
        f" ELT(1 + LEAST(seq % 20, 2), 0, 2, 1) FROM seq_1_to_{size.patrons}"),
        ("INSERT INTO biblio (biblionumber, title, author, datecreated)"
        f" SELECT seq, CONCAT('Title ', seq), CONCAT('Author ', seq % 9000), '{start}' FROM seq_1_to_{size.items}"),
        ("INSERT INTO biblioitems (biblioitemnumber, biblionumber, itemtype)"
        f" SELECT seq, seq, 'BK' FROM seq_1_to_{size.items}"),
        ("INSERT INTO items (itemnumber, biblionumber, biblioitemnumber, barcode, homebranch, holdingbranch, itype)"
        f" SELECT seq, seq, seq, CONCAT('B', seq), {branch}, {branch}, 'BK' FROM seq_1_to_{size.items}"),
        ("INSERT INTO old_issues (issue_id, borrowernumber, itemnumber, date_due, branchcode, returndate,"
        f" timestamp, issuedate) SELECT seq, IF(({patron}) % 20 = {(FIRST_PATRON) % 20}, {ANONYMOUS}, {patron}),"
        f" {item}, {loan_at} + INTERVAL 21 DAY, {branch}, {back_at}, {back_at}, {loan_at} FROM seq_1_to_{size.loans}"),
        ("INSERT INTO statistics (datetime, branch, value, type, other, itemnumber, itemtype, borrowernumber,"
        f" categorycode, interface) SELECT {stat_at}, {branch}, 0, IF(seq % 2, 'issue', 'return'), '', {item}, 'BK',"
        f" {patron}, 'AD', 'intranet' FROM seq_1_to_{size.statistics}"),
        ("INSERT INTO checkout_renewals (checkout_id, renewer_id, seen, interface, timestamp)"
        " SELECT issue_id, borrowernumber, 0, 'opac', issuedate FROM old_issues"
        f" WHERE borrowernumber <> {ANONYMOUS} AND issue_id % {max(1, size.loans // size.renewals)} = 0"),
        ("INSERT INTO accountlines (old_issue_id, borrowernumber, itemnumber, date, amount, amountoutstanding,"
        " debit_type_code, description, interface) SELECT issue_id, borrowernumber, itemnumber, returndate, 2.5, 2.5,"
        " 'OVERDUE', CONCAT('Title ', itemnumber), 'cron' FROM old_issues"
        f" WHERE borrowernumber <> {ANONYMOUS} AND issue_id % {max(1, size.loans // size.unpaid)} = 1"),
    ]  # fmt: skip


@dataclass(frozen=True)
class Timing:
    """What one kind of live operation felt: count, failures, median and worst in milliseconds."""

    count: int
    failures: int
    median_ms: float
    worst_ms: float


Lap = Mapping[str, Timing]


@dataclass
class LiveIls:
    """A live ILS in a process of its own; each 25 ms it does one of each operation, each committed.

    Use as a context manager; ``lap()`` returns what happened since the last lap. An operation that
    gets an error (a deadlock, a lock time-out) counts as failed and is not retried, as in Koha.
    """

    url: str
    patrons: int
    items: int
    _pipe: Pipe | None = field(default=None, repr=False)

    def __enter__(self) -> LiveIls:
        ours, theirs = multiprocessing.Pipe()
        spawn = multiprocessing.get_context("spawn")
        self._process = spawn.Process(target=_live, args=(self.url, self.patrons, self.items, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe = ours
        self.lap()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._pipe is not None
        self._pipe.close()
        self._process.join(30)

    def lap(self) -> Lap:
        """Return the timings of every operation since the last lap and begin a new one."""
        assert self._pipe is not None
        self._pipe.send("lap")
        found: Lap = self._pipe.recv()
        return found

    def watch(self, seconds: float) -> Lap:
        """Begin a new lap, let ``seconds`` pass, and return it: the baseline."""
        self.lap()
        time.sleep(seconds)
        return self.lap()


def _live(url: str, patrons: int, items: int, pipe: Pipe) -> None:
    at = make_url(url)
    connection = pymysql.connect(
        host=at.host, port=at.port or 3306, user=at.username, database=at.database, autocommit=True
    )
    cursor = connection.cursor()
    cursor.execute("SELECT COALESCE(MAX(issue_id), 0) FROM old_issues")
    last = cursor.fetchone()
    assert last is not None
    work = _operations(cursor, random.Random(7), itertools.count(last[0] + 1), patrons, items)
    felt: dict[str, list[float]] = {name: [] for name in work}
    failed = dict.fromkeys(work, 0)
    while True:
        begun = time.perf_counter()
        for name, operation in work.items():
            start = time.perf_counter()
            try:
                operation()
            except pymysql.MySQLError:
                failed[name] += 1
            felt[name].append((time.perf_counter() - start) * 1000)
        try:
            if pipe.poll(max(0.0, TICK_SECONDS - (time.perf_counter() - begun))):
                pipe.recv()
                pipe.send({name: _timing(felt[name], failed[name]) for name in work})
                felt = {name: [] for name in work}
                failed = dict.fromkeys(work, 0)
        except EOFError:
            connection.close()
            return


def _operations(
    cursor: pymysql.cursors.Cursor, rng: random.Random, numbers: Iterator[int], patrons: int, items: int
) -> dict[str, Callable[[], object]]:
    """What the desk does all day. The loan anonymised is always the one just checked in."""
    newest = [0]

    def patron() -> int:
        return FIRST_PATRON + rng.randrange(patrons)

    def check_in() -> None:
        newest[0] = next(numbers)
        cursor.execute(
            "INSERT INTO old_issues (issue_id, borrowernumber, itemnumber, branchcode, issuedate, returndate)"
            " VALUES (%s, %s, %s, 'MAIN', NOW() - INTERVAL 9 DAY, NOW())",
            (newest[0], patron(), 1 + rng.randrange(items)),
        )

    def anonymise() -> None:
        cursor.execute("UPDATE old_issues SET borrowernumber = %s WHERE issue_id = %s", (ANONYMOUS, newest[0]))

    def count_it() -> None:
        cursor.execute(
            "INSERT INTO statistics (datetime, branch, type, itemnumber, itemtype, borrowernumber)"
            " VALUES (NOW(), 'MAIN', 'return', %s, 'BK', %s)",
            (1 + rng.randrange(items), patron()),
        )

    def touch() -> None:
        cursor.execute("UPDATE borrowers SET lastseen = NOW(6) WHERE borrowernumber = %s", (patron(),))

    def read() -> None:
        cursor.execute(
            "SELECT * FROM old_issues WHERE borrowernumber = %s ORDER BY timestamp DESC LIMIT 20", (patron(),)
        )
        cursor.fetchall()

    return {
        "insert a check-in": check_in,
        "anonymise on return": anonymise,
        "insert statistics": count_it,
        "touch a patron": touch,
        "read a history": read,
    }


def _timing(felt: list[float], failures: int) -> Timing:
    return Timing(len(felt), failures, statistics.median(felt or [0.0]), max(felt, default=0.0))


def show(title: str, lap: Lap) -> None:
    """Print one lap as a table."""
    print(f"{title:<24}{'count':>8}{'failed':>8}{'median ms':>12}{'worst ms':>12}")
    for name, t in lap.items():
        print(f"  {name:<22}{t.count:>8}{t.failures:>8}{t.median_ms:>12.2f}{t.worst_ms:>12.2f}")


def main() -> None:
    """Fill a private server and show the baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("patrons", "items", "loans", "statistics"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Size(), name))
    parser.add_argument("--seconds", type=float, default=20.0)
    chosen = parser.parse_args()
    size = Size(chosen.patrons, chosen.items, chosen.loans, chosen.statistics)
    begun = time.perf_counter()
    with rig(size, date(2026, 11, 1)) as (_, url):
        print(f"filled in {time.perf_counter() - begun:.1f} s")
        with LiveIls(url, size.patrons, size.items) as live:
            show("baseline", live.watch(chosen.seconds))


if __name__ == "__main__":
    main()
