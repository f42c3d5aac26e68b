"""Every table of Koha that ties a person to a use, as the project's facts list them, is in the map, with every person."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from reticent.systems.load import shipped
from reticent.systems.mapfile import Series

LIST = Path(__file__).with_name("koha-person-columns.csv").read_text(encoding="utf-8")
FACTS = {row["table"]: row["person_columns"].split() for row in csv.DictReader(LIST.splitlines())}
KOHA = shipped("koha")


def _series(table: str) -> list[Series]:
    return [series for series in KOHA.series if series.table == table]


def test_the_facts_and_the_map_know_the_same_tables() -> None:
    assert len(FACTS) == 72
    assert {series.table for series in KOHA.series} == set(FACTS)


@pytest.mark.parametrize("table", sorted(FACTS))
def test_every_person_column_is_severed_or_counted(table: str) -> None:
    """Its column is a person of a series, or is overwritten, or goes with the row; what is left alone is counted."""
    fields = KOHA.tables[table].fields
    covered: set[str] = set()
    for series in _series(table):
        if isinstance(series.sever, str):
            covered |= set(FACTS[table])  # the whole row is deleted, or is only watched while its purpose lives
        else:
            covered |= {fields[name].column for name in (*series.persons, *series.sever)}
    assert set(FACTS[table]) - covered == set()


def test_what_is_never_severed_says_why_it_stays() -> None:
    """A series that is only watched is open by its own words, or is read by nobody and listed as not looked at."""
    unseverable = {series.table for series in KOHA.series if series.sever == "nothing"}
    assert unseverable == {
        "issues", "reserves", "hold_fill_targets", "borrowers", "borrower_relationships",
        "pending_offline_operations", "plugin_data", "additional_field_values",
    }  # fmt: skip
    for series in KOHA.series:
        assert series.purpose
        assert series.purpose_end, series.id


def test_every_relink_of_the_facts_is_tried() -> None:
    joined = {
        "statistics", "action_logs.circulation", "checkout_renewals", "old_reserves", "accountlines.titles",
        "items_last_borrower",
    }  # fmt: skip
    assert joined <= {relink.series for relink in KOHA.relinks}
    assert any("deletedborrowers" in relink.sql for relink in KOHA.relinks)
