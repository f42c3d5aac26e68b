"""How long a tie may outlive its purpose: the shipped defaults, the site's choice, the records schedule's floor.

The defaults are Reticent's own, never the American Library Association's, which gives no numbers
(docs/explanation/retention.md has the source and the cost of each).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from reticent.law import schedules
from reticent.model import RecordClass, SeriesFacts
from reticent.site import Site

_DAYS: dict[str, int] = {
    RecordClass.HOLD_REQUEST: 0,
    RecordClass.INTERLIBRARY_LOAN: 0,
    RecordClass.SEARCH: 0,
    RecordClass.PRINT: 0,
    RecordClass.CIRCULATION: 0,
    RecordClass.COMPUTER_SESSION: 1,
    RecordClass.NETWORK: 1,
    RecordClass.ACCESS: 7,
    RecordClass.FACILITY: 7,
    RecordClass.NOTICE: 7,
    RecordClass.REFERENCE: 14,
    RecordClass.PROGRAM: 30,
    RecordClass.SUGGESTION: 30,
    RecordClass.ACTIVITY_LOG: 30,
    RecordClass.STAFF_ACTION: 365,
    # While the patron asks for them; once that ends there is nothing left to wait for.
    RecordClass.READING_HISTORY: 0,
    RecordClass.PATRON_CONTENT: 0,
    RecordClass.SUBSCRIPTION: 0,
    RecordClass.DIGITAL_LENDING: 0,
    RecordClass.SURVEILLANCE: 7,
    "last_borrower": 0,
    "refund_window": 30,
}
DEFAULTS = {key: timedelta(days=days) for key, days in _DAYS.items()}

OTHER = "other: "
"""A schedule item Reticent has no data for; the custodian answers for its floor."""
NO_ITEM = "no item of the records schedule is recorded ([schedule] in reticent.toml)"
NO_FLOOR = (
    "the recorded schedule item has no floor that can be counted from the purpose end: set the retention "
    'your counsel gives and record the item as "other: ..."'
)


@dataclass(frozen=True)
class Retention:
    """How long one series is kept after its purpose ends; ``None`` where the site must still say."""

    length: timedelta | None
    source: str


def retention(site: Site, system: str, series: str, key: str) -> Retention:
    """Return the retention of a series: its own setting, its key's setting, else the shipped default."""
    for name in (f"{system}.{series}", key):
        if name in site.retention:
            return Retention(site.retention[name], f"{site.file.name} [retention] {name}")
    if key in DEFAULTS:
        return Retention(DEFAULTS[key], "shipped default")
    return Retention(None, f"the site has not set retention.{key}")


def schedule_item(site: Site, system: str, series: str, key: str) -> str | None:
    """Return the item of the records schedule the custodian recorded for a series, if any."""
    for name in (f"{system}.{series}", key, "*"):
        if name in site.schedule:
            return site.schedule[name]
    return None


def cutoff(site: Site, system: str, series: SeriesFacts, now: datetime, *, recorded: bool) -> datetime | str:
    """Return the moment before which purposes must have ended, or why there is none.

    By retention, but never above the floor of the records schedule. ``recorded``: without an item of
    the schedule there is no cutoff (nothing is severed before the custodian has recorded one). Raises
    ConfigurationError if the recorded item governs another record class.
    """
    kept = retention(site, system, series.id, series.retention_key)
    if kept.length is None:
        return kept.source
    latest, item = now - kept.length, schedule_item(site, system, series.id, series.retention_key)
    if item is None:
        return NO_ITEM if recorded else latest
    if item.startswith(OTHER):
        return latest
    floor = schedules.latest_start(item, series.record_class, now.date())
    return NO_FLOOR if floor is None else min(latest, datetime.combine(floor, time.max))
