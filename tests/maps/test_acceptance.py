"""The acceptance of maps can fail: a map that forgets a place, or reaches too far, does not pass."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.maps.acceptance import promise, staged
from tests.maps.test_libki import LIBKI

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


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_map_does_not_pass(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right, changed, said = WRONG[wrong]
    maps = tmp_path / "maps"
    maps.mkdir()
    text = (load.MAPS / "libki.toml").read_text()
    assert text.count(right) == 1
    text = text.replace(right, changed)
    if "neither" in wrong:
        text = text.replace(" OR file <> ''", "")
    (maps / "libki.toml").write_text(text)
    shutil.copy(load.MAPS / "libki.columns.csv", maps)
    shutil.copytree(load.MAPS / "withdrawn", maps / "withdrawn")
    monkeypatch.setattr(load, "MAPS", maps)
    with pytest.raises(AssertionError, match=said):
        promise(staged(LIBKI, tmp_path, f"sqlite:///{tmp_path}/libki.db"))
