"""What the benchmarks of severing share: a site to open, an engine that goes on where it ended, ways in turns."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from tests.servers import Server

from reticent.acts.opening import Opened, open_site, open_systems
from reticent.acts.systems import SqlSystem
from reticent.model import Chunk, Receipt, Step
from reticent.ports import Walk
from reticent.sever.engine import Engine, Limits
from reticent.stores.sql.severer import SqlSeverer

RUN = "b" * 32
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
{system}
[systems.ils.accounts]
find = "{url}"
sever = "{url}"
"""


def opened_site(folder: Path, system: str, url: str) -> tuple[Opened, SqlSystem]:
    """Write a site of one system (the lines of its table) and open it."""
    (folder / "reticent.toml").write_text(SITE.format(system=system.strip(), url=url))
    opened = open_site(folder / "reticent.toml")
    found = next(iter(open_systems(opened.site)))
    assert isinstance(found, SqlSystem)
    opened.book.start_run(RUN, "bench", opened.clock.now())
    return opened, found


class OneWalk:
    """A severer whose walk goes on where the last slice ended, as it does within one nightly run."""

    def __init__(self, severer: SqlSeverer) -> None:
        self._severer, self._walks = severer, dict[str, Walk]()
        self.took: list[tuple[float, int]] = []

    def steps(self, series: str) -> list[Step]:
        return list(self._severer.steps(series))

    def chunks(self, step: Step, cutoff: datetime, run: str, first: int = 0) -> Walk:
        if step.name not in self._walks:
            self._walks[step.name] = self._severer.chunks(step, cutoff, run, first)
        return self._walks[step.name]

    def apply(self, chunk: Chunk, hold_epoch: int) -> Receipt:
        begun = time.perf_counter()
        receipt = self._severer.apply(chunk, hold_epoch)
        self.took.append((time.perf_counter() - begun, receipt.rows))
        return receipt

    def settle(self, chunk: Chunk) -> Receipt | None:
        return self._severer.settle(chunk)


def engine_of(opened: Opened, system: SqlSystem, severer: SqlSeverer, one: OneWalk) -> Engine:
    """Return the engine that severs by a walk that goes on where the last slice ended."""

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


@dataclass
class Way:
    """One way of severing: what does the next slice of it, and how many rows a second each slice severed.

    ``cpu``: microseconds of processor a row, the server's and ours.
    """

    name: str
    work: Callable[[], int]
    server: Server
    cpu: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    rows: int = 0
    seconds: float = 0.0

    def slice(self) -> None:
        """Do the next slice."""
        begun, cpu = time.perf_counter(), cpu_seconds(self.server)
        rows = self.work()
        self.seconds = time.perf_counter() - begun
        self.cpu.append(1e6 * (cpu_seconds(self.server) - cpu) / max(1, rows))
        self.rates.append(rows / self.seconds)
        self.rows += rows


def cpu_seconds(server: Server) -> float:
    """Return the processor time that a server, its processes and this one have used."""
    assert server.process is not None
    used = time.process_time()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile, and counts among its parent's children
        if server.process.pid == int(stat.parent.name):
            used += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        elif server.process.pid == int(fields[1]):
            used += sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    return used


def times(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return how many times as much, slice by slice, where the other did something."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True) if other] or [0.0]


def compare(title: str, ratios: Sequence[float], digits: int = 2) -> None:
    """Print the median of the ratios of neighbours, and each."""
    each = " ".join(f"{ratio:.{digits}f}" for ratio in ratios)
    print(f"{title}: {statistics.median(ratios):.{digits}f}; slice by slice {each}", flush=True)
