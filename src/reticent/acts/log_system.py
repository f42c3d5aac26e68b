"""A system whose records are logs: EZproxy, the catalogue's web server, self-checks, RADIUS, print servers."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from reticent.acts.systems import Cutoffs
from reticent.errors import ConfigurationError, ReticentError, SystemRefused, SystemUnreachable
from reticent.keyring.folder import Folder
from reticent.keyring.periods import PeriodKeys
from reticent.model import (
    Chunk,
    Margins,
    MeasureFacts,
    NotLookedAt,
    Place,
    Receipt,
    RecordClass,
    SeriesFacts,
    Setting,
    Step,
    Survey,
)
from reticent.prove.check import CheckResult
from reticent.prove.conservation import UNRECORDED, Before, compare
from reticent.prove.logs import check_log
from reticent.site import Site
from reticent.stores.logs.archives import compression, reading
from reticent.stores.logs.counting import METRICS
from reticent.stores.logs.discover import PROXY, WEB, Discovered, discover
from reticent.stores.logs.receipts import FileReceipt
from reticent.stores.logs.sources import LogSource
from reticent.stores.logs.store import Files, Keys, LogStore
from reticent.stores.logs.workers import Workers, cluster, local

KINDS = {
    "ezproxy": (RecordClass.ACCESS, PROXY),
    "apache": (RecordClass.SEARCH, WEB),
    "nginx": (RecordClass.SEARCH, WEB),
    "log": (RecordClass.UNCLASSIFIED, WEB),
}
"""Kind of system -> the record class of its logs, unless the site says otherwise, and the URL packs."""
IMPORTED = "imported"
PURPOSE = "logs"
"""The purpose of the period keys, followed by the bundle."""
_TITLES = {"ezproxy": "EZproxy ", "apache": "Apache ", "nginx": "nginx "}
_PURPOSES = {
    RecordClass.ACCESS: ("find misuse of a licence", "the request"),
    RecordClass.SEARCH: ("keep the server running", "the request"),
    RecordClass.CIRCULATION: ("trace a fault of the self-check", "the message"),
}


def sources(site: Site, name: str) -> Discovered:
    """Return the logs of a system: from the server's own configuration, or from ``paths`` and ``format``.

    Raises ConfigurationError if neither says where they are and how they are written.
    """
    system, (_, packs) = site.systems[name], KINDS[site.systems[name].kind]
    found = Discovered()
    if system.config:
        found = discover(system.kind, site.folder / system.config, system=name)
    if system.paths:
        form = system.format or ("" if system.kind == "log" else {"ezproxy": "ezproxy"}.get(system.kind, "combined"))
        if not form:
            raise ConfigurationError(
                f"Nothing says how the logs of {name} are written.",
                where=f"{site.file} [systems.{name}]",
                do='Add format = "combined", "sip2", "jsonl", ..., or the server\'s own string, for example '
                "format = 'apache: %h %l %u %t \"%r\" %>s %b'.",
            )
        paths = tuple(str(site.folder / path) for path in system.paths)
        label = form if system.kind == "log" and form.isidentifier() else "access"
        found.sources.append(LogSource(label, paths, form, packs, bundle=system.bundle or name))
    if not found.sources:
        raise ConfigurationError(
            f"The system {name} names no log.",
            where=f"{site.file} [systems.{name}]",
            do="Add config (the server's configuration file) or paths.",
        )
    return found


class LogSystem:
    """The logs of one system, for one act. Identities are removed, unless the site asks for pseudonyms."""

    def __init__(self, name: str, site: Site) -> None:
        self.name, self.site = name, site
        self._discovered = sources(site, name)
        self._receipts = site.state_path / "logs" / name
        keys = Keys(pseudonym=None, tally=os.urandom(32), alive=_alive(site, name))
        self.store = LogStore(
            name,
            self._discovered.sources,
            self._receipts,
            keys,
            settings=self._discovered.settings,
            not_looked_at=self._discovered.not_looked_at,
            workers=_workers(site),
        )
        self._fingerprint = self.store.fingerprint()
        self._margins: Margins | None = None

    @property
    def map_digest(self) -> str:
        """The digest of how the logs are read: formats and URL packs."""
        return self._fingerprint.digest

    @property
    def notes(self) -> Sequence[str]:
        """Files that are due and may not be touched, with the reason."""
        return [f"{path}: {why}; it was left as it is" for path, why in sorted(self.store.refusals.items())]

    @property
    def refused(self) -> Mapping[str, str]:
        """Logs whose lines do not fit their format."""
        return self._fingerprint.refused

    def structure_digest(self, series: str = "") -> str:
        """Return the digest of the formats, or of one log's."""
        return self._fingerprint.places[series] if series else self._fingerprint.digest

    def series(self) -> Sequence[SeriesFacts]:
        """Return one series a log."""
        return [facts for facts in series_of(self.site, self.name, self._discovered) if facts.id not in self.refused]

    def measures(self) -> Sequence[MeasureFacts]:
        """Return what the logs count, after COUNTER."""
        names = [source.name for source in self._discovered.sources]
        about = f"{', '.join(names)} log"
        return [MeasureFacts(metric, title, about, series=frozenset(names)) for metric, title in METRICS]

    def now(self) -> datetime:
        """Return the local time: logs are written in it."""
        return datetime.now().replace(microsecond=0)  # noqa: DTZ005 - the servers' own local time

    def survey(self, series: str, cutoff: datetime | str) -> Survey:
        """Count the lines that name somebody."""
        return self.store.survey(series, cutoff)

    def place(self, series: str) -> str:
        """Return the globs of a log."""
        return ", ".join(next(s.paths for s in self._discovered.sources if s.name == series))

    def unmapped(self) -> Sequence[Place]:
        """Return files beside the logs that no log accounts for."""
        others = [name for name, system in self.site.systems.items() if system.kind in KINDS and name != self.name]
        globs = [path for name in others for source in sources(self.site, name).sources for path in source.paths]
        theirs = {path for pattern in globs for path in glob.glob(pattern)}
        theirs |= {str(self.site.folder / system.config) for system in self.site.systems.values() if system.config}
        return [place for place in self.store.places() if not place.mapped and place.name not in theirs]

    def settings(self) -> Sequence[Setting]:
        """Return what the server's configuration makes its logs hold."""
        return self.store.settings()

    def not_looked_at(self) -> Sequence[NotLookedAt]:
        """Return what the configuration names and nobody could read."""
        kept = NotLookedAt(self.name, "copies of these logs elsewhere", "backups and log servers are not looked at")
        return (*self.store.not_looked_at, kept)

    def totals(self) -> Mapping[str, str]:
        """Return no tripwire: a log holds nothing severing could harm."""
        return {}

    def obstacle(self, lag: timedelta) -> str:
        """Return nothing: open and growing files are refused one by one."""
        return ""

    def margins(self, measure: str) -> Margins:
        """Count what is not severed yet; one reading of the logs answers every measure."""
        return {key: cells for key, cells in self._counted().items() if key.partition("|")[0] == measure}

    def _counted(self) -> Margins:
        if self._margins is None:
            self._margins = self.store.margins()
        return self._margins

    def active(self, year: int) -> set[str]:
        """Return nobody: borrowers are counted where loans are."""
        return set()

    def steps(self, series: str) -> Sequence[Step]:
        """Return the one step of a log."""
        return self.store.steps(series)

    def breaks(self, series: str) -> Iterator[str]:
        """Say what a reader of the log will miss."""
        people = "replaced by pseudonyms of the day" if self.site.systems[self.name].pseudonyms else "removed"
        yield f"addresses, accounts and sessions are {people}, searches removed; times cut to the hour, sizes rounded"

    def severer(self) -> LogSeverer:
        """Return the severer."""
        return LogSeverer(self.name, self.store, self._receipts)

    def check(self, cutoffs: Cutoffs, before: Before | None, tallies: Margins) -> CheckResult:
        """Read every file again by other code and look for anybody in lines that are past their cutoff.

        Then ask whether every use that was counted before severing still is, as a line or in a tally.
        """
        found = CheckResult((), (), tuple(self.not_looked_at()))
        if before is None:
            found = found.plus(CheckResult((), (), (NotLookedAt(self.name, "conservation", UNRECORDED),)))
        else:
            conserved = compare(self.name, before, self._counted(), tallies)
            found = found.plus(CheckResult(tuple(conserved), ("conservation: what the logs count",), ()))
        for series in self.series():
            for path in self.store.files(series.id):
                with path.open("rb") as raw, reading(raw, compression(raw)) as text:
                    written = datetime.fromtimestamp(path.stat().st_mtime)  # noqa: DTZ006 - as the log's own lines
                    found = found.plus(check_log(self.name, series.id, str(path), text, cutoffs[series.id], written))
        return found

    def close(self) -> None:
        """Let go of the workers."""
        self.store.close()


