"""One database seen through its map: connection, structure, fit, stand-in patron and branches.

Opened once an act, for one account; Finder, Severer and Reader are made from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

import sqlalchemy as sa

from reticent.errors import ConfigurationError, SystemRefused
from reticent.site import Site
from reticent.stores.sql.compile import Compiler, clause
from reticent.stores.sql.connect import open_engine, reading
from reticent.stores.sql.introspect import read_structure
from reticent.stores.sql.rights import require_sight
from reticent.systems.fit import Fit, fit
from reticent.systems.mapfile import Map, Series
from reticent.systems.structure import Structure


@dataclass(frozen=True)
class Database:
    """What every store of one SQL system shares. ``branches`` is None where every row is the site's own."""

    system: str
    loaded: Map
    structure: Structure
    fit: Fit
    sentinel: int | str | None
    branches: tuple[str | int, ...] | None
    decided: frozenset[str]
    dialect: str
    version: str | None = None
    notes: tuple[str, ...] = field(default=())
    server: tuple[int, ...] = ()
    """The version of the database server."""

    @property
    def grants_parameters(self) -> bool:
        """Whether an administrator can grant the right to leave triggers out: PostgreSQL 15 and newer."""
        return self.server >= (15,)

    def compiler(self, *, few: bool = False) -> Compiler:
        """Return a predicate compiler; ``few`` for statements that touch a chunk only."""
        return Compiler(self.loaded, self.fit, self.sentinel, few)

    def branch_path(self, series: Series) -> str:
        """Return where a row says whose it is: its own branch, else its patron's; "" if nowhere in this release."""
        table = self.loaded.tables[series.table]
        path = series.branch or ("branch" if "branch" in table.fields else "account.branch")
        link, _, name = path.rpartition(".")
        if link and link not in table.links:
            return ""
        return path if self.fit.columns[table.links[link].table if link else series.table][name] else ""


def open_database(site: Site, system: str, loaded: Map) -> tuple[sa.Engine, Database]:
    """Open a system by its find account and resolve the map against it.

    Raises SystemUnreachable, SystemRefused (not that kind of system), ConfigurationError (several
    libraries share it and the site does not say which branches are its own).
    """
    engine = open_engine(site.account(system, "find"), system)
    try:
        return engine, _opened(engine, site, system, loaded)
    except BaseException:
        engine.dispose()
        raise


def _opened(engine: sa.Engine, site: Site, system: str, loaded: Map) -> Database:
    with reading(engine, system) as connection:
        structure = structure_of(connection, loaded, system)
        require_sight(connection, system)
        resolved = fit(loaded, structure)
        require_sight(connection, system, {s.table for s in resolved.here(loaded) if s.sever != "nothing"})
        decided = frozenset(name for name, choice in site.systems[system].decisions.items() if choice == "sever")
        _known_decisions(site, system, loaded)
        database = Database(
            system, loaded, structure, resolved, None, None, decided, engine.dialect.name, server=server_version(engine)
        )
        sentinel, problem = _sentinel(connection, database)
        branches = _branches(connection, database, site)
        version = setting(connection, database, loaded.settings_in.version) if loaded.settings_in else None
    notes = tuple(filter(None, (problem, _absent(loaded, resolved), *_drifted(resolved))))
    database = replace(database, sentinel=sentinel, branches=branches, version=version, notes=notes)
    return replace(database, fit=_refuse_unseverable(database, problem))


def server_version(engine: sa.Engine) -> tuple[int, ...]:
    """Return the version of the server an engine has connected to."""
    found: tuple[object, ...] = getattr(engine.dialect, "server_version_info", None) or ()
    return tuple(part for part in found if isinstance(part, int))


def structure_of(connection: sa.Connection, loaded: Map, system: str) -> Structure:
    """Read what of a database belongs to a system. Raises SystemRefused if its tenant is not there."""
    drift = loaded.drift
    structure = read_structure(connection, loaded.qualified, f"({drift.schemas})|({drift.beside})")
    structure = Structure({name: table for name, table in structure.tables.items() if loaded.looks_at(name)})
    if loaded.tenant and not structure.tables:
        raise SystemRefused(
            f'There is no tenant "{loaded.tenant}" in this database.',
            where=f"system {system}, tenant",
            do=f"Its tenants are: {', '.join(_tenants(connection)) or 'none'}.",
        )
    return structure


def _tenants(connection: sa.Connection) -> list[str]:
    if connection.dialect.name != "postgresql":
        return []
    named = "SELECT DISTINCT split_part(nspname, '_mod_', 1) FROM pg_namespace WHERE strpos(nspname, '_mod_') > 1"
    return [str(row[0]) for row in connection.exec_driver_sql(f"{named} ORDER BY 1 LIMIT 20")]


def _absent(loaded: Map, resolved: Fit) -> str:
    """Say which tables are not there: the account sees every table, so they are not hidden."""
    tables = sorted({series.table for series in loaded.series if series.id in resolved.absent})
    return f"this release has no {', '.join(tables)}" if tables else ""


