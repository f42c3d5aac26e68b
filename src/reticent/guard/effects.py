"""What each step does to a case: pure functions from case and step to case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from reticent.guard.case import ALWAYS_SEALED, FOUR, Case, Hold, Taken
from reticent.guard.clocks import after_working_days
from reticent.guard.words import (
    Departure,
    Duty,
    Ending,
    HoldKind,
    Instrument,
    LawAnswer,
    Notice,
    PartyKind,
    Standing,
)

ASKED_WORKING_DAYS, ALONE_WORKING_DAYS, PROVISIONAL_HOURS = 3, 10, 72
"""How long an unanswered question waits, a hold of one officer lasts, and the hold a paper places at once."""

Effect = Callable[[Case, Taken], Case]


def record(case: Case, taken: Taken) -> Case:
    """Note who asked, and a threat as something to report."""
    duties = {Duty.REPORT_INCIDENT} if taken.flag("threat") else set()
    party = PartyKind(taken.word("party"))
    return replace(case, party=party, duties=frozenset(duties), classes=taken.some("classes"))


def triage(case: Case, taken: Taken) -> Case:
    """Note the kind of request; an outside demand asks the custodian whether to hold."""
    word = taken.word("kind")
    kind = None if word == "no_request" else Instrument(word)
    asks = kind is not None and kind not in (Instrument.OWN_REQUEST, Instrument.CONSENT, Instrument.GUARDIAN_REQUEST)
    classes = taken.some("classes") or case.classes
    until = end(after_working_days(taken.day, ASKED_WORKING_DAYS, taken.closed))
    hold = Hold(HoldKind.ASKED, until, classes=classes) if asks else case.hold
    return replace(answered(case, taken), kind=kind, sealed=kind in ALWAYS_SEALED, hold=hold, classes=classes)


def answered(case: Case, taken: Taken) -> Case:
    """Take over the law's answer where the step brings one."""
    law = LawAnswer(taken.word("law")) if "law" in taken.facts else case.law
    standing = Standing(taken.word("standing")) if "standing" in taken.facts else case.standing
    return replace(case, law=law, standing=standing)


def excepted(case: Case, taken: Taken) -> Case:
    """Open a cited statutory exception for a scope."""
    return replace(answered(case, taken), exception=True, scope=taken.word("scope"))


def register(case: Case, taken: Taken) -> Case:
    """Take a paper in hand: it places a hold at once and undoes whatever was approved."""
    kind, gag = Instrument(taken.word("kind")), taken.flag("gag")
    return replace(
        provisional(unapproved(answered(case, taken)), taken),
        kind=kind,
        instrument=True,
        exception=False,
        classes=taken.some("classes"),
        document=taken.word("document"),
        issued=taken.date("issued"),
        served=taken.date("served"),
        returns=taken.date("returns"),
        valid_until=taken.date("valid_until"),
        scope=taken.word("scope"),
        broad=bool(taken.some("breadth")),
        fields=None,
        attested=frozenset(),
        findings_open=0,
        notice_due=False,
        sealed=case.sealed or gag or kind in ALWAYS_SEALED,
        gag_until=taken.date("gag_until") or case.gag_until,
        notice=Notice.DEFERRED if gag or kind in ALWAYS_SEALED else Notice.NONE,
        not_before=None,
    )


def provisional(case: Case, taken: Taken) -> Case:
    """A paper in hand places a hold at once, beside those of others; one officer's hold without a paper joins it."""
    scope, classes, now = taken.word("scope"), taken.some("classes"), case.hold
    confirmed = case.confirmed(scope)
    again = case.instrument and (case.document, case.scope) == (taken.word("document"), scope)
    soft = now.kind in (HoldKind.PROVISIONAL, HoldKind.ALONE)
    if (confirmed and confirmed.in_force(taken.at)) or (again and soft):
        return case
    hours = taken.number("hold_hours") if "hold_hours" in taken.facts else PROVISIONAL_HOURS
    hold = Hold(HoldKind.PROVISIONAL, taken.at + timedelta(hours=hours), scope=scope, classes=classes)
    if now.kind is HoldKind.ALONE and not now.scope and now.in_force(taken.at):
        return replace(case, hold=_with(now, replace(hold, kind=now.kind)))
    return replace(case, hold=hold, kept=_beside(case, taken.at, scope))


def _with(earlier: Hold, hold: Hold) -> Hold:
    """Return a hold that ends no sooner and leaves out no class of an earlier one."""
    classes = earlier.classes | hold.classes if earlier.classes and hold.classes else frozenset()
    return replace(hold, until=max(filter(None, (earlier.until, hold.until))), classes=classes)


def _beside(case: Case, now: datetime, scope: str) -> tuple[Hold, ...]:
    """Return the holds that go on beside a new one: in force, and of a scope that this one does not replace."""
    asked = (HoldKind.NONE, HoldKind.ASKED, HoldKind.LIFTED)
    return tuple(
        one for one in case.holds if one.kind not in asked and one.in_force(now) and one.scope not in ("", scope)
    )


