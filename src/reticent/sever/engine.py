"""Severs the steps of a plan, chunk by chunk. Alone owns order, pacing, holds, resume and stop.

The live system comes first: chunks are kept short, a busy row makes the engine give way and halve,
and anything odd (a stop file, the end of the time window, too little space, a lagging replica, a
running upgrade, a tripped wire, a new hold) ends the run between two chunks.
"""

from __future__ import annotations

import shutil
import time as clock_time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import TypeVar

from reticent.errors import OutcomeUnknown, SystemBusy, SystemUnreachable
from reticent.model import Chunk, Receipt, Step
from reticent.ports import Clock, HoldBook, Severer, Walk

Done = TypeVar("Done")

SMALLEST, FIRST, LARGEST = 1, 500, 10_000
AIM_SECONDS = 0.14
"""How long a transaction should take: a check-in that meets it waits this long, and 0.3 s is too long.

On a busy machine one of two chunks alike may take twice as long as the other (bench/koha_sever.py).
"""
RETRIES = 8
LOOK_AROUND_SECONDS = 5.0
WIRES_SECONDS = 30.0
COLLECT_EVERY = 200


class Stopped(Exception):
    """The run ends here, between two chunks; ``held`` if a legal hold ended it."""

    def __init__(self, reason: str, *, held: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.held = reason, held


@dataclass(frozen=True)
class Limits:
    """When a run must stop. Sizes in bytes, ``window`` in local time."""

    stop_file: Path
    state_path: Path
    window: tuple[time, time] | None = None
    rows: int = 0
    free_space: int = 0


@dataclass
class Engine:
    """Runs steps against one system's Severer."""

    severer: Severer
    holds: HoldBook
    limits: Limits
    clock: Clock
    totals: Callable[[], Mapping[str, str]]
    obstacle: Callable[[], str]
    collect: Callable[[], None]
    progress: Callable[[Step, int], None]
    pause: Callable[[float], None] = clock_time.sleep
    severed: int = 0
    _size: int = FIRST
    _looked: float = 0.0
    _wired: float = 0.0
    _epoch: int = -1
    _idle: int = 0
    _before: Mapping[str, str] = field(default_factory=dict)

    def run_step(self, step: Step, record_class: str, cutoff: datetime, ceiling: int, run: str, first: int) -> int:
        """Sever at most ``ceiling`` due rows of a step; return how many. Raises Stopped."""
        if not self._before:
            self._before = self._patiently(self.totals)
        walk = self.severer.chunks(step, cutoff, run, first)
        # A hold looked at for the step before may still cover this one.
        self._size, self._epoch = FIRST, -1
        try:
            done = self._chunks(walk, step, record_class, ceiling)
        except Stopped:
            self._patiently(self.collect)
            raise
        self._patiently(self.collect)
        self._check_wires()
        return done

    def _chunks(self, walk: Walk, step: Step, record_class: str, ceiling: int) -> int:
        done = chunks = 0
        while done < ceiling:
            self._look_around(step, record_class)
            left = ceiling - done
            receipt = self._next(walk, min(left, self.limits.rows - self.severed) if self.limits.rows else left)
            if receipt is None or not self._moves(step, receipt):
                break
            done += receipt.rows
            chunks += 1
            self.severed += receipt.rows
            self.progress(step, receipt.rows)
            if chunks % COLLECT_EVERY == 0:
                self._patiently(self.collect)
        return done

    def _moves(self, step: Step, receipt: Receipt) -> bool:
        # Rows that stopped being due between reading and locking are skipped by a walk with a
        # position; a batch without one would be handed out for ever.
        self._idle = 0 if receipt.rows or step.walk != "batch" else self._idle + 1
        return self._idle < RETRIES

    def _next(self, walk: Walk, left: int) -> Receipt | None:
        receipt = self._patiently(lambda: self._try(walk, left))
        if receipt is not None:
            walk.advance()
        return receipt

    def _try(self, walk: Walk, left: int) -> Receipt | None:
        chunk = walk.next(min(self._size, left))
        return None if chunk is None else self._apply(chunk)

    def _patiently(self, act: Callable[[], Done]) -> Done:
        """Do something the live system may be in the way of: it goes first, we come again, smaller and later."""
        for attempt in range(RETRIES - 1):
            try:
                return act()
            except SystemBusy:
                self._size = max(SMALLEST, self._size // 2)
                self.pause(0.1 * 2**attempt)
        return act()

    def _apply(self, chunk: Chunk) -> Receipt:
        started = clock_time.monotonic()
        try:
            receipt = self.severer.apply(chunk, self._epoch)
        except OutcomeUnknown:
            settled = self._settle(chunk)
            if settled is None:
                raise SystemBusy("The chunk was not committed.", do="It is tried again.") from None
            return settled
        self._pace(receipt.rows, clock_time.monotonic() - started)
        return receipt

    def _settle(self, chunk: Chunk) -> Receipt | None:
        for attempt in range(RETRIES):
            try:
                return self.severer.settle(chunk)
            except SystemUnreachable:
                self.pause(0.25 * 2**attempt)
        raise SystemUnreachable(
            "The system went away while a chunk was being committed.",
            where=f"{chunk.step.name}, chunk {chunk.number}",
            do="Run `reticent sever` again when it is back: its receipt tells whether the chunk was severed.",
        )

    def _pace(self, rows: int, seconds: float) -> None:
        """Aim the next transaction at AIM_SECONDS, at most twice or half as large as the last one."""
        if not rows:
            return
        aimed = rows * AIM_SECONDS / max(seconds, 0.001)
        self._size = int(min(LARGEST, 2 * self._size, max(SMALLEST, self._size // 2, aimed)))

    def _look_around(self, step: Step, record_class: str) -> None:
        if self.limits.stop_file.exists():
            raise Stopped(f"the stop file {self.limits.stop_file} is there")
        if self.limits.rows and self.severed >= self.limits.rows:
            raise Stopped(f"the ceiling of {self.limits.rows} rows is reached")
        self._look_at_holds(step, record_class)
        if clock_time.monotonic() - self._looked < LOOK_AROUND_SECONDS:
            return
        self._looked = clock_time.monotonic()
        self._look_at_clock()
        if self.limits.free_space and (free := shutil.disk_usage(self.limits.state_path).free) < self.limits.free_space:
            raise Stopped(f"only {free // 10**6} MB are free where the state is kept")
        self._look_at_system()
        if self._looked - self._wired > WIRES_SECONDS:
            self._check_wires()

    def _look_at_holds(self, step: Step, record_class: str) -> None:
        epoch = self.holds.epoch()
        if epoch == self._epoch:
            return
        # No chunk is running here, so a hold placed before this moment is now in force.
        self.holds.acknowledge(epoch)
        self._epoch = epoch
        if why := self.holds.held(step.system, step.series, record_class):
            self._epoch = -1
            raise Stopped(why, held=True)

    def _look_at_clock(self) -> None:
        if self.limits.window is None:
            return
        start, end = self.limits.window
        now = self.clock.now().astimezone().time()
        inside = start <= now < end if start <= end else now >= start or now < end
        if not inside:
            raise Stopped(f"the time window {start:%H:%M}-{end:%H:%M} is over")

    def _look_at_system(self) -> None:
        for attempt in range(RETRIES):
            why = self._patiently(self.obstacle)
            if not why:
                return
            self.pause(LOOK_AROUND_SECONDS if attempt else 1.0)
        raise Stopped(why)

    def _check_wires(self) -> None:
        self._wired = clock_time.monotonic()
        after = self._patiently(self.totals)
        for name, before in self._before.items():
            if tripped(before, after.get(name, "0")):
                raise Stopped(f'tripwire "{name}": {before} before, {after.get(name)} now')


def tripped(before: str, after: str) -> bool:
    """Whether a total moved more than a live library moves it in one run: a twentieth, or fifty."""
    then, now = float(before), float(after)
    return abs(now - then) > max(50.0, abs(then) * 0.05)
