"""Severing a big Koha: Reticent against the best plain UPDATE and against one UPDATE a patron.

``python -m bench.koha_sever`` fills a private MariaDB (200,000 patrons, 3 million loans, 3 million
statistics), keeps a live ILS working on it, and lets the three ways take turns on slices of the same
tables, so that a noisy machine is as noisy for each; a ratio is the median of the ratios of neighbours.
Between them nobody severs for as long as a slice of ours took. ``--small`` is a tenth of it.

The server throws the old versions of changed rows away after the commit. It does so while ours, which
commits many times, is still at work; after one big UPDATE it begins when the clock of that UPDATE has
stopped. So each slice is timed twice: to its last commit, and until the server is clean again, for which
the next slice waits. Processor time is counted to the second moment.

Reticent's rows are severed through its own engine: due or not is decided by the whole map, every chunk
is locked, recounted and receipted, and the receipts are imported into its state. The plain UPDATE sets
the same columns over a range of keys and asks nothing; nobody could run it, and nothing is faster.

One UPDATE a patron is how Koha's batch_anonymise.pl worked, a night's returns at a time, without its Perl: a search
for the patrons, which reads all finished loans, then an UPDATE and a commit for each. Its rate is given with the
search and without. Koha has no such thing for statistics; there it is the same UPDATEs behind a search by an index.
"""

from __future__ import annotations

import argparse
import re
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import pymysql
from bench.common import RUN, OneWalk, Way, compare, cpu_seconds, engine_of, opened_site, times
from bench.koha_rig import ANONYMOUS, LiveIls, Size, rig, show
from sqlalchemy import make_url
from tests.servers import Server

from reticent.acts.find import find
from reticent.acts.opening import Opened
from reticent.acts.systems import SqlSystem
from reticent.sever.engine import Engine

_STATUS = (r"Trx id counter (\d+)", r"Purge done for trx's n:o < (\d+)", r"History list length (\d+)")
TODAY = date(2026, 11, 1)
CUTOFF = datetime(2026, 11, 1)
SYSTEM = """
kind = "koha"
decisions = { history = "sever" }
"""
SET = {
    "old_issues": f"issuer_id = IF(issuer_id = borrowernumber, NULL, issuer_id), note = NULL, notedate = NULL, "
    f"borrowernumber = {ANONYMOUS}, timestamp = timestamp",
    "statistics": "borrowernumber = NULL, datetime = DATE_FORMAT(datetime, '%%Y-%%m-%%d %%H:00:00')",
}
# Written from what Koha 19.06's search for patrons to anonymise is described to do: every column of the borrowers,
# joined to their finished loans, each patron once. Nothing indexes the day of return, so it reads all loans.
SEARCH = (
    "SELECT b.* FROM borrowers b LEFT JOIN old_issues o ON o.borrowernumber = b.borrowernumber WHERE b.privacy <> 0"
    f" AND o.borrowernumber <> {ANONYMOUS} AND o.returndate >= %s AND o.returndate < %s GROUP BY b.borrowernumber"
)
STATISTICS_SEARCH = (
    "SELECT DISTINCT borrowernumber FROM statistics WHERE datetime >= %s AND datetime < %s"
    " AND borrowernumber IS NOT NULL"
)


@dataclass
class Felt(Way):
    """One way of severing, and what the live ILS felt meanwhile.

    ``cpu`` is counted until the server is clean; the live ILS's share of it is in all. ``clean_rates``: rows a second to that moment; ``rates``: to the last commit.
    """

    clean_rates: list[float] = field(default_factory=list)
    worst_ms: list[float] = field(default_factory=list)
    failures: int = 0

    def watched(self, live: LiveIls) -> None:
        """Do the next slice, and look at the live ILS."""
        live.lap()
        before, begun, cpu = self.rows, time.perf_counter(), cpu_seconds(self.server)
        self.slice()
        lap = live.lap()
        wait_until_clean(self.server)
        until_clean, cpu = time.perf_counter() - begun, cpu_seconds(self.server) - cpu
        rows = self.rows - before
        self.clean_rates.append(rows / until_clean)
        self.cpu[-1] = 1e6 * cpu / max(1, rows)
        self.worst_ms.append(max(timing.worst_ms for timing in lap.values()))
        self.failures += sum(timing.failures for timing in lap.values())


