"""The acts of placing and releasing a hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reticent.acts.opening import Opened
from reticent.errors import NotPermitted, UsageError
from reticent.guard.clocks import after_working_days
from reticent.guard.effects import ALONE_WORKING_DAYS, end
from reticent.ledger.entries import Actor, Kind
from reticent.model import RecordClass


def place(opened: Opened, scope: str, until: datetime) -> int:
    """Pause the series a scope names until a day, as one officer may alone: for ten working days at most.

    Raises UsageError for a scope that names nothing, NotPermitted for a later day, and for a scope that a hold by
    hand placed on another day covers or covered within ten working days: renewing is no way round two signatures.
    """
    systems = opened.site.systems
    if scope not in {"*", *RecordClass, *systems} and scope.partition("/")[0] not in systems:
        raise UsageError(f'"{scope}" names nothing.', do="Name a record class, a system, system/series, or *.")
    ends = until.replace(tzinfo=UTC)
    if ends <= opened.clock.now():
        raise UsageError("A hold must end in the future.", do="Give a later day with --until.")
    today = opened.clock.now().astimezone(UTC).date()
    last = end(after_working_days(today, ALONE_WORKING_DAYS))
    if ends > last:
        raise NotPermitted(
            f"One officer holds alone for ten working days at most: until {last - timedelta(days=1):%Y-%m-%d}.",
            where=f"hold on {scope}",
            do="Register the paper and have two officers confirm: reticent inquiry advance INQUIRY confirm-hold.",
        )
    _ = opened.book
    _require_first(opened, scope)
    number = opened.holds.place(scope, ends)
    opened.record(Kind.HOLD_PLACED, f"hold {number}", Actor.CUSTODIAN, epoch=opened.holds.epoch())
    return number


def _require_first(opened: Opened, scope: str) -> None:
    """Refuse a hold that would prolong one placed by hand: a scope held before waits ten working days more."""
    today = opened.clock.now().astimezone(UTC).date()
    for hold in opened.holds.all():
        placed, ended = datetime.fromisoformat(hold.placed), datetime.fromisoformat(hold.released or hold.until)
        if hold.scope != scope or placed.date() == today:
            continue
        free = after_working_days(ended.astimezone(UTC).date(), ALONE_WORKING_DAYS)
        if today <= free:
            raise NotPermitted(
                f"One officer held {scope} alone until {ended:%Y-%m-%d}; two officers prolong a hold.",
                where=f"hold {hold.id}",
                do="Register the paper and have two officers confirm: reticent inquiry advance INQUIRY confirm-hold.",
            )


def release(opened: Opened, number: int) -> None:
    """Release a hold. Raises UsageError if there is none of that number in force."""
    opened.holds.release(number)
    opened.record(Kind.HOLD_RELEASED, f"release hold {number}", Actor.CUSTODIAN, epoch=opened.holds.epoch())
