"""What the how-to tells people to type is what the workflow takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from reticent.guard.inquiries import RULES
from reticent.guard.instruments import InstrumentSheet
from reticent.guard.sheets import ContactSheet
from reticent.guard.words import FACTS, Step

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how-to" / "handle-an-inquiry.md").read_text(encoding="utf-8")
JOINED = PAGE.replace("\\\n", " ")
TYPED = re.findall(r"advance INQUIRY ([a-z-]+)([^\n|]*)", JOINED)
IN_TEXT = re.findall(r"`([a-z]+(?:-[a-z]+)*)((?: --[a-z]+ [^`]*)?)`", PAGE)


@pytest.mark.parametrize(
    ("step", "rest"), [*TYPED, *(found for found in IN_TEXT if found[1])], ids=lambda text: str(text)[:40]
)
def test_every_step_on_the_page_exists_and_takes_these_facts(step: str, rest: str) -> None:
    if step == "new":
        return
    rule = RULES[Step(step.replace("-", "_"))]
    typed = set(re.findall(r"--(?:fact|attach) (\w+)=", rest))
    assert typed <= {*rule.facts, *rule.may, "advice"}
    assert typed <= FACTS.keys()


def test_the_page_shows_every_path_from_triage_on() -> None:
    words = set(re.findall(r"[a-z]+(?:-[a-z]+)*", PAGE))
    assert [step for step in Step if step.replace("_", "-") not in words and step != Step.RECORD] == []


@pytest.mark.parametrize(("first", "model"), [("agency =", ContactSheet), ('kind = "court_order"', InstrumentSheet)])
def test_the_sheets_on_the_page_are_sheets(first: str, model: type[ContactSheet] | type[InstrumentSheet]) -> None:
    [block] = [text for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if text.startswith(first)]
    assert model.model_validate(tomllib.loads(block))
