"""The workflow's invariants, over every case that can be reached and every step tried from it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.guard import walk
from tests.guard.walk import DAY, GROUPS, HOLDS, PEOPLE, SEALS, Visit

from reticent.errors import NotPermitted
from reticent.guard.case import FOUR, Case, Hold, Taken
from reticent.guard.inquiries import RULES, advance, missing, open_steps, refused
from reticent.guard.words import (
    COMPULSORY,
    FACTS,
    Departure,
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

MAIN = [step for step in RULES if step not in (*HOLDS, *SEALS)] + [Step.UNSEAL]


@pytest.fixture(scope="module")
def visits() -> list[Visit]:
    """Every case that can be reached."""
    return walk.reachable([Case()], MAIN, walk.without_hold)


def test_every_state_is_reached_and_every_step_taken(visits: list[Visit]) -> None:
    assert {visit.case.state for visit in visits} == set(State)
    assert {taken.step for visit in visits for taken, _ in visit.taken} == set(MAIN)


def test_nothing_leaves_without_a_basis_two_persons_no_defect_and_a_clock_that_is_over(visits: list[Visit]) -> None:
    released = 0
    for visit in visits:
        for taken, _ in visit.taken:
            if taken.step not in (Step.RELEASE, Step.RETURN_NIL):
                continue
            case, released = visit.case, released + 1
            assert case.basis in ("instrument", "consent", "statute")
            assert len(case.approved) == 2
            assert not case.defects
            assert case.law is not LawAnswer.MUST_NOT
            assert case.not_before is None or case.not_before <= taken.at
            assert case.notice is not Notice.REQUIRED
            assert case.valid_until is None or taken.day <= case.valid_until
            if case.basis == "instrument":
                assert case.attested == frozenset(FOUR)
                assert case.instrument
                assert case.kind in (Instrument.COURT_ORDER, Instrument.SEARCH_WARRANT)
            if case.basis == "statute":
                assert case.standing is Standing.CONFIRMED
    assert released > 20


def test_disclosed_is_entered_by_four_doors_only_and_the_departures_say_so(visits: list[Visit]) -> None:
    doors = defaultdict(set)
    for visit in visits:
        for taken, after in visit.taken:
            if after.state is State.DISCLOSED and visit.case.state is not State.DISCLOSED:
                doors[taken.step].add(after.ending)
                if taken.step is Step.COMPLY:
                    assert Departure.COMPLIED_UNDER_COMPULSION in after.departures
                if taken.step is Step.DISCLOSE_BY_DUTY:
                    assert Departure.DUTY_DESPITE_PACK in after.departures
                    assert visit.case.exception
    assert doors == {
        Step.RELEASE: {Ending.PRODUCED},
        Step.HAND_TO_SUBJECT: {Ending.PRODUCED},
        Step.COMPLY: {Ending.COMPELLED},
        Step.DISCLOSE_BY_DUTY: {Ending.BY_DUTY},
    }


def test_only_the_right_people_take_a_step_and_the_front_line_ends_at_triage(visits: list[Visit]) -> None:
    tried = set()
    for visit in visits:
        for taken, after in visit.taken:
            if (visit.case.state, taken.step) in tried:
                continue
            tried.add((visit.case.state, taken.step))
            for by in GROUPS:
                roles = {role for role, _ in by}
                persons = {person for _, person in by}
                fits = any(group <= roles and len(group) <= len(persons) for group in RULES[taken.step].who)
                if taken.step in (Step.COUNTERSIGN, Step.RELEASE, Step.APPROVE):
                    continue
                counsels = RULES[taken.step].who == RULES[Step.EXAMINE].who
                needs_advice = counsels and Role.COUNSEL not in roles
                assert bool(missing(visit.case, replace(taken, by=by))) == (not fits or needs_advice), (taken.step, by)
            if Role.FRONT_LINE in {role for role, _ in taken.by}:
                assert after.state in (State.CONTACT, State.TRIAGED)
            elif after.state not in (State.CONTACT, State.TRIAGED):
                assert missing(visit.case, replace(taken, by=walk.F))
    assert len(tried) > 100


def test_one_person_under_many_keys_is_one_person(visits: list[Visit]) -> None:
    seen = False
    for visit in visits:
        for taken, _ in visit.taken:
            if taken.step is Step.APPROVE:
                seen = True
                assert "one" in " ".join(missing(visit.case, replace(taken, by=walk.ONE_PERSON)))
    assert seen


def test_an_open_defect_blocks_approval_and_a_forbidding_law_too(visits: list[Visit]) -> None:
    for visit in visits:
        if visit.case.defects or visit.case.law is LawAnswer.MUST_NOT or visit.case.broad or visit.case.findings_open:
            assert State.APPROVED not in {after.state for _, after in visit.taken}
        if visit.case.state in (State.APPROVED, State.SEARCHED, State.PREPARED):
            assert not visit.case.defects
            assert len(visit.case.approved) == 2


def test_no_way_to_approval_passes_counsel_by(visits: list[Visit]) -> None:
    approvals = [(visit.case, taken) for visit in visits for taken, after in visit.taken if taken.step is Step.APPROVE]
    assert approvals
    for case, taken in approvals:
        without = replace(taken, by=walk.C | walk.ALT)
        assert missing(case, without) == ["Neither counsel signs it, nor is counsel's signed advice named."]
        assert not missing(case, replace(without, facts={**taken.facts, "advice": walk.A}))


def test_paper_that_can_compel_is_never_refused_but_by_counsel(visits: list[Visit]) -> None:
    for visit in visits:
        for taken, after in visit.taken:
            if after.state is State.REFUSED and visit.case.state is not State.REFUSED:
                assert visit.case.kind not in COMPULSORY or taken.step is Step.DECLINE
            if visit.case.kind in COMPULSORY and taken.step in (Step.REFER, Step.REFUSE):
                pytest.fail("compulsory paper was refused by software")


def test_nobody_is_put_in_contempt_by_the_software(visits: list[Visit]) -> None:
    """While a paper is pending, counsel can always comply, whatever else stands in the way."""
    for visit in visits:
        pending = visit.case.instrument and visit.case.state in (
            State.COUNSEL_REVIEW, State.DEFECT_NOTICE, State.CHALLENGED, State.NOTICE_CLOCK,
            State.APPROVED, State.SEARCHED, State.PREPARED,
        )  # fmt: skip
        assert not pending or any(taken.step is Step.COMPLY for taken, _ in visit.taken)


def test_from_everywhere_there_is_a_way_to_the_end(visits: list[Visit]) -> None:
    before = defaultdict(set)
    for visit in visits:
        for _, after in visit.taken:
            before[walk.without_hold(after)].add(visit.case)
    todo = [visit.case for visit in visits if visit.case.state is State.CLOSED]
    ends = set(todo)
    while todo:
        for case in before[todo.pop()] - ends:
            ends.add(case)
            todo.append(case)
    stuck = {visit.case.state for visit in visits} - {case.state for case in ends} - {State.DISPOSED}
    assert not stuck
    assert [visit.case for visit in visits if visit.case not in ends and visit.case.state is not State.DISPOSED] == []


def test_a_warrant_is_executed_by_one_officer_and_countersigned_by_another(visits: list[Visit]) -> None:
    seen = 0
    for visit in visits:
        for taken, after in visit.taken:
            if taken.step is Step.PRODUCE_UNDER_WARRANT:
                assert Duty.COUNTERSIGN in after.duties
                assert taken.facts["scope"] == visit.case.scope
            if taken.step is Step.COUNTERSIGN:
                seen += 1
                assert missing(visit.case, replace(taken, by=frozenset({(Role.COUNSEL, PEOPLE[Role.CUSTODIAN])})))
    assert seen


def test_every_refusal_says_in_sentences_what_is_missing(visits: list[Visit]) -> None:
    said = {sentence for visit in visits for taken in visit.refused[:40] for sentence in missing(visit.case, taken)}
    assert len(said) > 25
    assert all(sentence.endswith((".", ").")) and sentence[0].isupper() for sentence in said)


def test_what_is_said_to_be_refused_is_refused_whatever_is_typed(visits: list[Visit]) -> None:
    said: set[str] = set()
    ours = {"law", "standing", "policy", "emergency_clause", "findings_required", "pack_fields"}
    for visit in visits[::3]:
        for taken, _ in visit.taken:
            for known in ({}, {name: value for name, value in taken.facts.items() if name in ours}):
                assert refused(visit.case, taken.step, taken.at, known) == []
        for taken in visit.refused:
            why = refused(visit.case, taken.step, taken.at, {})
            assert set(why) <= set(missing(visit.case, taken)) or "fact" in " ".join(missing(visit.case, taken))
            said.update(why)
    assert {"A defect is still open.", "The law forbids it.", "There is none to review."} <= said
    assert len(said) > 15


def test_a_hold_changes_no_step_but_closing(visits: list[Visit]) -> None:
    held = replace(Case().hold, kind=HoldKind.CONFIRMED, until=DAY + timedelta(days=400))
    for visit in visits[::7]:
        for taken, after in visit.taken:
            other = replace(visit.case, hold=held)
            if taken.step in (Step.CLOSE,):
                assert missing(other, taken)
            elif taken.step not in (Step.TRIAGE, Step.REGISTER_INSTRUMENT, Step.BEGIN_WARRANT):
                assert replace(advance(other, taken), hold=after.hold) == after


def test_departures_are_read_by_no_rule(visits: list[Visit]) -> None:
    for visit in visits[::11]:
        other = replace(visit.case, departures=frozenset(Departure))
        for taken in visit.refused:
            assert missing(other, taken) == missing(visit.case, taken)
        assert all(not missing(other, taken) for taken, _ in visit.taken)


# ---- holds and seals, from every state --------------------------------------------------------


@pytest.fixture(scope="module")
def holds(visits: list[Visit]) -> list[Visit]:
    """Every hold that can be reached from one case of every state."""
    first = {visit.case.state: visit.case for visit in visits}
    first[State.TRIAGED] = next(
        case for v in visits if v.case.state is State.CONTACT for taken, case in v.taken if case.kind in COMPULSORY
    )
    return walk.reachable(first.values(), HOLDS, walk.plain)


def test_only_two_officers_confirm_a_hold_and_every_hold_ends(holds: list[Visit]) -> None:
    kinds = set()
    for visit in holds:
        for taken, after in visit.taken:
            kinds.add(after.hold.kind)
            if after.hold.kind is HoldKind.CONFIRMED and visit.case.hold.kind is not HoldKind.CONFIRMED:
                assert len({person for _, person in taken.by}) == 2
            if after.hold.kind is HoldKind.ALONE and taken.step in (Step.PLACE_HOLD, Step.ANSWER_HOLD):
                assert after.hold.until
                assert timedelta(days=11) < after.hold.until - taken.at < timedelta(days=20)
            if after.hold.kind is HoldKind.LIFTED:
                assert not after.hold.in_force(taken.at)
                assert not after.hold.waits(taken.at)
            assert not after.hold.in_force(after.hold.until or taken.at)
    assert kinds >= {HoldKind.ALONE, HoldKind.CONFIRMED, HoldKind.LIFTED}


def test_after_its_sealed_copy_a_hold_lets_severing_go_on(holds: list[Visit]) -> None:
    seen = 0
    for visit in holds:
        for taken, after in visit.taken:
            if taken.step is Step.RECORD_COPY:
                copied = after.confirmed(taken.word("scope") or visit.case.hold.scope)
                assert copied
                assert not copied.waits(taken.at)
                seen += copied.in_force(taken.at)
    assert seen


def _step(step: Step, by: frozenset[tuple[Role, str]] = walk.C, /, **facts: object) -> Taken:
    return Taken(step, DAY, by, "Stat. 1", facts)


def held_classes(case: Case, *when: int) -> list[set[str]]:
    """The classes that wait so many days later."""
    moments = [DAY + timedelta(days=count) for count in when]
    return [{name for hold in case.holds if hold.waits(at) for name in hold.classes or {"all"}} for at in moments]


def test_a_new_paper_never_frees_what_the_old_one_holds_and_a_copy_covers_its_own_scope_only(
    visits: list[Visit],
) -> None:
    case = next(visit.case for visit in visits if visit.case.state is State.COUNSEL_REVIEW and visit.case.at == DAY)
    paper = next(
        taken for visit in visits for taken, _ in visit.taken
        if taken.step is Step.REGISTER_INSTRUMENT and taken.at == DAY and visit.case.state is State.COUNSEL_REVIEW
    )  # fmt: skip
    loans = frozenset({"circulation"})
    held = Hold(HoldKind.CONFIRMED, DAY + timedelta(days=90), scope="b" * 64, classes=loans)
    again = replace(paper, facts={**paper.facts, "classes": ["search"], "document": "d" * 64})
    waiting = advance(replace(case, hold=held), again)
    assert waiting.kept == (held,)
    assert held_classes(waiting, 0, 5) == [{"circulation", "search"}, {"circulation"}]
    copied = advance(replace(case, hold=replace(held, copied=True)), again)
    assert copied.hold.kind is HoldKind.PROVISIONAL
    assert held_classes(copied, 0) == [{"search"}]
    assert copied.held(DAY + timedelta(days=60)), "the copy is kept as long as it was confirmed for"
    same = replace(held, copied=True, scope=again.word("scope"))
    assert advance(replace(case, hold=same), again).hold == same
    soft = Hold(HoldKind.PROVISIONAL, DAY + timedelta(days=2), scope="b" * 64, classes=loans)
    assert held_classes(advance(replace(case, hold=soft), again), 0) == [{"circulation", "search"}]
    alone = Hold(HoldKind.ALONE, DAY + timedelta(days=9), classes=loans)
    assert held_classes(advance(replace(case, hold=alone), again), 0, 8) == [{"circulation", "search"}] * 2


def test_the_same_paper_registered_again_holds_no_longer(visits: list[Visit]) -> None:
    case = next(visit.case for visit in visits if visit.case.state is State.COUNSEL_REVIEW and visit.case.at == DAY)
    paper = {**walk.FACTS[Step.REGISTER_INSTRUMENT][0], "document": "d" * 64}
    first = advance(case, Taken(Step.REGISTER_INSTRUMENT, DAY, walk.C, "Stat. 1", paper))
    later = Taken(Step.REGISTER_INSTRUMENT, DAY + timedelta(days=2), walk.C, "Stat. 1", paper)
    first = replace(first, state=State.COUNSEL_REVIEW)
    assert advance(first, later).hold == first.hold
    other = advance(first, replace(later, facts={**paper, "document": "e" * 64}))
    assert other.hold.until == later.at + timedelta(hours=72)


def test_a_second_confirmation_adds_and_lifting_is_an_act_of_its_own(visits: list[Visit]) -> None:
    case = next(visit.case for visit in visits if visit.case.state is State.COUNSEL_REVIEW and visit.case.at == DAY)
    facts = {"until": walk.days(60), "scope": walk.A, "classes": ["circulation"]}
    first = Taken(Step.CONFIRM_HOLD, DAY, walk.C | walk.ALT, "Stat. 1", facts)
    second = replace(first, facts={"until": walk.days(9), "scope": walk.B, "classes": ["search", "print"]})
    both = advance(advance(case, first), second)
    assert held_classes(both, 0, 30) == [{"circulation", "search", "print"}, {"circulation"}]
    assert advance(both, second).holds == both.holds, "the same again adds nothing"
    copied = advance(both, _step(Step.RECORD_COPY, package=walk.A, scope=walk.A))
    assert held_classes(copied, 0) == [{"search", "print"}], "a copy covers its own scope only"
    assert missing(both, _step(Step.RECORD_COPY, package=walk.A, scope="c" * 64))
    one = advance(both, _step(Step.LIFT_HOLD, walk.L, scope=walk.B))
    assert held_classes(one, 0) == [{"circulation"}]
    assert missing(both, _step(Step.LIFT_HOLD, walk.L, scope="c" * 64)) == ["No hold is of this scope."]
    assert not advance(both, _step(Step.LIFT_HOLD, walk.L)).held(DAY)


def test_nothing_confirmed_is_let_go_before_its_day_but_by_counsel(holds: list[Visit]) -> None:
    seen = 0
    for visit in holds:
        for taken, after in visit.taken:
            for before in visit.case.holds:
                if before.kind is not HoldKind.CONFIRMED or not before.in_force(taken.at):
                    continue
                now, seen = after.confirmed(before.scope), seen + 1
                if taken.step is Step.LIFT_HOLD:
                    assert Role.COUNSEL in {role for role, _ in taken.by}
                    assert (now is None) == (taken.word("scope") in ("", before.scope))
                else:
                    assert now
                    assert now.until
                    assert before.until
                    assert now.until >= before.until or Role.COUNSEL in {role for role, _ in taken.by}
    assert seen > 100


def test_one_officer_places_a_hold_once_in_a_case(holds: list[Visit]) -> None:
    """Whatever came between: a lapse, a confirmation, a new paper. And a confirmed hold that lapsed is no obstacle."""
    for visit in holds:
        place = Taken(Step.PLACE_HOLD, visit.case.at, walk.C, "Stat. 1")
        if visit.case.state in RULES[Step.PLACE_HOLD].sources:
            confirmed = any(one.kind is HoldKind.CONFIRMED and one.in_force(visit.case.at) for one in visit.case.holds)
            says = ["A confirmed hold is in force."] if confirmed else []
            says += ["One officer places a hold once; two confirm."] if visit.case.alone else []
            assert missing(visit.case, place) == says


def test_keeping_records_in_place_is_counsels_choice(visits: list[Visit]) -> None:
    case = next(visit.case for visit in visits if visit.case.state is State.COUNSEL_REVIEW and visit.case.at == DAY)
    facts = {"until": walk.days(15), "scope": walk.A, "mode": "keep_in_place"}
    taken = Taken(Step.CONFIRM_HOLD, DAY, walk.C | walk.ALT, "Stat. 1", facts)
    assert missing(case, taken) == ["Keeping records in place, or holding what comes, is counsel's choice."]
    after = advance(case, replace(taken, by=walk.C | walk.L))
    assert replace(after.hold, copied=True).waits(DAY), "the live rows are the evidence, so they wait"


def test_a_confirmed_hold_is_shortened_or_loosened_by_counsel_only(visits: list[Visit]) -> None:
    case = next(visit.case for visit in visits if visit.case.state is State.COUNSEL_REVIEW and visit.case.at == DAY)
    facts = {"until": walk.days(60), "scope": walk.A}
    long = advance(case, Taken(Step.CONFIRM_HOLD, DAY, walk.C | walk.L, "Stat. 1", facts))
    kept = advance(case, Taken(Step.CONFIRM_HOLD, DAY, walk.C | walk.L, "Stat. 1", facts | {"mode": "keep_in_place"}))
    says = ["To shorten a confirmed hold, or to let go what counsel keeps in place, is counsel's."]
    shorter = Taken(Step.CONFIRM_HOLD, DAY, walk.C | walk.ALT, "Stat. 1", facts | {"until": walk.days(2)})
    same = replace(shorter, facts=facts)
    assert missing(long, shorter) == says
    assert missing(kept, same) == says
    assert not missing(long, same)
    assert not missing(long, replace(shorter, facts=facts | {"until": walk.days(90)}))
    assert not missing(long, replace(shorter, by=walk.C | walk.L))
    assert not missing(kept, replace(same, by=walk.C | walk.L))


def test_counsel_widens_the_fields_of_a_draft_as_a_departure_and_of_a_confirmed_pack_never(visits: list[Visit]) -> None:
    case = next(visit.case for visit in visits if visit.case.state is State.COUNSEL_REVIEW and visit.case.at == DAY)
    draft: dict[str, object] = {**walk.FACTS[Step.EXAMINE][0], "standing": "unconfirmed", "pack_fields": ["identity"]}

    def examined(**facts: object) -> Taken:
        return Taken(Step.EXAMINE, DAY, walk.L, "Stat. 1", {**draft, **facts})

    wider = advance(case, examined(fields=["everything"]))
    assert wider.fields == frozenset({"everything"})
    assert Departure.FIELDS_WIDENED in wider.departures
    assert Departure.FIELDS_WIDENED in advance(case, examined(fields=["identity", "surveillance"])).departures
    for narrower in (["identity"], []):
        after = advance(case, examined(fields=narrower))
        assert after.fields == frozenset(narrower)
        assert Departure.FIELDS_WIDENED not in after.departures
    assert advance(case, examined()).fields is None
    [said] = missing(case, examined(fields=["everything"], standing="confirmed"))
    assert "correct it and confirm it anew" in said
    assert not missing(case, examined(fields=[], standing="confirmed")), "narrower is always counsel's to say"
    paper = walk.FACTS[Step.REGISTER_INSTRUMENT][0]
    assert advance(wider, Taken(Step.REGISTER_INSTRUMENT, DAY, walk.C, "Stat. 1", paper)).fields is None


@pytest.mark.parametrize("kind", ["fisa_order", "national_security_letter"])
def test_security_paper_is_sealed_from_triage_on(kind: str) -> None:
    case = advance(Case(), _step(Step.RECORD, walk.F, channel="visit", party="nationalSecurityAgency", level="federal"))
    case = advance(case, _step(Step.TRIAGE, walk.F, kind=kind, law="NEEDS_COUNSEL", standing="unconfirmed"))
    assert case.sealed
    assert case.hold.kind is HoldKind.ASKED


def test_a_lifted_gag_brings_the_notice_back(visits: list[Visit]) -> None:
    due = [
        (visit.case, after)
        for visit in visits
        for taken, after in visit.taken
        if taken.step is Step.UNSEAL and visit.case.notice_due
    ]
    assert due
    assert all(after.notice is Notice.REQUIRED for case, after in due if case.notice is Notice.DEFERRED)


# ---- bad input --------------------------------------------------------------------------------

GOOD = walk.FACTS[Step.REGISTER_INSTRUMENT][0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"issued": walk.days(1)}, "served before it was issued"),
        ({"served": walk.days(9)}, "served in the future"),
        ({"court": "none"}, "a judge but no court"),
        ({"kind": "informal_request"}, "no paper that can be registered"),
        ({"served_on": "Jane Doe"}, "The fact served_on is not one of"),
        ({"issued": "2026-02-30"}, "The fact issued is not a day"),
        ({"document": "scan.pdf"}, "The fact document is not a SHA-256 digest"),
        ({"hold_hours": -1}, "The fact hold_hours is not a whole number"),
        ({"hold_hours": True}, "The fact hold_hours is not a whole number"),
        ({"motion": "quash"}, "The fact motion has no place here"),
        ({"Jane Doe": "yes"}, "A fact is unknown"),
        ({"breadth": ["open_dates", "open_dates"]}, "The fact breadth is not a list"),
    ],
)
def test_a_bad_paper_is_refused_and_no_value_is_repeated(change: dict[str, object], says: str) -> None:
    case = Case(state=State.TRIAGED, at=DAY, kind=Instrument.COURT_ORDER)
    with pytest.raises(NotPermitted) as refused:
        advance(case, Taken(Step.REGISTER_INSTRUMENT, DAY, walk.C, "Stat. 1", {**GOOD, **change}))
    assert says in str(refused.value)
    assert "Jane" not in str(refused.value)


def test_a_clock_set_back_and_a_step_without_a_ground_are_refused() -> None:
    case = Case(state=State.TRIAGED, at=DAY + timedelta(hours=1), kind=Instrument.COURT_ORDER)
    taken = Taken(Step.REGISTER_INSTRUMENT, DAY, walk.C, " ", GOOD)
    assert missing(case, taken) == [
        "The statute it rests on is not named.",
        "Its time lies before the last step: the clock went back.",
    ]


def test_the_table_is_whole() -> None:
    assert set(RULES) == set(Step)
    assert all({*rule.facts, *rule.may} <= FACTS.keys() for rule in RULES.values())
    assert all(rule.clause.startswith("R") for rule in RULES.values())
    assert {name for rule in RULES.values() for name in (*rule.facts, *rule.may)} | {"advice"} == FACTS.keys()
    assert open_steps(Case()) == (Step.RECORD,)
    assert open_steps(Case(state=State.DISPOSED)) == ()
