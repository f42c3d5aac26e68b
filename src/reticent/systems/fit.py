"""Does a map fit this database? By the columns that are there, never by a version number.

What the map cannot vouch for is refused, series by series; the rest goes on. A pure function from
map and structure to a Fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reticent.errors import SystemRefused
from reticent.model import NotLookedAt, Place
from reticent.systems.mapfile import Map, Series
from reticent.systems.predicates import Predicate, links
from reticent.systems.structure import Folded, Structure, TableInfo, family

_MOST_NAMED = 20


@dataclass(frozen=True)
class Fit:
    """A map resolved against one database.

    ``columns``: table -> field -> column name, None where this release has none.
    ``refused``: series -> why it is not touched here. ``absent``: series whose table is not there.
    """

    columns: Mapping[str, Mapping[str, str | None]]
    touched: Mapping[str, tuple[str, ...]]
    """Columns the server rewrites at every UPDATE, by table."""
    parents: frozenset[str] = frozenset()
    """Tables that others inherit from."""
    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Table -> column, or path into one -> its type: as it is here, or as the map says of a path."""
    folded: Mapping[str, Mapping[str, Folded]] = field(default_factory=dict)
    """Table -> path -> the index the system keeps on its folded text."""
    drifted: Mapping[str, str] = field(default_factory=dict)
    """Series whose triggers cannot be left out here, and why."""
    refused: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    named_only: tuple[str, ...] = ()
    """Triggers whose name the map knows and whose text it has not read."""
    unmapped: tuple[Place, ...] = ()
    shown: tuple[Place, ...] = ()
    """Views and foreign tables with a person in them: they keep no rows here."""

    def not_looked_at(self, system: str) -> Iterator[NotLookedAt]:
        """Yield what shows persons and keeps no rows of its own here."""
        views = [place for place in self.shown if place.why == "view"]
        told = (
            (views, "views that show who somebody is", "what they show goes with the tables they read"),
            (
                [p for p in self.shown if p not in views],
                "foreign tables with persons in them",
                "their rows stand elsewhere",
            ),
        )
        for places, said, why in told:
            if places:
                named = ", ".join(f"{place.name}({', '.join(place.columns)})" for place in places[:_MOST_NAMED])
                more = f" and {len(places) - _MOST_NAMED} more" if len(places) > _MOST_NAMED else ""
                yield NotLookedAt(
                    system, f"{len(places)} {said}", f"{why}; whoever may read them sees it: {named}{more}"
                )

    def here(self, loaded: Map) -> list[Series]:
        """Return the series that can be counted and severed in this database."""
        return [s for s in loaded.series if s.id not in self.refused and s.id not in self.absent]


def fit(loaded: Map, structure: Structure) -> Fit:
    """Resolve a map against a database. Raises SystemRefused if it is not that kind of system."""
    _recognise(loaded, structure)
    troubles = {name: _trouble(loaded, structure.tables[name]) for name in loaded.tables if name in structure.tables}
    columns = {name: _resolve(loaded, name, structure) for name in loaded.tables}
    refused = {s.id: why for s in loaded.series if (why := _refusal(s, loaded, structure, troubles))}
    absent = frozenset(s.id for s in loaded.series if s.table not in structure.tables)
    touched = {n: tuple(c.name for c in t.columns.values() if c.touches) for n, t in structure.tables.items()}
    parents = frozenset(name for name, table in structure.tables.items() if table.parent)
    here = {name: structure.tables[name] for name in loaded.tables if name in structure.tables}
    types = {name: _types(loaded, name, table) for name, table in here.items()}
    folded = {name: table.folded for name, table in here.items()}
    drifted = {s.id: why for s in loaded.series if s.set and (why := _drift(s, loaded, structure))}
    unmapped = tuple(_unmapped(loaded, structure))
    shown = tuple(_shown(loaded, structure))
    return Fit(
        columns,
        touched,
        parents,
        types,
        folded,
        drifted,
        refused,
        absent,
        tuple(_named_only(loaded, structure)),
        unmapped,
        shown,
    )


