"""The workflow of an inquiry, from the first contact to its disposal, as a pure state machine.

``advance(case, taken)`` returns the case after one step or raises ``NotPermitted`` with everything
that is missing. It reads no file, no clock and no name: a step carries its time, who took it (role
and person, verified by the caller), the statute it rests on, and facts of the closed vocabulary of
``words.py``. The model is python-tuf's trusted metadata set: the rules stand in one place,
``steps/``.

1.  Every step names an actor, a ground (the policy clause of the rule and a statute) and its facts.
2.  Time does not run backwards within a case.
3.  The front line records a contact and triages it. Everything later is an officer's.
4.  What only counsel may do is done by counsel, or by custodian and alternate together on counsel's
    signed advice: counsel needs no account. Two officers are two persons.
5.  Paper that can compel is registered and goes to counsel; the software never refuses it, and never
    obeys it.
6.  Approval needs two officers, a basis (a court's validated instrument, the patron's own consent, or
    a cited statutory exception), no open defect, every finding shown or answered for, and the
    patron's notice sent, waived or forbidden.
7.  Nothing leaves while a notice clock runs, after the paper has expired, or without a witness or two
    officers' paper checkpoint.
8.  A new paper, a new scope or a new policy undoes what was approved.
9.  A search warrant is not obstructed: the custodian or the alternate alone may hand over its exact
    scope; another officer countersigns by the end of the next working day.
10. Registering a paper places a hold at once; a hold set by one officer lapses; a confirmed one ends. A new scope
    is held beside what was confirmed before; only counsel lifts.
11. Where counsel complies under compulsion, or discloses by duty although the pack cannot vouch for
    it, the case says so as a departure. Reticent itself hands nothing over then.
12. A case closes when nothing is owed, no hold is in force, and no gag forbids the patron's notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from reticent.errors import NotPermitted
from reticent.guard.case import Case, Known, Taken, Undecided
from reticent.guard.steps import handing, keeping, papers, requests
from reticent.guard.steps.rule import ANYONE, COUNSEL, TWO, Rule
from reticent.guard.words import FACTS, Role, Step

__all__ = ["ANYONE", "RULES", "advance", "missing", "open_steps", "refused"]

RULES: Mapping[Step, Rule] = MappingProxyType({**requests.RULES, **papers.RULES, **handing.RULES, **keeping.RULES})
"""Step -> its rule. This table is the workflow; ``docs/reference/inquiries.md`` is written from it."""


def advance(case: Case, taken: Taken) -> Case:
    """Return the case after one step. Raises NotPermitted naming everything that is missing."""
    rule = RULES[taken.step]
    if lacking := missing(case, taken):
        raise NotPermitted(
            f"{rule.title}: not yet. " + " ".join(lacking),
            where=f"state {case.state}",
            do=f"Steps open from here: {', '.join(open_steps(case)) or 'none'}.",
        )
    after = rule.effect(case, taken)
    return replace(after, state=rule.target or after.state, at=taken.at)


def open_steps(case: Case) -> tuple[Step, ...]:
    """Return the steps whose rule starts from this state; whether they succeed depends on their facts."""
    return tuple(step for step, rule in RULES.items() if case.state in rule.sources)


def missing(case: Case, taken: Taken) -> list[str]:
    """Return what keeps a step from being taken, in sentences; nothing if it may be."""
    rule = RULES[taken.step]
    found = [] if case.state in rule.sources else [f"From {case.state} there is no such step."]
    found += _who(taken, rule)
    if not taken.statute.strip():
        found.append("The statute it rests on is not named.")
    found += _clock(case, taken)
    # Conditions may read facts, so they are asked only once these are what they should be.
    return found + (_facts(taken, rule) or _unmet(case, taken, rule))


def refused(case: Case, step: Step, at: datetime, known: Mapping[str, object]) -> list[str]:
    """Return why a step that starts here would be refused at a moment, whoever signs and whatever else is typed.

    ``known``: the facts that site, law and policy answer themselves. What turns on any other fact is not told.
    """
    taken = Taken(step, at, frozenset(), "", Known(known))
    return _clock(case, taken) + _unmet(case, taken, RULES[step])


def _clock(case: Case, taken: Taken) -> list[str]:
    return ["Its time lies before the last step: the clock went back."] if taken.at < case.at else []


def _unmet(case: Case, taken: Taken, rule: Rule) -> list[str]:
    found = []
    for holds, says in rule.needs:
        try:
            found += [] if holds(case, taken) else [says]
        except Undecided:
            continue
    return found


def _who(taken: Taken, rule: Rule) -> list[str]:
    roles = frozenset(role for role, _ in taken.by)
    group = next((group for group in rule.who if group <= roles), None)
    if group is None:
        named = " or ".join(" and ".join(sorted(one)) for one in rule.who)
        return [f"It is for {named}; it came from {' and '.join(sorted(roles)) or 'nobody'}."]
    if len({person for role, person in taken.by if role in group}) < len(group):
        return ["Two officers are two persons; this is one."]
    if rule.who == COUNSEL and Role.COUNSEL not in group and "advice" not in taken.facts:
        return ["Custodian and alternate act here on counsel's signed advice; its digest is missing."]
    return []


def _facts(taken: Taken, rule: Rule) -> list[str]:
    allowed = {*rule.facts, *rule.may, *(("advice",) if rule.who in (COUNSEL, TWO) else ())}
    found = [
        f"The fact {name} is missing ({FACTS[name][1]}: {FACTS[name][0].words})."
        for name in rule.facts
        if name not in taken.facts
    ]
    for name, value in taken.facts.items():
        if name not in allowed:
            found.append(f"The fact {name} has no place here." if name in FACTS else "A fact is unknown.")
        elif not FACTS[name][0].test(value):
            found.append(f"The fact {name} is not {FACTS[name][0].words}.")
    return found
