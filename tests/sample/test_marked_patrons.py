"""Marked patrons stand exactly where the list says, on both stores and both releases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.sample import marked
from tests.servers import Server

from reticent.sample import schema

Fresh = Callable[[Server], str]


@pytest.mark.parametrize("release", schema.RELEASES)
@pytest.mark.parametrize("store", ["sqlite", "mariadb"])
def test_every_mark_is_found_where_the_list_says(
    store: str, release: str, tmp_path: Path, request: pytest.FixtureRequest, fresh_database: Fresh
) -> None:
    url = f"sqlite:///{tmp_path}/koha.db"
    if store == "mariadb":
        url = fresh_database(request.getfixturevalue("mariadb"))
    engine = create_engine(url)
    with engine.begin() as connection:
        schema.create(connection, release)
        marks = marked.plant_marked_patrons(connection, 2, "Qvj")
    tables = set(schema.mapped_tables(release)) - set(marked.NEVER_OVER)
    silent = {"hold_cancellation_requests", "curbside_pickup_issues"}
    assert {mark.table for mark in marks} == tables - silent
    cast = "CHAR CHARACTER SET utf8mb4" if store == "mariadb" else "TEXT"
    with engine.connect() as connection:
        for table in tables:
            assert connection.scalar(text(f"SELECT COUNT(*) FROM {table}")) == 2, table
        for (table, column, token), count in Counter((m.table, m.column, m.token) for m in marks).items():
            found = text(f"SELECT COUNT(*) FROM {table} WHERE CAST({column} AS {cast}) LIKE :token")
            assert connection.scalar(found, {"token": f"%{token}%"}) == count, (table, column, token)
    engine.dispose()


def test_every_patron_has_a_name_a_card_an_address_and_a_number_among_the_marks(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/koha.db")
    with engine.begin() as connection:
        schema.create(connection)
        tokens = {mark.token for mark in marked.plant_marked_patrons(connection)}
    engine.dispose()
    for n in (1, 2, 3):
        assert {f"Zyxmark{n}-name", f"Zyxmark{n}-card", f"Zyxmark{n}@marked.example", f"7700000{n}"} <= tokens
