"""The map on the tables real releases of Koha have, all of them: a library gets no alarm that never ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.acts.kit import Lab
from tests.servers import Server
from tests.systems import koha_releases
from tests.systems.koha_releases import RELEASES, facts

from reticent.sample import schema
from reticent.sample.schema import Column
from reticent.systems.fit import Fit, fit
from reticent.systems.load import shipped
from reticent.systems.structure import ColumnInfo, ForeignKey, Structure, TableInfo

KOHA = shipped("koha")
KEY = re.compile(r"(\w+)\.(\w+)(?: ON DELETE (CASCADE|SET NULL|RESTRICT))?")


def _structure(release: str) -> Structure:
    return Structure({name: _table(name, columns) for name, columns in koha_releases.tables(release).items()})


def _table(name: str, columns: list[Column]) -> TableInfo:
    found = {column.name: KEY.match(column.fk) for column in columns}
    keys = [ForeignKey(column, key[1], key[2], key[3] or "RESTRICT") for column, key in found.items() if key]
    infos = {column.name: ColumnInfo(column.name, column.type, column.nullable) for column in columns}
    return TableInfo(name, infos, foreign_keys=tuple(keys))


def _with(release: str, table: str, column: str) -> Fit:
    tables = dict(_structure(release).tables)
    columns = {**tables[table].columns, column: ColumnInfo(column, "varchar(32)", True)}
    tables[table] = replace(tables[table], columns=columns)
    return fit(KOHA, Structure(tables))


@pytest.mark.parametrize("release", RELEASES)
def test_a_real_release_has_no_unmapped_place_and_no_refused_series(release: str) -> None:
    found = fit(KOHA, _structure(release))
    assert found.unmapped == ()
    assert found.refused == {}
    there = koha_releases.tables(release)
    assert found.absent == {series.id for series in KOHA.series if series.table not in there}


OUTSIDE = sorted({(release, row["table"]) for release in RELEASES for row in facts(release)} - {
    (release, table) for release in RELEASES for table in KOHA.known
})  # fmt: skip


@pytest.mark.parametrize(("release", "table"), [one for one in OUTSIDE if one[1] in koha_releases.tables(one[0])])
def test_an_added_person_is_reported_in_every_table_that_holds_none(release: str, table: str) -> None:
    """What is called harmless is a column, never a table."""
    places = _with(release, table, "patron_cardnumber").unmapped
    assert [(place.name, place.columns) for place in places] == [(table, ("patron_cardnumber",))]


@pytest.mark.parametrize("table", ["items", "courses", "user_permissions", "aqorders"])
def test_an_added_person_is_reported_in_a_table_the_map_only_looks_things_up_in(table: str) -> None:
    places = _with("25.12", table, "patron_cardnumber").unmapped
    assert [(place.name, place.columns) for place in places] == [(table, ("patron_cardnumber",))]


def test_nothing_is_called_harmless_that_no_release_has() -> None:
    read = {f"{row['table']}.{row['column']}" for release in RELEASES for row in facts(release)}
    assert set(KOHA.harmless) <= read
    assert all(KOHA.harmless.values())


def test_the_facts_say_what_the_map_may_call_harmless_and_no_more() -> None:
    """Each column outside the map is called harmless by name, or is nobody's and has no key to a person."""
    for release in RELEASES:
        for row in facts(release):
            name = f"{row['table']}.{row['column']}"
            if row["type"] == "absent" or row["table"] in KOHA.known or name in KOHA.harmless:
                continue
            assert not re.search(KOHA.drift.person_columns, row["column"], re.IGNORECASE), name
            assert not row["fk"].startswith("borrowers."), name


def test_a_refusal_says_what_the_missing_column_was_wanted_for() -> None:
    tables = dict(_structure("19.06").tables)
    columns = {name: info for name, info in tables["accountlines"].columns.items() if name != "amountoutstanding"}
    tables["accountlines"] = replace(tables["accountlines"], columns=columns)
    refused = fit(KOHA, Structure(tables)).refused
    assert refused["old_issues"] == (
        'accountlines: the column amountoutstanding is not there; here accountlines says whether "unpaid fee"'
    )
    assert refused["accountlines.payer"] == "accountlines: the column amountoutstanding is not there"


def _without_branches_of_fees() -> dict[str, list[Column]]:
    """The shape of 17.11 and 18.12, in which a fee has no branch."""
    tables = koha_releases.tables("19.06")
    tables["accountlines"] = [column for column in tables["accountlines"] if column.name != "branchcode"]
    return tables


def test_a_release_whose_fees_have_no_branch_fits() -> None:
    tables = {name: _table(name, columns) for name, columns in _without_branches_of_fees().items()}
    assert fit(KOHA, Structure(tables)).refused == {}


@pytest.fixture(params=["sqlite", "mariadb"])
def empty(request: pytest.FixtureRequest, tmp_path: Path, fresh_database: Callable[[Server], str]) -> Iterator[Lab]:
    """A lab on an empty database."""
    url = f"sqlite:///{tmp_path}/koha.db"
    if request.param == "mariadb":
        url = fresh_database(request.getfixturevalue("mariadb"))
    lab = Lab(tmp_path, url)
    yield lab
    lab.close()


def _create(lab: Lab, monkeypatch: pytest.MonkeyPatch, tables: dict[str, list[Column]]) -> None:
    monkeypatch.setattr(schema, "tables", lambda release="25.x": tables)
    with lab.engine.begin() as connection:
        schema.create(connection)
    lab.do(
        "INSERT INTO systempreferences (variable, value) VALUES ('Version', '25.1200000'), ('AnonymousPatron', '1')",
        "INSERT INTO categories (categorycode) VALUES ('A')",
        "INSERT INTO branches (branchcode, branchname) VALUES ('M', 'Main')",
        "INSERT INTO borrowers (borrowernumber, cardnumber, categorycode, branchcode) VALUES (1, 'nobody', 'A', 'M')",
    )
    lab.write_site()


@pytest.mark.parametrize("release", RELEASES)
def test_an_empty_library_of_a_real_release_is_clean_until_a_person_is_added(
    release: str, empty: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    _create(empty, monkeypatch, koha_releases.tables(release))
    found = empty.run("--json", "find")
    assert (found.json["unmapped"], found.json["refused"], found.code) == ([], [], 0), found.said
    empty.do("ALTER TABLE aqcontacts ADD COLUMN patron_cardnumber varchar(32)")
    found = empty.run("--json", "find")
    assert [place["place"] for place in found.json["unmapped"]] == ["aqcontacts"]
    assert found.code == 1


def test_fees_without_a_branch_are_refused_where_libraries_share_a_koha(
    empty: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody guesses whose a fee is: it is withheld as a series, and loans still ask it whether something is owed."""
    _create(empty, monkeypatch, _without_branches_of_fees())
    empty.do("INSERT INTO branches (branchcode, branchname) VALUES ('E', 'East')")
    empty.write_site(branches='["M"]')
    refused = {one["series"]: one["why"] for one in empty.run("--json", "find").json["refused"]}
    for series in ("accountlines.titles", "accountlines.payer", "accountlines.staff"):
        assert refused[series] == "the system is shared, and these rows do not say whose they are"
    assert "old_issues" not in refused
    empty.write_site()
    assert empty.run("--json", "find").json["refused"] == []


def test_tables_read_whole_are_those_the_map_severs() -> None:
    """Of these the facts list every column, so that a new one refuses what reads the table."""
    assert set(KOHA.known) == {series.table for series in KOHA.series}
