"""What is not the system its name says, or not any more: said in words with what to do, never passed over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.acts import kit
from tests.maps import tables
from tests.maps.case import Case
from tests.maps.stage import write_site
from tests.maps.test_blacklight import CASES as BLACKLIGHT
from tests.maps.test_libki import LIBKI
from tests.maps.test_vufind import NEW as VUFIND

CASES = {"blacklight": BLACKLIGHT["sqlite"], "libki": LIBKI, "vufind": VUFIND}
SEARCHES = {"blacklight": "searches", "libki": "statistics", "vufind": "search"}
"""A table each map cannot do without."""
RENAMED_TABLE = {"blacklight": "sessions", "libki": "reservations", "vufind": "audit_event"}
"""Tables a release may lack, each with a column that names a person."""
RENAMED_COLUMN = {
    "blacklight": ("bookmarks", "user_type", "owner_type"),
    "libki": ("print_files", "username", "owner_name"),
    "vufind": ("feedback", "user_id", "patron_id"),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Every map of this folder."""
    return CASES[request.param]


@pytest.fixture
def lab(case: Case, tmp_path: Path) -> Iterator[kit.Lab]:
    """Its tables without a row, on SQLite."""
    url = f"sqlite:///{tmp_path}/it.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        tables.create(connection, case.tables)
    engine.dispose()
    write_site(case, tmp_path, dict.fromkeys(("find", "sever", "prove"), url))
    made = kit.Lab(tmp_path, url)
    yield made
    made.close()


def test_a_system_without_a_row_is_looked_at_and_kept(lab: kit.Lab) -> None:
    found = lab.run("--json", "find")
    assert found.code == 0, found.said
    assert len(found.json["series"]) > 6
    lab.plan()
    assert lab.sever().code == 0
    assert lab.run("--json", "check").code == 0


def test_another_kind_of_system_is_refused(case: Case, lab: kit.Lab) -> None:
    for kind in CASES.keys() - {case.kind}:
        site = lab.folder / "reticent.toml"
        site.write_text(site.read_text().replace(f'kind = "{case.kind}"', f'kind = "{kind}"'))
        refused = lab.run("find")
        assert refused.code == 3, refused.said
        assert f"This database is not a {CASES[kind].loaded.title} the map knows" in refused.said
        write_site(case, lab.folder, dict.fromkeys(("find", "sever", "prove"), lab.url))


def test_an_empty_database_is_refused(case: Case, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/empty.db"
    empty = kit.Lab(tmp_path, url)
    empty.do("CREATE TABLE t (i int)", "DROP TABLE t")
    empty.close()
    write_site(case, tmp_path, dict.fromkeys(("find", "sever", "prove"), url))
    refused = empty.run("find")
    assert refused.code == 3, refused.said
    assert "it has no tables" in refused.said


def test_a_table_the_map_lives_on_that_was_renamed_is_refused(case: Case, lab: kit.Lab) -> None:
    table = SEARCHES[case.kind]
    lab.do(f"ALTER TABLE {table} RENAME TO {table}_of_old")
    lab.close()
    refused = lab.run("find")
    assert refused.code == 3, refused.said
    assert f"missing: {table}." in refused.said


def test_a_table_that_was_renamed_is_reported_under_its_new_name(case: Case, lab: kit.Lab) -> None:
    table = RENAMED_TABLE[case.kind]
    if case.kind == "blacklight":
        lab.do("ALTER TABLE sessions ADD COLUMN user_id integer")
    lab.do(f"ALTER TABLE {table} RENAME TO {table}_of_old")
    lab.close()
    found = lab.run("--json", "find")
    assert found.code == 1, found.said
    assert f"{table}_of_old" in {place["place"] for place in found.json["unmapped"]}
    assert any(f"this release has no {table}" in note["note"] for note in found.json["notes"])


def test_a_column_that_was_renamed_stops_its_table_and_nothing_else(case: Case, lab: kit.Lab) -> None:
    table, old, new = RENAMED_COLUMN[case.kind]
    lab.do(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    lab.close()
    found = lab.run("--json", "find")
    assert found.code == 1, found.said
    refused = {entry["series"]: entry["why"] for entry in found.json["refused"]}
    reads = {series.id for series in case.loaded.series if series.table == table}
    assert reads <= set(refused)
    assert all(table in why and old in why for why in refused.values()), refused
    assert len(found.json["series"]) == len(case.loaded.series) - len(refused)
    lab.plan()
    assert lab.sever().code == 0


def test_a_column_with_an_unknown_person_stops_its_table(case: Case, lab: kit.Lab) -> None:
    table = SEARCHES[case.kind]
    lab.do(f"ALTER TABLE {table} ADD COLUMN patron_email varchar(100)")
    lab.close()
    found = lab.run("--json", "find")
    assert found.code == 1, found.said
    assert "unknown column patron_email" in json.dumps(found.json["refused"])


def test_a_trigger_nobody_has_read_stops_its_table(case: Case, lab: kit.Lab) -> None:
    table = SEARCHES[case.kind]
    lab.do(f"CREATE TRIGGER copies AFTER UPDATE ON {table} BEGIN SELECT 1; END")
    lab.close()
    assert "unknown trigger copies" in json.dumps(lab.run("--json", "find").json["refused"])
