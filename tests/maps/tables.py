"""The columns a map was made from, as CREATE TABLE statements for MariaDB, PostgreSQL and SQLite.

A line of the CSV is a column: ``table,column,type,nullable`` and, where known, ``key`` (PRI, UNI, MUL),
``fk`` (``table.column ON DELETE ...``) and ``touched`` (yes: rewritten by the server at every UPDATE).
``in_RELEASE`` says how a release differs: same, absent, only, or its type, which may be followed by
``null=YES`` and by its key where it has one. A table may be written ``schema.table``, and a column
``column.path`` for what stands in its JSON documents.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from reticent.systems import load
from reticent.systems.mapfile import Map

Tables = Mapping[str, list["Column"]]


@dataclass(frozen=True)
class Column:
    """One column of one release."""

    table: str
    name: str
    type: str
    nullable: bool
    key: str = ""
    fk: str = ""
    touched: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """The steps into the document of a column, if this is such a path (``jsonb.items[].loanId``)."""
        return tuple(self.name.split(".")[1:])

    @property
    def parent(self) -> tuple[str, str]:
        """The table and column it refers to, or two empty words."""
        table, _, column = self.fk.partition(" ")[0].rpartition(".")
        return table, column


def read(loaded: Map, release: str = "") -> dict[str, list[Column]]:
    """Return table -> columns of a release ("" is what the plain columns of the CSV say)."""
    found: dict[str, list[Column]] = {}
    for row in csv.DictReader((load.MAPS / loaded.columns).read_text(encoding="utf-8").splitlines()):
        others = {name.removeprefix("in_"): said for name, said in row.items() if name.startswith("in_")}
        said = others[release] if release else "absent" if "only" in others.values() else "same"
        if said == "absent":
            continue
        kind, _, rest = said.partition(" null=") if said not in ("same", "only") else (row["type"], "", "")
        nullable, _, fk = rest.partition(" ") if rest else (row["nullable"], "", row.get("fk", ""))
        column = Column(
            row["table"].replace("{tenant}", loaded.tenant),
            row["column"],
            kind,
            nullable.upper() == "YES",
            row.get("key", ""),
            fk.replace("{tenant}", loaded.tenant),
            row.get("touched", "") == "yes",
        )
        found.setdefault(column.table, []).append(column)
    return found


def create(connection: sa.Connection, tables: Tables) -> None:
    """Create the tables in the connection's empty database."""
    for statement in statements(connection.dialect, tables):
        connection.exec_driver_sql(statement)


def statements(dialect: sa.Dialect, tables: Tables) -> Iterator[str]:
    """Yield what creates the tables; keys to tables that are not among them are left out."""
    mysql, postgresql = dialect.name in ("mysql", "mariadb"), dialect.name == "postgresql"
    if mysql:
        yield "SET SESSION foreign_key_checks = 0"
    if postgresql:
        yield from (f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in sorted(_schemas(tables)))
    for name, columns in tables.items():
        inline = [] if postgresql else list(_foreign_keys(dialect, tables, columns))
        parts = ", ".join([*_parts(dialect, columns), *(part for _, part in inline)])
        yield f"CREATE TABLE {quoted(dialect, name)} ({parts})" + " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4" * mysql
    for name, columns in tables.items() if postgresql else ():
        for _, part in _foreign_keys(dialect, tables, columns):
            yield f"ALTER TABLE {quoted(dialect, name)} ADD {part}"
    if mysql:
        yield "SET SESSION foreign_key_checks = 1"


def quoted(dialect: sa.Dialect, name: str) -> str:
    """Return a table's or column's name as SQL, its schema before it."""
    return ".".join(dialect.identifier_preparer.quote_identifier(part) for part in name.split("."))


def _schemas(tables: Tables) -> set[str]:
    return {name.partition(".")[0] for name in tables if "." in name}


def _parts(dialect: sa.Dialect, columns: list[Column]) -> Iterator[str]:
    for column in columns:
        if column.path:
            continue
        touch = " DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP" if _touches(dialect, column) else ""
        null = "NULL" if column.nullable else "NOT NULL"
        yield f"{quoted(dialect, column.name)} {_type(dialect, column.type)} {null}{touch}"
    if primary := [c.name for c in columns if c.key == "PRI"]:
        yield f"PRIMARY KEY ({_names(dialect, primary)})"
    yield from (f"UNIQUE ({_names(dialect, [c.name])})" for c in columns if c.key == "UNI")


def _touches(dialect: sa.Dialect, column: Column) -> bool:
    return column.touched and dialect.name in ("mysql", "mariadb")


def _names(dialect: sa.Dialect, names: Iterable[str]) -> str:
    return ", ".join(quoted(dialect, name) for name in names)


def _foreign_keys(dialect: sa.Dialect, tables: Tables, columns: list[Column]) -> Iterator[tuple[str, str]]:
    for column in columns:
        table, name = column.parent
        if table in tables and any(c.name == name for c in tables[table]):
            to = f"{quoted(dialect, table)} ({quoted(dialect, name)}) {column.fk.partition(' ')[2]}"
            yield column.name, f"FOREIGN KEY ({quoted(dialect, column.name)}) REFERENCES {to}"


_PLAIN = {
    "postgresql": {
        "int": "integer", "tinyint": "smallint", "mediumint": "integer", "datetime": "timestamp", "double": "double precision",
        "tinytext": "text", "mediumtext": "text", "longtext": "text", "enum": "text", "tinyblob": "bytea",
        "container": "text",  # an enumeration of Evergreen's schema of that name
        "blob": "bytea", "mediumblob": "bytea", "longblob": "bytea", "varbinary": "bytea",
    },
    "sqlite": {
        "int": "integer", "tinyint": "integer", "smallint": "integer", "mediumint": "integer", "bigint": "integer",
        "enum": "varchar(64)", "decimal": "real", "double": "real", "varbinary": "blob", "character": "varchar(255)",
        "json": "text", "jsonb": "text", "bytea": "blob",
    },
}  # fmt: skip


def _type(dialect: sa.Dialect, kind: str) -> str:
    """Return the type as this server has it; what it is not told of is left as it was read."""
    word = re.match(r"\w+", kind)
    return _PLAIN.get(dialect.name, {}).get(word[0].lower() if word else "", kind)
