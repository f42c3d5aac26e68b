"""A hold placed at any moment of a running chunk lets that chunk end and no other begin, and says when it is in force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reticent.errors import OutcomeUnknown, SystemBusy
from reticent.model import Chunk, Receipt, Step
from reticent.sever.engine import Engine, Limits, Stopped

STEP = Step("ils", "old_issues", "old_issues", ("null",), 1, "seek")
MOMENTS = ("epoch", "held", "next", "before apply", "in apply", "busy", "unknown", "settle", "advance", "progress", "totals", "obstacle")  # fmt: skip


@dataclass
class World:
    """A severer, a hold book and all the engine's questions; ``place`` places a hold at one named moment."""

    place: str
    after: int = 2
    placed: int | None = None
    chunks: list[int] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    seen: int = 0

    def at(self, moment: str) -> None:
        if moment == self.place and self.placed is None:
            self.seen += 1
            if self.seen >= self.after:
                self.placed = len(self.chunks)

    # the hold book
    def epoch(self) -> int:
        number = int(self.placed is not None)
        self.at("epoch")
        return number

    def held(self, system: str, series: str, record_class: str) -> str | None:
        why = "legal hold" if self.placed is not None else None
        self.at("held")
        return why

    def acknowledge(self, epoch: int) -> None:
        self.acknowledged.append(epoch)

    # the severer and its walk
    def steps(self, series: str) -> list[Step]:
        return [STEP]

    def chunks_(self, step: Step, cutoff: datetime, run: str, first: int = 0) -> World:
        return self

    def next(self, size: int) -> Chunk | None:
        self.at("next")
        return Chunk("r", STEP, len(self.chunks), None, 5)

    def advance(self) -> None:
        self.at("advance")

    def apply(self, chunk: Chunk, hold_epoch: int) -> Receipt:
        self.at("before apply")
        if self.place == "busy" and self.placed is None:
            self.at("busy")
            if self.placed is not None:
                raise SystemBusy("Somebody reads these rows.")
        self.at("in apply")
        self.chunks.append(hold_epoch)
        if self.place in ("unknown", "settle"):
            self.at("unknown")
            raise OutcomeUnknown("The line went dead.")
        return Receipt("r", STEP.name, chunk.number, 5)

    def settle(self, chunk: Chunk) -> Receipt:
        self.at("settle")
        return Receipt("r", STEP.name, chunk.number, 5)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def question(self, moment: str, answer: object) -> Callable[[], object]:
        def ask() -> object:
            self.at(moment)
            return answer

        return ask


class Severer:
    """The world as ports.Severer has it."""

    def __init__(self, world: World) -> None:
        self.steps, self.chunks, self.apply, self.settle = world.steps, world.chunks_, world.apply, world.settle


@pytest.mark.parametrize(
    ("moment", "after"),
    [(moment, after) for moment in MOMENTS for after in (1, 2, 5) if moment != "held" or after == 1],
)
def test_at_most_the_running_chunk_ends(
    moment: str, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reticent.sever.engine.LOOK_AROUND_SECONDS", 0.0)
    monkeypatch.setattr("reticent.sever.engine.WIRES_SECONDS", 0.0)
    world = World(moment, after)

    def progress(_step: Step, _rows: int) -> None:
        world.at("progress")

    engine = Engine(
        severer=Severer(world),
        holds=world,
        limits=Limits(tmp_path / "stop", tmp_path),
        clock=world,
        totals=world.question("totals", {"open": "5"}),  # type: ignore[arg-type]
        obstacle=world.question("obstacle", ""),  # type: ignore[arg-type]
        collect=lambda: None,
        progress=progress,
        pause=lambda _seconds: None,
    )
    with pytest.raises(Stopped) as stopped:
        engine.run_step(STEP, "circulation", datetime(2026, 1, 1), 10_000, "r", 0)
    assert stopped.value.held
    assert world.placed is not None
    assert len(world.chunks) <= world.placed + 1, "one chunk may have been running; no other began"
    assert set(world.chunks) <= {0}, "no chunk was begun under the new epoch"
    assert world.acknowledged[-1] == 1 or not world.chunks, "the hold is in force, and that is recorded"
