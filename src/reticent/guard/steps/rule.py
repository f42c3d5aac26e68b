"""What a rule of the workflow is: the groups of people and the sets of states that rules are written in."""

from __future__ import annotations

from dataclasses import dataclass

from reticent.guard import conditions as need
from reticent.guard import effects
from reticent.guard.words import Role, State

Roles = tuple[frozenset[Role], ...]
"""Who may take a step: any one of these groups, each complete."""

_C, _A, _L = Role.CUSTODIAN, Role.ALTERNATE, Role.COUNSEL
ANYONE: Roles = tuple(frozenset({role}) for role in Role)
OFFICER: Roles = (frozenset({_C}), frozenset({_A}))
ANY_OFFICER: Roles = (*OFFICER, frozenset({_L}))
COUNSEL: Roles = (frozenset({_L}), frozenset({_C, _A}))
TWO: Roles = (frozenset({_C, _L}), frozenset({_C, _A}), frozenset({_A, _L}))


@dataclass(frozen=True)
class Rule:
    """One step: what it is, from where to where (None: stays), by whom, on which clause and facts."""

    title: str
    sources: frozenset[State]
    target: State | None
    who: Roles
    clause: str
    facts: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    needs: tuple[need.Need, ...] = ()
    effect: effects.Effect = lambda case, _: case


def at(*states: State) -> frozenset[State]:
    """Return the states a step may start from."""
    return frozenset(states)


OPEN = frozenset(State) - at(State.IDLE, State.CONTACT, State.CLOSED, State.DISPOSED)
"""Past the front line and not closed."""
PENDING = at(
    State.INSTRUMENT_RECEIVED, State.COUNSEL_REVIEW, State.DEFECT_NOTICE, State.CHALLENGED, State.NOTICE_CLOCK,
    State.APPROVED, State.SEARCHED, State.PREPARED,
)  # fmt: skip
"""A paper is in hand and nothing was handed over."""
REVIEWS = at(State.GUARDIAN_REVIEW, State.EXIGENT_REVIEW, State.CONSENT_REVIEW)
"""A request that no paper compels is looked at."""
