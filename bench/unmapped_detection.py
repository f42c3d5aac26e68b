"""How much of what the maps know would be found without any map? Planted data, an empty map, real servers.

For every kind of system Reticent has a map for: its schema is made from the columns the map was made from, on
the server it runs on; every column gets values, patrons' where the map (or a key) says so; then the database is
probed as one no map knows. ``bench/unseen`` has schemas of systems without a map, with what holds a patron in them
by reading: nobody has looked at them when the words of ``find/words.py`` were chosen.
``python -m bench.unmapped_detection [KIND ...]``
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import sqlalchemy as sa
from tests import servers
from tests.maps import tables

from reticent.find.evidence import Strength, judge
from reticent.stores.crowd import Crowd
from reticent.stores.sql import prober
from reticent.stores.sql.database import Database
from reticent.stores.sql.introspect import read_structure
from reticent.systems.fit import fit
from reticent.systems.load import UNMAPPED, kinds, shipped
from reticent.systems.mapfile import Map, Roster
from reticent.systems.structure import family

UNSEEN = Path(__file__).parent / "unseen"
PATRONS, ROWS = 3000, 400
LIVING = 0.85
"""Share of a person column's values that are still on the roster; the others were deleted since."""
ON = dict.fromkeys(("evergreen", "folio", "metadb", "ldp", "reshare"), "postgresql")
ALSO = {
    "evergreen": (
        "action.aged_circulation.checkin_staff",
        "action.aged_hold_request.canceled_by",
        "action.aged_hold_request.fulfillment_staff",
        "action.circulation.checkin_staff",
        "auditor.actor_usr_history.audit_user",
        "auditor.asset_copy_history.audit_user",
        "auditor.asset_copy_history.editor",
        "offline.script.requestor",
        *(
            f"money.{kind}_payment.accepting_usr"
            for kind in ("aged", "check", "credit", "debit_card", "forgive", "goods", "work")
        ),
    ),
    "blacklight": ("searches.user_id",),
    "koha": (
        "action_logs.user",
        "background_jobs.borrowernumber",
        "borrower_debarments.manager_id",
        "borrower_modifications.borrowernumber",
        "curbside_pickups.delivered_by",
        "curbside_pickups.staged_by",
    ),
}
"""Columns that hold people although the map severs nothing in them: people are planted there, and neither counts."""
_GIVEN = [a + b for a in ["Ad", "Be", "Cle", "Da", "Ev", "Fi", "Gi", "Hu", "Id", "Ja", "Ki", "Le", "Mi", "No", "Ol", "Pi", "Qui", "Ro", "Sa", "Ti", "Um", "Vi", "We", "Ya"]
          for b in ["a", "an", "el", "ine", "o", "us"]]  # fmt: skip
_FAMILY = [a + b for a in ["Abbot", "Brand", "Car", "Dun", "Eller", "Frost", "Gro", "Hale", "Irw", "Jess", "Kell", "Low", "Merc", "Nol", "Osg", "Pry"]
           for b in ["t", "er", "son", "ley", "man", "field", "by", "ton", "ard", "ing", "well", "sen"]]  # fmt: skip
_TITLE = [
    "garden",
    "history",
    "river",
    "winter",
    "atlas",
    "sea",
    "letters",
    "house",
    "night",
    "road",
    "science",
    "music",
    "kitchen",
    "stars",
]


@dataclass
class People:
    """A made-up roster: numbers with gaps, where deleted patrons were."""

    rng: random.Random
    people: list[dict[str, str]] = field(default_factory=list)
    gone: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number in range(1, int(PATRONS / 0.8)):
            given, name = self.rng.choice(_GIVEN), self.rng.choice(_FAMILY)
            one = {"number": str(number), "uuid": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
                   "card": f"2352900{number * 37:07}", "user": f"{given.lower()}{name.lower()}{number}",
                   "mail": f"{given}.{name}{number}@example.org", "given": given, "family": name}  # fmt: skip
            (self.people if self.rng.random() < 0.8 else self.gone).append(one)

    def one(self) -> dict[str, str]:
        return self.rng.choice(self.people if self.rng.random() < LIVING else self.gone)

    def roster(self, keyed: str) -> Crowd:
        described = Roster(
            table="people", number=keyed, issued=("card", "user"), personal=("mail",), name=("given", "family")
        )
        return Crowd([(self.people, described)])


