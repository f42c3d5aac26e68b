"""A system as the acts see it, whatever keeps its records: SQL databases now, logs beside them.

The jobs know stores by their protocols; here the two are brought together, one class a kind of store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from reticent.model import Margins, MeasureFacts, NotLookedAt, Place, Receipt, SeriesFacts, Setting, Step, Survey
from reticent.ports import Severer
from reticent.prove.check import CheckResult, check_system
from reticent.prove.conservation import Before
from reticent.prove.view import View
from reticent.site import Site
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.reader import SqlReader
from reticent.stores.sql.severer import SqlSeverer, steps_of
from reticent.systems.fit import fit
from reticent.systems.load import kinds, shipped
from reticent.systems.mapfile import Map, Series

Cutoffs = Mapping[str, datetime | str]
"""Series -> the moment its purposes must have ended before, or why there is none."""


class RunSeverer(Severer, Protocol):
    """A Severer with what a run needs around its chunks: the lock, the receipts, the mark of the last run."""

    mark_active: Callable[[int, set[str]], None] | None
    """Told the year and the patrons of loans about to be severed, if the site counts active borrowers."""

    @property
    def leaves_receipts(self) -> bool:
        """Whether receipts are written in the severing transaction itself."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of what was severed and what was left."""
        ...

    def prepare(self) -> None:
        """Check that severing can begin. Raises SystemRefused with what mends it."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Keep every other run away from this system meanwhile."""
        ...

    def collected(self) -> list[Receipt]:
        """Return the receipts that wait at the system."""
        ...

    def forget(self, imported: list[Receipt]) -> None:
        """Delete receipts that state has imported."""
        ...

    def mark(self, state: str) -> int:
        """Return the number of the last run of this state that the system remembers."""
        ...

    def set_mark(self, state: str, sequence: int) -> None:
        """Remember the number of the last run."""
        ...

    def close(self) -> None:
        """Let go of the system."""
        ...


class OpenSystem(Protocol):
    """One system, opened for one act."""

    @property
    def name(self) -> str:
        """Its name in reticent.toml."""
        ...

    @property
    def map_digest(self) -> str:
        """The digest of the map it is seen through."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of it."""
        ...

    @property
    def refused(self) -> Mapping[str, str]:
        """Series that cannot be trusted here, with the reason."""
        ...

    def structure_digest(self, series: str = "") -> str:
        """Return the digest of the whole structure, or of what one series stands in."""
        ...

    def series(self) -> Sequence[SeriesFacts]:
        """Return the series that can be counted here."""
        ...

    def measures(self) -> Sequence[MeasureFacts]:
        """Return what can be counted for statistics."""
        ...

    def now(self) -> datetime:
        """Return the system's own local time."""
        ...

    def survey(self, series: str, cutoff: datetime | str) -> Survey:
        """Count one series."""
        ...

    def place(self, series: str) -> str:
        """Return where a series stands."""
        ...

    def unmapped(self) -> Sequence[Place]:
        """Return places that may name a person and that nobody has read."""
        ...

    def settings(self) -> Sequence[Setting]:
        """Return the settings that create or show ties."""
        ...

    def not_looked_at(self) -> Sequence[NotLookedAt]:
        """Return what cannot be reached."""
        ...

    def totals(self) -> Mapping[str, str]:
        """Return the totals severing must never move."""
        ...

    def obstacle(self, lag: timedelta) -> str:
        """Return why a run must wait now, "" if it need not."""
        ...

    def margins(self, measure: str) -> Margins:
        """Count one measure."""
        ...

    def active(self, year: int) -> set[str]:
        """Return the patrons with a use of that year still there, for a keyed flag and nothing else."""
        ...

    def steps(self, series: str) -> Sequence[Step]:
        """Return what severing a series does; needs no account."""
        ...

    def breaks(self, series: str) -> Iterator[str]:
        """Yield what severing a series changes for people."""
        ...

    def severer(self) -> RunSeverer:
        """Return the severer, by its own account."""
        ...

    def check(self, cutoffs: Cutoffs, before: Before | None, tallies: Margins) -> CheckResult:
        """Ask every question again, by other code and the prover's account."""
        ...

    def close(self) -> None:
        """Let go of the system."""
        ...


