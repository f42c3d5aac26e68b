"""Statistics programmes: what a library must report, by form and year, as versioned data.

The forms change (the Public Libraries Survey dropped five elements for fiscal year 2024 and added
others), so a programme is a file for its years, and a year nobody read is refused: nobody may certify
that all statistics are preserved for a form that was never seen. No line here needs to know who used
what; the few that count persons count them without any item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from reticent.errors import UsageError
from reticent.tomlfile import read

SHIPPED = Path(__file__).parent / "programmes"
_DO = "Mend the programme, or put the shipped file back."


class Measure(StrEnum):
    """What Reticent counts: events of a year, unless the value says otherwise."""

    LOANS = "loans"
    RENEWALS = "renewals"
    """Renewals somebody asked for."""
    RENEWALS_AUTOMATIC = "renewals_automatic"
    UNITS_ON_LOAN = "units_on_loan"
    """Items out on the day of counting."""
    IN_HOUSE_USES = "in_house_uses"
    HOLDS_PLACED = "holds_placed"
    ILL_LENT = "ill_lent"
    ILL_RECEIVED = "ill_received"
    COMPUTER_SESSIONS = "computer_sessions"
    NETWORK_SESSIONS = "network_sessions"
    WEB_SESSIONS = "web_sessions"
    SEARCHES = "searches"
    TOTAL_ITEM_INVESTIGATIONS = "total_item_investigations"
    UNIQUE_ITEM_INVESTIGATIONS = "unique_item_investigations"
    TOTAL_ITEM_REQUESTS = "total_item_requests"
    UNIQUE_ITEM_REQUESTS = "unique_item_requests"
    SESSIONS = "sessions"
    REGISTERED_USERS = "registered_users"
    """Persons with a card on the day of counting."""
    ACTIVE_BORROWERS = "active_borrowers"
    """Persons flagged once in the period; the flag holds no item."""


class Group(StrEnum):
    """A set of the library's own item types; only the library knows which, so the site declares it."""

    CHILDRENS = "childrens"
    PHYSICAL = "physical"
    OTHER_PHYSICAL = "other_physical"
    EQUIPMENT = "equipment"
    ELECTRONIC = "electronic"


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Term(_Data):
    """One measure, of the item types that are in every group of ``groups`` and in none of ``without``."""

    measure: Measure
    groups: tuple[Group, ...] = ()
    without: tuple[Group, ...] = ()

    def __str__(self) -> str:
        of = " and ".join(self.groups)
        less = " or ".join(self.without)
        return self.measure + (f" of {of}" if of else "") + (f" without {less}" if less else "")


class ReportField(_Data):
    """One line of a form: a sum of measures, a sum of other lines, or not known and where to get it."""

    id: str
    title: str
    definition: str
    """What the line counts, in our words."""
    definition_year: Annotated[StrictInt, Field(ge=1990, le=2100)]
    mark: Literal["read", "secondary", "memory"]
    number: str = ""
    terms: tuple[Term, ...] = ()
    fields: tuple[str, ...] = ()
    not_known: str = ""
    note: str = ""

    @property
    def unverified(self) -> bool:
        """Whether the definition was never found in text: carried, but left out of public claims."""
        return self.mark == "memory"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(map(bool, (self.terms, self.fields, self.not_known))) != 1:
            raise ValueError("give exactly one of terms, fields and not_known")
        return self


