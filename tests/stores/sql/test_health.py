"""Reticent gives way: to a real replica that lags, that stopped, or that cannot be asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests import servers

from reticent.stores.sql.health import _behind


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[servers.Server, servers.Server]]:
    """A primary and its replica."""
    with (
        servers.mariadb(options=["--server-id=1", "--log-bin=primary", "--binlog-format=ROW"]) as primary,
        servers.mariadb(options=["--server-id=2"]) as replica,
    ):
        primary.execute("CREATE USER follow@'127.0.0.1'", "GRANT REPLICATION SLAVE ON *.* TO follow@'127.0.0.1'")
        replica.execute(
            f"CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {primary.port}, MASTER_USER = 'follow',"
            " MASTER_LOG_FILE = 'primary.000001', MASTER_LOG_POS = 4",
            "START REPLICA",
        )
        yield primary, replica


def _waits(url: str, why: str, seconds: int = 0) -> None:
    deadline, said = time.monotonic() + 20, "not asked"
    while said != why and not (why and said.endswith(why)) and time.monotonic() < deadline:
        time.sleep(0.1)
        said = _behind(url, "ils", timedelta(seconds=seconds))
    assert said == why or (why and said.endswith(why)), said


def test_a_replica_that_follows_lags_or_stopped(pair: tuple[servers.Server, servers.Server]) -> None:
    primary, replica = pair
    url = replica.url()
    _waits(url, "")
    replica.execute("STOP REPLICA", "CHANGE MASTER TO MASTER_DELAY = 3600", "START REPLICA")
    primary.execute("CREATE DATABASE lag")
    _waits(url, " s behind")
    assert _behind(url, "ils", timedelta(hours=1)) == "", "but the site allows an hour"
    replica.execute("STOP REPLICA")
    assert _behind(url, "ils", timedelta(hours=1)) == "a replica has stopped following"


def test_a_server_that_follows_nobody_or_answers_nothing_is_no_replica(mariadb: servers.Server) -> None:
    assert _behind(mariadb.url(), "ils", timedelta(hours=1)) == "a replica has stopped following"
    mariadb.execute("CREATE OR REPLACE USER blind@'%' IDENTIFIED BY 'pw'")
    cannot = "a replica cannot be asked how far behind it is"
    assert _behind(mariadb.url("blind", password="pw"), "ils", timedelta(hours=1)) == cannot
    mariadb.execute("DROP USER blind@'%'")
    assert _behind("mysql+pymysql://nobody@127.0.0.1:9/x", "ils", timedelta(hours=1)) == cannot
