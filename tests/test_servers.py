"""The servers the tests stand on are real, private, recover from a kill, and need no network."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import create_engine, text
from tests import servers

Fresh = Callable[[servers.Server], str]


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_a_fresh_database_is_empty_and_speaks_every_script(
    kind: str, request: pytest.FixtureRequest, fresh_database: Fresh
) -> None:
    server: servers.Server = request.getfixturevalue(kind)
    engine = create_engine(fresh_database(server))
    with engine.begin() as connection:
        tables = text("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = :name")
        schema = engine.url.database if kind == "mariadb" else "public"
        assert connection.scalar(tables, {"name": schema}) == 0
        assert connection.scalar(text("SELECT :name"), {"name": "Zoë 李 🦉"}) == "Zoë 李 🦉"
    engine.dispose()


@pytest.mark.parametrize("start", [servers.mariadb, servers.postgresql])
def test_a_killed_server_keeps_what_was_committed_and_logs_every_statement(
    start: Callable[..., AbstractContextManager[servers.Server]],
) -> None:
    with start(general_log=True, slow_log=True) as server:
        engine = create_engine(server.url(database="" if server.kind == "mariadb" else "postgres"))
        server.execute("CREATE DATABASE kept")
        server.kill()
        server.start()
        with engine.begin() as connection:
            connection.execute(text("SELECT 'a marked statement'"))
            found = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'kept'"
            if server.kind == "postgresql":
                found = "SELECT COUNT(*) FROM pg_database WHERE datname = 'kept'"
            assert connection.scalar(text(found)) == 1
        engine.dispose()
        server.stop()
        assert server.general_log is not None
        assert server.slow_log is not None
        assert "a marked statement" in server.general_log.read_text()
        assert "a marked statement" in server.slow_log.read_text()
        home = server.home
    assert not home.exists()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path: None)
    with pytest.raises(servers.ServersMissing, match=r"mariadbd \(package mariadb-server\); .*setpriv"):
        servers.mariadb().__enter__()


@pytest.mark.parametrize("host", ["198.51.100.7", "library.example", "2001:db8::1"])
def test_no_test_can_leave_this_machine(host: str) -> None:
    with pytest.raises(RuntimeError, match="only loopback"):
        socket.create_connection((host, 80), timeout=0.1)
