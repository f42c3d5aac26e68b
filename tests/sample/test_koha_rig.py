"""The benchmark's rig measures what it says: the data has the promised shape, the live ILS feels a lock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date

import pytest
from bench import koha_rig
from sqlalchemy import create_engine, text
from tests.servers import Server

from reticent.sample import schema

SIZE = koha_rig.Size(patrons=400, items=600, loans=5000, statistics=5000, renewals=1000, unpaid=50)
TODAY = date(2026, 11, 1)


@pytest.fixture
def url(mariadb: Server, fresh_database: Callable[[Server], str]) -> str:
    url = fresh_database(mariadb)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        schema.create(connection)
        koha_rig.fill(connection, SIZE, TODAY)
    engine.dispose()
    return url


def test_the_big_koha_has_the_promised_shape(url: str) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:

        def ask(sql: str) -> tuple[object, ...]:
            return tuple(connection.execute(text(sql)).one())

        assert ask("SELECT COUNT(*), COUNT(DISTINCT borrowernumber) > 200 FROM old_issues") == (5000, 1)
        assert ask("SELECT COUNT(*), SUM(type = 'issue') FROM statistics") == (5000, 2500)
        assert ask("SELECT SUM(privacy = 0), SUM(privacy = 2) FROM borrowers") == (20, 21)
        assert ask("SELECT MAX(returndate) < '2026-11-01', MIN(returndate > issuedate) FROM old_issues") == (
            1,
            1,
        )
        orphans = "FROM {} LEFT JOIN borrowers b USING (borrowernumber) WHERE b.borrowernumber IS NULL"
        for table in ("old_issues", "statistics", "accountlines"):
            assert ask(f"SELECT COUNT(*) {orphans.format(table)}") == (0,)
        kept = "SELECT COUNT(*) FROM old_issues JOIN borrowers USING (borrowernumber) WHERE privacy = 2"
        assert ask(f"{kept} AND borrowernumber <> {koha_rig.ANONYMOUS}") == (0,)
    engine.dispose()


def test_the_live_ils_feels_a_lock_and_counts_a_failure(url: str) -> None:
    engine = create_engine(url)
    with koha_rig.LiveIls(url, SIZE.patrons, SIZE.items) as live:
        calm = live.watch(0.5)
        assert all(timing.count > 3 and not timing.failures for timing in calm.values())
        with engine.begin() as connection:
            connection.execute(text("SELECT borrowernumber FROM borrowers FOR UPDATE")).all()
            time.sleep(0.6)
        blocked = live.lap()
        assert max(timing.worst_ms for timing in blocked.values()) > 300
        with engine.connect() as connection:
            connection.execute(text("RENAME TABLE statistics TO elsewhere"))
        failing = live.watch(0.3)["insert statistics"]
        assert failing.failures == failing.count > 0
    with engine.connect() as connection:
        newest = connection.execute(text("SELECT borrowernumber FROM old_issues ORDER BY issue_id DESC LIMIT 1"))
        assert newest.scalar_one() == koha_rig.ANONYMOUS
    engine.dispose()
