"""What `init --grants` prints can be pasted, whatever tables are called, and asks for nothing that is not used."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from tests.acts import kit
from tests.acts.test_probe import cards
from tests.servers import Server
from tests.stores import koha

pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
ODD = "100%: who?"
NAMES = ("100%s", "order", "a.b", 'quo"te', "it's", "tick`", "two words", "NULL", ":name", "ünï")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let connections be collected under this module's filter."""
    yield
    gc.collect()


@pytest.fixture(params=["mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


def test_grants_can_be_pasted_whatever_the_names_and_ask_for_nothing_more(
    sqlite_lab: kit.Lab, server: Server, fresh_database: Callable[[Server], str]
) -> None:
    url = fresh_database(server)
    name = str(sa.make_url(url).database)
    known = [{"id": number, ODD: card} for number, card in enumerate(cards(sqlite_lab), 1)]
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for table in NAMES:
            key = sa.Column("id", sa.Integer, primary_key=True)
            made = sa.Table(table, sa.MetaData(), key, sa.Column(ODD, sa.String(80)))
            made.create(connection)
            connection.execute(sa.insert(made), known)
    site(sqlite_lab, server, name)
    mariadb = server.kind == "mariadb"
    for account in ("find", "prove"):
        server.execute(f"CREATE USER {account}_{name}" if mariadb else f"CREATE ROLE {account}_{name} LOGIN")
    if mariadb:
        refused = sqlite_lab.run("init", "--grants", "rooms")
        assert refused.code == 3
        [first] = [line for line in refused.err.splitlines() if line.startswith("GRANT")]
        server.execute(first)
    printed = sqlite_lab.run("--json", "init", "--grants", "rooms").json
    assert printed["receipts"] == ""
    assert printed["accounts"].keys() == {"find", "prove"}, "nothing is severed there"
    for statement in [line for lines in printed["accounts"].values() for line in lines]:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement.replace("%", "%%"))
    engine.dispose()
    found = sqlite_lab.run("--json", "find").json
    places = [place for place in found["unmapped"] if place["system"] == "rooms"]
    assert {place["place"].removeprefix("public.") for place in places} == set(NAMES)
    assert all(place["columns"] == [ODD] for place in places)


def site(lab: kit.Lab, server: Server, name: str) -> None:
    accounts = dict.fromkeys(("find", "sever", "prove", "roster"), lab.url)
    urls = "".join(f'{right} = "{server.url(f"{right}_{name}", name)}"\n' for right in ("find", "prove"))
    rooms = f'[systems.rooms]\nkind = "unmapped"\n[systems.rooms.accounts]\n{urls}'
    koha.write_site(lab.folder, accounts, more=rooms)