def _recognise(loaded: Map, structure: Structure) -> None:
    missing = []
    for need in loaded.requires:
        table, _, column = need.rpartition(".")
        if table not in structure.tables or structure.tables[table].column(column) is None:
            missing.append(need)
    if missing:
        seen = "it has no tables" if not structure.tables else f"it has {len(structure.tables)} tables"
        raise SystemRefused(
            f"This database is not a {loaded.title} the map knows ({seen}).",
            where=f"missing: {', '.join(missing)}",
            do="Check the database name in the account's URL, and that the find account may see every table.",
        )


def _resolve(loaded: Map, table: str, structure: Structure) -> dict[str, str | None]:
    info = structure.tables.get(table)
    found: dict[str, str | None] = {}
    for name, spec in loaded.tables[table].fields.items():
        column = info.column(spec.place.column) if info else None
        found[name] = column.name + spec.column.removeprefix(spec.place.column) if column else None
    return found


def _types(loaded: Map, name: str, table: TableInfo) -> dict[str, str]:
    paths = {column: types[0] for column, types in loaded.known.get(name, {}).items() if "." in column}
    return {column.name: column.type for column in table.columns.values()} | paths


def _trouble(loaded: Map, table: TableInfo) -> str:
    """Return why nothing in this table may be trusted, or ""."""
    fields = loaded.tables[table.name].fields.values()
    missing = [s.place.column for s in fields if _is_missing(s.place.column, table, s.optional)]
    if missing:
        return f"the column {missing[0]} is not there"
    unread = _unread(loaded, table)
    if person := [name for name in unread if _is_person(name, loaded, table)]:
        return f"unknown column {person[0]}, which looks like a person"
    gone = [s.place.column for s in fields if s.optional and not table.column(s.place.column)]
    if gone and unread and not re.search(loaded.drift.growing_tables, table.name):
        return f"the column {gone[0]} is not there and {unread[0]} is unknown: it may have been renamed"
    for spec in fields:
        column = spec.place.column
        info, read = table.column(column), loaded.known.get(table.name, {}).get(column)
        if info and read and family(info.type) not in map(family, read):
            return f"the column {column} is {info.type}, not {' or '.join(read)}"
        if info and spec.place.path and info.type != "jsonb":
            return f"the column {column} is {info.type}, not jsonb"
    return ""


def _is_missing(column: str, table: TableInfo, optional: bool) -> bool:
    return not optional and table.column(column) is None


def _unread(loaded: Map, table: TableInfo) -> list[str]:
    known = {name.lower() for name in loaded.known.get(table.name, {})}
    known |= {spec.place.column.lower() for spec in loaded.tables[table.name].fields.values()}
    if table.name not in loaded.known or loaded.is_beside(table.name):
        return []
    return [name for name in table.columns if name.lower() not in known]


def _is_person(column: str, loaded: Map, table: TableInfo) -> bool:
    if re.search(loaded.drift.person_columns, column, re.IGNORECASE):
        return True
    return any(key.column == column and key.table in loaded.drift.person_tables for key in table.foreign_keys)


def _refusal(series: Series, loaded: Map, structure: Structure, troubles: Mapping[str, str]) -> str:
    table = structure.tables.get(series.table)
    if table is None:
        return ""
    changed = {name: gone for name, gone in loaded.changes(series).items() if name in structure.tables}
    for name, told in (*_tables_read(series, loaded), *((name, "") for name in changed)):
        if troubles.get(name):
            return f"{name}: {troubles[name]}" + (f"; here {name} says {told}" if told else "")
    return next(filter(None, (_unsafe(name, gone, loaded, structure) for name, gone in changed.items())), "")


def _unsafe(name: str, gone: bool, loaded: Map, structure: Structure) -> str:
    """Return why rows of a table may not be changed, or deleted if ``gone``."""
    table = structure.tables[name]
    known = loaded.tables[name].triggers
    if unknown := [each for each in table.triggers if each not in known and not re.search(loaded.drift.triggers, each)]:
        return f"{name}: unknown trigger {min(unknown)}"
    if gone and table.undeletable:
        return f"{name}: the rule {table.undeletable} makes something else of every DELETE, and the rows would stay"
    if gone and (child := _unknown_child(name, loaded, structure)):
        return f"rows of {child}, which is not in the map, would go with rows of {name}"
    return ""