def wait_until_clean(server: Server) -> None:
    """Wait until the old versions of all that is committed by now are thrown away, at most a minute.

    How many transactions wait says too little: one big UPDATE is one.
    """
    until = 0
    with pymysql.connect(host="127.0.0.1", port=server.port, user="root") as connection, connection.cursor() as cursor:
        for _ in range(1_200):
            cursor.execute("SHOW ENGINE INNODB STATUS")
            status = str(cursor.fetchone()[2])  # type: ignore[index]
            begun, purged, waiting = (int(_found(pattern, status)) for pattern in _STATUS)
            until = until or begun
            if purged >= until or not waiting:
                return
            time.sleep(0.05)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, pattern
    return match[1]


@dataclass
class Table:
    """One table under test: Reticent works from its low end, plain UPDATEs from its high end."""

    name: str
    size: Size
    connection: pymysql.Connection
    engine: Engine
    severer: OneWalk
    rows: int
    taken: int = 0
    patrons_done: int = 0
    bare_rates: list[float] = field(default_factory=list)
    """Rows a second of one UPDATE a patron, its search for patrons left out."""

    def ours(self) -> int:
        (step,) = self.severer.steps(self.name)
        return self.engine.run_step(step, "circulation", CUTOFF, self.rows, RUN, 0)

    def plain(self) -> int:
        """The next range of keys (or days) from the far end, in one statement."""
        self.taken += self.rows
        total = self.size.loans if self.name == "old_issues" else self.size.statistics
        low, high = total - self.taken, total - self.taken + self.rows
        return self._update(*self._range(low, high, total))

    def _range(self, low: int, high: int, total: int) -> tuple[str, tuple[object, ...]]:
        if self.name == "old_issues":
            return "issue_id > %s AND issue_id <= %s", (low, high)
        return "datetime >= %s AND datetime < %s", self._days(low, high, total)

    def _days(self, low: int, high: int, total: int) -> tuple[date, date]:
        """Return the days that rows ``low`` to ``high`` of ``total`` stand for."""
        span, first = 365 * self.size.years - 30, TODAY - timedelta(days=365 * self.size.years)
        begin, end = (first + timedelta(days=span * part / total) for part in (low, high))
        return begin, end

    def _update(self, where: str, values: tuple[object, ...]) -> int:
        cursor = self.connection.cursor()
        rows = cursor.execute(
            f"UPDATE {self.name} SET {SET[self.name]} WHERE {where} AND borrowernumber IS NOT NULL"
            f" AND borrowernumber <> {ANONYMOUS}",
            values,
        )
        self.connection.commit()
        return rows

    def by_patron(self) -> int:
        """One UPDATE and one commit a patron, over some days in the middle of the table."""
        total = self.size.loans if self.name == "old_issues" else self.size.statistics
        low = total // 2 + self.patrons_done
        # At least two days, so that some of it falls into opening hours.
        high = low + max(200, self.rows // 200, 2 * total // (365 * self.size.years))
        self.patrons_done = high - total // 2
        days = self._days(low, high, total)
        if self.name == "old_issues":
            where, query = "returndate >= %s AND returndate < %s", SEARCH
        else:
            where, query = "datetime >= %s AND datetime < %s", STATISTICS_SEARCH
        cursor = self.connection.cursor()
        cursor.execute(query, days)
        patrons = [row[0] for row in cursor.fetchall()]
        begun = time.perf_counter()
        rows = sum(self._update(f"borrowernumber = %s AND {where}", (patron, *days)) for patron in patrons)
        self.bare_rates.append(rows / (time.perf_counter() - begun))
        return rows


def _tables(size: Size, url: str, opened: Opened, system: SqlSystem, rows: int) -> Iterator[Table]:
    at = make_url(url)
    severer = system.severer()
    severer.prepare()
    for name in ("old_issues", "statistics"):
        connection = pymysql.connect(host=at.host, port=at.port or 3306, user=at.username, database=at.database)
        connection.cursor().execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        one = OneWalk(severer)
        yield Table(name, size, connection, engine_of(opened, system, severer, one), one, rows)


def _nobody(ours: Felt) -> Callable[[], int]:
    def wait() -> int:
        time.sleep(ours.seconds)
        return 0

    return wait


def _report(table: Table, ways: list[Felt]) -> None:
    ours, plain, by_patron, nobody = ways
    print(f"\n{table.name}: {len(ours.rates)} interleaved slices, medians")
    print(
        "| way | rows | rows/s | rows/s until clean | CPU us a row | worst live operation, ms: median; max | failed |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for way in ways:
        worst = f"{statistics.median(way.worst_ms):.0f}; {max(way.worst_ms):.0f}"
        felt = (way.rates, way.clean_rates, way.cpu)
        rates = " | ".join(f"{statistics.median(each):,.0f}" if way.rows else "" for each in felt)
        print(f"| {way.name} | {way.rows:,} | {rates} | {worst} | {way.failures} |")
    print("Reticent / plain UPDATE (at least 0.8):")
    compare("  to the last commit", times(ours.rates, plain.rates))
    compare("  until clean", times(ours.clean_rates, plain.clean_rates))
    compare("  CPU", times(plain.cpu, ours.cpu))
    print("Reticent / one UPDATE a patron (at least 50):")
    compare("  to the last commit", times(ours.rates, by_patron.rates), 0)
    compare("  the same without its search", times(ours.rates, table.bare_rates), 0)
    calm = statistics.median(nobody.worst_ms)
    print(f"worst live operation with / without: {statistics.median(ours.worst_ms) / calm:.1f} (at most 2);"
          f" of all slices {max(ours.worst_ms) / max(nobody.worst_ms):.1f}")  # fmt: skip
    took = sorted(table.severer.took)
    print(f"transactions of ours: {len(took)}, over 300 ms {sum(seconds > 0.3 for seconds, _ in took)}, median"
          f" {took[len(took) // 2][0] * 1000:.0f} ms, longest {took[-1][0] * 1000:.0f} ms ({took[-1][1]} rows)",
          flush=True)  # fmt: skip


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of the published size")
    parser.add_argument("--slices", type=int, default=9)
    parser.add_argument("--rows", type=int, default=0, help="rows a slice; default 2 of 100 of the table")
    parser.add_argument("--skip-find", action="store_true")
    chosen = parser.parse_args()
    size = Size(20_000, 30_000, 300_000, 300_000, 75_000, 2_000) if chosen.small else Size()
    rows = chosen.rows or size.loans // 50
    begun = time.perf_counter()
    with rig(size, TODAY) as (server, url), tempfile.TemporaryDirectory() as folder:
        print(f"filled in {time.perf_counter() - begun:.0f} s: {size.loans:,} loans, {size.statistics:,} statistics")
        opened, system = opened_site(Path(folder), SYSTEM, url)
        if not chosen.skip_find:
            begun = time.perf_counter()
            inventory = find(opened, lambda *_: None)
            due = sum(found.survey.due for found in inventory.found)
            print(f"find: {time.perf_counter() - begun:.1f} s, {due:,} ties due (at most 60 s)")
        with LiveIls(url, size.patrons, size.items) as live:
            show("baseline", live.watch(15))
            for table in _tables(size, url, opened, system, rows):
                ours = Felt("Reticent", table.ours, server)
                ways = [ours, Felt("plain UPDATE", table.plain, server),
                        Felt("one UPDATE a patron", table.by_patron, server),
                        Felt("nobody severs", _nobody(ours), server)]  # fmt: skip
                for _ in range(chosen.slices):
                    for way in ways:
                        way.watched(live)
                _report(table, ways)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"\nmemory of Reticent at its largest: {memory:.0f} MB (at most 250)")


if __name__ == "__main__":
    main()
