"""The strict gate: whatever is missing, unfit or in error is a refusal; whatever is decided is explained."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.policy.conftest import Library
from tests.policy.helpers import NOW, order, scope, shipped

from reticent.errors import NotPermitted
from reticent.policy.engine import Engine
from reticent.policy.gate import Asker, Gate, Row
from reticent.policy.orders import Approval
from reticent.policy.request import Attributes, Request
from reticent.policy.terms import Uid

DESK = Asker("s7", frozenset({"circulation", "frontLine"}))
CUSTODIAN = Asker("s1", frozenset({"custodian"}))


def desk_request(**changes: object) -> Request:
    """The desk looks at an open loan while serving a patron."""
    tie: Attributes = {
        "class": Uid("RecordClass", "circulation"),
        "state": Uid("State", "open"),
        "patron": Uid("Patron", "51"),
        "usedAt": 1_790_000_000,
        "held": False,
    }
    base = Request(
        Uid("Staff", "s7"),
        "viewTie",
        Uid("Tie", "t"),
        {"purpose": Uid("Purpose", "serveThePatron")},
        {Uid("Tie", "t"): tie, Uid("Patron", "51"): {}, **DESK.entity()},
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def row(**changes: object) -> Row:
    base = Row("t", "circulation", "open", datetime(2026, 5, 1, tzinfo=UTC), "51", "9")
    return replace(base, **changes)  # type: ignore[arg-type]


def test_an_answer_carries_rule_citation_and_sentence(library: Library) -> None:
    decision = library.gate.decide(desk_request())
    assert decision.allowed
    assert [rule.id for rule in decision.rules] == ["desk-open-ties"]
    assert decision.rules[0].cite.startswith("R2, R39")
    assert decision.sentence.startswith("Allowed: Circulation staff see open loans")
    assert decision.bundle == library.gate.digest
    assert decision.require() is decision
    assert library.journal.entries == [], "what is allowed at the desk is not an entry"


def test_a_refusal_says_why_and_goes_to_the_ledger_naming_nobody(library: Library) -> None:
    request = desk_request(context={"purpose": Uid("Purpose", "statistics")})
    decision = library.gate.decide(request)
    with pytest.raises(NotPermitted, match="Whoever asks for statistics"):
        decision.require()
    [entry] = library.journal.entries
    assert entry["kind"] == "gate_refusal"
    assert entry["rule"] == "statistics-purpose-meets-no-person"
    assert not {"51", "t", "s7"} & {str(value) for value in entry.values()}


@pytest.mark.parametrize("name", ["now", "year", "custodianApproval", "counselApproval"])
def test_what_the_gate_sets_nobody_may_hand_in(library: Library, name: str) -> None:
    value = Uid("Staff", "s7") if name.endswith("Approval") else 1
    decision = library.gate.decide(desk_request().situated(**{name: value}))
    assert not decision.allowed
    assert f"{name} is set by the gate" in decision.finding


@pytest.mark.parametrize("gone", [Uid("Tie", "t"), Uid("Patron", "51"), Uid("Staff", "s7")])
def test_a_missing_fact_is_a_refusal_and_a_finding(library: Library, gone: Uid) -> None:
    entities = {uid: facts for uid, facts in desk_request().entities.items() if uid != gone}
    decision = library.gate.decide(desk_request(entities=entities))
    assert not decision.allowed
    assert decision.finding == f"no facts were handed in about a {gone.type}"
    assert gone.id not in decision.sentence.split()


@pytest.mark.parametrize(
    "facts",
    [
        {"state": "open"},
        {"state": Uid("State", "opened")},
        {"usedAt": "yesterday"},
        {"usedAt": 2**63},
        {"views": "x"},
        {"held": None},
    ],
)
def test_facts_outside_the_vocabulary_are_a_refusal(library: Library, facts: dict[str, object]) -> None:
    tie = {**desk_request().entities[Uid("Tie", "t")], **facts}
    decision = library.gate.decide(desk_request().knowing({Uid("Tie", "t"): tie}))  # type: ignore[dict-item]
    assert not decision.allowed
    assert "vocabulary" in decision.finding


@pytest.mark.parametrize("action", ["viewTies", "release", "scan"])
def test_a_question_the_schema_does_not_know_is_a_refusal(library: Library, action: str) -> None:
    assert library.gate.decide(desk_request(action=action)).finding


def test_a_rule_that_errs_refuses_where_cedar_would_allow() -> None:
    bad = 'forbid (principal is Staff, action == Action::"viewTie", resource is Tie)'
    bad += " when { resource.usedAt + 9223372036854775807 < 0 };"
    notes = '@id("errs") @cite("c") @since("s") @says("s.") '
    engine = Engine(shipped().replaced("rules/local.cedar", notes + bad))
    outcome = engine.ask(desk_request().situated(now=1, year=2026))
    assert outcome.allow, "Cedar itself skips the forbid that errs"
    assert outcome.erred == 1
    assert not outcome.strict


def test_a_clock_before_1971_is_a_refusal(library: Library) -> None:
    library.clock.moment = datetime(1969, 1, 1, tzinfo=UTC)
    assert "clock" in library.gate.decide(desk_request()).finding


def test_a_good_order_signed_by_two_officers_opens_once_for_each_system(library: Library) -> None:
    good = order()
    approvals = library.sign(good, "custodian", "counsel")
    decision = library.gate.prepare(good, CUSTODIAN, approvals, ["ils", "proxy"])
    assert decision.allowed, decision.sentence
    grants = [library.gate.open(p, "ties", s) for p, s in zip(decision.permits, ["ils", "proxy"], strict=True)]
    assert [grant.scope for grant in grants] == [good.scope, good.scope]
    assert [grant.system for grant in grants] == ["ils", "proxy"]
    assert library.journal.entries == [], "the ledger does not tell that there is an inquiry"
    assert [entry["kind"] for entry in library.inquiries.entries] == ["gate_permit"]


BAD_ORDERS: dict[str, dict[str, object]] = {
    "attorney's subpoena": {"kind": "attorney_subpoena"},
    "clerk's subpoena": {"kind": "clerk_subpoena"},
    "administrative subpoena": {"kind": "administrative_subpoena"},
    "administrative warrant": {"kind": "administrative_warrant"},
    "security letter": {"kind": "national_security_letter"},
    "emergency": {"kind": "exigent_request"},
    "no good cause": {"good_cause": False},
    "no specific facts": {"specific_facts": False},
    "no jurisdiction": {"competent_jurisdiction": False},
    "open defect": {"defect_open": True},
    "expired": {"valid_until": NOW},
    "not yet": {"valid_from": NOW + timedelta(seconds=1)},
    "clock runs": {"not_before": NOW + timedelta(seconds=1)},
    "the law forbids": {"law": "MUST_NOT"},
    "the law was never asked": {"law": None},
    "no such paper": {"kind": "freeText"},
}


@pytest.mark.parametrize("name", BAD_ORDERS)
def test_anything_less_than_a_good_order_opens_nothing(library: Library, name: str) -> None:
    bad = order(**BAD_ORDERS[name])
    approvals = library.sign(bad, "custodian", "counsel")
    decision = library.gate.prepare(bad, CUSTODIAN, approvals, ["ils"])
    assert not decision.allowed
    assert decision.permits == ()
    assert not library.gate.outgoing(bad, approvals).decide(row()).allowed


@pytest.mark.parametrize("roles", [(), ("custodian",), ("counsel",), ("alternate",), ("custodian", "custodian")])
def test_fewer_than_two_officers_open_nothing(library: Library, roles: tuple[str, ...]) -> None:
    good = order()
    assert not library.gate.prepare(good, CUSTODIAN, library.sign(good, *roles), ["ils"]).allowed


@pytest.mark.parametrize("roles", [("custodian", "alternate"), ("alternate", "counsel")])
def test_the_alternate_stands_in_for_either(library: Library, roles: tuple[str, ...]) -> None:
    good = order()
    assert library.gate.prepare(good, CUSTODIAN, library.sign(good, *roles), ["ils"]).allowed


def test_one_person_holding_two_offices_is_one_person(library: Library) -> None:
    custodian, counsel, alternate = library.officers
    good = order()
    for same in (replace(counsel, name=" CUSTODIAN "), replace(counsel, sign=custodian.sign)):
        library.officers = (custodian, same, alternate)
        key = "custodian" if same.sign == custodian.sign else "counsel"
        gate = library.new_gate()
        message = good.statement("release", gate.digest)
        approvals = [library.keys.sign("custodian", message), library.keys.sign("counsel", message, key)]
        decision = gate.prepare(good, CUSTODIAN, approvals, ["ils"])
        assert not decision.allowed
        assert [rule.id for rule in decision.rules] == ["two-persons"]


CHANGED_AFTER_SIGNING: dict[str, dict[str, object]] = {
    "the scope widened": {"scope": scope(patrons=frozenset({"51", "52"}))},
    "the dates widened": {"scope": scope(since=datetime(2020, 1, 1, tzinfo=UTC))},
    "a class added": {"scope": scope(classes=frozenset({"circulation", "hold_request", "search"}))},
    "another case": {"case": "2026-015"},
    "a later end": {"valid_until": NOW + timedelta(days=300)},
    "another recipient": {"recipient": "agency-8"},
}


@pytest.mark.parametrize("name", CHANGED_AFTER_SIGNING)
def test_what_is_changed_after_signing_has_no_signature(library: Library, name: str) -> None:
    approvals = library.sign(order(), "custodian", "counsel")
    assert not library.gate.prepare(order(**CHANGED_AFTER_SIGNING[name]), CUSTODIAN, approvals, ["ils"]).allowed


def test_a_signature_for_another_act_or_bundle_counts_for_nothing(library: Library) -> None:
    good = order()
    for approvals in (
        library.sign(good, "custodian", "counsel", act="hold"),
        library.sign(good, "custodian", "counsel", bundle="0" * 64),
    ):
        assert not library.gate.prepare(good, CUSTODIAN, approvals, ["ils"]).allowed


def test_an_approval_row_written_into_a_database_opens_nothing(library: Library) -> None:
    """Whoever can write rows cannot sign: no text, no copied signature of another case, no key of their own."""
    good, other = order(), order(case="2026-001")
    library.keys.officer("intruder")
    message = good.statement("release", library.gate.digest)
    forged = library.keys.sign("custodian", message, "intruder")
    for approvals in (
        [Approval("custodian", "approved"), Approval("counsel", "approved")],
        [Approval("custodian", b""), Approval("counsel", b"\x00" * 64)],
        library.sign(other, "custodian", "counsel"),
        [forged, *library.sign(good, "counsel")],
        [Approval("intruder", forged.signature), *library.sign(good, "counsel")],
    ):
        assert not library.gate.prepare(good, CUSTODIAN, approvals, ["ils"]).allowed


def test_only_the_custodian_or_the_alternate_gathers(library: Library) -> None:
    good = order()
    approvals = library.sign(good, "custodian", "counsel")
    for roles in ({"frontLine"}, {"circulation"}, {"systems"}, {"counsel"}, {"auditor"}, set()):
        assert not library.gate.prepare(good, Asker("s9", frozenset(roles)), approvals, ["ils"]).allowed


OUT_OF_SCOPE: dict[str, dict[str, object]] = {
    "another patron": {"patron": "52"},
    "nobody": {"patron": None},
    "another class": {"record_class": "search"},
    "before": {"used_at": datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)},
    "after": {"used_at": datetime(2027, 1, 1, tzinfo=UTC)},
    "severed": {"state": "severed"},
}


def test_a_row_in_scope_leaves_and_every_other_stays(library: Library) -> None:
    good = order()
    outgoing = library.gate.outgoing(good, library.sign(good, "custodian", "counsel"))
    assert outgoing.decide(row()).allowed
    for name, change in OUT_OF_SCOPE.items():
        assert not outgoing.decide(row(**change)).allowed, name
    library.clock.moment = good.paper.valid_until
    assert not outgoing.decide(row()).allowed, "the clock runs on during a release"


def test_a_warrant_in_execution_needs_one_officer_and_nothing_else_does(library: Library) -> None:
    warrant = order(kind="search_warrant", law=None)
    approvals = library.sign(warrant, "custodian", act="warrant")
    assert library.gate.prepare(warrant, CUSTODIAN, approvals, ["ils"], "warrant").allowed
    assert library.gate.outgoing(warrant, approvals, "warrant").decide(row()).allowed
    assert not library.gate.prepare(warrant, CUSTODIAN, approvals, ["ils"]).allowed
    paper = order(kind="court_order")
    alone = library.sign(paper, "custodian", act="warrant")
    assert not library.gate.prepare(paper, CUSTODIAN, alone, ["ils"], "warrant").allowed


CONSENT: dict[str, object] = {
    "kind": "consent", "from_patron": True, "good_cause": False, "specific_facts": False, "competent_jurisdiction": False,
}  # fmt: skip
BAD_CONSENTS: dict[str, dict[str, object]] = {
    "through the asker, or withdrawn": {"from_patron": False},
    "run out": {"valid_until": NOW},
    "the law forbids": {"law": "MUST_NOT"},
    "the law was never asked": {"law": None},
    "a parent's word for it": {"kind": "guardian_request"},
    "an emergency for it": {"kind": "exigent_request"},
    "a paper with consent in it": {"kind": "attorney_subpoena"},
}


def test_on_consent_the_patrons_own_ties_leave_and_to_the_patron_alone(library: Library) -> None:
    given = order(**CONSENT)
    approvals = library.sign(given, "custodian", "counsel")
    decision = library.gate.prepare(given, CUSTODIAN, approvals, ["ils"])
    assert library.gate.open(decision.permits[0], "ties", "ils").action == "prepareByConsent"
    outgoing = library.gate.outgoing(given, approvals)
    assert outgoing.base.principal == Uid("Patron", "51")
    assert outgoing.decide(row()).allowed
    for name, change in OUT_OF_SCOPE.items():
        assert not outgoing.decide(row(**change)).allowed, name
    assert library.journal.entries == [], "the ledger does not tell that there is an inquiry"
    library.clock.moment = given.paper.valid_until
    assert not outgoing.decide(row()).allowed


@pytest.mark.parametrize("name", BAD_CONSENTS)
def test_less_than_a_patrons_own_consent_opens_nothing(library: Library, name: str) -> None:
    bad = order(**CONSENT | BAD_CONSENTS[name])
    approvals = library.sign(bad, "custodian", "counsel")
    assert not library.gate.prepare(bad, CUSTODIAN, approvals, ["ils"]).allowed
    assert not library.gate.outgoing(bad, approvals).decide(row()).allowed


@pytest.mark.parametrize("roles", [(), ("custodian",), ("counsel",)])
def test_on_consent_too_two_officers_approve(library: Library, roles: tuple[str, ...]) -> None:
    given = order(**CONSENT)
    approvals = library.sign(given, *roles)
    assert not library.gate.prepare(given, CUSTODIAN, approvals, ["ils"]).allowed
    assert not library.gate.outgoing(given, approvals).decide(row()).allowed


@pytest.mark.parametrize("patrons", [(), ("51", "52")])
def test_a_consent_of_nobody_or_of_two_lets_nothing_out(library: Library, patrons: tuple[str, ...]) -> None:
    given = order(**CONSENT, scope=scope(patrons=frozenset(patrons), items=frozenset({"9"})))
    approvals = library.sign(given, "custodian", "counsel")
    assert not library.gate.outgoing(given, approvals).decide(row()).allowed


def test_a_confirmed_hold_gathers_for_its_sealed_copy(library: Library) -> None:
    paper = order(kind="attorney_subpoena", law="NEEDS_COUNSEL")
    approvals = library.sign(paper, "custodian", "alternate", act="hold")
    decision = library.gate.prepare(paper, CUSTODIAN, approvals, ["ils"], "hold")
    assert library.gate.open(decision.permits[0], "ties", "ils").action == "copyForHold"
    one = library.sign(paper, "custodian", act="hold")
    assert not library.gate.prepare(paper, CUSTODIAN, one, ["ils"], "hold").allowed


def test_a_scope_preview_is_no_question_about_one_person_without_counsel(library: Library) -> None:
    paper = order()
    assert not library.gate.prepare(paper, CUSTODIAN, [], ["ils"], "preview").allowed
    custodian = library.sign(paper, "custodian", act="preview")
    assert not library.gate.prepare(paper, CUSTODIAN, custodian, ["ils"], "preview").allowed
    counsel = library.sign(paper, "counsel", act="preview")
    decision = library.gate.prepare(paper, CUSTODIAN, counsel, ["ils"], "preview")
    assert decision.allowed
    assert library.gate.open(decision.permits[0], "count", "ils").action == "previewScope", "it opens no identity"


@pytest.mark.parametrize("persons", [0, 1, 49])
def test_the_roster_cannot_be_read_for_a_few(library: Library, persons: int) -> None:
    assert not library.gate.roster(persons, ["ils"]).allowed
    assert library.gate.roster(50, ["ils"]).allowed


@pytest.mark.parametrize(("kind", "action"), [("Staff", "scan"), ("Job", "scan"), ("Job", "countDueTies")])
def test_a_scan_or_a_count_cannot_be_narrowed_to_one_person(library: Library, kind: str, action: str) -> None:
    asker = {"roles": frozenset({Uid("Role", "custodian")})} if kind == "Staff" else {"kind": Uid("JobKind", "check")}
    thing = Uid("Series", "issues") if action == "countDueTies" else Uid("Roster", "r")
    narrow: Attributes = {"class": Uid("RecordClass", "circulation"), "narrowed": True}
    facts = narrow if action == "countDueTies" else {"persons": 1}
    context = {"purpose": Uid("Purpose", "maintainSystems")}
    request = Request(Uid(kind, "a"), action, thing, context, {Uid(kind, "a"): asker, thing: facts})
    assert not library.gate.decide(request).allowed


def test_own_export_needs_a_verified_identity(library: Library) -> None:
    assert not library.gate.own_export("51", CUSTODIAN, ["ils"], identity_verified=False).allowed
    assert not library.gate.own_export("51", DESK, ["ils"], identity_verified=True).allowed
    decision = library.gate.own_export("51", CUSTODIAN, ["ils"], identity_verified=True)
    grant = library.gate.open(decision.permits[0], "ties", "ils")
    assert grant.scope.patrons == {"51"}


def test_a_sealed_inquiry_refuses_like_any_other(library: Library) -> None:
    """To the front line the answer is word for word the same with and without a seal."""
    inquiry = Uid("Inquiry", "i")
    answers = []
    for sealed in (False, True):
        facts: Attributes = {"sealed": sealed, "triaged": True}
        for action in ("viewInquiry", "triageInquiry", "advanceInquiry", "placeHold"):
            request = Request(
                Uid("Staff", "s7"), action, inquiry, {"purpose": Uid("Purpose", "inquiry")},
                {inquiry: facts, **DESK.entity()},
            )  # fmt: skip
            decision = library.gate.decide(request)
            answers.append((sealed, action, decision.allowed, decision.sentence, decision.rules))
    half = len(answers) // 2
    assert [answer[1:] for answer in answers[:half]] == [answer[1:] for answer in answers[half:]]
    assert library.journal.entries == []


def test_permuting_who_and_what_changes_no_answer(library: Library) -> None:
    """R20, R21 on the running gate: the proof says it for every request, this for a few."""
    for facts in ({}, {"birthYear": 2015}, {"birthYear": 1930}):
        for topic in (None, "war", "gardens"):
            request = desk_request().knowing({Uid("Patron", "51"): facts})
            tie = dict(request.entities[Uid("Tie", "t")])
            if topic:
                tie["topic"] = topic
            assert library.gate.decide(request.knowing({Uid("Tie", "t"): tie})).allowed


def test_a_gate_is_built_on_an_adopted_bundle_only(library: Library) -> None:
    with pytest.raises(AttributeError):
        Gate(
            library.adopted.bundle,  # type: ignore[arg-type]
            clock=library.clock,
            journal=library.journal,
            inquiries=library.inquiries,
            register=library.register,
        )


WORDS = st.sampled_from(["circulation", "open", "51", "Tie", "sever", ""]) | st.text(max_size=8)
UIDS = st.builds(Uid, st.sampled_from(["Patron", "Tie", "Staff", "Role", "State", "Item", "Nothing"]), WORDS)
VALUES = st.booleans() | st.integers() | WORDS | UIDS | st.frozensets(UIDS, max_size=2)
FACTS = st.dictionaries(st.sampled_from(["class", "state", "patron", "roles", "held", "usedAt", "x"]), VALUES)


@given(
    principal=UIDS,
    action=WORDS,
    resource=UIDS,
    context=st.dictionaries(WORDS, VALUES),
    entities=st.dictionaries(UIDS, FACTS),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_asked_the_gate_answers_and_never_raises(
    library: Library,
    principal: Uid,
    action: str,
    resource: Uid,
    context: Attributes,
    entities: dict[Uid, Attributes],
) -> None:
    decision = library.gate.decide(Request(principal, action, resource, context, entities))
    assert not decision.allowed
