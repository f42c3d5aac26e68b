"""Loads a map and checks it whole: a wrong map is refused with file and line."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from reticent.errors import ConfigurationError
from reticent.model import Disposition
from reticent.systems.mapfile import Action, Actions, Aged, Also, Map, Roster, Series
from reticent.systems.predicates import And, Compare, Exists, In, IsNull, Not, Or, Predicate, Sentinel, fields, links
from reticent.tomlfile import TomlFile, check, load

MAPS = Path(str(resources.files("reticent.systems")))


UNMAPPED = "unmapped"
"""The kind of a database no map knows; its map is empty."""


def kinds() -> list[str]:
    """Return the kinds of system Reticent ships a map for."""
    found = sorted(path.stem for path in MAPS.glob("*.toml") if "kind = " in path.read_text(encoding="utf-8"))
    return [kind for kind in found if kind != UNMAPPED]


def shipped(kind: str, tenant: str = "") -> Map:
    """Load the shipped map of a kind of system. Raises ConfigurationError if there is none."""
    path = MAPS / f"{kind}.toml"
    if kind not in (*kinds(), UNMAPPED):
        raise ConfigurationError(f'No map for "{kind}".', do=f"Reticent has maps for: {', '.join(kinds())}.")
    return load_map(path, tenant)


def load_map(path: Path, tenant: str = "") -> Map:
    """Load and check one map file; ``{tenant}`` in it becomes the tenant's name. Raises ConfigurationError."""
    try:
        found = path.stat()
    except OSError:
        return _load(path, tenant, ())
    return _load(path, tenant, (found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=8)
def _load(path: Path, tenant: str, stamp: tuple[int, ...]) -> Map:
    """Load a map; ``stamp`` changes when the file does, and it is read again."""
    source = load(path, _DO)
    per_tenant = "{tenant}" in path.read_text(encoding="utf-8")
    name = (tenant or "tenant") if per_tenant else ""
    source = _named(source, name) if per_tenant else source
    loaded = check(source, Map, _DO)
    known = _known_columns(path.parent / loaded.columns, source, name)
    _check(loaded.model_copy(update={"known": known}), source)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return loaded.model_copy(update={"digest": digest, "tenant": name, "known": known})


def _named(source: TomlFile, tenant: str) -> TomlFile:
    """Return a map with the tenant's name in every place that stands for it."""

    def named(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{tenant}", tenant)
        if isinstance(value, dict):
            return {named(key): named(inner) for key, inner in value.items()}
        return [named(inner) for inner in value] if isinstance(value, list) else value

    lines = {tuple(named(part) for part in location): line for location, line in source.lines.items()}
    return TomlFile(source.path, named(source.data), lines)


_DO = "Correct the map; docs/reference/maps.md describes the language."


def _known_columns(path: Path, source: TomlFile, tenant: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """Read table -> column -> its types; a column ``in_RELEASE`` says where that release differs."""
    known: dict[str, dict[str, tuple[str, ...]]] = {}
    try:
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines(), strict=True):
            others = (value.partition(" null=")[0] for name, value in row.items() if name.startswith("in_"))
            types = (row["type"], *(kind for kind in others if kind not in _NO_TYPE))
            known.setdefault(row["table"].replace("{tenant}", tenant), {})[row["column"]] = types
    except (OSError, ValueError, KeyError, AttributeError, csv.Error):
        raise ConfigurationError(
            f"The map is wrong: {path.name} is not a list of columns (table,column,type).",
            where=source.where("columns"),
            do=_DO,
        ) from None
    return known


_NO_TYPE = ("same", "absent", "only", "before", "")


def _check(loaded: Map, source: TomlFile) -> None:
    checker = _Checker(loaded, source)
    checker.head()
    for name in loaded.tables:
        checker.table(name)
    seen: set[str] = set()
    for index, series in enumerate(loaded.series):
        if series.id in seen:
            checker.fail(f'the series "{series.id}" stands twice', "series", index, "id")
        seen.add(series.id)
        checker.series(index, series)
    for index, exposure in enumerate(loaded.exposures):
        if exposure.table:
            checker.names(exposure.table, (), "exposures", index)
            checker.predicate(exposure.table, exposure.when, "exposures", index, "when")
    for index, measure in enumerate(loaded.measures):
        checker.names(measure.table, (*measure.by, *filter(None, [measure.date])), "measures", index)
        checker.predicate(measure.table, measure.when, "measures", index, "when")
    for name, issued in (("roster", loaded.roster), ("catalogue", loaded.catalogue)):
        if issued is not None:
            identifiers = issued.identifiers if isinstance(issued, Roster) else (*issued.issued, issued.number)
            checker.names(issued.table, identifiers, name)
    if loaded.roster is not None and loaded.tables[loaded.roster.table].key == loaded.roster.number:
        checker.fail("the people's own numbers are no key to walk by: a position would name somebody", "roster")
    if unknown := set(loaded.tells) - {field for table in loaded.tables.values() for field in table.fields}:
        checker.fail(f'no table has a field "{min(unknown)}"', "tells")
    checker.titles()
    for index, wire in enumerate(loaded.tripwires):
        checker.names(wire.table, filter(None, [wire.sum]), "tripwires", index)


_IN_DOCUMENTS = (Disposition.REMOVE_PATH, Disposition.OVERWRITE, Disposition.GENERALISE)
_IN_COLUMNS = (
    Disposition.NULL,
    Disposition.SENTINEL,
    Disposition.OVERWRITE,
    Disposition.GENERALISE,
    Disposition.RENUMBER,
)


class _Checker:
    """Checks that every name in a map means something."""

    def __init__(self, loaded: Map, source: TomlFile) -> None:
        self._map, self._source = loaded, source

    def fail(self, message: str, *keys: str | int) -> None:
        raise ConfigurationError(
            f"The map is wrong: {message}.",
            where=self._source.where(*keys),
            do=_DO,
        )

    def head(self) -> None:
        if self._map.tables and not self._map.requires:
            self.fail("it requires no column, so every database would be one", "requires")
        for need in self._map.requires:
            self._column(need, "requires")
        for kind in ("exposures", "relinks"):
            for index, query in enumerate(getattr(self._map, kind)):
                for need in query.needs:
                    self._column(need, kind, index, "needs")
        for name in ("person_columns", "plugin_tables", "growing_tables", "schemas", "beside", "triggers"):
            try:
                re.compile(getattr(self._map.drift, name))
            except re.error:
                self.fail(f"{name} is not a regular expression", "drift", name)
        if (settings := self._map.settings_in) is not None:
            self.names(settings.table, [], "settings_in", "table")
        if (sentinel := self._map.sentinel) is not None:
            self.names(sentinel.table, [sentinel.field], "sentinel")
            for condition in sentinel.never:
                self.predicate(sentinel.table, condition, "sentinel", "never")
            if settings is None:
                self.fail("a sentinel is named by a setting, and the map has no settings_in", "sentinel")

    def _column(self, need: str, *keys: str | int) -> None:
        if not re.fullmatch(r"\w+\.\w+\.\w+" if self._map.qualified else r"\w+\.\w+", need):
            self.fail(f'"{need}" is not {"schema." * self._map.qualified}table.column', *keys)

    def table(self, name: str) -> None:
        table = self._map.tables[name]
        if not re.fullmatch(r"\w+\.\w+" if self._map.qualified else r"\w+", name):
            self.fail(f'"{name}" is not {"schema." * self._map.qualified}table', "tables", name)
        self.names(name, filter(None, [table.key, table.window]), "tables", name)
        self.names(name, filter(None, [table.chain]), "tables", name, "chain")
        if table.chain and not table.key:
            self.fail("a chain needs a key", "tables", name, "chain")
        for walked in filter(None, [table.key, table.window]):
            if table.fields[walked].optional:
                self.fail(f'"{name}" is walked by "{walked}", which may not be there', "tables", name)
        for spec in table.fields.values():
            if spec.place.path and spec.column not in self._map.known.get(name, {}):
                self.fail(
                    f'nobody has read what "{spec.column}" holds; it is not in the list of columns', "tables", name
                )
        for link, target in table.links.items():
            place = ("tables", name, "links", link)
            self.names(name, target.on.values(), *place)
            self.names(target.table, target.on.keys(), *place)
            arrays = [field for field in target.on.values() if table.fields[field].place.array]
            arrays += [f for f in target.on if self._map.tables[target.table].fields[f].place.array] * 2
            if arrays and len(target.on) + len(arrays) > 2:
                self.fail(f'"{link}" joins by an array; only the near side can, and by nothing else', *place)

    def names(self, table: str, names: Iterable[str], *keys: str | int) -> None:
        if table not in self._map.tables:
            self.fail(f'there is no table "{table}"', *keys)
        for name in names:
            if name not in self._map.tables[table].fields:
                self.fail(f'the table "{table}" has no field "{name}"', *keys)

    def path(self, table: str, path: str, *keys: str | int) -> None:
        link, _, name = path.rpartition(".")
        if link and link not in self._map.tables[table].links:
            self.fail(f'the table "{table}" has no link "{link}"', *keys)
        self.names(self._map.tables[table].links[link].table if link else table, [name], *keys)

    def titles(self) -> None:
        for field, titled in self._map.titles.items():
            if field not in self._map.tells:
                self.fail(f'"{field}" is not among what a tie tells', "titles", field)
            links, _, name = titled.title.rpartition(".")
            self.names(titled.table, [titled.number], "titles", field)
            self.names(self.way(titled.table, links, "titles", field), [name], "titles", field)

    def way(self, table: str, path: str, *keys: str | int) -> str:
        """Check a path of links; return the table it ends in."""
        for link in filter(None, path.split(".")):
            if link not in self._map.tables[table].links:
                self.fail(f'the table "{table}" has no link "{link}"', *keys)
            table = self._map.tables[table].links[link].table
        return table

    def series(self, index: int, series: Series) -> None:
        place: tuple[str | int, ...] = ("series", index)
        self.names(series.table, [], *place, "table")
        self.names(series.table, series.persons, *place, "persons")
        self.names(series.table, series.words, *place, "words")
        if series.words and not series.persons:
            self.fail("words stand beside persons; without them say it in tied", *place, "words")
        for key in ("date", "ended", "branch", "who"):
            if path := getattr(series, key):
                self.path(series.table, path, *place, key)
        if not series.persons and series.tied is None:
            self.fail("a series needs persons or tied", *place)
        for key in ("tied", "over"):
            self.predicate(series.table, getattr(series, key), *place, key)
        for reason, condition in series.open.items():
            self.predicate(series.table, condition, *place, "open", reason)
        self._held(series, *place)
        self._tally(series, *place)
        self._sever(series, *place)
        for also in series.also:
            self._also(series, also, *place, "also")
        if (series.sever == "age") != (series.aged is not None):
            self.fail('"age" and aged belong together', *place, "sever")
        if series.aged is not None:
            self._aged(series, series.aged, *place, "aged")

    def _also(self, series: Series, also: Also, *place: str | int) -> None:
        if not also.link and not also.written:
            self.fail("rows are found by a link, or written by the change itself", *place)
        if also.link and not self._map.tables[series.table].key:
            self.fail(f'"{series.table}" needs a key, or what goes with its rows cannot be found', *place)
        table = self.way(series.table, also.link, *place) if also.link else also.written
        if also.written not in ("", table):
            self.fail(f'"{also.link}" leads to "{table}", not to "{also.written}"', *place)
        self.names(table, [] if isinstance(also.sever, str) else also.sever, *place)
        self.predicate(table, also.when, *place, "when")
        for action in () if isinstance(also.sever, str) else also.sever.values():
            if action.condition is not None or action.disposition is Disposition.RENUMBER:
                self.fail("what goes with a row is severed alike and keeps its number", *place)

    def _aged(self, series: Series, aged: Aged, *place: str | int) -> None:
        target = next((other for other in self._map.series if other.id == aged.series), None)
        if target is None or isinstance(target.sever, str):
            self.fail(f'"{aged.series}" is not a series that changes fields', *place)
            return
        tables = self._map.tables
        if not tables[series.table].key or tables[target.table].key not in aged.paths():
            self.fail("both tables need a key, and the new row gets the old one's", *place)
        if any(action.condition is not None for action in target.sever.values()):
            self.fail(f'"{aged.series}" is severed under conditions, which a new row cannot be asked', *place)
        self.names(target.table, aged.paths(), *place)
        for path in aged.paths().values():
            links, _, name = path.rpartition(".")
            self.names(self.way(series.table, links, *place), [name], *place)

    def _held(self, series: Series, *place: str | int) -> None:
        for held in series.held:
            self.predicate(series.table, held.when, *place, "held")
            if held.until and held.until not in self._map.decisions:
                self.fail(f'there is no decision "{held.until}"', *place, "held")

    def _tally(self, series: Series, *place: str | int) -> None:
        tables = {measure.id: measure.table for measure in self._map.measures}
        for name in series.tally:
            if tables.get(name) != series.table:
                self.fail(f'"{name}" is not a measure of "{series.table}"', *place, "tally")
        table = self._map.tables[series.table]
        if series.tally and not table.key and not table.window:
            self.fail("rows that are chosen by number cannot be tallied; the table needs a key", *place, "tally")

    def _sever(self, series: Series, *place: str | int) -> None:
        if isinstance(series.sever, str):
            gone = series.sever in ("delete", "age")
            destroyed = {m.id for m in self._map.measures if m.table == series.table and gone}
            if missing := destroyed - set(series.tally):
                self.fail(f"deleting these rows destroys {', '.join(sorted(missing))}: tally it", *place, "tally")
            return
        self.names(series.table, series.sever, *place, "sever")
        for name, action in series.sever.items():
            self.predicate(series.table, action.condition, *place, "sever")
            self._disposition(series.table, name, action, *place, "sever")
            if action.disposition is Disposition.RENUMBER and name != self._map.tables[series.table].key:
                self.fail("only a key is renumbered", *place, "sever")
        self._unties(series, series.sever, *place, "sever")

    def _unties(self, series: Series, sever: Actions, *place: str | int) -> None:
        """Check that no severed row can still be a tie: each person goes, or something that ``tied`` asks about."""
        table = self._map.tables[series.table]
        emptied = [table.fields[name].column for name, action in sever.items() if _empties(action)]
        inside = tuple(start for place in emptied for start in (f"{place}.", f"{place}["))
        ties = (*series.persons, *series.words)
        stays = [name for name in ties if not f"{table.fields[name].column}.".startswith(inside)]
        asked = set() if series.tied is None else {*fields(series.tied)}
        for exists in () if series.tied is None else links(series.tied):
            asked |= set(table.links[exists.link].on.values())
        if stays and not asked & set(sever):
            self.fail(f'severed rows of "{series.id}" stay tied by "{stays[0]}": empty it, or mend tied', *place)

    def _disposition(self, table: str, name: str, action: Action, *keys: str | int) -> None:
        """Check that what happens to a field can happen where it stands."""
        stands = self._map.tables[table].fields[name].place
        if stands.array:
            allowed = action.disposition is Disposition.REMOVE_ELEMENT and action.condition is not None
        elif stands.steps:
            allowed = action.disposition in _IN_DOCUMENTS
        else:
            allowed = action.disposition in _IN_COLUMNS
        if not allowed:
            self.fail(f'"{name}" stands where "{action.disposition}" cannot be done', *keys)

    def predicate(self, table: str, predicate: Predicate | None, *keys: str | int) -> None:
        if predicate is None:
            return
        if table not in self._map.tables:
            self.fail(f'there is no table "{table}"', *keys)
        self.names(table, fields(predicate), *keys)
        for name in fields(predicate):
            if self._map.tables[table].fields[name].place.array:
                self.fail(f'"{name}" stands in an array; only a link can be followed from there', *keys)
        if _has_sentinel(predicate) and self._map.sentinel is None:
            self.fail("the map names no sentinel", *keys)
        for exists in links(predicate):
            self._exists(table, exists, *keys)

    def _exists(self, table: str, exists: Exists, *keys: str | int) -> None:
        target = self._map.tables[table].links.get(exists.link)
        if target is None:
            self.fail(f'the table "{table}" has no link "{exists.link}"', *keys)
        else:
            self.predicate(target.table, exists.inner, *keys)


def _empties(action: Action) -> bool:
    """Whether nothing stays of what stood there, in any row."""
    return action.disposition is Disposition.REMOVE_ELEMENT or (
        action.condition is None
        and action.disposition in (Disposition.NULL, Disposition.SENTINEL, Disposition.REMOVE_PATH)
    )


def _has_sentinel(predicate: Predicate) -> bool:
    match predicate:
        case Compare(_, left, right):
            return isinstance(left, Sentinel) or isinstance(right, Sentinel)
        case Not(part):
            return _has_sentinel(part)
        case And(parts) | Or(parts):
            return any(_has_sentinel(part) for part in parts)
        case Exists(_, inner):
            return _has_sentinel(inner)
        case IsNull() | In():
            return False
        case _:
            return False


def withdrawn() -> dict[str, str]:
    """Return map digest -> why, of maps that were found wrong after they had shipped."""
    return dict(load(MAPS / "withdrawn" / "maps.toml", _DO).data.get("withdrawn", {}))
