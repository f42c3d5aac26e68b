"""A map: what one kind of system keeps about patrons, and where. The shapes of the data in ``*.toml``.

A map is facts, checked on loading by ``systems/load.py``. Only the field table of a map knows
columns; everything else speaks of named fields.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from reticent.model import Disposition, RecordClass, SeriesFacts
from reticent.systems.paths import Place, is_place, place
from reticent.systems.predicates import And, Compare, IsNull, NotInLanguage, Or, Predicate, Sentinel, parse
from reticent.systems.predicates import Field as FieldName
from reticent.systems.predicates import Not as Negation


class Strict(BaseModel):
    """Frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _predicate(value: object) -> object:
    return parse(value) if isinstance(value, str) else value


Condition = Annotated[Any, BeforeValidator(_predicate)]
"""A Predicate, written as text in the map."""


class Column(Strict):
    """Where a field stands: a column, or a column and the path into its document (``jsonb.status.name``).

    ``optional`` if some releases do not have the column.
    """

    column: str
    optional: bool = False

    @property
    def place(self) -> Place:
        """The column and the path into it."""
        return place(self.column)


def _column(value: object) -> object:
    if not isinstance(value, str):
        return value
    written = value.removesuffix("?")
    if not is_place(written):
        raise ValueError(f'"{value}" is not a column or a path into one')
    return {"column": written, "optional": value.endswith("?")}


class Link(Strict):
    """Rows of ``table`` whose fields equal this row's: ``on`` maps their field to ours."""

    table: str
    on: dict[str, str]


_LINK = re.compile(r"^(\w+(?:\.\w+)?)\((\w+ = \w+(?:, \w+ = \w+)*)\)$")


