"""What must be done by when: return dates, clocks, holds, gags and duties of one case. Pure; names nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from reticent.guard.case import Case, Hold
from reticent.guard.clocks import after_working_days
from reticent.guard.words import Duty, HoldKind, Notice, State

SOON = timedelta(days=14)
_OVER = frozenset({State.AFTERWARDS, State.CLOSED, State.DISPOSED, State.DISCLOSED, State.REFUSED, State.NIL_RETURN})
_DUTIES = {
    Duty.COSIGN: "Have the witness cosign the checkpoint that was signed on paper.",
    Duty.REVIEW_EMERGENCY: "Counsel reviews the emergency release.",
    Duty.NOTIFY_PATRON: "Tell the patron, or have counsel say why not yet.",
    Duty.DEBRIEF: "Look back, with what it cost.",
    Duty.REPORT_INCIDENT: "Report the threat or the unauthorised demand.",
}


@dataclass(frozen=True)
class Alarm:
    """One thing to do: by which day (UTC; None: no day is set), whether that is past, and what."""

    by: date | None
    overdue: bool
    says: str


def alarms(case: Case, now: datetime, closed: Collection[date] = ()) -> tuple[Alarm, ...]:
    """Return what is due on a case within two weeks or overdue, the earliest first; ``closed``: the library's days."""
    today = now.astimezone(UTC).date()
    found = [Alarm(by, by is not None and by < today, says) for by, says in _all(case, now, closed)]
    near = [one for one in found if one.by is None or one.by <= today + SOON]
    return tuple(sorted(near, key=lambda one: (one.by or date.max, one.says)))


def playbook(reviewed: date | None, today: date) -> tuple[Alarm, ...]:
    """Return what is due on the printed playbook: counsel goes through it once a year."""
    if reviewed is None:
        return (Alarm(None, overdue=False, says="Counsel has not gone through the printed playbook yet."),)
    by = reviewed + timedelta(days=365)
    if by > today + SOON:
        return ()
    return (
        Alarm(
            by, overdue=by < today, says="Counsel goes through the printed playbook and whom to call, as every year."
        ),
    )


def _all(case: Case, now: datetime, closed: Collection[date]) -> Iterator[tuple[date | None, str]]:
    if case.state in (State.CLOSED, State.DISPOSED):
        return
    yield from _paper(case, closed)
    for hold in case.holds:
        yield from _hold(hold, now)
    yield from _gag(case)
    if Duty.COUNTERSIGN in case.duties:
        yield case.countersign_by, "Another officer countersigns what was handed over under the warrant."
    if case.state in _OVER:
        yield from ((None, says) for duty, says in _DUTIES.items() if duty in case.duties)


def _paper(case: Case, closed: Collection[date]) -> Iterator[tuple[date | None, str]]:
    if case.state in _OVER:
        return
    if case.returns is not None:
        yield case.returns, "The paper's return or hearing day: answer, appear or move before it."
    if case.valid_until is not None and case.state is not State.WARRANT_EXECUTION:
        yield case.valid_until, "The last day the paper is in force."
    if case.notice is Notice.REQUIRED and case.served is not None:
        yield after_working_days(case.served, case.notice_days, closed), "The patron's notice must be sent."
    if case.not_before is not None:
        yield case.not_before.date(), "The notice clock is over; nothing leaves before."


def _hold(hold: Hold, now: datetime) -> Iterator[tuple[date | None, str]]:
    until = hold.until
    if until is None or (hold.kind is HoldKind.ASKED and now >= until):
        return
    last = (until - timedelta(seconds=1)).date()
    yield (
        last,
        {
            HoldKind.ASKED: "Custodian: must anything be preserved? Unanswered, severing goes on after this day.",
            HoldKind.PROVISIONAL: "The provisional hold lapses: two officers confirm it, or it ends.",
            HoldKind.ALONE: "One officer's hold lapses: two confirm it, or it ends.",
        }.get(hold.kind, "The confirmed hold ends; confirm it again if it is still needed."),
    )
    if hold.kind is HoldKind.CONFIRMED and hold.mode == "sealed_copy" and not hold.copied:
        yield None, "Make the sealed copy; severing waits for it."


def _gag(case: Case) -> Iterator[tuple[date | None, str]]:
    if not case.sealed:
        return
    if case.gag_until is not None:
        yield case.gag_until, "The gag ends: unseal the case and tell the patron."
    if case.gag_review is not None:
        yield case.gag_review, "Counsel asks for review of the gag."
    elif case.gag_until is None:
        yield None, "The gag has no end: counsel sets a day to ask for its review."
