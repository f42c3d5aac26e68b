"""A library system no map and no word was made from: its patrons are found, and hardly anything else is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bench import unmapped_detection as bench
from tests.servers import Server

from reticent.stores.sql import prober


def test_patrons_are_found_in_a_schema_nobody_had_looked_at(
    mariadb: Server, fresh_database: Callable[[Server], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "crowd", prober.crowd)  # the measurement puts its own crowd there
    found = bench.unseen("slims", fresh_database(mariadb))
    assert found.columns > 400
    assert len(found.missed) <= 0.05 * found.wanted, found.missed
    assert len(found.false) <= 0.01 * found.columns, found.false
