"""From a sample of one column to counts: how much of it is anybody's. JSON is judged path by path.

Values come in, counts go out. A place with fewer than ``LEAST`` distinct values is not judged.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from reticent.model import Overlap
from reticent.stores.crowd import Crowd, blurred
from reticent.stores.needles import LEAST, fold

HEAD = 400
"""Rows of a sample that one statement brings: none of them comes twice."""
_ALONE = 0.95
TEXTS = 500
"""Texts of one place that are searched for everybody."""
_DEEPEST = 8
_FIELDS = 20
"""Keys that name no field of one column's documents, up to which each is judged by itself."""
_KEY = re.compile(r"[A-Za-z_-]{1,40}")
_FREE = re.compile(r"[^\w.@+-]")


def text(value: object) -> str:
    """Return a value as text, "" if there is none; bytes as UTF-8, whole decimals as whole numbers."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | float):
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, Decimal):
        return str(int(value)) if value == value.to_integral_value() else ""
    return str(value)


def examined(
    crowd: Crowd, table: str, column: str, values: Sequence[Any], keys: Mapping[str, str]
) -> Iterator[Overlap | None]:
    """Yield an Overlap for the column, or for each JSON path in it; None for one with too few distinct values."""
    texts = _texts(values)
    if documents := _documents(texts):
        for path, found in _paths(documents, keys).items():
            yield _overlap(crowd, table, column, found, path)
    elif overlap := _overlap(crowd, table, column, texts):
        yield replace(overlap, once=_once([value for value in values[:HEAD] if value is not None]))
    else:
        yield None


def inside(values: Sequence[Any], keys: Mapping[str, str]) -> dict[str, set[str]]:
    """Return JSON path -> the distinct texts there; empty for a column that holds something else."""
    return _paths(_documents(_texts(values)), keys)


def shown_keys(values: Sequence[Any], naming: Callable[[str], bool]) -> dict[str, str]:
    """Return key -> how the keys are shown that many documents of a column have; any other is a value, shown as ``*``.

    One that names no field is shown as its place in the alphabet (``*1``): it may be a person. Where there are many
    such keys they are no fields at all. The roster is not asked: that would tell of one identifier whether it is a
    patron's.
    """
    seen = Counter(key for document in _documents(_texts(values)) for key in set(_keys(document, 0)))
    common = sorted(key for key, count in seen.items() if count >= LEAST and _KEY.fullmatch(key))
    hidden = [key for key in common if not naming(key)]
    numbered = {key: f"*{number}" for number, key in enumerate(hidden, 1)} if len(hidden) <= _FIELDS else {}
    return {key: key for key in common if naming(key)} | numbered


def _texts(values: Sequence[Any]) -> set[str]:
    return {found for value in _distinct(values) if (found := text(value))}


def _once(rows: Sequence[Any]) -> bool:
    """Whether hardly any value of the first rows, which are one statement's, stands in two of them."""
    return len(rows) >= LEAST and len(_distinct(rows)) >= _ALONE * len(rows)


def _distinct(values: Sequence[Any]) -> set[Any]:
    try:
        return set(values)
    except TypeError:  # a driver may give JSON already read, and arrays
        return {json.dumps(value, default=str) if isinstance(value, dict | list) else value for value in values}


def _overlap(crowd: Crowd, table: str, column: str, texts: set[str], path: str = "") -> Overlap | None:
    if len(texts) < LEAST:
        return None
    values = {found for each in texts if (found := fold(each).strip())}
    if (of := len(values)) < LEAST:
        return None
    numbers = {int(value) for value in values if value.isascii() and value.isdigit() and len(value) < LEAST}
    by_chance = crowd.numbers(numbers) if 2 * len(numbers) >= of else {}
    given, family, full = crowd.names(values)
    met = _standing(crowd, values)
    return Overlap(
        table,
        column,
        of,
        path,
        identifiers={kind: blurred(count, of) for kind, count in crowd.matched(values).items()},
        numbers={kind: (blurred(n, of), chance, variance**0.5) for kind, (n, chance, variance) in by_chance.items()},
        given=blurred(given, of),
        family=blurred(family, of),
        full=blurred(full, of),
        texts=met[0],
        with_identifier=blurred(met[1], met[0]),
        with_name=blurred(met[2], met[0]),
    )


def _standing(crowd: Crowd, values: set[str]) -> tuple[int, int, int]:
    """Return how many texts were searched, and in how many an identifier and a whole name stood for the first time."""
    free = [value for value in values if _FREE.search(value)][:TEXTS]
    if len(free) < LEAST:
        return 0, 0, 0
    return len(free), *crowd.standing_in(free)


def pairs(crowd: Crowd, given: Sequence[Any], family: Sequence[Any]) -> int:
    """Count, blurred, the distinct rows whose two columns are one person's given name and surname."""
    # A nearly empty column was sampled further than its neighbours; their rows are the same up to there.
    rows = {f"{text(first)} {text(last)}" for first, last in zip(given, family, strict=False) if first and last}
    whole = {fold(row).strip() for row in rows}
    return blurred(crowd.names(whole)[2], len(whole)) if len(whole) >= LEAST else 0


def _documents(texts: set[str]) -> list[Any]:
    """Return the JSON objects and arrays of a column; none unless nearly every value is one."""
    looks = [each for each in texts if each.lstrip()[:1] in ("{", "[")]
    if len(looks) * 10 < len(texts) * 9 or not looks:
        return []
    found = []
    for each in looks:
        try:
            found.append(json.loads(each))
        except (ValueError, RecursionError):
            continue
    return found if len(found) * 10 >= len(texts) * 9 else []


def _paths(documents: list[Any], keys: Mapping[str, str]) -> dict[str, set[str]]:
    """Return path -> distinct texts. A key that names no field is itself one of them."""
    found: dict[str, set[str]] = defaultdict(set)
    for document in documents:
        for path, value in _leaves(document, "$", keys, 0):
            found[path].add(value)
    return found


def _keys(value: object, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _keys(inner, depth + 1)


def _leaves(value: object, path: str, keys: Mapping[str, str], depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        # Deeper than anybody names fields: read as the text it is.
        yield path, json.dumps(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            shown = keys.get(key, "*")
            if shown != key:
                yield f"{path}.*", key
            yield from _leaves(inner, f"{path}.{shown}", keys, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, f"{path}[]", keys, depth + 1)
    elif found := text(value):
        yield path, found
