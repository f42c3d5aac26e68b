"""What each account of a system needs, column by column, and the GRANT statements that give exactly that.

Everything follows from the map and the fitted database: what the find account counts, what the sever
account locks and changes, what the prove account streams and joins. No right on a column nobody uses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import sqlalchemy as sa

from reticent.stores.sql import receipts
from reticent.stores.sql.database import Database
from reticent.stores.sql.introspect import OWN_TABLE
from reticent.stores.sql.literal import touched
from reticent.stores.sql.prober import documents, unread, weak
from reticent.systems.mapfile import Action, Aged, Also, Map, Measure, Series
from reticent.systems.paths import place
from reticent.systems.predicates import TRUE, Predicate, fields, links
from reticent.systems.structure import family

Account = Literal["find", "sever", "prove", "roster"]
ACCOUNTS: tuple[Account, ...] = ("find", "sever", "prove")
"""Those every system needs; the roster account is for the scan of ``check`` only."""
_NO_TEXT = ("whole", "number", "when")
Read = tuple[str, str]
"""A table of the map and a field of it."""


@dataclass
class Needs:
    """What one account needs: table -> columns read, columns written, rights on the whole table."""

    select: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    update: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    insert: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    whole: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    sequences: set[str] = field(default_factory=set)

    def tables(self) -> list[str]:
        """Return every table a right is needed on."""
        return sorted({*self.select, *self.update, *self.insert, *self.whole})

    def rights(self, table: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return the rights on one table, each with its columns (none: the whole table)."""
        found = [("SELECT", self.select.get(table)), ("UPDATE", self.update.get(table))]
        found += [("INSERT", self.insert.get(table))]
        limited = [(right, tuple(sorted(columns))) for right, columns in found if columns]
        return limited + [(right, ()) for right in sorted(self.whole.get(table, ()))]


def needs(database: Database, account: Account, *, with_receipts: bool = True, with_roster: bool = False) -> Needs:
    """Return what an account needs on a fitted database; ``branches`` of the database as the site has them.

    The map's reasons to hold back count whether or not the site has decided them: a decision needs no new grant.
    """
    collector = _Collector(database, account)
    getattr(collector, account)()
    collector.anchor()
    if account == "prove" and with_roster:
        collector.scan()
    if account == "sever" and with_receipts:
        collector.found.whole[OWN_TABLE] = {"SELECT", "INSERT", "DELETE"}
    return collector.found


