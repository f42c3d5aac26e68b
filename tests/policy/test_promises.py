"""The shipped bundle: every promise proved, the certificate up to date, the words the house's words."""

from __future__ import annotations

import re
from importlib import resources

import pytest
from tests.policy.helpers import NOTES, shipped, with_rule

from reticent.model import RecordClass
from reticent.policy import certificate, prove
from reticent.policy.adoption import shipped as shipped_adopted
from reticent.policy.prover import Mark, Prover

CEILINGS_AND_FLOORS = {promise.id for promise in shipped().promises}


@pytest.fixture(scope="module")
def checked() -> prove.CheckResult:
    return prove.check_bundle(shipped())


def test_every_promise_is_proved(checked: prove.CheckResult) -> None:
    assert {line.promise: line.mark for line in checked.lines if line.mark is not Mark.PROVED} == {}
    assert checked.kept
    assert len(checked.lines) >= 30


def test_no_rule_is_dead_or_idle_or_slipped(checked: prove.CheckResult) -> None:
    assert checked.problems == ()


def test_every_promise_of_the_issue_is_there() -> None:
    ids = CEILINGS_AND_FLOORS | {special.id for special in shipped().specials}
    assert ids >= {
        "order-for-outside-parties", "paper-that-is-no-order", "only-what-the-order-names", "two-officers",
        "equal-protection", "no-item-to-readers", "severed-names-nobody", "statistics-meet-no-person",
        "patrons-see-their-own", "a-good-order-is-honoured", "front-line-ends-at-triage",
        "anyone-reaches-triage", "no-rule-errs", "no-probe-for-one-person", "preview-after-counsel",
    }  # fmt: skip


def test_every_rule_and_promise_names_what_it_rests_on() -> None:
    for rule in (*shipped().rules, *shipped().promises):
        assert re.search(r"R\d", rule.cite), rule.id
        assert rule.says.endswith("."), rule.id


def test_nationality_views_and_background_are_in_no_vocabulary() -> None:
    schema = shipped().schema
    assert set(schema.entities["Patron"]) == {"birthYear"}
    names = {name.casefold() for attributes in schema.entities.values() for name in attributes}
    assert not names & {"nationality", "origin", "citizenship", "views", "background", "religion", "category"}


def test_record_classes_are_the_models() -> None:
    assert shipped().schema.enums["RecordClass"] == tuple(RecordClass)


def test_no_decision_reads_an_attribute_of_a_patron() -> None:
    assert not [name for name in Prover(shipped()).reads() if name.startswith("Patron.")]


def test_the_shipped_certificate_is_the_one_proving_gives() -> None:
    path = resources.files("reticent.policy").joinpath("certificate.json")
    with resources.as_file(path) as file:
        shipped_one = certificate.read(file)
    fresh = prove.prove_bundle(shipped(), shipped_one.fuzz, shipped_one.seed)
    assert fresh == shipped_one, "prove again: python -m reticent.policy.certify"
    assert shipped_adopted().certificate == shipped_one


def test_a_promise_whose_situation_cannot_occur_is_not_called_proved() -> None:
    promise = (
        '@promise("empty") @says("s.") @clause("R1")\n'
        "forbid (principal is Staff, action, resource is Tie)"
        ' when { resource.state == State::"open" && resource.state == State::"due" };'
    )
    bundle = shipped().replaced("promises/local.cedar", promise)
    [line] = [line for line in Prover(bundle).lines() if line.promise == "empty"]
    assert line.mark is Mark.UNKNOWN
    assert "never occur" in line.why


def test_like_is_not_claimed_and_names_construct_and_rule() -> None:
    bundle = with_rule(
        'permit (principal is Staff, action == Action::"viewTie", resource is Tie)'
        ' when { resource has topic && resource.topic like "*war*" };'
    )
    lines = {line.promise: line for line in Prover(bundle).lines()}
    assert lines["severed-names-nobody"].mark is Mark.NOT_CLAIMED
    assert "local" in lines["severed-names-nobody"].why
    assert "like" in lines["severed-names-nobody"].why
    assert lines["no-small-cells"].mark is Mark.PROVED, "other kinds of request are still proved"


