"""Begins a map of a database no map knows, for a person to finish. Names and types only; no value.

The draft loads as it is and severs nothing: what only a person can know (what a table is for, when its purpose
ends, what happens then) is marked FINISH. What the map language cannot name stands in comments.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap

from reticent.find import words
from reticent.find.evidence import Evidence, Strength
from reticent.systems.structure import ColumnInfo, Structure, TableInfo, family

FINISH = "FINISH"
_OVERWRITE = "overwrite "
_WRITABLE = re.compile(r"\w+")
_BARE = re.compile(r"\w+", re.ASCII)
"""A key TOML takes without quotes."""
_TABLE = re.compile(r"\w+\.\w+")
_ENDS = re.compile(r"end|clos|return|finish|complet|check_?in|cancel|expir|depart|until", re.IGNORECASE)
_PERSON_COLUMNS = "patron|borrower|user_?(id|name)?$|(^|_)usr(_|$)|cardnumber|e_?mail|surname|first_?name|phone"


@dataclass(frozen=True)
class Draft:
    """A map's two files, and how much of it is for a person: ``marks`` of FINISH, and what was ``left_out``."""

    toml: str
    columns: str
    tables: int
    left_out: tuple[str, ...]

    @property
    def marks(self) -> int:
        """How often a person must decide."""
        return self.toml.count(FINISH)


def draft(name: str, structure: Structure, evidence: Sequence[Evidence], *, documents: bool) -> Draft:
    """Return a draft of what the evidence is about; ``documents``: fields inside JSON can be named here.

    The columns file is called ``NAME.columns.csv`` in it.
    """
    told: dict[str, list[Evidence]] = defaultdict(list)
    for each in evidence:
        told[each.table].append(each)
    drafted = [_Table(structure.tables[table], told[table], documents) for table in sorted(told)]
    # Where tables have no schema, a dot is part of a name.
    named = _TABLE if all("." in table for table in structure.tables) else _WRITABLE
    writable = [each for each in drafted if named.fullmatch(each.info.name) and each.persons]
    left_out = [f"{table}: a map cannot write its name" for table in sorted(told) if not named.fullmatch(table)]
    left_out += [said for each in drafted for said in each.left_out]
    series = (each.lines(called) for each, called in zip(writable, _ids(writable), strict=True))
    lines = [line for part in (_head(name, writable, left_out), *series) for line in part]
    return Draft("\n".join(lines) + "\n", _columns(writable), len(writable), tuple(left_out))


def _ids(drafted: Sequence[_Table]) -> list[str]:
    """Return a name of its own for each table's series; tables of two schemas may be called the same."""
    found: list[str] = []
    for each in drafted:
        plain = re.sub(r"[^a-z0-9_]+", "_", each.info.name.rpartition(".")[2].lower())
        found.append(plain if plain not in found else f"{plain}_{len(found)}")
    return found


def _head(name: str, drafted: Sequence[_Table], left_out: Sequence[str]) -> Iterator[str]:
    yield f"# A draft of a map, begun by `reticent map draft`. What says {FINISH} is for a person who knows it."
    yield "# It severs nothing yet. docs/reference/maps.md describes the language; two officers must sign it to count."
    yield from (f"# Not in it: {_comment(said)}." for said in left_out)
    yield ""
    yield f"kind = {_text(name)}"
    yield f"title = {_text(name)} # {FINISH}: what people call this system"
    yield "version = 1"
    yield f"columns = {_text(f'{name}.columns.csv')}"
    needs = [f"{each.info.name}.{column}" for each in drafted[:3] for column in list(each.fields.values())[:1]]
    yield f"requires = [{', '.join(map(_text, needs))}] # {FINISH}: columns no other system has"
    if not drafted:
        yield "series = []"
        yield "tables = {}"
    yield ""
    yield "[drift]"
    yield f"person_columns = {_text(_PERSON_COLUMNS)}"
    registers = [each.info.name for each in drafted if each.is_register]
    yield f"person_tables = [{', '.join(map(_text, registers))}]"