class SqlSystem:
    """A system in a SQL database, seen through its map."""

    def __init__(self, name: str, loaded: Map, site: Site) -> None:
        self.name, self.loaded, self.site = name, loaded, site
        self.finder = SqlFinder(site, name, loaded)

    @property
    def map_digest(self) -> str:
        """The digest of the map's file."""
        return self.loaded.digest

    @property
    def notes(self) -> Sequence[str]:
        """What the opening found out about the stand-in patron and the like."""
        return self.finder.database.notes

    @property
    def refused(self) -> Mapping[str, str]:
        """Series the map does not fit here."""
        return self.finder.database.fit.refused

    def structure_digest(self, series: str = "") -> str:
        """Return the digest of the whole database, or of the table of one series."""
        structure = self.finder.database.structure
        if not series:
            return structure.digest()
        table = structure.tables.get(self.loaded.one(series).table)
        return table.digest() if table else ""

    def _here(self) -> list[Series]:
        return self.finder.database.fit.here(self.loaded)

    def series(self) -> Sequence[SeriesFacts]:
        """Return the series whose tables are here and can be trusted."""
        return [series.facts() for series in self._here()]

    def measures(self) -> Sequence[MeasureFacts]:
        """Return the measures whose tables are here."""
        tables = self.finder.database.structure.tables
        found = []
        for measure in self.loaded.measures:
            if measure.table in tables:
                touching = frozenset(s.id for s in self.loaded.series if s.table == measure.table)
                includes, dated = measure.includes, bool(measure.date)
                facts = (measure.id, measure.title, measure.table, measure.by, dated, includes, touching)
                found.append(MeasureFacts(*facts))
        return found

    def now(self) -> datetime:
        """Return the database's own local time."""
        return self.finder.now()

    def survey(self, series: str, cutoff: datetime | str) -> Survey:
        """Count one series in one pass."""
        return self.finder.survey(series, cutoff)

    def place(self, series: str) -> str:
        """Return ``table(columns)``."""
        return self.finder.place(self.loaded.one(series))

    def unmapped(self) -> Sequence[Place]:
        """Return tables no map knows that may name a person."""
        return [place for place in self.finder.places() if not place.mapped]

    def settings(self) -> Sequence[Setting]:
        """Return preferences and rights that create or show ties."""
        return self.finder.settings()

    def not_looked_at(self) -> Sequence[NotLookedAt]:
        """Return what the map says it cannot reach."""
        return self.finder.not_looked_at()

    def totals(self) -> Mapping[str, str]:
        """Return the tripwires' totals."""
        return self.finder.totals()

    def obstacle(self, lag: timedelta) -> str:
        """Return a lagging replica, an upgrade, a clean-up."""
        return self.finder.obstacle(self.site.systems[self.name].replicas, lag)

    def margins(self, measure: str) -> Margins:
        """Count one measure over its whole table."""
        return self.finder.margins(next(m for m in self.loaded.measures if m.id == measure))

    def active(self, year: int) -> set[str]:
        """Return the patrons with a loan of that year that still names them."""
        return self.finder.active(year)

    def steps(self, series: str) -> Sequence[Step]:
        """Return the one step of a series; none if it is only watched."""
        return steps_of(self.finder.database, self.loaded.one(series))

    def breaks(self, series: str) -> Iterator[str]:
        """Yield tallies, times cut short and saved reports that will show no patron."""
        found = self.loaded.one(series)
        for measure in found.tally:
            yield f"{measure} will be reported from tallies, by month"
        if not isinstance(found.sever, str):
            columns = self.finder.database.fit.columns[found.table]
            for name, action in found.sever.items():
                if action.disposition == "generalise":
                    yield f"{found.table}.{columns[name]} is cut to the {action.argument}"
        if reports := self.finder.reports_reading(found):
            shown = ", ".join(reports[:8]) + (f" and {len(reports) - 8} more" if len(reports) > 8 else "")
            yield f"saved SQL reports {shown} read it and will show no patron"

    def severer(self) -> SqlSeverer:
        """Return the severer, by its own account."""
        return SqlSeverer(self.site, self.finder.database)

    def check(self, cutoffs: Cutoffs, before: Before | None, tallies: Margins) -> CheckResult:
        """Recount by the prove account, try the re-link attacks, compare the totals."""
        database = self.finder.database
        loaded = _without_exemptions(self.loaded) if self.site.systems[self.name].map else self.loaded
        view = View(
            system=self.name,
            reader=SqlReader(self.site, database),
            loaded=loaded,
            fit=database.fit if loaded is self.loaded else fit(loaded, database.structure),
            now=self.finder.now(),
            sentinel=database.sentinel,
            branches=database.branches,
            decided=database.decided,
        )
        return check_system(view, cutoffs, before, tallies)

    def close(self) -> None:
        """Let go of the connections."""
        self.finder.close()


def _without_exemptions(local: Map) -> Map:
    """Return a library's own map without the tables it calls harmless and the ties it holds back."""
    series = tuple(each.model_copy(update={"held": ()}) for each in local.series)
    harmless = shipped(local.kind, local.tenant).harmless if local.kind in kinds() else {}
    return local.model_copy(update={"series": series, "harmless": harmless})
