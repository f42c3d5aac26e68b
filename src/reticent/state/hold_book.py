"""The holds in force. Implements ``ports.HoldBook``; a hold pauses whole series and names nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from reticent.errors import UsageError
from reticent.ports import Clock
from reticent.state import tables
from reticent.state.database import writing


@dataclass(frozen=True)
class Hold:
    """A duty to preserve. ``scope`` is a record class, "system", "system/series" or "*"."""

    id: int
    scope: str
    placed: str
    until: str
    released: str | None


def scopes_of(system: str, series: str, record_class: str) -> frozenset[str]:
    """Return the words that cover a series."""
    return frozenset({"*", record_class, system, f"{system}/{series}"})


class StoredHolds:
    """Holds kept in the state database; the epoch grows with every placing and release."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def all(self) -> list[Hold]:
        """Return every hold, oldest first."""
        with writing(self._engine) as connection:
            return [Hold(*row) for row in connection.execute(sa.select(tables.holds).order_by(tables.holds.c.id))]

    def place(self, scope: str, until: datetime) -> int:
        """Place a hold; return its number."""
        values = {"scope": scope, "placed": self._clock.now().isoformat(), "until": until.isoformat()}
        with writing(self._engine) as connection:
            key = connection.execute(tables.holds.insert().values(**values)).inserted_primary_key
        return int(key[0]) if key else 0

    def release(self, number: int) -> None:
        """Release a hold. Raises UsageError if there is none of that number in force."""
        with writing(self._engine) as connection:
            where = (tables.holds.c.id == number, tables.holds.c.released.is_(None))
            changed = connection.execute(
                tables.holds.update().where(*where).values(released=self._clock.now().isoformat())
            ).rowcount
        if not changed:
            raise UsageError(f"There is no hold {number} in force.", do="See `reticent hold list`.")

    def epoch(self) -> int:
        """Return a number that grows whenever a hold is placed or released."""
        with writing(self._engine) as connection:
            query = sa.select(sa.func.count(), sa.func.count(tables.holds.c.released))
            placed, released = connection.execute(query.select_from(tables.holds)).one()
        return int(placed + released)

    def held(self, system: str, series: str, record_class: str) -> str | None:
        """Return why this series must wait, or None."""
        now = self._clock.now().isoformat()
        scopes = scopes_of(system, series, record_class)
        for hold in self.all():
            if hold.released is None and hold.until > now and hold.scope in scopes:
                return f"legal hold {hold.id}, until {hold.until[:10]}"
        return None

    def acknowledge(self, epoch: int) -> None:
        """Record that no chunk begun before ``epoch`` is still running: the hold is in force."""
        with writing(self._engine) as connection:
            connection.execute(tables.facts.delete().filter_by(name="hold_epoch"))
            connection.execute(tables.facts.insert().values(name="hold_epoch", value=str(epoch)))
