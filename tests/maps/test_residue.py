"""With an account for the roster, everybody at once is looked for in the free texts of these systems too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.maps.planting import BYSTANDER
from tests.maps.stage import staged
from tests.maps.test_blacklight import CASES as BLACKLIGHT
from tests.maps.test_libki import LIBKI
from tests.maps.test_vufind import CASES as VUFIND
from tests.servers import Server

SOMEBODY = f"{BYSTANDER}117"
CASES = {
    "vufind": ("postgresql", VUFIND["postgresql 11"][1], "shortlinks.path", [
        f"INSERT INTO shortlinks (id, path, created) VALUES (1, '/Search/Results?lookfor={SOMEBODY}@marked.example', now())",
    ]),
    "libki": ("mariadb", LIBKI, "settings.value", [
        f"INSERT INTO settings VALUES ('', 'BannerTop', 'Ask {SOMEBODY}-card')",
    ]),
    "blacklight": ("postgresql", BLACKLIGHT["postgresql"], "forms.said", [
        "CREATE TABLE forms (id integer PRIMARY KEY, email integer, said text)",
        f"INSERT INTO forms VALUES (1, 0, 'please ask {SOMEBODY}-name')",
    ]),
}  # fmt: skip
"""Kind -> server, case, the place of the text, and what puts it there."""


@pytest.mark.parametrize("kind", CASES)
def test_a_patron_in_a_free_text_is_found_and_not_named(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, fresh_database: Callable[[Server], str]
) -> None:
    name, case, place, statements = CASES[kind]
    server: Server = request.getfixturevalue(name)
    stage = staged(case, tmp_path, fresh_database(server), server, crowd=50)
    stage.administer(*statements)
    if kind == "blacklight":
        stage.administer("GRANT SELECT ON forms TO PUBLIC")
    found = stage.run("check", code=1)
    residue = {each["place"]: each["count"] for each in found["findings"] if each["kind"] == "residue"}
    assert residue.get(place, 0) >= 1, (residue, found["not_looked_at"])  # blurred, never to nothing
    assert SOMEBODY not in json.dumps(found)