def persons(loaded: Map, schema: tables.Tables) -> set[tuple[str, str]]:
    """Return the person columns of a map: whom its series name, and what its roster table says of them."""
    found = {(s.table, loaded.tables[s.table].fields[name].column) for s in loaded.series for name in s.persons}
    if (roster := loaded.roster) is not None:
        found |= {(roster.table, loaded.tables[roster.table].fields[name].column) for name in roster.identifiers}
    return {
        (table, column)
        for table, column in found
        if any(c.name == column and c.type != "object" for c in schema.get(table, ()))
    }


def value(column: tables.Column, row: int, people: People) -> Any:
    """Return what stands in one column of one row."""
    rng, kind = people.rng, column.type.lower()
    if kind.startswith(("date", "timestamp", "time")):
        return f"20{rng.randrange(18, 26)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 28):02} 10:00:00"
    if kind in ("object", "json", "jsonb", "array"):
        return [] if kind == "array" else {}
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind.startswith(("bool", "bit")):
        return 0
    if family(kind) == "whole":
        return _whole(column, row, rng)
    if family(kind) == "number" or kind.startswith("money"):
        return rng.randrange(100)
    if kind.startswith("uuid"):
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))
    return _words(column, row, rng)


_PLAIN = {"interval": "7 days", "inet": "192.0.2.7", "text[]": "{}", "integer[]": "{}"}


def _whole(column: tables.Column, row: int, rng: random.Random) -> int:
    if column.key == "PRI" or column.name.lower() == "id":
        return row + 1
    if column.type.startswith(("tinyint", "smallint")) or any(w in column.name for w in ("type", "status", "count")):
        return rng.randrange(8)
    # Half of all other numbers lie where the patrons' numbers lie.
    return (
        rng.randrange(1, PATRONS)
        if crc32(f"{column.table}.{column.name}".encode()) % 2
        else rng.randrange(1, 50 * PATRONS)
    )


def _words(column: tables.Column, row: int, rng: random.Random) -> str:
    name, size = column.name.lower(), _size(column.type)
    if any(word in name for word in ("type", "code", "status", "branch", "library", "action", "interface")):
        return f"{_TITLE[rng.randrange(8)]}"[:size]
    if any(word in name for word in ("author", "contributor")):
        return f"{rng.choice(_FAMILY)}, {rng.choice(_GIVEN)}"[:size]
    if "barcode" in name:
        return f"3999900{row * 41:07}"[:size]
    return f"{rng.choice(_TITLE)} {rng.choice(_TITLE)} {rng.randrange(10_000)}"[:size]


def _of(person: Mapping[str, str], column: tables.Column) -> Any:
    """Return what a system keeps of a person in a column of this type and name."""
    kind, name = column.type.lower(), column.name.lower().rpartition(".")[2]
    if family(kind) == "whole":
        return int(person["number"])
    if kind.startswith("uuid"):
        return person["uuid"]
    words = {"mail": "mail", "address": "mail", "surname": "family", "last": "family", "family": "family",
             "first": "given", "given": "given", "user": "user"}  # fmt: skip
    what = next((what for word, what in words.items() if word in name), "card")
    return person[what if len(person[what]) <= _size(kind) else "number"]


def _size(kind: str) -> int:
    number = "".join(c for c in kind.partition("(")[2] if c.isdigit())
    return int(number) if number else 10_000


Of = Callable[[Mapping[str, str], tables.Column], Any]
"""What a system keeps of a person in a column."""


