"""Is the live system busy with something Reticent must give way to?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from reticent.errors import ReticentError
from reticent.stores.sql.connect import open_engine, reading
from reticent.stores.sql.database import Database, setting

_RUNNING = {
    # Only state and command, never the statement: it can hold a reader's name.
    "mysql": "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND time > 2 AND "
    "(state LIKE '%alter table%' OR state LIKE 'copy to tmp table%' OR state LIKE 'Repair%')",
    "postgresql": "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
    "WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid() "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'",
}


def obstacle(engine: sa.Engine, database: Database, replicas: Sequence[str], lag: timedelta) -> str:
    """Return why a run must wait now, "" if nothing stands in its way."""
    with reading(engine, database.system) as connection:
        running = _RUNNING.get(connection.dialect.name)
        if running and connection.exec_driver_sql(running.replace("%", "%%")).scalar_one():
            return "an upgrade or a repair of the system is running"
        if why := _version_moved(connection, database):
            return why
    return next(filter(None, (_behind(replica, database.system, lag) for replica in replicas)), "")


def _version_moved(connection: sa.Connection, database: Database) -> str:
    place = database.loaded.settings_in
    if place is None:
        return ""
    version = setting(connection, database, place.version)
    return "an upgrade of the system has changed its version" if version != database.version else ""


def _behind(url: str, system: str, lag: timedelta) -> str:
    """Return what is wrong with a replica: further behind than ``lag``, stopped, or not to be asked."""
    try:
        engine = open_engine(url, system)
        with reading(engine, system) as connection:
            seconds = _lag(connection)
        engine.dispose()
    except (ReticentError, DBAPIError):
        return "a replica cannot be asked how far behind it is"
    if seconds is None:
        return "a replica has stopped following"
    return f"a replica is {seconds} s behind" if seconds > lag.total_seconds() else ""


def _lag(connection: sa.Connection) -> int | None:
    if connection.dialect.name == "postgresql":
        query = (
            "SELECT CASE WHEN pg_is_in_recovery() THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END"
        )
        seconds = connection.exec_driver_sql(query).scalar()
        return None if seconds is None else int(seconds)
    row = connection.exec_driver_sql("SHOW REPLICA STATUS").mappings().first()
    seconds = row.get("Seconds_Behind_Master", row.get("Seconds_Behind_Source")) if row else None
    return None if seconds is None else int(seconds)