@dataclass
class _Collector:
    database: Database
    account: Account
    found: Needs = field(default_factory=Needs)

    @property
    def loaded(self) -> Map:
        return self.database.loaded

    def find(self) -> None:
        for series in self.database.fit.here(self.loaded):
            self._read(series.table, self._series(series))
            if series.sever != "nothing" and self.database.dialect in ("mysql", "mariadb"):
                self.found.whole[series.table].add("TRIGGER")
        for measure in self.loaded.measures:
            self._read(measure.table, self._measure(measure))
        for wire in self.loaded.tripwires:
            self._read(wire.table, [(wire.table, wire.sum)] if wire.sum else [])
        for exposure in self.loaded.exposures:
            if exposure.when is not None:
                self._read(exposure.table, self._condition(exposure.table, exposure.when))
            else:
                self._literal(exposure.sql, exposure.needs)
        self._places()

    def _places(self) -> None:
        """Settings, branches, saved reports and the stand-in patron."""
        loaded = self.loaded
        if place := loaded.settings_in:
            self._columns(place.table, place.name, place.value)
        if branches := loaded.branches_in:
            self._columns(branches.table, *filter(None, (branches.column, branches.number)))
        if reports := loaded.reports_in:
            self._columns(reports.table, reports.id, reports.sql)
        if sentinel := loaded.sentinel:
            never = [read for condition in sentinel.never for read in self._condition(sentinel.table, condition)]
            self._read(sentinel.table, [(sentinel.table, sentinel.field), *never])

    def sever(self) -> None:
        for series in self.database.fit.here(self.loaded):
            if series.sever == "nothing":
                continue
            self._read(series.table, self._series(series))
            self._walk(series)
            self._change(series)
            for table, rights in self.loaded.tables[series.table].writes.items():
                if table in self.database.structure.tables:
                    self.found.whole[table] |= set(rights)
            for also in series.also:
                self._also(series, also)
            if series.aged is not None:
                self._aged(series, series.aged)
            for measure in self.loaded.measures:
                if measure.id in series.tally:
                    self._read(measure.table, self._measure(measure))

    def _walk(self, series: Series) -> None:
        table = self.loaded.tables[series.table]
        self._read(series.table, [(series.table, name) for name in (table.key or table.window, table.chain) if name])
        if self.database.dialect == "postgresql" and not table.key:
            # A batch is chosen by the row's physical place, which counts as a column of its own.
            self.found.select[series.table].add("ctid")

    def _change(self, series: Series) -> None:
        if isinstance(series.sever, str):
            self.found.whole[series.table].add("DELETE")
            if self.database.dialect == "postgresql" and (key := self._column(series.table, self._lockable(series))):
                # There SELECT ... FOR UPDATE asks for UPDATE on a column, even to delete the row.
                self.found.update[series.table].add(key)
            return
        self._actions(series.table, series.sever)
        here = set(self.database.fit.touched.get(series.table, ()))
        self.found.update[series.table] |= here
        self.found.select[series.table] |= here

    def _actions(self, table: str, actions: Mapping[str, Action]) -> None:
        for name, action in actions.items():
            if column := self._column(table, name):
                self.found.update[table].add(column)
                self._read(table, self._kept(table, name, action))
            if action.disposition == "renumber":
                self.found.sequences.add(action.argument)

    def _also(self, series: Series, also: Also) -> None:
        """Add what goes with a row: the links that lead to it, and what becomes of it."""
        table = series.table
        for link in filter(None, also.link.split(".")):
            self._read(table, self._join(table, link))
            table = self.loaded.tables[table].links[link].table
        table = also.written or table
        if table not in self.database.structure.tables:
            return
        self._read(table, list(self._condition(table, also.when or TRUE)))
        if also.written:
            self.found.select[table] |= {"xmin"}
        if isinstance(also.sever, str):
            self.found.whole[table].add("DELETE")
        else:
            self._actions(table, also.sever)
            # Whether it is severed already is asked of every field.
            self._read(table, [(table, name) for name in also.sever])

    def _aged(self, series: Series, aged: Aged) -> None:
        into = self.loaded.one(aged.series)
        for name, path in aged.paths().items():
            *links, field = path.split(".")
            table = series.table
            for link in links:
                self._read(table, self._join(table, link))
                table = self.loaded.tables[table].links[link].table
            self._read(table, [(table, field)])
            if column := self._column(into.table, name):
                self.found.insert[into.table].add(column)
        self._read(into.table, [(into.table, self.loaded.tables[into.table].key)])

    def _lockable(self, series: Series) -> str:
        table = self.loaded.tables[series.table]
        return table.key or table.window

    def prove(self) -> None:
        for series in self.database.fit.here(self.loaded):
            self._read(series.table, self._series(series))
        for measure in self.loaded.measures:
            if measure.date:
                self._read(measure.table, self._measure(measure))
        for relink in self.loaded.relinks:
            self._literal(relink.sql, relink.needs)

    def roster(self) -> None:
        if (roster := self.loaded.roster) is not None:
            branch = ["branch"] if self.database.branches is not None else []
            known = self.loaded.tables[roster.table].fields
            names = [name for name in (*roster.identifiers, *branch) if name in known]
            self._read(roster.table, [(roster.table, name) for name in names])

    def scan(self) -> None:
        """Add the texts the prover looks through for the whole roster: free texts and tables nobody has read."""
        tables = {table for elsewhere in self.loaded.elsewhere for table in elsewhere.scan}
        for name in tables | {unmapped.name for unmapped in self.database.fit.unmapped}:
            info = self.database.structure.tables.get(name)
            columns = info.columns.values() if info else ()
            self._columns(name, *(column.name for column in columns if family(column.type) not in _NO_TEXT))
        structure = self.database.structure
        probed = (unread, weak, documents)
        for table, read in (each for listed in probed for each in listed(self.loaded, structure)):
            # Its key and indexes say from where in the table a sample is taken.
            self._columns(table.name, *(column.name for column in read), *table.primary_key, *table.indexed)

    def _series(self, series: Series) -> Iterator[Read]:
        """Yield what tells a tie from a row, a finished one from a live one, and whose it is."""
        conditions = [series.is_tied(), *series.open.values(), *(held.when for held in series.held)]
        for condition in (*conditions, series.over or TRUE):
            yield from self._condition(series.table, condition)
        for path in (series.ended, series.date):
            yield from self._path(series.table, path)
        if (table := self.loaded.tables[series.table]).chain:
            yield from ((series.table, name) for name in (table.key, table.chain))
        if self.database.branches is not None:
            yield from self._path(series.table, self.database.branch_path(series))

    def _condition(self, table: str, condition: Predicate) -> Iterator[Read]:
        yield from ((table, name) for name in fields(condition))
        for exists in links(condition):
            if self._joins(table, exists.link):
                yield from self._join(table, exists.link)
                yield from self._condition(self.loaded.tables[table].links[exists.link].table, exists.inner)

    def _joins(self, table: str, link: str) -> bool:
        """Whether a link can be followed in this release. The prover reads the far side all the same."""
        return self.account == "prove" or all(self._column(*read) for read in self._join(table, link))

    def _join(self, table: str, link: str) -> Iterator[Read]:
        spec = self.loaded.tables[table].links[link]
        for theirs, ours in spec.on.items():
            yield from ((spec.table, theirs), (table, ours))

    def _path(self, table: str, path: str) -> Iterator[Read]:
        link, _, name = path.rpartition(".")
        if link and self._joins(table, link):
            yield from self._join(table, link)
            yield (self.loaded.tables[table].links[link].table, name)
        elif name and not link:
            yield (table, name)

    def _measure(self, measure: Measure) -> Iterator[Read]:
        yield from ((measure.table, name) for name in (measure.date, *measure.by) if name)
        yield from self._condition(measure.table, measure.when or TRUE)

    def _kept(self, table: str, name: str, action: Action) -> list[Read]:
        """Return what a change reads: the old value where it is cut or may stay, and the condition's fields."""
        if action.condition is None:
            return [(table, name)] if action.disposition == "generalise" else []
        return [(table, name), *self._condition(table, action.condition)]

    def _read(self, table: str, reads: Iterator[Read] | list[Read]) -> None:
        if table not in self.database.structure.tables:
            return
        for name, read in reads:
            if column := self._column(name, read):
                self.found.select[name].add(column)
        self.found.select.setdefault(table, set())

    def anchor(self) -> None:
        """Add one column where rows are only counted: even that takes a right on a column of theirs."""
        for table in [name for name, columns in self.found.select.items() if not columns]:
            spec = self.loaded.tables[table]
            column = self._column(table, spec.key or spec.window or next(iter(spec.fields)))
            self.found.select[table].add(column or next(iter(self.database.structure.tables[table].columns)))

    def _column(self, table: str, name: str) -> str | None:
        """Return the column a field stands in: PostgreSQL grants columns, not paths into the document in one."""
        found = self.database.fit.columns[table][name] if name else None
        return place(found).column if found else None

    def _columns(self, table: str, *columns: str) -> None:
        if table in self.database.structure.tables:
            self.found.select[table] |= set(columns)

    def _literal(self, sql: str, wanted: tuple[str, ...]) -> None:
        tables = self.database.structure.tables
        pairs = [need.rpartition(".") for need in wanted]
        if all(table in tables and tables[table].column(column) for table, _, column in pairs):
            for table, columns in touched(
                sql, "postgresql" if self.database.dialect == "postgresql" else "mysql"
            ).read.items():
                self._columns(table, *columns)


