"""Opens a database and turns its refusals into Reticent's errors, without a word of foreign text.

A driver's message can hold a row's value, so only numbers, and the names of rights, tables and
columns that match a strict pattern, are taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from reticent.errors import ConfigurationError, ReticentError, SystemBusy, SystemRefused, SystemUnreachable
from reticent.stores.sql.literal import touched

LOCK_WAIT_SECONDS = 2
_SESSION = {
    # The second is for a table's structure: during an ALTER TABLE the server's own default waits a day.
    "mysql": (
        f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}",
        f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}",
    ),
    # Compiling a statement took longer than a chunk's whole work (half a second, measured on PostgreSQL 15).
    "postgresql": (
        "SET jit = off",
        f"SET lock_timeout = '{LOCK_WAIT_SECONDS}s'",
        "SET idle_in_transaction_session_timeout = '60s'",
    ),
}
_BUSY = {1205, 1213, 3572, "55P03", "40P01", "40001"}
_LOST = {2006, 2013, 2055, "57P01", "57P02", "57P03", "08006", "08003"}
_WRONG_PASSWORD = {1045, 1698, "28P01", "28000"}
_UNKNOWN_DATABASE = {1049, 1044, "3D000"}
NO_RIGHT = {1142, 1143, 1227, 1370, "42501"}
NO_TABLE = {1146, "42P01"}
NOT_A_DATABASE = 26
_READ_ONLY = {1290, 1792, 1836, "25006"}
_FULL = {1021, 1114, 1041, 28, "53100"}
_WORDS = {
    "locked": 1205, "busy": 1205, "disk is full": 1021, "readonly": 1290, "unable to open": 2003,
    "not a database": NOT_A_DATABASE, "malformed": NOT_A_DATABASE,
    "password authentication failed": 1045, "no password supplied": 1045, 'role "': 1045, "pg_hba.conf": 1045,
    "does not exist": 1049,
}  # fmt: skip
"""SQLite has no numbers worth the name, and PostgreSQL refuses a connection without a SQLSTATE."""
_RIGHT = re.compile(
    r"(?:(?P<right>\w+) command denied to user .*? for (?:column '(?P<column>\w+)' in )?table [`'.\w]*?"
    r"|permission denied for (?:table|relation|view) )(?P<table>\w+)[`']*$"
)


def open_engine(url: str, system: str) -> sa.Engine:
    """Return an engine for one account: READ COMMITTED, 2 s lock wait, one connection at a time."""
    try:
        parsed = sa.make_url(url)
        options: dict[str, Any] = {"pool_size": 2, "max_overflow": 2, "hide_parameters": True}
        if parsed.get_backend_name() == "sqlite":
            _require_file(parsed.database, system)
        elif parsed.get_backend_name() in ("mysql", "mariadb"):
            # The driver would write a password as Latin-1; the server compares UTF-8.
            password = {"password": str(parsed.password).encode()} if parsed.password else {}
            options |= {"isolation_level": "READ COMMITTED", "connect_args": {"connect_timeout": 10, **password}}
            parsed = parsed.update_query_dict({"charset": "utf8mb4"})
        elif parsed.get_backend_name() == "postgresql":
            options |= {"isolation_level": "READ COMMITTED", "connect_args": {"connect_timeout": 10}}
        engine = sa.create_engine(parsed, **options)
    except (SQLAlchemyError, ImportError, TypeError, ValueError):
        raise ConfigurationError(
            "The account's URL is not a database URL Reticent can use.",
            where=f"[systems.{system}.accounts]",
            do='Write for example "mysql+pymysql://reticent_find@db/koha"; mysql+pymysql, postgresql+psycopg, sqlite.',
        ) from None
    sa.event.listen(engine, "connect", _prepare)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def _require_file(path: str | None, system: str) -> None:
    """SQLite would make an empty database of a mistyped name."""
    if not path or not Path(path).is_file():
        raise SystemUnreachable(
            "The database cannot be reached: there is no such file.", where=f"system {system}", do=_ACCOUNTS
        )


def _prepare(connection: Any, _: object) -> None:
    module = type(connection).__module__.split(".")[0]
    if module == "sqlite3":
        # The driver's own implicit BEGIN comes too late to lock the rows that were read first.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_SECONDS * 1000}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        return
    statements = _SESSION["mysql" if module == "pymysql" else "postgresql"]
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()
    if module == "psycopg":
        for kind, loader in _ENDLESS.items():
            connection.adapters.register_loader(kind, loader)
        connection.commit()


class _Endless(Loader):
    """PostgreSQL's infinity is no moment of Python's: the last one there is, or the first."""

    bounded: type[Loader]

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._moments = self.bounded(oid, context)

    def load(self, data: Buffer) -> Any:
        text = bytes(data or b"")
        if text.endswith(b"infinity"):
            return datetime.min if text.startswith(b"-") else datetime.max  # noqa: DTZ901 - compared as local times
        return self._moments.load(data)


_ENDLESS = {
    kind: type("Endless", (_Endless,), {"bounded": bounded})
    for kind, bounded in (("timestamp", TimestampLoader), ("timestamptz", TimestamptzLoader), ("date", DateLoader))
}


def _begin_immediate(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def reading(engine: sa.Engine, system: str, *, brief: bool = False) -> Iterator[sa.Connection]:
    """Yield a connection for non-locking reads; each statement stands alone.

    ``brief``: one short read between two transactions. On a server that is a transaction too: to switch to
    statements that stand alone and back would take four round trips more.
    """
    with translating(system), engine.connect() as connection:
        if not brief or engine.dialect.name == "sqlite":
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection


@contextmanager
def translating(system: str) -> Iterator[None]:
    """Turn driver errors into errors a person can act on."""
    try:
        yield
    except DBAPIError as error:
        raise explain(error, system) from None


def code(error: DBAPIError) -> int | str:
    """Return the driver's number (MySQL) or SQLSTATE (PostgreSQL), or a word for SQLite."""
    original = error.orig
    first = original.args[0] if original is not None and original.args else ""
    if isinstance(first, int):
        # Before the state: PyMySQL 1.2 gives one too, and a lock wait time-out (1205) is only "HY000" in it.
        return first
    if (state := getattr(original, "sqlstate", None)) is not None:
        return str(state)
    return next((number for word, number in _WORDS.items() if word in str(first)), str(type(original).__name__))


