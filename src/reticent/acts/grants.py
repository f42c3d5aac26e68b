"""The act of printing grants: what a database's administrator must run for Reticent's three accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from reticent.acts.opening import map_of
from reticent.errors import ReticentError, SystemRefused, SystemUnreachable, UsageError
from reticent.site import Site
from reticent.stores.sql.connect import open_engine, reading
from reticent.stores.sql.database import Database, server_version, structure_of
from reticent.stores.sql.grants import ACCOUNTS, Account, receipts_table, sight, statements
from reticent.stores.sql.rights import current, require_sight
from reticent.systems.fit import fit

NO_ACCOUNTS = "SQLite has no accounts: whoever may read the file may read everything in it. Protect the file."


@dataclass(frozen=True)
class Grants:
    """The statements of one system: for the receipts table, and for each account. Names only, never a value."""

    system: str
    receipts: str
    accounts: Mapping[str, list[str]]
    refused: Mapping[str, str]

    def lines(self) -> list[str]:
        """Return them as one script with comments."""
        if not self.accounts:
            return [f"-- {NO_ACCOUNTS}"]
        said = [f"-- What Reticent needs on {self.system}, and nothing more. Run as the database's administrator."]
        said += ["-- One table of Reticent's own, for receipts:", self.receipts] if self.receipts else []
        for account, found in self.accounts.items():
            said += ["", f"-- {_USE[account]}", *found]
        if self.refused:
            said += ["", f"-- Nothing is asked for on series that are refused here: {', '.join(self.refused)}"]
        return said

    def document(self) -> dict[str, Any]:
        """Return them as JSON content."""
        return {"system": self.system, "receipts": self.receipts, "accounts": dict(self.accounts)}


_USE = {
    "find": "find: counts ties and reads the structure and the settings; no name, no title",
    "sever": "sever: changes or deletes exactly what severing changes or deletes",
    "prove": "prove: asks again; reads only",
    "roster": "roster: the identifiers the library issued, and nothing else; for the scan of `reticent check`",
}
_ROSTER: tuple[Account, ...] = ("roster",)


def printed(site: Site, system: str) -> Grants:
    """Return the grants of one system; while its find account sees nothing, raise with what must be run first."""
    try:
        return grants(site, system)
    except (SystemUnreachable, SystemRefused) as error:
        first = "\n".join(first_statements(site, system))
        do = f"{error.do}\nIf the accounts are not there yet, let the administrator run this, then ask again:\n{first}"
        raise type(error)(error.what, where=error.where, do=do) from None


def grants(site: Site, system: str) -> Grants:
    """Return the exact grants of one system, from its structure as the find account sees it.

    Raises SystemUnreachable; SystemRefused if the account does not see the whole structure yet.
    """
    loaded = map_of(_known(site, system), system)
    engine = open_engine(site.account(system, "find"), system)
    try:
        with reading(engine, system) as connection:
            structure = structure_of(connection, loaded, system)
            require_sight(connection, system)
            fitted = fit(loaded, structure)
            place, owner = _here(connection)
    finally:
        engine.dispose()
    ours = site.branches(system, apart=bool(loaded.branches_in and loaded.branches_in.apart))
    branches = ours if ours and ours != "all" else None
    database = Database(
        system,
        loaded,
        structure,
        fitted,
        None,
        branches,
        frozenset(),
        engine.dialect.name,
        server=server_version(engine),
    )
    if database.dialect == "sqlite":
        return Grants(system, "", {}, {})
    severs = any(series.sever != "nothing" for series in database.fit.here(loaded))
    receipts = site.systems[system].receipts and severs
    roster = bool(site.systems[system].accounts.roster)
    accounts: dict[str, list[str]] = {}
    compared = any(each.accounts.roster for each in site.systems.values())
    for account in (*(one for one in ACCOUNTS if severs or one != "sever"), *_ROSTER[: int(roster)]):
        who = _owner(site, system, account, owner)
        accounts[account] = statements(database, account, who, place, with_receipts=receipts, with_roster=compared)
    return Grants(system, receipts_table(database.dialect, place) if receipts else "", accounts, fitted.refused)


def _known(site: Site, system: str) -> Site:
    if system not in site.systems or site.systems[system].kind == "declared":
        raise UsageError(
            f'There is no system "{system}" with accounts.',
            where=str(site.file),
            do=f"Name one of: {', '.join(n for n, s in site.systems.items() if s.kind != 'declared')}.",
        )
    return site


def _here(connection: sa.Connection) -> tuple[str, str]:
    """Return the database (or schema) and the account, as a GRANT names them."""
    if connection.dialect.name == "sqlite":
        return "", ""
    if connection.dialect.name == "postgresql":
        row = connection.exec_driver_sql("SELECT current_schema(), quote_ident(current_user)").one()
        return str(row[0]), str(row[1])
    return current(connection)


def _owner(site: Site, system: str, account: Account, find: str) -> str:
    """Return an account as a GRANT names it: as the server does if it can be asked, else like the find account."""
    try:
        engine = open_engine(site.account(system, account), system)
        try:
            with reading(engine, system) as connection:
                return _here(connection)[1]
        finally:
            engine.dispose()
    except ReticentError:
        user = str(
            sa.make_url(getattr(site.systems[system].accounts, account) or f"x://reticent_{account}@x/x").username
        )
        return f"'{user}'@{find.rpartition('@')[2]}" if "@" in find else f'"{user}"'


def first_statements(site: Site, system: str) -> list[str]:
    """Return what must be run before the find account can even look: the accounts, and sight of the structure."""
    accounts = site.systems[system].accounts
    urls = [sa.make_url(url) for account in ACCOUNTS if (url := getattr(accounts, account))]
    users = list(dict.fromkeys(str(url.username) for url in urls))
    if urls[0].get_backend_name() == "sqlite":
        return []
    if urls[0].get_backend_name() == "postgresql":
        return [f"CREATE ROLE \"{user}\" LOGIN PASSWORD 'choose one';" for user in users]
    made = [f"CREATE USER '{user}'@'%' IDENTIFIED BY 'choose one';" for user in users]
    return [*made, sight(str(urls[0].database), f"'{users[0]}'@'%'")]