def unapproved(case: Case) -> Case:
    """Undo the approval."""
    return replace(case, approved=frozenset(), policy="")


def examine(case: Case, taken: Taken) -> Case:
    """Take over counsel's checklist; what counsel lets pass is a departure."""
    open_findings = max(0, taken.number("findings_required") - taken.number("findings_shown"))
    departures = set(case.departures)
    if open_findings and "reason" in taken.facts:
        departures.add(Departure.FINDING_NOT_SHOWN)
        open_findings = 0
    if case.broad and taken.flag("accept_breadth"):
        departures.add(Departure.OVERBROAD_ACCEPTED)
    if taken.flag("advises_requester"):
        departures.add(Departure.COUNSEL_ADVISES_REQUESTER)
    if widens(taken):
        departures.add(Departure.FIELDS_WIDENED)
    notice = case.notice
    if notice in (Notice.NONE, Notice.REQUIRED):
        notice = Notice.REQUIRED if taken.flag("notice_required") else Notice.NONE
    return replace(
        unapproved(answered(case, taken)),
        attested=frozenset(name for name in FOUR if taken.flag(name)),
        findings_open=open_findings,
        broad=case.broad and not taken.flag("accept_breadth"),
        fields=taken.some("fields") if "fields" in taken.facts else case.fields,
        notice=notice,
        notice_due=taken.flag("notice_required"),
        notice_days=taken.number("notice_days"),
        wait_days=taken.number("wait_days"),
        departures=frozenset(departures),
    )


def widens(taken: Taken) -> bool:
    """Whether counsel opens parts of a record that the pack keeps closed."""
    return {"fields", "pack_fields"} <= taken.facts.keys() and not taken.some("fields") <= taken.some("pack_fields")


def defect(case: Case, taken: Taken) -> Case:
    """Open defects; nothing is approved while one is open."""
    return replace(unapproved(case), defects=case.defects | taken.some("defects"))


def cure(case: Case, taken: Taken) -> Case:
    """Close defects."""
    return replace(case, defects=case.defects - taken.some("defects"))


def ruling(case: Case, taken: Taken) -> Case:
    """Take over what the court said; a narrowed demand has a new scope."""
    after = unapproved(case)
    if taken.word("ruling") != "narrowed":
        return after
    return replace(after, scope=taken.word("scope"), broad=bool(taken.some("breadth")))


def ends(ending: Ending) -> Effect:
    """Return the effect that ends a case so."""
    return lambda case, _: replace(case, ending=ending)


def withdraw(case: Case, taken: Taken) -> Case:
    """End a case as withdrawn or quashed."""
    return replace(case, ending=Ending(taken.word("ended")))


def send_notice(case: Case, taken: Taken) -> Case:
    """Start the notice clock: whole days after the day of sending."""
    sent = taken.date("sent") or taken.day
    late = case.served is not None and sent > after_working_days(case.served, case.notice_days, taken.closed)
    wait = datetime.combine(sent + timedelta(days=case.wait_days + 1), time(), UTC)
    after = replace(unapproved(case), notice=Notice.SENT, not_before=wait)
    return departs(after, Departure.LATE_NOTICE, when=late)


def departs(case: Case, what: Departure, *, when: bool = True) -> Case:
    """Note a departure."""
    return replace(case, departures=case.departures | {what}) if when else case


def approve(case: Case, taken: Taken) -> Case:
    """Note who approved which scope, and under which policy."""
    persons = frozenset(person for _, person in taken.by)
    return replace(case, approved=persons, policy=taken.word("policy"), scope=taken.word("scope"))


def release(case: Case, taken: Taken) -> Case:
    """Note the release and what is owed after it."""
    duties = set(case.duties) | {Duty.DEBRIEF}
    paper = taken.word("witness") == "paper"
    if paper:
        duties.add(Duty.COSIGN)
    if case.basis == "instrument" and case.notice is not Notice.SENT:
        duties.add(Duty.NOTIFY_PATRON)
    if case.kind is Instrument.EXIGENT_REQUEST:
        duties.add(Duty.REVIEW_EMERGENCY)
    after = replace(case, duties=frozenset(duties), ending=Ending.PRODUCED)
    return departs(on_time(after, taken), Departure.NO_WITNESS, when=paper)


def on_time(case: Case, taken: Taken) -> Case:
    """Note a return date that was missed."""
    return departs(case, Departure.RETURN_DATE_MISSED, when=case.returns is not None and taken.day > case.returns)


def nil(case: Case, taken: Taken) -> Case:
    """Note a nil return."""
    return on_time(replace(case, ending=Ending.NIL_RETURN, duties=case.duties | {Duty.DEBRIEF}), taken)


def comply(case: Case, taken: Taken) -> Case:
    """Note that counsel complied under compulsion."""
    after = replace(case, ending=Ending.COMPELLED, duties=case.duties | {Duty.NOTIFY_PATRON, Duty.DEBRIEF})
    return departs(on_time(after, taken), Departure.COMPLIED_UNDER_COMPULSION)


