"""Reads a TOML file into a checked model; every complaint names the file and the line.

``tomllib`` forgets where a value stood, so the lines are found by a second, shallow pass over the
text: table headers and keys at the start of a line. That pass only ever feeds messages.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from reticent.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?")
_KEY = re.compile(r'\s*"?([A-Za-z0-9_\-]+)"?\s*=')
_AT_LINE = re.compile(r"line (\d+)")


def lines_of(text: str) -> Mapping[Location, int]:
    """Return where each table and key of a TOML text begins: ``{("rule", 0, "effect"): 14}``.

    Lines count from 1; items of an array of tables count from 0. Inline tables and dotted keys are
    found at the line of their outermost key.
    """
    found: dict[Location, int] = {}
    counts: dict[str, int] = {}
    prefix: Location = ()
    quoted = False
    for number, line in enumerate(text.splitlines(), start=1):
        was_quoted = quoted
        quoted ^= line.count('"""') % 2 == 1
        if was_quoted:
            continue
        if header := _HEADER.match(line):
            prefix = _prefix(header, counts)
            found.setdefault(prefix, number)
        elif key := _KEY.match(line):
            found.setdefault((*prefix, key[1]), number)
    return found


def _prefix(header: re.Match[str], counts: dict[str, int]) -> Location:
    """Turn a header into a location; an array's later tables get the next number."""
    name = header[2]
    if header[1] == "[[":
        counts[name] = counts.get(name, -1) + 1
    location: list[str | int] = []
    parts = name.split(".")
    for depth, part in enumerate(parts, start=1):
        location.append(part)
        if (count := counts.get(".".join(parts[:depth]))) is not None:
            location.append(count)
    return tuple(location)


def line(lines: Mapping[Location, int], location: Location) -> int:
    """Return the line of the nearest enclosing thing that has one; 1 when nothing has."""
    for length in range(len(location), 0, -1):
        if location[:length] in lines:
            return lines[location[:length]]
    return 1


def read(path: Path, model: type[Model], do: str) -> Model:
    """Read and check one TOML file.

    ``do`` is said to whoever must mend it. Raises ConfigurationError naming every fault with its
    line: unreadable file, not TOML, unknown key (with the nearest right one), wrong value.
    """
    text = _text(path, do)
    try:
        return model.model_validate(_parsed(text, path, do))
    except ValidationError as error:
        lines = lines_of(text)
        faults = sorted((line(lines, e["loc"]), _fault(e, model)) for e in error.errors(include_url=False))
        what = "\n".join(f"{path.name}, line {number}: {fault}" for number, fault in faults)
        raise ConfigurationError(what, where=f"{path}:{faults[0][0]}", do=do) from None


def _text(path: Path, do: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"{path.name} cannot be read as UTF-8 text.", where=str(path), do=do
        ) from None


def _parsed(text: str, path: Path, do: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        number = at[1] if at else str(len(text.splitlines()))
        what = f"{path.name}, line {number}: this is not TOML."
        raise ConfigurationError(what, where=f"{path}:{number}", do=do) from None


def _fault(error: Mapping[str, Any], model: type[BaseModel]) -> str:
    """Say one fault in a sentence: which key, what is wrong."""
    name = ".".join(str(part) for part in error["loc"]) or "the file"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), _keys(model), n=1)
        return f"unknown key {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    if error["type"] == "missing":
        return f"{name} is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:]}"


def _keys(model: type[BaseModel]) -> Iterable[str]:
    """Return the keys of a model and of the models inside it."""
    seen: set[str] = set()
    todo: list[Any] = [model]
    while todo:
        each = todo.pop()
        if inside := getattr(each, "__args__", ()):
            todo.extend(inside)
        elif isinstance(each, type) and issubclass(each, BaseModel):
            seen.update(each.model_fields)
            todo.extend(info.annotation for info in each.model_fields.values())
    return sorted(seen)