def statements(
    database: Database,
    account: Account,
    owner: str,
    place: str,
    *,
    with_receipts: bool = True,
    with_roster: bool = False,
) -> list[str]:
    """Return the GRANT statements for one account, a table a line.

    ``owner`` is the account as a GRANT names it; ``place`` the database (MariaDB, MySQL) or schema (PostgreSQL).
    """
    quote = _quoted(database.dialect)
    wanted = needs(database, account, with_receipts=with_receipts, with_roster=with_roster)
    named = {name: _named(database, name, place) for name in wanted.tables()}
    schemas = dict.fromkeys([place, *(schema for schema, _ in named.values())])
    lines = _first(database, account, owner, place, schemas)
    for table, (schema, bare) in named.items():
        rights = [f"{right} ({', '.join(map(quote, of))})" if of else right for right, of in wanted.rights(table)]
        if rights:
            lines.append(f"GRANT {', '.join(rights)} ON {quote(schema)}.{quote(bare)} TO {owner};")
    return lines + _beyond_tables(database, account, owner, wanted)


def _named(database: Database, name: str, place: str) -> tuple[str, str]:
    """Return a table's schema (or database) and its name there; either may have a dot in it."""
    table = database.structure.tables.get(name)
    return (table.schema or place, table.bare) if table else (place, name)


