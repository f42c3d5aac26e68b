"""Opens Reticent's own database: SQLite in the state folder by default, PostgreSQL when machines share it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from reticent.errors import ConfigurationError, ReticentError, SystemRefused
from reticent.site import Site

HEAD = "0004"


def open_state(site: Site) -> sa.Engine:
    """Open (and on first use create) the state database. Raises ConfigurationError or SystemRefused."""
    _folder(site.state_path)
    url = site.state.database or f"sqlite:///{site.state_path / 'state.sqlite'}"
    try:
        engine = sa.create_engine(url, hide_parameters=True)
    except SQLAlchemyError:
        raise ConfigurationError(
            "state.database is not a database URL.", where=str(site.file), do='Write "postgresql+psycopg://..."'
        ) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _durable)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with writing(engine) as connection:
        _migrate(connection)
    return engine


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        if not os.access(path, os.W_OK):
            raise PermissionError
    except OSError:
        raise ConfigurationError(
            "The state folder cannot be written.", where=str(path), do="Check its owner, its rights and the disk."
        ) from None


def _durable(connection: Any, _: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "busy_timeout = 10000"):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(connection: sa.Connection) -> None:
    inspector = sa.inspect(connection)
    if inspector.has_table("alembic_version"):
        current = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        if current == HEAD:
            return
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "reticent:state/migrations")
    command.upgrade(config, "head")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yield a connection in one transaction. Raises SystemRefused if the state cannot be written."""
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise _explain(error) from None


def _explain(error: DBAPIError) -> ReticentError:
    text = str(error.orig)
    reason, do = "The state database refused a statement.", "Check the state folder; run again."
    if "full" in text or "No space" in text:
        reason, do = "The disk of the state folder is full.", "Free space and run again; nothing is lost."
    elif "locked" in text or "busy" in text:
        reason, do = "Another Reticent is writing to the state.", "Wait for it, then run again."
    elif "malformed" in text or "not a database" in text:
        reason, do = "The state database is damaged.", "Restore the state folder, then run `reticent ledger verify`."
    elif "readonly" in text:
        reason, do = "The state folder cannot be written.", "Check its owner and rights."
    return SystemRefused(reason, where="state", do=do)


@contextmanager
def only_one(site: Site) -> Iterator[None]:
    """Hold the lock that lets one severing run at a time work with this state."""
    with (site.state_path / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemRefused(
                "Another severing run is under way.",
                where=str(site.state_path / "lock"),
                do="Wait for it to end, or stop it with `touch` of the stop file it names.",
            ) from None
        yield
