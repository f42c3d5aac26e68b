"""Koha's tables, as facts, turned into CREATE TABLE statements for MariaDB/MySQL and SQLite.

Two files hold the facts, a line a column: ``systems/koha.columns.csv`` (the 72 mapped tables) and
``koha.surroundings.csv`` beside this file (a few real columns of the tables the first ones refer
to). ``in_19.06`` says how the older release differs ("only": gone since; "before": gone even then).
The constants below add what a list of columns cannot say, read in Koha's own kohastructure.sql of
19.06 and of the line after 25.11. Koha ships no triggers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources

from sqlalchemy import Connection

RELEASES = ("25.x", "19.06")

# Columns that MariaDB resets at every UPDATE unless the UPDATE names them.
_TOUCHED = {
    "issues.timestamp", "old_issues.timestamp", "items_last_borrower.created_on", "reserves.timestamp",
    "old_reserves.timestamp", "tmp_holdsqueue.timestamp", "article_requests.updated_on",
    "illrequests.updated", "recalls.timestamp", "return_claims.updated_on", "bookings.modification_date",
    "accountlines.timestamp", "suggestions.date", "virtualshelves.lastmodified",
    "virtualshelfcontents.dateadded", "message_queue.updated_on", "creator_batches.timestamp",
    "borrower_debarments.created", "uploaded_files.dtcreated", "borrowers.updated_on",
    "deletedborrowers.updated_on", "borrower_modifications.timestamp", "cash_register_actions.timestamp",
    "biblio.timestamp", "biblioitems.timestamp", "items.timestamp", "courses.timestamp",
    "aqbudgets.timestamp",
}  # fmt: skip
_TOUCHED_IN_1906 = {"article_requests.created_on", "message_queue.time_queued", "action_logs.timestamp"}

_DEFAULTS = {
    "borrowers.privacy": "1", "deletedborrowers.privacy": "1", "borrowers.lang": "'default'",
    "deletedborrowers.lang": "'default'", "borrowers.checkprevcheckout": "'inherit'",
    "deletedborrowers.checkprevcheckout": "'inherit'", "borrowers.autorenew_checkouts": "1",
    "deletedborrowers.autorenew_checkouts": "1", "reserves.priority": "1", "old_reserves.priority": "1",
    "background_jobs.queue": "'default'", "search_history.type": "'biblio'", "api_keys.active": "1",
    "message_queue.status": "'pending'", "creator_batches.batch_id": "1", "saved_sql.cache_expiry": "300",
    "problem_reports.recipient": "'library'", "problem_reports.status": "'New'",
    "checkout_renewals.renewal_type": "'Manual'", "illrequestattributes.readonly": "1",
    "categories.category_type": "'A'",
}  # fmt: skip

_UNIQUE_TOGETHER = {
    "return_claims": ("itemnumber", "issue_id"),
    "subscriptionroutinglist": ("subscriptionid", "borrowernumber"),
    "borrower_relationships": ("guarantor_id", "guarantee_id"),
}
_INDEXED_TOGETHER = {
    "issues": ("borrowernumber", "timestamp"),
    "old_issues": ("borrowernumber", "timestamp"),
    "reserves": ("priority", "found"),
    "borrower_attributes": ("code", "attribute"),
}
_NOT_COUNTED_UP = {"old_issues", "old_reserves", "hold_fill_targets", "tmp_holdsqueue", "housebound_profile",
                   "patronimage", "borrower_password_recovery", "userflags"}  # fmt: skip
_NO_KEY_IN_1906 = {"tmp_holdsqueue"}


@dataclass(frozen=True)
class Column:
    """One column as MariaDB knows it; ``key`` is PRI, UNI, MUL or empty, ``fk`` ``table.column ON ...``."""

    table: str
    name: str
    type: str
    nullable: bool
    key: str = ""
    fk: str = ""


def mapped_tables(release: str = "25.x") -> tuple[str, ...]:
    """Return the names of the tables of the Koha map that exist in a release, in the map's order."""
    return tuple(_read("reticent.systems", "koha.columns.csv", release))


def tables(release: str = "25.x") -> dict[str, list[Column]]:
    """Return every table of the sample schema with its columns in order."""
    if release not in RELEASES:
        raise ValueError(f"release is one of {RELEASES}")
    found = _read("reticent.systems", "koha.columns.csv", release)
    found |= _read("reticent.sample", "koha.surroundings.csv", release)
    if release == "19.06":
        for table in _NO_KEY_IN_1906:
            found[table] = [replace(column, key="") for column in found[table]]
    return found


def statements(dialect: str, release: str = "25.x") -> list[str]:
    """Return the statements that create the schema; ``dialect`` is ``mysql`` or ``sqlite``."""
    made = [_create(dialect, release, name, columns) for name, columns in tables(release).items()]
    if dialect == "mysql":
        return ["SET SESSION foreign_key_checks = 0", *made, "SET SESSION foreign_key_checks = 1"]
    for name, columns in tables(release).items():
        for key, unique in _indexes(name, columns):
            kind = "UNIQUE INDEX" if unique else "INDEX"
            made.append(f"CREATE {kind} `{name}_{'_'.join(key)}` ON `{name}` ({_names(key)})")
    return [statement.replace("`", '"') for statement in made]


