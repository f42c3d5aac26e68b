"""The Prober of SQL systems: which columns hold this library's patrons, and which hashes its rosters undo.

It reads rosters by Disclosers and samples by an account that may read texts; the two meet in memory only.
Nobody hands it whom to look for, and what it returns are blurred counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import sqlalchemy as sa

from reticent.errors import NotPermitted, SystemRefused
from reticent.model import Overlap, Probed, Reversed
from reticent.stores.crowd import Crowd
from reticent.stores.overlap import examined, inside, pairs, shown_keys
from reticent.stores.pseudonyms import attack
from reticent.stores.sql.connect import open_engine
from reticent.stores.sql.database import Database
from reticent.stores.sql.discloser import SqlDiscloser
from reticent.stores.sql.sample import PATIENCE, Sampler, readable
from reticent.systems.keynames import naming
from reticent.systems.mapfile import Map
from reticent.systems.structure import ColumnInfo, Structure, TableInfo, family

ATTACK_SECONDS = 20.0
"""How long one column of hashes, or one path in documents, is attacked."""
ATTACKS_SECONDS = 60.0
"""How long all columns of one system are, together."""
DOCUMENTS = 10_000
"""Documents of one column that are read once hashes were seen in them."""
_NAMES = 6
"""Columns of one table that are tried as given name or surname."""


def crowd(disclosers: Sequence[SqlDiscloser], permits: Mapping[str, object]) -> Crowd:
    """Read rosters, each for its system's permit. Raises NotPermitted for what is no roster permit."""
    if not disclosers:
        raise NotPermitted("There is no roster to compare with.", do="Give one system a roster account.")
    return Crowd([(each.roster(permits.get(each.system)), each.identifiers) for each in disclosers])


def unread(loaded: Map, structure: Structure) -> Iterator[tuple[TableInfo, list[ColumnInfo]]]:
    """Yield what nobody has read when the map was made: whole tables, and new columns of the map's own."""
    for name, table in sorted(structure.tables.items()):
        if not table.keeps_rows:
            continue
        columns = [column for column in readable(table) if not loaded.is_harmless(name, column.name)]
        if name in loaded.tables:
            known = {column.lower() for column in loaded.known.get(name, table.columns)}
            known |= {spec.column.lower() for spec in loaded.tables[name].fields.values()}
            columns = [column for column in columns if column.name.lower() not in known]
        if columns:
            yield table, columns


def weak(loaded: Map, structure: Structure) -> Iterator[tuple[TableInfo, list[ColumnInfo]]]:
    """Yield the columns the map itself calls pseudonyms that can be undone."""
    for series in loaded.series:
        if series.weak and (table := structure.tables.get(series.table)):
            named = [loaded.tables[series.table].fields[name].column for name in series.persons]
            columns = [found for name in named if (found := table.column(name))]
            if columns:
                yield table, columns


def documents(loaded: Map, structure: Structure) -> Iterator[tuple[TableInfo, list[ColumnInfo]]]:
    """Yield the documents whose paths the map knows one by one: a path it does not know, nobody has read.

    The roster's own table is left out: what stands there is about the person.
    """
    for name, table in sorted(structure.tables.items()):
        inside = {path.partition(".")[0] for path in loaded.known.get(name, ()) if "." in path}
        columns = [column for column in table.columns.values() if column.name in inside]
        if name in loaded.tables and columns and (loaded.roster is None or name != loaded.roster.table):
            yield table, columns


def _is_read(loaded: Map, table: str, column: str, path: str) -> bool:
    """Whether the map knows a path of a document: by itself, or inside something that a field names whole."""
    written = f"{column}{path.removeprefix('$')}"
    if written in loaded.known[table]:
        return True
    whole = (spec.column for spec in loaded.tables[table].fields.values() if spec.place.path)
    return any(written.startswith((f"{each}.", f"{each}[")) for each in whole)


