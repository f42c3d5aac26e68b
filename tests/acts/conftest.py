"""Labs: the sample library on SQLite, and on MariaDB in both releases' shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acts import kit
from tests.servers import Server


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> kit.Sample:
    """The sample library, built once."""
    return kit.build(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def sqlite_lab(sample: kit.Sample, tmp_path: Path) -> Iterator[kit.Lab]:
    """A copy of the sample library on SQLite."""
    lab = sample.sqlite(tmp_path)
    yield lab
    lab.close()


@pytest.fixture
def mariadb_lab(
    sample: kit.Sample, tmp_path: Path, mariadb: Server, fresh_database: Callable[[Server], str]
) -> Iterator[kit.Lab]:
    """A copy of the sample library on MariaDB, Koha 25.x."""
    lab = sample.mariadb(tmp_path, fresh_database(mariadb))
    yield lab
    lab.close()


@pytest.fixture
def old_mariadb_lab(
    sample: kit.Sample, tmp_path: Path, mariadb: Server, fresh_database: Callable[[Server], str]
) -> Iterator[kit.Lab]:
    """The same on the shape of Koha 19.06."""
    lab = sample.mariadb(tmp_path, fresh_database(mariadb), "19.06")
    yield lab
    lab.close()


@pytest.fixture(params=["sqlite", "mariadb", "mariadb 19.06"])
def lab(request: pytest.FixtureRequest) -> kit.Lab:
    """Every kind of lab."""
    names = {"sqlite": "sqlite_lab", "mariadb": "mariadb_lab", "mariadb 19.06": "old_mariadb_lab"}
    found: kit.Lab = request.getfixturevalue(names[request.param])
    return found
