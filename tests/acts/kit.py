"""A library to sever: the sample library on SQLite or MariaDB, its reticent.toml, and the command line."""
# ruff: noqa: DTZ011 - a library's own database keeps naive local times

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa

from reticent.cli import main as cli
from reticent.sample import library, schema
from reticent.sample.book import Truth

SITE = """
[library]
name = "Lakeside Public Library"
branches = {branches}
[state]
path = "state"
keys = "keys"
[schedule]
{schedule}
{more}
[systems.ils]
kind = "koha"
{system}
[systems.ils.accounts]
find = "{find}"
sever = "{sever}"
prove = "{prove}"
[systems.ils.decisions]
history = "sever"
sessions = "sever"
"""


@dataclass(frozen=True)
class Done:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON document of ``--json``."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def said(self) -> str:
        """All text, on one line, so that a wrapped line cannot hide a sentence."""
        return " ".join((self.out + self.err).split())


@dataclass
class Lab:
    """A library in a folder of its own. ``url`` is an account that may do everything; ``old`` means 19.06."""

    folder: Path
    url: str
    old: bool = False
    engine: sa.Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = sa.create_engine(self.url)

    def write_site(
        self,
        *classes: str,
        branches: str = '"all"',
        more: str = "",
        system: str = "",
        find: str = "",
        sever: str = "",
    ) -> None:
        """Write reticent.toml; only series of these record classes (all, if none is named) may be severed."""
        schedule = "\n".join(f'"{name}" = "none applies"' for name in classes or ["*"])
        url = self.url.replace("%", "%%")
        text = SITE.format(
            schedule=schedule,
            branches=branches,
            more=more,
            system=system,
            find=find or url,
            sever=sever or url,
            prove=url,
        )
        (self.folder / "reticent.toml").write_text(text)

    def run(self, *arguments: str) -> Done:
        """Run a command in this process, as the terminal would."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        last = logging.lastResort
        argv = ["reticent", "--site", str(self.folder / "reticent.toml"), *arguments]
        streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
        with mock.patch.object(sys, "argv", argv), streams[0], streams[1]:
            try:
                cli.main()
            except SystemExit as end:
                code = int(end.code or 0)
            finally:
                logging.lastResort = last
        return Done(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command in a process of its own."""
        root = Path(__file__).resolve().parents[2]
        environment = {**os.environ, "PYTHONPATH": str(root / "src")}
        command = [sys.executable, "-m", "reticent.cli.main", "--site", str(self.folder / "reticent.toml")]
        return subprocess.Popen(
            [*command, *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def spawn(self, *arguments: str) -> Done:
        """Run a command in a process of its own to its end."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=300)
        return Done(process.returncode, out, err)

    def ask(self, sql: str, **values: object) -> Any:
        """Return the single value of a literal query."""
        with self.engine.connect() as connection:
            return connection.execute(sa.text(sql), values).scalar()

    def do(self, *statements: str) -> None:
        """Run statements in one transaction."""
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    def plan(self) -> dict[str, Any]:
        """Make a plan and write it to plan.json."""
        done = self.run("--json", "plan", "--out", str(self.folder / "plan.json"))
        assert done.code == 0, done.said
        return done.json

    def sever(self) -> Done:
        """Apply plan.json."""
        return self.run("--json", "sever", "--plan", str(self.folder / "plan.json"))

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return every row of a table."""
        with self.engine.connect() as connection:
            quoted = connection.dialect.identifier_preparer.quote(name)
            return [dict(row) for row in connection.exec_driver_sql(f"SELECT * FROM {quoted}").mappings()]

    def tables(self) -> list[str]:
        """Return every table but Reticent's own."""
        return sorted(set(sa.inspect(self.engine).get_table_names()) - {"reticent_receipts"})

    def digests(self) -> dict[str, str]:
        """Return a digest of every table's rows."""
        return {name: digest(self.table(name)) for name in self.tables()}

    def state(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on Reticent's own state."""
        with contextlib.closing(sqlite3.connect(self.folder / "state" / "state.sqlite")) as connection:
            return list(connection.execute(sql))

    def tally(self, measure: str = "searches", margin: str = "") -> int:
        """Return what the tallies of a measure add up to."""
        sql = f"SELECT COALESCE(SUM(rows_counted), 0) FROM tallies WHERE measure = '{measure}' AND margin = '{margin}'"
        return int(self.state(sql)[0][0])

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()


def digest(rows: list[dict[str, Any]]) -> str:
    """Return a digest of rows in any order."""
    return hashlib.sha256("\n".join(sorted(repr(sorted(row.items())) for row in rows)).encode()).hexdigest()


@dataclass(frozen=True)
class Sample:
    """The sample library's file, built once a session, and its Truth."""

    file: Path
    truth: Truth

    def sqlite(self, folder: Path) -> Lab:
        """Return a lab on a copy of its own."""
        shutil.copy(self.file, folder / "koha.db")
        lab = Lab(folder, f"sqlite:///{folder}/koha.db")
        lab.write_site()
        return lab

    def mariadb(self, folder: Path, url: str, release: str = "25.x") -> Lab:
        """Return a lab on a MariaDB database filled with the same rows, as far as the release has the columns."""
        lab = Lab(folder, url, release == "19.06")
        with lab.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            schema.create(connection, release)
            copy(self.file, connection, release)
        lab.write_site()
        return lab


def copy(file: Path, connection: sa.Connection, release: str) -> None:
    """Copy the sample rows into an empty MariaDB schema."""
    run = connection.exec_driver_sql
    run("SET SESSION foreign_key_checks = 0, unique_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
    run("BEGIN")
    with contextlib.closing(sqlite3.connect(file)) as source:
        for name, columns in schema.tables(release).items():
            if not source.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone():
                continue
            there = {row[1] for row in source.execute(f"PRAGMA table_info({name})")}
            both = [column.name for column in columns if column.name in there]
            rows = source.execute(f"SELECT {', '.join(f'`{c}`' for c in both)} FROM {name}").fetchall()
            if rows:
                marks = ", ".join(["%s"] * len(both))
                run(f"INSERT INTO `{name}` ({', '.join(f'`{c}`' for c in both)}) VALUES ({marks})", rows)
    run("COMMIT")
    run("SET SESSION foreign_key_checks = 1, unique_checks = 1, sql_mode = DEFAULT")


def build(folder: Path, patrons: int = 150, years: int = 1) -> Sample:
    """Build the sample library as of today: the severed database's own clock decides what is due."""
    file = folder / "koha.db"
    truth = library.build(file, patrons=patrons, years=years, today=date.today())
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return Sample(file, truth)


def due_of(document: Mapping[str, Any]) -> dict[str, int]:
    """Return series -> due of a ``find`` document."""
    return {series["series"]: series["due"] for series in document["series"]}


skip_unless_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
