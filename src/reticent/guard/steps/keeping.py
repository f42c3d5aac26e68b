"""The steps around a case: seals, holds, and what is owed until it is closed and disposed of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

from reticent.guard import conditions as need
from reticent.guard import effects
from reticent.guard.steps.rule import ANY_OFFICER, COUNSEL, OFFICER, OPEN, TWO, Rule, at
from reticent.guard.words import Duty, HoldKind, Role, State, Step

RULES: Mapping[Step, Rule] = {
    Step.RESEAL: Rule(
        "Seal everything written anew, to the officers who now sit", frozenset(State) - {State.IDLE, State.DISPOSED},
        None, ANY_OFFICER, "R38",
    ),
    Step.SEAL: Rule(
        "Seal the case", OPEN, None, ANY_OFFICER, "R23", ("gag", "review"), ("gag_until",), effect=effects.seal,
    ),
    Step.REVIEW_GAG: Rule(
        "Review the gag", OPEN, None, COUNSEL, "R23", ("review",), needs=(need.SEALED,),
        effect=lambda case, taken: replace(case, gag_review=taken.date("review")),
    ),
    Step.UNSEAL: Rule(
        "Unseal the case", OPEN, None, COUNSEL, "R23", ("reason",),
        needs=(need.SEALED, need.GAG_OVER), effect=effects.unseal,
    ),
    Step.ANSWER_HOLD: Rule(
        "Answer whether something must be preserved", OPEN, None, OFFICER, "R48", ("place",),
        needs=((lambda case, _: case.hold.kind is HoldKind.ASKED, "Nobody asked."),), effect=effects.answer_hold,
    ),
    Step.PLACE_HOLD: Rule(
        "Place a hold alone", OPEN, None, OFFICER, "R48", may=("library_closed",),
        needs=(need.NOT_CONFIRMED, (lambda case, _: not case.alone, "One officer places a hold once; two confirm.")),
        effect=effects.place_hold,
    ),
    Step.CONFIRM_HOLD: Rule(
        "Confirm the hold", OPEN, None, TWO, "R48", ("until", "scope"), ("mode", "classes"),
        (
            (lambda _, taken: (taken.date("until") or date.min) > taken.day, "A hold ends in the future."),
            need.NOT_LOOSENED,
            (
                lambda _, taken: (
                    taken.word("mode") in ("", "sealed_copy") or Role.COUNSEL in {role for role, _ in taken.by}
                ),
                "Keeping records in place, or holding what comes, is counsel's choice.",
            ),
        ),
        effects.confirm_hold,
    ),
    Step.RECORD_COPY: Rule(
        "The sealed copy is made", OPEN, None, OFFICER, "R48", ("package",), ("scope",),
        (
            (
                lambda case, taken: case.confirmed(taken.word("scope") or case.hold.scope) is not None,
                "Two officers have not confirmed it.",
            ),
        ),
        effects.record_copy,
    ),
    Step.LIFT_HOLD: Rule(
        "Lift the hold", OPEN, None, COUNSEL, "R48", may=("scope",),
        needs=(
            (lambda case, _: case.hold.until is not None, "There is no hold."),
            (
                lambda case, taken: not taken.word("scope") or taken.word("scope") in {h.scope for h in case.holds},
                "No hold is of this scope.",
            ),
        ),
        effect=effects.lift_hold,
    ),
    Step.REPORT_INCIDENT: Rule(
        "Report a threat or an unauthorised demand", OPEN, None, ANY_OFFICER, "R37", ("letter",),
        effect=effects.paid(Duty.REPORT_INCIDENT),
    ),
    Step.FINISH: Rule(
        "Go on to what is owed afterwards", at(State.DISCLOSED, State.REFUSED, State.NIL_RETURN), State.AFTERWARDS,
        OFFICER, "R38",
    ),
    Step.NOTIFY_PATRON: Rule(
        "Tell the patron afterwards", at(State.AFTERWARDS), None, OFFICER, "R4, R43", ("sent",), ("letter",),
        (need.NO_GAG,), effects.paid(Duty.NOTIFY_PATRON),
    ),
    Step.DEBRIEF: Rule(
        "Look back, with what it cost", at(State.AFTERWARDS), None, ANY_OFFICER, "R38", ("minutes", "cents"),
        effect=effects.paid(Duty.DEBRIEF),
    ),
    Step.CLOSE: Rule(
        "Close the inquiry", at(State.AFTERWARDS), State.CLOSED, OFFICER, "R38",
        needs=(
            (lambda case, _: not case.duties, "Something is still owed."),
            (lambda case, taken: not case.held(taken.at), "A hold is still in force."),
            (lambda case, _: not case.gagged, "While a gag stands the case stays open."),
        ),
    ),
    Step.DISPOSE: Rule(
        "Dispose of the closed inquiry", at(State.CLOSED), State.DISPOSED, OFFICER, "R38, R39", ("retention_days",),
        needs=(
            (
                lambda case, taken: taken.at >= case.at + timedelta(days=taken.number("retention_days")),
                "The register's retention is not over.",
            ),
        ),
    ),
}  # fmt: skip
