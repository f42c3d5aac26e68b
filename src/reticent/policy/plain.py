"""The plain back end: the compiler's answer for one concrete request, in Python alone.

It is the fuzzer's referee and decides without Cedar; the symbolic half is never reached,
because every term of a concrete request is a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from reticent.policy.bundle import Rule
from reticent.policy.compiler import Compiler, Verdict
from reticent.policy.request import Request
from reticent.policy.schema import Attribute, Kind, Schema, Type
from reticent.policy.terms import ABSENT, Term, Terms


class Plain(Terms):
    """Constants only, read from one request."""

    def __init__(self, request: Request) -> None:
        self.request = request

    def var(self, name: str, kind: Kind) -> Term:
        """Return the principal or the resource."""
        return self.request.principal if name == "principal" else self.request.resource

    def exists(self, entity: str, term: Term) -> Term:
        """Whether the gate was handed the entity."""
        return term in self.request.entities

    def present(self, entity: str, term: Term, attribute: Attribute) -> Term:
        """Whether the entity carries the attribute."""
        return attribute.name in self.request.entities.get(term, {})

    def attr(self, entity: str, term: Term, attribute: Attribute) -> Term:
        """Return the attribute or ABSENT."""
        return self.request.entities.get(term, {}).get(attribute.name, ABSENT)

    def context_present(self, attribute: Attribute) -> Term:
        """Whether the context carries the attribute."""
        return attribute.name in self.request.context

    def context_attr(self, attribute: Attribute) -> Term:
        """Return the context attribute or ABSENT."""
        return self.request.context.get(attribute.name, ABSENT)

    def _symbolic(self) -> NoReturn:
        raise AssertionError("a concrete request has no symbolic terms")

    def _and(self, left: Term, right: Term) -> Term:
        # An ABSENT condition carries an error flag; its value decides nothing.
        return False

    def _or(self, left: Term, right: Term) -> Term:
        return False

    def _not(self, term: Term) -> Term:
        self._symbolic()

    def _choose(self, cond: Term, then: Term, other: Term) -> Term:
        self._symbolic()

    def _same(self, left: Term, right: Term, kind: Type) -> Term:
        self._symbolic()

    def _less(self, left: Term, right: Term) -> Term:
        self._symbolic()

    def _arithmetic(self, op: Callable[[Any, Any], Any], left: Term, right: Term) -> Term:
        self._symbolic()

    def _member(self, members: Term, element: Term, kind: Type) -> Term:
        self._symbolic()


def decide(schema: Schema, rules: Iterable[Rule], request: Request, compiler: type[Compiler] = Compiler) -> Verdict:
    """Return Cedar's Allow (``applies``) and whether any rule errs, for one concrete request."""
    verdict = compiler(schema, Plain(request), request.kind).decision(rules)
    return Verdict(verdict.applies is True, verdict.errs is True)
