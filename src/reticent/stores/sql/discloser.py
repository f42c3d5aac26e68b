"""The Discloser of SQL systems: the only door behind which a tie has a name. Opens for a permit of the gate.

Whole tables are streamed and matched here: no identifier, item or date of a scope is ever in a
statement, so the server's logs are the same whomever an order is about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from reticent.errors import NotPermitted, SystemRefused
from reticent.model import NotLookedAt, RecordClass
from reticent.policy.permits import Grant, Scope, Verb
from reticent.stores.needles import LEAST
from reticent.stores.sql.compile import Column
from reticent.stores.sql.conditions import Conditions
from reticent.stores.sql.connect import open_engine, reading
from reticent.stores.sql.database import Database
from reticent.stores.sql.streams import stream
from reticent.stores.sql.walks import Whose
from reticent.systems.mapfile import Issued, Roster, Series, Titled
from reticent.systems.structure import family

_OWN_NUMBER = "system's own number "
"""Before an item's internal number, which so is never taken for a barcode that is written alike."""

GONE = "(no longer in the catalogue)"
"""In place of the title of an item or record that is not there any more."""

OWN = "prepareOwnExport"
"""The action of a permit for a patron's own records."""

OpenPermit = Callable[[object, Verb, str], Grant]
Row = tuple[Any, ...]


