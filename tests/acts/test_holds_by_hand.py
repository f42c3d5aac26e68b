"""One officer, without a signature, pauses a class for ten working days and not for longer by asking again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.acts.desk import Desk, Signer
from tests.policy.helpers import FixedClock

from reticent.acts.holds import place, release
from reticent.acts.opening import Opened
from reticent.errors import NotPermitted

TENTH = datetime(2026, 12, 14)
"""The tenth working day after Monday 30 November 2026."""
AFTER = datetime(2026, 12, 16)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "officers").mkdir()
    found = Desk(tmp_path / "library", Signer(tmp_path / "officers"))
    found.clock.moment = datetime(2026, 11, 30, 15, tzinfo=UTC)
    return found


@pytest.fixture
def opened(desk: Desk) -> Opened:
    return desk.opened


def clock(opened: Opened) -> FixedClock:
    assert isinstance(opened.clock, FixedClock)
    return opened.clock


def test_the_tenth_working_day_is_the_last(opened: Opened) -> None:
    with pytest.raises(NotPermitted, match="until 2026-12-14"):
        place(opened, "circulation", AFTER)
    assert opened.holds.all() == []
    assert place(opened, "circulation", TENTH) == 1


def test_asking_again_prolongs_nothing(opened: Opened) -> None:
    number = place(opened, "circulation", TENTH)
    clock(opened).wait(days=7)
    again = datetime(2026, 12, 18)
    with pytest.raises(NotPermitted, match="two officers prolong"):
        place(opened, "circulation", again)
    release(opened, number)
    with pytest.raises(NotPermitted, match="two officers prolong"):
        place(opened, "circulation", again)
    assert place(opened, "notice", again) == 2


def test_a_new_matter_later_is_a_new_hold(opened: Opened) -> None:
    place(opened, "circulation", TENTH)
    clock(opened).wait(days=40)
    assert place(opened, "circulation", datetime(2027, 1, 15)) == 2
