"""One vocabulary: what the inquiry says is what the policy's schema and the law packs say."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from tests.policy.helpers import shipped

from reticent.guard.clocks import after_working_days, is_working_day
from reticent.guard.words import Instrument, LawAnswer, PartyKind, RecordClass, Role


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (Instrument, "InstrumentKind"),
        (PartyKind, "PartyKind"),
        (LawAnswer, "LawAnswer"),
        (RecordClass, "RecordClass"),
    ],
)
def test_the_words_are_the_schemas(words: type, name: str) -> None:
    assert {str(word) for word in words} == set(shipped().schema.enums[name])  # type: ignore[attr-defined]


def test_roles_are_the_schemas() -> None:
    assert {str(role) for role in Role} <= set(shipped().schema.enums["Role"])


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        ("2026-11-23", 4, "2026-11-30"),  # Thanksgiving and a week-end lie between
        ("2026-07-01", 2, "2026-07-06"),  # the Fourth falls on a Saturday and is kept on Friday
        ("2026-12-31", 1, "2027-01-04"),
        ("2027-12-30", 1, "2028-01-03"),  # New Year's Day 2028 is a Saturday, kept in the old year
        ("2026-05-22", 1, "2026-05-26"),  # Memorial Day
        ("2026-11-27", 0, "2026-11-27"),
    ],
)
def test_working_days(start: str, count: int, end: str) -> None:
    assert after_working_days(date.fromisoformat(start), count) == date.fromisoformat(end)


def test_a_year_has_eleven_holidays() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    assert sum(day.weekday() < 5 and not is_working_day(day) for day in days) == 11


def test_days_the_library_is_closed_are_no_working_days() -> None:
    closed = [date(2026, 11, 27), date(2026, 12, 1)]
    assert after_working_days(date(2026, 11, 25), 2, closed) == date(2026, 12, 2)
    assert after_working_days(date(2026, 11, 25), 2) == date(2026, 11, 30)
