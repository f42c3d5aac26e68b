"""What every test may ask for: a real MariaDB, a real PostgreSQL, empty databases; no network but loopback."""

from __future__ import annotations

import ipaddress
import itertools
import sys
from collections.abc import Callable, Iterator

import pytest
from tests import servers


def _no_network(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse every Python socket that leaves this machine, and every look-up of a name but localhost."""
    if event == "socket.connect" or event == "socket.sendto":
        address = arguments[1]
        if isinstance(address, tuple) and not _loopback(address[0]):
            raise RuntimeError(f"a test tried to reach {address!r}; only loopback is allowed")
    elif event == "socket.getaddrinfo" and arguments[0] is not None and not _loopback(arguments[0]):
        raise RuntimeError(f"a test tried to look up {arguments[0]!r}; only loopback is allowed")


def _loopback(host: object) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        return name in {"localhost", ""} or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def pytest_configure() -> None:
    """Close the network before the first test is even collected. An audit hook cannot be undone."""
    sys.addaudithook(_no_network)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[servers.Server]:
    """One real MariaDB for the whole session."""
    with servers.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[servers.Server]:
    """One real PostgreSQL for the whole session."""
    with servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def dask_cluster() -> Iterator[str]:
    """The address of one real Dask scheduler with two worker processes."""
    import dask
    import distributed

    dask.config.set({"distributed.admin.system-monitor.gil.enabled": False})
    with distributed.LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as running:
        yield running.scheduler_address


_numbers = itertools.count(1)


@pytest.fixture
def fresh_database() -> Iterator[Callable[[servers.Server], str]]:
    """A factory: a server -> the URL (superuser) of a new empty database, dropped after the test."""
    made: list[tuple[servers.Server, str]] = []

    def fresh(server: servers.Server) -> str:
        name = f"test_{next(_numbers)}"
        server.execute(f"CREATE DATABASE {name}")
        made.append((server, name))
        return server.url(database=name)

    yield fresh
    for server, name in made:
        force = " WITH (FORCE)" if server.kind == "postgresql" else ""
        server.execute(f"DROP DATABASE {name}{force}")
