"""Marked people, planted wherever a map says that a person may stand.

Everything about a marked person is over and long due. A bystander's rows are not due, and must be left as they
are; so must what was over lately. Planting itself sends the marks as SQL: whoever reads the server's log starts reading afterwards.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from tests.maps.tables import Column, Tables

from reticent.model import Disposition
from reticent.systems.mapfile import Map, Series
from reticent.systems.structure import family

PAST = "2020-03-02 10:00:00"
LATELY = (datetime.now() - timedelta(days=3)).strftime("%Y-%m-%d 10:00:00")
KEPT = "7 days"
"""How long a site keeps what is over: what was lately is within its retention."""
MARK, NUMBERS_FROM = "Zyxmark", 77_000_000
"""Marked person n is Zyxmark1-..., 77000001 and the UUID that ends in that number."""
BYSTANDER, BYSTANDERS_FROM = "Qvjstay", 79_000_000
LATE, LATE_FROM = "Wqrlate", 74_000_000
PATRONS, MARKED = 3, 6
"""A case may mark three people more, who work there."""
LONG = 150
"""A column of this many letters holds everything about a person."""
KEYS_FROM = 78_000_000
"""Keys of planted rows start here: none of them looks like a person."""


@dataclass(frozen=True)
class Person:
    """Who is planted. ``Value`` functions of a case read these."""

    index: int
    mark: str = MARK
    first: int = NUMBERS_FROM
    when: str = PAST
    """When everything about them was."""

    @property
    def number(self) -> int:
        return self.first + self.index

    @property
    def uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self.number)

    @property
    def name(self) -> str:
        return f"{self.mark}{self.index}-name"

    @property
    def card(self) -> str:
        return f"{self.mark}{self.index}-card"

    @property
    def mail(self) -> str:
        return f"{self.mark}{self.index}@marked.example"

    def everything(self) -> str:
        """All of it, as JSON: what a free text may hold."""
        return json.dumps({"name": self.name, "card": self.card, "mail": self.mail, "number": self.number})


_EMPTY = (Disposition.NULL, Disposition.OVERWRITE, Disposition.REMOVE_PATH, Disposition.REMOVE_ELEMENT)
Value = object | Callable[[Person], object]
"""A value of a column, or how to make it from the person."""
Row = Mapping[str, Value]


@dataclass
class Planting:
    """Plants rows of one map's tables. What follows from the map can be said otherwise in ``values``."""

    connection: sa.Connection
    loaded: Map
    tables: Tables
    values: Row
    due: Mapping[str, Row]
    alive: Mapping[str, tuple[Row, ...]]
    nobodys: Collection[str] = ()
    _next: int = KEYS_FROM

    def person(self, person: Person) -> None:
        """Plant what is over: a row for every series that severs, one for every other table of the map."""
        planted = _Planted(self, person)
        for series in self.loaded.series:
            if series.table in self.tables and series.sever != "nothing":
                planted.row(series.table, self.due.get(series.id, {}), again=not self._single(series.table))
        for table in self.loaded.tables:
            if table in self.tables:
                planted.row(table, {}, again=False)
        for series in self.loaded.series:
            if series.id not in self.nobodys and (nobody := self._nobody(series)):
                planted.row(series.table, nobody, again=True)

    def _nobody(self, series: Series) -> Row:
        """Say that a row names nobody any more: the system took the number out and left what was written."""
        if (
            series.table not in self.tables
            or isinstance(series.sever, str)
            or not set(series.sever) - set(series.persons)
        ):
            return {}
        columns = {c.name: c for c in self.tables[series.table]}
        persons = [self._column(series, name) for name in series.persons]
        emptied = {name: None for name in persons if name in columns and columns[name].nullable}
        due = {n: v for n, v in self.due.get(series.id, {}).items() if columns[n].key != "PRI"}
        return {**due, **emptied} if emptied and len(emptied) == len(persons) and not self._single(series.table) else {}

    def bystander(self, person: Person) -> dict[str, list[dict[str, Any]]]:
        """Plant what is not due; return table -> its rows."""
        planted = _Planted(self, person)
        for table, rows in self.alive.items():
            there = len(planted.rows.get(table, ()))  # others may have referred to its first row
            for row in rows[there:] if table in self.tables else ():
                planted.row(table, row, again=True)
        return planted.stored

    def crowd(self, people: Iterable[Person]) -> None:
        """Give people an account and nothing else."""
        assert self.loaded.roster is not None
        for person in people:
            _Planted(self, person).row(self.loaded.roster.table, {}, again=False)

    def key(self) -> int:
        self._next += 1
        return self._next

    def _single(self, table: str) -> bool:
        """Whether a person can have one row only."""
        roster = self.loaded.roster
        primary = [c for c in self.tables[table] if c.key == "PRI"]
        unique = [c for c in self.tables[table] if c.key == "UNI" or primary == [c]]
        return (roster is not None and roster.table == table) or any(map(self.refers, unique))

    def refers(self, column: Column) -> str:
        """Return the column of the roster's table that a column repeats, "" if none."""
        roster = self.loaded.roster
        assert roster is not None
        if column.parent[0] in self.tables:
            return column.parent[1] if column.parent[0] == roster.table else ""
        fields = self.loaded.tables[column.table].fields if column.table in self.loaded.tables else {}
        for link in self.loaded.tables[column.table].links.values() if fields else ():
            for theirs, ours in link.on.items():
                own = ours == self.loaded.tables[column.table].key
                if link.table == roster.table and fields[ours].column == column.name and not own:
                    return self.loaded.tables[roster.table].fields[theirs].column
        return ""

    def named(self, column: Column) -> bool:
        """Whether a series says that this column holds a person."""
        return any(
            series.table == column.table and column.name in {self._column(series, name) for name in series.persons}
            for series in self.loaded.series
        )

    def emptied(self, column: Column) -> bool:
        """Whether severing takes out what this column holds: then a person may stand there before."""
        return any(
            series.table == column.table and self._column(series, name) == column.name and action.disposition in _EMPTY
            for series in self.loaded.series
            for name, action in (() if isinstance(series.sever, str) else series.sever.items())
        )

    def _column(self, series: Series, name: str) -> str:
        return self.loaded.tables[series.table].fields[name].column

    def joined(self, column: Column) -> tuple[str, str]:
        """Return the table and column another mapped table's row is referred to by, declared as a key or not."""
        if column.parent[0] in self.tables:
            return column.parent
        table = self.loaded.tables.get(column.table)
        for link in table.links.values() if table else ():
            target = self.loaded.tables[link.table]
            for theirs, ours in link.on.items():
                if theirs == target.key and table and table.fields[ours].column == column.name and ours != table.key:
                    return link.table, target.fields[theirs].column
        return "", ""


