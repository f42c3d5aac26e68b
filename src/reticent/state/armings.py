"""Which series may run unattended, under which fingerprint, and why one was disarmed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from reticent.state import tables
from reticent.state.database import writing

TRIED, ARMED, DISARMED = "tried", "armed", "disarmed"


@dataclass(frozen=True)
class Arming:
    """The state of one series: tried (100 rows severed), armed (a custodian signed) or disarmed."""

    step: str
    state: str
    fingerprint: str
    usual: int
    changed: str
    why: str


class Armings:
    """Reads and writes the arming of series."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def all(self) -> list[Arming]:
        """Return every series that was ever tried."""
        with writing(self._engine) as connection:
            return [Arming(*row) for row in connection.execute(sa.select(tables.arming).order_by(tables.arming.c.step))]

    def get(self, step: str) -> Arming | None:
        """Return one."""
        return next((arming for arming in self.all() if arming.step == step), None)

    def set(self, step: str, state: str, fingerprint: str, usual: int, now: datetime, why: str) -> None:
        """Change one."""
        values = {"state": state, "fingerprint": fingerprint, "usual": usual, "changed": now.isoformat(), "why": why}
        with writing(self._engine) as connection:
            connection.execute(tables.arming.delete().filter_by(step=step))
            connection.execute(tables.arming.insert().values(step=step, **values))
