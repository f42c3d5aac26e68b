"""What must hold for a step: conditions over case and step, each with what to say when it does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from reticent.guard.case import Case, Taken
from reticent.guard.words import COMPULSORY, Duty, HoldKind, Instrument, LawAnswer, Notice, Role, Standing

Need = tuple[Callable[[Case, Taken], bool], str]
"""A condition, and what to say when it does not hold."""


def kind(*kinds: Instrument) -> Need:
    """The case rests on one of these kinds of paper or request."""
    return lambda case, _: case.kind in kinds, f"It is for: {', '.join(kinds)}."


def true(fact: str, says: str) -> Need:
    """A fact of the step is true."""
    return lambda _, taken: taken.flag(fact), says


def owed(duty: Duty, says: str) -> Need:
    """Something is still owed."""
    return lambda case, _: duty in case.duties, says


PAPER: Need = (lambda case, _: case.instrument, "There is no paper.")
NO_GAG: Need = (lambda case, _: not case.gagged, "The paper forbids telling the patron.")
SEALED: Need = (lambda case, _: case.sealed, "The case is not sealed.")
GAG_OVER: Need = (
    lambda case, taken: taken.word("reason") != "expired" or case.gag_until is None or taken.day > case.gag_until,
    "The gag has not expired; a court may lift it earlier.",
)
NO_COMPULSION: Need = (
    lambda case, _: case.kind not in COMPULSORY,
    "Paper that can compel is registered and goes to counsel; it is never refused here.",
)
NO_DEFECT: Need = (lambda case, _: not case.defects, "A defect is still open.")
BASIS: Need = (
    lambda case, _: case.basis in ("instrument", "consent", "statute"),
    (
        "There is no basis: no court's order with all four conditions attested, no consent of the patron, "
        "no cited statutory exception that was verified."
    ),
)
NOT_FORBIDDEN: Need = (lambda case, _: case.law is not LawAnswer.MUST_NOT, "The law forbids it.")
CLOCK_OVER: Need = (
    lambda case, taken: case.not_before is None or taken.at >= case.not_before,
    "The notice clock is still running.",
)
IN_FORCE: Need = (
    lambda case, taken: case.valid_until is None or taken.day <= case.valid_until,
    "The paper is no longer in force.",
)
NOTICE: Need = (lambda case, _: case.notice is not Notice.REQUIRED, "The patron's notice is neither sent nor waived.")
FINDINGS: Need = (
    lambda case, _: case.findings_open == 0,
    "A finding the statute asks for is neither shown nor answered for by counsel.",
)


def _not_loosened(case: Case, taken: Taken) -> bool:
    before = case.confirmed(taken.word("scope"))
    if before is None or before.until is None or not before.in_force(taken.at) or "advice" in taken.facts:
        return True
    if Role.COUNSEL in {role for role, _ in taken.by}:
        return True
    longer = (taken.date("until") or taken.day) >= before.until.date() - timedelta(days=1)
    return longer and before.mode in ("sealed_copy", taken.word("mode"))


NOT_LOOSENED: Need = (
    _not_loosened,
    "To shorten a confirmed hold, or to let go what counsel keeps in place, is counsel's.",
)
NOT_CONFIRMED: Need = (
    lambda case, taken: not any(one.kind is HoldKind.CONFIRMED and one.in_force(taken.at) for one in case.holds),
    "A confirmed hold is in force.",
)
PARTICULAR: Need = (
    lambda case, _: not case.broad,
    "The scope is over-broad, and counsel has not accepted it (examine, accept_breadth=true).",
)
CONFIRMED: Need = (
    lambda case, _: case.basis != "statute" or case.standing is Standing.CONFIRMED,
    "A statute may permit only through a pack that counsel confirmed and that has not expired.",
)
SCOPED: Need = (
    lambda case, taken: taken.word("scope") == case.scope or (not case.scope and case.basis == "statute"),
    "The scope that is approved is not the scope of the paper as it was registered.",
)
COUNSELLED: Need = (
    lambda _, taken: "advice" in taken.facts or Role.COUNSEL in {role for role, _ in taken.by},
    "Neither counsel signs it, nor is counsel's signed advice named.",
)
APPROVED: Need = (lambda case, _: len(case.approved) > 1, "Two persons have not approved it.")
