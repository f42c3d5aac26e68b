"""The sample library on real servers: the same rows as on SQLite, in either release."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from reticent.acts.opening import Opened, open_site
from reticent.sample import library, schema

SETTINGS = """
[retention]
payment = "1 year"
registration = "30 days"
[schedule]
"*" = "none applies"
[sever]
free_space = "1 MB"
"""


def sample(folder: Path) -> Path:
    """Build a small sample library on SQLite."""
    path = folder / "koha.db"
    library.build(path, patrons=150, years=1, today=datetime.now().astimezone().date())
    return path


def copy(path: Path, url: str, release: str = "25.x") -> None:
    """Copy a sample library to an empty database of a MariaDB or PostgreSQL server."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            for statement in _postgresql(release):
                connection.exec_driver_sql(statement)
        else:
            schema.create(connection, release)
            connection.exec_driver_sql("SET foreign_key_checks = 0, sql_mode = ''")
        source = sqlite3.connect(path)
        for table, columns in schema.tables(release).items():
            _rows(source, connection, table, [column.name for column in columns])
        source.close()
        connection.commit()
    engine.dispose()


def _rows(source: sqlite3.Connection, connection: sa.Connection, table: str, columns: list[str]) -> None:
    there = {row[1] for row in source.execute(f'PRAGMA table_info("{table}")')}
    names = [name for name in columns if name in there]
    quoted = ", ".join(f'"{name}"' for name in names)
    rows = source.execute(f'SELECT {quoted} FROM "{table}"').fetchall()
    marks = ", ".join(["%s"] * len(names))
    into = f'INSERT INTO "{table}" ({quoted}) VALUES ({marks})'
    postgresql = connection.dialect.name == "postgresql"
    if rows:
        connection.exec_driver_sql(into.lower() if postgresql else into.replace('"', "`"), rows)


def _postgresql(release: str) -> Iterator[str]:
    for table, columns in schema.tables(release).items():
        parts = [f'"{c.name.lower()}" {_type(c.type)}{"" if c.nullable else " NOT NULL"}' for c in columns]
        primary = [f'"{c.name.lower()}"' for c in columns if c.key == "PRI"]
        parts += [f"PRIMARY KEY ({', '.join(primary)})"] if primary else []
        yield f'CREATE TABLE "{table}" ({", ".join(parts)})'


def _type(mysql: str) -> str:
    word = re.match(r"\w+", mysql)
    assert word is not None
    plain = {
        "int": "integer", "tinyint": "smallint", "smallint": "smallint", "bigint": "bigint", "datetime": "timestamp",
        "timestamp": "timestamp", "date": "date", "time": "time", "decimal": "numeric", "double": "double precision",
        "float": "real", "longblob": "bytea", "mediumblob": "bytea", "blob": "bytea",
    }  # fmt: skip
    return plain.get(word[0], "text")


def write_site(folder: Path, urls: dict[str, str], extra: str = "", branches: str = '"all"', more: str = "") -> Path:
    """Write a site file with one account a right and keys beside its state."""
    accounts = "\n".join(f'{right} = "{url}"' for right, url in urls.items())
    file = folder / "reticent.toml"
    file.write_text(
        f'[library]\nname = "Lakeside"\njurisdiction = "US-WI"\nbranches = {branches}\n'
        f'[state]\npath = "state"\nkeys = "keys"\n{SETTINGS}{more}\n[systems.ils]\nkind = "koha"\n{extra}\n'
        f"[systems.ils.accounts]\n{accounts}\n"
    )
    return file


def opened(file: Path) -> Opened:
    """Open a site as a command would."""
    return open_site(file)


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """A connection that commits each statement."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def quiet(_what: str, _done: int, _of: int) -> None:
    """No progress."""
