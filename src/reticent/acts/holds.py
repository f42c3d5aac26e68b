"""The acts of placing and releasing a hold."""

from __future__ import annotations

from datetime import UTC, datetime

from reticent.acts.opening import Opened
from reticent.errors import UsageError
from reticent.ledger.entries import Actor, Kind
from reticent.model import RecordClass


def place(opened: Opened, scope: str, until: datetime) -> int:
    """Pause the series a scope names until a day. Raises UsageError for a scope that names nothing."""
    systems = opened.site.systems
    if scope not in {"*", *RecordClass, *systems} and scope.partition("/")[0] not in systems:
        raise UsageError(f'"{scope}" names nothing.', do="Name a record class, a system, system/series, or *.")
    end = until.replace(tzinfo=UTC)
    if end <= opened.clock.now():
        raise UsageError("A hold must end in the future.", do="Give a later day with --until.")
    _ = opened.book
    number = opened.holds.place(scope, end)
    opened.record(Kind.HOLD_PLACED, f"hold {number}", Actor.CUSTODIAN, epoch=opened.holds.epoch())
    return number


def release(opened: Opened, number: int) -> None:
    """Release a hold. Raises UsageError if there is none of that number in force."""
    opened.holds.release(number)
    opened.record(Kind.HOLD_RELEASED, f"release hold {number}", Actor.CUSTODIAN, epoch=opened.holds.epoch())
