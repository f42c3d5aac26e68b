"""Where the sample library is written: rows on one side, what the generator knows of them on the other."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from reticent.sample import schema

FLUSH_ROWS = 20_000


@dataclass(frozen=True)
class Truth:
    """What the generator put into the library, counted as it wrote, not by Reticent's own code.

    ``rows``, ``tied`` and ``due`` count by table. A row is tied when it says which patron; it is due
    when its purpose had ended, the shipped retention had passed at ``today`` and nothing speaks
    against severing it. ``due`` has an entry only for tables where that follows from the facts
    alone (docs/reference/sample-library.md lists the rule of each); no event that decides it falls
    on the edge day, so the numbers hold at every hour of ``today``. The other fields count planted
    faults; "loans" there are rows of ``old_issues``.
    """

    today: date
    rows: Mapping[str, int]
    tied: Mapping[str, int]
    due: Mapping[str, int]
    anonymous_patron: int
    open_loans: int
    loans_with_unpaid_fines: int
    loans_with_open_claims: int
    open_claims: int
    open_recalls: int
    patrons_forever_by_category: int
    patrons_forever_by_choice: int
    loans_forever_by_category: int
    loans_forever_by_choice: int
    loans_without_returndate: int
    loans_returned_in_future: int
    loans_anonymised: int
    loans_of_deleted_patrons: int
    relinkable: Mapping[str, int]
    """Anonymised loans (AnonymousPatron or NULL) that another table ties to a patron again, by table."""
    orphans: Mapping[str, int]
    """Rows naming a borrowernumber that ``borrowers`` does not have, by table."""
    checkouts_by_year: Mapping[int, int]
    """Rows of ``statistics`` of type issue, by year."""


@dataclass
class Book:
    """Writes rows to the sample database in batches and keeps the generator's counts."""

    connection: sqlite3.Connection
    today: date
    rows: Counter[str] = field(default_factory=Counter)
    tied: Counter[str] = field(default_factory=Counter)
    due: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    relinkable: Counter[str] = field(default_factory=Counter)
    orphans: Counter[str] = field(default_factory=Counter)
    years: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.midnight = datetime.combine(self.today, time())
        self._waiting: dict[tuple[str, ...], list[list[object]]] = {}
        self._held = 0
        self._stamps = {
            table: [c.name for c in columns if c.type == "timestamp" and not c.nullable]
            for table, columns in schema.tables().items()
        }

    def add(self, table: str, /, *, tied: bool = True, due: bool = False, **values: object) -> None:
        """Write a row of a mapped table; ``due`` also counts it as due, with its tie."""
        self.tied[table] += tied
        self.due[table] += due
        self.plain(table, **values)

    def plain(self, table: str, /, **values: object) -> None:
        """Write a row that ties nobody to anything."""
        self.rows[table] += 1
        row = [str(value) if isinstance(value, date) else value for value in values.values()]
        self._waiting.setdefault((table, *values), []).append(row)
        self._held += 1
        if self._held >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Send what waits to the database; NOT NULL timestamps nobody set get one fixed moment."""
        for (table, *columns), rows in self._waiting.items():
            missing = [name for name in self._stamps[table] if name not in columns]
            names = ", ".join(f'"{name}"' for name in (*columns, *missing))
            marks = ", ".join([*["?"] * len(columns), *[f"'{self.midnight}'"] * len(missing)])
            statement = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608 (schema's own names)
            self.connection.executemany(statement, rows)
        self._waiting.clear()
        self._held = 0

    def over(self, when: date, days: int) -> bool:
        """Tell whether ``days`` of retention have passed at ``today`` since a moment or a day."""
        day = when.date() if isinstance(when, datetime) else when
        return day < self.today - timedelta(days=days)

    def off_edge(self, when: datetime, days: int) -> datetime:
        """Move a moment off the day on which ``days`` of retention run out, a day back."""
        on_edge = when.date() == self.today - timedelta(days=days)
        return when - timedelta(days=1) if on_edge else when