def explain(error: DBAPIError, system: str) -> ReticentError:
    """Return Reticent's error for a driver's error, with nothing of the driver's own text."""
    number = code(error)
    where = f"system {system}"
    if number in _BUSY:
        return SystemBusy("The live system wanted the same rows.", where=where, do="Nothing was changed; try again.")
    if number in _WRONG_PASSWORD:
        return SystemUnreachable("The user or password was not accepted.", where=where, do=_ACCOUNTS)
    if number in _UNKNOWN_DATABASE:
        return SystemUnreachable("There is no such database, or the account may not use it.", where=where, do=_ACCOUNTS)
    if number == NOT_A_DATABASE:
        return SystemRefused("The file is not a database, or it is damaged.", where=where, do=_ACCOUNTS)
    if number in NO_RIGHT:
        return _missing_right(error, where)
    if number in _READ_ONLY:
        return SystemRefused(
            "The database is read-only.", where=where, do="Name the primary server, not a replica, in the accounts."
        )
    if number in _FULL:
        return SystemRefused(
            "The database server has no disk space left.", where=where, do="Free space; the chunk was rolled back."
        )
    if number in _LOST or error.connection_invalidated or (isinstance(number, int) and number in (2002, 2003, 2005)):
        return SystemUnreachable("The database cannot be reached.", where=where, do=_REACH)
    if isinstance(number, str) and "Operational" in number:
        return SystemUnreachable("The database cannot be reached.", where=where, do=_REACH)
    return SystemRefused(
        f"The database refused a statement (code {number}).", where=where, do="Run again with -v; report the code."
    )


_ACCOUNTS = "Check the accounts in reticent.toml; `reticent init` prints the grants."
_REACH = "Check that the server runs, and host and port in reticent.toml. Running again resumes."


def _missing_right(error: DBAPIError, where: str) -> SystemRefused:
    found = _RIGHT.search(_driver_text(error))
    if found is None:
        return SystemRefused("The account lacks a right.", where=where, do=_GRANTS)
    right, column, table = found["right"] or "a right", found["column"], found["table"]
    return SystemRefused(
        f"The account lacks {right} on {table}{f'.{column}' if column else ''}.",
        where=f"{where}, table {table}",
        do=f"{_mending(error, found['right'], column, table)} {_GRANTS}",
    )


def _driver_text(error: DBAPIError) -> str:
    original = error.orig
    if original is None or not original.args:
        return ""
    return str(original.args[-1]).splitlines()[0].replace('"', "'")


def _mending(error: DBAPIError, right: str | None, column: str | None, table: str) -> str:
    """Return the GRANT without which the refused statement of ours will go on being refused."""
    if right and column:
        return f"GRANT {right} ({column}) ON {table} TO the account."
    try:
        used = touched(str(error.statement), "postgresql" if right is None else "mysql")
    except ValueError:
        return ""
    # PostgreSQL names the table without the schema that our statement named it with.
    named = {*used.read, *used.written, *used.locked, *used.deleted, *used.inserted}
    table = next((name for name in sorted(named) if name.rpartition(".")[2] == table), table)
    wanted = [
        (name, ", ".join(sorted(columns.get(table, ()))))
        for name, columns in (("SELECT", used.read), ("UPDATE", used.written))
    ]
    rights = [f"{name} ({columns})" for name, columns in wanted if columns and right in (None, name)]
    rights += ["UPDATE (what is severed there)"] if right is None and table in used.locked else []
    rights += [name for name, tables in (("DELETE", used.deleted), ("INSERT", used.inserted)) if table in tables]
    return f"GRANT {', '.join(rights)} ON {table} TO the account." if rights else ""


_GRANTS = "`reticent init --grants SYSTEM` prints every grant the accounts need."