def _drifted(resolved: Fit) -> Iterator[str]:
    """Say which series go row by row, by the system's own triggers, and why: an upgrade may have changed them."""
    for why in dict.fromkeys(resolved.drifted.values()):
        series = ", ".join(name for name, found in resolved.drifted.items() if found == why)
        yield f"{series}: row by row, by the system's own triggers: {why}"
    if resolved.named_only:
        said = (
            "triggers whose names the map knows and whose text it has not read; what is severed is counted again behind"
        )
        yield f"{len(resolved.named_only)} {said} them: {', '.join(resolved.named_only)}"


def local_now(connection: sa.Connection) -> datetime:
    """Return the database's own local time: its rows are written in it."""
    text = "datetime('now', 'localtime')" if connection.dialect.name == "sqlite" else "LOCALTIMESTAMP"
    value = connection.exec_driver_sql(f"SELECT {text}").scalar_one()
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.replace(tzinfo=None, microsecond=0)


def setting(connection: sa.Connection, database: Database, name: str) -> str | None:
    """Return a setting of the system, None if it is not stored."""
    place = database.loaded.settings_in
    if place is None or place.table not in database.structure.tables:
        return None
    source = database.compiler().table(place.table)
    # A system finds its settings whatever their case: Koha's installer writes "OpacPrivacy", its code "OPACPrivacy".
    named = sa.func.lower(source.c[place.name]) == name.lower()
    found = connection.execute(sa.select(source.c[place.value]).where(named)).scalar()
    return None if found is None else str(found)


def _known_decisions(site: Site, system: str, loaded: Map) -> None:
    for name, choice in site.systems[system].decisions.items():
        choices = loaded.decisions[name].choices if name in loaded.decisions else {}
        if choice not in choices:
            known = "; ".join(f"{n} = {' or '.join(d.choices)}" for n, d in loaded.decisions.items())
            raise ConfigurationError(
                f'"{name} = {choice}" is not a decision the {loaded.title} map asks for.',
                where=f"{site.file} [systems.{system}.decisions]",
                do=f"Known: {known}.",
            )


def _sentinel(connection: sa.Connection, database: Database) -> tuple[int | None, str]:
    place = database.loaded.sentinel
    if place is None:
        return None, ""
    text = (setting(connection, database, place.setting) or "").strip()
    if not text.isdigit() or int(text) == 0:
        return None, f"{place.setting} is not set"
    number = int(text)
    compiler = database.compiler()
    source = compiler.table(place.table)
    itself = source.c[database.fit.columns[place.table][place.field] or place.field] == number
    if not connection.execute(sa.select(sa.func.count()).select_from(source).where(itself)).scalar():
        return None, f"{place.setting} names a patron who does not exist"
    for condition in place.never:
        real = (
            sa.select(sa.func.count()).select_from(source).where(itself, compiler.holds(source, place.table, condition))
        )
        if connection.execute(real).scalar():
            return None, f"{place.setting} names a patron with loans or holds: a real person"
    return number, ""


def _branches(connection: sa.Connection, database: Database, site: Site) -> tuple[str | int, ...] | None:
    place = database.loaded.branches_in
    if place is None or place.table not in database.structure.tables:
        return None
    ours = site.branches(database.system, apart=place.apart)
    if ours == "all":
        return None
    there = branches_there(connection, database.loaded)
    own = place.apart or site.systems[database.system].branches
    where = f"[systems.{database.system}] branches" if own else "[library] branches"
    if unknown := [branch for branch in ours if branch not in there]:
        raise ConfigurationError(
            f'There is no branch "{unknown[0]}" in {database.system}.',
            where=f"{site.file} {where}",
            do=f"Its branches are: {', '.join(sorted(there)[:20])}.",
        )
    if len(there) > 1 and not ours:
        raise ConfigurationError(
            f"{database.system} holds {len(there)} branches, and the site does not say which are its own.",
            where=f"{site.file} {where}",
            do=f'Write branches = "all" if every one is yours, or list yours from: {", ".join(sorted(there)[:20])}.',
        )
    return None if not ours or set(there) <= set(ours) else tuple(there[code] for code in ours)


def branches_there(connection: sa.Connection, loaded: Map) -> dict[str, str | int]:
    """Return the codes of the branches a system has, each with what rows refer to it by."""
    if (place := loaded.branches_in) is None:
        return {}
    number = place.number or place.column
    source = clause(place.table, *{place.column, number})
    rows = connection.execute(sa.select(source.c[place.column], source.c[number]))
    return {str(code): referred if place.number else str(code) for code, referred in rows}


def _refuse_unseverable(database: Database, problem: str) -> Fit:
    refused = dict(database.fit.refused)
    for series in database.fit.here(database.loaded):
        if why := _unseverable(database, series, problem):
            refused[series.id] = why
    return replace(database.fit, refused=refused)


def _unseverable(database: Database, series: Series, problem: str) -> str:
    if database.branches is not None and not database.branch_path(series):
        return "the system is shared, and these rows do not say whose they are"
    if isinstance(series.sever, str):
        return ""
    for name, action in series.sever.items():
        column = database.fit.columns[series.table][name]
        info = database.structure.tables[series.table].columns.get(column) if column else None
        if info is None or info.nullable:
            continue
        if action.disposition == "null":
            return f"{series.table}.{column} may not be NULL here, and severing would make it NULL"
        if action.disposition == "sentinel" and database.sentinel is None:
            return f"{series.table}.{column} may not be NULL, and {problem}"
    return ""
