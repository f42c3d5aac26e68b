"""Bad policy files are refused with the rule, the line and the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policy.helpers import NOTES, shipped, with_rule

from reticent.errors import ConfigurationError, ReticentError
from reticent.policy import bundle, schema
from reticent.policy.lint import lint

HEAD = 'permit (principal is Staff, action == Action::"viewTie", resource is Tie)'
CASES = {
    "misspelt attribute": (f'{HEAD} when {{ resource.clas == RecordClass::"payment" }};', "does not declare"),
    "misspelt has": (f"{HEAD} when {{ resource has natonality }};", "the answer is always no"),
    "misspelt word": (f'{HEAD} when {{ resource.class == RecordClass::"loans" }};', "closed vocabulary"),
    "two types": (f'{HEAD} when {{ resource.class == State::"severed" }};', "never equal"),
    "unguarded optional": (f'{HEAD} when {{ resource.topic == "x" }};', "without asking `has`"),
    "unguarded deep optional": (
        f"{HEAD} when {{ resource.patron.birthYear > 2010 }};",
        "without asking `has`",
    ),
    "like": (f'{HEAD} when {{ resource has topic && resource.topic like "*war*" }};', "uses like"),
    "a person named": (f'{HEAD} when {{ principal == Staff::"bob" }};', "one named Staff"),
    "hierarchy": (
        'permit (principal in Staff::"all", action == Action::"viewTie", resource is Tie);',
        "does not",
    ),
    "unknown action": (
        'permit (principal is Staff, action == Action::"viewTies", resource is Tie);',
        "viewTies",
    ),
    "unknown type": ('permit (principal is Staf, action == Action::"viewTie", resource is Tie);', "Staf"),
    "wrong type": (f"{HEAD} when {{ resource.usedAt }};", "does not fit the types"),
    "product": (f"{HEAD} when {{ resource.usedAt * context.now > 3 }};", "product of two unknowns"),
    "empty set test": (f"{HEAD} when {{ principal.roles.isEmpty() }};", "does not model"),
    "views": (f'{HEAD} when {{ resource has patron && resource.patron.views == "x" }};', "does not declare"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_slip_is_named_with_rule_line_and_reason(name: str) -> None:
    rule, why = CASES[name]
    text = f'// local rules; of the library\n\n@id("slip") {NOTES}{rule}\n'
    found = lint(shipped().replaced("rules/local.cedar", text))
    assert [(p.rule, p.where) for p in found][:1] == [("slip", "rules/local.cedar:3")]
    assert why in " ".join(p.why for p in found), found


def test_the_shipped_files_have_no_problem() -> None:
    assert lint(shipped()) == ()


BROKEN = {
    "no semicolon": "permit (principal, action, resource)",
    "no comma": "permit (principal action, resource);",
    "unknown keyword": "allow (principal, action, resource);",
    "open string": 'permit (principal, action == Action::"x, resource);',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_rule_that_is_not_cedar_names_its_line(name: str) -> None:
    text = f'// "remark; with a quote\n@id("a") {NOTES}permit (principal, action, resource);\n\n{BROKEN[name]}\n'
    with pytest.raises(ConfigurationError, match=r"rules/local\.cedar:4"):
        _ = shipped().replaced("rules/local.cedar", text).rules


def test_a_duplicate_id_names_both_places() -> None:
    rule = f'@id("two-persons") {NOTES}permit (principal is Staff, action == Action::"viewTie", resource is Tie);'
    with pytest.raises(ConfigurationError, match=r"base.cedar:\d+ and rules/local.cedar:1"):
        _ = shipped().replaced("rules/local.cedar", rule).rules


@pytest.mark.parametrize("lacking", ["id", "cite", "since", "says"])
def test_a_rule_without_an_annotation_is_refused(lacking: str) -> None:
    notes = "".join(f'@{word}("x")\n' for word in bundle.RULE_WORDS if word != lacking)
    rule = f'\n{notes}permit (principal is Staff, action == Action::"viewTie", resource is Tie);'
    with pytest.raises(ConfigurationError, match=f"lacks @{lacking}") as caught:
        _ = shipped().replaced("rules/local.cedar", rule).rules
    assert caught.value.where == "rules/local.cedar:2"


SAYINGS = st.text(st.sampled_from("aé/;\"\\'\n{}@ "), min_size=1, max_size=12)
GAPS = st.sampled_from(["", "\n", '\n\n// a; " b\n', " // x\n"])


@given(SAYINGS.filter(str.strip), GAPS)
def test_whatever_a_rule_says_its_line_is_found(says: str, gap: str) -> None:
    quoted = says.replace("\\", "\\\\").replace('"', '\\"')
    head = 'permit (principal is Staff, action == Action::"viewTie", resource is Tie);'
    rules = [f'{gap}@id("{name}") @cite("c;") @since("//") @says("{quoted}")\n{head}' for name in "ab"]
    text = "".join(rules)
    found = shipped().replaced("rules/local.cedar", text).rules[-2:]
    assert [rule.id for rule in found] == ["a", "b"]
    assert [text.split("\n")[rule.line - 1].count(f'@id("{rule.id}")') for rule in found] == [1, 1]


def test_a_template_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="template"):
        _ = with_rule("permit (principal == ?principal, action, resource);").rules


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[exception]]\npromise = "minors-too"\n', "lacks"),
        ('[[exception]]\npromise = "nothing"\nrules = ["local"]\ncite = "x"\nsays = "y"\n', "no promise"),
        ('[[exception]]\npromise = "minors-too"\nrules = ["two-persons"]\ncite = "x"\nsays = "y"\n', "local"),
        (
            '[[exception]]\npromise = "minors-too"\nrules = ["local"]\ncite = " "\nsays = "y"\n',
            "cites no statute",
        ),
        ("[[exception]\n", "not TOML"),
    ],
)
def test_an_exception_must_be_cited_and_name_local_rules(text: str, why: str) -> None:
    rule = 'permit (principal is Guardian, action == Action::"viewOwnRecord", resource is Patron);'
    with pytest.raises(ConfigurationError, match=why):
        _ = with_rule(rule).replaced("exceptions.toml", text).exceptions


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"": {"entityTypes": {}, "actions": {}}}',
        shipped().files["schema.json"].replace('"type": "Long"', '"type": "decimal"', 1),
        shipped().files["schema.json"].replace('"Job": {', '"Job": {"memberOfTypes": ["Staff"], ', 1),
    ],
)
def test_a_vocabulary_outside_the_subset_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="schema is refused"):
        schema.parse(text)


def test_files_are_read_from_the_librarys_folder(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "local.cedar").write_text("// none yet\n")
    assert bundle.load(tmp_path).digest != shipped().digest
    (tmp_path / "rules" / "local.cedar").write_bytes(b"\xff\xfe")
    with pytest.raises(ReticentError, match="UTF-8"):
        bundle.load(tmp_path)
