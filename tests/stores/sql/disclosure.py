"""A small Koha on a real server, a gate with real officers, and the doors behind which a tie has a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.policy.conftest import Library
from tests.policy.helpers import Keys, order
from tests.stores import koha

from reticent.policy.gate import Asker
from reticent.policy.orders import Order
from reticent.policy.permits import Permit, Scope
from reticent.site import read_site
from reticent.stores.sql.database import Database, open_database
from reticent.stores.sql.discloser import SqlDiscloser
from reticent.stores.sql.scanner import SqlScanner
from reticent.systems.load import shipped

KOHA = shipped("koha")
CUSTODIAN = Asker("s1", frozenset({"custodian"}))
EVERY = frozenset(one.record_class.value for one in KOHA.series)


@dataclass
class Door:
    """One system with its discloser and its gate. ``url`` is an account that may read everything."""

    url: str
    database: Database
    library: Library
    discloser: SqlDiscloser

    def permit(self, scope: Scope, action: str = "release") -> Permit:
        """Have two officers approve a good order for a scope, and let the gate make a permit."""
        good: Order = order(scope=scope)
        approvals = self.library.sign(good, "custodian", "counsel")
        return self.library.gate.prepare(good, CUSTODIAN, approvals, ["ils"]).require().permits[0]

    def ties(self, **scope: Any) -> list[Mapping[str, Any]]:
        """Return the ties of a scope; all classes and all time unless it says otherwise."""
        return list(self.discloser.ties(self.permit(Scope(**({"classes": EVERY} | scope)))))

    def roster_permit(self) -> Permit:
        return self.library.gate.roster(self.discloser.persons(), ["ils"]).require().permits[0]

    def scanner(self, tables: list[str] | None = None) -> SqlScanner:
        return SqlScanner(self.url, self.database, self.discloser, tables)

    def ask(self, sql: str, **values: object) -> list[Any]:
        with koha.connected(self.url) as connection:
            return list(connection.execute(sa.text(sql), values))

    def do(self, *statements: str) -> None:
        with koha.connected(self.url) as connection:
            for statement in statements:
                connection.execute(sa.text(statement))


@contextmanager
def door(folder: Path, url: str, keys: Path, branches: str = '"all"') -> Iterator[Door]:
    """Open the doors of a Koha for one test."""
    site = read_site(koha.write_site(folder, {"find": url, "sever": url, "prove": url}, branches=branches))
    engine, database = open_database(site, "ils", KOHA)
    engine.dispose()
    library = Library(Keys(keys))
    discloser = SqlDiscloser(url, database, library.gate.open)
    yield Door(url, database, library, discloser)
    discloser.close()


def local(moment: datetime) -> datetime:
    """Return a naive local time as the UTC moment it was, on this machine."""
    return moment.astimezone(UTC)