def rows(
    name: str, columns: Sequence[tables.Column], truth: set[tuple[str, str]], people: People, register: str, of: Of
) -> Iterator[dict[str, Any]]:
    """Yield rows of one table; a column ``jsonb.a.b`` stands inside the document."""
    keyed = [c for c in columns if c.key in ("PRI", "UNI")]
    for row in range(ROWS):
        # A register has each person once; elsewhere a row is about one person, who may come again.
        whole = people.people[row] if name == register else people.one()
        found: dict[str, Any] = {}
        for column in columns:
            is_person = (name, column.name) in truth
            whose = people.people[row] if column in keyed else whole
            made = of(whose, column) if is_person else value(column, row, people)
            if column in keyed and not is_person and family(column.type) == "text" and column.type != "uuid":
                made = f"{made}{row}"[-_size(column.type) :]
            _put(found, column.name.split("."), made)
        yield {key: json.dumps(part) if isinstance(part, dict | list) else part for key, part in found.items()}


def _put(row: dict[str, Any], path: Sequence[str], made: Any) -> None:
    for part in path[:-1]:
        name = part.removesuffix("[]")
        if not row.get(name):
            row[name] = [{}] if part != name else {}
        inner = row[name]
        row = inner[0] if isinstance(inner, list) else inner
        if not isinstance(row, dict):
            return
    if not row.get(path[-1]):
        row[path[-1]] = made


def plant(
    url: str, schema: tables.Tables, truth: set[tuple[str, str]], people: People, register: str, of: Of = _of
) -> None:
    """Create the schema in an empty database and fill every table."""
    engine = sa.create_engine(url)
    off = {
        "mysql": "SET SESSION foreign_key_checks = 0, sql_mode = ''",
        "postgresql": "SET session_replication_role = replica",
    }
    standing = {name: [c for c in columns if "." not in c.name] for name, columns in schema.items()}
    with engine.begin() as connection:
        tables.create(connection, standing)
        connection.exec_driver_sql(off[engine.dialect.name])
        for name, columns in schema.items():
            schema_name, _, bare = name.rpartition(".")
            source = sa.table(bare, *(sa.column(c.name) for c in standing[name]), schema=schema_name or None)
            kinds_of = {c.name: c.type for c in standing[name]}
            made = [
                {key: _bound(part, kinds_of[key]) for key, part in row.items()}
                for row in rows(name, columns, truth, people, register, of)
            ]
            if engine.dialect.name == "postgresql":
                shown = ", ".join(
                    f"CAST(CAST(:p{n} AS text) AS {tables._type(engine.dialect, c.type)})"
                    for n, c in enumerate(standing[name])
                )
                quoted = ", ".join(tables.quoted(engine.dialect, c.name) for c in standing[name])
                statement = sa.text(
                    f"INSERT INTO {tables.quoted(engine.dialect, name)} ({quoted}) VALUES ({shown}) ON CONFLICT DO NOTHING"
                )
                order = [c.name for c in standing[name]]
                connection.execute(
                    statement,
                    [
                        {f"p{n}": None if row.get(key) is None else str(row[key]) for n, key in enumerate(order)}
                        for row in made
                    ],
                )
            else:
                connection.execute(sa.insert(source).prefix_with("IGNORE"), made)
    engine.dispose()


def _bound(part: Any, kind: str) -> Any:
    return part.encode() if kind.lower().endswith(("blob", "binary", "bytea")) and isinstance(part, str) else part


@dataclass(frozen=True)
class Measured:
    """What probing told of one system: person columns missed of those ``wanted``, false alarms with their reasons."""

    kind: str
    columns: int
    wanted: int
    missed: Sequence[str]
    false: Sequence[str]
    undecided: int

    def show(self) -> None:
        """Print it."""
        met, of = self.wanted - len(self.missed), self.wanted
        share, alarms = 100 * met / of, 100 * len(self.false) / self.columns
        print(
            f"{self.kind}: {met} of {of} person columns found ({share:.1f} %), {len(self.false)} false alarms in "
            f"{self.columns} columns ({alarms:.2f} in 100), {self.undecided} undecided"
        )
        for title, places in (("missed", self.missed), ("false", self.false)):
            for place in places:
                print(f"    {title}: {place}")


