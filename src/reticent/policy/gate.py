"""The one gate. Everything that shows, gathers or severs a tie asks here first.

Stricter than Cedar: a rule that errs, a fact that is missing, an entity that does not fit the
schema, an engine without a decision are all refusals. The gate sets the time and the officers'
approvals itself; whoever supplies them is refused. Refusals and permits go to the ledger,
naming nobody; whatever concerns an inquiry goes to the register's own padded day instead, so
that the ledger does not tell that there is one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from reticent.errors import NotPermitted
from reticent.keyring.officers import Officer
from reticent.keyring.officers import verify as stock_verify
from reticent.policy import certificate as certificates
from reticent.policy.adoption import Adopted
from reticent.policy.bundle import Rule
from reticent.policy.engine import Engine, Outcome
from reticent.policy.explain import explain
from reticent.policy.orders import Act, Approval, Order, Signed, Verify, verified
from reticent.policy.permits import Grant, Mint, Permit, Scope, Verb
from reticent.policy.request import Attributes, Request, Value
from reticent.policy.terms import BY_GATE, Uid
from reticent.ports import Clock, Journal, PermitRegister

SET_BY_GATE = frozenset({"now", "year", "custodianApproval", "counselApproval"})
ABOUT_INQUIRIES = frozenset({"release", "releaseUnderWarrant", "receiveByConsent"})


@dataclass(frozen=True)
class Decision:
    """The gate's answer. ``sentence`` is for people; ``rules`` carry @id, @cite and @says.

    ``finding`` is set when the refusal shows something broken (a rule that errs, a fact missing),
    not merely something forbidden. ``permits`` holds one permit for each system, when asked for.
    """

    allowed: bool
    sentence: str
    rules: tuple[Rule, ...]
    bundle: str
    at: datetime
    finding: str = ""
    permits: tuple[Permit, ...] = field(default=(), repr=False)

    def require(self) -> Decision:
        """Return the decision when it allows; raise NotPermitted with its sentence otherwise."""
        if self.allowed:
            return self
        cites = "; ".join(rule.cite for rule in self.rules)
        raise NotPermitted(self.sentence, where=cites or f"policy {self.bundle[:12]}", do="Ask the custodian.")


@dataclass(frozen=True)
class Asker:
    """A member of staff: an opaque id and the roles the staff list gives."""

    id: str
    roles: frozenset[str]

    def entity(self) -> dict[Uid, Attributes]:
        """Return the asker as facts."""
        return {Uid("Staff", self.id): {"roles": frozenset(Uid("Role", role) for role in self.roles)}}


@dataclass(frozen=True)
class Row:
    """One tie about to leave: identifiers as issued, times UTC, ``state`` a word of the schema."""

    id: str
    record_class: str
    state: str
    used_at: datetime
    patron: str | None = field(default=None, repr=False)
    item: str | None = field(default=None, repr=False)
    held: bool = False


class Gate:
    """Decides by one adopted bundle. Build one a process; permits are good for this gate alone.

    Raises EvidenceBroken when the bundle's certificate does not verify.
    """

    def __init__(
        self,
        adopted: Adopted,
        *,
        clock: Clock,
        journal: Journal,
        inquiries: Journal,
        register: PermitRegister,
        officers: Sequence[Officer] = (),
        verify: Verify = stock_verify,
    ) -> None:
        certificates.verify(adopted.certificate, adopted.bundle)
        self._bundle, self.digest = adopted.bundle, adopted.bundle.digest
        self._engine = Engine(adopted.bundle)
        self._clock, self._journal, self._inquiries = clock, journal, inquiries
        self._officers, self._verify = tuple(officers), verify
        self._mint = Mint(clock, register)

    def decide(self, request: Request) -> Decision:
        """Decide one request on the facts handed in. Never raises on bad facts: they are refused."""
        supplied = sorted(SET_BY_GATE & request.context.keys())
        if supplied:
            why = f"{supplied[0]} is set by the gate, never by the asker"
            return self._recorded(request, self._broken(why))
        return self._decide(request)

    def open(self, permit: object, verb: Verb, system: str) -> Grant:
        """Open a permit at a store's door; once. Raises NotPermitted, saying why not."""
        return self._mint.open(permit, verb, system, self.digest)

    def prepare(
        self,
        order: Order,
        asker: Asker,
        approvals: Sequence[Approval],
        systems: Iterable[str],
        act: Act = "release",
    ) -> Decision:
        """Decide whether an order's ties may be gathered; when allowed, carries a permit for each system.

        ``act``: ``release``, ``warrant`` (a search warrant being executed), ``hold`` (the sealed copy
        of a confirmed hold), or ``preview`` (its permits open counts, nobody's ties). On a patron's consent a
        release is asked for as the patron's own access.
        """
        action, purpose = {
            "release": ("prepareByConsent", "ownAccess") if _consents(order) else ("prepareRelease", "courtOrder"),
            "warrant": ("prepareUnderWarrant", "courtOrder"),
            "hold": ("copyForHold", "inquiry"),
            "preview": ("previewScope", "courtOrder"),
        }[act]
        inquiry = Uid("Inquiry", order.case)
        request = Request(Uid("Staff", asker.id), action, inquiry, {"purpose": Uid("Purpose", purpose)}, asker.entity())
        decision = self._decide(self._ordered(request, order, approvals, act))
        return self._with_permits(decision, action, purpose, order.case, order.scope, systems)

    def outgoing(self, order: Order, approvals: Sequence[Approval], act: Act = "release") -> Outgoing:
        """Return the last door of a release: every row is decided once more before it leaves.

        On a consent the patron receives, whoever the rows go on to: a consent of more than one is nobody's.
        """
        who, purpose = Uid("OutsideParty", order.paper.recipient), "courtOrder"
        action = "releaseUnderWarrant" if act == "warrant" else "release"
        if _consents(order):
            who, action, purpose = Uid("Patron", "+".join(sorted(order.scope.patrons))), "receiveByConsent", "ownAccess"
        base = Request(who, action, Uid("Tie", ""), {"purpose": Uid("Purpose", purpose)}, {who: {}})
        return Outgoing(self, self._ordered(base, order, approvals, act))

    def own_export(self, patron: str, asker: Asker, systems: Iterable[str], *, identity_verified: bool) -> Decision:
        """Decide whether a patron's own record may be gathered for them; carries permits when allowed."""
        context: Attributes = {"purpose": Uid("Purpose", "ownAccess"), "identityVerified": identity_verified}
        who = Uid("Patron", patron)
        request = Request(Uid("Staff", asker.id), "prepareOwnExport", who, context, {who: {}, **asker.entity()})
        every = frozenset(self._bundle.schema.enums["RecordClass"])
        scope = Scope(frozenset({patron}), classes=every)
        return self._with_permits(self.decide(request), "prepareOwnExport", "ownAccess", "", scope, systems)

    def roster(self, persons: int, systems: Iterable[str]) -> Decision:
        """Decide whether the checking job may read the roster of ``persons`` people; carries permits."""
        job, roster = Uid("Job", "check"), Uid("Roster", "all")
        entities: dict[Uid, Attributes] = {
            job: {"kind": Uid("JobKind", "check")},
            roster: {"persons": persons},
        }
        context = {"purpose": Uid("Purpose", "maintainSystems")}
        decision = self.decide(Request(job, "readRoster", roster, context, entities))
        return self._with_permits(decision, "readRoster", "maintainSystems", "", Scope(), systems)

    def _decide(self, request: Request) -> Decision:
        now = self._clock.now().astimezone(UTC)
        if now.year <= BY_GATE["year"][0]:
            return self._recorded(request, self._broken("this machine's clock is wrong"))
        situated = request.situated(now=int(now.timestamp()), year=now.year)
        unknown = {uid.type for uid in situated.referenced() - situated.entities.keys()}
        missing = unknown - self._bundle.schema.enums.keys()
        if missing:
            return self._recorded(request, self._broken(f"no facts were handed in about a {min(missing)}"))
        outcome = self._engine.ask(situated)
        if outcome.unfit:
            return self._recorded(request, self._broken("the facts do not fit the policy's vocabulary"))
        if outcome.erred:
            return self._recorded(request, self._broken("a rule could not be evaluated"))
        return self._recorded(request, self._answer(situated, outcome, now))

    def _answer(self, request: Request, outcome: Outcome, now: datetime) -> Decision:
        said = explain(self._bundle, request, outcome)
        return Decision(outcome.strict, said.sentence, said.rules, self.digest, now)

    def _broken(self, why: str) -> Decision:
        now = self._clock.now().astimezone(UTC)
        return Decision(allowed=False, sentence=f"Refused: {why}.", rules=(), bundle=self.digest, at=now, finding=why)

    def _recorded(self, request: Request, decision: Decision) -> Decision:
        """Write refusals, and what leaves, to the journal that may know of it."""
        about = request.resource.type == "Inquiry" or request.action in ABOUT_INQUIRIES
        if not decision.allowed:
            self._write("gate_refusal", decision, self._inquiries if about else self._journal)
        elif about and request.action in ABOUT_INQUIRIES:
            self._write("gate_permit", decision, self._inquiries)
        return decision

    def _write(self, kind: str, decision: Decision, journal: Journal) -> None:
        entry: dict[str, object] = {
            "kind": kind,
            "actor": "gate",
            "hour": decision.at.strftime("%Y-%m-%dT%H:00Z"),
            "policy": self.digest,
        }
        if decision.rules:
            entry["rule"] = decision.rules[0].id
        journal.append(entry, once=secrets.token_hex(16))

    def _with_permits(
        self, decision: Decision, action: str, purpose: str, case: str, scope: Scope, systems: Iterable[str]
    ) -> Decision:
        if not decision.allowed:
            return decision
        journal = self._inquiries if action not in ("readRoster", "prepareOwnExport") else self._journal
        self._write("gate_permit", decision, journal)
        permits = self._mint.strike(action, purpose, case, self.digest, scope, systems)
        return replace(decision, permits=permits)

    def _ordered(self, request: Request, order: Order, approvals: Sequence[Approval], act: Act) -> Request:
        """Add the order's facts and the approvals whose signatures verify, each by the gate itself."""
        signed = verified(self._officers, approvals, order.statement(act, self.digest), self._verify)
        context: dict[str, Value | None] = {"instrument": Uid("Instrument", order.case)}
        context |= {slot: Uid("Staff", person) for slot, (person, _) in signed.slots.items()}
        if order.law is not None:
            context["law"] = Uid("LawAnswer", order.law)
        return request.situated(**context).knowing(order_facts(order)).knowing(_officer_facts(signed))


