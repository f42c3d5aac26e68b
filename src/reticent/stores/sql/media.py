"""What a database server itself keeps besides its tables, asked of the server: logs, old versions, followers.

Severed is not purged. Only settings and counts are asked for; an archive command or a subscriber's name can hold
a password and is not read. Measured with a least-right account on MariaDB 10.11 and PostgreSQL 15: settings,
slots and publications are shown to everyone; who follows a MariaDB takes REPLICATION MASTER ADMIN.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from reticent.model import Copy

UNKNOWN = "unknown"
_ITS_OWN = "not looked at: its files are the server's own"
_OVER = "until it is written over; no time is set"
_MYSQL = (
    "log_bin", "binlog_expire_logs_seconds", "expire_logs_days", "binlog_format", "general_log", "slow_query_log",
    "performance_schema", "wsrep_on",
)  # fmt: skip
_POSTGRESQL = ("archive_mode", "log_statement", "log_min_duration_statement", "wal_level")


def media(connection: sa.Connection, system: str, mapped: Container[str]) -> list[Copy]:
    """Return what the server behind a connection keeps besides its tables; ``mapped``: the tables of the map."""
    asked = {"sqlite": _sqlite, "postgresql": _postgresql}.get(connection.dialect.name, _mysql)
    published = _published(connection, system, mapped) if connection.dialect.name == "postgresql" else ()
    return [*asked(connection, system), *published]


def _mysql(connection: sa.Connection, system: str) -> Iterator[Copy]:
    named = ", ".join(f"'{name}'" for name in _MYSQL)
    rows = connection.exec_driver_sql(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({named})")
    is_set: Mapping[str, str] = {str(name).lower(): str(value) for name, value in rows}
    if is_set.get("log_bin") == "ON":
        keeps = "statements" if is_set.get("binlog_format") == "STATEMENT" else "rows before and after each change"
        yield Copy(system, "binary_log", "binary log", keeps, _binary_log(is_set), _ITS_OWN)
    yield Copy(system, "redo_log", "redo log", "changed pages", _OVER, _ITS_OWN)
    yield Copy(system, "undo", "undo log and free pages", "old versions of rows", _OVER, _ITS_OWN)
    for kind, setting in (("general_log", "general_log"), ("slow_log", "slow_query_log")):
        if is_set.get(setting) == "ON":
            yield Copy(system, kind, kind.replace("_", " "), "statements of every program", UNKNOWN, _ITS_OWN)
    if is_set.get("performance_schema") == "ON":
        yield Copy(system, "performance_schema", "performance schema", "the last statements", _OVER, _ITS_OWN)
    if is_set.get("wsrep_on") == "ON":
        yield Copy(system, "replica", "cluster", "everything", UNKNOWN, "not looked at: name its other nodes")
    yield _followers(connection, system)


def _binary_log(is_set: Mapping[str, str]) -> str:
    seconds = float(is_set.get("binlog_expire_logs_seconds") or 0) or 86400 * float(is_set.get("expire_logs_days") or 0)
    return f"{timedelta(seconds=seconds).days} days, as the server is set" if seconds else "never, as the server is set"


def _followers(connection: sa.Connection, system: str) -> Copy:
    try:
        count = len(connection.exec_driver_sql("SHOW REPLICA HOSTS").all())
    except DBAPIError:
        said = "not looked at: who follows takes the right REPLICATION MASTER ADMIN (MySQL: REPLICATION SLAVE)"
        return Copy(system, "replica", "replicas", "everything", UNKNOWN, said)
    said = f"{count} have signed in at this server; they follow, their own logs do not"
    return Copy(system, "replica", "replicas", "everything" if count else "nothing", UNKNOWN, said, looked_at=not count)


def _postgresql(connection: sa.Connection, system: str) -> Iterator[Copy]:
    settings = sa.table("pg_settings", sa.column("name"), sa.column("setting"))
    rows = connection.execute(sa.select(*settings.c).where(settings.c.name.in_(_POSTGRESQL)))
    is_set: Mapping[str, str] = {str(name): str(value) for name, value in rows}

    def number(sql: str) -> int:
        return int(connection.exec_driver_sql(sql).scalar() or 0)

    keeps = "rows after each change" + (", and before" if is_set.get("wal_level") == "logical" else "")
    yield Copy(system, "wal", "write-ahead log", keeps, _OVER, _ITS_OWN)
    if is_set.get("archive_mode") in ("on", "always"):
        said = "not looked at: wherever the server's archive command puts it"
        yield Copy(system, "wal_archive", "archive of the write-ahead log", keeps, UNKNOWN, said)
    dead = number("SELECT sum(n_dead_tup) FROM pg_stat_user_tables")
    said = f"about {dead:,} by the server's own count; they cannot be read by a query"
    yield Copy(system, "dead_rows", "dead rows in the tables", "old versions of rows", "the next vacuum", said)
    if is_set.get("log_statement") != "none" or is_set.get("log_min_duration_statement") != "-1":
        yield Copy(system, "server_log", "server log", "statements of every program", UNKNOWN, _ITS_OWN)
    for kind, medium, sql in (
        ("replica", "replicas", "SELECT count(*) FROM pg_stat_replication"),
        ("replica", "slots for replicas", "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical'"),
        ("subscription", "slots for others", "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical'"),
    ):  # fmt: skip
        if count := number(sql):
            said = f"{count} at this server; what follows it was not looked at"
            yield Copy(system, kind, medium, "everything it follows", UNKNOWN, said)
    here = "SELECT count(*) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
    if count := number(f"{here} WHERE d.datname = current_database()"):
        said = f"{count}: this database is itself a copy; sever where its rows come from, or they come again"
        yield Copy(system, "subscription", "subscriptions", "rows of another server", UNKNOWN, said)


def _published(connection: sa.Connection, system: str, mapped: Container[str]) -> Iterator[Copy]:
    """Yield each publication, and how many tables of the map whoever subscribes to it gets row by row."""
    sent: dict[str, list[bool]] = {}
    listed = "SELECT p.pubname, t.schemaname, t.tablename FROM pg_publication p LEFT JOIN pg_publication_tables t "
    for name, schema, table in connection.exec_driver_sql(f"{listed} ON t.pubname = p.pubname ORDER BY 1"):
        sent.setdefault(str(name), []).extend([f"{schema}.{table}" in mapped or table in mapped] if table else [])
    for name, tables in sent.items():
        keeps = f"every change of {len(tables):,} tables, {sum(tables):,} of them the map's"
        said = (
            "what subscribes to it was not looked at: a severed row is sent as severed, what was sent before is there"
        )
        yield Copy(system, "subscription", f"publication {name}", keeps, UNKNOWN, said)


def _sqlite(connection: sa.Connection, system: str) -> Iterator[Copy]:
    file = Path(str(connection.engine.url.database))
    if (log := file.with_name(f"{file.name}-wal")).is_file() and log.stat().st_size:
        yield Copy(system, "wal", "write-ahead log beside the file", "changed pages", "the next checkpoint", _ITS_OWN)
    if free := int(connection.exec_driver_sql("PRAGMA freelist_count").scalar() or 0):
        said = f"{free:,} pages; what other programs deleted may stand in them"
        yield Copy(system, "dead_rows", "free pages in the file", "old rows", "the next VACUUM", said)
