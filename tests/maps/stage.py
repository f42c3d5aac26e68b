"""A system with planted people on a real server, and the site that looks after it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.acts import kit
from tests.maps import tables
from tests.maps.case import Case
from tests.maps.due import Snapshot
from tests.maps.planting import (
    BYSTANDER,
    BYSTANDERS_FROM,
    KEPT,
    KEYS_FROM,
    LATE,
    LATE_FROM,
    LATELY,
    PATRONS,
    Person,
    Planting,
)
from tests.servers import Server

from reticent.acts.grants import Grants, grants
from reticent.model import RecordClass
from reticent.site import EXTRA_RETENTION, read_site
from reticent.stores.sql.grants import ACCOUNTS, Account, sight
from reticent.systems.mapfile import Map


@dataclass
class Stage:
    """One database with planted people, and the site that looks after it by least-right accounts."""

    case: Case
    lab: kit.Lab
    bystanders: Snapshot
    server: Server | None = None
    granted: list[str] = field(default_factory=list)
    """The find account's grants, as they were printed."""
    said: list[str] = field(default_factory=list)

    def run(self, *arguments: str, code: int) -> dict[str, Any]:
        """Run a command; keep what it said."""
        done = self.lab.run("--json", *arguments)
        self.said.append(done.out + done.err)
        assert done.code == code, (arguments, done.code, done.said)
        return done.json

    def administer(self, *statements: str) -> None:
        """Run statements as the database's administrator, each in a transaction of its own."""
        with self.lab.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))

    def snapshot(self) -> Snapshot:
        """Return every row of every table but Reticent's own."""
        with self.lab.engine.connect() as connection:
            return {name: _rows(connection, quoted) for name, quoted in sorted(self._tables(connection))}

    def views(self) -> Snapshot:
        """Return every row of the views that the map reads."""
        with self.lab.engine.connect() as connection:
            inspector, default = sa.inspect(connection), sa.inspect(connection).default_schema_name
            return {
                name: _rows(connection, tables.quoted(connection.dialect, name))
                for name in self.case.loaded.tables
                if name.rpartition(".")[2] in inspector.get_view_names(name.rpartition(".")[0] or default)
            }

    def _tables(self, connection: sa.Connection) -> Iterator[tuple[str, str]]:
        inspector, own = sa.inspect(connection), "reticent_receipts"
        default, postgresql = inspector.default_schema_name, connection.dialect.name == "postgresql"
        every = inspector.get_schema_names() if postgresql else [default]
        parts, parents = _divided(connection) if postgresql else (set(), set())
        for schema in every:
            if schema == "information_schema":
                continue
            for table in inspector.get_table_names(None if schema == default else schema):
                if (schema, table) in parts:
                    continue  # its rows are its parent's
                name = table if schema == default and not self.case.loaded.qualified else f"{schema}.{table}"
                if table != own:
                    only = "ONLY " if (schema, table) in parents else ""
                    yield name, only + tables.quoted(connection.dialect, name)


def _rows(connection: sa.Connection, quoted: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.exec_driver_sql(f"SELECT * FROM {quoted}").mappings()]