def _drift(series: Series, loaded: Map, structure: Structure) -> str:
    """Return why the triggers of a series may not be left out here, "" if the map knows all they do."""
    changed = {name: gone for name, gone in loaded.changes(series).items() if name in structure.tables}
    for name, gone in changed.items():
        digest = structure.tables[name].trigger_digest()
        if digest and digest not in loaded.tables[name].read_as:
            return f"the triggers and rules of {name} are not those the map knows"
        for other in structure.tables.values():
            if gone and other.name not in changed and any(key.table == name for key in other.foreign_keys):
                return f"rows of {other.name} refer to {name}, and the map does not list them"
    return ""


def _named_only(loaded: Map, structure: Structure) -> Iterator[str]:
    """Yield the triggers of severed tables that are known by their names alone, where the map has read any."""
    for name in sorted({table for series in loaded.series for table in loaded.changes(series)}):
        table = structure.tables.get(name)
        if table is None or not loaded.drift.read:
            continue
        yield from (f"{name}: {t}" for t, shape in sorted(table.shapes.items()) if shape not in loaded.drift.read)


def _tables_read(series: Series, loaded: Map) -> Iterator[tuple[str, str]]:
    """Yield each table that decides about a series, and what it tells."""
    yield series.table, ""
    told = {series.ended: "when the purpose ended", series.date: "when it was", series.branch: "whose rows these are"}
    for path, what in told.items():
        if "." in path:
            yield loaded.tables[series.table].links[path.partition(".")[0]].table, what
    conditions = [(series.tied, "what is a tie"), (series.over, "what is over")]
    conditions += [(condition, f'whether "{reason}"') for reason, condition in series.open.items()]
    conditions += [(held.when, f'whether "{held.reason}"') for held in series.held]
    for condition, what in conditions:
        if condition is not None:
            yield from ((name, what) for name in _tables_in(condition, series.table, loaded))


def _tables_in(condition: Predicate, table: str, loaded: Map) -> Iterator[str]:
    for exists in links(condition):
        target = loaded.tables[table].links[exists.link].table
        yield target
        yield from _tables_in(exists.inner, target, loaded)


def _unknown_child(table: str, loaded: Map, structure: Structure) -> str:
    for other in structure.tables.values():
        for key in other.foreign_keys:
            if key.table == table and key.on_delete == "CASCADE" and other.name not in loaded.tables:
                return other.name
    return ""


def _shown(loaded: Map, structure: Structure) -> Iterator[Place]:
    for name, table in sorted(structure.tables.items()):
        if name in loaded.harmless or name in loaded.tables or table.keeps_rows:
            continue
        if persons := _persons(loaded, table):
            yield Place(name, persons, mapped=False, why=table.kind)


def _unmapped(loaded: Map, structure: Structure) -> Iterator[Place]:
    for name, table in sorted(structure.tables.items()):
        read_whole = name in loaded.tables and name in loaded.known  # then a new column refuses its series
        if name in loaded.harmless or read_whole or not table.keeps_rows:
            continue
        persons = _persons(loaded, table)
        if re.search(loaded.drift.plugin_tables, name, re.IGNORECASE):
            yield Place(name, persons, mapped=False, why="a plugin's table; nobody has read what it keeps")
        elif persons:
            yield Place(name, persons, mapped=False, why=f"{', '.join(persons)} may name a person")


def _persons(loaded: Map, table: TableInfo) -> tuple[str, ...]:
    """Return the columns that may name a person, but for those the map reads or calls harmless."""
    mapped = loaded.tables[table.name].fields.values() if table.name in loaded.tables else ()
    read = {spec.place.column for spec in mapped}
    others = (name for name in table.columns if name not in read and not loaded.is_harmless(table.name, name))
    return tuple(name for name in others if _is_person(name, loaded, table))