class SqlDiscloser:
    """Answers who, in one system, to a permit; ``url`` is entered for the occasion and never stored.

    ``left_out`` tells, once a stream has ended, what the permit covers and could not be read.
    """

    def __init__(self, url: str, database: Database, open_permit: OpenPermit) -> None:
        if database.loaded.roster is None:
            raise SystemRefused(
                f"The map of {database.system} does not say where its patrons' identifiers are.",
                where=f"map {database.loaded.kind}",
                do="Add [roster] to the map.",
            )
        self.system, self._database, self._roster = database.system, database, database.loaded.roster
        self._engine, self._open = open_engine(url, database.system), open_permit
        self.left_out: list[NotLookedAt] = []
        self._numbers: Mapping[tuple[str, str], str] | None = None

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    @property
    def identifiers(self) -> Roster:
        """Which fields of the roster tell who somebody is."""
        return self._roster

    def persons(self) -> int:
        """Count the persons of the roster; needs no permit, as it tells nothing of anybody."""
        people = self._people(()).subquery()
        with reading(self._engine, self.system) as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(people)).scalar_one())

    def roster(self, permit: object) -> Iterator[Mapping[str, str]]:
        """Stream the identifiers of every patron, field by field; whole, never of fewer than ``LEAST`` persons.

        Raises NotPermitted at once, before anything is read.
        """
        self._open(permit, "roster", self.system)
        if self.persons() < LEAST:
            raise NotPermitted(
                f"The roster of {self.system} holds fewer than {LEAST} persons.",
                do="So few cannot be looked for together without looking for each.",
            )
        return self._stream_roster()

    def ties(self, permit: object) -> Iterator[Mapping[str, object]]:
        """Stream the ties inside the permit's scope.

        Each is ``id``, ``system``, ``series``, ``record_class``, ``place``, ``patron`` and ``item`` (as the scope
        names them, else as the library issued them), ``title``, ``used_at`` and ``ended`` (UTC; None where there is
        none), ``open``, and ``tells``: what the use was. A patron's own permit also opens what has no date. Raises
        NotPermitted at once for what is no good permit; and while reading, before the first tie, when an identifier
        of the scope names more than one patron.
        """
        grant = self._open(permit, "ties", self.system)
        self.left_out = []
        ties = self._ties(grant.scope, undated=grant.action == OWN)
        return self._titled(self._with_items(ties))

    def counts(self, permit: object) -> Mapping[str, int]:
        """Return series -> ties inside the permit's scope. Nobody's tie leaves; raises as ``ties`` does."""
        scope = self._open(permit, "count", self.system).scope
        self.left_out = []
        return Counter(str(tie["series"]) for tie in self._ties(scope))

    def whose(self, permit: object) -> Whose:
        """Return the person of their own permit as this system numbers them, for severing at their wish.

        Raises NotPermitted for another permit, and where the identifier names more than one patron.
        """
        grant = self._open(permit, "ties", self.system)
        if grant.action != OWN:
            raise NotPermitted("Only a patron's own permit severs at their wish.", where=f"system {self.system}")
        self.left_out = []
        return Whose(frozenset(self._resolved(self._roster, grant.scope.patrons, "patron")))

    def _people(self, fields: tuple[str, ...]) -> sa.Select[Any]:
        """Return the query of the roster: the site's own branches, without the stand-in patron."""
        return self._numbered(self._roster, fields)

    def _numbered(self, issued: Issued, fields: tuple[str, ...]) -> sa.Select[Any]:
        compiler = self._database.compiler()
        source = compiler.table(issued.table)
        columns = [compiler.column(source, issued.table, name) for name in (issued.number, *fields)]
        labelled = _labelled(columns)
        query = sa.select(*labelled).select_from(source)
        if issued is not self._roster:
            return query
        if columns[0] is not None and self._database.sentinel is not None:
            query = query.where(columns[0] != self._database.sentinel)
        return query if (ours := self._ours(source)) is None else query.where(ours)

    def _ours(self, source: sa.FromClause) -> sa.ColumnElement[bool] | None:
        """Return which patrons are the site's own; None where all are."""
        branches, table = self._database.branches, self._roster.table
        if branches is None:
            return None
        known = "branch" in self._database.loaded.tables[table].fields
        column = self._database.compiler().column(source, table, "branch") if known else None
        return sa.false() if column is None else column.in_(branches)

    def _stream_roster(self) -> Iterator[Mapping[str, str]]:
        fields = self._roster.identifiers[:-1]
        for row in stream(self._engine, self.system, self._people(fields)):
            found = {name: str(value).strip() for name, value in zip(fields, row[1:], strict=True) if value}
            yield {name: value for name, value in found.items() if value} | {self._roster.number: str(row[0])}

    def _ties(self, scope: Scope, *, undated: bool = False) -> Iterator[Mapping[str, object]]:
        """Stream what is inside a scope; with ``undated`` also what has no date that can be read."""
        catalogue = self._database.loaded.catalogue
        patrons = self._resolved(self._roster, scope.patrons, "patron")
        if scope.items and catalogue is None:
            self._leave_out("items", "the map does not say which identifiers items have")
        items = self._resolved(catalogue, scope.items, "item") if catalogue else {}
        if not patrons and not items:
            return
        everybody = self._everybody() if items else {}
        match = _Match(patrons, items, everybody, scope.since.timestamp(), scope.before.timestamp(), undated)
        for series in self._database.loaded.series:
            if series.record_class.value in scope.classes and series.id not in self._database.fit.absent:
                yield from self._series(series, match)

    def _resolved(self, issued: Issued, wanted: frozenset[str], what: str) -> dict[str, str]:
        """Return number -> the identifier of the scope that names it."""
        if not wanted:
            return {}
        named: dict[str, set[str]] = {_fold(one): set() for one in wanted}
        for number, *values in stream(self._engine, self.system, self._numbered(issued, issued.issued)):
            for value in values:
                if value is not None and _fold(value) in named:
                    named[_fold(value)].add(str(number))
        if any(len(numbers) > 1 for numbers in named.values()):
            raise NotPermitted(
                f"An identifier of the scope names more than one {what}; nothing was read.",
                where=f"system {self.system}",
                do="Name each by an identifier that is theirs alone, and have the scope approved again.",
            )
        if nobody := sum(not numbers for numbers in named.values()):
            self._leave_out(f"{what}s of the scope", f"{nobody} of {len(named)} identifiers name no {what} here")
        return {number: one for one in sorted(wanted) for number in named[_fold(one)]}

    def _with_items(self, ties: Iterator[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
        """Name items by what the library issued, where the catalogue knows it."""
        found = list(ties)
        wanted = {item for tie in found if (item := str(tie["item"])).startswith(_OWN_NUMBER)}
        catalogue = self._database.loaded.catalogue
        issued: dict[str, str] = {}
        if wanted and catalogue is not None:
            # The whole catalogue, so that the server's log tells nothing of what was used.
            for number, *values in stream(self._engine, self.system, self._numbered(catalogue, catalogue.issued)):
                own = f"{_OWN_NUMBER}{number}"
                if own in wanted and (value := next((str(one) for one in values if one), "")):
                    issued[own] = value
        for tie in found:
            yield {**tie, "item": issued.get(str(tie["item"]), tie["item"])}

    def _titled(self, ties: Iterator[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
        """Add the title of what a tie names and does not itself entitle; ``GONE`` where it is there no more."""
        told = [(tie, _told(tie)) for tie in ties]
        known: dict[str, Mapping[str, str]] = {}
        for field, titled in self._database.loaded.titles.items():
            wanted = {tells[field] for _, tells in told if field in tells}
            if wanted and (found := self._titles(titled, wanted)) is not None:
                known[field] = found
        for tie, tells in told:
            named = [field for field in known if field in tells and "title" not in tells]
            titles = [title for field in named if (title := known[field].get(tells[field]))]
            yield {**tie, "title": next(iter(titles), GONE if named else "")}

    def _titles(self, titled: Titled, wanted: Collection[str]) -> dict[str, str] | None:
        """Return number -> title; None where there is no reading it. The whole table is read, as for items."""
        compiler = self._database.compiler()
        source = compiler.table(titled.table)
        number = compiler.column(source, titled.table, titled.number)
        title = compiler.path(source, titled.table, titled.title)
        if number is None or title is None:
            return None
        try:
            rows = stream(self._engine, self.system, sa.select(*_labelled([number, title])).select_from(source))
            return {str(own): " ".join(str(said).split()) for own, said in rows if said and str(own) in wanted}
        except SystemRefused as refused:
            self._leave_out("titles", refused.what)
            return None

    def _everybody(self) -> dict[str, str]:
        """Return number -> first issued identifier of every patron: whom an item of the scope may lead to."""
        rows = stream(self._engine, self.system, self._people(self._roster.issued))
        return {str(number): next((str(v) for v in values if v), str(number)) for number, *values in rows}

    def _leave_out(self, place: str, why: str) -> None:
        self.left_out.append(NotLookedAt(self.system, place, why))

    def _series(self, series: Series, match: _Match) -> Iterator[Mapping[str, object]]:
        question = _Question(self._database, series)
        if why := self._unreadable(question, match):
            self._leave_out(series.title, why)
            return
        issued = self._issued() if any(question.by_issued) else {}
        rows, undated = 0, 0
        for row in stream(self._engine, self.system, question.query()):
            found = question.read(row, issued)
            patron = match.patron(found)
            if patron is None:
                continue
            undated += found.used_at is None and not match.undated
            if match.dated(found):
                rows += 1
                item = match.items.get(found.item, f"{_OWN_NUMBER}{found.item}") if found.item else None
                yield {
                    "id": f"{self.system}/{series.id}/{rows}",
                    "system": self.system,
                    "series": series.id,
                    "record_class": series.record_class.value,
                    "place": series.table,
                    "patron": patron,
                    "item": item,
                    "used_at": _moment(found.used_at),
                    "ended": _moment(found.ended),
                    "open": found.open,
                    "tells": found.tells,
                }
        if undated:
            self._leave_out(series.title, "some of its rows have no date that can be read, so none inside the scope")

    def _issued(self) -> Mapping[tuple[str, str], str]:
        """Return (field, identifier) -> number of every patron whose identifier is theirs alone."""
        if self._numbers is None:
            found: dict[tuple[str, str], set[str]] = {}
            for number, *values in stream(self._engine, self.system, self._people(self._roster.issued)):
                for field, value in zip(self._roster.issued, values, strict=True):
                    if value:
                        found.setdefault((field, _fold(value)), set()).add(str(number))
            self._numbers = {each: next(iter(numbers)) for each, numbers in found.items() if len(numbers) == 1}
        return self._numbers

    def _unreadable(self, question: _Question, match: _Match) -> str:
        series = question.series
        if series.id in self._database.fit.refused:
            return f"not touched here: {self._database.fit.refused[series.id]}"
        if not question.tells_whose:
            return "its rows do not say for certain whose they are"
        return "" if series.date or series.ended or match.undated else "its rows carry no date"


@dataclass(frozen=True)
class _Found:
    """One row as far as the scope needs it; times in seconds since 1970, UTC."""

    numbers: tuple[str, ...]
    item: str
    used_at: float | None
    ended: float | None
    open: bool
    tells: Mapping[str, str]


@dataclass(frozen=True)
class _Match:
    """A scope resolved to this system's own numbers."""

    patrons: Mapping[str, str]
    items: Mapping[str, str]
    everybody: Mapping[str, str]
    since: float
    before: float
    undated: bool

    def dated(self, found: _Found) -> bool:
        """Whether the row is inside as to its date."""
        return self.undated if found.used_at is None else self.since <= found.used_at < self.before

    def patron(self, found: _Found) -> str | None:
        """Return whose the row is, if it is inside as to patron or item."""
        for number in found.numbers:
            if number in self.patrons:
                return self.patrons[number]
        if found.item not in self.items:
            return None
        return next((self.everybody[number] for number in found.numbers if number in self.everybody), None)


class _Question:
    """The one query of a series, the same for every scope, and how its rows are read."""

    def __init__(self, database: Database, series: Series) -> None:
        self._database, self.series = database, series
        self._conditions = Conditions(database, series)
        fields = database.loaded.tables[series.table].fields
        roster = database.loaded.roster
        own = roster.identifiers if isinstance(roster, Roster) and series.table == roster.table else ()
        self._who, by_issued = self._whose(roster)
        self.by_issued = (*("" for _ in series.persons), by_issued) if series.who else ("",) * len(series.persons)
        """For each field that says whose a row is: the identifier of the roster it holds; "" for the number."""
        # What staff did is theirs; what it was done to is somebody else's use.
        others = series.record_class is RecordClass.STAFF_ACTION
        self._item = ("item",) if "item" in fields and not others else ()
        self._tells = tuple(name for name in (*database.loaded.tells, *own) if name in fields and not others)

    def _whose(self, roster: Roster | None) -> tuple[tuple[str, ...], str]:
        """Return the fields that say whose a row is, and which issued identifier the last of them holds."""
        link, _, name = self.series.who.partition(".")
        join = self._database.loaded.tables[self.series.table].links.get(link)
        if roster is not None and join is not None and join.table == roster.table and name == roster.number:
            ((theirs, ours),) = list(join.on.items())[:1]
            if len(join.on) == 1 and theirs in roster.issued:
                return (*self.series.persons, ours), theirs
        return tuple(filter(None, (*self.series.persons, self.series.who))), ""

    @property
    def tells_whose(self) -> bool:
        """Whether a field holds patrons' numbers, or identifiers that lead to them: not names, mail or telephones."""
        roster = self._database.loaded.roster
        assert roster is not None  # noqa: S101 - there is no discloser without one
        number = self._kind(roster.table, roster.number)
        return bool(self.series.who) or any(
            self._kind(self.series.table, name) == number for name in self.series.persons
        )

    def _kind(self, table: str, name: str) -> str:
        column = self._database.fit.columns[table][name]
        kind = self._database.fit.types.get(table, {}).get(column or "", "")
        return kind if kind == "uuid" else family(kind)

    def query(self) -> sa.Select[Any]:
        """Return the query: every tie of the series that is the site's own."""
        conditions, series = self._conditions, self.series
        compiler, source = conditions.compiler, conditions.source
        living = [compiler.holds(source, series.table, condition) for condition in series.open.values()]
        living += [compiler.fails(source, series.table, series.over)] if series.over is not None else []
        wanted = [
            self._epoch(conditions.date),
            self._epoch(conditions.ended),
            sa.case((sa.or_(sa.false(), *living), 1)),
        ]
        paths = (*self._who, *self._item, *self._tells)
        labelled = _labelled([*wanted, *(compiler.path(source, series.table, path) for path in paths)])
        where = [conditions.tied]
        if conditions.scope is not None:
            where.append(compiler.holds(source, series.table, conditions.scope))
        return sa.select(*labelled).select_from(source).where(*where)

    def read(self, row: Row, issued: Mapping[tuple[str, str], str]) -> _Found:
        """Read one row of the query."""
        used_at, ended, is_open, *rest = row
        who, rest = rest[: len(self._who)], rest[len(self._who) :]
        item, tells = rest[: len(self._item)], rest[len(self._item) :]
        told = {name: str(value) for name, value in zip(self._tells, tells, strict=True) if value is not None}
        return _Found(
            tuple(
                issued.get((field, _fold(value)), "") if field else str(value)
                for field, value in zip(self.by_issued, who, strict=True)
                if value is not None
            ),
            str(item[0]) if item and item[0] is not None else "",
            None if used_at is None else float(used_at),
            None if ended is None else float(ended),
            bool(is_open),
            told,
        )

    def _epoch(self, moment: Column | None) -> Column:
        """Return a local moment as seconds since 1970 by the database's own time zone; NULL if it is none."""
        if moment is None:
            return sa.null()
        if self._database.dialect == "sqlite":
            return sa.cast(sa.func.strftime("%s", moment, "utc"), sa.Integer)
        if self._database.dialect == "postgresql":
            local = sa.func.timezone(sa.func.current_setting("TimeZone"), sa.cast(moment, sa.DateTime()))
            return sa.func.date_part("epoch", local)
        # 0 is what the server makes of 0000-00-00.
        return sa.func.nullif(sa.func.unix_timestamp(moment), 0)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _told(tie: Mapping[str, object]) -> Mapping[str, str]:
    tells = tie["tells"]
    return tells if isinstance(tells, Mapping) else {}


def _fold(value: object) -> str:
    """Return the form under which two identifiers are the same: none differ by case or outer spaces only."""
    return str(value).strip().casefold()


def _labelled(columns: Sequence[Column | None]) -> list[sa.Label[Any]]:
    """Return columns under names of their own; NULL for what this release does not have."""
    found: list[sa.Label[Any]] = []
    for index, column in enumerate(columns):
        known: Column = sa.null() if column is None else column
        found.append(known.label(f"f{index}"))
    return found