class Programme(_Data):
    """One form for the years it covers."""

    form: str = Field(pattern=r"^[a-z0-9-]+$")
    years: tuple[Annotated[StrictInt, Field(ge=1990, le=2100)], ...] = Field(min_length=1)
    title: str
    source: str
    field: tuple[ReportField, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fields_add_up(self) -> Self:
        """Ids are unique and a sum names lines of this form that are not sums of it in turn."""
        sums = {each.id: each.fields for each in self.field}
        if len(sums) != len(self.field):
            raise ValueError("a field id stands twice")
        for name, parts in sums.items():
            if unknown := sorted(set(parts) - set(sums)):
                raise ValueError(f"{name} adds up fields that are not there: {', '.join(unknown)}")
            if name in _below(name, sums):
                raise ValueError(f"{name} adds up itself")
        return self


def _below(name: str, sums: Mapping[str, Sequence[str]]) -> AbstractSet[str]:
    """Return every line a sum rests on, at any depth."""
    seen: set[str] = set()
    todo = list(sums[name])
    while todo:
        each = todo.pop()
        if each not in seen:
            seen.add(each)
            todo.extend(sums.get(each, ()))
    return seen


def programmes(directory: Path = SHIPPED) -> Sequence[Programme]:
    """Load every programme. Raises ConfigurationError naming file and line."""
    return [read(path, Programme, _DO) for path in sorted(directory.glob("*.toml"))]


def programme(form: str, year: int, directory: Path = SHIPPED) -> Programme:
    """Return the programme of a form for a year: ``programme("pls", 2024)``.

    Raises UsageError, saying what is known, when nobody has read that form for that year.
    """
    everything = programmes(directory)
    for each in everything:
        if each.form == form and year in each.years:
            return each
    known = sorted((each.form, each_year) for each in everything for each_year in each.years)
    raise UsageError(
        f"What form {form!r} asks for {year} is not known, so no figure can be vouched for.",
        where=str(directory),
        do="Known are: " + ", ".join(f"{name} {each_year}" for name, each_year in known) + ".",
    )


@dataclass(frozen=True)
class Figure:
    """One answered line: the value, the parts it was added from, or why there is none."""

    field: ReportField
    value: int | None
    parts: tuple[tuple[str, int], ...] = ()
    why: str = ""


Counts = Mapping[str, Mapping[str, int]]
"""A year's counts by measure and item type: ``{"loans": {"BK": 10}}``; "" where types do not apply."""


def figures(asked: Programme, counts: Counts, groups: Mapping[str, AbstractSet[str]]) -> Sequence[Figure]:
    """Answer every line of a form from a year's counts (tallies plus live rows).

    ``groups`` is what the site declares: group -> item types. A line whose measure nobody counted,
    whose group is not declared, or that meets an item type in no group, has no value and says why;
    it is never guessed and never silently short.
    """
    done: dict[str, Figure] = {}
    for each in asked.field:
        _answer(each, asked, counts, groups, done)
    return [done[each.id] for each in asked.field]


def _answer(
    each: ReportField,
    asked: Programme,
    counts: Counts,
    groups: Mapping[str, AbstractSet[str]],
    done: dict[str, Figure],
) -> Figure:
    if each.id not in done:
        if each.not_known:
            done[each.id] = Figure(each, None, why=f"not known here; it comes from {each.not_known}")
        elif each.fields:
            by_id = {line.id: line for line in asked.field}
            done[each.id] = _sum(each, [_answer(by_id[name], asked, counts, groups, done) for name in each.fields])
        else:
            done[each.id] = _count(each, counts, groups)
    return done[each.id]


def _sum(each: ReportField, lines: Sequence[Figure]) -> Figure:
    parts = tuple((line.field.id, line.value) for line in lines if line.value is not None)
    missing = [line.field.id for line in lines if line.value is None]
    if missing:
        return Figure(each, None, parts, why=f"needs {', '.join(missing)}")
    return Figure(each, sum(value for _, value in parts), parts)


def _count(each: ReportField, counts: Counts, groups: Mapping[str, AbstractSet[str]]) -> Figure:
    parts: list[tuple[str, int]] = []
    for term in each.terms:
        if why := _gap(term, counts, groups):
            return Figure(each, None, tuple(parts), why)
        wanted = [item for item in counts[term.measure] if _in(item, term, groups)]
        parts.append((str(term), sum(counts[term.measure][item] for item in wanted)))
    return Figure(each, sum(value for _, value in parts), tuple(parts))


def _gap(term: Term, counts: Counts, groups: Mapping[str, AbstractSet[str]]) -> str:
    """Say what keeps a term from being counted; nothing when nothing does."""
    if term.measure not in counts:
        return f"nothing here counts {term.measure} of that year"
    filters = (*term.groups, *term.without)
    if undeclared := [group for group in filters if group not in groups]:
        return f"declare which item types are {', '.join(undeclared)}"
    placed = frozenset[str]().union(*groups.values())
    loose = sorted(item for item in counts[term.measure] if item not in placed) if filters else []
    return f"item types in no declared group: {', '.join(loose)}" if loose else ""


def _in(item: str, term: Term, groups: Mapping[str, AbstractSet[str]]) -> bool:
    return all(item in groups[group] for group in term.groups) and not any(
        item in groups[group] for group in term.without
    )