class _Table:
    """One table of the draft."""

    def __init__(self, info: TableInfo, told: Sequence[Evidence], documents: bool) -> None:
        self.info, self.told = info, told
        self.is_register = any("one a row" in each.why for each in told)
        self.left_out: list[str] = []
        self.persons: dict[str, Evidence] = {}
        self.fields: dict[str, str] = {}
        for each in told:
            if written := self._written(each, documents):
                self.persons[self._field(written)] = each
        for column in info.columns.values():
            if _WRITABLE.fullmatch(column.name) and column.name not in self.fields.values() and self._is_wanted(column):
                self._field(column.name)

    def _written(self, each: Evidence, documents: bool) -> str:
        """Return a place as a map writes it; "" if it cannot."""
        path = each.path.removeprefix("$")
        written = f"{each.column}{path}"
        inside = bool(path) and (not documents or "*" in path or path.count("[]") > 1 or path.endswith("[]"))
        if inside or not _WRITABLE.fullmatch(each.column):
            self.left_out.append(f"{self.info.name}: {each.place} ({each.holds}): a map cannot write this place")
            return each.column if inside and _WRITABLE.fullmatch(each.column) else ""
        return written

    def _is_wanted(self, column: ColumnInfo) -> bool:
        return column.name in self.info.primary_key or family(column.type) == "when" or words.used(column.name)

    def _field(self, written: str) -> str:
        """Return the field's name for a place, a new one if it has none."""
        for name, known in self.fields.items():
            if known == written:
                return name
        plain = re.sub(r"\W+", "_", written, flags=re.ASCII).strip("_").lower() or "field"
        name = plain if plain not in self.fields else f"{plain}_{len(self.fields)}"
        self.fields[name] = written
        return name

    def lines(self, called: str) -> Iterator[str]:
        """Yield the table and its series, ``called`` so."""
        name, key = self.info.name, self.info.primary_key
        yield ""
        yield f"[tables.{name if _BARE.fullmatch(name) else _text(name)}]"
        persons = [self.fields[field] for field in self.persons]
        if len(key) == 1 and _WRITABLE.fullmatch(key[0]) and key[0] not in persons and not self.is_register:
            yield f"key = {_text(self._field(key[0]))}"
        shown = ", ".join(f"{field} = {_text(column)}" for field, column in self.fields.items())
        yield f"fields = {{ {shown} }}"
        yield ""
        yield "[[series]]"
        yield f"id = {_text(called)}"
        yield f"title = {_text(name)} # {FINISH}: what it keeps, in the library's words"
        yield f"table = {_text(name)}"
        yield f"class = {_text(self._class())} # {FINISH}: by its name only"
        for field, each in self.persons.items():
            doubt = f"{FINISH}: is it a person? " if each.strength is not Strength.CERTAIN else ""
            yield f"# {field}: {doubt}{_comment(each.holds)} ({_comment(each.why)})"
        yield f"persons = [{', '.join(map(_text, self.persons))}]"
        yield (
            f"ended = {_text(self._ended())} # {FINISH}: which date ends the purpose"
            if self._ended()
            else (f'undated = "withheld" # {FINISH}: no date was found; which event ends the purpose?')
        )
        emptied = {field: self._emptied(field) for field in self.persons}
        if any(each.startswith(_OVERWRITE) for each in emptied.values()):
            tied = " OR ".join(starmap(_still_there, emptied.items()))
            yield f"# tied = {_text(tied)} # {FINISH}: with what sever overwrites, which would else stay a tie"
        proposed = ", ".join(f"{field} = {_text(each)}" for field, each in emptied.items())
        yield f'sever = "nothing" # {FINISH}: "delete", or {{ {proposed} }}'
        yield "order = 20"
        yield f'purpose = "{FINISH}: why the library keeps it"'
        yield f'purpose_end = "{FINISH}: the event that ends the purpose"'
        yield f'own = "{FINISH}: what the system itself does about it"'

    def _emptied(self, field: str) -> str:
        """Return what takes the person out of a field that the system itself would bear."""
        column = self.info.columns.get(self.fields[field])
        if column is None:
            return "remove path"
        if column.nullable:
            return "null"
        return f"{_OVERWRITE}0" if family(column.type) in ("whole", "number") else f"{_OVERWRITE}''"

    def _class(self) -> str:
        return "registration" if self.is_register else words.record_class(self.info.name).value

    def _ended(self) -> str:
        """Return the field of the likeliest end date: one that sounds like an end, else any date."""
        dates = [f for f, column in self.fields.items() if column in self.info.columns and self._is_date(column)]
        return next((field for field in dates if _ENDS.search(field)), dates[0] if dates else "")

    def _is_date(self, column: str) -> bool:
        return family(self.info.columns[column].type) == "when"


def _columns(drafted: Sequence[_Table]) -> str:
    """Return every column of the drafted tables, and the places inside documents, as the list of what was read."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["table", "column", "type"])
    for each in drafted:
        rows.writerows([each.info.name, column.name, column.type] for column in each.info.columns.values())
        inside = [place for place in each.fields.values() if place not in each.info.columns]
        rows.writerows([each.info.name, place, "text"] for place in inside)
    return out.getvalue()


def _still_there(field: str, emptied: str) -> str:
    """Return the condition under which a field still holds somebody."""
    return (
        f"{field} <> {emptied.removeprefix(_OVERWRITE)}" if emptied.startswith(_OVERWRITE) else f"{field} IS NOT NULL"
    )


def _text(value: str) -> str:
    """Return a TOML string; JSON's escapes are TOML's."""
    return json.dumps(value)


def _comment(value: str) -> str:
    """Return text that stays on one line."""
    return json.dumps(value)[1:-1]