def _link(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _LINK.match(value)
    if found is None:
        raise ValueError(f'"{value}" is not a link; write table(field = own_field)')
    pairs = (pair.split(" = ") for pair in found[2].split(", "))
    return {"table": found[1], "on": dict(pairs)}


class Table(Strict):
    """One table: its fields, its links and how it can be walked."""

    fields: dict[str, Annotated[Column, BeforeValidator(_column)]]
    key: str = ""
    """A surrogate key that is neither a person nor a use. Without it the table is walked in batches."""
    window: str = ""
    """The indexed time field of a large table that has no key."""
    chain: str = ""
    """The field that holds the key of the row this one follows (a renewal its loan); a chain is severed whole."""
    triggers: tuple[str, ...] = ()
    """The triggers and rules of the table that were read when the map was made."""
    read_as: tuple[str, ...] = ()
    """Digests of those triggers and rules under which the map knows everything they do."""
    links: dict[str, Annotated[Link, BeforeValidator(_link)]] = {}
    writes: dict[str, tuple[Literal["SELECT", "INSERT", "UPDATE"], ...]] = {}
    """Tables to which this one's triggers write when a row is severed, and the rights that takes there."""


class Action(Strict):
    """What happens to one field of a severed row."""

    disposition: Disposition
    argument: str = ""
    condition: Condition | None = None


_ACTION = re.compile(
    r"^(null|sentinel|remove (?:path|element)|overwrite (?:random|\d+|'[^']*')|renumber \w+\.\w+"
    r"|generalise (?:hour|day|month|year))"
    r"(?: if (.+))?$"
)


def _action(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _ACTION.match(value)
    if found is None:
        raise ValueError(f'"{value}" is not a disposition of a field')
    word, _, argument = found[1].partition(" ")
    if word == "remove":
        word, argument = found[1], ""
    return {"disposition": word, "argument": argument, "condition": found[2]}


Actions = dict[str, Annotated[Action, BeforeValidator(_action)]]


class Also(Strict):
    """Rows of another table that are severed with a row, in its transaction.

    Either those a path of links leads to (``link``), before the row itself; or those the change itself makes
    the system write into a table (``written``), after it. With both, ``link`` says by which index they are found.
    """

    link: str = ""
    written: str = ""
    when: Condition | None = None
    sever: Literal["delete"] | Actions


class Aged(Strict):
    """The table in which the system keeps a finished row without its patron.

    ``series``: the series of that table, whose dispositions its rows get; ``same``: fields carried over under
    their own name; ``fields``: others, each from a field or a path of links.
    """

    series: str
    same: tuple[str, ...] = ()
    fields: dict[str, str] = {}

    def paths(self) -> dict[str, str]:
        """Return field -> where its value comes from."""
        return {**{name: name for name in self.same}, **self.fields}


class Held(Strict):
    """A reason to leave a finished tie alone, until the site has decided (``until`` names the question)."""

    reason: str
    when: Condition
    until: str = ""


class Series(Strict):
    """One place where ties of one record class live."""

    id: str = Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)?$")
    title: str
    table: str
    record_class: RecordClass = Field(alias="class")
    retention: str = ""
    """The retention setting that counts, if it is not the record class."""
    persons: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """Fields in which anything may be written: a row is a tie while one of them is, whether or not it has a person."""
    tied: Condition | None = None
    date: str = ""
    """The field that says when the use was; ``ended`` if empty."""
    over: Condition | None = None
    ended: str = ""
    """The field (or ``link.field``) that says when the purpose ended."""
    undated: Literal["withheld", "due", "open"] = "withheld"
    planned: bool = False
    """The end date is an appointment: one that lies ahead means open, not a wrong date."""
    open: dict[str, Condition] = {}
    held: tuple[Held, ...] = ()
    branch: str = ""
    sever: Literal["delete", "age", "nothing"] | Actions
    also: tuple[Also, ...] = ()
    aged: Aged | None = None
    set: bool = False
    """Everything the triggers do when a row goes is listed, so that they may be left out."""
    native: tuple[str, ...] = ()
    """What the system's own triggers need rights on when this series is severed, as a GRANT names it."""
    tally: tuple[str, ...] = ()
    active: str = ""
    """The date of the use, if its patron counts as an active borrower of that year."""
    order: int
    who: str = ""
    """The field (or ``link.field``) that says whose a row is, where ``persons`` does not or not always.

    Without either, or with names and addresses only, rows do not say.
    """
    weak: str = ""
    purpose: str
    purpose_end: str
    own: str

    @property
    def retention_key(self) -> str:
        """The name of the retention setting that governs this series."""
        return self.retention or self.record_class.value

    def is_tied(self) -> Predicate:
        """Return the condition under which a row of the table is a tie."""
        persons = [And((Negation(IsNull(FieldName(p))), not_sentinel(p))) for p in self.persons]
        said = [Negation(IsNull(FieldName(word))) for word in self.words]
        parts: tuple[Predicate, ...] = (Or((*persons, *said)),) if persons else ()
        if self.tied is not None:
            parts += (self.tied,)
        return And(parts)

    def facts(self) -> SeriesFacts:
        """Return what the acts need to know of it."""
        held = tuple((held.reason, held.until) for held in self.held)
        return SeriesFacts(
            self.id,
            self.title,
            self.record_class,
            self.retention_key,
            self.purpose,
            self.purpose_end,
            self.sever != "nothing",
            self.weak,
            held,
        )

    def dispositions(self) -> tuple[str, ...]:
        """Return the precise words for what severing does here."""
        if self.sever == "age":
            return (Disposition.AGE,)
        if isinstance(self.sever, str):
            return (self.sever,)
        return tuple(dict.fromkeys(action.disposition.value for action in self.sever.values()))


def not_sentinel(field: str) -> Predicate:
    """Return ``field <> :sentinel``: TRUE of every patron where no stand-in is set."""
    return Compare("<>", FieldName(field), Sentinel())


class SentinelIn(Strict):
    """Where the stand-in patron is named, and what would show that it is a real person."""

    setting: str
    table: str
    field: str
    never: tuple[Condition, ...] = ()


class SettingsIn(Strict):
    """The table of settings."""

    table: str
    name: str
    value: str
    version: str


class BranchesIn(Strict):
    """The table of branches (libraries)."""

    table: str
    column: str
    number: str = ""
    """The column other tables refer to, if it is not the code that people use."""
    apart: bool = False
    """These are libraries of their own, not branches of one: a site names its own in [systems.NAME] only."""


class ReportsIn(Strict):
    """The table of SQL reports that staff saved."""

    table: str
    id: str
    sql: str


class Drift(Strict):
    """What an unread column, table or trigger must look like to stop a series."""

    person_columns: str
    person_tables: tuple[str, ...]
    plugin_tables: str = "^$"
    growing_tables: str = "^$"
    """Tables that get a column with its first value: one that is not there was not renamed."""
    schemas: str = ""
    """Which schemas of the database belong to the system, where its tables are named with theirs."""
    beside: str = "^$"
    """Further schemas, of which only the tables the map names are looked at."""
    triggers: str = "^$"
    """Names of triggers that were read and may stay on a table that is severed."""
    read: tuple[str, ...] = ()
    """Digests of the texts they were read with, but for the names of schema and table."""


class Decision(Strict):
    """A question the site must answer before some ties are severed."""

    question: str
    choices: dict[str, str]


class SettingRule(Strict):
    """A setting that creates or exposes ties when it is one of ``risky``, or none of ``safe`` ("" is unset).

    With ``file`` it stands in a settings file of that name, as ``Section.name``.
    """

    name: str
    file: str = ""
    risky: tuple[str, ...] = ()
    safe: tuple[str, ...] = ()
    why: str
    advice: str

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.risky) == bool(self.safe):
            raise ValueError(f'the setting "{self.name}" needs risky or safe values, not both')
        return self

    def is_risky(self, value: str | None) -> bool:
        """Whether a value creates or exposes ties; None where the setting is not stored."""
        return (value or "") in self.risky if self.risky else (value or "") not in self.safe


