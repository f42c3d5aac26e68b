"""Records-schedule floors: what was read, and the arithmetic of the earliest day to sever."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.errors import ConfigurationError
from reticent.law.schedules import (
    NONE_APPLIES,
    SHIPPED,
    Period,
    item,
    latest_start,
    review_by,
    rows,
)
from reticent.model import RecordClass

DAYS = st.dates(date(1990, 1, 1), date(2200, 1, 1))
PERIODS = st.builds(Period, n=st.integers(1, 600), unit=st.sampled_from(["days", "months", "years"]))
TODAY = date(2026, 8, 31)


@pytest.mark.parametrize(
    ("chosen", "record_class", "expected"),
    [
        ("or-city-circulation", RecordClass.CIRCULATION, TODAY),
        ("or-city-ill", RecordClass.INTERLIBRARY_LOAN, date(2026, 2, 28)),
        ("or-city-overdue", RecordClass.PAYMENT, TODAY),
        ("ny-mu1-request", RecordClass.SUGGESTION, date(2025, 8, 31)),
        ("or-city-registration", RecordClass.REGISTRATION, None),  # its clock starts elsewhere
        ("wy-bills", RecordClass.PAYMENT, None),  # at the end of the fiscal year: later than the settlement
        ("wi-circulation", RecordClass.CIRCULATION, None),  # never read
        ("ny-lgs1-card", RecordClass.REGISTRATION, None),  # from memory
        ("mn-city-studies", RecordClass.UNCLASSIFIED, None),  # permanent
        (NONE_APPLIES, RecordClass.SEARCH, TODAY),
    ],
)
def test_latest_purpose_end(chosen: str, record_class: RecordClass, expected: date | None) -> None:
    assert latest_start(chosen, record_class, TODAY) == expected


def test_an_item_governs_its_own_class_only() -> None:
    with pytest.raises(ConfigurationError, match="governs circulation, not payment"):
        latest_start("or-city-circulation", RecordClass.PAYMENT, TODAY)


def test_unknown_item_is_refused_with_advice() -> None:
    with pytest.raises(ConfigurationError) as caught:
        latest_start("or-city", RecordClass.SEARCH, TODAY)
    assert NONE_APPLIES in caught.value.do


@given(PERIODS, DAYS, st.integers(0, 60))
def test_a_period_never_shrinks_and_keeps_order(period: Period, start: date, later: int) -> None:
    assert period.after(start) > start
    assert period.after(start + timedelta(days=later)) >= period.after(start)


@given(st.sampled_from(["or-city-ill", "ny-mu1-request", "ny-state-circulation", "ny-state-copies"]), DAYS)
def test_cutoff_is_the_last_start_whose_floor_is_over(chosen: str, today: date) -> None:
    row = item(chosen)
    floor = row.floor
    assert isinstance(floor, Period)
    start = latest_start(chosen, row.record_class, today)
    assert start is not None
    assert floor.after(start) <= today < floor.after(start + timedelta(days=1))


def test_the_end_of_time_does_not_crash() -> None:
    assert Period(n=600, unit="years").after(date.max) == date.max
    assert Period(n=9, unit="days").after(date.max) == date.max


def test_circulation_has_no_positive_floor_where_its_series_was_read() -> None:
    """The fact behind severing on return; state agencies of New York are the one exception read."""
    read = [
        row
        for state in ("US-OR", "US-NY", "US-OH")
        for row in rows(state)
        if row.record_class is RecordClass.CIRCULATION
    ]
    assert {row.item for row in read if row.known_floor != "none"} == {"ny-state-circulation"}


def test_only_rows_read_in_their_instrument_are_drafts() -> None:
    for row in rows("US-WY"):
        assert row.status == "unverified"
    assert all((row.status == "draft") == (row.mark == "read") for row in rows("US-NY"))
    assert rows("US-TX") == []
    assert review_by() > date(2026, 11, 23)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('record_class = "circulation"', 'record_class = "loans"', "record_class"),
        ('unit = "months"', 'unit = "moons"', "unit"),
        ("n = 6", "n = -6", "floor"),
        (
            'item = "or-county-circulation"',
            'item = "or-city-circulation"',
            "named twice: or-city-circulation",
        ),
        (
            'floor = "event"\ntrigger = "returned, settled or written off"\nclock = "purpose_end"',
            'floor = "event"\ntrigger = "returned, settled or written off"\nclock = "other"',
            "purpose_end",
        ),
        ('mark = "read"', 'mark = "heard"', "mark"),
    ],
)
def test_bad_schedule_is_refused_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "schedules.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"schedules\.toml, line \d+:") as caught:
        rows("US-OR", path)
    assert says in caught.value.what
