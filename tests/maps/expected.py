"""What severing must leave, row by row and cell by cell, by code that shares nothing with what severs or proves.

The map's dispositions are carried out on a snapshot; what the server's own keys do is done after them.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.maps.due import Reading, Rows, moment, plain
from tests.maps.tables import Tables

from reticent.model import Disposition
from reticent.systems.mapfile import Action, Series

Cell = tuple[str, ...]


class Fresh:
    """A value nobody has seen before: drawn at random, or a number drawn anew."""


@dataclass
class Expected:
    """The rows of one database, severed series by series."""

    reading: Reading
    tables: Tables
    counted_up: frozenset[str] = frozenset()
    """"table.column" that the system counts up at every change of a row."""
    due: dict[str, int] = field(default_factory=dict)
    severed: dict[str, int] = field(default_factory=dict)
    """Series -> rows that are due before, and rows that are severed when it is its turn."""

    def sever(self) -> None:
        """Sever everything due, in the order of the map."""
        here = [series for series in self.reading.loaded.series if series.table in self.tables]
        self.due = {series.id: len(self.reading.due(series)) for series in here}
        for series in sorted(here, key=lambda each: (each.order, each.id)):
            if series.sever != "nothing":
                self._series(series)

    def _series(self, series: Series) -> None:
        due = self.reading.due(series)
        self.severed[series.id] = len(due)
        aged = [self._aged(series, row) for row in due] if series.aged else []
        for also in series.also:
            if also.written or not due:
                continue  # what the change writes goes again
            for table, row in self.reading.led_to(series.table, due, also.link):
                if also.when is None or self.reading.truth(table, row, also.when) is True:
                    self._row(table, row, also.sever)
        for row in due:
            self._row(series.table, row, "delete" if series.sever == "age" else series.sever)
        if series.aged:
            self.reading.rows[self.reading.loaded.one(series.aged.series).table] += aged

    def _aged(self, series: Series, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row without its patron that takes a row's place."""
        assert series.aged is not None
        into = self.reading.loaded.one(series.aged.series)
        made = {column.name: None for column in self.tables[into.table]}
        for name, path in series.aged.paths().items():
            link, _, source = path.rpartition(".")
            there = self.reading.led_to(series.table, [row], link)
            column = self.reading.loaded.tables[into.table].fields[name].column
            made[column] = self.reading.value(*there[0], source) if there else None
        assert not isinstance(into.sever, str)
        self._fields(into.table, made, into.sever)
        return made

    def _row(self, table: str, row: dict[str, Any], sever: str | Mapping[str, Action]) -> None:
        if isinstance(sever, str):
            self._delete(table, row)
            return
        self._fields(table, row, sever)
        for place in self.counted_up:
            *ways, last = place.removeprefix(f"{table}.").split(".")
            if place.startswith(f"{table}.") and (holder := _inside(row, ways)) is not None:
                holder[last] = (holder.get(last) or 0) + 1

    def _fields(self, table: str, row: dict[str, Any], sever: Mapping[str, Action]) -> None:
        was = copy.copy(row)
        was |= {name: copy.deepcopy(value) for name, value in row.items() if isinstance(value, dict)}
        for name, action in sever.items():
            column = self.reading.loaded.tables[table].fields[name].column
            if column.partition(".")[0] not in row:
                continue
            if action.disposition is Disposition.REMOVE_ELEMENT:
                self._elements(table, row, column, action)
            elif action.condition is None or self.reading.truth(table, was, action.condition) is True:
                self._cell(row, column, action)

    def _elements(self, table: str, row: dict[str, Any], column: str, action: Action) -> None:
        """Take the elements of an array out for which the condition holds."""
        *ways, array = column.partition("[]")[0].split(".")
        holder = _inside(row, ways)
        if holder is None or not isinstance(holder.get(array), list):
            return
        every = holder[array]
        kept = []
        for element in every:
            holder[array] = [element]
            if self.reading.truth(table, row, action.condition) is not True:
                kept.append(element)
        holder[array] = kept

    def _cell(self, row: dict[str, Any], column: str, action: Action) -> None:
        *ways, last = column.split(".")
        holder = _inside(row, ways)
        if holder is None or last not in holder:
            return
        if action.disposition is Disposition.REMOVE_PATH:
            del holder[last]
            return
        holder[last] = self._written(action, holder[last])
        if isinstance(holder[last], Fresh) and last == "id" and "id" in (document := row.get("jsonb") or {}):
            document["id"] = holder[last]  # FOLIO writes a record's number into its document

    def _written(self, action: Action, old: Any) -> Any:
        match action.disposition:
            case Disposition.NULL:
                return None
            case Disposition.SENTINEL:
                return self.reading.sentinel
            case Disposition.RENUMBER:
                return Fresh()
            case Disposition.OVERWRITE if action.argument == "random":
                return Fresh()
            case Disposition.OVERWRITE:
                return action.argument[1:-1] if action.argument[0] == "'" else int(action.argument)
            case Disposition.GENERALISE:
                return cut_to(old, action.argument)
        raise AssertionError(action)

    def _delete(self, table: str, row: dict[str, Any]) -> None:
        """Take a row away, and do what the keys of other tables say about it."""
        rows = self.reading.rows[table]
        rows[:] = [one for one in rows if one is not row]
        for name, columns in self.tables.items():
            for column in columns:
                if column.parent[0] != table:
                    continue
                for one in [o for o in self.reading.rows[name] if o[column.name] == row[column.parent[1]]]:
                    if one[column.name] is not None and "CASCADE" in column.fk.partition("ON DELETE")[2][:9]:
                        self._row(name, one, "delete")
                    elif one[column.name] is not None and "ON DELETE SET NULL" in column.fk:
                        one[column.name] = None


