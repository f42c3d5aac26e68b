"""The register of inquiries as rows: a random case, a place, and a sealed body. Nothing in it can be read here."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from reticent.errors import SystemRefused
from reticent.state import tables
from reticent.state.database import writing


class StoredRegister:
    """Rows of the register. Places of a case count from 0 without a gap."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def cases(self) -> list[str]:
        """Return every case, in no order that says anything."""
        with writing(self._engine) as connection:
            return list(connection.execute(sa.select(_T.c.case_id).distinct().order_by(_T.c.case_id)).scalars())

    def bodies(self, case: str) -> list[bytes]:
        """Return a case's bodies by place; empty if there is no such case."""
        with writing(self._engine) as connection:
            rows = connection.execute(sa.select(_T.c.body).filter_by(case_id=case).order_by(_T.c.place))
            return [bytes(body) for body in rows.scalars()]

    def append(self, case: str, place: int, body: bytes) -> None:
        """Append a body. Raises SystemRefused if another step was taken meanwhile."""
        try:
            with writing(self._engine) as connection:
                connection.execute(_T.insert().values(case_id=case, place=place, body=body))
                tally = tables.facts.c.name == EPOCH
                number = int(connection.execute(sa.select(tables.facts.c.value).where(tally)).scalar() or 0)
                connection.execute(tables.facts.delete().where(tally))
                connection.execute(tables.facts.insert().values(name=EPOCH, value=str(number + 1)))
        except IntegrityError:
            raise SystemRefused(
                "Another step was taken meanwhile.", where="the register", do="Look at the case and try again."
            ) from None

    def count(self, case: str) -> int:
        """Return how many bodies a case has."""
        with writing(self._engine) as connection:
            query = sa.select(sa.func.count()).select_from(_T).where(_T.c.case_id == case)
            return int(connection.execute(query).scalar_one())

    def bury(self, case: str) -> None:
        """Put a tombstone in place of every row of a case, in one transaction."""
        with writing(self._engine) as connection:
            connection.execute(_T.delete().filter_by(case_id=case))
            connection.execute(_T.insert().values(case_id=case, place=0, body=TOMBSTONE))

    def epoch(self) -> int:
        """Return a number that grows with every step of any case."""
        with writing(self._engine) as connection:
            query = sa.select(tables.facts.c.value).where(tables.facts.c.name == EPOCH)
            return int(connection.execute(query).scalar() or 0)

    def drop(self, case: str) -> None:
        """Remove every row of a case."""
        with writing(self._engine) as connection:
            connection.execute(_T.delete().filter_by(case_id=case))


TOMBSTONE = b"disposed"
EPOCH = "register epoch"
_T = tables.inquiries
