"""Every re-link attack of these maps can succeed: on a system that was severed by halves it is a finding."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.maps.stage import staged
from tests.maps.test_bad_input import CASES

HALF_SEVERED = {
    "blacklight": [],
    "libki": [
        "UPDATE statistics SET username = NULL WHERE id IN (SELECT MIN(id) FROM statistics GROUP BY username)",
        "UPDATE print_jobs SET user_id = NULL",
    ],
    "vufind": ["UPDATE search SET session_id = 'S'", "UPDATE audit_event SET session_id = 'S'"],
}


@pytest.mark.parametrize("kind", CASES)
def test_what_was_severed_by_halves_is_found(kind: str, tmp_path: Path) -> None:
    case = CASES[kind]
    stage = staged(case, tmp_path, f"sqlite:///{tmp_path}/it.db")
    stage.administer(*HALF_SEVERED[kind])
    stage.lab.close()
    found = [each["place"] for each in stage.run("check", code=1)["findings"] if each["kind"] == "re-link"]
    assert {place.partition(": ")[2] for place in found} == {attack.name for attack in case.loaded.relinks}