def with_documents(made: Mapping[str, Any], when: str) -> dict[str, Any]:
    """Return a row with its paths gathered into documents; a path without a value is not there."""
    stored = {name: value for name, value in made.items() if "." not in name}
    documents: dict[str, dict[str, Any]] = {}
    for name, value in made.items():
        base, _, path = name.partition(".")
        if path and value is not None:
            documents.setdefault(base, {})
            _put(documents[base], path.split("."), str(value) if isinstance(value, uuid.UUID) else value)
    if "id" in stored and "jsonb" in documents:
        _as_folio_keeps_it(documents["jsonb"], stored, when)
    return stored | {base: json.dumps(document) for base, document in documents.items()}


def _as_folio_keeps_it(document: dict[str, Any], stored: Mapping[str, Any], when: str) -> None:
    """Say in the document what its columns say: the key, and who made it and when."""
    document["id"] = str(stored["id"])
    if "creation_date" in stored:
        metadata = document.setdefault("metadata", {})
        metadata["createdDate"] = when.replace(" ", "T") + ".000Z"
        metadata.pop("createdByUserId", None)
        if stored["created_by"] is not None:
            metadata["createdByUserId"] = stored["created_by"]


def _put(document: dict[str, Any], steps: list[str], value: object) -> None:
    *ways, last = steps
    for way in ways:
        document = document.setdefault(way[:-2], [{}])[0] if way.endswith("[]") else document.setdefault(way, {})
    document[last] = value


