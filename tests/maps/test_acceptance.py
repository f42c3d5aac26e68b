"""The acceptance of maps can fail: a map that forgets a place, or reaches too far, does not pass."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.maps.acceptance import promise, staged
from tests.maps.test_folio_copies import reshare
from tests.maps.test_koha import koha
from tests.maps.test_libki import LIBKI
from tests.servers import Server

from reticent.systems import load

WRONG = {
    "a place is forgotten": (
        'sever = { user = "null", data = "null" }',
        'sever = { user = "null" }',
        "did not stay severed",
    ),
    "a place is neither tied nor severed": (
        'file = "overwrite \'\'", data = "null" }',
        'data = "null" }',
        "print_files.filename",
    ),
    "what is open is severed": (
        "open = { \"not yet printed\" = \"exists(jobs, NOT status IN ('Done', 'Canceled'))\" }\n",
        "",
        "print_files",
    ),
    "a person's table is not in the map": ("[harmless]\nuser_roles", "[harmless]\nroles", "user_roles"),
}


def changed(kind: str, maps: Path, *edits: tuple[str, str]) -> None:
    """Write a map that is not right into a folder of its own."""
    maps.mkdir()
    text = (load.MAPS / f"{kind}.toml").read_text()
    for right, wrong in edits:
        assert right in text
        text = text.replace(right, wrong)
    (maps / f"{kind}.toml").write_text(text)
    shutil.copy(load.MAPS / f"{kind}.columns.csv", maps)
    shutil.copytree(load.MAPS / "withdrawn", maps / "withdrawn")


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_map_does_not_pass(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right, instead, said = WRONG[wrong]
    also = ((" OR file <> ''", ""),) if "neither" in wrong else ()
    changed("libki", tmp_path / "maps", (right, instead), *also)
    monkeypatch.setattr(load, "MAPS", tmp_path / "maps")
    with pytest.raises(AssertionError, match=said):
        promise(staged(LIBKI, tmp_path, f"sqlite:///{tmp_path}/libki.db"))


WORDS = 'words = ["{}"]\n'
HOLES = {
    "Koha anonymised a loan and left its note": ("mariadb", (WORDS.format("note"),), "old_issues.note"),
    "Koha took the patron out of a suggestion and left why": (
        "mariadb",
        (WORDS.format('wish", "reason", "note", "staff_note'),),
        "suggestions.patronreason",
    ),
    "the log of changes holds a trace": (
        "mariadb",
        (', trace = "null"', " OR trace IS NOT NULL"),
        "action_logs.trace",
    ),
    "a request without an identifier has an address": (
        "postgresql",
        (WORDS.format('note", "local_note", "delivery", "custom", "last_message", "hold'),),
        "pr_delivery_address",
    ),
}
"""What the maps once left behind: server, what was added to the map since, and the place."""


@pytest.mark.parametrize("hole", HOLES)
def test_what_a_map_once_left_behind_is_found(
    hole: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    fresh_database: Callable[[Server], str],
) -> None:
    kind, mended, place = HOLES[hole]
    case = koha("25.12") if kind == "mariadb" else reshare()
    changed(case.kind, tmp_path / "maps", *((part, "") for part in mended))
    monkeypatch.setattr(load, "MAPS", tmp_path / "maps")
    server: Server = request.getfixturevalue(kind)
    with pytest.raises(AssertionError, match=place):
        promise(staged(case, tmp_path, fresh_database(server), server))
