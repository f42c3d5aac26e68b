"""Working days: without weekends, federal holidays (5 U.S.C. 6103(a)) and the days the library lists as closed.

Counting a day too many as working makes a clock of ours end earlier than the law's, never later: a
warning that comes early harms nobody, a release clock is counted in calendar days.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

_SATURDAY = 5
_FIXED = ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))
_MONDAYS = ((1, 3), (2, 3), (9, 1), (10, 2))
"""(month, which Monday): King's birthday, Washington's birthday, Labor Day, Columbus Day."""


def is_working_day(day: date, closed: Collection[date] = ()) -> bool:
    """Whether offices are open: no week-end, no federal holiday (or the day it is observed on), no ``closed`` day."""
    return day.weekday() < _SATURDAY and day not in {*_holidays(day.year), *_holidays(day.year + 1), *closed}


def after_working_days(day: date, count: int, closed: Collection[date] = ()) -> date:
    """Return the ``count``-th working day after ``day``; ``closed``: the library's own days besides."""
    while count:
        day += timedelta(days=1)
        count -= is_working_day(day, closed)
    return day


def _holidays(year: int) -> frozenset[date]:
    fixed = [_observed(date(year, month, day)) for month, day in _FIXED]
    mondays = [_nth(year, month, 0, which) for month, which in _MONDAYS]
    memorial = _nth(year, 6, 0, 1) - timedelta(days=7)
    return frozenset([*fixed, *mondays, memorial, _nth(year, 11, 3, 4)])


def _observed(day: date) -> date:
    """Saturday's holiday is kept on Friday, Sunday's on Monday."""
    return day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


def _nth(year: int, month: int, weekday: int, which: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))
