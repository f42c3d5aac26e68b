"""TOML files whose every value knows its line, so that every message can name file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reticent.errors import ConfigurationError

Keys = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGN = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=""")
_PART = re.compile(r"""\s*("[^"]*"|'[^']*'|[^.\s]+)\s*\.?""")


@dataclass(frozen=True)
class TomlFile:
    """A parsed file: ``data`` as tomllib gives it, and where each key stands."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[Keys, int]

    def where(self, *keys: str | int) -> str:
        """Return ``file:line`` of a key, or of its nearest enclosing table."""
        for end in range(len(keys), 0, -1):
            if keys[:end] in self.lines:
                return f"{self.path}:{self.lines[keys[:end]]}"
        return str(self.path)


def load(path: Path) -> TomlFile:
    """Read a TOML file. Raises ConfigurationError naming the line if it is not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
        return TomlFile(path, tomllib.loads(text), _lines(text))
    except OSError as error:
        raise ConfigurationError(
            "The file cannot be read.", where=str(path), do=f"Check that it exists and may be read ({error.strerror})."
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError("The file is not UTF-8 text.", where=str(path), do="Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+)", str(error))
        raise ConfigurationError(
            "The file is not valid TOML.",
            where=f"{path}:{place[1]}" if place else str(path),
            do="Look for a missing quote, bracket or equals sign on that line or the one before it.",
        ) from None


def _lines(text: str) -> dict[Keys, int]:
    found: dict[Keys, int] = {}
    counts: dict[tuple[str, ...], int] = {}
    table: Keys = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            names = _split(header[2])
            table = _enter(names, header[1] == "[[", counts)
            found.setdefault(table, number)
        elif assign := _ASSIGN.match(line):
            keys = _split(assign[1])
            for end in range(1, len(keys) + 1):
                found.setdefault(table + keys[:end], number)
    return found


def _enter(names: tuple[str, ...], is_array: bool, counts: dict[tuple[str, ...], int]) -> Keys:
    if is_array:
        counts[names] = counts.get(names, -1) + 1
    keys: list[str | int] = []
    for end, name in enumerate(names, start=1):
        keys.append(name)
        if names[:end] in counts:
            keys.append(counts[names[:end]])
    return tuple(keys)


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