def create(connection: Connection, release: str = "25.x") -> None:
    """Create the schema of a release in the connection's empty database."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("SAVEPOINT koha")  # else each statement is a transaction of its own
    for statement in statements(connection.dialect.name.replace("mariadb", "mysql"), release):
        connection.exec_driver_sql(statement)


def _read(package: str, file: str, release: str) -> dict[str, list[Column]]:
    found: dict[str, list[Column]] = {}
    text = resources.files(package).joinpath(file).read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        column = Column(row["table"], row["column"], row["type"], row["nullable"] == "YES", row["key"], row["fk"])
        older = row["in_19.06"]
        if older in ("before", "absent" if release == "19.06" else "only"):
            continue
        if release == "19.06" and older not in ("same", "only"):
            kind, _, rest = older.partition(" null=")
            nullable, _, fk = rest.partition(" ")
            column = replace(column, type=kind, nullable=nullable == "YES", fk=fk)
        found.setdefault(column.table, []).append(column)
    return found


def _create(dialect: str, release: str, table: str, columns: list[Column]) -> str:
    primary = [column for column in columns if column.key == "PRI"]
    counted = len(primary) == 1 and "int" in primary[0].type and table not in _NOT_COUNTED_UP
    parts = []
    for column in columns:
        if counted and column is primary[0] and dialect == "sqlite":
            parts.append(f"`{column.name}` integer PRIMARY KEY NOT NULL")
            continue
        auto = " AUTO_INCREMENT" if counted and column is primary[0] else _default(column, dialect, release)
        null = "NULL" if column.nullable else "NOT NULL"
        parts.append(f"`{column.name}` {_type(column, dialect)} {null}{auto}")
    if primary and not (counted and dialect == "sqlite"):
        parts.append(f"PRIMARY KEY ({_names([c.name for c in primary], columns, dialect)})")
    if dialect == "mysql":
        for key, unique in _indexes(table, columns):
            parts.append(f"{'UNIQUE ' * unique}KEY ({_names(key, columns, dialect)})")
    parts += [part for column in columns if (part := _foreign_key(column, dialect))]
    tail = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci" if dialect == "mysql" else ""
    return f"CREATE TABLE `{table}` (\n  " + ",\n  ".join(parts) + f"\n){tail}"


def _indexes(table: str, columns: list[Column]) -> list[tuple[tuple[str, ...], bool]]:
    found: list[tuple[tuple[str, ...], bool]] = [
        ((c.name,), c.key == "UNI") for c in columns if c.key in {"UNI", "MUL"}
    ]
    names = {column.name for column in columns}
    for together, unique in ((_UNIQUE_TOGETHER, True), (_INDEXED_TOGETHER, False)):
        if table in together and names.issuperset(together[table]):
            found.append((together[table], unique))
    return found


def _names(names: Sequence[str], columns: Sequence[Column] = (), dialect: str = "sqlite") -> str:
    long = {c.name for c in columns if "text" in c.type or "(255)" in c.type or "(200)" in c.type}
    return ", ".join(f"`{n}`(191)" if dialect == "mysql" and n in long else f"`{n}`" for n in names)


def _default(column: Column, dialect: str, release: str) -> str:
    name = f"{column.table}.{column.name}"
    touch = " ON UPDATE CURRENT_TIMESTAMP" if is_touched(column, release) and dialect == "mysql" else ""
    if name in _DEFAULTS:
        return f" DEFAULT {_DEFAULTS[name]}"
    if column.nullable:
        return f" DEFAULT NULL{touch}"
    if column.type == "timestamp":
        return f" DEFAULT CURRENT_TIMESTAMP{touch}"
    if column.type.startswith("enum("):
        return f" DEFAULT {column.type[5:-1].split(',')[0]}"
    if column.key == "PRI" or "text" in column.type or "blob" in column.type or "date" in column.type:
        return ""
    return " DEFAULT ''" if "char" in column.type else " DEFAULT 0"


def is_touched(column: Column, release: str) -> bool:
    """Whether MariaDB resets it at every UPDATE that does not name it."""
    name = f"{column.table}.{column.name}"
    return name in _TOUCHED or (release == "19.06" and name in _TOUCHED_IN_1906)


def _type(column: Column, dialect: str) -> str:
    """SQLite reads ``enum`` as a syntax error; SQLAlchemy warns of its decimals and of ``int(11)``."""
    if dialect == "mysql":
        return column.type
    plain = {"enum": "varchar(64)", "decimal": "real", "double": "real", "int": "integer"}
    word = re.match(r"(?:tiny|small|big)?(int|enum|decimal|double)\(", column.type)
    return plain[word[1]] if word else column.type


def _foreign_key(column: Column, dialect: str) -> str:
    if not column.fk or (dialect == "sqlite" and column.fk.startswith("authorised_values.")):
        return ""  # SQLite wants a unique parent, which an authorised value is only within its category
    target, _, actions = column.fk.partition(" ")
    table, _, name = target.partition(".")
    return f"FOREIGN KEY (`{column.name}`) REFERENCES `{table}` (`{name}`) {actions}"
