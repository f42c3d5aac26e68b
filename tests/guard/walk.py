"""Every step of an inquiry with every fact that changes a decision, now and twenty days later."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from reticent.errors import NotPermitted
from reticent.guard.case import FOUR, Case, Hold, Taken
from reticent.guard.inquiries import RULES, advance
from reticent.guard.words import Role, State, Step

DAY = datetime(2026, 11, 23, 15, tzinfo=UTC)
MOMENTS = (DAY, DAY + timedelta(days=20))
A, B = "a" * 64, "b" * 64
PEOPLE = {Role.FRONT_LINE: "clerk", Role.CUSTODIAN: "director", Role.ALTERNATE: "chair", Role.COUNSEL: "lawyer"}

Facts = Mapping[str, object]


def days(count: int) -> str:
    return (DAY + timedelta(days=count)).date().isoformat()


def _paper(**more: object) -> dict[str, object]:
    return {
        "kind": "court_order",
        "court": "own_state",
        "has_judge": True,
        "issued": days(-1),
        "served": days(0),
        "served_on": "custodian",
        "scope": A,
        "instrument": A,
        "law": "NEEDS_COUNSEL",
        "standing": "confirmed",
        "valid_until": days(30),
    } | more


def _checklist(**more: object) -> dict[str, object]:
    good: dict[str, object] = dict.fromkeys(FOUR, True)
    rest = {"findings_required": 1, "findings_shown": 1, "notice_required": False, "advises_requester": False}
    return good | rest | {"law": "NEEDS_COUNSEL", "standing": "confirmed", "notice_days": 2, "wait_days": 10} | more


_WARRANT: dict[str, object] = {"issued": days(0)} | dict.fromkeys(FOUR[1:], True)
_LAW = [
    {"law": law, "standing": standing}
    for law, standing in (
        ("MUST", "confirmed"),
        ("MAY", "confirmed"),
        ("NEEDS_COUNSEL", "expired"),
        ("MUST_NOT", "confirmed"),
    )
]
KINDS = (
    "no_request", "informal_request", "own_request", "guardian_request", "exigent_request", "consent",
    "administrative_warrant", "clerk_subpoena", "court_order", "search_warrant", "national_security_letter",
)  # fmt: skip
FACTS: Mapping[Step, list[Facts]] = {
    Step.RECORD: [{"channel": "visit", "party": "lawEnforcement", "level": "local", "threat": threat} for threat in (False,)],
    Step.TRIAGE: [{"kind": kind, **law} for kind in KINDS for law in _LAW],
    Step.REFUSE: [{"reason": "no_paper"}],
    Step.HAND_TO_SUBJECT: [{"identity": "card_and_id", "package": A}],
    Step.VERIFY_RELATION: [{"proofs": [], "scope": A}, {"proofs": ["birth_certificate"], "scope": A}],
    Step.OPEN_EXIGENT: [{"emergency_clause": True}, {"emergency_clause": False}],
    Step.TAKE_OFFICERS_FORM: [{"document": A, "fields": ["identity"], "scope": A}, {"document": A, "fields": ["surveillance"], "scope": A}],
    Step.OPEN_CONSENT: [{"from_patron": own, "identity": "card_and_id", "expires": days(10), "document": A, "scope": A} for own in (True, False)],
    Step.REGISTER_INSTRUMENT: [
        _paper(), _paper(valid_until=days(10)), _paper(gag=True), _paper(kind="clerk_subpoena", court="none", has_judge=False), _paper(breadth=["open_dates"]),
        _paper(court="none"),
    ],
    Step.EXAMINE: [
        _checklist(), _checklist(notice_required=True), _checklist(good_cause=False), _checklist(findings_shown=0),
        _checklist(findings_shown=0, reason="court_found_in_substance"), _checklist(accept_breadth=True, provider=False),
        _checklist(court_order=False, provider=True), _checklist(law="MUST_NOT"),
    ],
    Step.FIND_EXCEPTION: [{"scope": A, "law": "MUST", "standing": standing} for standing in ("confirmed", "expired")],
    Step.NOTIFY_DEFECT: [{"defects": ["no_judge"]}],
    Step.CURE: [{"defects": ["no_judge"]}],
    Step.CHALLENGE: [{"motion": "quash"}],
    Step.RULING: [{"ruling": "upheld", "document": A}, {"ruling": "narrowed", "document": A, "scope": B}, {"ruling": "narrowed", "document": A}],
    Step.DECLINE: [{"reason": "not_compulsory"}],
    Step.WITHDRAW: [{"ended": "withdrawn"}],
    Step.SEND_NOTICE: [{"sent": days(0)}],
    Step.WAIVE_NOTICE: [{"document": A}],
    Step.APPROVE: [{"scope": A, "policy": A}, {"scope": B, "policy": A}],
    Step.SEARCH: [{"worksheet": A, "policy": A}, {"worksheet": A, "policy": B}],
    Step.PREPARE: [{"package": A}],
    Step.RETURN_NIL: [{"places_not_searched": 1}],
    Step.RELEASE: [{"package": A, "witness": "witnessed"}, {"package": A, "witness": "paper", "checkpoint": A}],
    Step.COSIGN: [{"checkpoint": A}],
    Step.COMPLY: [{"reason": "contempt_threatened", "receipt": A}],
    Step.DISCLOSE_BY_DUTY: [{"reason": "statute_commands", "receipt": A}],
    Step.BEGIN_WARRANT: [
        {"has_judge": True, "court": "own_state", "counsel_called": "unreachable", "waited": "refused", "scope": A, "valid_until": days(10), **_WARRANT},
        {"has_judge": False, "court": "none", "counsel_called": "reached", "waited": "agreed", "scope": A, "valid_until": days(10), **_WARRANT},
    ],
    Step.LIST_INVENTORY: [{"viewed": 1, "taken": 0, "machines": 0, "inventory": A}],
    Step.PRODUCE_UNDER_WARRANT: [{"scope": A}, {"scope": B}],
    Step.END_WARRANT: [{"receipt": A}],
    Step.SEAL: [{"gag": True, "review": days(5)}],
    Step.REVIEW_GAG: [{"review": days(5)}],
    Step.UNSEAL: [{"reason": "lifted"}],
    Step.ANSWER_HOLD: [{"place": True}, {"place": False}],
    Step.CONFIRM_HOLD: [{"until": days(15), "scope": A}, {"until": days(30), "scope": B}],
    Step.RECORD_COPY: [{"package": A}, {"package": A, "scope": B}],
    Step.LIFT_HOLD: [{}, {"scope": A}],
    Step.REPORT_INCIDENT: [{"letter": A}],
    Step.NOTIFY_PATRON: [{"sent": days(0)}],
    Step.DEBRIEF: [{"minutes": 60, "cents": 0}],
    Step.DISPOSE: [{"retention_days": 10}],
}  # fmt: skip
"""Step -> the facts it is tried with; a step not named takes none."""

C, ALT, L, F = (
    frozenset({(role, PEOPLE[role])}) for role in (Role.CUSTODIAN, Role.ALTERNATE, Role.COUNSEL, Role.FRONT_LINE)
)
ONE_PERSON = frozenset({(Role.CUSTODIAN, "director"), (Role.COUNSEL, "director"), (Role.ALTERNATE, "director")})
GROUPS = (C, L, ALT, F, C | L, C | ALT, ONE_PERSON, frozenset[tuple[Role, str]]())
"""Who may try a step: alone, two, one person under three keys, nobody."""


HOLDS = (Step.ANSWER_HOLD, Step.PLACE_HOLD, Step.CONFIRM_HOLD, Step.RECORD_COPY, Step.LIFT_HOLD)
SEALS = (Step.SEAL, Step.REVIEW_GAG, Step.UNSEAL)


def right(step: Step) -> frozenset[tuple[Role, str]]:
    """Who takes a step in the walk, each a person of their own: where it matters, not the one who acted before."""
    if step in (Step.COUNTERSIGN, Step.RELEASE):
        return L if step is Step.COUNTERSIGN else C | L
    return frozenset((role, PEOPLE[role]) for role in RULES[step].who[0])


def attempts(case: Case, steps: Iterable[Step], moments: tuple[datetime, ...] = MOMENTS) -> Iterator[Taken]:
    """Everything the right people could try from here, now or at the next moment."""
    later = [moment for moment in moments if moment >= case.at][:2]
    for step in steps:
        if case.state in RULES[step].sources:
            for facts, at in itertools.product(FACTS.get(step, [{}]), later):
                yield Taken(step, at, right(step), "Stat. 1", facts)


@dataclass(frozen=True)
class Visit:
    """A case that can be reached, the steps that were taken from it and those that were refused."""

    case: Case
    taken: list[tuple[Taken, Case]]
    refused: list[Taken]


def reachable(first: Iterable[Case], steps: Iterable[Step], seen_as: Callable[[Case], Case]) -> list[Visit]:
    """Every case that can be reached, each once as ``seen_as`` sees it: without what no rule reads from there."""
    todo, steps = [seen_as(case) for case in first], tuple(steps)
    seen, found = set(todo), []
    while todo:
        case = todo.pop()
        visit = Visit(case, [], [])
        found.append(visit)
        for taken in attempts(case, steps):
            try:
                after = advance(case, taken)
            except NotPermitted:
                visit.refused.append(taken)
                continue
            visit.taken.append((taken, after))
            if (known := seen_as(after)) not in seen:
                seen.add(known)
                todo.append(known)
    return found


LATE = (State.DISCLOSED, State.REFUSED, State.NIL_RETURN, State.AFTERWARDS, State.CLOSED, State.DISPOSED)


UNREAD: Mapping[str, object] = {
    "departures": frozenset(), "served": None, "issued": None, "returns": None, "gag_review": None, "gag_until": None,
}  # fmt: skip
"""What no rule reads: departures, and dates for alarms."""


def plain(case: Case, **without: object) -> Case:
    """The case without what no rule reads, and when all is over, without the paper."""
    if case.state not in LATE:
        return replace(case, **UNREAD, **without)  # type: ignore[arg-type]
    read = ("state", "at", "sealed", "notice", "hold", "kept", "alone", "duties")
    kept = {name: getattr(case, name) for name in read}
    return Case(**kept | without, produced_by=case.produced_by, countersign_by=case.countersign_by)


def without_hold(case: Case) -> Case:
    """The same without its hold, which only closing and the steps of a hold read (a test shows it)."""
    return plain(case, hold=Hold(), kept=())
