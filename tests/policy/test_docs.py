"""The reference page says what the files say."""

from __future__ import annotations

from pathlib import Path

from tests.policy.helpers import shipped

from reticent.policy import prove

DOCS = Path(__file__).parents[2] / "docs"


def test_every_promise_and_rule_is_in_the_reference() -> None:
    page = (DOCS / "reference" / "promises.md").read_text(encoding="utf-8")
    promises, rules = page.split("## The rules")
    for text, written in ((promises, shipped().promises), (rules, shipped().rules)):
        for one in written:
            [row] = [line for line in text.splitlines() if line.startswith(f"| `{one.id}` |")]
            assert one.says in row
            assert one.cite in row
    for special in shipped().specials:
        assert f"| `{special.id}` | {special.says} |" in page


def test_the_how_tos_rule_is_a_rule_that_keeps_every_promise() -> None:
    page = (DOCS / "how-to" / "change-the-policy.md").read_text(encoding="utf-8")
    rule = page.split("```cedar\n")[1].split("```")[0]
    result = prove.check_bundle(shipped().replaced("rules/local.cedar", rule), shipped())
    assert result.problems == ()
    assert result.kept
    assert result.impact is not None
    assert [str(change.kind) for change in result.impact.changes] == ["Staff viewTie Tie"]
