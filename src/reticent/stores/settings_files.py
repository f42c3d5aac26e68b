"""Settings that stand in files (``config.ini``), read for the few names a map asks about. No other value leaves it."""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Mapping
from pathlib import Path

Values = Mapping[str, str]
"""``Section.name``, in lower case -> its value."""
_BOOLEANS = {**dict.fromkeys(("on", "yes", "1"), "true"), **dict.fromkeys(("off", "no", "0", "none"), "false")}


def read(files: Iterable[Path]) -> tuple[dict[str, Values], dict[str, str]]:
    """Return file name -> its settings, and for those that cannot be read why; on, yes and 1 are "true".

    Of files of one name what a later one says counts.
    """
    found: dict[str, Values] = {}
    unread: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser(
            strict=False,
            delimiters=("=",),
            comment_prefixes=(";", "#"),
            inline_comment_prefixes=(";",),
            allow_no_value=True,
        )
        try:
            parser.read_string(file.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError, configparser.Error):
            # What the parser says may quote a line, and a line may hold a password.
            unread[file.name] = "it is not there, may not be read, or holds something else than settings"
            continue
        found[file.name] = {
            **found.get(file.name, {}),
            **{
                f"{section}.{name}".lower(): _plain(value or "")
                for section in parser.sections()
                for name, value in parser.items(section)
            },
        }
    return found, unread


def _plain(value: str) -> str:
    bare = value.strip().strip("\"'")
    return _BOOLEANS.get(bare.lower(), bare)
