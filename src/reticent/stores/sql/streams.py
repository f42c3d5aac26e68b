"""Rows of any size in flat memory, by one account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from reticent.stores.sql.connect import translating

BATCH_ROWS = 5000


def stream(engine: sa.Engine, system: str, query: sa.Select[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query, ``BATCH_ROWS`` at a time. Raises SystemUnreachable or SystemRefused on the way."""
    options: dict[str, Any] = {"stream_results": True, "max_row_buffer": BATCH_ROWS}
    # PostgreSQL's cursors live inside a transaction only; elsewhere none may be held open on a live system.
    level = None if engine.dialect.name == "postgresql" else "AUTOCOMMIT"
    with translating(system), engine.connect() as connection:
        run = connection.execution_options(**options, **({"isolation_level": level} if level else {}))
        for batch in run.execute(query).partitions(BATCH_ROWS):
            yield from (tuple(row) for row in batch)
