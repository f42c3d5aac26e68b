"""TOML files checked into models; every complaint names the file and the line.

``tomllib`` forgets where a value stood, so the lines are found by a second, shallow pass over the
text: table headers and keys at the start of a line. That pass only ever feeds messages.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from reticent.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]

_NAME = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_DOTTED = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]\]?")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_PART = re.compile(_NAME)
_AT_LINE = re.compile(r"line (\d+)")


@dataclass(frozen=True)
class TomlFile:
    """A parsed file: ``data`` as tomllib gives it, and the line of each table and key, from 1."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[Location, int]

    def where(self, *location: str | int) -> str:
        """Return ``file:line`` of the nearest enclosing thing that has a line."""
        return f"{self.path}:{line(self.lines, location)}"


def load(path: Path, do: str) -> TomlFile:
    """Read a TOML file; ``do`` is said to whoever must mend it. Raises ConfigurationError."""
    text = _text(path, do)
    return TomlFile(path, _parsed(text, path, do), lines_of(text))


def read(path: Path, model: type[Model], do: str) -> Model:
    """Read and check one TOML file. Raises ConfigurationError naming every fault with its line."""
    return check(load(path, do), model, do)


def check(source: TomlFile, model: type[Model], do: str, **more: object) -> Model:
    """Check a file against a model, with ``more`` keys the file does not hold.

    Unknown keys are named with the nearest right one. Raises ConfigurationError.
    """
    try:
        return model.model_validate({**source.data, **more})
    except ValidationError as error:
        faults = sorted((line(source.lines, e["loc"]), _fault(e, model)) for e in error.errors(include_url=False))
        what = "\n".join(f"{source.path.name}, line {number}: {fault}." for number, fault in faults)
        raise ConfigurationError(what, where=f"{source.path}:{faults[0][0]}", do=do) from None


def lines_of(text: str) -> Mapping[Location, int]:
    """Return where each table and key of a TOML text begins: ``{("rule", 0, "effect"): 14}``.

    Lines count from 1; items of an array of tables count from 0. What stands inside an inline table
    is found at the line of its outermost key.
    """
    found: dict[Location, int] = {}
    counts: dict[Location, int] = {}
    prefix: Location = ()
    quoted = False
    for number, content in enumerate(text.splitlines(), start=1):
        was_quoted = quoted
        quoted ^= content.count('"""') % 2 == 1
        if was_quoted:
            continue
        if header := _HEADER.match(content):
            prefix = _prefix(_parts(header[2]), header[1] == "[[", counts)
            found.setdefault(prefix, number)
        elif key := _KEY.match(content):
            parts = _parts(key[1])
            for end in range(1, len(parts) + 1):
                found.setdefault(prefix + parts[:end], number)
    return found


def _parts(dotted: str) -> Location:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _prefix(parts: Location, is_array: bool, counts: dict[Location, int]) -> Location:
    """Turn a header into a location; an array's later tables get the next number."""
    if is_array:
        counts[parts] = counts.get(parts, -1) + 1
    location: list[str | int] = []
    for depth, part in enumerate(parts, start=1):
        location.append(part)
        if (count := counts.get(parts[:depth])) is not None:
            location.append(count)
    return tuple(location)


def line(lines: Mapping[Location, int], location: Location) -> int:
    """Return the line of the nearest enclosing thing that has one; 1 when nothing has."""
    for length in range(len(location), 0, -1):
        if location[:length] in lines:
            return lines[location[:length]]
    return 1


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" with the nearest known word, or ""."""
    near = difflib.get_close_matches(word, [str(each) for each in known], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _text(path: Path, do: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path.name} cannot be read as UTF-8 text.", where=str(path), do=do) from None


def _parsed(text: str, path: Path, do: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        number = at[1] if at else str(len(text.splitlines()))
        what = f"{path.name}, line {number}: this is not TOML."
        raise ConfigurationError(what, where=f"{path}:{number}", do=do) from None


def _fault(error: Any, model: type[BaseModel]) -> str:
    """Say one fault in a sentence: which key, what is wrong."""
    name = ".".join(str(part) for part in error["loc"] if part != "[key]") or "the file"
    if error["type"] == "extra_forbidden":
        return f"unknown key {name!r}{nearest(str(error['loc'][-1]), _keys(model))}"
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