class LogSeverer:
    """A log store with what a run needs around its chunks. A file's receipt is durable before its rename."""

    leaves_receipts = False
    mark_active: Callable[[int, set[str]], None] | None = None

    def __init__(self, name: str, store: LogStore, folder: Path) -> None:
        self._name, self._store, self._folder = name, store, folder
        self.notes: list[str] = []

    def use_key(self, period: str, key: bytes) -> None:
        """Write pseudonyms under the key of a period instead of removing identities."""
        keys = self._store.keys
        self._store.keys = replace(keys, pseudonym=key, period=period, alive=keys.alive | {period})

    def prepare(self) -> None:
        """Nothing to prepare: the folder of receipts is made with the store."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock of this system's receipts."""
        with (self._folder / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SystemRefused(
                    f"Another run is severing the logs of {self._name}.", do="Wait for it to end."
                ) from None
            yield

    def steps(self, series: str) -> Sequence[Step]:
        """Return the one step of a log."""
        return self._store.steps(series)

    def chunks(self, step: Step, cutoff: datetime, run: str, first: int = 0) -> Files:
        """Walk the files that are due."""
        return self._store.chunks(step, cutoff, run, first)

    def apply(self, chunk: Chunk, hold_epoch: int) -> Receipt:
        """Sever one file; one that may not be touched stays, with a note, and the others go on."""
        try:
            return self._store.apply(chunk, hold_epoch)
        except SystemUnreachable:
            raise
        except ReticentError as error:
            self.notes.append(f"{chunk.step.name}: {error.on_one_line()}")
            return Receipt(chunk.run, chunk.step.name, chunk.number, 0)

    def settle(self, chunk: Chunk) -> Receipt | None:
        """Return the receipt of a file whose new content is in its place."""
        return self._store.settle(chunk)

    def collected(self) -> list[Receipt]:
        """Return what was severed and not yet imported."""
        found = []
        for made in self._store.receipts.all():
            if made.run == IMPORTED or not made.changed:
                continue
            if made.done or _carries(Path(made.path), made.after):
                self.notes += _withheld(made)
                found.append(Receipt(made.run, made.step, made.chunk, made.ties, made.tally))
        return found

    def forget(self, imported: list[Receipt]) -> None:
        """Keep of an imported receipt only that its file is severed."""
        numbers = {(receipt.run, receipt.chunk) for receipt in imported}
        for made in list(self._store.receipts.all()):
            if (made.run, made.chunk) in numbers:
                self._store.receipts.finish(replace(made, run=IMPORTED, tally={}))

    def mark(self, state: str) -> int:
        """A folder of logs remembers no run."""
        return 0

    def set_mark(self, state: str, sequence: int) -> None:
        """A folder of logs remembers no run."""

    def close(self) -> None:
        """Nothing is held open."""


def _withheld(made: FileReceipt) -> Iterator[str]:
    """Say which lines nobody understood; people see their shape only."""
    if made.withheld:
        shown = "; ".join(f"byte {offset} {shape!r}" for offset, shape in made.shown[:3])
        what = f"{made.withheld} of {made.lines} lines do not have this log's format and were withheld"
        yield f"{made.step}: {made.path}: {what}: {shown}"


def _alive(site: Site, name: str) -> frozenset[str]:
    """Return the periods of which this system's pseudonym key still exists."""
    if not site.systems[name].pseudonyms or not site.keys_path.is_dir():
        return frozenset()
    keys = PeriodKeys(Folder(site.keys_path, site.state_path), lambda _entry, _once: None)
    return frozenset(period for purpose, period in keys.live() if purpose == purpose_of(site, name))


def purpose_of(site: Site, name: str) -> str:
    """Return the purpose of the keys of a bundle: systems of one bundle share them."""
    return f"{PURPOSE}/{site.systems[name].bundle or name}"


_WORTH = 64 << 20
"""Bytes of logs under which other processes cost more than they save."""


def _workers(site: Site) -> Workers | None:
    if site.cluster.scheduler:
        return Workers(cluster(site.cluster.scheduler))
    processes = len(os.sched_getaffinity(0))
    return Workers(local(processes), least=_WORTH) if processes > 1 else None


def series_of(site: Site, name: str, found: Discovered) -> Iterator[SeriesFacts]:
    """Yield what is known of each log of a system."""
    system = site.systems[name]
    record_class = system.classes[0] if system.classes else KINDS[system.kind][0]
    purpose, end = _PURPOSES.get(record_class, ("run the service", "the event"))
    for source in found.sources:
        title = f"{_TITLES.get(system.kind, '')}{source.name} log"
        yield SeriesFacts(source.name, title, record_class, record_class.value, purpose, end)


def _carries(path: Path, digest: str) -> bool:
    try:
        with path.open("rb") as raw:
            return hashlib.file_digest(raw, "sha256").hexdigest() == digest
    except OSError:
        return False
