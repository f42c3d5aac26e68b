"""Records schedules: the floor under which a record may not be destroyed.

Retention (reticent.toml) says how long a tie may live; a schedule says how long a record must live.
Almost no schedule that was read sets a floor for circulation; registration, money and interlibrary
loan have some. Before a series is severed for the first time the custodian names the item that
governs it, or ``NONE_APPLIES``; that choice, recorded and signed elsewhere, is what makes a draft row
count. A floor nobody has read is unknown, and unknown means that only a signed decision of the
custodian can let the series be severed.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from reticent.errors import ConfigurationError
from reticent.model import RecordClass
from reticent.tomlfile import read

SHIPPED = Path(__file__).with_name("schedules.toml")
NONE_APPLIES = "none applies"
_DO = "Mend schedules.toml, or put the shipped file back."


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Period(_Data):
    """A length of time in the schedule's own unit."""

    n: Annotated[StrictInt, Field(ge=1, le=600)]
    unit: Literal["days", "months", "years"]

    def after(self, start: date) -> date:
        """Return the day the period begun on ``start`` is over; the 31st gives way to a month's last day."""
        if self.unit == "days":
            return date.fromordinal(min(start.toordinal() + self.n, date.max.toordinal()))
        months = start.year * 12 + start.month - 1 + self.n * (12 if self.unit == "years" else 1)
        year, month = months // 12, months % 12 + 1
        if year > date.max.year:
            return date.max
        return date(year, month, min(start.day, calendar.monthrange(year, month)[1]))


class ScheduleRow(_Data):
    """One item of one records schedule."""

    item: str = Field(pattern=r"^[a-z0-9-]+$")
    jurisdiction: str = Field(pattern=r"^US-[A-Z]{2}$")
    library_kind: str
    instrument: str
    version: str = ""
    series_title: str
    record_class: RecordClass
    floor: Period | Literal["none", "event", "permanent", "unknown"]
    trigger: str = ""
    clock: Literal["purpose_end", "other"]
    """Whether the schedule's period starts when the tie's purpose ends."""
    disposition: Literal["destroy", "destroy_confidential", "archive", "review"]
    exceptions: tuple[Literal["audit", "litigation", "public_records_request"], ...] = ()
    shorten_allowed_by: str = ""
    source: str = Field(min_length=1)
    mark: Literal["read", "secondary", "memory"]
    note: str = ""

    @property
    def status(self) -> Literal["draft", "unverified"]:
        """A row read in its instrument is a draft; another is unverified: no public claim rests on it."""
        return "draft" if self.mark == "read" else "unverified"

    @property
    def known_floor(self) -> Period | Literal["none"] | None:
        """The floor to reckon with: an event is over when the purpose ends; None when no day can be known.

        A period from memory counts as unknown, and unknown is treated as unconfirmed.
        """
        if self.mark == "memory" or self.floor in ("unknown", "permanent"):
            return None
        return self.floor if isinstance(self.floor, Period) else "none"

    @model_validator(mode="after")
    def _an_event_is_the_purpose_end(self) -> Self:
        if self.floor == "event" and self.clock != "purpose_end":
            raise ValueError('a floor "event" must have the clock "purpose_end": the event ends the purpose')
        return self


class _File(_Data):
    compiled: date
    review_by: date
    row: tuple[ScheduleRow, ...]

    @model_validator(mode="after")
    def _items_once(self) -> Self:
        items = [row.item for row in self.row]
        if twice := sorted({item for item in items if items.count(item) > 1 or item == NONE_APPLIES}):
            raise ValueError(f"item named twice: {', '.join(twice)}")
        return self


@cache
def _file(path: Path) -> _File:
    return read(path, _File, _DO)


def rows(jurisdiction: str, path: Path = SHIPPED) -> list[ScheduleRow]:
    """Return the items of one jurisdiction: ``rows("US-OR")``; empty where no schedule was read."""
    return [row for row in _file(path).row if row.jurisdiction == jurisdiction]


def review_by(path: Path = SHIPPED) -> date:
    """Return the day after which the rows must be read again."""
    return _file(path).review_by


def item(name: str, path: Path = SHIPPED) -> ScheduleRow:
    """Return one item by its name. Raises ConfigurationError naming the file when there is none."""
    for row in _file(path).row:
        if row.item == name:
            return row
    raise ConfigurationError(
        f"There is no records-schedule item {name!r}.",
        where=str(path),
        do=f"Name an item of your jurisdiction, or {NONE_APPLIES!r}.",
    )


def latest_start(chosen_item: str, record_class: RecordClass, today: date, path: Path = SHIPPED) -> date | None:
    """Return the latest purpose end whose floor is over by ``today``: the schedule's cutoff for a plan.

    For every purpose end up to the answer the floor is over; for the day after it, it is not. None means
    no day can be given: the floor is unknown or permanent, or its clock starts at something no map reads
    (the end of a fiscal year, an audit). Raises ConfigurationError for an item that is not there or that
    governs another record class.
    """
    if chosen_item == NONE_APPLIES:
        return today
    row = item(chosen_item, path)
    _governs(row, record_class, path)
    floor = row.known_floor
    if not isinstance(floor, Period):
        return today if floor == "none" else None
    if row.clock == "other":
        return None
    start = today - timedelta(days=floor.n * {"days": 1, "months": 28, "years": 365}[floor.unit])
    while floor.after(start) > today:
        start -= timedelta(days=1)
    return start


def _governs(row: ScheduleRow, record_class: RecordClass, path: Path) -> None:
    if row.record_class is not record_class:
        raise ConfigurationError(
            f"Schedule item {row.item!r} governs {row.record_class}, not {record_class}.",
            where=str(path),
            do=f"In [schedule] of reticent.toml name an item for {record_class}, or {NONE_APPLIES!r}.",
        )