@dataclass
class _Planted:
    """One person's rows so far."""

    planting: Planting
    person: Person
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    stored: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The same rows with their documents made."""

    def row(self, table: str, values: Row, *, again: bool) -> dict[str, Any]:
        """Insert a row and first those it refers to; with ``again`` though there is one."""
        if table in self.rows and not again:
            return self.rows[table][0]
        if not values and self.person.mark == BYSTANDER:
            values = next(iter(self.planting.alive.get(table, ())), {})
        given = {**self._usual(table), **values}
        made = {column.name: self._value(column, given) for column in self.planting.tables[table]}
        stored = with_documents(made, self.person.when)
        self._insert(table, stored)
        self.rows.setdefault(table, []).append(made)
        self.stored.setdefault(table, []).append(stored)
        return made

    def _usual(self, table: str) -> Row:
        """What a case says of this table's columns, and of a column by its name alone."""
        names = {column.name for column in self.planting.tables[table]}
        everywhere = {k[2:]: v for k, v in self.planting.values.items() if k[:2] == "*." and k[2:] in names}
        start = f"{table}."
        return everywhere | {k.removeprefix(start): v for k, v in self.planting.values.items() if k.startswith(start)}

    def _insert(self, table: str, made: Mapping[str, object]) -> None:
        schema, _, name = table.rpartition(".")
        target = sa.table(name, *map(sa.column, made), schema=schema or None)
        self.planting.connection.execute(sa.insert(target).values(made))

    def _value(self, column: Column, given: Row) -> object:
        if column.name in given:
            value = given[column.name]
            return value(self.person) if callable(value) else value
        if column.type in ("object", "array"):
            return None  # made of what stands in it
        roster = self.planting.loaded.roster
        assert roster is not None
        if (told := self.planting.refers(column)) and column.table != roster.table:
            return self.row(roster.table, {}, again=False)[told]
        if column.table == roster.table and self._is(column, roster.table, roster.number):
            return self._number(column)
        table, name = self.planting.joined(column)
        if table and table != column.table:
            return self.row(table, {}, again=False)[name]
        if self.planting.named(column):
            return self._number(column)
        return self._filler(column)

    def _is(self, column: Column, table: str, name: str) -> bool:
        return self.planting.loaded.tables[table].fields[name].column == column.name

    def _number(self, column: Column) -> object:
        if column.type.lower() == "uuid":
            return self.person.uuid
        return self.person.number if family(column.type) in ("whole", "number") else self._text(column)

    def _filler(self, column: Column) -> object:
        """A past moment, a new key, a text that names the person, or nothing."""
        kind = family(column.type)
        if column.key == "PRI" and kind in ("whole", "number"):
            return self.planting.key()
        if (
            (kind in ("whole", "number") or column.type.lower() == "uuid")
            and self.planting.emptied(column)
            and column.key != "PRI"
        ):
            return self._number(column)
        if column.path and kind in ("whole", "number"):
            return None
        if column.type.lower() == "uuid":
            return uuid.UUID(int=self.planting.key()) if column.key == "PRI" or not column.nullable else None
        if kind == "when" and column.path:
            return self.person.when.replace(" ", "T") + ".000+00:00"
        if kind == "when" and "with time zone" in column.type:
            return self.person.when + "+00:00"
        if kind == "when":
            return self.person.when[:10] if column.type.lower() == "date" else self.person.when
        if column.type == "boolean" and not column.nullable:
            return False
        if kind == "text" and not column.type.startswith("enum"):
            return self._text(column)
        if kind == "binary":
            return self.person.everything().encode()
        if column.type.lower() in ("json", "jsonb"):
            return self.person.everything()
        if column.nullable:
            return None
        if column.type.lower().startswith("time"):
            return "10:00:00"
        return column.type[6:].partition("'")[0] if column.type.startswith("enum") else 0

    def _text(self, column: Column) -> str:
        """As much of who they are as the column can hold; "" where that is not enough to be a mark."""
        size = next((int(part) for part in column.type.replace(")", "(").split("(") if part.isdigit()), 1000)
        if size <= len(MARK):
            return ""
        name = column.name.lower()
        word = self.person.mail if "mail" in name else self.person.name if "name" in name else self.person.card
        if column.key in ("PRI", "UNI"):
            unique = f"-{self.planting.key()}"
            return word[: size - len(unique)] + unique
        return self.person.everything() if size >= LONG and word == self.person.card else word[:size]
