"""From when on a tie is due: the site's retention, the shipped one, and never above the schedule's floor."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from reticent.errors import ConfigurationError
from reticent.model import RecordClass, SeriesFacts
from reticent.policy.retention import NO_FLOOR, NO_ITEM, cutoff
from reticent.site import read_site

NOW = datetime(2026, 8, 31, 12)
ILL = SeriesFacts("illrequests", "", RecordClass.INTERLIBRARY_LOAN, "interlibrary_loan", "", "")
PAYER = SeriesFacts("accountlines.payer", "", RecordClass.PAYMENT, "payment", "", "")


def _cutoff(folder: Path, series: SeriesFacts, *lines: str, recorded: bool = True) -> datetime | str:
    site = folder / "reticent.toml"
    start = ["[library]", 'name = "Lakeside"', "[systems.ils]", 'kind = "koha"', "[systems.ils.accounts]"]
    site.write_text("\n".join([*start, 'find = "sqlite:///koha.db"', *lines]))
    return cutoff(read_site(site), "ils", series, NOW, recorded=recorded)


def test_nothing_is_severed_before_an_item_of_the_schedule_is_recorded(tmp_path: Path) -> None:
    assert _cutoff(tmp_path, ILL) == NO_ITEM
    assert _cutoff(tmp_path, ILL, recorded=False) == NOW, "but it is counted"


def test_the_floor_of_the_schedule_wins_over_the_retention(tmp_path: Path) -> None:
    recorded = _cutoff(tmp_path, ILL, "[schedule]", 'interlibrary_loan = "or-city-ill"')
    assert isinstance(recorded, datetime)
    assert f"{recorded:%Y-%m-%d}" == "2026-02-28"
    longer = ("[retention]", 'interlibrary_loan = "1 year"', "[schedule]", 'interlibrary_loan = "or-city-ill"')
    assert _cutoff(tmp_path, ILL, *longer) == datetime(2025, 8, 31, 12)


def test_a_floor_that_starts_at_something_else_than_the_purpose_end_is_never_guessed(tmp_path: Path) -> None:
    lines = ("[retention]", 'payment = "7 years"', "[schedule]")
    assert _cutoff(tmp_path, PAYER, *lines, 'payment = "wy-bills"') == NO_FLOOR
    counted = _cutoff(tmp_path, PAYER, *lines, 'payment = "other: FIN-ACC-12, counsel says 7 years suffice"')
    assert isinstance(counted, datetime)
    assert counted.year == 2019


def test_an_item_of_another_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="governs interlibrary_loan, not payment"):
        _cutoff(tmp_path, PAYER, "[retention]", 'payment = "1 year"', "[schedule]", '"*" = "or-city-ill"')
