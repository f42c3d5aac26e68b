"""Active borrowers: counted by keyed flags that are ties while their year lives, and forgotten when it is over."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.acts import kit

from reticent.acts.active import ActiveBorrowers
from reticent.acts.opening import Opened, open_systems
from reticent.acts.systems import SqlSystem
from reticent.site import read_site
from reticent.tallies.active import flag


class At:
    """A clock set by the test."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def borrowers(lab: kit.Lab, year: int) -> int:
    """Count by literal SQL who borrowed in a year, from loans open and finished that name somebody."""
    found = lab.ask(
        f"SELECT COUNT(DISTINCT p) FROM (SELECT borrowernumber p FROM old_issues WHERE issuedate LIKE '{year}%' "
        f"UNION SELECT borrowernumber FROM issues WHERE issuedate LIKE '{year}%') x WHERE p IS NOT NULL AND p <> 2"
    )
    return int(found)


def opened(lab: kit.Lab, moment: datetime | None = None) -> Opened:
    return Opened(read_site(lab.folder / "reticent.toml"), At(moment or datetime.now(UTC)))


@pytest.fixture
def counting(sqlite_lab: kit.Lab) -> kit.Lab:
    sqlite_lab.write_site("circulation", more="[statistics]\nactive_borrowers = true")
    return sqlite_lab


def sever(lab: kit.Lab) -> None:
    plan = str(lab.folder / "plan.json")
    assert lab.run("plan", "--out", plan).code == 0
    assert lab.run("sever", "--plan", plan).code == 0


def active(lab: kit.Lab, year: int) -> int | None:
    system = next(s for s in open_systems(read_site(lab.folder / "reticent.toml")) if isinstance(s, SqlSystem))
    return ActiveBorrowers(opened(lab), "ils").count(system, year)


def test_severing_loses_no_active_borrower(counting: kit.Lab) -> None:
    year = datetime.now(UTC).year
    before = borrowers(counting, year)
    assert before > 20
    sever(counting)
    assert borrowers(counting, year) < before, "nothing was severed, so nothing was shown"
    assert active(counting, year) == before


def test_flags_under_a_live_key_are_counted_as_ties(counting: kit.Lab) -> None:
    sever(counting)
    series = counting.run("--json", "find").json["series"]
    flags = [s for s in series if s["series"].startswith("active_borrowers.")]
    assert flags
    assert all(s["ties"] == s["open"] > 0 for s in flags)


def test_a_year_that_is_over_is_counted_once_and_its_key_destroyed(counting: kit.Lab) -> None:
    year = datetime.now(UTC).year
    sever(counting)
    before = active(counting, year)
    site = opened(counting, datetime(year + 1, 1, 2, tzinfo=UTC))
    system = next(s for s in open_systems(site.site) if isinstance(s, SqlSystem))
    counter = ActiveBorrowers(site, "ils")
    counter.close_past_years(system)
    assert site.flags.periods("ils") == []
    assert counter.keys.live() == []
    assert counter.count(system, year) == before
    counter.mark(year, {"77"})
    assert site.flags.periods("ils") == [], "a year that was counted is never flagged again"


def test_nothing_is_flagged_unless_the_site_asks(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.write_site("circulation")
    sever(sqlite_lab)
    assert opened(sqlite_lab).flags.periods("ils") == []
    assert active(sqlite_lab, datetime.now(UTC).year) is None


def test_a_flag_is_no_number_and_differs_under_another_key() -> None:
    assert flag(b"a" * 32, 51) != flag(b"b" * 32, 51)
    assert flag(b"a" * 32, 51) == flag(b"a" * 32, "51")
    assert len(flag(b"a" * 32, 51)) == 32


def test_the_state_holds_no_patron_number_in_clear(counting: kit.Lab, tmp_path: Path) -> None:
    with counting.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE old_issues SET borrowernumber = 77000001 WHERE borrowernumber = 60")
    sever(counting)
    for file in (counting.folder / "state").rglob("*"):
        assert not file.is_file() or b"77000001" not in file.read_bytes(), file.name
