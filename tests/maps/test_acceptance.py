"""The acceptance of maps can fail: a map that forgets a place, or reaches too far, does not pass."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest
from tests.maps.acceptance import as_the_map_says, expect, promise
from tests.maps.expected import Fresh, cut_to, differences
from tests.maps.stage import staged
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


SPOILT = {
    "a row that was not due": (
        "UPDATE print_jobs SET data = NULL WHERE status = 'Held'",
        "print_jobs is not what the map says",
    ),
    "a cell of a due row that the map leaves": (
        "UPDATE print_files SET content_type = 'x' WHERE content_type = 'application/pdf'",
        "print_files is not what the map says",
    ),
    "a severed cell that holds something else": (
        "UPDATE print_files SET filename = 'x' WHERE filename = ''",
        "print_files is not what the map says",
    ),
    "a due row that is still there": (
        "INSERT INTO logs SELECT * FROM logs_before LIMIT 1",
        "logs is not what the map says: .*not wanted",
    ),
    "a row that was not due is gone": (
        "DELETE FROM reservations WHERE begin_time > '2099'",
        "reservations is not what the map says: .*wanted",
    ),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_one_cell_that_is_not_what_the_map_says_does_not_pass(spoilt: str, tmp_path: Path) -> None:
    statement, said = SPOILT[spoilt]
    stage = staged(LIBKI, tmp_path, f"sqlite:///{tmp_path}/libki.db")
    before = stage.snapshot()
    expected = expect(stage, before)
    plan = str(tmp_path / "plan.json")
    stage.administer("CREATE TABLE logs_before AS SELECT * FROM logs")
    stage.run("plan", "--out", plan, code=0)
    stage.run("sever", "--plan", plan, code=0)
    after = stage.snapshot()
    as_the_map_says(stage, expected, before, {name: after[name] for name in before})
    stage.administer(statement)
    after = stage.snapshot()
    with pytest.raises(AssertionError, match=said):
        as_the_map_says(stage, expected, before, {name: after[name] for name in before})


OLD, ONE, TWO = "9f0c", "41aa", "d27b"


@pytest.mark.parametrize("found", [[ONE, OLD], [ONE, ONE], [ONE, None]], ids=["the old one", "one twice", "none"])
def test_a_value_that_was_not_drawn_anew_for_its_row_does_not_pass(found: list[str | None]) -> None:
    before = [{"id": OLD, "title": "A"}, {"id": "77e1", "title": "B"}]
    wanted = [{"id": Fresh(), "title": title} for title in "AB"]
    rows = [[{"id": id_, "title": title} for id_, title in zip(ids, "AB", strict=True)] for ids in ([ONE, TWO], found)]
    assert not differences(wanted, rows[0], before)
    assert differences(wanted, rows[1], before)


@pytest.mark.parametrize(
    ("unit", "kept", "cut"),
    [
        ("day", datetime(2020, 3, 2, 10, 7, 9), datetime(2020, 3, 2)),
        ("month", date(2020, 3, 2), date(2020, 3, 1)),
        ("hour", "2020-03-02 10:07:09", "2020-03-02 10:00:00"),
        ("year", "2020-03-02T10:07:09.000+00:00", "2020-01-01T00:00:00.000+00:00"),
    ],
)
def test_a_moment_is_cut_in_the_type_it_is_kept_in(unit: str, kept: object, cut: object) -> None:
    assert cut_to(kept, unit) == cut
