"""When is a row of a series a tie, open, held back, due? The conditions of one series as SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

import sqlalchemy as sa

from reticent.stores.sql.compile import Column, Compiler, Sql
from reticent.stores.sql.database import Database
from reticent.systems.mapfile import Series
from reticent.systems.predicates import And, Exists, Field, In, IsNull, Not, Predicate, links

Made = TypeVar("Made")

OPEN, WITHIN, DUE, WITHHELD = 0, 1, 2, 10
UNDECIDED = "could not be decided"
NO_BRANCH = "whose branch it is cannot be told"
NO_DATE = "no end date"
FUTURE = "end date in the future"
CIRCULAR = "rows that follow one another in a circle"


@dataclass(frozen=True)
class Conditions:
    """The conditions of one series in one database; ``few`` as in the compiler."""

    database: Database
    series: Series
    few: bool = False

    @cached_property
    def compiler(self) -> Compiler:
        """The predicate compiler these conditions are made with."""
        return self.database.compiler(few=self.few)

    @cached_property
    def source(self) -> sa.FromClause:
        """The table itself."""
        return self.compiler.table(self.series.table)

    def _holds(self, predicate: Predicate) -> Sql:
        return self.compiler.holds(self.source, self.series.table, predicate)

    def _fails(self, predicate: Predicate) -> Sql:
        return self.compiler.fails(self.source, self.series.table, predicate)

    @cached_property
    def tied(self) -> Sql:
        """TRUE where a row ties a patron to a use."""
        return self._holds(self.series.is_tied())

    @cached_property
    def ended(self) -> Column | None:
        """When the purpose ended, None if the series has no such date."""
        return self._path(self.series.ended)

    @cached_property
    def date(self) -> Column | None:
        """When the use was."""
        return self._path(self.series.date or self.series.ended)

    def _path(self, path: str) -> Column | None:
        if not path:
            return None
        found = self.compiler.path(self.source, self.series.table, path)
        # A date this release does not keep is a date nobody knows, not a purpose that has ended.
        return sa.cast(sa.null(), sa.DateTime()) if found is None else found

    def _readable(self, moment: Column) -> Column:
        """Return a moment where it is one, else NULL: MariaDB may hold 0000-00-00, SQLite any text."""
        if self.database_is_sqlite:
            return sa.case((sa.func.date(moment) == sa.func.substr(moment, 1, 10), sa.func.datetime(moment)))
        if self.database.dialect == "postgresql":
            return moment
        parts = (sa.func.year(moment) > 0, sa.func.month(moment) > 0, sa.func.dayofmonth(moment) > 0)
        return sa.case((sa.and_(*parts), moment))

    @cached_property
    def endless(self) -> Sql:
        """TRUE where no end date stands; not where one stands that cannot be read."""
        if self.database.dialect == "postgresql":
            return self.compiler.absent(self.source, self.series.table, self.series.ended)
        return self.missing(self.ended) if self.ended is not None else sa.true()

    def missing(self, moment: Column) -> Sql:
        """TRUE where there is no date; one that is none, such as 0000-00-00, is not missing but unreadable."""
        if self.database.dialect in ("mysql", "mariadb"):
            # Of a DATETIME that may not be NULL, the server says that 0000-00-00 IS NULL.
            return sa.and_(moment.is_(None), sa.func.year(moment).is_(None))
        return moment.is_(None)

    def reasons(self) -> list[tuple[str, Predicate]]:
        """Return the reasons that hold a finished tie back, as far as the site has not decided them away."""
        held = self.series.held
        return [(h.reason, h.when) for h in held if not (h.until and h.until in self.database.decided)]

    @cached_property
    def _made(self) -> dict[object, Any]:
        return {}

    def once(self, make: Callable[[], Made], *what: object) -> Made:
        """Build a thing once: a run asks for the same ones at every chunk, and building costs more than sending."""
        if what not in self._made:
            self._made[what] = make()
        made: Made = self._made[what]
        return made

    @cached_property
    def key(self) -> Column:
        """The table's key: a surrogate, never a person or a use."""
        key = self.compiler.column(self.source, self.series.table, self.database.loaded.tables[self.series.table].key)
        assert key is not None  # noqa: S101 - a missing key column refuses the series
        return key

    @cached_property
    def keys(self) -> sa.BindParameter[Any]:
        """The keys of a chunk's rows, as the text of an array that takes the type of what it is compared with."""
        return sa.bindparam("keys", type_=sa.types.NULLTYPE)

    @cached_property
    def among(self) -> Sql:
        """TRUE of rows whose keys are among ``keys`` (PostgreSQL)."""
        return self.key == sa.any_(self.keys)

    @cached_property
    def scope(self) -> Predicate | None:
        """The rows of the site's own branches; None where every row is."""
        if self.database.branches is None:
            return None
        link, _, name = self.database.branch_path(self.series).rpartition(".")
        ours = In(Field(name), self.database.branches)
        return Exists(link, ours) if link else ours

    @cached_property
    def others(self) -> Predicate | None:
        """The rows known to be another library's. What is neither is withheld: nobody can tell whose it is."""
        match self.scope:
            case Exists(link, ours):
                return Exists(link, Not(ours))
            case None:
                return None
            case ours:
                return Not(ours)

    def _parts(self) -> Iterator[tuple[Predicate, bool]]:
        """Yield every predicate a due row must fulfil (True) or falsify (False)."""
        for wanted in filter(None, (self.series.is_tied(), self.scope, self.series.over)):
            for part in wanted.parts if isinstance(wanted, And) else (wanted,):
                if self.series.undated == "due" or part != Not(IsNull(Field(self.series.ended))):
                    yield part, True  # what ended before a moment has an end, and moments are slow to read
        for condition in self.series.open.values():
            yield condition, False
        for _, condition in self.reasons():
            yield condition, False

    def _clear(self) -> Iterator[Sql]:
        return self._compiled(self._parts())

    def _compiled(self, parts: Iterable[tuple[Predicate, bool]]) -> Iterator[Sql]:
        return (self._holds(predicate) if wanted else self._fails(predicate) for predicate, wanted in parts)

    def due(self, cutoff: datetime) -> Sql:
        """TRUE only for rows that are ties, finished, held back by nothing, and older than the cutoff."""
        return self.once(lambda: sa.and_(*self._clear(), *self._ended_before(cutoff)), "due", cutoff)

    def own(self, cutoff: datetime) -> Sql:
        """The part of ``due`` that reads no other table: an UPDATE with it locks no row but its own."""
        return self.once(lambda: self._make_own(cutoff), "own", cutoff)

    def _make_own(self, cutoff: datetime) -> Sql:
        ended = () if "." in self.series.ended else self._ended_before(cutoff)
        parts = self._compiled(part for part in self._parts() if not any(links(part[0])))
        return sa.and_(sa.true(), *parts, *ended)

    def not_elsewhere(self, cutoff: datetime) -> list[Sql]:
        """Return conditions of which one is TRUE where another table keeps a row of ``own`` from being due."""
        return self.once(lambda: self._make_not_elsewhere(cutoff), "not elsewhere", cutoff)

    def _make_not_elsewhere(self, cutoff: datetime) -> list[Sql]:
        found: list[Sql] = []
        of_one: dict[str, list[Predicate]] = {}
        for predicate, wanted in self._parts():
            match predicate:
                case Exists(link, inner) if wanted and self._leads_to_one(link):
                    of_one.setdefault(link, []).append(inner)
                case _ if any(links(predicate)) and wanted:
                    found.append(self._holds(predicate).is_not(sa.true()))
                case _ if any(links(predicate)):
                    found += self.compiler.possible(self.source, self.series.table, predicate)
        link = self.series.ended.rpartition(".")[0]
        if link and link not in of_one:
            found += (part.is_not(sa.true()) for part in self._ended_before(cutoff))
        return found + [self._unlike(link, inner, cutoff) for link, inner in of_one.items()]

    def _leads_to_one(self, link: str) -> bool:
        """Whether a link goes by the other table's key, so that all that is asked of it is asked of one row."""
        spec = self.database.loaded.tables[self.series.table].links[link]
        undated = self.series.undated == "due" and self.series.ended.startswith(f"{link}.")
        return tuple(spec.on) == (self.database.loaded.tables[spec.table].key,) and not undated

    def _unlike(self, link: str, inner: Sequence[Predicate], cutoff: datetime) -> Sql:
        """TRUE unless the one row a link leads to fulfils all that is asked of it; looked up once."""
        compiler = self.compiler
        table, there, joined = compiler.join(self.source, self.series.table, link)
        if joined is None:
            return sa.true()
        of, _, name = self.series.ended.rpartition(".")
        told = (Not(IsNull(Field(name))),) if of == link else ()
        asked = [joined, *(compiler.holds(there, table, part) for part in inner if part not in told)]
        if of == link:
            ended = compiler.column(there, table, name)
            asked.append(self._readable(ended) < self.moment(cutoff) if ended is not None else sa.false())
        one: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(there).where(*asked)
        return sa.not_(sa.exists(one.correlate(self.source)))

    @cached_property
    def asks_elsewhere(self) -> bool:
        """Whether another table has a say in what is due."""
        return "." in self.series.ended or any(any(links(part)) for part, _ in self._parts())

    def _ended_before(self, cutoff: datetime) -> Iterator[Sql]:
        if self.ended is None:
            return
        before = self._readable(self.ended) < self.moment(cutoff)
        yield sa.or_(before, self.endless) if self.series.undated == "due" else before

    def moment(self, value: datetime) -> sa.BindParameter[object]:
        """Return a moment as this database stores it: SQLite keeps ISO text, which must compare as text."""
        if self.database_is_sqlite:
            return sa.bindparam(None, value.strftime("%Y-%m-%d %H:%M:%S"), unique=True)
        return sa.bindparam(None, value, type_=sa.DateTime(), unique=True)

    @property
    def database_is_sqlite(self) -> bool:
        """Whether dates are kept as text."""
        return self.database.dialect == "sqlite"

    def withheld_names(self, cutoff: datetime | str) -> list[str]:
        """Return the reasons a tie can be withheld for, in the order of their numbers."""
        names = [UNDECIDED, NO_BRANCH, NO_DATE, FUTURE, CIRCULAR, *(reason for reason, _ in self.reasons())]
        return [*names, cutoff] if isinstance(cutoff, str) else names

    def survey(self, cutoff: datetime | str, now: datetime) -> sa.Select[tuple[int, int]]:
        """Return a query of (state, rows, oldest, newest): one pass over the table."""
        state, date = self.state(cutoff, now).label("state"), self.when
        dates = (sa.func.min(date), sa.func.max(date))
        query = sa.select(state, sa.func.count(), *dates).select_from(self.source)
        return query.where(self.counted).group_by(state)

    def state(self, cutoff: datetime | str, now: datetime) -> sa.Case[int]:
        """Return the state of a row by itself."""
        return sa.case(*self._states(cutoff, now, self.withheld_names(cutoff)), else_=WITHHELD)

    @property
    def when(self) -> Column:
        """When the use was, NULL where no one can read it."""
        return sa.null() if self.date is None else self._readable(self.date)

    @property
    def counted(self) -> Sql:
        """TRUE of what is or may be a tie, and is or may be the site's own."""
        where: list[Sql] = [self._fails(self.series.is_tied()).is_not(sa.true())]
        if self.scope is not None and self.others is not None:
            where.append(sa.or_(self._holds(self.scope), self._holds(self.others).is_not(sa.true())))
        return sa.and_(*where)

    @property
    def by_key(self) -> bool:
        """Whether a chunk's rows must be picked by their keys: what goes with them changes first, or they go whole."""
        links = any(also.link for also in self.series.also)
        return self.chained or links or self.series.aged is not None or self.renumbers

    @property
    def renumbers(self) -> bool:
        """Whether severing gives the rows new keys (PostgreSQL)."""
        sever = {} if isinstance(self.series.sever, str) else self.series.sever
        return self.database.dialect == "postgresql" and self.database.loaded.tables[self.series.table].key in sever

    @property
    def chained(self) -> bool:
        """Whether rows of the table follow one another and are severed together."""
        return bool(self.database.loaded.tables[self.series.table].chain)

    def _states(self, cutoff: datetime | str, now: datetime, names: list[str]) -> Iterator[tuple[Sql, int]]:
        yield sa.not_(sa.func.coalesce(self.tied, sa.false())), WITHHELD
        if self.scope is not None:
            held = self._holds(self.scope)
            yield sa.not_(sa.func.coalesce(held, sa.false())), WITHHELD + names.index(NO_BRANCH)
        for condition in self.series.open.values():
            yield self._holds(condition), OPEN
        if self.series.over is not None:
            yield self._fails(self.series.over), OPEN
        for reason, condition in self.reasons():
            yield self._holds(condition), WITHHELD + names.index(reason)
        if self.ended is not None:
            yield from self._by_date(self.ended, now, names)
        if isinstance(cutoff, str):
            yield sa.true(), WITHHELD + len(names) - 1
            return
        yield self.due(cutoff), DUE
        if self.ended is not None:
            yield sa.and_(*self._clear(), self._readable(self.ended) >= self.moment(cutoff)), WITHIN

    def _by_date(self, ended: Column, now: datetime, names: list[str]) -> Iterator[tuple[Sql, int]]:
        if self.series.undated == "open":
            yield self.endless, OPEN
        elif self.series.undated == "withheld":
            yield self.endless, WITHHELD + names.index(NO_DATE)
        yield self._readable(ended) > self.moment(now), OPEN if self.series.planned else WITHHELD + names.index(FUTURE)


def listed(
    key: sa.ColumnElement[Any], where: sa.ColumnElement[bool] | None = None
) -> tuple[sa.Label[str], sa.Label[int]]:
    """Return keys as the text of an array (PostgreSQL), and how many they are."""
    chosen = sa.true() if where is None else where
    text = sa.cast(sa.func.array_agg(key).filter(chosen), sa.Text())
    return sa.func.coalesce(text, "{}").label("keys"), sa.func.count().filter(chosen).label("rows")
