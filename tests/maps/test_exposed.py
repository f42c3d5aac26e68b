"""What shows persons without keeping rows, and what is sent elsewhere: listed, and told where it is new."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.maps.stage import Stage
from tests.maps.test_blacklight import built
from tests.servers import Server


def listed(stage: Stage) -> tuple[dict[str, Any], str]:
    """Run find; return its document, and what it says of views."""
    document = stage.run("find", code=1)
    why = [each["why"] for each in document["not_looked_at"] if "views that show" in each["place"]]
    return document, " ".join(why)


def new(stage: Stage) -> list[str]:
    found = stage.lab.run("--json", "check").json["findings"]
    return [each["place"] for each in found if each["kind"] == "new exposure"]


@pytest.mark.parametrize("name", ["sqlite rails 8", "mariadb", "postgresql"])
def test_a_view_that_shows_a_person_is_listed_and_a_new_one_is_a_finding_until_find_lists_it(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, fresh_database: Callable[[Server], str]
) -> None:
    stage = built(name, tmp_path, request, fresh_database)
    assert new(stage) == [], "nobody has looked before"
    assert listed(stage)[1] == ""
    stage.administer(
        "CREATE TABLE gone (user_id int)",
        "CREATE VIEW who_searched AS SELECT user_id, query_params FROM searches",
        "CREATE VIEW of_nothing AS SELECT user_id FROM gone",
        "CREATE VIEW a_count AS SELECT COUNT(*) AS searched FROM searches",
        f"DROP TABLE gone{' CASCADE' if name == 'postgresql' else ''}",
    )
    assert new(stage) == ["view who_searched"], "what reads a table that is gone shows nothing"
    document, why = listed(stage)
    assert document["unmapped"] == [], "a view keeps no rows"
    assert "who_searched(user_id)" in why
    assert "a_count" not in why
    assert {"note": "new since the last find: view who_searched", "system": "it"} in document["notes"]
    assert new(stage) == []
    stage.lab.close()


def test_a_materialized_view_is_a_place_and_a_publication_tells_what_it_sends(
    tmp_path: Path, request: pytest.FixtureRequest, fresh_database: Callable[[Server], str]
) -> None:
    stage = built("postgresql", tmp_path, request, fresh_database)
    listed(stage)
    stage.administer(
        "CREATE TABLE news (id int)",
        "CREATE MATERIALIZED VIEW kept AS SELECT id, user_id FROM searches",
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw",
        "CREATE FOREIGN TABLE far_away (user_id int) SERVER far",
        "CREATE PUBLICATION reports FOR TABLE searches, news",
        'CREATE PUBLICATION "Nobody\'s"',
    )
    assert new(stage) == ["foreign table far_away", "publication Nobody's", "publication reports"]
    document, _ = listed(stage)
    assert [place["place"] for place in document["unmapped"]] == ["kept"]
    sent = {each["medium"]: each["keeps"] for each in document["copies"] if each["kind"] == "subscription"}
    assert sent["publication reports"] == "every change of 2 tables, 1 of them the map's"
    assert sent["publication Nobody's"] == "every change of 0 tables, 0 of them the map's"
    assert any("far_away(user_id)" in each["why"] for each in document["not_looked_at"])
    stage.lab.close()
