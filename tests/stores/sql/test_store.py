"""One chunk at a time on the three kinds of server: exact, receipted, giving way, never naming a person."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.servers import Server
from tests.stores.sql import tiny

from reticent.errors import ConfigurationError, SystemBusy, SystemRefused
from reticent.model import Receipt
from reticent.stores.sql.severer import SqlSeverer

Fresh = Callable[[Server], str]


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def system(request: pytest.FixtureRequest, tmp_path: Path, fresh_database: Fresh) -> Iterator[tiny.Tiny]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/tiny.db"
    else:
        url = fresh_database(request.getfixturevalue(request.param))
    made = tiny.Tiny(tmp_path, url)
    yield made
    made.close()


def _all(severer: SqlSeverer, series: str, size: int, most: int = 10_000) -> list[Receipt]:
    (step,) = severer.steps(series)
    walk = severer.chunks(step, tiny.CUTOFF, "run")
    done: list[Receipt] = []
    while (chunk := walk.next(min(size, most - sum(r.rows for r in done)))) is not None:
        done.append(severer.apply(chunk, 1))
        walk.advance()
        if sum(receipt.rows for receipt in done) >= most:
            break
    return done


def test_counts(system: tiny.Tiny) -> None:
    finder = system.finder()
    assert finder.database.sentinel == tiny.NOBODY
    uses = finder.survey("uses", tiny.CUTOFF)
    assert (uses.ties, uses.due, uses.open, uses.within_retention) == (55, 40, 3, 5)
    assert uses.withheld == {"could not be decided": 2, "no end date": 5}
    assert (uses.oldest, uses.newest) == (datetime(2025, 3, 1), datetime(2026, 3, 1))
    visits = finder.survey("visits", tiny.CUTOFF)
    assert (visits.ties, visits.due, visits.within_retention) == (850, 830, 20)
    assert finder.survey("likes", tiny.CUTOFF).due == 10
    assert finder.survey("uses", "not set").withheld["not set"] == 47


@pytest.mark.parametrize("size", [7, 1000])
def test_seek_severs_exactly_the_due_rows(system: tiny.Tiny, size: int) -> None:
    before = {row[0]: row for row in system.rows(tiny.uses)}
    done = _all(system.severer(), "uses", size)
    assert max(receipt.rows for receipt in done) <= size
    for row in system.rows(tiny.uses):
        number, person, ended, item, note, touched = before[row[0]]
        due = number < 40
        expected = (number, tiny.NOBODY, ended, item, None if note == item else note, touched)
        assert row == (expected if due else before[number]), person
    assert sum(row[3] for row in system.receipts()) == 40


@pytest.mark.parametrize("size", [40, 10_000])
def test_windows_sever_exactly_the_due_rows_even_of_an_overfull_hour(system: tiny.Tiny, size: int) -> None:
    before = system.rows(tiny.visits)
    done = _all(system.severer(), "visits", size)
    assert max(receipt.rows for receipt in done) <= size
    assert sum(receipt.rows for receipt in done) == 830

    def expected(at: datetime | None, person: int | None, room: str) -> tuple[Any, ...]:
        if person is None or (at is not None and at >= tiny.CUTOFF):
            return (at, person, room)
        return (at and at.replace(minute=0, second=0), None, room)

    assert system.rows(tiny.visits) == sorted((expected(*row) for row in before), key=repr)


def test_a_ceiling_inside_an_hour_is_kept(system: tiny.Tiny) -> None:
    done = _all(system.severer(), "visits", 100, most=100)
    assert sum(receipt.rows for receipt in done) == 100
    assert sum(row[1] is None for row in system.rows(tiny.visits)) == 150


def test_a_walk_by_windows_reads_no_further_than_its_next_chunk(system: tiny.Tiny) -> None:
    """It counted every hour of the table first: the first chunk of a big table came after minutes."""
    severer = system.severer()
    (step,) = severer.steps("visits")
    walk = severer.chunks(step, tiny.CUTOFF, "run")
    chunk = walk.next(40)
    assert chunk is not None
    severer.apply(chunk, 1)
    walk.advance()
    late = {"at": datetime(2025, 12, 30, 5, 6), "person": tiny.PERSONS[0], "room": "late"}
    with system.engine.begin() as connection:
        connection.execute(tiny.visits.insert(), [late])
    while (chunk := walk.next(40)) is not None:
        severer.apply(chunk, 1)
        walk.advance()
    assert (datetime(2025, 12, 30, 5), None, "late") in system.rows(tiny.visits)


def test_a_moment_written_with_a_t_does_not_come_again_for_ever(tmp_path: Path) -> None:
    system = tiny.Tiny(tmp_path, f"sqlite:///{tmp_path}/tiny.db")
    with system.engine.begin() as connection:
        connection.execute(tiny.visits.delete())
        for at in ("2025-03-01 10:10:00", "2025-03-01T10:30:00", "2025-03-01 12:00:00", "2025-03-01 12:01:00"):
            connection.exec_driver_sql(f"INSERT INTO visits (at, person, room) VALUES ('{at}', 88000001, 'T')")
    severer = system.severer()
    (step,) = severer.steps("visits")
    walk, severed = severer.chunks(step, tiny.CUTOFF, "run"), 0
    for _ in range(10):
        if (chunk := walk.next(2)) is not None:
            severed += severer.apply(chunk, 1).rows
            walk.advance()
    assert walk.next(2) is None
    assert severed == 3
    system.close()


def test_batches_sever_exactly_the_due_rows(system: tiny.Tiny) -> None:
    done = _all(system.severer(), "likes", 3)
    assert [receipt.rows for receipt in done] == [3, 3, 3, 1]
    assert system.rows(tiny.likes) == [(tiny.NOBODY, "i0"), (tiny.NOBODY, "i1")]


def test_tallies_are_margins_of_exactly_the_rows_that_went(system: tiny.Tiny) -> None:
    first, *_ = _all(system.severer(), "searches", 31)
    assert first.rows == 31
    assert first.tally == {
        "searches|2025-03|": {"": 31},
        "searches|2025-03|kind": {"": 10, "app": 10, "web": 11},
    }
    assert system.rows(tiny.searches) == []


def test_a_receipt_and_its_chunk_are_one_transaction(system: tiny.Tiny) -> None:
    severer = system.severer()
    (step,) = severer.steps("uses")
    walk = severer.chunks(step, tiny.CUTOFF, "run")
    chunk = walk.next(10)
    assert chunk is not None
    assert severer.settle(chunk) is None
    receipt = severer.apply(chunk, 1)
    assert severer.settle(chunk) == receipt
    before = system.rows(tiny.uses)
    with pytest.raises(SystemRefused):  # the same number again: the receipt cannot be written
        severer.apply(severer.chunks(step, tiny.CUTOFF, "run").next(10) or chunk, 1)
    assert system.rows(tiny.uses) == before
    assert severer.collected() == [receipt]
    severer.forget([receipt])
    assert system.receipts() == []


def test_rows_somebody_else_severed_meanwhile_are_not_counted(system: tiny.Tiny) -> None:
    severer = system.severer()
    (step,) = severer.steps("uses")
    chunk = severer.chunks(step, tiny.CUTOFF, "run").next(10)
    assert chunk is not None
    with system.engine.begin() as connection:
        connection.execute(tiny.uses.update().where(tiny.uses.c.id.in_([2, 3])).values(person=tiny.NOBODY))
        connection.execute(tiny.debts.insert(), [{"use_id": 5, "open": 1}])
    assert severer.apply(chunk, 1).rows == 7
    assert [row[1] for row in sorted(system.rows(tiny.uses))[:10]].count(tiny.NOBODY) == 9


def test_a_locked_row_makes_it_give_way_and_nothing_is_half_done(system: tiny.Tiny) -> None:
    severer = system.severer()
    (step,) = severer.steps("uses")
    chunk = severer.chunks(step, tiny.CUTOFF, "run").next(10)
    assert chunk is not None
    before = system.rows(tiny.uses)
    with system.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.execute(tiny.uses.update().where(tiny.uses.c.id == 9).values(note="live"))
        begun = time.monotonic()
        with pytest.raises(SystemBusy):
            severer.apply(chunk, 1)
        assert 1 < time.monotonic() - begun < 5
        connection.rollback()
    assert system.rows(tiny.uses) == before
    assert severer.apply(chunk, 1).rows == 10


def test_a_table_being_altered_makes_it_give_way_instead_of_waiting_a_day(
    tmp_path: Path, mariadb: Server, fresh_database: Fresh
) -> None:
    system = tiny.Tiny(tmp_path, fresh_database(mariadb))
    severer = system.severer()
    (step,) = severer.steps("uses")
    chunk = severer.chunks(step, tiny.CUTOFF, "run").next(10)
    assert chunk is not None
    with system.engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLES uses WRITE")
        with pytest.raises(SystemBusy):
            severer.apply(chunk, 1)
        connection.exec_driver_sql("UNLOCK TABLES")
    system.close()


WRITE_BACK = {
    "sqlite": "CREATE TRIGGER back AFTER UPDATE ON uses BEGIN UPDATE uses SET person = OLD.person WHERE id = NEW.id; END",
    "mariadb": "CREATE TRIGGER back BEFORE UPDATE ON uses FOR EACH ROW SET NEW.person = OLD.person",
    "mysql": "CREATE TRIGGER back BEFORE UPDATE ON uses FOR EACH ROW SET NEW.person = OLD.person",
    "postgresql": "CREATE RULE back AS ON UPDATE TO uses DO INSTEAD NOTHING",
}


def test_severed_rows_are_counted_again_not_believed(system: tiny.Tiny) -> None:
    severer = system.severer()
    (step,) = severer.steps("uses")
    chunk = severer.chunks(step, tiny.CUTOFF, "run").next(10)
    assert chunk is not None
    before = system.rows(tiny.uses)
    with system.engine.begin() as connection:
        connection.exec_driver_sql(WRITE_BACK[connection.dialect.name])
    with pytest.raises(SystemBusy, match="did not stay severed"):
        severer.apply(chunk, 1)
    assert system.rows(tiny.uses) == before
    assert system.receipts() == []
    refused = system.finder().fingerprint().refused
    assert refused == {"uses": "uses: unknown trigger back"}


def test_no_statement_ever_holds_a_person(system: tiny.Tiny) -> None:
    said: list[str] = []

    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def listen(_c: Any, _k: Any, statement: str, values: Any, _x: Any, _m: Any) -> None:
        said.append(f"{statement} {values!r}")

    try:
        finder, severer = system.finder(), system.severer()
        for series in ("uses", "visits", "likes", "searches"):
            finder.survey(series, tiny.CUTOFF)
            _all(severer, series, 50)
        severer.forget(severer.collected())
        finder.settings()
        finder.totals()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", listen)
    ours = [text for text in said if "88000" in text]
    assert len(said) > 100
    assert ours == []


def test_one_reticent_at_a_time_severs_a_server(system: tiny.Tiny) -> None:
    if system.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no lock of this kind; a chunk has the database to itself")
    first, second = system.severer(), system.severer()
    with first.alone(), pytest.raises(SystemRefused, match="Another Reticent is severing"), second.alone():
        pass
    with second.alone():
        pass


def test_a_lock_left_by_a_killed_run_is_waited_for(tmp_path: Path, mariadb: Server, fresh_database: Fresh) -> None:
    system = tiny.Tiny(tmp_path, fresh_database(mariadb))
    first, second = system.severer(), system.severer()
    held = first.alone()
    held.__enter__()
    ending = threading.Timer(1.5, lambda: held.__exit__(None, None, None))
    ending.start()
    with second.alone():
        pass
    ending.join()
    system.close()


def test_without_a_receipt_table_what_was_severed_is_still_counted(tmp_path: Path) -> None:
    system = tiny.Tiny(tmp_path, f"sqlite:///{tmp_path}/tiny.db", more="receipts = false")
    severer = system.severer()
    done = _all(severer, "searches", 20)
    assert [receipt.rows for receipt in done] == [20, 20, 10]
    assert severer.collected() == done
    severer.forget(done)
    assert severer.collected() == []
    assert "reticent_receipts" not in sa.inspect(system.engine).get_table_names()
    system.close()


def test_a_stand_in_with_uses_of_its_own_is_a_person(system: tiny.Tiny) -> None:
    with system.engine.begin() as connection:
        connection.execute(tiny.uses.update().where(tiny.uses.c.id == 57).values(item="never"))
    database = system.finder().database
    assert database.sentinel is None
    assert "a real person" in database.notes[0]
    assert "uses.person may not be NULL" in database.fit.refused["uses"]


def test_a_date_that_is_none_is_withheld_not_due(tmp_path: Path, mariadb: Server, fresh_database: Fresh) -> None:
    """MariaDB's 0000-00-00 sorts before every cutoff: read as a date it would make everything due."""
    system = tiny.Tiny(tmp_path, fresh_database(mariadb))
    with system.engine.begin() as connection:
        connection.exec_driver_sql("SET SESSION sql_mode = ''")
        uses = connection.exec_driver_sql("UPDATE uses SET ended = '0000-00-00 00:00:00' WHERE id < 4").rowcount
        visits = connection.exec_driver_sql("UPDATE visits SET at = '0000-00-00 00:00:00' WHERE at IS NULL").rowcount
    survey = system.finder().survey("uses", tiny.CUTOFF)
    assert uses
    assert visits
    assert survey.due == 40 - uses
    assert survey.withheld == {"could not be decided": 2 + uses, "no end date": 5}
    assert sum(receipt.rows for receipt in _all(system.severer(), "uses", 1000)) == 40 - uses
    assert sum(receipt.rows for receipt in _all(system.severer(), "visits", 11)) == 830 - visits
    system.close()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("sqlite:////nowhere/at/all.db", SystemRefused.__base__),
        ("oracle://x", ConfigurationError),
        ("not a url", ConfigurationError),
    ],
)
def test_a_database_that_cannot_be_is_refused_and_never_made(tmp_path: Path, url: str, error: type[Exception]) -> None:
    system = tiny.Tiny(tmp_path, f"sqlite:///{tmp_path}/tiny.db")
    system.close()
    system.file.write_text(tiny.SITE.format(url=url, more=""))
    with pytest.raises(error):
        system.finder()


def test_a_missing_sqlite_file_is_not_made(tmp_path: Path) -> None:
    system = tiny.Tiny(tmp_path, f"sqlite:///{tmp_path}/tiny.db")
    system.close()
    (tmp_path / "tiny.db").unlink()
    with pytest.raises(Exception, match="cannot be reached"):
        system.finder()
    assert not (tmp_path / "tiny.db").exists()


def test_an_hour_at_the_end_of_a_month_or_year_is_one_hour(system: tiny.Tiny) -> None:
    edge = datetime(2025, 12, 31, 23, 59, 59)
    with system.engine.begin() as connection:
        connection.execute(tiny.visits.delete())
        connection.execute(
            tiny.visits.insert(),
            [{"at": edge + timedelta(seconds=n), "person": tiny.PERSONS[0], "room": "B"} for n in (0, 1)],
        )
    assert sum(receipt.rows for receipt in _all(system.severer(), "visits", 10)) == 1
    assert system.rows(tiny.visits) == [
        (datetime(2025, 12, 31, 23), None, "B"),
        (datetime(2026, 1, 1), tiny.PERSONS[0], "B"),
    ]
