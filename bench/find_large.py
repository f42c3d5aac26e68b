"""How long does `find` take to compare a database of hundreds of tables and millions of rows with the roster?

``python -m bench.find_large [--tables 500] [--rows 10000000] [--patrons 100000] [--server sqlite]``: a Koha with
its patrons, and beside it tables nobody has read. The aim is under 3 minutes for 500 tables and 10 M rows.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa
from tests import servers
from tests.acts.kit import Lab
from tests.stores import koha

from reticent.sample import schema

TEXTS = ("name", "title", "note")
NUMBERS = ("ref", "item", "amount", "place", "parent", "kind_no")
_SEQUENCE = "WITH RECURSIVE seq_t(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM seq_t WHERE seq < {rows})"


def fill(connection: sa.Connection, tables: int, rows: int, patrons: int) -> int:
    """Make a Koha of ``patrons`` and ``tables`` unknown tables; every tenth names them. Return how many do."""
    run, sqlite = connection.exec_driver_sql, connection.dialect.name == "sqlite"
    schema.create(connection)
    run("INSERT INTO branches (branchcode, branchname) VALUES ('MAIN', 'Main')")
    run("INSERT INTO categories (categorycode, description) VALUES ('AD', 'Adult')")
    run("INSERT INTO systempreferences (variable, value) VALUES ('Version', '25.0500000')")
    join = "'p' || seq || '@example.org'" if sqlite else "CONCAT('p', seq, '@example.org')"
    card = "(23529000000000 + seq * 37)"
    _each(connection, patrons, "borrowers (borrowernumber, cardnumber, surname, firstname, email, branchcode, categorycode)",
          f"seq + seq / 5, {card}, 'Surname', 'Given', {join}, 'MAIN', 'AD'")  # fmt: skip
    named = 0
    for number in range(tables):
        person = number % 10 == 0
        named += person
        columns = ", ".join([*(f"{name} varchar(80)" for name in TEXTS), *(f"{name} int" for name in NUMBERS)])
        run(f"CREATE TABLE unknown_{number} (id integer PRIMARY KEY, {columns}, at datetime)")
        patron = f"(seq * 7919) % {patrons} + 1"
        who = f"(23529000000000 + ({patron}) * 37)" if person else f"39999000000000 + (seq * 41) % {rows + 1}"
        _each(connection, rows // tables, f"unknown_{number} (id, {', '.join((*TEXTS, *NUMBERS))}, at)",
              f"seq, {who}, seq % 977, seq % 13, (seq * 31) % 90000, (seq * 17) % 400000, seq % 100, seq % 40, seq / 2, 3,"
              " '2026-01-02 10:00:00'")  # fmt: skip
    return named


def _each(connection: sa.Connection, rows: int, into: str, values: str) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"INSERT INTO {into} {_SEQUENCE.format(rows=rows)} SELECT {values} FROM seq_t")
    else:
        # The driver reads a percent sign as its own.
        connection.exec_driver_sql(f"INSERT INTO {into} SELECT {values} FROM seq_1_to_{rows}".replace("%", "%%"))


def measure(lab: Lab, named: int) -> None:
    """Run `find` and print how long it took and what it found."""
    koha.write_site(lab.folder, dict.fromkeys(("find", "sever", "prove", "roster"), lab.url))
    began, used = time.perf_counter(), time.process_time()
    found = lab.run("--json", "find")
    took, cpu = time.perf_counter() - began, time.process_time() - used
    places = [place for place in found.json["unmapped"] if place["place"].startswith("unknown_")]
    right = sum(int(place["place"].rpartition("_")[2]) % 10 == 0 for place in places)
    print(
        f"find: {took:.1f} s ({cpu:.1f} s CPU here), {right} of {named} tables with patrons found, {len(places) - right} others; "
        f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB"
    )


def main() -> None:
    """Build and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in (("tables", 500), ("rows", 10_000_000), ("patrons", 100_000)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--server", choices=["sqlite", "mariadb"], default="mariadb")
    size = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if size.server == "sqlite":
            _run(f"sqlite:///{folder}/koha.sqlite", Path(folder), size)
        else:
            with servers.mariadb(options=["--innodb-buffer-pool-size=1G"]) as server:
                server.execute("CREATE DATABASE koha")
                _run(server.url(database="koha"), Path(folder), size)


def _run(url: str, folder: Path, size: argparse.Namespace) -> None:
    lab = Lab(folder, url)
    began = time.perf_counter()
    with lab.engine.begin() as connection:
        named = fill(connection, size.tables, size.rows, size.patrons)
    print(
        f"{size.server}: {size.tables} tables, {size.rows:,} rows, {size.patrons:,} patrons, made in {time.perf_counter() - began:.0f} s"
    )
    measure(lab, named)
    lab.close()


if __name__ == "__main__":
    main()
