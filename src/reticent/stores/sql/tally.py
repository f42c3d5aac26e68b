"""Counts of what a chunk's disposition destroys: by month and one margin at a time, never their joint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from reticent.model import Margins
from reticent.stores.sql.compile import Sql
from reticent.stores.sql.conditions import Conditions
from reticent.systems.mapfile import Measure


def tallied(connection: sa.Connection, conditions: Conditions, where: Sql, bound: Mapping[str, Any]) -> Margins:
    """Return ``{"searches|2026-03|branch": {"MAIN": 12}}`` over exactly the rows of ``where``.

    ``bound``: the values of its parameters.
    """
    measures = {measure.id: measure for measure in conditions.database.loaded.measures}
    found: dict[str, dict[str, int]] = {}
    for name in conditions.series.tally:
        found |= counted(connection, conditions, measures[name], where, bound)
    return found


def counted(
    connection: sa.Connection,
    conditions: Conditions,
    measure: Measure,
    where: Sql | None = None,
    bound: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, int]]:
    """Count one measure by month and by each of its margins; ``where`` restricts the rows."""
    found: dict[str, dict[str, int]] = {}
    for number, margin in enumerate(measure.by or ("",)):
        query = margin_query(conditions, measure, margin)
        if where is not None:
            query = query.where(where)
        for month, value, rows in connection.execute(query, bound or {}).all():
            cell = f"{measure.id}|{month or ''}|"
            found.setdefault(cell + margin, {})[str(value or "")] = rows
            if margin and number == 0:
                whole = found.setdefault(cell, {"": 0})
                whole[""] += rows
    return found


def margin_query(conditions: Conditions, measure: Measure, margin: str) -> sa.Select[Any]:
    """Return a query of (month "YYYY-MM", margin value, rows) over the measure's table."""
    compiler, source = conditions.compiler, conditions.source
    date = compiler.column(source, measure.table, measure.date) if measure.date else None
    month = _month(date, conditions.database.dialect) if date is not None else sa.literal("")
    column = compiler.column(source, measure.table, margin) if margin else None
    if column is not None and conditions.database.dialect == "postgresql":
        column = sa.cast(column, sa.Text())  # a number or a UUID and "" have no common type there
    value = sa.func.coalesce(column, "") if column is not None else sa.literal("")
    query = sa.select(month.label("month"), value.label("value"), sa.func.count().label("rows_counted")).select_from(
        source
    )
    if measure.when is not None:
        query = query.where(compiler.holds(source, measure.table, measure.when))
    return query.group_by(sa.text("1"), sa.text("2"))


def _month(column: sa.ColumnElement[object], dialect: str) -> sa.ColumnElement[str]:
    if dialect == "postgresql":
        return sa.func.to_char(column, "YYYY-MM")
    if dialect == "sqlite":
        return sa.func.strftime("%Y-%m", column)
    return sa.func.date_format(column, "%Y-%m")


def active_patrons(
    connection: sa.Connection, conditions: Conditions, where: Sql, bound: Mapping[str, Any] | None = None
) -> dict[int, set[str]]:
    """Return year -> patrons with a use in ``where``. The numbers go to a keyed flag and nowhere else."""
    series, compiler, source = conditions.series, conditions.compiler, conditions.source
    date = compiler.path(source, series.table, series.active)
    found: dict[int, set[str]] = {}
    for person in series.persons:
        column = compiler.column(source, series.table, person)
        if date is None or column is None:
            continue
        query = sa.select(sa.extract("year", date), column).select_from(source).where(where, conditions.tied).distinct()
        for year, patron in connection.execute(query, bound or {}):
            if year is not None and patron is not None:
                found.setdefault(int(year), set()).add(str(patron))
    return found
