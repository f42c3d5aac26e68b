"""Small cells stay hidden from somebody who has the output and knows the code."""

from collections import defaultdict
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.errors import UsageError
from reticent.tallies.suppress import LIMIT, Shown, suppress

MARGINS = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 60), max_size=8)


@pytest.mark.parametrize(
    ("cells", "shown", "total"),
    [
        ({}, {}, 0),
        ({"MAIN": 0}, {"MAIN": 0}, 0),
        ({"MAIN": 40, "EAST": 12}, {"MAIN": 40, "EAST": 12}, 52),
        ({"MAIN": 40, "EAST": 3}, {"MAIN": None, "EAST": None}, 43),
        ({"MAIN": 40, "EAST": 3, "WEST": 12}, {"MAIN": None, "EAST": None, "WEST": 12}, 55),
        ({"MAIN": 40, "EAST": 3, "WEST": 0}, {"MAIN": None, "EAST": None, "WEST": 0}, 43),
        ({"MAIN": 10, "EAST": 10, "WEST": 10}, {"MAIN": None, "EAST": None, "WEST": None}, 30),
        ({"MAIN": 11, "EAST": 1, "WEST": 40}, {}, 52),
        ({"MAIN": 11, "EAST": 1}, {}, 12),
        ({"MAIN": 3}, {}, None),
        ({"MAIN": 1, "EAST": 9}, {}, None),
        (dict.fromkeys("abcdefghijkl", 1), {}, 12),
    ],
)
def test_table(cells: dict[str, int], shown: dict[str, int | None], total: int | None) -> None:
    assert suppress(cells) == Shown(shown, total)
    assert suppress(cells).withheld == (not shown)


@given(MARGINS, st.integers(3, 30))
def test_no_small_cell_is_ever_shown(cells: dict[str, int], limit: int) -> None:
    shown = suppress(cells, limit)
    assert all(value is None or value == 0 or value >= limit for value in shown.cells.values())
    assert shown.total is None or shown.total == 0 or shown.total >= limit


@given(MARGINS)
def test_what_is_shown_is_true(cells: dict[str, int]) -> None:
    shown = suppress(cells)
    assert shown.total in (None, sum(cells.values()))
    assert all(value in (None, cells[name]) for name, value in shown.cells.items())
    assert shown.withheld or set(shown.cells) == set(cells)


@given(MARGINS)
def test_the_total_gives_no_hidden_cell_back(cells: dict[str, int]) -> None:
    """Never exactly one hidden, and the hidden ones leave each other room of a whole limit."""
    shown = suppress(cells)
    hidden = [name for name, value in shown.cells.items() if value is None]
    if hidden:
        assert shown.total is not None
        left = shown.total - sum(value for value in shown.cells.values() if value is not None)
        assert len(hidden) >= 2
        assert left >= 2 * LIMIT + len(hidden) - 2


@given(MARGINS, st.data())
def test_moving_uses_between_hidden_cells_shows_nothing(cells: dict[str, int], data: st.DataObject) -> None:
    """A small cell could have been any other small number: what is shown would be the same."""
    small = [name for name, count in cells.items() if 0 < count < LIMIT]
    big = [name for name, count in cells.items() if count >= LIMIT]
    if not small or not big or suppress(cells).withheld:
        return
    name = data.draw(st.sampled_from(small))
    other = data.draw(st.integers(1, LIMIT - 1))
    moved = {**cells, name: other, big[0]: cells[big[0]] + cells[name] - other}
    if moved[big[0]] >= LIMIT:
        assert suppress(moved) == suppress(cells)


@pytest.mark.parametrize(("size", "top", "limit"), [(1, 20, 3), (2, 40, 4), (2, 60, 11), (3, 24, 4), (4, 13, 3)])
def test_nobody_who_knows_the_code_can_work_a_hidden_cell_out(size: int, top: int, limit: int) -> None:
    """Every table with a total up to ``top``, grouped by what is shown: a hidden cell has several values.

    Hiding the smallest other cells, the usual way, fails here: the choice itself tells.
    """
    worlds: dict[tuple[object, ...], list[tuple[int, ...]]] = defaultdict(list)
    for table in product(range(top + 1), repeat=size):
        if sum(table) <= top:
            shown = suppress({str(place): count for place, count in enumerate(table)}, limit)
            worlds[(*sorted(shown.cells.items()), shown.total)].append(table)
    for output, tables in worlds.items():
        for place in range(size):
            values = {table[place] for table in tables}
            assert len(values) > 1 or not any(0 < value < limit for value in values), (output, tables)


def test_a_margin_withheld_with_a_total_still_hides_each_cell() -> None:
    """Eleven cells of 1 sum to 11; naming them with their total would tell all eleven."""
    assert suppress(dict.fromkeys("abcdefghijk", 1)) == Shown({}, 11)


@pytest.mark.parametrize(("cells", "limit"), [({"MAIN": -1}, 11), ({"MAIN": 5}, 2), ({}, 0)])
def test_nonsense_is_refused(cells: dict[str, int], limit: int) -> None:
    with pytest.raises(UsageError):
        suppress(cells, limit)
