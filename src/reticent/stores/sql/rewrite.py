"""What severing makes of a JSON document: a path or an element of an array is gone, overwritten or cut."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from reticent.model import Disposition
from reticent.stores.sql import paths
from reticent.stores.sql.compile import Compiler
from reticent.stores.sql.walks import truncated
from reticent.systems.mapfile import Action
from reticent.systems.paths import Place


def rewritten(
    compiler: Compiler, source: sa.FromClause, table: str, name: str, action: Action, stands: Place, before: Any
) -> Any:
    """Return a document after an action on one of its fields; ``before`` is what earlier actions have made of it.

    Conditions, and values that are cut, are read from the row as it is before any action.
    """
    if stands.array:
        return _without_elements(compiler, source, table, action, stands, before)
    new = _changed(compiler, source, table, name, action, stands, before)
    if action.condition is None:
        return new
    return sa.case((compiler.holds(source, table, action.condition), new), else_=before)


def _changed(
    compiler: Compiler, source: sa.FromClause, table: str, name: str, action: Action, stands: Place, before: Any
) -> Any:
    if action.disposition is Disposition.OVERWRITE:
        return paths.replaced(before, stands.steps, sa.literal(action.argument.strip("'")))
    moment = compiler.column(source, table, name)
    assert moment is not None  # noqa: S101 - only fields that are here are changed
    cut = paths.moment_text(truncated(moment, action.argument, "postgresql"))
    return sa.case((moment.is_not(None), paths.replaced(before, stands.steps, cut)), else_=before)


def _without_elements(
    compiler: Compiler, source: sa.FromClause, table: str, action: Action, stands: Place, before: Any
) -> Any:
    assert action.condition is not None  # noqa: S101 - the map's loader demands one
    listed = paths.elements(before, stands.array, "removed")
    with compiler.looking_at(listed):
        gone = compiler.holds(source, table, action.condition)
    return paths.without(before, stands.array, listed, gone)
