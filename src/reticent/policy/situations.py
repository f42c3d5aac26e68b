"""Situations people can type: who asks what, on what paper, signed by whom.

For ``policy explain`` and for "try to break it".

A situation is a handful of words; it is turned into a full request with plain, favourable facts
(the paper in force, naming this tie, from a competent court), so that the answer turns on the
words alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from reticent.errors import UsageError
from reticent.policy.bundle import Bundle
from reticent.policy.engine import Engine
from reticent.policy.explain import Explanation, explain
from reticent.policy.request import Attributes, Request, Value
from reticent.policy.schema import Kind
from reticent.policy.terms import Uid

SIGNED = ("nobody", "the custodian", "one person twice", "two officers")
DAY = 86_400
PAPERED = {
    "previewScope": "courtOrder",
    "copyForHold": "inquiry",
    "prepareRelease": "courtOrder",
    "release": "courtOrder",
    "prepareUnderWarrant": "courtOrder",
    "releaseUnderWarrant": "courtOrder",
    "prepareByConsent": "ownAccess",
    "receiveByConsent": "ownAccess",
}
"""The questions that rest on a paper, with the purpose each is asked for."""


@dataclass(frozen=True)
class Situation:
    """``asker`` is an entity type with its word (``OutsideParty lawEnforcement``, ``Staff circulation``,
    ``Patron``, ``Guardian``, ``Job sever``); the rest are words of the schema.

    ``own`` tells whether a patron or guardian asks about their own; ``sound`` whether the paper
    carries good cause, specific facts and competent jurisdiction, or is a consent from the patron alone;
    ``signed`` is one of ``SIGNED``.
    """

    asker: str
    action: str
    resource: str = "Tie"
    record_class: str = "circulation"
    state: str = "open"
    purpose: str = "serveThePatron"
    paper: str | None = None
    sound: bool = True
    signed: str = "nobody"
    own: bool = True
    persons: int = 5000


@dataclass(frozen=True)
class Tried:
    """One situation with its answer."""

    situation: Situation
    explanation: Explanation


def tell(bundle: Bundle, engine: Engine, situation: Situation, now: datetime) -> Explanation:
    """Answer a situation. Raises UsageError for a word the schema does not have."""
    request = as_request(bundle, situation, now)
    return explain(bundle, request, engine.ask(request))


def try_all(bundle: Bundle, now: datetime) -> tuple[Tried, ...]:
    """Answer every situation of the page "try to break it"."""
    engine = Engine(bundle)
    return tuple(Tried(one, tell(bundle, engine, one, now)) for one in worth_trying(bundle))


def as_request(bundle: Bundle, situation: Situation, now: datetime) -> Request:
    """Turn words into a request that fits the schema."""
    kind, _, word = situation.asker.partition(" ")
    _known(bundle, situation, kind)
    asker, patron, other = Uid(kind, "asker"), Uid("Patron", "patron-1"), Uid("Patron", "patron-2")
    asker = patron if kind == "Patron" else asker
    subject = patron if situation.own else other
    moment = int(now.timestamp())
    resource = subject if situation.resource == "Patron" else Uid(situation.resource, "it")
    entities: dict[Uid, Attributes] = {patron: {}, other: {}, asker: _asker(bundle, kind, word, patron)}
    if resource != subject:
        entities[resource] = _resource(situation, subject, moment)
    context: dict[str, Value] = {
        "now": moment,
        "year": now.astimezone(UTC).year,
        "purpose": Uid("Purpose", situation.purpose),
        "law": Uid("LawAnswer", "MAY"),
    }
    if situation.paper:
        context |= _paper(situation, entities, asker, subject, resource, moment)
    return Request(asker, situation.action, resource, context, entities)


def _known(bundle: Bundle, situation: Situation, kind: str) -> None:
    schema = bundle.schema
    if Kind(kind, situation.action, situation.resource) not in schema.kinds:
        asked = schema.actions.get(situation.action, "do that")
        raise UsageError(
            f"A {kind} cannot ask to {asked} of a {situation.resource}.",
            do="Known questions: " + "; ".join(str(one) for one in schema.kinds if one.principal == kind),
        )
    for vocabulary, word in (
        ("RecordClass", situation.record_class),
        ("State", situation.state),
        ("Purpose", situation.purpose),
        ("InstrumentKind", situation.paper or "court_order"),
    ):
        words = schema.enums[vocabulary]
        if word not in words:
            raise UsageError(f"The policy has no {vocabulary} of that name.", do="One of: " + ", ".join(words))
    if situation.signed not in SIGNED:
        raise UsageError("Nobody signs like that.", do="One of: " + ", ".join(SIGNED))


def _asker(bundle: Bundle, kind: str, word: str, patron: Uid) -> Attributes:
    vocabulary = {"Staff": "Role", "OutsideParty": "PartyKind", "Job": "JobKind"}.get(kind)
    if vocabulary is None:
        return {"ward": patron} if kind == "Guardian" else {}
    words, known = word.split(), bundle.schema.enums[vocabulary]
    if not set(words) <= set(known) or (kind != "Staff" and len(words) != 1):
        raise UsageError(f"The policy has no such {kind}.", do="One of: " + ", ".join(known))
    named = [Uid(vocabulary, one) for one in words]
    return {"roles": frozenset(named)} if kind == "Staff" else {"kind": named[0]}


def _resource(situation: Situation, subject: Uid, moment: int) -> Attributes:
    record_class = Uid("RecordClass", situation.record_class)
    tie: dict[str, Value] = {
        "class": record_class,
        "state": Uid("State", situation.state),
        "usedAt": moment - DAY,
        "held": False,
        "patron": subject,
    }
    facts: dict[str, Attributes] = {
        "Tie": tie,
        "Series": {"class": record_class, "narrowed": situation.persons < 50},
        "Roster": {"persons": situation.persons},
        "Statistic": {"suppressed": True},
        "Inquiry": {"sealed": False, "triaged": True},
        "Item": {},
    }
    return facts[situation.resource]


def _paper(
    situation: Situation,
    entities: dict[Uid, Attributes],
    asker: Uid,
    subject: Uid,
    resource: Uid,
    moment: int,
) -> dict[str, Value]:
    inquiry = resource if resource.type == "Inquiry" else Uid("Inquiry", "case")
    recipient = asker if asker.type == "OutsideParty" else Uid("OutsideParty", "agency")
    entities.setdefault(inquiry, {"sealed": False, "triaged": True})
    entities.setdefault(recipient, {"kind": Uid("PartyKind", "lawEnforcement")})
    paper = Uid("Instrument", "paper")
    entities[paper] = {
        "kind": Uid("InstrumentKind", situation.paper or ""),
        "inquiry": inquiry,
        "recipient": recipient,
        "goodCause": situation.sound,
        "specificFacts": situation.sound,
        "competentJurisdiction": situation.sound,
        "defectOpen": False,
        "fromPatron": situation.sound,
        "from": moment - DAY,
        "until": moment + DAY,
        "notBefore": 0,
        "patrons": frozenset({subject}),
        "items": frozenset(),
        "classes": frozenset({Uid("RecordClass", situation.record_class)}),
        "since": moment - 30 * DAY,
        "before": moment,
    }
    return {"instrument": paper, **_signatures(situation.signed, entities)}


def _signatures(signed: str, entities: dict[Uid, Attributes]) -> dict[str, Value]:
    first, second = Uid("Staff", "the director"), Uid("Staff", "the lawyer")
    both = frozenset({Uid("Role", "custodian"), Uid("Role", "counsel")})
    entities[first] = {"roles": both if signed == "one person twice" else frozenset({Uid("Role", "custodian")})}
    entities[second] = {"roles": frozenset({Uid("Role", "counsel")})}
    slots: dict[str, dict[str, Value]] = {
        "nobody": {},
        "the custodian": {"custodianApproval": first},
        "one person twice": {"custodianApproval": first, "counselApproval": first},
        "two officers": {"custodianApproval": first, "counselApproval": second},
    }
    return slots[signed]


def worth_trying(bundle: Bundle) -> Iterator[Situation]:
    """Every question by every kind of asker, and every paper with every way of signing it."""
    schema = bundle.schema
    for kind in schema.kinds:
        for asker in _askers(bundle, kind.principal):
            if kind.action not in PAPERED:
                for state in schema.enums["State"] if kind.resource == "Tie" else ("open",):
                    purpose = _purpose(kind.action)
                    yield Situation(asker, kind.action, kind.resource, state=state, purpose=purpose)
                continue
            if asker not in ("Staff frontLine", "Staff custodian", "OutsideParty lawEnforcement", "Patron"):
                continue
            for paper in schema.enums["InstrumentKind"]:
                for signed in SIGNED:
                    yield Situation(
                        asker,
                        kind.action,
                        kind.resource,
                        purpose=PAPERED[kind.action],
                        paper=paper,
                        signed=signed,
                    )


def _askers(bundle: Bundle, kind: str) -> list[str]:
    words = {
        "Staff": ("frontLine", "circulation", "systems", "custodian", "auditor"),
        "OutsideParty": ("lawEnforcement", "press"),
    }.get(kind)
    if kind == "Job":
        words = bundle.schema.enums["JobKind"]
    return [f"{kind} {word}" for word in words] if words else [kind]


def _purpose(action: str) -> str:
    return {
        "lookUpCurrentBorrower": "returnOfItem",
        "viewOwnRecord": "ownAccess",
        "prepareOwnExport": "ownAccess",
        "sever": "maintainSystems",
        "scan": "maintainSystems",
        "readRoster": "maintainSystems",
        "viewStatistics": "statistics",
    }.get(action, "serveThePatron")
