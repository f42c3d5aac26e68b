"""Blacklight: every search, bookmarks of guests and of accounts that are gone, sign-ins; three kinds of server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.acts import kit
from tests.maps import tables
from tests.maps.acceptance import promise
from tests.maps.case import Case
from tests.maps.planting import PATRONS, Person
from tests.maps.stage import Stage, staged, write_site
from tests.servers import Server


def nobody(person: Person) -> int:
    """An account that was deleted; Rails makes no foreign key."""
    return person.number + PATRONS


GUEST = """
    INSERT INTO users (id, email, encrypted_password, sign_in_count, guest, created_at, updated_at)
    VALUES (76000002, 'guest_1@example.com', 'x', 0, TRUE, '2020-03-02 10:00:00', '2020-03-02 10:00:00')
"""
ALL: dict[str, Any] = {
    "searches.user_type": "User",
    "bookmarks.user_type": "User",
    "bookmarks.document_type": "SolrDocument",
    "users.encrypted_password": "x",
    "users.reset_password_token": None,
    "users.password_digest": "x",
    "users.guest": False,
    "sessions.session_id": lambda person: f"2::{person.card}",
}
DEVISE = Case(
    "blacklight",
    values=ALL,
    due={
        "bookmarks": {"user_id": nobody, "title": lambda person: person.name.encode()},
        "bookmarks.guest": {"user_id": 76_000_002, "document_id": "b1"},
    },
    alive={"bookmarks": ({"title": b"kept", "document_id": "b2"}, {"user_type": "Staff", "document_id": "b3"})},
    stays={
        "users.id": "the account is open",
        "users.email": "the account is open",
        "users.provider": "the account is open",
        "users.uid": "the account is open",
        "users.username": "the account is open",
    },
    before=(GUEST,),
)
RAILS8 = replace(
    DEVISE,
    release="rails8",
    stays={
        "users.id": "the account is open",
        "users.email_address": "the account is open",
    },
    never_due=frozenset({"bookmarks.guest", "users.sign_ins"}),
    before=(),
)
POSTGRESQL = replace(
    DEVISE,
    release="postgresql",
    values={**ALL, "users.current_sign_in_ip": "198.51.100.7", "users.last_sign_in_ip": "198.51.100.8"},
)
CASES = {
    "postgresql": POSTGRESQL,
    "mariadb": DEVISE,
    "mariadb old": replace(DEVISE, release="old"),
    "sqlite": replace(DEVISE, release="sqlite"),
    "sqlite rails 8": RAILS8,
}


def built(name: str, folder: Path, request: pytest.FixtureRequest, fresh: Callable[[Server], str]) -> Stage:
    kind = name.partition(" ")[0]
    if kind == "sqlite":
        return staged(CASES[name], folder, f"sqlite:///{folder}/production.sqlite3")
    server: Server = request.getfixturevalue(kind)
    return staged(CASES[name], folder, fresh(server), server)


SHORT = {"postgresql", "mariadb", "sqlite rails 8"}


@pytest.mark.parametrize("name", [n if n in SHORT else pytest.param(n, marks=pytest.mark.soak) for n in CASES])
def test_blacklight(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, fresh_database: Callable[[Server], str]
) -> None:
    promise(built(name, tmp_path, request, fresh_database))


def test_times_are_read_as_utc_where_the_account_says_so(
    tmp_path: Path, postgresql: Server, mariadb: Server, fresh_database: Callable[[Server], str]
) -> None:
    """Rails writes UTC. On a server with a local clock a search of an hour ago would lie in the future."""
    said = [
        (postgresql, "options=-c%20timezone%3DUTC", "ALTER DATABASE {name} SET timezone = 'America/Chicago'"),
        (mariadb, "init_command=SET%20time_zone%3D%27%2B00:00%27", "SET GLOBAL time_zone = '-06:00'"),
    ]
    for server, parameter, local in said:
        url = fresh_database(server)
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            tables.create(connection, CASES[server.kind].tables)
            now = "CAST(now() AT TIME ZONE 'UTC' AS timestamp)" if server.kind == "postgresql" else "UTC_TIMESTAMP()"
            ago = now + (" - INTERVAL '1 hour'" if server.kind == "postgresql" else " - INTERVAL 1 HOUR")
            connection.exec_driver_sql(f"INSERT INTO searches (id, created_at, updated_at) VALUES (1, {ago}, {ago})")
        engine.dispose()
        server.execute(local.format(name=sa.make_url(url).database))
        found = []
        for each in (url, f"{url}{'&' if '?' in url else '?'}{parameter}"):
            write_site(
                replace(DEVISE, retention={"search": "0 days"}),
                tmp_path,
                dict.fromkeys(("find", "sever", "prove"), each),
            )
            lab = kit.Lab(tmp_path, url)
            document = lab.run("--json", "find").json
            found.append(next(series for series in document["series"] if series["series"] == "searches"))
        if server.kind == "mariadb":
            server.execute("SET GLOBAL time_zone = 'SYSTEM'")
        assert (found[0]["due"], bool(found[0]["withheld"])) == (0, True)
        assert (found[1]["due"], bool(found[1]["withheld"])) == (1, False)