def _inside(row: dict[str, Any], ways: Iterable[str]) -> dict[str, Any] | None:
    found: Any = row
    for way in ways:
        found = found.get(way) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def cut_to(value: Any, unit: str) -> Any:
    """Return a moment cut to its hour, day, month or year, in the type it is kept in."""
    if value is None:
        return None
    if not isinstance(value, datetime | str):
        return value.replace(**{"year": {"month": 1, "day": 1}, "month": {"day": 1}}.get(unit, {}))
    read = value if isinstance(value, datetime) else moment(value)
    assert read is not None, value
    cut = read.replace(minute=0, second=0, microsecond=0, hour=read.hour if unit == "hour" else 0)
    cut = cut.replace(day=1 if unit in ("month", "year") else cut.day, month=1 if unit == "year" else cut.month)
    if isinstance(value, datetime):
        return cut
    return cut.strftime("%Y-%m-%dT%H:%M:%S.000+00:00" if "T" in value else "%Y-%m-%d %H:%M:%S")


def documents(rows: Rows) -> Rows:
    """Return rows of their own, with documents kept as text made into objects."""
    return [
        {n: json.loads(v) if isinstance(v, str) and v[:1] == "{" else copy.deepcopy(v) for n, v in row.items()}
        for row in ({n: plain(v) if isinstance(v, memoryview) else v for n, v in row.items()} for row in rows)
    ]


def _flat(value: Any, way: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every cell of a row, each value of a document by its path."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, dict | list) and value:
        for name, one in inner:
            yield from _flat(one, f"{way}.{name}" if way else str(name))
    else:
        yield way, value if isinstance(value, Fresh) else plain(value)


def differences(wanted: Rows, found: Rows, before: Rows) -> list[str]:
    """Return what is wrong with the rows of a table: those that should not be there, then those that should."""
    left = [dict(_flat(row)) for row in found]
    missing = []
    seen = {name: [row.get(name) for row in map(dict, map(_flat, before))] for name in {n for r in left for n in r}}
    index = Counter(repr(sorted(row.items(), key=str)) for row in left)
    drawn = []
    for row in (dict(_flat(row)) for row in wanted):
        if any(isinstance(value, Fresh) for value in row.values()):
            drawn.append(row)
        elif index[key := repr(sorted(row.items(), key=str))]:
            index[key] -= 1
        else:
            missing.append(row)
    spare = []
    for row in left:
        if index[key := repr(sorted(row.items(), key=str))]:
            index[key] -= 1
            spare.append(row)
    for row in drawn:
        match = next((one for one in spare if _drawn(row, one, seen)), None)
        if match is None:
            missing.append(row)
            continue
        spare.remove(match)
        for name, value in row.items():
            if isinstance(value, Fresh):
                seen[name].append(match[name])
    return [*(f"not wanted: {row}" for row in spare), *(f"wanted: {row}" for row in missing)]


def _drawn(wanted: dict[str, Any], found: dict[str, Any], seen: Mapping[str, list[Any]]) -> bool:
    """Whether a row is the one wanted, and what is drawn in it was in no row before and is in no other."""
    fresh = {name: value for name, value in wanted.items() if isinstance(value, Fresh)}
    if wanted.keys() != found.keys() or any(wanted[n] != found[n] for n in wanted if n not in fresh):
        return False
    new = {name: found[name] for name in fresh}
    alike = all(new[a] == new[b] for a in fresh for b in fresh if fresh[a] is fresh[b])
    return alike and all(value is not None and value not in seen[name] for name, value in new.items())
