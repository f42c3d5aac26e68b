"""A map fits what is there; what it cannot vouch for is refused, series by series, and the rest goes on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.errors import SystemRefused
from reticent.sample import schema
from reticent.stores.sql.introspect import read_structure
from reticent.systems.fit import Fit, fit
from reticent.systems.load import shipped
from reticent.systems.structure import ColumnInfo, ForeignKey, Structure, TableInfo


@cache
def _structure(release: str = "25.x") -> Structure:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.connect() as connection:
        schema.create(connection, release)
        return read_structure(connection)


def _with(table: str, **changes: Any) -> Fit:
    there = dict(_structure().tables)
    there[table] = replace(there[table], **changes)
    return fit(shipped("koha"), Structure(there))


def _columns(table: str, **more: ColumnInfo) -> dict[str, ColumnInfo]:
    return {**_structure().tables[table].columns, **more}


@pytest.mark.parametrize("release", schema.RELEASES)
def test_both_releases_fit_whole(release: str) -> None:
    found = fit(shipped("koha"), _structure(release))
    assert found.refused == {}
    assert found.unmapped == ()
    there = schema.tables(release)
    assert found.absent == {series.id for series in shipped("koha").series if series.table not in there}


def test_an_unknown_person_column_stops_the_series_that_read_its_table_and_no_other() -> None:
    found = _with("old_issues", columns=_columns("old_issues", reader_email=ColumnInfo("reader_email", "text", True)))
    assert set(found.refused) == {"old_issues", "old_issues.self", "old_issues.staff"}
    assert found.refused["old_issues"] == "old_issues: unknown column reader_email, which looks like a person"


def test_an_unknown_key_to_the_patrons_is_a_person_whatever_it_is_called() -> None:
    key = ForeignKey("who", "borrowers", "borrowernumber", "CASCADE")
    columns = _columns("linktracker", who=ColumnInfo("who", "int(11)", True))
    assert "unknown column who" in _with("linktracker", columns=columns, foreign_keys=(key,)).refused["linktracker"]


def test_an_unknown_column_of_no_person_is_no_trouble() -> None:
    assert (
        _with("old_issues", columns=_columns("old_issues", weight=ColumnInfo("weight", "int(11)", True))).refused == {}
    )


def test_a_missing_column_refuses_what_reads_it() -> None:
    columns = {name: info for name, info in _columns("accountlines").items() if name != "amountoutstanding"}
    refused = _with("accountlines", columns=columns).refused
    assert "the column amountoutstanding is not there" in refused["old_issues"], "its fees decide about loans"
    assert "statistics" not in refused


def test_another_type_refuses() -> None:
    columns = _columns("statistics", datetime=ColumnInfo("datetime", "varchar(30)", True))
    assert "is varchar(30), not datetime" in _with("statistics", columns=columns).refused["statistics"]


def test_a_trigger_stops_only_what_would_fire_it() -> None:
    found = _with("statistics", triggers={"copy_it": "x"})
    assert found.refused == {"statistics": "statistics: unknown trigger copy_it"}
    assert _with("issues", triggers={"copy_it": "x"}).refused == {}, "open loans are never written"


def test_a_plugin_table_is_listed_and_its_rows_never_go_along() -> None:
    key = ForeignKey("message", "message_queue", "message_id", "CASCADE")
    columns = {"message": ColumnInfo("message", "int(11)", True), "borrower": ColumnInfo("borrower", "int", True)}
    tables = {**_structure().tables, "koha_plugin_x": TableInfo("koha_plugin_x", columns, foreign_keys=(key,))}
    found = fit(shipped("koha"), Structure(tables))
    assert [(place.name, place.columns) for place in found.unmapped] == [("koha_plugin_x", ("borrower",))]
    assert set(found.refused) == {"message_queue"}
    assert (
        "koha_plugin_x, which is not in the map, would go with rows of message_queue" in found.refused["message_queue"]
    )


@pytest.mark.parametrize("tables", [{}, {"users": TableInfo("users", {})}])
def test_what_is_not_a_koha_is_refused_whole(tables: dict[str, TableInfo]) -> None:
    with pytest.raises(SystemRefused, match="is not a Koha the map knows") as refused:
        fit(shipped("koha"), Structure(tables))
    assert "borrowers.borrowernumber" in refused.value.where


NAMES = st.sampled_from(sorted(_structure().tables))


@settings(max_examples=60, deadline=None)
@given(dropped=st.sets(NAMES, max_size=6), data=st.data())
def test_fitting_never_crashes_and_never_vouches_for_less_than_it_reads(dropped: set[str], data: st.DataObject) -> None:
    """Whatever tables and columns are gone: refused, absent or fitting, and a fitting series has all its columns."""
    loaded, tables = shipped("koha"), dict(_structure().tables)
    for name in dropped - {"borrowers", "old_issues", "systempreferences"}:
        del tables[name]
    victim = data.draw(st.sampled_from(sorted(tables)))
    gone = data.draw(st.sampled_from(sorted(tables[victim].columns)))
    if f"{victim}.{gone}" in loaded.requires:
        return
    left = {name: info for name, info in tables[victim].columns.items() if name != gone}
    tables[victim] = replace(tables[victim], columns=left)
    found = fit(loaded, Structure(tables))
    for series in found.here(loaded):
        mapped = loaded.tables[series.table].fields.values()
        assert all(spec.optional or spec.column in tables[series.table].columns for spec in mapped)
