"""The Finder of SQL systems: structure, settings and counts. No identifier leaves it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property

import sqlalchemy as sa

from reticent.model import Copy, Fingerprint, Margins, NotLookedAt, Place, Setting, Survey
from reticent.site import Site
from reticent.stores import settings_files
from reticent.stores.sql import chains
from reticent.stores.sql.compile import clause
from reticent.stores.sql.conditions import DUE, OPEN, WITHHELD, WITHIN, Conditions
from reticent.stores.sql.connect import reading
from reticent.stores.sql.database import local_now, open_database, setting
from reticent.stores.sql.health import obstacle
from reticent.stores.sql.media import media
from reticent.stores.sql.tally import active_patrons, counted
from reticent.systems.mapfile import Exposure, Map, Measure, Series
from reticent.systems.predicates import fields


class SqlFinder:
    """Counts one system by its find account."""

    def __init__(self, site: Site, system: str, loaded: Map) -> None:
        self._engine, self.database = open_database(site, system, loaded)
        self.system, self._map = system, loaded
        named = [site.folder / file for file in site.systems[system].settings_files]
        self._files, self._unread_files = settings_files.read(named)

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def now(self) -> datetime:
        """Return the database's own local time, to the second."""
        with reading(self._engine, self.system) as connection:
            return local_now(connection)

    def fingerprint(self) -> Fingerprint:
        """Return digests of every table, and which series cannot be trusted here."""
        return Fingerprint(
            self._map.kind,
            self.database.version or "unknown",
            self.database.structure.digest(),
            {name: table.digest() for name, table in self.database.structure.tables.items()},
            self.database.fit.refused,
            self.database.notes,
        )

    def survey(self, series: str, cutoff: datetime | str) -> Survey:
        """Count one series in one pass; ``cutoff`` in the database's local time, or why there is none."""
        conditions = Conditions(self.database, self._map.one(series))
        with reading(self._engine, self.system) as connection:
            now = local_now(connection)
            query = chains.survey if conditions.chained else Conditions.survey
            rows = connection.execute(query(conditions, cutoff, now)).all()
        return _survey(series, [tuple(row) for row in rows], conditions.withheld_names(cutoff))

    def places(self) -> Sequence[Place]:
        """Return every table: those of the map, and those nobody has read that may name a person."""
        mapped = [Place(name) for name in self._map.tables if name in self.database.structure.tables]
        return [*mapped, *self.database.fit.unmapped]

    def settings(self) -> Sequence[Setting]:
        """Return the settings and exposures that create or show ties."""
        with reading(self._engine, self.system) as connection:
            return [*self._settings(connection), *self._exposures(connection)]

    def _settings(self, connection: sa.Connection) -> Iterator[Setting]:
        for rule in self._map.settings:
            if rule.file and rule.file not in self._files:
                continue
            in_file = self._files[rule.file].get(rule.name.lower()) if rule.file else None
            value = in_file if rule.file else setting(connection, self.database, rule.name)
            if rule.is_risky(value):
                shown = value or "not set"
                yield Setting(self.system, rule.name, shown, rule.why, rule.advice)

    def _exposures(self, connection: sa.Connection) -> Iterator[Setting]:
        for exposure in self._map.exposures:
            if count := self._exposed(connection, exposure):
                yield Setting(self.system, exposure.name, str(count), exposure.why, exposure.advice)

    def _exposed(self, connection: sa.Connection, exposure: Exposure) -> int:
        if exposure.when is None:
            found = connection.exec_driver_sql(_escaped(exposure.sql)).scalar_one() if self.has(exposure.needs) else 0
            return int(found)
        columns = self.database.fit.columns[exposure.table]
        if exposure.table not in self.database.structure.tables or not all(columns[f] for f in fields(exposure.when)):
            return 0
        source, compiler = self.database.compiler().table(exposure.table), self.database.compiler()
        rows = sa.select(sa.func.count()).select_from(source)
        return int(connection.execute(rows.where(compiler.holds(source, exposure.table, exposure.when))).scalar_one())

    def has(self, needs: Sequence[str]) -> bool:
        """Whether every ``table.column`` is there."""
        tables = self.database.structure.tables
        pairs = [need.rpartition(".") for need in needs]
        return all(table in tables and tables[table].column(column) for table, _, column in pairs)

    def totals(self) -> Mapping[str, str]:
        """Return the totals that severing must never move (tripwires), as text."""
        found = {}
        with reading(self._engine, self.system) as connection:
            for wire in self._map.tripwires:
                if wire.table not in self.database.structure.tables:
                    continue
                source = self.database.compiler().table(wire.table)
                column = self.database.compiler().column(source, wire.table, wire.sum) if wire.sum else None
                total = sa.func.coalesce(sa.func.sum(column), 0) if column is not None else sa.func.count()
                found[wire.name] = str(connection.execute(sa.select(total).select_from(source)).scalar_one())
        return found

    def margins(self, measure: Measure) -> Margins:
        """Count one measure by month and by each margin over the whole table."""
        series = next(s for s in self._map.series if s.table == measure.table)
        conditions = Conditions(self.database, series)
        with reading(self._engine, self.system) as connection:
            return counted(connection, conditions, measure)

    def active(self, year: int) -> set[str]:
        """Return the patrons with a use of that year that is still there, for a keyed flag and nothing else."""
        found: set[str] = set()
        with reading(self._engine, self.system) as connection:
            for series in self.database.fit.here(self._map):
                if series.active:
                    conditions = Conditions(self.database, series)
                    found |= active_patrons(connection, conditions, sa.true()).get(year, set())
        return found

    def obstacle(self, replicas: Sequence[str], lag: timedelta) -> str:
        """Return why a run must wait now: a lagging replica, an upgrade or clean-up of the system; "" if not."""
        return obstacle(self._engine, self.database, replicas, lag)

    def reports_reading(self, series: Series) -> list[str]:
        """Return the ids of saved SQL reports that read a column this series severs."""
        columns = self.database.fit.columns[series.table]
        names = series.persons or (series.sever if not isinstance(series.sever, str) else ())
        severed = [column.lower() for name in names if (column := columns[name])]
        words = [(id_, set(re.findall(r"\w+", text.lower()))) for id_, text in self._reports]
        return [
            id_ for id_, found in words if series.table.rpartition(".")[2] in found and any(c in found for c in severed)
        ]

    @cached_property
    def _reports(self) -> list[tuple[str, str]]:
        place = self._map.reports_in
        if place is None or place.table not in self.database.structure.tables:
            return []
        table = clause(place.table, place.id, place.sql)
        with reading(self._engine, self.system) as connection:
            return [(str(row[0]), str(row[1] or "")) for row in connection.execute(sa.select(*table.c))]

    def media(self) -> list[Copy]:
        """Return what the server keeps besides its tables: logs, old versions, followers."""
        with reading(self._engine, self.system) as connection:
            return media(connection, self.system, self._map.tables)

    def place(self, series: Series) -> str:
        """Return where a series stands, as ``table(columns)``."""
        names = series.persons or (series.sever if not isinstance(series.sever, str) else ())
        columns = self.database.fit.columns[series.table]
        return f"{series.table}({', '.join(column for name in names if (column := columns[name]))})".replace("()", "")

    def not_looked_at(self) -> list[NotLookedAt]:
        """Return what the map says it cannot reach, and what shows persons without keeping rows."""
        elsewhere = [NotLookedAt(self.system, place.place, place.why) for place in self._map.elsewhere]
        asked = dict.fromkeys(rule.file for rule in self._map.settings if rule.file and rule.file not in self._files)
        why = dict.fromkeys(asked, "name it among the settings_files of the system in reticent.toml")
        files = [NotLookedAt(self.system, file, said) for file, said in (why | self._unread_files).items()]
        return [*elsewhere, *files, *self.database.fit.not_looked_at(self.system)]


def _escaped(sql: str) -> str:
    return sql.replace("%", "%%") if "%" in sql else sql


def _survey(series: str, rows: list[tuple[object, ...]], names: list[str]) -> Survey:
    counts: dict[int, int] = {int(str(row[0])): int(str(row[1])) for row in rows}
    dates = [day for row in rows for value in row[2:] if (day := _day(value)) is not None]
    withheld = {names[state - WITHHELD]: n for state, n in sorted(counts.items()) if state >= WITHHELD}
    return Survey(
        series,
        ties=sum(counts.values()),
        open=counts.get(OPEN, 0),
        within_retention=counts.get(WITHIN, 0),
        due=counts.get(DUE, 0),
        withheld=withheld,
        oldest=min(dates, default=None),
        newest=max(dates, default=None),
    )


def _day(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:  # NULL, or a "no date" of the database
        return None
    return datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - the database's own local day
