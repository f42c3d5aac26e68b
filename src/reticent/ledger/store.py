"""The one SQLite file the ledger lives in: opening it, and what its failures mean.

Write-ahead log with ``synchronous=FULL``: what was committed survives a kill or a power cut as far
as the disk keeps its word. Not for network file systems. One thread uses a Store.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from reticent.errors import ConfigurationError, EvidenceBroken, ReticentError, SystemBusy, SystemRefused

SCHEMA = {
    "ledger": "CREATE TABLE ledger (origin TEXT NOT NULL, version INTEGER NOT NULL)",
    "entry": "CREATE TABLE entry (i INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    "tile": "CREATE TABLE tile (level INTEGER NOT NULL, n INTEGER NOT NULL, hashes BLOB NOT NULL, "
    "PRIMARY KEY (level, n)) WITHOUT ROWID",
    "once": "CREATE TABLE once (id BLOB PRIMARY KEY, first INTEGER NOT NULL, count INTEGER NOT NULL) WITHOUT ROWID",
    "checkpoint": "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note BLOB NOT NULL)",
}
VERSION = 1

_REFUSED = {
    sqlite3.SQLITE_FULL: "The disk is full.",
    sqlite3.SQLITE_IOERR: "The disk refused.",
    sqlite3.SQLITE_READONLY: "The file or its folder is read-only.",
    sqlite3.SQLITE_CANTOPEN: "The file or its folder cannot be opened for writing.",
    sqlite3.SQLITE_PERM: "The file may not be opened.",
    sqlite3.SQLITE_AUTH: "The file may not be opened.",
}


class Store:
    """A connection. Every failure of SQLite leaves as one of our errors."""

    def __init__(self, path: Path, *, busy: float) -> None:
        """Open an existing ledger file; ``busy`` is how many seconds to wait for other writers.

        Raises ConfigurationError if there is none, EvidenceBroken if it is not a database.
        """
        if not path.is_file():
            raise ConfigurationError(
                "There is no ledger here.",
                where=str(path),
                do="If there was one, restore it before anything else; if there never was, create it.",
            )
        self.path = path
        with _translated(path):
            self._connection = _connect(path, busy)

    def close(self) -> None:
        """Close the connection."""
        with _translated(self.path):
            self._connection.close()

    def rows(self, sql: str, values: Sequence[object] = ()) -> Iterator[tuple[object, ...]]:
        """Stream the rows of a query."""
        with _translated(self.path):
            yield from self._connection.execute(sql, values)

    def one(self, sql: str, values: Sequence[object] = ()) -> object:
        """Return the first column of the first row, or None."""
        with _translated(self.path):
            row = self._connection.execute(sql, values).fetchone()
        return row[0] if row else None

    def write(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of values."""
        with _translated(self.path):
            self._connection.executemany(sql, values)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one moment of the ledger, whatever others append meanwhile."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the write lock; commit durably at the end, or leave no trace.

        Raises SystemBusy if other writers kept the lock for the whole busy time.
        """
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with _translated(self.path):
            self._connection.execute(begin)
        try:
            yield
            with _translated(self.path):
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def strangers(self) -> list[str]:
        """Return the parts of the database whose definition is not the ledger's own."""
        sql = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
        found = {str(name): text for name, text in self.rows(sql)}
        wrong = [name for name in SCHEMA.keys() | found.keys() if SCHEMA.get(name) != found.get(name)]
        return sorted({f"table {name}" if name in SCHEMA else "something added" for name in wrong})


def create(path: Path, origin: str) -> None:
    """Make an empty ledger file, whole or not at all. Raises ConfigurationError if it cannot."""
    draft = path.with_name(f"{path.name}.new-{os.getpid()}")
    try:
        with _translated(path), closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA.values():
                connection.execute(statement)
            connection.execute("INSERT INTO ledger VALUES (?, ?)", (origin, VERSION))
            connection.execute("COMMIT")
        os.link(draft, path)
    except OSError as failure:
        raise ConfigurationError(
            "The ledger cannot be created here.",
            where=str(path),
            do="Name a folder that exists and holds no ledger yet; a ledger is never written over.",
        ) from failure
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _connect(path: Path, busy: float) -> sqlite3.Connection:
    address = f"file:{quote(str(path.resolve()))}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=busy, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what a damaged or unwilling database raises into our errors, without its own words."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a Log used in two threads or after closing: our mistake, not the file's
    except (sqlite3.Error, MemoryError, OverflowError, ValueError) as failure:
        raise _error(failure, path) from failure


def _error(failure: Exception, path: Path) -> ReticentError:
    code = getattr(failure, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SystemBusy(
            "The ledger is busy: others kept writing for the whole waiting time.",
            where=str(path),
            do="Nothing was written. Try again; if it lasts, look for a stopped reticent process.",
        )
    if code in _REFUSED:
        return SystemRefused(
            f"The ledger cannot be used. {_REFUSED[code]}",
            where=str(path),
            do="Mend that and run the command again; it goes on where it stopped.",
        )
    return EvidenceBroken(
        "The ledger's file is damaged.",
        where=str(path),
        do="Keep the file as it is, for whoever looks into it, and restore the ledger from a copy.",
    )
