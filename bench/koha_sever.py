"""Severing a big Koha: Reticent against the best plain UPDATE and against one UPDATE a patron.

``python -m bench.koha_sever`` fills a private MariaDB (200,000 patrons, 3 million loans, 3 million
statistics), keeps a live ILS working on it, and lets the three ways take turns on slices of the same
tables, so that a noisy machine is as noisy for each. ``--small`` is a tenth of it.

Reticent's rows are severed through its own engine: due or not is decided by the whole map, every chunk
is locked, recounted and receipted, and the receipts are imported into its state. The plain UPDATE sets
the same columns over a range of keys and asks nothing; nobody could run it, and nothing is faster. One
UPDATE a patron is how Koha's batch_anonymise.pl works, a day's returns at a time, without its Perl.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import pymysql
from bench.koha_rig import ANONYMOUS, Lap, LiveIls, Size, rig, show
from sqlalchemy import make_url

from reticent.acts.find import find
from reticent.acts.opening import Opened, open_site, open_systems
from reticent.acts.systems import SqlSystem
from reticent.model import Chunk, Receipt, Step
from reticent.ports import Walk
from reticent.sever.engine import Engine, Limits
from reticent.stores.sql.severer import SqlSeverer

TODAY = date(2026, 11, 1)
CUTOFF = datetime(2026, 11, 1)
SITE = """
[library]
name = "Bench"
branches = "all"
[state]
path = "state"
keys = "keys"
[schedule]
"*" = "none applies"
[systems.ils]
kind = "koha"
[systems.ils.accounts]
find = "{url}"
sever = "{url}"
[systems.ils.decisions]
history = "sever"
"""
SET = {
    "old_issues": f"issuer_id = IF(issuer_id = borrowernumber, NULL, issuer_id), note = NULL, notedate = NULL, "
    f"borrowernumber = {ANONYMOUS}, timestamp = timestamp",
    "statistics": "borrowernumber = NULL, datetime = DATE_FORMAT(datetime, '%%Y-%%m-%%d %%H:00:00')",
}


class OneWalk:
    """A severer whose walk goes on where the last slice ended, as it does within one nightly run."""

    def __init__(self, severer: SqlSeverer) -> None:
        self._severer, self._walks = severer, dict[str, Walk]()
        self.longest = 0.0

    def steps(self, series: str) -> list[Step]:
        return list(self._severer.steps(series))

    def chunks(self, step: Step, cutoff: datetime, run: str, first: int = 0) -> Walk:
        if step.name not in self._walks:
            self._walks[step.name] = self._severer.chunks(step, cutoff, run, first)
        return self._walks[step.name]

    def apply(self, chunk: Chunk, hold_epoch: int) -> Receipt:
        begun = time.perf_counter()
        receipt = self._severer.apply(chunk, hold_epoch)
        self.longest = max(self.longest, time.perf_counter() - begun)
        return receipt

    def settle(self, chunk: Chunk) -> Receipt | None:
        return self._severer.settle(chunk)


@dataclass
class Way:
    """One way of severing: what each slice took and what the live ILS felt meanwhile."""

    name: str
    work: Callable[[], int]
    rates: list[float] = field(default_factory=list)
    worst_ms: list[float] = field(default_factory=list)
    failures: int = 0
    rows: int = 0

    def slice(self, live: LiveIls) -> None:
        live.lap()
        begun = time.perf_counter()
        rows = self.work()
        seconds = time.perf_counter() - begun
        lap = live.lap()
        self.rows += rows
        self.rates.append(rows / seconds)
        self.worst_ms.append(_worst(lap))
        self.failures += sum(timing.failures for timing in lap.values())

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


def _worst(lap: Lap) -> float:
    return max(timing.worst_ms for timing in lap.values())


@dataclass
class Table:
    """One table under test: Reticent works from its low end, plain UPDATEs from its high end."""

    name: str
    size: Size
    connection: pymysql.Connection
    engine: Engine
    severer: OneWalk
    rows: int
    run: str
    taken: int = 0
    patrons_done: int = 0

    def ours(self) -> int:
        (step,) = self.severer.steps(self.name)
        return self.engine.run_step(step, "circulation", CUTOFF, self.rows, self.run, 0)

    def plain(self) -> int:
        """The next range of keys (or days) from the far end, in one statement."""
        self.taken += self.rows
        total = self.size.loans if self.name == "old_issues" else self.size.statistics
        low, high = total - self.taken, total - self.taken + self.rows
        return self._update(*self._range(low, high, total))

    def _range(self, low: int, high: int, total: int) -> tuple[str, tuple[object, ...]]:
        if self.name == "old_issues":
            return "issue_id > %s AND issue_id <= %s", (low, high)
        span = 365 * self.size.years - 30
        first = TODAY - timedelta(days=365 * self.size.years)
        days = [first + timedelta(days=span * part / total) for part in (low, high)]
        return "datetime >= %s AND datetime < %s", tuple(days)

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
        high = low + max(200, self.rows // 200)
        self.patrons_done = high - total // 2
        where, values = self._range(low, high, total)
        cursor = self.connection.cursor()
        cursor.execute(f"SELECT DISTINCT borrowernumber FROM {self.name} WHERE {where}", values)
        patrons = [row[0] for row in cursor.fetchall() if row[0] not in (None, ANONYMOUS)]
        return sum(self._update(f"borrowernumber = %s AND {where}", (patron, *values)) for patron in patrons)


def _open(folder: Path, url: str) -> tuple[Opened, SqlSystem]:
    (folder / "reticent.toml").write_text(SITE.format(url=url))
    opened = open_site(folder / "reticent.toml")
    system = next(iter(open_systems(opened.site)))
    assert isinstance(system, SqlSystem)
    return opened, system


def _engine(opened: Opened, system: SqlSystem, severer: SqlSeverer, one: OneWalk) -> Engine:
    def collect() -> None:
        if waiting := severer.collected():
            opened.book.import_receipts(waiting)
            severer.forget(waiting)

    site = opened.site
    return Engine(
        severer=one,
        holds=opened.holds,
        limits=Limits(site.state_path / "stop", site.state_path, free_space=10**6),
        clock=opened.clock,
        totals=system.finder.totals,
        obstacle=lambda: system.finder.obstacle((), timedelta(seconds=30)),
        collect=collect,
        progress=lambda _step, _rows: None,
    )


def _tables(size: Size, url: str, opened: Opened, system: SqlSystem, rows: int) -> Iterator[Table]:
    at = make_url(url)
    severer = system.severer()
    severer.prepare()
    run = "b" * 32
    opened.book.start_run(run, "bench", opened.clock.now())
    for name in ("old_issues", "statistics"):
        connection = pymysql.connect(host=at.host, port=at.port or 3306, user=at.username, database=at.database)
        connection.cursor().execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        one = OneWalk(severer)
        yield Table(name, size, connection, _engine(opened, system, severer, one), one, rows, run)


def _report(table: Table, ways: list[Way], baseline: Lap) -> None:
    ours, plain, by_patron = ways
    calm = _worst(baseline)
    print(f"\n{table.name}: {len(ours.rates)} interleaved slices, medians")
    print("| way | rows | rows/s | slices' rows/s | worst live operation, ms (median; max of the slices) | failed |")
    print("| --- | ---: | ---: | --- | ---: | ---: |")
    for way in ways:
        worst = f"{statistics.median(way.worst_ms):.0f}; {max(way.worst_ms):.0f}"
        rates = " ".join(f"{rate:,.0f}" for rate in way.rates)
        print(f"| {way.name} | {way.rows:,} | {way.rate:,.0f} | {rates} | {worst} | {way.failures} |")
    print(f"| nobody severs | | | | {calm:.0f} | {sum(t.failures for t in baseline.values())} |")
    print(f"Reticent / plain UPDATE: {ours.rate / plain.rate:.2f} (at least 0.8)")
    print(f"Reticent / one UPDATE a patron: {ours.rate / by_patron.rate:.0f} (at least 50)")
    print(f"worst live operation with / without: {statistics.median(ours.worst_ms) / calm:.1f} (at most 2)")
    print(f"longest transaction of ours: {table.severer.longest * 1000:.0f} ms (aim under 300)")


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of the published size")
    parser.add_argument("--slices", type=int, default=5)
    parser.add_argument("--rows", type=int, default=0, help="rows a slice; default 4 of 100 of the table")
    parser.add_argument("--skip-find", action="store_true")
    chosen = parser.parse_args()
    size = Size(20_000, 30_000, 300_000, 300_000, 75_000, 2_000) if chosen.small else Size()
    rows = chosen.rows or size.loans // 25
    begun = time.perf_counter()
    with rig(size, TODAY) as (_, url), tempfile.TemporaryDirectory() as folder:
        print(f"filled in {time.perf_counter() - begun:.0f} s: {size.loans:,} loans, {size.statistics:,} statistics")
        opened, system = _open(Path(folder), url)
        if not chosen.skip_find:
            begun = time.perf_counter()
            inventory = find(opened, lambda *_: None)
            due = sum(found.survey.due for found in inventory.found)
            print(f"find: {time.perf_counter() - begun:.1f} s, {due:,} ties due (at most 60 s)")
        with LiveIls(url, size.patrons, size.items) as live:
            baseline = live.watch(15)
            show("baseline", baseline)
            for table in _tables(size, url, opened, system, rows):
                ways = [Way("Reticent", table.ours), Way("plain UPDATE", table.plain),
                        Way("one UPDATE a patron", table.by_patron)]  # fmt: skip
                for _ in range(chosen.slices):
                    for way in ways:
                        way.slice(live)
                _report(table, ways, live.watch(15))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"\nmemory of Reticent at its largest: {memory:.0f} MB (at most 250)")


if __name__ == "__main__":
    main()
