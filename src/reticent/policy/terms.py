"""The small algebra every back end speaks: constants are folded here, once, for all of them.

A term is a Python constant (bool, int, str, ``Uid``, frozenset) or something symbolic that only
the back end understands (a Z3 term, a SQL expression, a sketch). ``ABSENT`` stands for what is
not there; whoever reads it carries an error flag beside it, so its value never matters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from reticent.policy.schema import Attribute, Kind, Type

Term = Any
LOWEST, HIGHEST = -(2**63), 2**63 - 1
BY_GATE = {"now": (0, 2**40), "year": (1970, 9999)}
"""What the gate sets lies in these ends (inclusive); the gate refuses to decide on a clock outside."""


class Uid(NamedTuple):
    """An entity's type and id."""

    type: str
    id: str

    def __str__(self) -> str:
        return f'{self.type}::"{self.id}"'


class _Absent:
    """What is not there."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
CONSTANTS = (bool, int, str, Uid, frozenset, _Absent)


def constant(*terms: Term) -> bool:
    """Whether every term is a Python constant."""
    return all(isinstance(term, CONSTANTS) for term in terms)


class Terms(ABC):
    """What a back end must be able to say. Subclasses implement the underscored, symbolic half."""

    def both(self, left: Term, right: Term) -> Term:
        """And."""
        if left is False or right is False:
            return False
        if left is True:
            return right
        return left if right is True else self._and(left, right)

    def either(self, left: Term, right: Term) -> Term:
        """Or."""
        if left is True or right is True:
            return True
        if left is False:
            return right
        return left if right is False else self._or(left, right)

    def negate(self, term: Term) -> Term:
        """Not."""
        return not term if isinstance(term, bool | _Absent) else self._not(term)

    def choose(self, cond: Term, then: Term, other: Term) -> Term:
        """Return ``then`` where ``cond`` holds, else ``other``."""
        if constant(cond):
            return then if cond is True else other
        return self._choose(cond, then, other)

    def same(self, left: Term, right: Term, kind: Type) -> Term:
        """Equality of two terms of one type."""
        if constant(left, right):
            return left == right and left is not ABSENT
        return self._same(left, right, kind)

    def less(self, left: Term, right: Term) -> Term:
        """Strictly less, whole numbers."""
        if left is ABSENT or right is ABSENT:
            return False
        return left < right if constant(left, right) else self._less(left, right)

    def arithmetic(self, op: Callable[[Any, Any], Any], left: Term, right: Term) -> Term:
        """Apply ``op`` without overflow; ``overflows`` says whether the engine would err."""
        if left is ABSENT or right is ABSENT:
            return 0
        return op(left, right) if constant(left, right) else self._arithmetic(op, left, right)

    def overflows(self, term: Term) -> Term:
        """Whether a whole number leaves 64 bits."""
        if constant(term):
            return not LOWEST <= term <= HIGHEST
        return self.either(self._less(term, LOWEST), self._less(HIGHEST, term))

    def member(self, members: Term, element: Term, kind: Type) -> Term:
        """Whether ``element`` is in ``members``; ``kind`` is the element's type."""
        if constant(members, element):
            return members is not ABSENT and element in members
        return self._member(members, element, kind)

    @abstractmethod
    def var(self, name: str, kind: Kind) -> Term:
        """Return the principal or the resource."""

    @abstractmethod
    def exists(self, entity: str, term: Term) -> Term:
        """Whether an entity of type ``entity`` is among what the gate was handed."""

    @abstractmethod
    def present(self, entity: str, term: Term, attribute: Attribute) -> Term:
        """Whether an existing entity carries an optional attribute."""

    @abstractmethod
    def attr(self, entity: str, term: Term, attribute: Attribute) -> Term:
        """Return an attribute's value."""

    @abstractmethod
    def context_present(self, attribute: Attribute) -> Term:
        """Whether the context carries an optional attribute."""

    @abstractmethod
    def context_attr(self, attribute: Attribute) -> Term:
        """Return a context attribute's value."""

    @abstractmethod
    def _and(self, left: Term, right: Term) -> Term: ...

    @abstractmethod
    def _or(self, left: Term, right: Term) -> Term: ...

    @abstractmethod
    def _not(self, term: Term) -> Term: ...

    @abstractmethod
    def _choose(self, cond: Term, then: Term, other: Term) -> Term: ...

    @abstractmethod
    def _same(self, left: Term, right: Term, kind: Type) -> Term: ...

    @abstractmethod
    def _less(self, left: Term, right: Term) -> Term: ...

    @abstractmethod
    def _arithmetic(self, op: Callable[[Any, Any], Any], left: Term, right: Term) -> Term: ...

    @abstractmethod
    def _member(self, members: Term, element: Term, kind: Type) -> Term: ...
