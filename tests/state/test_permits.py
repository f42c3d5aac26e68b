"""A permit is used once, whoever asks, from however many processes, on both databases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.servers import Server

from reticent.policy.permits import Mint, Scope
from reticent.site import Site
from reticent.state.database import open_state
from reticent.state.permits import REMEMBERED, StoredPermits

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = Path(__file__).parents[2] / "src"

RACE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from reticent.site import Site
from reticent.state.database import open_state
from reticent.state.permits import StoredPermits
state = {"path": sys.argv[1], "database": sys.argv[2]}
site = Site.model_validate({"library": {"name": "x"}, "systems": {"ils": {"kind": "koha"}}, "state": state})
register = StoredPermits(open_state(site))
print("ready", flush=True)
sys.stdin.readline()
print(sum(register.take(f"permit {n}", datetime(2026, 3, 1, tzinfo=UTC)) for n in range(40)))
"""


def site(folder: Path, database: str = "") -> Site:
    state = {"path": folder / "state", "database": database}
    return Site.model_validate({"library": {"name": "x"}, "systems": {"ils": {"kind": "koha"}}, "state": state})


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_of_many_processes_that_open_one_permit_one_succeeds(
    store: str, tmp_path: Path, request: pytest.FixtureRequest, fresh_database: Callable[[Server], str]
) -> None:
    database = fresh_database(request.getfixturevalue("postgresql")) if store == "postgresql" else ""
    open_state(site(tmp_path, database)).dispose()
    command = [sys.executable, "-c", RACE, str(tmp_path / "state"), database]
    racers = [
        subprocess.Popen(
            command, env={"PYTHONPATH": str(SOURCE)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    taken = [int(racer.communicate("go\n", timeout=60)[0]) for racer in racers]
    assert sum(taken) == 40


def test_a_used_permit_stays_used_after_a_restart(tmp_path: Path) -> None:
    engine = open_state(site(tmp_path))
    assert StoredPermits(engine).take("a", NOW)
    engine.dispose()
    again = StoredPermits(open_state(site(tmp_path)))
    assert not again.take("a", NOW)
    assert again.take("b", NOW)


def test_only_what_is_long_past_is_forgotten(tmp_path: Path) -> None:
    engine = open_state(site(tmp_path))
    register = StoredPermits(engine)
    register.take("old", NOW)
    register.take("new", NOW + REMEMBERED)
    assert not register.take("old", NOW)
    register.take("newer", NOW + REMEMBERED + timedelta(seconds=1))
    with engine.connect() as connection:
        assert set(connection.execute(sa.text("SELECT serial FROM permits")).scalars()) == {"new", "newer"}


def test_a_mint_refuses_what_another_process_opened(tmp_path: Path) -> None:
    class At:
        def now(self) -> datetime:
            return NOW

    register = StoredPermits(open_state(site(tmp_path)))
    mint = Mint(At(), register)
    [permit] = mint.strike("readRoster", "maintainSystems", "", "0" * 64, Scope(), ["ils"])
    mint.open(permit, "roster", "ils", "0" * 64)
    with pytest.raises(Exception, match="has been used"):
        mint.open(permit, "roster", "ils", "0" * 64)
