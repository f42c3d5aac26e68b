"""Where a map says that a title stands, there it is found, through its own links, by the numbers that ties hold."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from tests.servers import Server

from reticent.stores.sql.connect import open_engine, reading
from reticent.stores.sql.database import Database, structure_of
from reticent.stores.sql.discloser import GONE, SqlDiscloser
from reticent.systems.fit import fit
from reticent.systems.load import shipped

ITEM, HOLDING, RECORD, GONE_ONE = (str(uuid.uuid4()) for _ in range(4))
F = "diku_mod_inventory_storage"
TABLES = {
    "folio": (
        f"CREATE SCHEMA {F}",
        f"CREATE TABLE {F}.instance (id uuid, jsonb jsonb)",
        f"CREATE TABLE {F}.holdings_record (id uuid, instanceid uuid)",
        f"CREATE TABLE {F}.item (id uuid, jsonb jsonb, holdingsrecordid uuid)",
        f"INSERT INTO {F}.instance VALUES ('{RECORD}', '{{\"title\": \"Knots\\n and  splices\"}}')",
        f"INSERT INTO {F}.holdings_record VALUES ('{HOLDING}', '{RECORD}')",
        f"INSERT INTO {F}.item VALUES ('{ITEM}', '{{}}', '{HOLDING}')",
    ),
    "evergreen": (
        "CREATE SCHEMA asset",
        "CREATE SCHEMA reporter",
        "CREATE TABLE reporter.materialized_simple_record (id bigint, title text)",
        "CREATE TABLE asset.call_number (id bigint, record bigint, owning_lib int)",
        "CREATE TABLE asset.copy (id bigint, barcode text, call_number bigint, circ_lib int, alert_message text)",
        "INSERT INTO reporter.materialized_simple_record VALUES (7, 'Knots and splices')",
        "INSERT INTO asset.call_number VALUES (5, 7, 1)",
        "INSERT INTO asset.copy VALUES (3, 'b', 5, 1, NULL)",
    ),
    "vufind": (
        "CREATE TABLE resource (id int, title text)",
        "INSERT INTO resource VALUES (7, 'Knots and splices')",
    ),
}
TELLS: dict[str, list[tuple[dict[str, str], str]]] = {
    "folio": [
        ({"item": ITEM}, "Knots and splices"),
        ({"instance": RECORD}, "Knots and splices"),
        ({"item": GONE_ONE, "instance": RECORD}, "Knots and splices"),
        ({"item": GONE_ONE}, GONE),
        ({"item": GONE_ONE, "title": "as the record has it"}, ""),
        ({}, ""),
    ],
    "evergreen": [
        ({"item": "3"}, "Knots and splices"),
        ({"biblio": "7"}, "Knots and splices"),
        ({"biblio": "8"}, GONE),
    ],
    "vufind": [({"record": "7"}, "Knots and splices"), ({"record": "8"}, GONE), ({"words": "knots"}, "")],
}


@pytest.mark.parametrize("kind", TABLES)
def test_titles_are_found_through_the_maps_own_links(
    kind: str, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    url = fresh_database(postgresql)
    made = sa.create_engine(url)
    with made.begin() as connection:
        for statement in TABLES[kind]:
            connection.exec_driver_sql(statement)
    made.dispose()
    loaded = shipped(kind, "diku" if kind == "folio" else "").model_copy(update={"requires": ()})
    engine = open_engine(url, "ils")
    with reading(engine, "ils") as connection:
        structure = structure_of(connection, loaded, "ils")
    engine.dispose()
    database = Database("ils", loaded, structure, fit(loaded, structure), None, None, frozenset(), "postgresql")
    door = SqlDiscloser(url, database, lambda *_: pytest.fail("nothing is opened here"))
    found = [tie["title"] for tie in door._titled(iter({"tells": tells} for tells, _ in TELLS[kind]))]
    assert found == [title for _, title in TELLS[kind]]
    assert door.left_out == []
    door.close()


def test_a_catalogue_that_is_not_there_says_nothing_of_titles(
    postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    url = fresh_database(postgresql)
    loaded = shipped("vufind").model_copy(update={"requires": ()})
    engine = open_engine(url, "ils")
    with reading(engine, "ils") as connection:
        structure = structure_of(connection, loaded, "ils")
    engine.dispose()
    database = Database("ils", loaded, structure, fit(loaded, structure), None, None, frozenset(), "postgresql")
    door = SqlDiscloser(url, database, lambda *_: pytest.fail("nothing is opened here"))
    assert [tie["title"] for tie in door._titled(iter([{"tells": {"record": "7"}}]))] == [""]
    door.close()
