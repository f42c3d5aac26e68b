"""Plain English for a request and its answer: who asks what of which thing, and which rule answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reticent.policy.bundle import Bundle, Rule
from reticent.policy.engine import Outcome
from reticent.policy.request import Attributes, Request, Value
from reticent.policy.terms import Uid

PAPERS = {
    "attorney_subpoena": "a subpoena signed by an attorney",
    "clerk_subpoena": "a subpoena signed by a clerk",
    "administrative_subpoena": "a subpoena signed by an agency",
    "grand_jury_subpoena": "a grand jury subpoena",
    "court_subpoena": "a subpoena signed by a judge",
    "court_order": "a court order",
    "search_warrant": "a search warrant",
    "administrative_warrant": "an administrative warrant",
    "fisa_order": "an order of the surveillance court",
    "national_security_letter": "a national security letter",
    "own_request": "the patron's own request",
    "collection": "a collector's request",
    "subpoena": "a subpoena whose kind nobody has established",
    "informal_request": "no paper but a request",
    "public_records_request": "a public-records request",
    "preservation_letter": "a preservation letter",
    "exigent_request": "an emergency request",
    "consent": "a consent",
    "guardian_request": "a guardian's request",
}
STATES = {
    "open": "open",
    "withinRetention": "ended but retained",
    "due": "due",
    "severed": "severed",
}


@dataclass(frozen=True)
class Explanation:
    """An answer with its reasons: ``sentence`` for everyone, ``rules`` for who wants to look further."""

    allowed: bool
    sentence: str
    story: str
    rules: tuple[Rule, ...]


def explain(bundle: Bundle, request: Request, outcome: Outcome) -> Explanation:
    """Say who asked what, what the answer is, and which rules decided it."""
    rules = tuple(rule for rule in bundle.rules if rule.id in outcome.deciding)
    sentence = _reason(outcome, rules)
    return Explanation(outcome.strict, sentence, story(bundle, request, outcome, rules), rules)


def story(bundle: Bundle, request: Request, outcome: Outcome, rules: Sequence[Rule] = ()) -> str:
    """Tell one request and its answer in two sentences."""
    rules = rules or tuple(rule for rule in bundle.rules if rule.id in outcome.deciding)
    action = bundle.schema.actions.get(request.action, request.action)
    asked = f"{_who(request)} asks to {action}: {_what(request)}{_why(request)}"
    asked = f"{asked}{_paper(request)}{_signed(request)}."
    return f"{asked[0].upper()}{asked[1:]} {_answer(outcome, rules)}"


def _answer(outcome: Outcome, rules: Sequence[Rule]) -> str:
    names = " and ".join(f"rule {rule.id}" for rule in rules)
    verb = "answer" if len(rules) > 1 else "answers"
    if outcome.strict:
        return f"{names[0].upper()}{names[1:]} {verb} Allow."
    return _reason(outcome, rules)


def _reason(outcome: Outcome, rules: Sequence[Rule]) -> str:
    if outcome.unfit:
        return "Refused: the request does not fit the policy's vocabulary."
    if outcome.erred:
        return "Refused: a rule could not be evaluated, because a fact is missing."
    says = " ".join(rule.says for rule in rules)
    if outcome.allow:
        return f"Allowed: {says}"
    return f"Refused: {says}" if rules else "Refused: no rule permits it."


def _who(request: Request) -> str:
    uid, facts = request.principal, request.entities.get(request.principal)
    match uid.type:
        case "Staff":
            return f"a member of staff ({_roles(facts)})"
        case "OutsideParty":
            return f"an outside party ({_word(facts, 'kind')})"
        case "Job":
            return f"Reticent's own {_word(facts, 'kind')} job"
        case "Guardian":
            return f"the guardian of {_word(facts, 'ward')}"
    return f"{uid.id}{_age(facts)}"


def _what(request: Request) -> str:
    uid, facts = request.resource, request.entities.get(request.resource)
    if facts is None:
        return f"{uid.id}, about which the gate was handed no facts"
    match uid.type:
        case "Tie":
            return _tie(facts)
        case "Series":
            narrowed = ", narrowed to some persons or items" if facts.get("narrowed") else ""
            return f"a series of {_word(facts, 'class')} ties{narrowed}"
        case "Roster":
            return f"{facts.get('persons')} persons of the roster"
        case "Statistic":
            return f"a statistic with small cells {'suppressed' if facts.get('suppressed') else 'shown'}"
        case "Inquiry":
            sealed = "a sealed" if facts.get("sealed") else "an"
            return f"{sealed} inquiry {'past triage' if facts.get('triaged') else 'at the front line'}"
        case "Item":
            return f"an item{_topic(facts)}"
    return f"{uid.id}{_age(facts)}"


def _tie(facts: Attributes) -> str:
    state = facts.get("state")
    said = STATES.get(state.id, "") if isinstance(state, Uid) else ""
    whose = f" of {plain_word(facts['patron'])}" if "patron" in facts else " naming no patron"
    held = ", waiting for a legal hold" if facts.get("held") else ""
    return f"a tie ({said}, {_word(facts, 'class')}){whose}{_topic(facts)}{held}"


def _topic(facts: Attributes) -> str:
    return f" about “{facts['topic']}”" if "topic" in facts else ""


def _age(facts: Attributes | None) -> str:
    return f", born in {facts['birthYear']}" if facts and "birthYear" in facts else ""


def _why(request: Request) -> str:
    purpose = request.context.get("purpose")
    return f", for the purpose “{plain_word(purpose)}”" if purpose is not None else ""


def _paper(request: Request) -> str:
    uid = request.context.get("instrument")
    if not isinstance(uid, Uid):
        return ""
    facts = request.entities.get(uid)
    if facts is None:
        return ", with a paper about which the gate was handed no facts"
    kind = facts.get("kind")
    name = PAPERS.get(kind.id, "a paper") if isinstance(kind, Uid) else "a paper"
    lacking = [words for holds, words in _lacking(request, facts) if holds]
    return f", with {name}" + (f" ({', '.join(lacking)})" if lacking else "")


def _lacking(request: Request, facts: Attributes) -> Iterator[tuple[bool, str]]:
    """Say what a paper does not have that a good order has."""
    yield facts.get("goodCause") is False, "no good cause"
    yield facts.get("specificFacts") is False, "no specific facts"
    yield facts.get("competentJurisdiction") is False, "no competent jurisdiction"
    yield facts.get("defectOpen") is True, "a defect open"
    now, start, end, clock = (_number(v) for v in (request.context.get("now"), *map(facts.get, _TIMES)))
    yield not start <= now < end, "not in force"
    yield clock > now, "its notice clock still running"
    tie = request.entities.get(request.resource, {})
    if request.resource.type == "Tie":
        yield not _among(tie, "patron", facts) and not _among(tie, "item", facts), "not naming this tie"
    yield request.context.get("law") == Uid("LawAnswer", "MUST_NOT"), "the law forbidding it"


_TIMES = ("from", "until", "notBefore")


def _number(value: Value | None) -> int:
    return value if isinstance(value, int) else 0


def _among(tie: Attributes, name: str, facts: Attributes) -> bool:
    named = facts.get(f"{name}s")
    return isinstance(named, frozenset) and tie.get(name) in named


def _signed(request: Request) -> str:
    first, second = request.context.get("custodianApproval"), request.context.get("counselApproval")
    if first is None and second is None:
        return ", signed by no officer" if request.context.get("instrument") is not None else ""
    if first == second:
        return f", signed twice by one person ({plain_word(first)})"
    named = [
        f"{plain_word(one)} as {role}" for one, role in ((first, "custodian"), (second, "counsel")) if one is not None
    ]
    return ", signed by " + " and ".join(named)


def _roles(facts: Attributes | None) -> str:
    roles = facts.get("roles") if facts else None
    return (
        ", ".join(plain_word(role) for role in sorted(roles)) if isinstance(roles, frozenset) and roles else "no role"
    )


def _word(facts: Attributes | None, name: str) -> str:
    return plain_word(facts[name]) if facts and name in facts else "of whom the gate was told nothing"


def plain_word(value: Value | None) -> str:
    """Return a word of the vocabulary in plain letters: ``lawEnforcement`` -> law enforcement."""
    name = value.id if isinstance(value, Uid) else str(value)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()
