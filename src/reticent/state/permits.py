"""Which permits were used. Implements ``ports.PermitRegister``: durable, atomic, shared by every process of a site."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from reticent.state import tables
from reticent.state.database import writing

REMEMBERED = timedelta(days=1)
"""How long a used permit outlives its end here: longer than any clock is put right by."""


class StoredPermits:
    """Used permits kept in the state database. A serial is random and says nothing about anybody."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def take(self, serial: str, expires: datetime) -> bool:
        """Record that a permit is used; True the first time, False ever after.

        The unique key decides between two processes, not a look beforehand.
        """
        with writing(self._engine) as connection:
            forgotten = tables.permits.c.expires < _text(expires - REMEMBERED)
            connection.execute(tables.permits.delete().where(forgotten))
            try:
                with connection.begin_nested():
                    connection.execute(tables.permits.insert().values(serial=serial, expires=_text(expires)))
            except IntegrityError:
                return False
        return True


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
