from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.ledger.tiles import path, tiles_of


@pytest.mark.parametrize(
    ("kind", "index", "width", "expected"),
    [
        ("0", 1234067, 256, "tile/0/x001/x234/067"),
        ("0", 0, 256, "tile/0/000"),
        ("2", 0, 1, "tile/2/000.p/1"),
        ("entries", 273, 112, "tile/entries/273.p/112"),
        ("entries", 1000, 256, "tile/entries/x001/000"),
    ],
)
def test_paths_are_those_of_the_specification(kind: str, index: int, width: int, expected: str) -> None:
    assert path(kind, index, width) == expected


def test_the_specifications_tree_of_70000() -> None:
    tiles = list(tiles_of(70_000))
    assert [sum(level == wanted and width == 256 for level, _, width in tiles) for wanted in (0, 1, 2)] == [
        273,
        1,
        0,
    ]
    assert [tile for tile in tiles if tile[2] < 256] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]


def test_the_specifications_tree_of_256() -> None:
    assert list(tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]


def test_the_empty_tree_has_no_tiles() -> None:
    assert list(tiles_of(0)) == []


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_no_two_tiles_share_a_path(one: int, two: int) -> None:
    assert (path("0", one, 256) == path("0", two, 256)) == (one == two)
