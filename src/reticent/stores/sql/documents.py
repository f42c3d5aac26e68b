"""Paths into JSON documents for the prover: the server says what stands there, Python what it is.

It shares nothing with the SQL that severs. Of a document only the asked path leaves the server, and the kinds of
what stands on the way to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array as sql_array

from reticent.ports import UNREADABLE
from reticent.systems.paths import Place

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EMPTY = {"object": ("object", "{}"), "array": ("array", "[]"), "text": ("string", '""')}
_FARTHEST = timedelta(hours=15)
_DAY = len("2024-01-01")
Told = Sequence[Any] | None


def zone(connection: sa.Connection) -> ZoneInfo:
    """Return the time zone the database's own local time is in."""
    return ZoneInfo(str(connection.exec_driver_sql("SELECT current_setting('TimeZone')").scalar_one()))


def asked(document: sa.ColumnElement[Any], stands: Place, kind: str, *, is_value: bool) -> sa.ColumnElement[Any]:
    """Return a query of [what stands there as JSON text, then the kinds of the document and of each step].

    Where only whether it holds anything is asked, an empty value of its kind stands for it.
    """
    ways = [stands.path[:end] for end in range(1, len(stands.path) + bool(stands.array))]
    kinds = [sa.func.jsonb_typeof(document), *(sa.func.jsonb_typeof(_at(document, way)) for way in ways)]
    if not stands.array:
        there = _at(document, stands.steps)
        told: sa.ColumnElement[Any] = sa.cast(there, sa.Text())
        if kind in _EMPTY and (not is_value or kind != "text"):
            told = sa.case((sa.func.jsonb_typeof(there) == _EMPTY[kind][0], _EMPTY[kind][1]), else_=told)
        return sql_array([told, *kinds])
    way = "lax $" + "".join(f'."{step}"' for step in stands.array) + "[*]"
    inner = way + "".join(f'."{step}"' for step in stands.steps)
    listed = [_listed(document, inner), _listed(document, f"{way}.type()")]
    return sql_array([listed[0], *kinds, listed[1]])


def _at(document: sa.ColumnElement[Any], steps: tuple[str, ...]) -> sa.ColumnElement[Any]:
    return sa.func.jsonb_extract_path(document, *(sa.literal_column(f"'{step}'") for step in steps))


def _listed(document: sa.ColumnElement[Any], way: str) -> sa.ColumnElement[Any]:
    return sa.cast(sa.func.jsonb_path_query_array(document, sa.literal_column(f"'{way}'")), sa.Text())


def reading(stands: Place, kind: str, here: ZoneInfo) -> Callable[[Sequence[Told]], Sequence[Any]]:
    """Return what reads a column of such answers: values, None where nothing stands, UNREADABLE."""
    one = _listing(kind, here) if stands.array else _single(kind, here)
    return lambda column: [None if told is None else one(told) for told in column]


def _single(kind: str, here: ZoneInfo) -> Callable[[Sequence[Any]], Any]:
    def read(told: Sequence[Any]) -> Any:
        text, document, *steps = told
        if document is None:
            return None
        if document != "object" or any(step not in (None, "null", "object") for step in steps):
            return UNREADABLE
        return None if text is None else _value(json.loads(text), kind, here)

    return read


def _listing(kind: str, here: ZoneInfo) -> Callable[[Sequence[Any]], Any]:
    def read(told: Sequence[Any]) -> Any:
        values, document, *steps, kinds = told
        if document is None:
            return None
        *ways, there = steps
        if document != "object" or any(step not in (None, "null", "object") for step in ways):
            return UNREADABLE
        if there in (None, "null"):
            return None
        if there != "array":
            return UNREADABLE
        found = tuple(v for value in json.loads(values) if (v := _value(value, kind, here)) is not None)
        return found if set(json.loads(kinds)) <= {"object"} else (*found, UNREADABLE)

    return read


def _value(value: object, kind: str, here: ZoneInfo) -> Any:
    """Return a JSON value as the map's kind of it."""
    if value is None:
        return None
    if kind in ("boolean", "integer", "number"):
        is_kind = isinstance(value, bool) if kind == "boolean" else type(value) in (int, float)
        return value if is_kind else UNREADABLE
    if kind in ("object", "array"):
        return 1 if isinstance(value, dict if kind == "object" else list) else UNREADABLE
    if not isinstance(value, str):
        return UNREADABLE
    if kind == "uuid":
        return value.lower() if _UUID.fullmatch(value) else UNREADABLE
    return _moment(value, here) if kind == "timestamp" else value


def _moment(text: str, here: ZoneInfo) -> object:
    """Return an ISO moment in the database's local time; UNREADABLE for what is none."""
    clock = text[_DAY + 1 :]
    if text[4:5] != "-" or text[7:8] != "-" or text[_DAY : _DAY + 1] not in ("", "T", " ") or not text.isascii():
        return UNREADABLE
    if (len(text) > _DAY and clock[2:3] != ":") or text.endswith(("z", "T", " ")):
        return UNREADABLE
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return UNREADABLE
    if moment.tzinfo is None:
        return moment
    offset = moment.utcoffset()
    if offset is None or abs(offset) >= _FARTHEST:
        return UNREADABLE
    try:
        return moment.astimezone(here).replace(tzinfo=None)
    except OverflowError:
        return UNREADABLE
