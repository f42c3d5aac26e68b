"""Which patrons were active in a period, as keyed flags: how many, never who, and nothing of what they used."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from reticent.state import tables
from reticent.state.database import writing

_ROWS = 500


class ActiveFlags:
    """Flags of active borrowers. While a period's key lives they are ties, and counted as such."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, system: str, period: str, flags: Iterable[str]) -> None:
        """Remember flags; those already there stay. Durable before return."""
        wanted = sorted(set(flags))
        with writing(self._engine) as connection:
            for start in range(0, len(wanted), _ROWS):
                some = wanted[start : start + _ROWS]
                there = set(
                    connection.execute(self._of(system, period).where(tables.active_flags.c.flag.in_(some))).scalars()
                )
                if new := [{"system": system, "period": period, "flag": flag} for flag in some if flag not in there]:
                    connection.execute(tables.active_flags.insert(), new)

    def all(self, system: str, period: str) -> set[str]:
        """Return the flags of one period."""
        with writing(self._engine) as connection:
            return set(connection.execute(self._of(system, period)).scalars().all())

    def periods(self, system: str) -> list[str]:
        """Return the periods that still have flags."""
        column = tables.active_flags.c
        with writing(self._engine) as connection:
            query = sa.select(column.period).where(column.system == system).distinct().order_by(column.period)
            return list(connection.execute(query).scalars())

    def drop(self, system: str, period: str) -> None:
        """Delete the flags of one period."""
        with writing(self._engine) as connection:
            connection.execute(tables.active_flags.delete().filter_by(system=system, period=period))

    def _of(self, system: str, period: str) -> sa.Select[str]:
        return sa.select(tables.active_flags.c.flag).filter_by(system=system, period=period)
