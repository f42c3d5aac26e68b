"""Reticent's own database: migrations, receipts once, tallies merged, the clock, the lock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from reticent.errors import ConfigurationError, EvidenceBroken, SystemRefused
from reticent.model import Receipt
from reticent.site import Site
from reticent.state.book import AGAIN, Book
from reticent.state.database import only_one, open_state
from reticent.state.hold_book import StoredHolds
from reticent.state.tables import metadata

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def site(folder: Path) -> Site:
    return Site.model_validate({"library": {"name": "x"}, "systems": {"ils": {"kind": "koha"}}, "folder": folder})


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(open_state(site(tmp_path)))


def test_the_migrations_make_exactly_the_tables_the_code_uses(tmp_path: Path) -> None:
    with open_state(site(tmp_path)).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_receipt_and_its_tally_count_once(book: Book) -> None:
    book.start_run("r1", "p", NOW)
    receipt = Receipt("r1", "ils/search_history", 0, 5, {"searches|2026-02|branch": {"MAIN": 5}})
    assert book.import_receipts([receipt]) == 1
    assert book.import_receipts([receipt]) == 0
    assert book.tallies("ils") == {"searches|2026-02|branch": {"MAIN": 5}}
    assert book.severed("r1", "ils/search_history") == 5
    assert book.next_chunk("r1", "ils/search_history") == 1


def test_a_receipt_that_comes_back_after_its_run_ended_counts_nothing(book: Book) -> None:
    book.start_run("r1", "p", NOW)
    receipt = Receipt("r1", "ils/search_history", 0, 5, {"searches|2026-02|": {"": 5}})
    book.import_receipts([receipt])
    book.end_run("r1", "done", NOW, {})
    assert book.import_receipts([receipt]) == 0
    assert book.tallies("ils") == {"searches|2026-02|": {"": 5}}


def test_rows_severed_again_after_a_restore_are_not_tallied_again(book: Book) -> None:
    book.start_run("r1", "p", NOW)
    book.import_receipts([Receipt("r1" + AGAIN, "ils/search_history", 0, 5, {"searches|2026-02|": {"": 5}})])
    assert book.tallies("ils") == {}
    assert book.severed("r1", "ils/search_history") == 5


def test_receipts_of_an_unknown_run_are_refused(book: Book) -> None:
    with pytest.raises(EvidenceBroken, match="does not know"):
        book.import_receipts([Receipt("stranger", "ils/x", 0, 1)])


def test_totals_are_only_ever_raised(book: Book) -> None:
    book.raise_totals("ils", {"loans|2026-01|": {"": 9}})
    book.raise_totals("ils", {"loans|2026-01|": {"": 7}})
    book.raise_totals("ils", {"loans|2026-01|": {"": 11}})
    assert book.totals("ils") == {"loans|2026-01|": {"": 11}}


def test_a_clock_that_went_back_is_refused(book: Book) -> None:
    book.watch_clock(NOW)
    book.watch_clock(NOW - timedelta(minutes=2))
    with pytest.raises(ConfigurationError, match="clock went back"):
        book.watch_clock(NOW - timedelta(hours=3))


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    here = site(tmp_path)
    open_state(here)
    with only_one(here), pytest.raises(SystemRefused, match="Another severing run"), only_one(here):
        pass


def test_a_damaged_state_says_so(tmp_path: Path) -> None:
    open_state(site(tmp_path)).dispose()
    (tmp_path / "state" / "state.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(SystemRefused, match="damaged"):
        open_state(site(tmp_path))


def test_a_folder_without_right_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        open_state(site(tmp_path))


class At:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


def test_holds_count_epochs_and_cover_what_they_name(tmp_path: Path) -> None:
    holds = StoredHolds(open_state(site(tmp_path)), At())
    before = holds.epoch()
    number = holds.place("circulation", NOW + timedelta(days=3))
    assert holds.epoch() > before
    assert holds.held("ils", "old_issues", "circulation") is not None
    assert holds.held("ils", "search_history", "search") is None
    holds.release(number)
    assert holds.held("ils", "old_issues", "circulation") is None
    holds.place("ils/search_history", NOW - timedelta(days=1))
    assert holds.held("ils", "search_history", "search") is None, "a hold that has run out holds nothing"


def test_the_state_is_private_and_overwrites_what_it_deletes(tmp_path: Path) -> None:
    engine = open_state(site(tmp_path))
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA secure_delete")).scalar() == 1
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2
