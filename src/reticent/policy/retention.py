"""How long a tie may outlive its purpose: the shipped defaults, the site's choice, the records schedule.

The defaults are Reticent's own, never the American Library Association's, which gives no numbers
(docs/explanation/retention.md has the source and the cost of each).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from reticent.model import RecordClass
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
