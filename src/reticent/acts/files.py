"""Writes what people read: whole or not at all."""

from __future__ import annotations

from pathlib import Path

from reticent.errors import SystemRefused


def write_text(path: Path, text: str) -> None:
    """Write a text file in place of an older one. Raises SystemRefused; then the older one still stands."""
    write(path, text)


def write(path: Path, content: str | bytes) -> None:
    """Write a file in place of an older one. Raises SystemRefused; then the older one still stands."""
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except OSError:
        raise SystemRefused(
            "The file cannot be written.", where=str(path), do="Check the folder and the disk."
        ) from None
