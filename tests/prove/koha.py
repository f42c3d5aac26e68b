"""Koha databases for the prover's tests: opened through the real doors, filled with whatever a test wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reticent.prove.view import View
from reticent.sample import schema
from reticent.site import Site, read_site
from reticent.stores.sql.database import Database
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.reader import SqlReader
from reticent.systems.load import shipped
from reticent.systems.mapfile import Map
from reticent.systems.structure import family

KOHA: Map = shipped("koha")
STAND_IN = 7
_PREFERENCE = {"variable": "AnonymousPatron", "value": str(STAND_IN)}
at = datetime.fromisoformat
Rows = Mapping[str, list[dict[str, Any]]]


def write_site(folder: Path, url: str, extra: str = "") -> Site:
    """Write and read a reticent.toml whose three accounts are one."""
    file = folder / "reticent.toml"
    accounts = "\n".join(f'{right} = "{url}"' for right in ("find", "sever", "prove"))
    file.write_text(
        f'[library]\nname = "Lakeside"\n{extra}\n[systems.ils]\nkind = "koha"\n[systems.ils.accounts]\n{accounts}\n'
    )
    return read_site(file)


@dataclass
class Koha:
    """One database, its finder and its reader."""

    engine: sa.Engine
    finder: SqlFinder
    reader: SqlReader
    release: str

    @classmethod
    def built(cls, folder: Path, url: str, release: str = "25.x", extra: str = "") -> Koha:
        """Create Koha's tables in an empty database and open it as a site would."""
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            schema.create(connection, release)
        koha = cls.opened(engine, folder, url, release, extra)
        # Without a stand-in patron, ties that may not be NULL are refused.
        koha.fill({"borrowers": [{"borrowernumber": STAND_IN}], "systempreferences": [_PREFERENCE]})
        return cls.opened(engine, folder, url, release, extra)

    @classmethod
    def opened(cls, engine: sa.Engine, folder: Path, url: str, release: str = "25.x", extra: str = "") -> Koha:
        site = write_site(folder, url, extra)
        finder = SqlFinder(site, "ils", KOHA)
        return cls(engine, finder, SqlReader(site, finder.database), release)

    @property
    def database(self) -> Database:
        return self.finder.database

    def seen_as(self, **changes: Any) -> Koha:
        """The same database under another stand-in patron, other branches or other decisions."""
        self.finder.database = replace(self.finder.database, **changes)
        return self

    def view(self, now: datetime | None = None) -> View:
        database = self.database
        return View(
            "ils",
            self.reader,
            KOHA,
            database.fit,
            now or self.finder.now(),
            database.sentinel,
            database.branches,
            database.decided,
        )

    def fill(self, rows: Rows) -> None:
        """Empty these tables and insert rows of ``{column: value}``; what the server refuses is left out."""
        sqlite = self.engine.dialect.name == "sqlite"
        with self.engine.connect() as connection:
            # Orphans are what a real Koha is full of, and dates nobody can read what an old one is.
            off = (
                ["PRAGMA foreign_keys = OFF", "PRAGMA synchronous = OFF"]
                if sqlite
                else ["SET foreign_key_checks = 0", "SET sql_mode = ''"]
            )
            for statement in off:
                connection.exec_driver_sql(statement)
            for table, found in rows.items():
                connection.execute(sa.text(f"DELETE FROM {table}"))
                if found:
                    self._insert(connection, table, found, "OR IGNORE" if sqlite else "IGNORE")
            connection.commit()

    def _insert(self, connection: sa.Connection, table: str, rows: list[dict[str, Any]], ignore: str) -> None:
        needed, dialect = _needed(table, self.release), self.engine.dialect
        names = [*{**needed, **rows[0]}]
        into = ", ".join(dialect.identifier_preparer.quote(name) for name in names)
        marks = ", ".join(f":{name}" for name in names)
        values = [{n: _stored(v, dialect.name) for n, v in {**needed, **row}.items()} for row in rows]
        connection.execute(sa.text(f"INSERT {ignore} INTO {table} ({into}) VALUES ({marks})"), values)


def _needed(table: str, release: str) -> dict[str, Any]:
    """Values for the columns that may not be left out; rows of one table name the same columns."""
    plain = {"whole": 0, "number": 0, "when": at("2020-01-01"), "text": "", "binary": b""}
    columns = schema.tables(release)[table]
    return {c.name: plain[family(c.type)] for c in columns if not c.nullable and c.key != "PRI"}


def _stored(value: Any, dialect: str) -> Any:
    if isinstance(value, datetime) and dialect == "sqlite":
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return value


def columns(table: str, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of ``{field: value}`` as rows of ``{column: value}``."""
    fields = KOHA.tables[table].fields
    return [{fields[name].column: value for name, value in row.items()} for row in rows]