def _beyond_tables(database: Database, account: Account, owner: str, wanted: Needs) -> list[str]:
    """Return the rights to draw numbers, to leave triggers out, and for the triggers where they are not left out."""
    lines = [f"GRANT USAGE ON SEQUENCE {name} TO {owner};" for name in sorted(wanted.sequences)]
    here = [series for series in database.fit.here(database.loaded) if account == "sever"]
    if database.grants_parameters and any(series.set for series in here):
        lines.append(f"GRANT SET ON PARAMETER session_replication_role TO {owner};")
    return lines + [f"GRANT {right} TO {owner};" for right in dict.fromkeys(r for s in here for r in s.native)]


def _first(database: Database, account: Account, owner: str, place: str, schemas: Iterable[str]) -> list[str]:
    quote = _quoted(database.dialect)
    if database.dialect == "postgresql":
        return [f"GRANT USAGE ON SCHEMA {', '.join(map(quote, schemas))} TO {owner};"]
    return [sight(place, owner)] if account == "find" else []


def sight(place: str, owner: str) -> str:
    """Return the grant that lets the find account see tables, columns and keys, and no row; see ``rights``."""
    return f"GRANT REFERENCES ON {_quoted('mysql')(place)}.* TO {owner};"


def receipts_table(dialect: str, place: str) -> str:
    """Return the CREATE TABLE statement of Reticent's one table, on one line."""
    made = " ".join(receipts.ddl(_dialect(dialect)).split())
    named = f"{_quoted(dialect)(place)}.{OWN_TABLE}"
    return made.replace(f"CREATE TABLE {OWN_TABLE}", f"CREATE TABLE IF NOT EXISTS {named}", 1) + ";"


def _dialect(name: str) -> sa.Dialect:
    return sa.make_url({"postgresql": "postgresql+psycopg://"}.get(name, "mysql+pymysql://")).get_dialect()()


def _quoted(dialect: str) -> Callable[[str], str]:
    """Return what quotes a name for a statement that a person pastes: a percent sign is one, not two for a driver."""
    preparer = _dialect(dialect).identifier_preparer
    return lambda name: preparer.quote_identifier(name).replace("%%", "%")
