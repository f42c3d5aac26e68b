"""The Koha-shaped tables build on both stores in both releases and keep Koha's awkward facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from tests.servers import Server

from reticent.sample import schema

Fresh = Callable[[Server], str]


@pytest.fixture(params=["sqlite", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, fresh_database: Fresh) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/koha.db"
    if request.param == "mariadb":
        url = fresh_database(request.getfixturevalue("mariadb"))
    engine = create_engine(url)
    yield engine
    engine.dispose()


def _built(engine: Engine, release: str) -> Connection:
    with engine.begin() as connection:
        schema.create(connection, release)
    return engine.connect()


@pytest.mark.parametrize("release", schema.RELEASES)
def test_every_table_and_column_of_a_release_is_there(engine: Engine, release: str) -> None:
    with _built(engine, release) as connection:
        found = inspect(connection)
        wanted = schema.tables(release)
        assert set(found.get_table_names()) == set(wanted)
        for table, columns in wanted.items():
            built = {column["name"]: column["nullable"] for column in found.get_columns(table)}
            assert built == {column.name: column.nullable for column in columns}, table


@pytest.mark.parametrize("release", schema.RELEASES)
def test_koha_facts_that_break_naive_code_hold(engine: Engine, release: str) -> None:
    with _built(engine, release) as connection:
        found = inspect(connection)
        assert not found.get_pk_constraint("statistics")["constrained_columns"]
        indexed = [index["column_names"][0] for index in found.get_indexes("statistics")]
        assert {"datetime", "borrowernumber"} <= set(indexed)
        leading = {index["column_names"][0] for index in found.get_indexes("old_issues")}
        assert "returndate" not in leading
        assert "borrowernumber" in leading
        actions = {
            key["constrained_columns"][0]: key["options"].get("ondelete")
            for key in found.get_foreign_keys("old_issues")
        }
        assert actions["borrowernumber"] == "SET NULL"
        keyless = not found.get_pk_constraint("tmp_holdsqueue")["constrained_columns"]
        assert keyless == (release == "19.06")
        if connection.dialect.name == "sqlite":
            assert connection.scalar(text("SELECT COUNT(*) FROM sqlite_master WHERE type='trigger'")) == 0


def test_the_releases_differ_as_the_facts_say() -> None:
    new, old = schema.tables("25.x"), schema.tables("19.06")
    assert len(schema.mapped_tables("25.x")) == 72
    assert "recalls" in new
    assert "recalls" not in old
    assert {c.name: c.nullable for c in new["issues"]}["borrowernumber"] is False
    assert {c.name: c.nullable for c in old["issues"]}["borrowernumber"] is True
    assert "renewals" in {c.name for c in old["issues"]}
    fk = {c.name: c.fk for c in old["illrequests"]}["borrowernumber"]
    assert "ON DELETE CASCADE" in fk


def test_a_plain_update_resets_the_timestamp_on_mariadb(mariadb: Server, fresh_database: Fresh) -> None:
    engine = create_engine(fresh_database(mariadb))
    with _built(engine, "25.x") as connection:
        insert = "INSERT INTO old_issues (issue_id, timestamp) VALUES (1, '2020-02-02 10:00:00')"
        connection.execute(text(insert))
        connection.execute(text("UPDATE old_issues SET note = 'x', timestamp = timestamp"))
        when = text("SELECT YEAR(timestamp) FROM old_issues")
        assert connection.scalar(when) == 2020
        connection.execute(text("UPDATE old_issues SET note = 'y'"))
        assert connection.scalar(when) != 2020
    engine.dispose()


def test_an_open_loan_blocks_the_deletion_of_its_patron_on_mariadb(mariadb: Server, fresh_database: Fresh) -> None:
    mode = text("SELECT delete_rule FROM information_schema.referential_constraints "
                "WHERE constraint_schema = DATABASE() AND table_name = 'issues' "
                "AND referenced_table_name = 'borrowers'")  # fmt: skip
    engine = create_engine(fresh_database(mariadb))
    with _built(engine, "25.x") as connection:
        assert set(connection.scalars(mode)) == {"RESTRICT", "SET NULL"}
    engine.dispose()
