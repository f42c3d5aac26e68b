"""May the find account see the whole structure? What is hidden from it must never look absent.

Measured on MariaDB 10.11, each right alone, beside SELECT on one column:

- information_schema shows an account the columns it has some right on; a table without any does not exist for it;
- REFERENCES on the database shows every table, column and key, and lets no row be read. On a table it does so
  for that table only, and not for one made tomorrow;
- a trigger is shown to whoever has TRIGGER, INSERT, UPDATE or DELETE on its table (to the last three without its
  text); SELECT, REFERENCES, SHOW VIEW, ALTER, CREATE and INDEX do not show it. TRIGGER is the one of these that
  changes no row, so it is asked for, on the tables that are severed only. It does let its holder put a trigger
  on them (with a binary log only if the server trusts function creators): never use the find account elsewhere;
- PROCESS would show a running upgrade, but also every other session's statements, with names: not asked for.

PostgreSQL's catalogue is readable to everyone, and SQLite has no accounts: nothing to check there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from reticent.errors import SystemRefused

_GRANT = re.compile(r"^GRANT (.+?) ON (\*|`(?:[^`]|``)+`)\.(\*|`(?:[^`]|``)+`) TO ")
_SHOWS_COLUMNS = {"ALL PRIVILEGES", "SELECT", "INSERT", "UPDATE", "REFERENCES"}
_SHOWS_TRIGGERS = {"ALL PRIVILEGES", "TRIGGER"}


@dataclass(frozen=True)
class Held:
    """One grant: rights on whole tables (column rights are left out), a database pattern, a table or ``*``."""

    rights: frozenset[str]
    database: str
    table: str

    def covers(self, database: str, table: str) -> bool:
        """Whether the grant is about this table (``*``: about all of the database)."""
        return self._covers_database(database) and self.table in ("*", table)

    def _covers_database(self, database: str) -> bool:
        # In a grant on a whole database, _ and % are wild unless a backslash stands before them.
        parts = re.findall(r"\\?.", self.database)
        wild = {"_": ".", "%": ".*"}
        pattern = "".join(wild.get(part, re.escape(part.lstrip("\\"))) for part in parts)
        return self.database == "*" or re.fullmatch(pattern, database) is not None


def held(lines: Iterable[str]) -> Iterator[Held]:
    """Read the answer of SHOW GRANTS, the active role's grants included. A REVOKE in it (MySQL) voids ``*.*``."""
    lines = list(lines)
    partly_revoked = any(line.startswith("REVOKE") for line in lines)
    for line in lines:
        found = _GRANT.match(line)
        if found is None or (partly_revoked and found[2] == "*"):
            continue
        rights = re.sub(r"[A-Z ]+\([^)]*\)(?:, )?", "", found[1])
        database, table = (name.strip("`").replace("``", "`") for name in found.group(2, 3))
        yield Held(frozenset(right.strip() for right in rights.split(",")), database, table)


def require_sight(connection: sa.Connection, system: str, severed: Iterable[str] = ()) -> None:
    """Check that the account sees every table, and triggers on the ``severed`` ones.

    Raises SystemRefused with the grants that mend it.
    """
    if connection.dialect.name not in ("mysql", "mariadb"):
        return
    database, account = current(connection)
    grants = list(held(str(row[0]) for row in connection.exec_driver_sql("SHOW GRANTS")))
    lacking = _lacking(grants, database, sorted(severed), connection.dialect.identifier_preparer)
    if lacking:
        statements = " ".join(f"{what} TO {account};" for what in lacking)
        raise SystemRefused(
            "The find account does not see everything: what is hidden from it would look as if it were not there.",
            where=f"system {system}, missing: {', '.join(what.removeprefix('GRANT ') for what in lacking)}",
            do=f"As the database's administrator run: {statements} `reticent init --grants {system}` prints all.",
        )


def _lacking(
    grants: list[Held], database: str, severed: list[str], quoting: sa.sql.compiler.IdentifierPreparer
) -> list[str]:
    def has(rights: set[str], table: str) -> bool:
        return any(grant.covers(database, table) and grant.rights & rights for grant in grants)

    name = quoting.quote_identifier
    lacking = [] if has(_SHOWS_COLUMNS, "*") else [f"GRANT REFERENCES ON {name(database)}.*"]
    blind = [table for table in severed if not has(_SHOWS_TRIGGERS, table)]
    return lacking + [f"GRANT TRIGGER ON {name(database)}.{name(table)}" for table in blind]


def current(connection: sa.Connection) -> tuple[str, str]:
    """Return the database's name, and the account as a GRANT names it."""
    row = connection.exec_driver_sql("SELECT DATABASE(), CURRENT_USER()").one()
    user, _, host = str(row[1]).rpartition("@")
    return str(row[0]), f"'{user}'@'{host}'"
