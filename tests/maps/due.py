"""Which rows of a snapshot a map says are due: its conditions, read in Python by the acceptance's own code."""

from __future__ import annotations

import operator
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.maps.planting import KEPT

from reticent.systems.mapfile import Map, Series
from reticent.systems.predicates import And, Compare, Constant, Exists, Field, In, IsNull, Literal, Not, Operand, Or

Rows = list[dict[str, Any]]
Snapshot = Mapping[str, Rows]
Truth = bool | None
_OPS = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass
class Reading:
    """The rows of one database as they are now, by table; values as the server gave them back."""

    loaded: Map
    rows: dict[str, Rows]
    retention: Mapping[str, str]
    """Setting -> "N days", where it is not what every site of the acceptance keeps."""

    @property
    def sentinel(self) -> Any:
        """The stand-in patron's number, None where none is set."""
        named, settings = self.loaded.sentinel, self.loaded.settings_in
        if named is None or settings is None:
            return None
        rows = self.rows.get(settings.table, ())
        set_to = (row[settings.value] for row in rows if row[settings.name] == named.setting)
        return next((int(value) for value in set_to if value), None)

    def due(self, series: Series) -> Rows:
        """Return the rows of a series that are ties, over, held back by nothing, and past their retention."""
        held = [each.when for each in series.held if each.until not in self.loaded.decisions]
        wanted = [series.is_tied(), *([series.over] if series.over is not None else [])]
        refused = [*series.open.values(), *held]
        return [
            row
            for row in self.rows.get(series.table, ())
            if all(self.truth(series.table, row, each) is True for each in wanted)
            and all(self.truth(series.table, row, each) is False for each in refused)
            and self._ended(series, row)
        ]

    def _ended(self, series: Series, row: dict[str, Any]) -> bool:
        if not series.ended:
            return True
        *links, name = series.ended.split(".")
        ends = [
            moment(self.value(table, one, name)) for table, one in self.led_to(series.table, [row], ".".join(links))
        ]
        told = [end for end in ends if end is not None]
        days = int(self.retention.get(series.retention_key, KEPT).partition(" ")[0])
        before = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
        return all(end < before for end in told) if told else series.undated == "due"

    def led_to(self, table: str, rows: Rows, path: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the table a path of links ends in with each row it leads to."""
        found = [(table, row) for row in rows]
        for link in filter(None, path.split(".")):
            found = [
                (self.loaded.tables[t].links[link].table, one) for t, row in found for one in self._joined(t, row, link)
            ]
        return list({id(row): (t, row) for t, row in found}.values())

    def _joined(self, table: str, row: dict[str, Any], link: str) -> Iterator[dict[str, Any]]:
        spec = self.loaded.tables[table].links[link]
        ours = {theirs: self.values(table, row, own) for theirs, own in spec.on.items()}
        for one in self.rows.get(spec.table, ()):
            if all(
                any(_same(there, here) for there in self.values(spec.table, one, theirs) for here in own)
                for theirs, own in ours.items()
            ):
                yield one

    def values(self, table: str, row: Any, name: str) -> list[Any]:
        """Return what a field holds, NULL left out; of an array every element's."""
        found = [row]
        for step in self.loaded.tables[table].fields[name].column.split("."):
            inner = [one.get(step.removesuffix("[]")) for one in found if isinstance(one, dict)]
            found = [e for one in inner for e in (one if step.endswith("[]") and isinstance(one, list) else [one])]
        return [value for value in found if value is not None]

    def value(self, table: str, row: dict[str, Any], name: str) -> Any:
        """Return what a field holds; None where it, or its column, is not there."""
        return next(iter(self.values(table, row, name)), None)

    def truth(self, table: str, row: dict[str, Any], condition: Any) -> Truth:
        """Return what a condition says of a row; None if nobody can tell."""
        match condition:
            case Constant(value):
                return value
            case IsNull(field):
                return self.value(table, row, field.name) is None
            case Compare(op, left, right):
                return _compared(op, self._operand(table, row, left), self._operand(table, row, right), right)
            case In(field, values):
                found = self.value(table, row, field.name)
                return None if found is None else any(_same(found, each) for each in values)
            case Not(part):
                found = self.truth(table, row, part)
                return None if found is None else not found
            case And(parts):
                said = [self.truth(table, row, part) for part in parts]
                return False if False in said else None if None in said else True
            case Or(parts):
                said = [self.truth(table, row, part) for part in parts]
                return True if True in said else None if None in said else False
            case Exists(link, inner):
                there = self.loaded.tables[table].links[link].table
                said = [self.truth(there, one, inner) for one in self._joined(table, row, link)]
                return True if True in said else None if None in said else False
        raise AssertionError(condition)

    def _operand(self, table: str, row: dict[str, Any], operand: Operand) -> Any:
        match operand:
            case Field(name):
                return self.value(table, row, name)
            case Literal(value):
                return value
        return self.sentinel


def _compared(op: str, left: Any, right: Any, written: Operand) -> Truth:
    if right is None and not isinstance(written, Field):  # no stand-in is set, and nobody is it
        return None if left is None else op == "<>"
    if left is None or right is None:
        return None
    return bool(_OPS[op](*_alike(left, right)))


def _same(left: Any, right: Any) -> bool:
    return bool(operator.eq(*_alike(left, right)))


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Return two values in types that can be compared: numbers as such, anything else as text."""
    one, other = plain(left), plain(right)
    numbers = (int, float, Decimal)
    return (one, other) if isinstance(one, numbers) and isinstance(other, numbers) else (str(one), str(other))


def plain(value: Any) -> Any:
    """Return a value without what only its server's driver makes of it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("latin-1")
    return str(value) if isinstance(value, uuid.UUID) else value


def moment(value: Any) -> datetime | None:
    """Return a moment in UTC, whether it is kept as such, as a day or as text."""
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else None