class Exposure(Strict):
    """Rows of ``table`` for which ``when`` holds, or a literal counting query; more than zero is reported."""

    name: str
    table: str = ""
    when: Condition | None = None
    sql: str = ""
    why: str
    advice: str
    needs: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.sql) == bool(self.table and self.when):
            raise ValueError(f'the exposure "{self.name}" needs sql, or table and when, not both')
        return self


class Relink(Strict):
    """A literal query that joins severed ties back to a patron; it must return zero."""

    name: str
    sql: str
    needs: tuple[str, ...]
    series: str


class Measure(Strict):
    """One thing that is counted, from one table only."""

    id: str
    title: str
    table: str
    when: Condition | None = None
    date: str = ""
    by: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    """Other measures of a form that this one holds and cannot tell apart."""


class Tripwire(Strict):
    """A total that severing must never move."""

    name: str
    table: str
    sum: str = ""


class Elsewhere(Strict):
    """A place the map cannot reach; ``scan`` names the tables a scan for the whole roster can look into."""

    place: str
    why: str
    scan: tuple[str, ...] = ()


class Issued(Strict):
    """Where the identifiers stand that the library issued: an order names a person or an item by one of these.

    ``number`` is the field other tables refer to; of ``issued`` the first is shown.
    """

    table: str
    number: str
    issued: tuple[str, ...] = Field(min_length=1)


class Roster(Issued):
    """Whom the library knows. A scan also looks for ``personal`` fields and for ``name``'s fields side by side."""

    personal: tuple[str, ...] = ()
    name: tuple[str, ...] = ()

    @property
    def identifiers(self) -> tuple[str, ...]:
        """Every field that tells who somebody is, the number last."""
        return (*self.issued, *self.personal, *self.name, self.number)


class Titled(Strict):
    """Where the title stands of what a field of ties names; ``title`` is a field, or ``link.field`` by any links."""

    table: str
    number: str
    title: str


class Map(Strict):
    """Everything Reticent knows about one kind of system. ``digest`` is of the file's bytes."""

    kind: str
    title: str
    version: int
    columns: str
    requires: tuple[str, ...]
    sentinel: SentinelIn | None = None
    settings_in: SettingsIn | None = None
    branches_in: BranchesIn | None = None
    reports_in: ReportsIn | None = None
    roster: Roster | None = None
    catalogue: Issued | None = None
    tells: tuple[str, ...] = ()
    """Names of the fields that say what a use was; of a disclosed tie these are shown, and no other field."""
    titles: dict[str, Titled] = {}
    """Field of ``tells`` -> where the title is of what it names; the first that a tie has is looked for first."""
    drift: Drift
    harmless: dict[str, str] = {}
    """Table, or ``table.column`` -> why it looks like a person and holds no use."""
    decisions: dict[str, Decision] = {}
    tables: dict[str, Table]
    series: tuple[Series, ...]
    measures: tuple[Measure, ...] = ()
    tripwires: tuple[Tripwire, ...] = ()
    settings: tuple[SettingRule, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    relinks: tuple[Relink, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()

    @property
    def qualified(self) -> bool:
        """Whether its tables are named ``schema.table``: it is about every schema of its database.

        So is a map that names no table.
        """
        return not self.tables or any("." in name for name in self.tables)

    digest: str = ""
    tenant: str = ""
    """Whose schemas are meant; "" in a map that names no tenant."""
    known: dict[str, dict[str, tuple[str, ...]]] = {}
    """Every column that was read: table -> column -> its types, one or more of them by release."""

    def is_harmless(self, table: str, column: str) -> bool:
        """Whether a column looks like a person only: it was read, or its whole table was."""
        return table in self.harmless or f"{table}.{column}" in self.harmless

    def is_beside(self, table: str) -> bool:
        """Whether a table stands in a schema of which only what the map names is looked at."""
        return re.search(self.drift.beside, table.rpartition(".")[0]) is not None and "." in table

    def looks_at(self, table: str) -> bool:
        """Whether a table of the database belongs to the system."""
        return table in self.tables or not self.is_beside(table)

    def changes(self, series: Series) -> dict[str, bool]:
        """Return every table that severing a series changes, and whether rows of it are deleted."""
        found = {} if series.sever == "nothing" else {series.table: series.sever in ("delete", "age")}
        for also in series.also:
            table = also.written or self.end(series.table, also.link)
            found[table] = found.get(table, False) or also.sever == "delete"
        if series.aged is not None:
            found[self.one(series.aged.series).table] = False
        return found

    def end(self, table: str, path: str) -> str:
        """Return the table a path of links ends in."""
        for link in path.split("."):
            table = self.tables[table].links[link].table
        return table

    def one(self, series: str) -> Series:
        """Return the series of this id."""
        return next(found for found in self.series if found.id == series)


__all__ = ["Map", "NotInLanguage", "Series", "Table"]
