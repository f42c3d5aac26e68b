"""What the engine's own validator lets pass: slips that change what a rule means.

Runs without Z3. ``has`` on an undeclared attribute, comparisons of two types, constructs outside
the modelled subset, and everything the schema refuses, each with file, line and rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cedarpy

from reticent.policy.bundle import Bundle, Rule
from reticent.policy.compiler import Compiler, Unmodelled
from reticent.policy.schema import Attribute, Kind, Type
from reticent.policy.terms import Term, Terms

MISTYPED = "does not fit the types of the schema"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a bundle: the rule, where it is written, and why."""

    rule: str
    where: str
    why: str


class _Sketch(Terms):
    """A back end that knows nothing, so that the compiler visits every branch."""

    _unknown: Term = object()

    def var(self, name: str, kind: Kind) -> Term:
        return self._unknown

    def exists(self, entity: str, term: Term) -> Term:
        return self._unknown

    def present(self, entity: str, term: Term, attribute: Attribute) -> Term:
        return self._unknown

    def attr(self, entity: str, term: Term, attribute: Attribute) -> Term:
        return self._unknown

    def context_present(self, attribute: Attribute) -> Term:
        return self._unknown

    def context_attr(self, attribute: Attribute) -> Term:
        return self._unknown

    def _and(self, left: Term, right: Term) -> Term:
        return self._unknown

    def _or(self, left: Term, right: Term) -> Term:
        return self._unknown

    def _not(self, term: Term) -> Term:
        return self._unknown

    def _choose(self, cond: Term, then: Term, other: Term) -> Term:
        return self._unknown

    def _same(self, left: Term, right: Term, kind: Type) -> Term:
        return self._unknown

    def _less(self, left: Term, right: Term) -> Term:
        return self._unknown

    def _arithmetic(self, op: Callable[[Any, Any], Any], left: Term, right: Term) -> Term:
        return self._unknown

    def _member(self, members: Term, element: Term, kind: Type) -> Term:
        return self._unknown


def lint(bundle: Bundle) -> tuple[Problem, ...]:
    """Return every problem of a bundle's rules and promises, in the order they are written."""
    texts = {bundle.rules_text: bundle.rules}
    for name in ("promises/ala.cedar", "promises/local.cedar"):
        texts[bundle.files.get(name, "")] = tuple(p for p in bundle.promises if p.file == name)
    invalid = [problem for text, rules in texts.items() for problem in _validated(bundle, text, rules)]
    named = {problem.rule for problem in invalid}
    exact = {problem.rule for problem in invalid if problem.why != MISTYPED}
    invalid = [problem for problem in invalid if problem.why != MISTYPED or problem.rule not in exact]
    rest = [rule for rule in (*bundle.rules, *bundle.promises) if rule.id not in named]
    return (*invalid, *_walked(bundle, rest), *_specials(bundle))


def _validated(bundle: Bundle, text: str, rules: tuple[Rule, ...]) -> Iterator[Problem]:
    result = cedarpy.validate_policies(text, bundle.files["schema.json"])
    for found in result.errors:
        number = re.fullmatch(r"policy(\d+)", str(found.policy_id))
        if number is None:
            yield Problem("", "", "the engine's validator refuses the file")
            continue
        rule = rules[int(number[1])]
        yield Problem(rule.id, rule.where, _plain(found.error))


def _plain(message: str) -> str:
    """Return the validator's reason in our words; its own text is not printed."""
    named = "".join(f" {name}" for name in re.findall(r"`([A-Za-z_:.\"]{1,60})`", message.partition(",")[2])[:2])
    if "enumerated" in message:
        return f"names a word that its closed vocabulary does not have:{named}"
    if "optional" in message or "unable to guarantee" in message:
        return f"reads an optional attribute without asking `has` first:{named}"
    if "attribute" in message:
        return f"reads an attribute the schema does not declare:{named}"
    if "unrecognized" in message or "not declared" in message or "unknown" in message:
        return f"names a type or an action the schema does not declare:{named}"
    return MISTYPED


def _walked(bundle: Bundle, rules: Iterable[Rule]) -> Iterator[Problem]:
    for rule in rules:
        notes: dict[str, None] = {}
        try:
            for kind in bundle.schema.kinds:
                compiler = Compiler(bundle.schema, _Sketch(), kind)
                compiler.rule(rule)
                notes |= dict.fromkeys(text for _, text in compiler.notes)
        except Unmodelled as unmodelled:
            notes[f"uses {unmodelled.construct}, which the prover does not model"] = None
        for note in notes:
            yield Problem(rule.id, rule.where, note)


def _specials(bundle: Bundle) -> Iterator[Problem]:
    for special in bundle.specials:
        for name in special.attributes:
            owner, _, attribute = name.partition(".")
            if bundle.schema.attribute(owner, attribute) is None:
                yield Problem(special.id, "promises/special.toml", f"names {name}, which the schema does not declare")
        if special.kind not in ("two worlds", "never errs"):
            yield Problem(special.id, "promises/special.toml", f"has the unknown kind {special.kind!r}")
