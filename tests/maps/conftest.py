"""Acts leave their connections to the end of the process; psycopg minds when one is collected earlier."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let psycopg not mind, here."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning"))


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let connections be collected under this folder's filter, not in another folder's test."""
    yield
    gc.collect()
