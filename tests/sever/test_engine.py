"""The engine's own rules: how large the next chunk is, and how often it comes again when the live system is busy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from reticent.errors import SystemBusy
from reticent.ports import Clock, HoldBook, Severer
from reticent.sever import engine as rules
from reticent.sever.engine import AIM_SECONDS, FIRST, LARGEST, Engine, Limits


def _engine(pauses: list[float]) -> Engine:
    nothing = cast("Severer", None), cast("HoldBook", None)
    limits = Limits(Path("stop"), Path())
    return Engine(*nothing, limits, cast("Clock", None), dict, str, lambda: None, lambda *_: None, pauses.append)


@pytest.mark.parametrize(
    ("microseconds_a_row", "rows"),
    [(5, LARGEST), (14, LARGEST), (40, 3_500), (400, 350), (2_000, 70), (1_000_000, 1)],
)
def test_a_transaction_settles_at_the_length_it_aims_at(microseconds_a_row: int, rows: int) -> None:
    engine = _engine([])
    longest = 0.0
    for chunk in range(30):
        seconds = engine._size * microseconds_a_row / 1e6
        longest = max(longest, seconds) if chunk > 12 else longest
        engine._pace(engine._size, seconds)
    assert engine._size == pytest.approx(rows, rel=0.05)
    assert longest <= max(AIM_SECONDS * 1.05, microseconds_a_row / 1e6)


def test_one_slow_or_fast_chunk_halves_or_doubles_at_most_and_an_empty_one_says_nothing() -> None:
    engine = _engine([])
    engine._pace(FIRST, 60.0)
    assert engine._size == FIRST // 2
    engine._pace(FIRST // 2, 0.0)
    assert engine._size == FIRST
    engine._pace(0, 60.0)
    assert engine._size == FIRST


def _busy(times: int) -> Callable[[], str]:
    calls: list[int] = []

    def act() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise SystemBusy("The live system wanted the same rows.")
        return "done"

    return act


def test_a_busy_system_goes_first_and_is_asked_again_later_and_for_less() -> None:
    pauses: list[float] = []
    engine = _engine(pauses)
    assert engine._patiently(_busy(3)) == "done"
    assert pauses == [0.1, 0.2, 0.4]
    assert engine._size == FIRST // 8
    with pytest.raises(SystemBusy):
        engine._patiently(_busy(rules.RETRIES))
