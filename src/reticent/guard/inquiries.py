"""The workflow of an inquiry, from the first contact to its disposal, as a pure state machine.

``advance(case, taken)`` returns the case after one step or raises ``NotPermitted`` with everything
that is missing. It reads no file, no clock and no name: a step carries its time, who took it (role
and person, verified by the caller), the statute it rests on, and facts of the closed vocabulary of
``words.py``. The model is python-tuf's trusted metadata set: the rules stand here, in one place.

1.  Every step names an actor, a ground (the policy clause of the rule and a statute) and its facts.
2.  Time does not run backwards within a case.
3.  The front line records a contact and triages it. Everything later is an officer's.
4.  What only counsel may do is done by counsel, or by custodian and alternate together on counsel's
    signed advice: counsel needs no account. Two officers are two persons.
5.  Paper that can compel is registered and goes to counsel; the software never refuses it, and never
    obeys it.
6.  Approval needs two officers, a basis (a court's validated instrument, the patron's own consent, or
    a cited statutory exception), no open defect, every finding shown or answered for, and the
    patron's notice sent, waived or forbidden.
7.  Nothing leaves while a notice clock runs, after the paper has expired, or without a witness or two
    officers' paper checkpoint.
8.  A new paper, a new scope or a new policy undoes what was approved.
9.  A search warrant is not obstructed: the custodian or the alternate alone may hand over its exact
    scope; another officer countersigns by the end of the next working day.
10. Registering a paper places a hold at once; a hold set by one officer lapses; a confirmed one ends. A new scope
    is held beside what was confirmed before; only counsel lifts.
11. Where counsel complies under compulsion, or discloses by duty although the pack cannot vouch for
    it, the case says so as a departure. Reticent itself hands nothing over then.
12. A case closes when nothing is owed, no hold is in force, and no gag forbids the patron's notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType

from reticent.errors import NotPermitted
from reticent.guard import conditions as need
from reticent.guard import effects
from reticent.guard.case import COURT_PAPER, FOUR, Case, Known, Taken, Undecided
from reticent.guard.words import (
    COMPULSORY,
    FACTS,
    Duty,
    Ending,
    HoldKind,
    Instrument,
    LawAnswer,
    Notice,
    Role,
    Standing,
    State,
    Step,
)

Roles = tuple[frozenset[Role], ...]
"""Who may take a step: any one of these groups, each complete."""

_C, _A, _L = Role.CUSTODIAN, Role.ALTERNATE, Role.COUNSEL
ANYONE: Roles = tuple(frozenset({role}) for role in Role)
OFFICER: Roles = (frozenset({_C}), frozenset({_A}))
ANY_OFFICER: Roles = (*OFFICER, frozenset({_L}))
COUNSEL: Roles = (frozenset({_L}), frozenset({_C, _A}))
TWO: Roles = (frozenset({_C, _L}), frozenset({_C, _A}), frozenset({_A, _L}))


@dataclass(frozen=True)
class Rule:
    """One step: what it is, from where to where (None: stays), by whom, on which clause and facts."""

    title: str
    sources: frozenset[State]
    target: State | None
    who: Roles
    clause: str
    facts: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    needs: tuple[need.Need, ...] = ()
    effect: effects.Effect = lambda case, _: case


def advance(case: Case, taken: Taken) -> Case:
    """Return the case after one step. Raises NotPermitted naming everything that is missing."""
    rule = RULES[taken.step]
    if lacking := missing(case, taken):
        raise NotPermitted(
            f"{rule.title}: not yet. " + " ".join(lacking),
            where=f"state {case.state}",
            do=f"Steps open from here: {', '.join(open_steps(case)) or 'none'}.",
        )
    after = rule.effect(case, taken)
    return replace(after, state=rule.target or after.state, at=taken.at)


def open_steps(case: Case) -> tuple[Step, ...]:
    """Return the steps whose rule starts from this state; whether they succeed depends on their facts."""
    return tuple(step for step, rule in RULES.items() if case.state in rule.sources)


def missing(case: Case, taken: Taken) -> list[str]:
    """Return what keeps a step from being taken, in sentences; nothing if it may be."""
    rule = RULES[taken.step]
    found = [] if case.state in rule.sources else [f"From {case.state} there is no such step."]
    found += _who(taken, rule)
    if not taken.statute.strip():
        found.append("The statute it rests on is not named.")
    found += _clock(case, taken)
    # Conditions may read facts, so they are asked only once these are what they should be.
    return found + (_facts(taken, rule) or _unmet(case, taken, rule))


def refused(case: Case, step: Step, at: datetime, known: Mapping[str, object]) -> list[str]:
    """Return why a step that starts here would be refused at a moment, whoever signs and whatever else is typed.

    ``known``: the facts that site, law and policy answer themselves. What turns on any other fact is not told.
    """
    taken = Taken(step, at, frozenset(), "", Known(known))
    return _clock(case, taken) + _unmet(case, taken, RULES[step])


def _clock(case: Case, taken: Taken) -> list[str]:
    return ["Its time lies before the last step: the clock went back."] if taken.at < case.at else []


def _unmet(case: Case, taken: Taken, rule: Rule) -> list[str]:
    found = []
    for holds, says in rule.needs:
        try:
            found += [] if holds(case, taken) else [says]
        except Undecided:
            continue
    return found


def _who(taken: Taken, rule: Rule) -> list[str]:
    roles = frozenset(role for role, _ in taken.by)
    group = next((group for group in rule.who if group <= roles), None)
    if group is None:
        named = " or ".join(" and ".join(sorted(one)) for one in rule.who)
        return [f"It is for {named}; it came from {' and '.join(sorted(roles)) or 'nobody'}."]
    if len({person for role, person in taken.by if role in group}) < len(group):
        return ["Two officers are two persons; this is one."]
    if rule.who == COUNSEL and _L not in group and "advice" not in taken.facts:
        return ["Custodian and alternate act here on counsel's signed advice; its digest is missing."]
    return []


def _facts(taken: Taken, rule: Rule) -> list[str]:
    allowed = {*rule.facts, *rule.may, *(("advice",) if rule.who in (COUNSEL, TWO) else ())}
    found = [
        f"The fact {name} is missing ({FACTS[name][1]}: {FACTS[name][0].words})."
        for name in rule.facts
        if name not in taken.facts
    ]
    for name, value in taken.facts.items():
        if name not in allowed:
            found.append(f"The fact {name} has no place here." if name in FACTS else "A fact is unknown.")
        elif not FACTS[name][0].test(value):
            found.append(f"The fact {name} is not {FACTS[name][0].words}.")
    return found


# ---- the rules --------------------------------------------------------------------------------

_OPEN = frozenset(State) - {State.IDLE, State.CONTACT, State.CLOSED, State.DISPOSED}
"""Past the front line and not closed."""
_PENDING = frozenset(
    {
        State.INSTRUMENT_RECEIVED,
        State.COUNSEL_REVIEW,
        State.DEFECT_NOTICE,
        State.CHALLENGED,
        State.NOTICE_CLOCK,
        State.APPROVED,
        State.SEARCHED,
        State.PREPARED,
    }
)
"""A paper is in hand and nothing was handed over."""
_REVIEWS = frozenset({State.GUARDIAN_REVIEW, State.EXIGENT_REVIEW, State.CONSENT_REVIEW})


def _from(*states: State) -> frozenset[State]:
    return frozenset(states)


RULES: Mapping[Step, Rule] = MappingProxyType(
    {
        Step.RECORD: Rule(
            "Record a contact",
            _from(State.IDLE),
            State.CONTACT,
            ANYONE,
            "R16, R18, R38",
            ("channel", "party", "level"),
            ("classes", "paper_shown", "threat"),
            effect=effects.record,
        ),
        Step.TRIAGE: Rule(
            "Triage",
            _from(State.CONTACT),
            State.TRIAGED,
            ANYONE,
            "R33",
            ("kind", "law", "standing"),
            ("emergency_clause", "classes", "library_closed"),
            effect=effects.triage,
        ),
        Step.CLOSE_WITHOUT_REQUEST: Rule(
            "Nothing was asked",
            _from(State.TRIAGED),
            State.AFTERWARDS,
            OFFICER,
            "R18",
            needs=((lambda case, _: case.kind is None, "Something was asked."),),
            effect=effects.ends(Ending.NO_REQUEST),
        ),
        Step.REFER: Rule(
            "Take it over from the front line",
            _from(State.TRIAGED),
            State.REFERRED,
            OFFICER,
            "R33",
            needs=((lambda case, _: case.kind is not None, "Nothing was asked."), need.NO_COMPULSION),
        ),
        Step.REFUSE: Rule(
            "Refuse",
            _from(State.REFERRED, *_REVIEWS),
            State.REFUSED,
            OFFICER,
            "R24, R33",
            ("reason",),
            ("letter",),
            (
                need.NO_COMPULSION,
                (lambda case, _: case.kind is not Instrument.OWN_REQUEST, "A patron's own record is not refused."),
                (
                    lambda case, _: case.law in (LawAnswer.MUST_NOT, LawAnswer.MAY) or case.state in _REVIEWS,
                    "The law may command it, so only counsel can say no.",
                ),
                (lambda case, _: case.law is not LawAnswer.MUST or not case.exception, "The statute commands it."),
            ),
            effects.ends(Ending.REFUSED),
        ),
        Step.OPEN_OWN_ACCESS: Rule(
            "Take up a patron's request for their own record",
            _from(State.TRIAGED, State.REFERRED),
            State.SUBJECT_ACCESS,
            OFFICER,
            "R50",
            needs=(need.kind(Instrument.OWN_REQUEST),),
        ),
        Step.HAND_TO_SUBJECT: Rule(
            "Hand a patron their own record",
            _from(State.SUBJECT_ACCESS),
            State.DISCLOSED,
            OFFICER,
            "R50",
            ("identity", "package"),
            effect=effects.ends(Ending.PRODUCED),
        ),
        Step.OPEN_GUARDIAN: Rule(
            "Take up a guardian's request",
            _from(State.TRIAGED, State.REFERRED),
            State.GUARDIAN_REVIEW,
            OFFICER,
            "R21, R46",
            needs=(need.kind(Instrument.GUARDIAN_REQUEST), need.NOT_FORBIDDEN),
        ),
        Step.VERIFY_RELATION: Rule(
            "Verify the guardian's relation",
            _from(State.GUARDIAN_REVIEW),
            None,
            OFFICER,
            "R46",
            ("proofs", "scope"),
            ("law", "standing"),
            ((lambda _, taken: bool(taken.some("proofs")), "The relation was not shown."),),
            lambda case, taken: replace(effects.answered(case, taken), exception=True, scope=taken.word("scope")),
        ),
        Step.OPEN_EXIGENT: Rule(
            "Take up an emergency request",
            _from(State.TRIAGED, State.REFERRED),
            State.EXIGENT_REVIEW,
            OFFICER,
            "R24, R45",
            ("emergency_clause",),
            needs=(
                need.kind(Instrument.EXIGENT_REQUEST),
                need.true("emergency_clause", "The law here has no emergency clause."),
                need.NOT_FORBIDDEN,
            ),
        ),
        Step.TAKE_OFFICERS_FORM: Rule(
            "Take the officer's statement of the emergency",
            _from(State.EXIGENT_REVIEW),
            None,
            OFFICER,
            "R45",
            ("document", "fields", "scope"),
            ("law", "standing"),
            ((lambda _, taken: taken.some("fields") == {"identity"}, "An emergency opens identity only."),),
            lambda case, taken: replace(effects.answered(case, taken), exception=True, scope=taken.word("scope")),
        ),
        Step.REVIEW_EMERGENCY: Rule(
            "Review an emergency afterwards",
            _from(State.AFTERWARDS),
            None,
            COUNSEL,
            "R45",
            needs=((lambda case, _: Duty.REVIEW_EMERGENCY in case.duties, "There is none to review."),),
            effect=effects.paid(Duty.REVIEW_EMERGENCY),
        ),
        Step.OPEN_CONSENT: Rule(
            "Take up a patron's consent",
            _from(State.TRIAGED, State.REFERRED),
            State.CONSENT_REVIEW,
            OFFICER,
            "R4",
            ("from_patron", "identity", "expires", "document", "scope"),
            needs=(
                need.kind(Instrument.CONSENT),
                need.true("from_patron", "Consent comes from the patron alone, never through the asker."),
                (lambda _, taken: (taken.date("expires") or taken.day) >= taken.day, "The consent has expired."),
            ),
            effect=lambda case, taken: replace(
                case, exception=True, scope=taken.word("scope"), valid_until=taken.date("expires")
            ),
        ),
        Step.WITHDRAW_CONSENT: Rule(
            "The patron withdraws consent",
            _from(State.CONSENT_REVIEW, State.COUNSEL_REVIEW, State.APPROVED, State.SEARCHED, State.PREPARED),
            State.REFUSED,
            OFFICER,
            "R4",
            needs=(need.kind(Instrument.CONSENT),),
            effect=lambda case, _: replace(effects.unapproved(case), exception=False, ending=Ending.CONSENT_WITHDRAWN),
        ),
        Step.REGISTER_INSTRUMENT: Rule(
            "Register a paper",
            _from(
                State.TRIAGED,
                State.REFERRED,
                State.EXIGENT_REVIEW,
                State.COUNSEL_REVIEW,
                State.DEFECT_NOTICE,
                State.CHALLENGED,
                State.NOTICE_CLOCK,
                State.APPROVED,
                State.SEARCHED,
                State.PREPARED,
            ),
            State.INSTRUMENT_RECEIVED,
            OFFICER,
            "R25, R34, R48",
            ("kind", "court", "has_judge", "issued", "served", "served_on", "scope", "instrument", "law", "standing"),
            (
                "returns",
                "valid_until",
                "gag",
                "gag_until",
                "document",
                "breadth",
                "hold_hours",
                "has_docket",
                "classes",
            ),
            (
                (
                    lambda _, taken: taken.word("kind") in {*COMPULSORY, Instrument.ADMINISTRATIVE_WARRANT},
                    "This kind is no paper that can be registered.",
                ),
                (
                    lambda _, taken: not (taken.flag("has_judge") and taken.word("court") == "none"),
                    "There is a judge but no court.",
                ),
                (
                    lambda _, taken: (taken.date("issued") or date.min) <= (taken.date("served") or date.max),
                    "It was served before it was issued.",
                ),
                (
                    lambda _, taken: (taken.date("served") or date.max) <= taken.day + timedelta(days=1),
                    "It was served in the future.",
                ),
            ),
            effects.register,
        ),
        Step.SEND_TO_COUNSEL: Rule(
            "Send it to counsel",
            _from(State.REFERRED, State.INSTRUMENT_RECEIVED, *_REVIEWS),
            State.COUNSEL_REVIEW,
            OFFICER,
            "R34",
        ),
        Step.EXAMINE: Rule(
            "Counsel examines",
            _from(State.COUNSEL_REVIEW, State.NOTICE_CLOCK),
            None,
            COUNSEL,
            "R25 to R28, R34, R44",
            (*FOUR, "findings_required", "findings_shown", "notice_required", "advises_requester", "law", "standing"),
            ("reason", "accept_breadth", "fields", "pack_fields", "notice_days", "wait_days", "provider"),
            (
                (
                    lambda case, taken: (
                        case.kind is not Instrument.NATIONAL_SECURITY_LETTER or "provider" in taken.facts
                    ),
                    "Counsel answers whether the library is a provider (18 U.S.C. 2709(f)).",
                ),
                (
                    lambda case, taken: not taken.flag("court_order") or case.kind in COURT_PAPER,
                    "This kind of paper is no court's order.",
                ),
                (
                    lambda _, taken: not effects.widens(taken) or taken.word("standing") != Standing.CONFIRMED,
                    "Counsel confirmed the pack that keeps these parts closed: correct it and confirm it anew.",
                ),
            ),
            effects.examine,
        ),
        Step.FIND_EXCEPTION: Rule(
            "Counsel finds a statute that commands or allows it",
            _from(State.COUNSEL_REVIEW),
            None,
            COUNSEL,
            "R46",
            ("scope", "law", "standing"),
            needs=(need.NO_COMPULSION, (lambda _, taken: taken.word("law") != "MUST_NOT", "The law forbids it.")),
            effect=lambda case, taken: replace(
                effects.answered(case, taken), exception=True, scope=taken.word("scope")
            ),
        ),
        Step.NOTIFY_DEFECT: Rule(
            "Send a defect notice",
            _from(State.COUNSEL_REVIEW, State.NOTICE_CLOCK, State.APPROVED, State.SEARCHED, State.PREPARED),
            State.DEFECT_NOTICE,
            COUNSEL,
            "R35",
            ("defects",),
            ("letter",),
            (
                (lambda case, _: case.instrument, "There is no paper."),
                (lambda _, taken: bool(taken.some("defects")), "No defect is named."),
            ),
            effects.defect,
        ),
        Step.CURE: Rule(
            "Defects are cured",
            _from(State.DEFECT_NOTICE, State.COUNSEL_REVIEW),
            State.COUNSEL_REVIEW,
            COUNSEL,
            "R35",
            ("defects",),
            needs=((lambda case, taken: taken.some("defects") <= case.defects, "Such a defect was not open."),),
            effect=effects.cure,
        ),
        Step.CHALLENGE: Rule(
            "Challenge it in court",
            _from(State.COUNSEL_REVIEW, State.DEFECT_NOTICE, State.NOTICE_CLOCK, State.APPROVED),
            State.CHALLENGED,
            COUNSEL,
            "R14, R28, R35",
            ("motion",),
            ("letter",),
            ((lambda case, _: case.instrument, "There is no paper."),),
            lambda case, _: effects.unapproved(case),
        ),
        Step.RULING: Rule(
            "The court has ruled",
            _from(State.CHALLENGED),
            State.COUNSEL_REVIEW,
            COUNSEL,
            "R25, R28",
            ("ruling", "document"),
            ("scope", "breadth"),
            (
                (
                    lambda _, taken: (taken.word("ruling") == "narrowed") == ("scope" in taken.facts),
                    "A narrowed demand has a new scope, and only that has one.",
                ),
            ),
            effects.ruling,
        ),
        Step.DECLINE: Rule(
            "Counsel declines",
            _from(State.COUNSEL_REVIEW),
            State.REFUSED,
            COUNSEL,
            "R24, R25, R34",
            ("reason",),
            ("letter",),
            effect=lambda case, _: replace(effects.unapproved(case), ending=Ending.REFUSED),
        ),
        Step.WITHDRAW: Rule(
            "The demand is withdrawn or quashed",
            _PENDING,
            State.AFTERWARDS,
            COUNSEL,
            "R25",
            ("ended",),
            ("document",),
            effect=lambda case, taken: effects.withdraw(effects.unapproved(case), taken),
        ),
        Step.SEND_NOTICE: Rule(
            "Notify the patron",
            _from(State.COUNSEL_REVIEW, State.APPROVED, State.SEARCHED, State.PREPARED),
            State.NOTICE_CLOCK,
            OFFICER,
            "R43",
            ("sent",),
            ("letter", "library_closed"),
            (
                (lambda case, _: not case.gagged, "The paper forbids telling the patron."),
                (lambda case, _: case.notice is Notice.REQUIRED, "Counsel has not said that a notice is due."),
                (
                    lambda case, taken: (case.served or date.min) <= (taken.date("sent") or date.min) <= taken.day,
                    "It was sent before the paper was served, or in the future.",
                ),
            ),
            effects.send_notice,
        ),
        Step.WAIVE_NOTICE: Rule(
            "A court waives the notice",
            _from(State.COUNSEL_REVIEW, State.NOTICE_CLOCK),
            None,
            COUNSEL,
            "R43",
            ("document",),
            needs=((lambda case, _: case.notice in (Notice.REQUIRED, Notice.SENT), "No notice is due."),),
            effect=lambda case, _: replace(case, notice=Notice.WAIVED, not_before=None),
        ),
        Step.APPROVE: Rule(
            "Approve the release",
            _from(State.COUNSEL_REVIEW, State.NOTICE_CLOCK, State.APPROVED, State.SEARCHED, *_REVIEWS),
            State.APPROVED,
            TWO,
            "R25 to R29, R34",
            ("scope", "policy"),
            needs=(
                need.COUNSELLED,
                need.BASIS,
                need.NO_DEFECT,
                need.NOT_FORBIDDEN,
                need.FINDINGS,
                need.PARTICULAR,
                need.NOTICE,
                need.IN_FORCE,
                need.CONFIRMED,
                need.SCOPED,
            ),
            effect=effects.approve,
        ),
        Step.SEARCH: Rule(
            "Search the systems",
            _from(State.APPROVED),
            State.SEARCHED,
            OFFICER,
            "R29",
            ("worksheet", "policy"),
            needs=(
                need.BASIS,
                need.APPROVED,
                need.NO_DEFECT,
                need.IN_FORCE,
                (lambda case, taken: case.policy == taken.word("policy"), "The policy has changed since approval."),
            ),
        ),
        Step.PREPARE: Rule(
            "Prepare what is handed over",
            _from(State.SEARCHED),
            State.PREPARED,
            OFFICER,
            "R29",
            ("package",),
            ("places_not_searched",),
            (need.BASIS, need.APPROVED, need.NO_DEFECT),
        ),
        Step.RETURN_NIL: Rule(
            "Answer that nothing is held",
            _from(State.SEARCHED),
            State.NIL_RETURN,
            OFFICER,
            "R29, R39",
            ("places_not_searched",),
            ("letter",),
            (need.APPROVED, need.NO_DEFECT, need.NOT_FORBIDDEN, need.NOTICE, need.CLOCK_OVER, need.IN_FORCE),
            effects.nil,
        ),
        Step.RELEASE: Rule(
            "Release",
            _from(State.PREPARED),
            State.DISCLOSED,
            OFFICER,
            "R25 to R29, R43, R47",
            ("package", "witness"),
            ("checkpoint", "receipt"),
            (
                need.BASIS,
                need.APPROVED,
                need.NO_DEFECT,
                need.NOT_FORBIDDEN,
                need.NOTICE,
                need.CLOCK_OVER,
                need.IN_FORCE,
                (
                    lambda _, taken: taken.word("witness") == "witnessed" or len({p for _, p in taken.by}) > 1,
                    "Without a witness two officers sign the checkpoint on paper.",
                ),
            ),
            effects.release,
        ),
        Step.COSIGN: Rule(
            "A witness cosigns later",
            _from(State.DISCLOSED, State.AFTERWARDS),
            None,
            ANY_OFFICER,
            "R49",
            ("checkpoint",),
            needs=((lambda case, _: Duty.COSIGN in case.duties, "Nothing waits for a cosignature."),),
            effect=effects.paid(Duty.COSIGN),
        ),
        Step.COMPLY: Rule(
            "Counsel complies under compulsion",
            _PENDING - {State.INSTRUMENT_RECEIVED},
            State.DISCLOSED,
            COUNSEL,
            "R25, R34",
            ("reason", "receipt"),
            ("classes",),
            ((lambda case, _: case.instrument, "There is no paper that compels."),),
            effects.comply,
        ),
        Step.DISCLOSE_BY_DUTY: Rule(
            "Counsel discloses by duty although the pack cannot vouch for it",
            _from(State.COUNSEL_REVIEW, State.GUARDIAN_REVIEW, State.EXIGENT_REVIEW),
            State.DISCLOSED,
            COUNSEL,
            "R46",
            ("reason", "receipt"),
            ("classes",),
            (
                (lambda case, _: case.standing is not Standing.CONFIRMED, "The pack is confirmed; approve instead."),
                (lambda case, _: case.law is LawAnswer.NEEDS_COUNSEL, "The law's answer does not need counsel."),
                (lambda case, _: case.exception, "Whoever asks has shown nothing the statute asks for."),
            ),
            effects.by_duty,
        ),
        Step.BEGIN_WARRANT: Rule(
            "A search warrant is being executed",
            _from(State.TRIAGED),
            State.WARRANT_EXECUTION,
            OFFICER,
            "R25, R29",
            ("has_judge", "court", "counsel_called", "waited", "scope", "issued", "valid_until", *FOUR[1:]),
            ("gag", "gag_until", "document", "classes"),
            (
                need.kind(Instrument.SEARCH_WARRANT),
                need.true("has_judge", "No judge signed it: an agency's own paper is no search warrant."),
                (lambda _, taken: taken.word("court") != "none", "A judge needs a court."),
            ),
            effects.begin_warrant,
        ),
        Step.LIST_INVENTORY: Rule(
            "List what was viewed and taken",
            _from(State.WARRANT_EXECUTION),
            None,
            ANY_OFFICER,
            "R29, R38",
            ("viewed", "taken", "machines", "inventory"),
            effect=lambda case, _: replace(case, listed=True),
        ),
        Step.PRODUCE_UNDER_WARRANT: Rule(
            "Hand over what the warrant names",
            _from(State.WARRANT_EXECUTION),
            None,
            OFFICER,
            "R29",
            ("scope",),
            ("package", "library_closed"),
            needs=(
                (lambda case, taken: taken.word("scope") == case.scope, "This is not the warrant's scope."),
                need.IN_FORCE,
            ),
            effect=effects.under_warrant,
        ),
        Step.COUNTERSIGN: Rule(
            "Another officer countersigns",
            _from(State.WARRANT_EXECUTION, State.AFTERWARDS),
            None,
            ANY_OFFICER,
            "R29, R34",
            needs=(
                (lambda case, _: Duty.COUNTERSIGN in case.duties, "Nothing waits for a countersignature."),
                (
                    lambda case, taken: not case.produced_by & {person for _, person in taken.by},
                    "Whoever handed over cannot countersign.",
                ),
            ),
            effect=effects.countersign,
        ),
        Step.END_WARRANT: Rule(
            "The officers have left",
            _from(State.WARRANT_EXECUTION),
            State.AFTERWARDS,
            OFFICER,
            "R29, R38",
            ("receipt",),
            needs=((lambda case, _: case.listed, "What was viewed and taken is not listed."),),
            effect=effects.ends(Ending.WARRANT_EXECUTED),
        ),
        Step.RESEAL: Rule(
            "Seal everything written anew, to the officers who now sit",
            frozenset(State) - {State.IDLE, State.DISPOSED},
            None,
            ANY_OFFICER,
            "R38",
        ),
        Step.SEAL: Rule(
            "Seal the case", _OPEN, None, ANY_OFFICER, "R23", ("gag", "review"), ("gag_until",), effect=effects.seal
        ),
        Step.REVIEW_GAG: Rule(
            "Review the gag",
            _OPEN,
            None,
            COUNSEL,
            "R23",
            ("review",),
            needs=((lambda case, _: case.sealed, "The case is not sealed."),),
            effect=lambda case, taken: replace(case, gag_review=taken.date("review")),
        ),
        Step.UNSEAL: Rule(
            "Unseal the case",
            _OPEN,
            None,
            COUNSEL,
            "R23",
            ("reason",),
            needs=((lambda case, _: case.sealed, "The case is not sealed."),),
            effect=effects.unseal,
        ),
        Step.ANSWER_HOLD: Rule(
            "Answer whether something must be preserved",
            _OPEN,
            None,
            OFFICER,
            "R48",
            ("place",),
            needs=((lambda case, _: case.hold.kind is HoldKind.ASKED, "Nobody asked."),),
            effect=effects.answer_hold,
        ),
        Step.PLACE_HOLD: Rule(
            "Place a hold alone",
            _OPEN,
            None,
            OFFICER,
            "R48",
            may=("library_closed",),
            needs=(
                need.NOT_CONFIRMED,
                (lambda case, _: not case.alone, "One officer places a hold once; two confirm."),
            ),
            effect=effects.place_hold,
        ),
        Step.CONFIRM_HOLD: Rule(
            "Confirm the hold",
            _OPEN,
            None,
            TWO,
            "R48",
            ("until", "scope"),
            ("mode", "classes"),
            (
                (lambda _, taken: (taken.date("until") or date.min) > taken.day, "A hold ends in the future."),
                need.NOT_LOOSENED,
                (
                    lambda _, taken: taken.word("mode") in ("", "sealed_copy") or _L in {role for role, _ in taken.by},
                    "Keeping records in place, or holding what comes, is counsel's choice.",
                ),
            ),
            effects.confirm_hold,
        ),
        Step.RECORD_COPY: Rule(
            "The sealed copy is made",
            _OPEN,
            None,
            OFFICER,
            "R48",
            ("package",),
            ("scope",),
            (
                (
                    lambda case, taken: case.confirmed(taken.word("scope") or case.hold.scope) is not None,
                    "Two officers have not confirmed it.",
                ),
            ),
            effects.record_copy,
        ),
        Step.LIFT_HOLD: Rule(
            "Lift the hold",
            _OPEN,
            None,
            COUNSEL,
            "R48",
            may=("scope",),
            needs=(
                (lambda case, _: case.hold.until is not None, "There is no hold."),
                (
                    lambda case, taken: not taken.word("scope") or taken.word("scope") in {h.scope for h in case.holds},
                    "No hold is of this scope.",
                ),
            ),
            effect=effects.lift_hold,
        ),
        Step.REPORT_INCIDENT: Rule(
            "Report a threat or an unauthorised demand",
            _OPEN,
            None,
            ANY_OFFICER,
            "R37",
            ("letter",),
            effect=effects.paid(Duty.REPORT_INCIDENT),
        ),
        Step.FINISH: Rule(
            "Go on to what is owed afterwards",
            _from(State.DISCLOSED, State.REFUSED, State.NIL_RETURN),
            State.AFTERWARDS,
            OFFICER,
            "R38",
        ),
        Step.NOTIFY_PATRON: Rule(
            "Tell the patron afterwards",
            _from(State.AFTERWARDS),
            None,
            OFFICER,
            "R4, R43",
            ("sent",),
            ("letter",),
            ((lambda case, _: not case.gagged, "The paper forbids telling the patron."),),
            effects.paid(Duty.NOTIFY_PATRON),
        ),
        Step.DEBRIEF: Rule(
            "Look back, with what it cost",
            _from(State.AFTERWARDS),
            None,
            ANY_OFFICER,
            "R38",
            ("minutes", "cents"),
            effect=effects.paid(Duty.DEBRIEF),
        ),
        Step.CLOSE: Rule(
            "Close the inquiry",
            _from(State.AFTERWARDS),
            State.CLOSED,
            OFFICER,
            "R38",
            needs=(
                (lambda case, _: not case.duties, "Something is still owed."),
                (lambda case, taken: not case.held(taken.at), "A hold is still in force."),
                (lambda case, _: not case.gagged, "While a gag stands the case stays open."),
            ),
        ),
        Step.DISPOSE: Rule(
            "Dispose of the closed inquiry",
            _from(State.CLOSED),
            State.DISPOSED,
            OFFICER,
            "R38, R39",
            ("retention_days",),
            needs=(
                (
                    lambda case, taken: taken.at >= case.at + timedelta(days=taken.number("retention_days")),
                    "The register's retention is not over.",
                ),
            ),
        ),
    }
)
"""Step -> its rule. This table is the workflow; ``docs/reference/inquiries.md`` is written from it."""