def test_a_cited_exception_is_shown_and_never_silently_green() -> None:
    rule = (
        f'@id("parent-under-16") {NOTES}permit (principal is Guardian, action == Action::"viewOwnRecord",'
        " resource is Tie) when { resource has patron && resource.patron == principal.ward"
        " && resource.patron has birthYear && context.year - 16 < resource.patron.birthYear };"
    )
    exception = (
        '[[exception]]\npromise = "{}"\nrules = ["parent-under-16"]\ncite = "Wis. Stat. 43.30(4)"\nsays = "A parent."\n'
    )
    texts = {
        "minors-too": exception.format("minors-too"),
        "equal-protection": exception.format("equal-protection"),
    }
    bundle = shipped().replaced("rules/local.cedar", rule)
    bare = {line.promise: line.mark for line in Prover(bundle).lines()}
    assert bare["minors-too"] is bare["equal-protection"] is Mark.REFUTED
    excepted = bundle.replaced("exceptions.toml", "".join(texts.values()))
    lines = {line.promise: line for line in Prover(excepted).lines()}
    for promise in texts:
        assert lines[promise].mark is Mark.EXCEPTED
        assert "Wis. Stat. 43.30(4)" in lines[promise].why
        assert lines[promise].counterexample is not None
    assert {line.mark for line in lines.values()} == {Mark.PROVED, Mark.EXCEPTED}


def test_an_exception_does_not_cover_what_another_rule_breaks() -> None:
    rules = (
        f'@id("statute") {NOTES}permit (principal is Guardian, action == Action::"viewOwnRecord", resource is Tie)'
        ' when { resource has patron && resource.patron == principal.ward && resource.state == State::"open" };\n'
        f'@id("favour") {NOTES}permit (principal is Guardian, action == Action::"viewOwnRecord", resource is Patron);'
    )
    exception = '[[exception]]\npromise = "minors-too"\nrules = ["statute"]\ncite = "X 1"\nsays = "A parent."\n'
    bundle = shipped().replaced("rules/local.cedar", rules).replaced("exceptions.toml", exception)
    [line] = [line for line in Prover(bundle).lines() if line.promise == "minors-too"]
    assert line.mark is Mark.REFUTED


def test_an_exception_nobody_needs_is_a_problem() -> None:
    rule = (
        f'@id("more-counts") {NOTES}permit (principal is Staff, action == Action::"countDueTies", resource is Series)'
        ' when { principal.roles.contains(Role::"frontLine") && !resource.narrowed };'
    )
    exception = '[[exception]]\npromise = "minors-too"\nrules = ["more-counts"]\ncite = "X 1"\nsays = "A parent."\n'
    bundle = shipped().replaced("rules/local.cedar", rule).replaced("exceptions.toml", exception)
    assert [p.why for p in prove.check_bundle(bundle).problems] == [
        "is excepted, but the rules keep it: drop the exception"
    ]


def test_change_of_impact_names_kind_direction_and_example() -> None:
    bundle = with_rule(
        'permit (principal is Staff, action == Action::"viewTie", resource is Tie)'
        ' when { principal.roles.contains(Role::"interlibrary") && resource.class == RecordClass::"interlibrary_loan"'
        ' && resource.state == State::"open" && context.purpose == Purpose::"collectWhatIsOwed" };'
    )
    impact = prove.diff(shipped(), bundle)
    [change] = impact.changes
    assert (str(change.kind), change.direction) == ("Staff viewTie Tie", "newly allowed")
    assert "(interlibrary)" in change.story
    assert impact.loosens
    back = prove.diff(bundle, shipped())
    assert [c.direction for c in back.changes] == ["newly refused"]
    assert not back.loosens


def test_a_comment_is_no_change_of_impact() -> None:
    bundle = shipped().replaced("rules/base.cedar", shipped().files["rules/base.cedar"] + "\n// a remark\n")
    assert bundle.digest != shipped().digest
    assert prove.diff(shipped(), bundle).none


def test_a_weakened_promise_is_a_change_even_when_no_answer_changes() -> None:
    text = shipped().files["promises/ala.cedar"].replace('@promise("notice-clock")', '@promise("notice-clock-2")')
    impact = prove.diff(shipped(), shipped().replaced("promises/ala.cedar", text))
    assert impact.promises == ("notice-clock", "notice-clock-2")
    assert impact.loosens
