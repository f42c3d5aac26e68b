"""The Reader of SQL systems: streams named fields to the prover by the prove account. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from reticent.ports import UNREADABLE
from reticent.site import Site
from reticent.stores.sql import documents
from reticent.stores.sql.compile import Compiler
from reticent.stores.sql.connect import open_engine, reading, translating
from reticent.stores.sql.database import Database
from reticent.systems.paths import Place
from reticent.systems.structure import family

BATCH_ROWS = 5000
_NUMBERS = ("whole", "number")


class SqlReader:
    """Reads one system by its prove account, which needs SELECT on the fields it is asked for only."""

    def __init__(self, site: Site, database: Database) -> None:
        self.system, self._database = database.system, database
        self._engine = open_engine(site.account(database.system, "prove"), database.system)

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    @property
    def folds_case(self) -> bool:
        """Whether texts are compared without case, accents and trailing spaces: Koha's collations on MariaDB."""
        return self._database.dialect in ("mysql", "mariadb")

    def family(self, table: str, field: str) -> str:
        """Return the type family of a field: as it was read when the map was made, else as it is here."""
        column = self._database.fit.columns[table][field]
        if column is None:
            return ""
        known = self._database.loaded.known.get(table, {}).get(self._database.loaded.tables[table].fields[field].column)
        return family(known[0] if known else self._database.structure.tables[table].columns[column].type)

    def has(self, column: str) -> bool:
        """Whether a ``table.column`` is there."""
        table, _, name = column.rpartition(".")
        info = self._database.structure.tables.get(table)
        return info is not None and info.column(name) is not None

    def rows(self, table: str, fields: Sequence[str], present: Sequence[str] = ()) -> Iterator[tuple[Any, ...]]:
        """Stream fields of every row, ``BATCH_ROWS`` at a time; see ``ports.Reader``.

        Raises SystemUnreachable or SystemRefused while it is being read.
        """
        if table not in self._database.structure.tables:
            return
        readers = [self._readable(table, name) for name in fields]
        with self._streaming() as connection:
            told = self._told(connection, table, (*fields, *present))
            for batch in connection.execute(self._query(table, fields, present)).partitions(BATCH_ROWS):
                columns: list[Sequence[Any]] = list(zip(*batch, strict=True))
                for number, read_document in told:
                    columns[number] = read_document(columns[number])
                for number, read in enumerate(readers):
                    if read is not None:
                        columns[number] = read(columns[number])
                yield from zip(*columns, strict=True)

    def _query(self, table: str, fields: Sequence[str], present: Sequence[str]) -> sa.Select[Any]:
        compiler = self._database.compiler()
        source = compiler.table(table)
        wanted = [self._asked(compiler, source, table, name, is_value=True) for name in fields]
        wanted += [self._asked(compiler, source, table, name, is_value=False) for name in present]
        # A question that needs no field still counts rows.
        labelled = [column.label(f"f{number}") for number, column in enumerate(wanted or [sa.null()])]
        return sa.select(*labelled).select_from(source)

    def _asked(
        self, compiler: Compiler, source: sa.FromClause, table: str, name: str, *, is_value: bool
    ) -> sa.ColumnElement[Any]:
        """Return what is asked of the server for a field: its value, or whether it holds anything."""
        if (stands := compiler.stands(table, name)) is not None:
            return documents.asked(source.c[stands.column], stands, self._kind(table, stands), is_value=is_value)
        column = compiler.column(source, table, name)
        if column is None:
            return sa.null()
        return column if is_value else sa.case((column.is_not(None), sa.literal_column("1")))

    def _kind(self, table: str, stands: Place) -> str:
        return self._database.fit.types[table][stands.written]

    def _told(
        self, connection: sa.Connection, table: str, names: Sequence[str]
    ) -> list[tuple[int, Callable[[Sequence[Any]], Sequence[Any]]]]:
        """Return how the fields are read that stand in documents, by their number."""
        compiler = self._database.compiler()
        found = []
        for number, name in enumerate(names):
            stands = compiler.stands(table, name)
            if stands is not None:
                found.append((number, documents.reading(stands, self._kind(table, stands), documents.zone(connection))))
        return found

    @contextmanager
    def _streaming(self) -> Iterator[sa.Connection]:
        options: dict[str, Any] = {"stream_results": True, "max_row_buffer": BATCH_ROWS}
        with translating(self.system), self._engine.connect() as connection:
            if self._database.dialect == "postgresql":
                # Its cursors live inside a transaction only.
                with connection.begin():
                    yield connection.execution_options(**options)
            else:
                yield connection.execution_options(isolation_level="AUTOCOMMIT", **options)

    def _readable(self, table: str, field: str) -> Callable[[Sequence[Any]], Sequence[Any]] | None:
        kind = self.family(table, field)
        if self._database.compiler().stands(table, field) is not None:
            return None
        if self._database.fit.types.get(table, {}).get(self._database.fit.columns[table][field] or "") == "uuid":
            return _texts
        if kind == "when":
            return _moments
        return _numbers if kind in _NUMBERS and self._database.dialect == "sqlite" else None

    def count(self, sql: str, parameters: Mapping[str, object]) -> int:
        """Run one literal counting query; of ``parameters`` those it names are bound, moments as stored here."""
        query = sa.text(sql)
        bound = {name: self._bound(parameters[name]) for name in query.compile().params}
        with reading(self._engine, self.system) as connection:
            return int(connection.execute(query, bound).scalar_one())

    def _bound(self, value: object) -> object:
        if isinstance(value, datetime) and self._database.dialect == "sqlite":
            return value.strftime("%Y-%m-%d %H:%M:%S")
        return value


def _texts(column: Sequence[Any]) -> Sequence[Any]:
    return [None if value is None else str(value) for value in column]


def _moments(column: Sequence[Any]) -> Sequence[Any]:
    return [v if v is None or (type(v) is datetime and v.tzinfo is None) else _moment(v) for v in column]


def _moment(value: object) -> object:
    """Return a naive datetime; UNREADABLE for text that is no date (MariaDB's 0000-00-00 comes as text)."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the database's own local day
    # fromisoformat also takes "20240101" and a trailing "Z"; the SQL side does not, and neither is Koha's.
    if isinstance(value, str) and value[4:5] == value[7:8] == "-" and len(value) >= len("2024-01-01"):
        try:
            return datetime.fromisoformat(value).replace(tzinfo=None)
        except ValueError:
            return UNREADABLE
    return UNREADABLE


def _numbers(column: Sequence[Any]) -> Sequence[Any]:
    """SQLite keeps a text in a number column when it is no number."""
    return [UNREADABLE if isinstance(value, str | bytes) else value for value in column]