def _divided(connection: sa.Connection) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return which tables are partitions of another, and which have heirs whose rows are not their own."""
    named = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE"
    asked = (f"{named} c.relispartition", f"{named} c.relhassubclass AND c.relkind = 'r'")
    parts, parents = ({(str(s), str(name)) for s, name in connection.exec_driver_sql(each)} for each in asked)
    return parts, parents


def staged(case: Case, folder: Path, url: str, server: Server | None = None, crowd: int = 0) -> Stage:
    """Build the schema in an empty database, plant people, and write a site with the accounts ``init`` asks for.

    With a ``crowd`` that many more people have an account, and the site a roster account.
    """
    lab = kit.Lab(folder, url)
    with lab.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        tables.create(connection, case.tables)
        planting = Planting(connection, case.loaded, case.tables, case.values, case.due, case.alive, case.nobodys)
        for index in range(1, PATRONS + 1):
            planting.person(Person(index))
        planting.person(Person(7, LATE, LATE_FROM, LATELY))
        bystanders = planting.bystander(Person(1, BYSTANDER, BYSTANDERS_FROM))
        planting.crowd(Person(100 + index, BYSTANDER, BYSTANDERS_FROM) for index in range(crowd))
        for statement in case.before:
            connection.exec_driver_sql(statement)
    alive = {table: rows for table, rows in bystanders.items() if table in case.alive}
    stage = Stage(case, lab, alive, server)
    stage.bystanders = _as_stored(stage.snapshot(), alive)
    rights: tuple[Account, ...] = (*ACCOUNTS, "roster") if crowd else ACCOUNTS
    accounts: dict[str, str] = dict.fromkeys(rights, url)
    if server is not None:
        name = str(sa.make_url(url).database)
        accounts = {account: server.url(f"{account}_{name}", name) for account in rights}
        write_site(case, folder, accounts)
        _grant(stage, name, rights)
    write_site(case, folder, accounts)
    return stage


def _as_stored(found: Snapshot, planted: Snapshot) -> Snapshot:
    """Return the planted rows as the server gives them back: by their marks and keys, not by their types."""
    stored = {}
    for table, rows in planted.items():
        keys = {name for name, value in rows[0].items() if _is_key(value)} or set(rows[0])
        wanted = {_digest(row, keys) for row in rows}
        stored[table] = [row for row in found[table] if _digest(row, keys) in wanted]
        assert len(stored[table]) == len(rows), f"{table} does not give back what was planted: {rows}, {found[table]}"
    return stored


def _is_key(value: object) -> bool:
    return isinstance(value, uuid.UUID) or (isinstance(value, int) and value > KEYS_FROM)


def _digest(row: Mapping[str, Any], columns: set[str]) -> str:
    shown = {}
    for name in sorted(columns):
        value = row[name].tobytes() if isinstance(row[name], memoryview) else row[name]
        value = json.loads(value) if isinstance(value, str) and value.startswith("{") else value
        value = int(value) if isinstance(value, bool) else value
        shown[name] = repr(value) if isinstance(value, bytes) else json.dumps(value, default=str, sort_keys=True)
    return repr(shown)


def write_site(case: Case, folder: Path, accounts: Mapping[str, str], more: str = "") -> None:
    """Write a site that keeps everything a week longer than its purpose, and has decided every question of the map."""
    kept = {**dict.fromkeys((*RecordClass, *EXTRA_RETENTION), KEPT), **case.retention}
    retention = "\n".join(f'{name} = "{length}"' for name, length in kept.items())
    decisions = "\n".join(f'{name} = "sever"' for name in case.loaded.decisions)
    named = "\n".join(f'{account} = "{url}"' for account, url in accounts.items())
    (folder / "reticent.toml").write_text(
        f'[library]\nname = "Lakeside"\nbranches = "all"\n[state]\npath = "state"\nkeys = "keys"\n'
        f'[retention]\n{retention}\n[schedule]\n"*" = "none applies"\n[sever]\nfree_space = "1 MB"\n{more}\n'
        f'[systems.it]\nkind = "{case.kind}"\ntenant = "{case.tenant}"\n[systems.it.accounts]\n{named}\n[systems.it.decisions]\n{decisions}\n'
    )


def _grant(stage: Stage, name: str, rights: Sequence[Account]) -> None:
    """Make the accounts by the statements that are printed for an administrator, and by nothing else."""
    server = stage.server
    assert server is not None
    mariadb = server.kind == "mariadb"
    for account in rights:
        user = f"{account}_{name}"
        server.execute(f"CREATE USER '{user}'@'%'" if mariadb else f'CREATE ROLE "{user}" LOGIN')
    if mariadb:
        server.execute(sight(name, f"'find_{name}'@'%'"))
    wanted = grants(read_site(stage.lab.folder / "reticent.toml"), "it")
    assert not wanted.refused, wanted.refused
    _may_not_read_names(stage.case.loaded, wanted)
    stage.granted = [line for line in wanted.accounts["find"] if "SELECT" in line]
    stage.administer(wanted.receipts, *(line for lines in wanted.accounts.values() for line in lines))


def _may_not_read_names(loaded: Map, wanted: Grants) -> None:
    """Of the table of people no account may read a name, an identifier the library issued, or a password."""
    roster = loaded.roster
    assert roster is not None
    fields = loaded.tables[roster.table].fields
    names = {fields[name].column for name in (*roster.issued, *roster.personal, *roster.name)}
    for account, lines in wanted.accounts.items():
        for line in lines if account != "roster" else ():
            if roster.table in re.findall(r"\w+", line.partition(" ON ")[2].partition(" TO ")[0]):
                told = {c for c in re.findall(r"\w+", line) if c in names or "pass" in c}
                assert not told, (account, told)
