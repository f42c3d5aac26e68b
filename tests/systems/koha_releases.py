"""The tables of real releases of Koha, from the sample library's and what was read to differ.

``koha-RELEASE.csv`` lists, as read in that release, every column outside the map that looks like a person, has a
key to borrowers or goes with rows the map knows, and where the mapped tables differ from ``koha.columns.csv``
("absent" there: a column, or without one the table). 25.12 is the development line after 25.11.
"""

from __future__ import annotations

import csv
from pathlib import Path

from reticent.sample import schema
from reticent.sample.schema import Column

RELEASES = ("19.06", "23.05", "25.12")


def facts(release: str) -> list[dict[str, str]]:
    """Return the lines of a release's file."""
    text = Path(__file__).with_name(f"koha-{release}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def tables(release: str) -> dict[str, list[Column]]:
    """Return table -> columns of a release."""
    base = schema.tables("19.06" if release == "19.06" else "25.x")
    found = {name: {column.name: column for column in columns} for name, columns in base.items()}
    for row in facts(release):
        table = found.setdefault(row["table"], {})
        if row["type"] != "absent":
            nullable = row["key"] != "PRI"
            table[row["column"]] = Column(
                row["table"], row["column"], row["type"], nullable, key=row["key"], fk=row["fk"]
            )
        elif row["column"]:
            del table[row["column"]]
        else:
            del found[row["table"]]
    return {name: list(columns.values()) for name, columns in found.items()}