class SqlProber:
    """Probes one system by an account that may read texts; ``keys`` are salts and keys that are at hand."""

    def __init__(
        self, url: str, database: Database, disclosers: Sequence[SqlDiscloser], keys: Sequence[bytes] = ()
    ) -> None:
        self.system, self._database, self._disclosers, self._keys = database.system, database, disclosers, keys
        self._engine = open_engine(url, database.system)
        sa.event.listen(self._engine, "connect", _be_patient)
        self._sampler = Sampler(self._engine, database.system)
        self._naming = naming(database.loaded)
        self._left = ATTACKS_SECONDS

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def probe(self, permits: Mapping[str, object]) -> Probed:
        """Judge every place no map knows against whole rosters; ``permits``: a roster permit for each roster.

        Raises NotPermitted for what is no roster permit, and under 50 persons that can be looked for.
        """
        everybody = crowd(self._disclosers, permits)
        found = _Found()
        for table, columns in unread(self._database.loaded, self._database.structure):
            self._look(table, columns, everybody, found)
        for table, columns in weak(self._database.loaded, self._database.structure):
            self._look(table, columns, everybody, found, only_hashes=True)
        for table, columns in documents(self._database.loaded, self._database.structure):
            self._look(table, columns, everybody, found, only_paths=True)
        return found.probed()

    def _look(
        self,
        table: TableInfo,
        columns: list[ColumnInfo],
        everybody: Crowd,
        found: _Found,
        *,
        only_hashes: bool = False,
        only_paths: bool = False,
    ) -> None:
        try:
            sample = self._sampler.sample(table, columns)
        except SystemRefused as refused:
            found.unread[table.name] = refused.on_one_line()
            return
        if sample.beginning:
            found.beginnings.append(table.name)
        judged: dict[str, Overlap] = {}
        for column, values in zip(columns, sample.columns, strict=True):
            keys = shown_keys(values, self._naming)
            if family(column.type) != "whole":
                self._attack(table, column, values, keys, everybody, found, only_paths=only_paths)
            for overlap in () if only_hashes else examined(everybody, table.name, column.name, values, keys):
                if only_paths and (overlap is None or self._is_read(table, column, overlap.path)):
                    continue
                found.places += 1
                if overlap is None:
                    found.few += 1
                else:
                    judged[overlap.place] = overlap
        found.overlaps += _paired(everybody, columns, sample.columns, judged)

    def _is_read(self, table: TableInfo, column: ColumnInfo, path: str) -> bool:
        return _is_read(self._database.loaded, table.name, column.name, path)

    def _attack(
        self,
        table: TableInfo,
        column: ColumnInfo,
        values: Sequence[Any],
        keys: Mapping[str, str],
        everybody: Crowd,
        found: _Found,
        *,
        only_paths: bool,
    ) -> None:
        held = [value for value in values if value is not None]
        paths = inside(held, keys)
        further = cache(lambda: inside(self._sampler.many(table, column, DOCUMENTS), keys))
        for path, texts in paths.items():
            if not (only_paths and self._is_read(table, column, path)):
                more = partial(_at, further, path)
                found.reversed += self._undone(table, column, texts, more, everybody, path)
        if not paths and not only_paths:
            found.reversed += self._undone(table, column, held, partial(self._sampler.many, table, column), everybody)

    def _undone(
        self,
        table: TableInfo,
        column: ColumnInfo,
        values: Iterable[Any],
        more: Callable[[], Iterable[Any]],
        everybody: Crowd,
        path: str = "",
    ) -> list[Reversed]:
        began = time.monotonic()
        seconds = max(0.0, min(ATTACK_SECONDS, self._left))
        undone = attack(everybody, table.name, column.name, values, more, self._keys, seconds)
        if undone is None:
            return []
        self._left -= time.monotonic() - began
        return [replace(undone, path=path)]


def _at(documents: Callable[[], Mapping[str, set[str]]], path: str) -> set[str]:
    return documents().get(path, set())


class _Found:
    """What a probe gathers."""

    def __init__(self) -> None:
        self.overlaps: list[Overlap] = []
        self.reversed: list[Reversed] = []
        self.unread: dict[str, str] = {}
        self.beginnings: list[str] = []
        self.places = self.few = 0

    def probed(self) -> Probed:
        overlaps, undone = tuple(self.overlaps), tuple(self.reversed)
        return Probed(overlaps, undone, self.places, self.few, self.unread, tuple(self.beginnings))


def _paired(
    everybody: Crowd, columns: Sequence[ColumnInfo], values: Sequence[Sequence[Any]], judged: Mapping[str, Overlap]
) -> Iterator[Overlap]:
    """Yield the table's overlaps; a column of surnames knows in how many rows a given name of the same person is."""
    place = {column.name: found for column, found in zip(columns, values, strict=True)}
    given = [name for name in place if name in judged and judged[name].given * 2 >= judged[name].distinct][:_NAMES]
    for name, overlap in judged.items():
        if name in place and overlap.family * 2 >= overlap.distinct:
            together = [pairs(everybody, place[other], place[name]) for other in given if other != name]
            yield replace(overlap, pairs=max(together, default=0))
        else:
            yield overlap


def _be_patient(connection: Any, _: object) -> None:
    module = type(connection).__module__.split(".")[0]
    if module == "psycopg":
        statement = PATIENCE["postgresql"]
    elif module == "pymysql":
        statement = PATIENCE["mariadb" if "mariadb" in connection.get_server_info().lower() else "mysql"]
    else:
        return
    cursor = connection.cursor()
    cursor.execute(statement)
    cursor.close()
    connection.commit()
