"""Where a marked person stands: in a value, a file or the server's log. Shares no code with Reticent's scan."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.maps.due import Snapshot
from tests.maps.planting import MARK, MARKED, NUMBERS_FROM, Person
from tests.servers import Server


def names_in(found: Snapshot) -> set[str]:
    """Return every "table.column" with a marked person in one of its values."""
    return {f"{t}.{name}" for t, rows in found.items() for row in rows for name, value in row.items() if marks(value)}


def marks(value: object) -> bool:
    """Whether a value names a marked person."""
    if value is None or isinstance(value, float):
        return False
    if isinstance(value, int):
        return NUMBERS_FROM < value <= NUMBERS_FROM + MARKED
    raw = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
    return any(needle in raw for needle in needles())


def needles() -> list[bytes]:
    """Return what is searched for: the mark, and the numbers in decimal and as the end of a UUID."""
    people = [Person(index) for index in range(1, MARKED + 1)]
    return [MARK.encode(), *(str(p.number).encode() for p in people), *(p.uuid.hex[-12:].encode() for p in people)]


@contextmanager
def statements_of(server: Server | None) -> Iterator[bytearray]:
    """Collect the server's log of every statement, parameters included."""
    found = bytearray()
    if server is None:
        yield found
        return
    if server.kind == "mariadb":
        log = server.home / "every-statement.log"
        server.execute(f"SET GLOBAL general_log_file = '{log}'", "SET GLOBAL general_log = 1")
        off = ["SET GLOBAL general_log = 0"]
    else:
        log = server.home / "server.out"
        server.execute("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
        off = ["ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()"]
    start = os.path.getsize(log) if log.exists() else 0
    yield found
    server.execute(*off)
    found += log.read_bytes()[start:]
