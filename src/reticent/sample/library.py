"""The sample library: Lakeside Public Library, a made-up town library on a Koha of the 25.x shape."""

from __future__ import annotations

import random
import sqlite3
from datetime import date, timedelta
from pathlib import Path

from reticent.errors import UsageError
from reticent.sample import catalogue, circulation, desk, office, opac, people, schema, services, traces
from reticent.sample.book import Book, Truth

NAME = "Lakeside Public Library"


def build(path: Path, *, patrons: int = 2500, years: int = 5, seed: int = 2026, today: date) -> Truth:
    """Write the sample library's database to ``path`` and return what was put into it.

    The same arguments give the same rows. ``path`` must not exist; about 600,000 rows at the
    default size. Raises UsageError for a size too small to hold every planted fault.
    """
    if path.exists():
        raise UsageError(
            "The sample library's file is already there.",
            where=str(path),
            do="Remove it or choose another folder.",
        )
    if patrons < 150 or not 1 <= years <= 20:
        raise UsageError(
            "The sample library needs at least 150 patrons and 1 to 20 years.", do="Ask for a larger library."
        )
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -64000"):
            connection.execute(f"PRAGMA {pragma}")
        return _write(connection, patrons, years, seed, today)
    finally:
        connection.close()


def _write(connection: sqlite3.Connection, patrons: int, years: int, seed: int, today: date) -> Truth:
    statements = schema.statements("sqlite")
    connection.execute("BEGIN")
    for statement in (s for s in statements if s.startswith("CREATE TABLE")):
        connection.execute(statement)
    book, rng = Book(connection, today), random.Random(seed)  # noqa: S311
    first_day = today - timedelta(days=365 * years)
    town = people.settle(book, rng, patrons, first_day)
    stock = catalogue.stock(book, rng, max(700, round(patrons * 1.6)), today)
    traced = traces.trace(book, rng, circulation.simulate(rng, town, stock, first_day, today))
    desk.fines(book, rng, traced)
    desk.claims(book, rng, traced)
    desk.holds(book, rng, traced, town, stock)
    desk.recalls(book, rng, town, stock)
    traces.write_loans(book, traced)
    services.everything(book, rng, town, stock, traced)
    opac.everything(book, rng, town, stock)
    office.everything(book, rng, town, stock, traced)
    catalogue.shelve(book, stock, today)
    book.flush()
    for statement in (s for s in statements if not s.startswith("CREATE TABLE")):
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    return _truth(book)


def _truth(book: Book) -> Truth:
    mapped, counts = schema.mapped_tables(), book.counts
    return Truth(
        today=book.today,
        rows={table: book.rows[table] for table in mapped},
        tied={table: book.tied[table] for table in mapped},
        due={table: book.due[table] for table in mapped if book.due[table]},
        anonymous_patron=people.STAND_IN,
        open_loans=counts["open loans"],
        loans_with_unpaid_fines=counts["loans unpaid fine"],
        loans_with_open_claims=counts["loans open claim"],
        open_claims=counts["open claims"],
        open_recalls=counts["open recalls"],
        patrons_forever_by_category=counts["forever by category"],
        patrons_forever_by_choice=counts["forever by choice"],
        loans_forever_by_category=counts["loans forever by category"],
        loans_forever_by_choice=counts["loans forever by choice"],
        loans_without_returndate=counts["loans no returndate"],
        loans_returned_in_future=counts["loans future returndate"],
        loans_anonymised=counts["loans AnonymousPatron"],
        loans_of_deleted_patrons=counts["loans null"],
        relinkable=dict(book.relinkable),
        orphans=dict(book.orphans),
        checkouts_by_year=dict(book.years),
    )
