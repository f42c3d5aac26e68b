"""The page for a director: a line for each promise, what it assumes, what changed, and "try to break it".

Content only; the template ``report/templates/policy.html`` lays it out, for the report and the
console alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from reticent.policy.adoption import Adopted
from reticent.policy.explain import PAPERS, plain_word
from reticent.policy.situations import Tried, try_all

if TYPE_CHECKING:
    from reticent.policy.impact import Impact

MARKS = {
    "proved": ("✔", "kept, for every possible request"),
    "proved except under a cited statute": ("§", "kept, except where a statute commands otherwise"),
    "refuted": ("✘", "broken"),
    "unknown": ("?", "not known"),
    "not claimed": ("–", "not claimed"),
}


@dataclass(frozen=True)
class PromiseLine:
    """One promise for people: sign and words for its mark, its sentence, its clause, and why."""

    sign: str
    mark: str
    says: str
    clause: str
    kinds: int
    why: str
    story: str


@dataclass(frozen=True)
class Answered:
    """One situation of "try to break it" in words."""

    asker: str
    question: str
    state: str
    paper: str
    signed: str
    allowed: bool
    sentence: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class DirectorPage:
    """Everything the page shows. ``changed`` tells newly allowed and refused kinds, with an example each."""

    bundle: str
    lines: tuple[PromiseLine, ...]
    kept: bool
    assumes: tuple[str, ...]
    reads: tuple[str, ...]
    checked: int
    versions: tuple[str, ...]
    changed: tuple[tuple[str, str], ...]
    answers: tuple[Answered, ...]


def director_page(adopted: Adopted, now: datetime, impact: Impact | None = None) -> DirectorPage:
    """Make the page from the bundle in force and its certificate; ``impact`` is the last adoption's."""
    proof = adopted.certificate
    lines = tuple(
        PromiseLine(*MARKS[line.mark], line.says, line.clause, line.kinds, line.why, line.story) for line in proof.lines
    )
    changed = tuple((change.direction, change.story) for change in impact.changes) if impact else ()
    return DirectorPage(
        bundle=proof.bundle,
        lines=lines,
        kept=proof.kept,
        assumes=proof.assumes,
        reads=proof.reads,
        checked=proof.fuzz,
        versions=(f"prover {proof.prover}", f"Cedar engine (cedarpy {proof.cedarpy})", f"Z3 {proof.z3}"),
        changed=changed,
        answers=tuple(_answered(adopted, tried) for tried in try_all(adopted.bundle, now)),
    )


def _answered(adopted: Adopted, tried: Tried) -> Answered:
    situation, told = tried.situation, tried.explanation
    return Answered(
        asker=plain_word(situation.asker),
        question=adopted.bundle.schema.actions[situation.action],
        state=plain_word(situation.state) if situation.resource == "Tie" else "",
        paper=PAPERS.get(situation.paper, "") if situation.paper else "",
        signed=situation.signed if situation.paper else "",
        allowed=told.allowed,
        sentence=told.sentence,
        rules=tuple(f"{rule.id}: {rule.cite}" for rule in told.rules),
    )