def by_duty(case: Case, taken: Taken) -> Case:
    """Note a disclosure by duty that the pack could not vouch for."""
    owed = {Duty.DEBRIEF, Duty.REVIEW_EMERGENCY} if case.kind is Instrument.EXIGENT_REQUEST else {Duty.DEBRIEF}
    after = replace(case, ending=Ending.BY_DUTY, duties=case.duties | owed)
    return departs(after, Departure.DUTY_DESPITE_PACK)


def begin_warrant(case: Case, taken: Taken) -> Case:
    """Note that a search warrant is being executed; the paper places a hold at once."""
    owed = case.duties | {Duty.DEBRIEF, Duty.NOTIFY_PATRON}
    after = replace(provisional(case, taken), instrument=True, duties=owed)
    after = replace(
        after, valid_until=taken.date("valid_until"), scope=taken.word("scope"), issued=taken.date("issued")
    )
    attested = frozenset({"court_order", *(name for name in FOUR if taken.flag(name))})
    after = replace(after, attested=attested, classes=taken.some("classes"), document=taken.word("document"))
    if taken.flag("gag"):
        after = replace(after, sealed=True, notice=Notice.DEFERRED, gag_until=taken.date("gag_until"))
    return departs(after, Departure.COUNSEL_UNREACHABLE, when=taken.word("counsel_called") == "unreachable")


def under_warrant(case: Case, taken: Taken) -> Case:
    """Note what was handed over under a warrant, and that another officer must countersign."""
    return replace(
        case,
        duties=case.duties | {Duty.COUNTERSIGN},
        countersign_by=after_working_days(taken.day, 1, taken.closed),
        produced_by=frozenset(person for _, person in taken.by),
    )


def countersign(case: Case, taken: Taken) -> Case:
    """Note the countersignature, late or not."""
    late = case.countersign_by is not None and taken.day > case.countersign_by
    return departs(paid(Duty.COUNTERSIGN)(case, taken), Departure.LATE_COUNTERSIGN, when=late)


def paid(duty: Duty) -> Effect:
    """Return the effect that settles a duty."""
    return lambda case, _: replace(case, duties=case.duties - {duty})


def seal(case: Case, taken: Taken) -> Case:
    """Seal the case."""
    notice = Notice.DEFERRED if taken.flag("gag") else case.notice
    return replace(case, sealed=True, notice=notice, gag_until=taken.date("gag_until"), gag_review=taken.date("review"))


def unseal(case: Case, _: Taken) -> Case:
    """Unseal the case; a notice that was due and forbidden is due again."""
    notice = case.notice
    if notice is Notice.DEFERRED:
        notice = Notice.REQUIRED if case.notice_due else Notice.NONE
    return replace(case, sealed=False, gag_until=None, gag_review=None, notice=notice)


def answer_hold(case: Case, taken: Taken) -> Case:
    """Take the custodian's answer."""
    return place_hold(case, taken) if taken.flag("place") else replace(case, hold=Hold(HoldKind.LIFTED))


def place_hold(case: Case, taken: Taken) -> Case:
    """Place a hold of one officer; what a paper holds goes on in it."""
    until = end(after_working_days(taken.day, ALONE_WORKING_DAYS, taken.closed))
    hold = Hold(HoldKind.ALONE, until, scope=case.scope, classes=case.classes)
    now = case.hold
    if now.kind is HoldKind.PROVISIONAL and now.in_force(taken.at):
        hold = _with(now, hold)
    return replace(case, hold=hold, kept=_beside(case, taken.at, case.scope), alone=True)


def confirm_hold(case: Case, taken: Taken) -> Case:
    """Make a hold firm, beside those of other scopes."""
    until = taken.date("until") or taken.day
    mode, scope = taken.word("mode") or "sealed_copy", taken.word("scope")
    classes = taken.some("classes") if "classes" in taken.facts else case.classes
    hold = Hold(HoldKind.CONFIRMED, end(until), mode, scope=scope, classes=classes)
    return replace(case, hold=hold, kept=_beside(case, taken.at, scope))


def record_copy(case: Case, taken: Taken) -> Case:
    """Note that the sealed copy of a confirmed scope is made; without a scope, of the latest."""
    scope = taken.word("scope") or case.hold.scope
    *kept, hold = (replace(one, copied=one.copied or one.scope == scope) for one in case.holds)
    return replace(case, hold=hold, kept=tuple(kept))


def end(day: date) -> datetime:
    """Return the end of a day, UTC."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def lift_hold(case: Case, taken: Taken) -> Case:
    """Lift the hold of one scope, or every hold."""
    scope = taken.word("scope")
    rest = [one for one in case.holds if scope and one.scope != scope and one.in_force(taken.at)]
    *kept, hold = rest or [Hold(HoldKind.LIFTED)]
    return replace(case, hold=hold, kept=tuple(kept))
