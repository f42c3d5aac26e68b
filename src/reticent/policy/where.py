"""The SQL back end: the same rules as a WHERE, so that a database filters a million rows by them.

Who asks, what and in which situation are known; the resource is a row. Its attributes are
columns; an optional one is a nullable column. Every comparison is coalesced, so that NULL never
becomes a truth value, and the strict gate's "no rule errs" is part of the WHERE. Following a
reference out of the row needs a declared column (``patron.birthYear``); without one the rule is
refused as unmodelled. What leaves the building is still decided row by row by the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from reticent.policy.bundle import Bundle
from reticent.policy.compiler import Compiler, Unmodelled
from reticent.policy.plain import Plain
from reticent.policy.request import Request
from reticent.policy.schema import Attribute, Kind, Type
from reticent.policy.terms import ABSENT, Term, Uid, constant

Columns = Mapping[str, sa.ColumnElement[Any]]


class Row:
    """An entity that is a row, or that a row's column refers to: the prefix of its columns."""

    def __init__(self, prefix: str, key: sa.ColumnElement[Any]) -> None:
        self.prefix, self.key = prefix, key


class Database(Plain):
    """Constants from a request, except the resource, which is a row of ``columns``."""

    def __init__(self, request: Request, columns: Columns) -> None:
        super().__init__(request)
        self.columns = columns

    def var(self, name: str, kind: Kind) -> Term:
        """Return the principal, or the row."""
        return Row("", self._column("id", "the row's id")) if name == "resource" else super().var(name, kind)

    def exists(self, entity: str, term: Term) -> Term:
        """A row exists; what a column refers to exists where the column is not NULL."""
        if not isinstance(term, Row):
            return super().exists(entity, _held(term))
        return True if not term.prefix else term.key.is_not(None)

    def present(self, entity: str, term: Term, attribute: Attribute) -> Term:
        """Whether an optional attribute's column is not NULL."""
        if not isinstance(term, Row):
            return super().present(entity, _held(term), attribute)
        return self._of(term, attribute).is_not(None)

    def attr(self, entity: str, term: Term, attribute: Attribute) -> Term:
        """Return the attribute's column."""
        if not isinstance(term, Row):
            return super().attr(entity, _held(term), attribute)
        column = self._of(term, attribute)
        return Row(f"{term.prefix}{attribute.name}.", column) if self._reference(attribute) else column

    def _reference(self, attribute: Attribute) -> bool:
        return any(name.startswith(f"{attribute.name}.") for name in self.columns)

    def _of(self, row: Row, attribute: Attribute) -> sa.ColumnElement[Any]:
        return self._column(row.prefix + attribute.name, attribute.name)

    def _column(self, name: str, what: str) -> sa.ColumnElement[Any]:
        if name not in self.columns:
            raise Unmodelled(f"{what!r}, for which no column is declared", "of the policy")
        return self.columns[name]

    def _and(self, left: Term, right: Term) -> Term:
        return sa.and_(_truth(left), _truth(right))

    def _or(self, left: Term, right: Term) -> Term:
        return sa.or_(_truth(left), _truth(right))

    def _not(self, term: Term) -> Term:
        return sa.not_(_truth(term))

    def _choose(self, cond: Term, then: Term, other: Term) -> Term:
        return sa.case((_truth(cond), _value(then)), else_=_value(other))

    def _same(self, left: Term, right: Term, kind: Type) -> Term:
        if left is ABSENT or right is ABSENT:
            return False
        return _sure(_value(left) == _value(right), left, right)

    def _less(self, left: Term, right: Term) -> Term:
        return _sure(_value(left) < _value(right), left, right)

    def _arithmetic(self, op: Callable[[Any, Any], Any], left: Term, right: Term) -> Term:
        # A database overflows in its own way (an error, or a float): no rule over rows adds or multiplies.
        raise Unmodelled("arithmetic over a row's numbers, which no database does as the engine does", "of the policy")

    def _member(self, members: Term, element: Term, kind: Type) -> Term:
        if members is ABSENT or element is ABSENT or members == frozenset():
            return False
        if not isinstance(members, frozenset):
            raise Unmodelled("a set kept in a row", "of the policy")
        listed = [_plain(member) for member in sorted(members)]
        return _sure(_value(element).in_(listed), element)


def where(bundle: Bundle, request: Request, columns: Columns) -> sa.ColumnElement[bool]:
    """Return the condition under which the strict gate allows this request for a row.

    ``request`` carries who asks, what, and the situation with ``now`` (its resource's type
    counts, its id does not); ``columns`` maps ``id`` and each attribute the rules read to a
    column: entity and vocabulary columns hold the id or the word. Raises Unmodelled when a rule
    needs what no column gives.
    """
    answer = Compiler(bundle.schema, Database(request, columns), request.kind).strict(bundle.rules)
    return _truth(answer)


def _held(term: Term) -> Term:
    """Only what the request holds can be read without a column."""
    if isinstance(term, Uid) or term is ABSENT:
        return term
    raise Unmodelled("a reference out of the row, for which no column is declared", "of the policy")


def _sure(condition: sa.ColumnElement[bool], *terms: Term) -> sa.ColumnElement[bool]:
    """Make a comparison false where a side may be NULL; a column declared NOT NULL cannot be."""
    if all(constant(term) or (isinstance(term, sa.Column) and not term.nullable) for term in terms):
        return condition
    return sa.func.coalesce(condition, sa.false())


def _truth(term: Term) -> sa.ColumnElement[bool]:
    if isinstance(term, bool):
        return sa.true() if term else sa.false()
    return sa.false() if term is ABSENT else term


def _value(term: Term) -> Any:
    if isinstance(term, Row):
        return term.key
    if term is ABSENT:
        return sa.null()
    return sa.literal(_plain(term)) if constant(term) else term


def _plain(term: Term) -> Any:
    return term.id if isinstance(term, Uid) else term