def unseen(name: str, url: str) -> Measured:
    """Plant and probe a system no map and no word was made from."""
    file = UNSEEN / f"{name}.csv"
    holds = {
        (row["table"], row["column"]): row["person"]
        for row in csv.DictReader(file.read_text().splitlines())
        if row["person"]
    }
    schema = tables.read(shipped(UNMAPPED).model_copy(update={"columns": str(file)}))

    def of(person: Mapping[str, str], column: tables.Column) -> str:
        whole = f"{person['given']} {person['family']}"
        said = {**person, "whole": whole, "said": f"Loan to {whole} ({person['card']}) at the desk"}
        return said[holds[column.table, column.name]]

    people = People(random.Random(20261128))
    plant(url, schema, set(holds), people, "member", of)
    return _probed(name, url, schema, set(holds), set(holds), people, "number")


VIEWS = ("action.open_non_cataloged_circulation",)
"""What a map looks things up in and that keeps no rows of its own."""


def measure(kind: str, url: str) -> Measured:
    """Plant one kind of system and probe it as one no map knows."""
    loaded = shipped(kind)
    schema = {name: columns for name, columns in tables.read(loaded).items() if name not in VIEWS}
    people = People(random.Random(20261128))
    wanted = persons(loaded, schema)
    register = loaded.roster.table if loaded.roster else ""
    truth = wanted | {
        (c.table, c.name) for columns in schema.values() for c in columns if register and c.parent[0] == register
    }
    truth |= {(place.rpartition(".")[0], place.rpartition(".")[2]) for place in ALSO.get(kind, ())}
    plant(url, schema, truth, people, register)
    keyed = "uuid" if kind in ("folio", "metadb", "ldp") else "number"
    return _probed(kind, url, schema, wanted, truth, people, keyed)


def _probed(
    kind: str,
    url: str,
    schema: tables.Tables,
    wanted: set[tuple[str, str]],
    truth: set[tuple[str, str]],
    people: People,
    keyed: str,
) -> Measured:
    empty = shipped(UNMAPPED)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        structure = read_structure(connection, empty.qualified)
    database = Database(kind, empty, structure, fit(empty, structure), None, None, frozenset(), engine.dialect.name)
    engine.dispose()
    probe = prober.SqlProber(url, database, [])
    prober.crowd = lambda *_: people.roster(keyed)
    found = probe.probe({})
    probe.close()
    evidence = {(_bare(e.table), e.place.replace("$", "")): e for e in judge(structure, found.overlaps)}
    told = {place: e for place, e in evidence.items() if e.strength is not Strength.UNDECIDED}
    judged = sum(len(columns) for columns in schema.values())
    met = {each for each in wanted if (_bare(each[0]), each[1]) in told}
    false = [each for each in told if each not in {(_bare(t), c) for t, c in truth}]
    missed = sorted(".".join(each) for each in wanted - met)
    alarms = [f"{'.'.join(each)}: {told[each].holds}, {told[each].why}" for each in sorted(false)]
    return Measured(kind, judged, len(wanted), missed, alarms, len(evidence) - len(told))


def _bare(table: str) -> str:
    return table.removeprefix("public.")


def main() -> None:
    """Measure every kind, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    without = sorted(file.stem for file in UNSEEN.glob("*.csv"))
    parser.add_argument("kind", nargs="*", default=[*kinds(), *without])
    chosen = parser.parse_args().kind
    for name, start in (("mariadb", servers.mariadb), ("postgresql", servers.postgresql)):
        here = [kind for kind in chosen if ON.get(kind, "mariadb") == name]
        if here:
            with start() as server:
                for kind in here:
                    server.execute(f"CREATE DATABASE bench_{kind}")
                    found = unseen if kind in without else measure
                    found(kind, server.url(database=f"bench_{kind}")).show()


if __name__ == "__main__":
    main()
