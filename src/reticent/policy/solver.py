"""The Z3 back end: every possible request at once.

Each entity type is a set of opaque whole numbers compared only for equality; each closed
vocabulary an enumeration; each attribute a function, each optional attribute a presence
function, each entity an existence function, so that what the gate was not handed is modelled
too. All questions are quantifier-free. ``worlds`` gives named attributes a second, independent
reading, for the promise that decisions do not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import z3

from reticent.policy.schema import Attribute, Bool, Ent, Kind, Long, Schema, SetOf, Type
from reticent.policy.terms import BY_GATE, HIGHEST, LOWEST, Term, Terms, Uid

VERSION = z3.get_version_string()
YES, NO = z3.BoolVal(val=True), z3.BoolVal(val=False)


@dataclass(frozen=True)
class Leaf:
    """One atom of the formula, with the path of names that leads to it from the request.

    A path ending in ``?`` asks whether an optional attribute is given, one ending in ``!`` whether
    the entity it leads to was handed to the gate.
    """

    path: tuple[str, ...]
    what: str
    type: Type
    term: Term


TEXTS: dict[str, int] = {}
"""Text literals met so far, as the numbers that stand for them in every formula of this process."""


class Sorts:
    """Z3's enumerations for the closed vocabularies; one set a process, since Z3 interns them."""

    _made: dict[tuple[str, tuple[str, ...]], tuple[Any, dict[str, Any]]] = {}  # noqa: RUF012 - a cache by design

    @classmethod
    def of(cls, name: str, words: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
        """Return the sort and its words."""
        key = (name, words)
        if key not in cls._made:
            sort, constants = z3.EnumSort(f"{name}.{len(cls._made)}", [f"{name}.{word}" for word in words])
            cls._made[key] = (sort, dict(zip(words, constants, strict=True)))
        return cls._made[key]


class Symbolic(Terms):
    """Terms over an arbitrary request. ``leaves`` collects every atom made, by key."""

    def __init__(self, schema: Schema, other: frozenset[str] = frozenset()) -> None:
        self.schema, self.other = schema, other
        self.leaves: dict[tuple[str, ...], Leaf] = {}
        self.axioms: list[Any] = []
        self.paths: dict[int, tuple[str, ...]] = {}

    def sort(self, kind: Type) -> Any:
        """Return the Z3 sort of a type."""
        match kind:
            case Bool():
                return z3.BoolSort()
            case Ent(name=name) if name in self.schema.enums:
                return Sorts.of(name, self.schema.enums[name])[0]
            case SetOf(element=element) if element is not None:
                return z3.ArraySort(self.sort(element), z3.BoolSort())
        return z3.IntSort()

    def lift(self, term: Term, kind: Type) -> Any:
        """Turn a constant into a Z3 term."""
        match term:
            case bool():
                return z3.BoolVal(term)
            case int():
                return z3.IntVal(term)
            case str():
                return z3.IntVal(TEXTS.setdefault(term, len(TEXTS)))
            case Uid(type=name, id=word) if name in self.schema.enums:
                return Sorts.of(name, self.schema.enums[name])[1][word]
        return term

    def var(self, name: str, kind: Kind) -> Term:
        """Return the constant for the principal or the resource."""
        owner = kind.principal if name == "principal" else kind.resource
        return self._leaf((name,), "var", Ent(owner), lambda: z3.Const(f"{name}.{owner}", self.sort(Ent(owner))))

    def exists(self, entity: str, term: Term) -> Term:
        """Whether the entity is among what the gate was handed."""
        flag = z3.Function(f"{entity}.exists", self.sort(Ent(entity)), z3.BoolSort())
        return self._leaf((*self._path(term), "!"), "exists", Bool(), lambda: flag(term))

    def present(self, entity: str, term: Term, attribute: Attribute) -> Term:
        """Whether an optional attribute is there."""
        flag = z3.Function(
            f"{entity}.{attribute.name}.given{self._world(entity, attribute)}",
            self.sort(Ent(entity)),
            z3.BoolSort(),
        )
        return self._leaf((*self._path(term), attribute.name, "?"), "present", Bool(), lambda: flag(term))

    def attr(self, entity: str, term: Term, attribute: Attribute) -> Term:
        """Return the attribute as a function of its entity."""
        function = z3.Function(
            f"{entity}.{attribute.name}{self._world(entity, attribute)}",
            self.sort(Ent(entity)),
            self.sort(attribute.type),
        )
        return self._leaf((*self._path(term), attribute.name), "attr", attribute.type, lambda: function(term))

    def context_present(self, attribute: Attribute) -> Term:
        """Whether the context carries an optional attribute."""
        return self._leaf(
            ("context", attribute.name, "?"),
            "present",
            Bool(),
            lambda: z3.Bool(f"context.{attribute.name}.given"),
        )

    def context_attr(self, attribute: Attribute) -> Term:
        """Return the constant of a context attribute."""
        return self._leaf(
            ("context", attribute.name),
            "attr",
            attribute.type,
            lambda: z3.Const(f"context.{attribute.name}", self.sort(attribute.type)),
        )

    def facts(self) -> list[Any]:
        """Return what holds of every request: numbers fit in 64 bits, the gate's own in less."""
        found = []
        for leaf in self.leaves.values():
            if isinstance(leaf.type, Long):
                by_gate = leaf.path[0] == "context"
                low, high = BY_GATE.get(leaf.path[-1], (LOWEST, HIGHEST)) if by_gate else (LOWEST, HIGHEST)
                found.append(z3.And(leaf.term >= low, leaf.term <= high))
        return found

    def complete(self) -> list[Any]:
        """Return the assumption that every entity the formula reads was handed to the gate."""
        return [leaf.term for leaf in self.leaves.values() if leaf.what == "exists"]

    def _world(self, entity: str, attribute: Attribute) -> str:
        return ".other" if f"{entity}.{attribute.name}" in self.other else ""

    def _path(self, term: Any) -> tuple[str, ...]:
        return self.paths[term.get_id()]

    def _leaf(self, path: tuple[str, ...], what: str, kind: Type, make: Callable[[], Any]) -> Term:
        if path not in self.leaves:
            term = make()
            self.leaves[path] = Leaf(path, what, kind, term)
            self.paths[term.get_id()] = path
        return self.leaves[path].term

    def _and(self, left: Term, right: Term) -> Term:
        return z3.And(self.lift(left, Bool()), self.lift(right, Bool()))

    def _or(self, left: Term, right: Term) -> Term:
        return z3.Or(self.lift(left, Bool()), self.lift(right, Bool()))

    def _not(self, term: Term) -> Term:
        return z3.Not(term)

    def _choose(self, cond: Term, then: Term, other: Term) -> Term:
        kind = Bool() if isinstance(then, bool) or z3.is_bool(then) else Long()
        return z3.If(cond, self.lift(then, kind), self.lift(other, kind))

    def _same(self, left: Term, right: Term, kind: Type) -> Term:
        return self.lift(left, kind) == self.lift(right, kind)

    def _less(self, left: Term, right: Term) -> Term:
        return self.lift(left, Long()) < self.lift(right, Long())

    def _arithmetic(self, op: Callable[[Any, Any], Any], left: Term, right: Term) -> Term:
        return op(self.lift(left, Long()), self.lift(right, Long()))

    def _member(self, members: Term, element: Term, kind: Type) -> Term:
        if isinstance(members, frozenset):
            found = [self.lift(element, kind) == self.lift(member, kind) for member in sorted(members)]
            return z3.Or(found) if found else False
        return z3.Select(members, self.lift(element, kind))


def check(assertions: Sequence[Any], milliseconds: int = 5000) -> tuple[str, Any]:
    """Ask Z3 whether all assertions can hold together; return (sat|unsat|unknown, model or None)."""
    solver = z3.Solver()
    solver.set("timeout", milliseconds)
    for assertion in assertions:
        solver.add(assertion if z3.is_expr(assertion) else z3.BoolVal(bool(assertion)))
    answer = str(solver.check())
    return answer, solver.model() if answer == "sat" else None
