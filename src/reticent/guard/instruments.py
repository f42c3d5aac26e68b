"""What stands on a paper: the instrument as it was taken in, its scope, and how the scope is over-broad.

An instrument names a court, a judge, persons and items, so it is sealed to the officers as soon as it
has been read; the workflow keeps only ``facts()``: words, days and digests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from reticent.guard.words import COMPULSORY, Breadth, Court, Instrument, RecordClass, Role
from reticent.policy.permits import Scope

FIRST_DAY: Mapping[Court, date] = {Court.FEDERAL: date(1789, 9, 24), Court.INTELLIGENCE: date(1978, 10, 25)}
"""The day a court began: Judiciary Act, 1 Stat. 73; Foreign Intelligence Surveillance Act, 92 Stat. 1783."""
COLONIAL = date(1776, 7, 4)
"""No court of a state is older than the states."""
LONG = timedelta(days=366)
MANY_PERSONS, MANY_CLASSES = 10, 5
OPEN_SINCE, OPEN_BEFORE = Scope().since, Scope().before


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScopeSheet(_Data):
    """What the paper demands (F6). Identifiers are those the library issued; days are whole, UTC."""

    patrons: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    classes: tuple[RecordClass, ...] = ()
    since: date | None = None
    before: date | None = None
    """The first day that is no longer demanded."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not self.patrons and not self.items:
            raise ValueError("the scope names nobody and nothing; counsel asks for persons or items")
        if self.since and self.before and self.since >= self.before:
            raise ValueError("the scope ends before it begins")
        if any(not text.strip() or len(text) > 80 for text in (*self.patrons, *self.items)):
            raise ValueError("an identifier is empty or longer than 80 characters")
        return self

    def scope(self) -> Scope:
        """Return the scope as the gate reads it."""
        return Scope(
            frozenset(self.patrons),
            frozenset(self.items),
            frozenset(str(name) for name in self.classes or RecordClass),
            _moment(self.since) if self.since else OPEN_SINCE,
            _moment(self.before) if self.before else OPEN_BEFORE,
        )

    def breadth(self) -> tuple[Breadth, ...]:
        """Return how the scope is over-broad (R14, R27): flagged for counsel, not refused."""
        found = []
        if self.since is None or self.before is None:
            found.append(Breadth.OPEN_DATES)
        elif self.before - self.since > LONG:
            found.append(Breadth.LONG_DATES)
        if not self.classes:
            found.append(Breadth.ALL_CLASSES)
        elif len(set(self.classes)) > MANY_CLASSES:
            found.append(Breadth.MANY_CLASSES)
        if self.items and not self.patrons:
            found.append(Breadth.READERS_OF_ITEM)
        if len(set(self.patrons)) > MANY_PERSONS:
            found.append(Breadth.MANY_PERSONS)
        return tuple(found)


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _text(value: object) -> object:
    return " ".join(value.split()) if isinstance(value, str) else value


Name = Annotated[str, BeforeValidator(_text), Field(max_length=200)]


class InstrumentSheet(_Data):
    """The paper as it was taken in (F2). ``court`` is a word; ``court_name``, ``judge``, ``docket`` are sealed."""

    kind: Instrument
    court: Court = Court.NONE
    court_name: Name = ""
    judge: Name = ""
    docket: Name = ""
    issuer: Name = ""
    issued: date
    served: date
    served_how: Literal["in_person", "mail", "email", "fax", "through_counsel", "on_a_vendor"] = "in_person"
    served_on: Literal[Role.FRONT_LINE, Role.CUSTODIAN, Role.ALTERNATE, Role.COUNSEL, "vendor", "other_staff"]
    returns: date | None = None
    valid_until: date | None = None
    gag: bool = False
    gag_until: date | None = None
    gag_text: Annotated[str, Field(max_length=4000)] = ""
    text: Annotated[str, Field(max_length=4000)] = ""
    """What it demands, in its own words."""
    scope: ScopeSheet

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.kind not in {*COMPULSORY, Instrument.ADMINISTRATIVE_WARRANT}:
            raise ValueError("this kind is no paper; triage the contact as what it is")
        if self.judge and self.court is Court.NONE:
            raise ValueError("there is a judge but no court")
        if self.issued < (began := FIRST_DAY.get(self.court, COLONIAL)):
            raise ValueError(f"issued lies before such a court existed ({began.isoformat()})")
        if self.served < self.issued:
            raise ValueError("it was served before it was issued")
        if self.gag_until and not self.gag:
            raise ValueError("gag_until needs gag = true")
        for name in ("returns", "valid_until", "gag_until"):
            if (day := getattr(self, name)) is not None and day < self.issued:
                raise ValueError(f"{name} lies before it was issued")
        return self

    def facts(self) -> dict[str, object]:
        """Return what the workflow may know of the paper: no name, no identifier, no text."""
        known: dict[str, object] = {
            "kind": str(self.kind),
            "court": str(self.court),
            "has_judge": bool(self.judge),
            "has_docket": bool(self.docket),
            "issued": self.issued.isoformat(),
            "served": self.served.isoformat(),
            "served_on": str(self.served_on),
            "gag": self.gag,
            "breadth": [str(one) for one in self.scope.breadth()],
            "classes": sorted({str(name) for name in self.scope.classes}),
        }
        for name in ("returns", "valid_until", "gag_until"):
            if (day := getattr(self, name)) is not None:
                known[name] = day.isoformat()
        return known