@dataclass(frozen=True)
class Outgoing:
    """A release in progress: verified once, decided row by row, the clock running."""

    gate: Gate = field(repr=False)
    base: Request = field(repr=False)

    def decide(self, row: Row) -> Decision:
        """Decide whether this row leaves."""
        tie = Uid("Tie", row.id)
        facts: dict[str, Value] = {
            "class": Uid("RecordClass", row.record_class),
            "state": Uid("State", row.state),
            "usedAt": int(row.used_at.timestamp()),
            "held": row.held,
        }
        entities: dict[Uid, Attributes] = {tie: facts}
        for name, kind, value in (("patron", "Patron", row.patron), ("item", "Item", row.item)):
            if value is not None:
                facts[name] = Uid(kind, value)
                entities[Uid(kind, value)] = {}
        request = Request(self.base.principal, self.base.action, tie, self.base.context, self.base.entities)
        return self.gate._decide(request.knowing(entities))


def _consents(order: Order) -> bool:
    return order.paper.kind == "consent"


def order_facts(order: Order) -> dict[Uid, Attributes]:
    """Return an order as the facts the rules read: paper, inquiry, recipient, whom and what it names."""
    paper, scope = order.paper, order.scope
    recipient, inquiry = Uid("OutsideParty", paper.recipient), Uid("Inquiry", order.case)
    patrons = frozenset(Uid("Patron", patron) for patron in scope.patrons)
    items = frozenset(Uid("Item", item) for item in scope.items)
    instrument: Attributes = {
        "kind": Uid("InstrumentKind", paper.kind),
        "inquiry": inquiry,
        "recipient": recipient,
        "goodCause": paper.good_cause,
        "specificFacts": paper.specific_facts,
        "competentJurisdiction": paper.competent_jurisdiction,
        "defectOpen": paper.defect_open,
        "fromPatron": paper.from_patron,
        "from": int(paper.valid_from.timestamp()),
        "until": int(paper.valid_until.timestamp()),
        "notBefore": int(paper.not_before.timestamp()) if paper.not_before else 0,
        "patrons": patrons,
        "items": items,
        "classes": frozenset(Uid("RecordClass", name) for name in scope.classes),
        "since": int(scope.since.timestamp()),
        "before": int(scope.before.timestamp()),
    }
    return {
        Uid("Instrument", order.case): instrument,
        inquiry: {"sealed": order.sealed, "triaged": order.triaged},
        recipient: {"kind": Uid("PartyKind", paper.recipient_kind)},
        **{uid: {} for uid in patrons | items},
    }


def _officer_facts(signed: Signed) -> dict[Uid, Attributes]:
    people: dict[str, set[str]] = {}
    for person, role in signed.slots.values():
        people.setdefault(person, set()).add(role)
    return {
        Uid("Staff", person): {"roles": frozenset(Uid("Role", role) for role in roles)}
        for person, roles in people.items()
    }
