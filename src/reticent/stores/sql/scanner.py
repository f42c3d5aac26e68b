"""The Scanner of SQL systems: streams every text and looks, here, for the whole roster at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa

from reticent.errors import SystemRefused
from reticent.model import Scanned
from reticent.stores.crowd import blurred
from reticent.stores.needles import Needles
from reticent.stores.sql.compile import whole
from reticent.stores.sql.connect import open_engine, reading
from reticent.stores.sql.database import Database
from reticent.stores.sql.discloser import SqlDiscloser
from reticent.stores.sql.streams import stream
from reticent.systems.structure import TableInfo, family

_NO_TEXT = ("whole", "number", "when")


class SqlScanner:
    """Looks through one system by an account that may read texts; whom it looks for it reads by the Discloser.

    ``tables``: only these; None for every table there is, mapped or not.
    """

    def __init__(
        self, url: str, database: Database, discloser: SqlDiscloser, tables: Collection[str] | None = None
    ) -> None:
        self.system, self._database, self._discloser = database.system, database, discloser
        self._engine = open_engine(url, database.system)
        self._only = tables

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def scan(self, permit: object) -> Scanned:
        """Return where anybody of the roster was met; see ``ports.Scanner``. Views are not looked into."""
        needles = Needles(self._discloser.roster(permit), self._discloser.identifiers)
        places: list[str] = []
        hits: dict[str, int] = {}
        unread: dict[str, str] = {}
        for table in self._tables():
            columns = [column.name for column in table.columns.values() if family(column.type) not in _NO_TEXT]
            if not columns:
                continue
            try:
                found = self._look(table, columns, needles)
            except SystemRefused as refused:
                unread[table.name] = refused.on_one_line()
                continue
            places += found
            # Persons, however often each was met: one identifier planted a thousand times moves a count by one,
            # and the blur hides that. Nobody is told exactly: a place without anybody is clean.
            hits |= {place: max(1, blurred(len(met), needles.persons)) for place, met in found.items() if met}
        return Scanned(tuple(places), hits, unread)

    def _tables(self) -> Iterator[TableInfo]:
        with reading(self._engine, self.system) as connection:
            views = _views(sa.inspect(connection), self._database.loaded.qualified)
        for name, table in sorted(self._database.structure.tables.items()):
            if name not in views and (self._only is None or name in self._only):
                yield table

    def _look(self, table: TableInfo, columns: list[str], needles: Needles) -> dict[str, set[int]]:
        source = whole(table, *columns)
        texts: list[sa.ColumnElement[Any]] = [self._text(source.c[name], table.columns[name].type) for name in columns]
        query: sa.Select[Any] = sa.select(*texts)
        met: dict[str, set[int]] = {f"{table.name}.{name}": set() for name in columns}
        for row in stream(self._engine, self.system, query):
            for place, value in zip(met, row, strict=True):
                if value is not None:
                    met[place] |= needles.met(value)
        return met

    def _text(self, column: sa.ColumnElement[Any], kind: str) -> sa.ColumnElement[Any]:
        """Return a column as its server gives it; a type nobody knows (json, uuid, inet) as text."""
        return column if family(kind) or self._database.dialect == "sqlite" else sa.cast(column, sa.Text())


def _views(inspector: sa.Inspector, qualified: bool) -> set[str]:
    if not qualified:
        return set(inspector.get_view_names())
    return {f"{schema}.{name}" for schema in inspector.get_schema_names() for name in inspector.get_view_names(schema)}
