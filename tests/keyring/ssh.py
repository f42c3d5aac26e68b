"""What an officer does at their own computer."""

from __future__ import annotations

import subprocess
from pathlib import Path


def sign(key: Path, message: bytes, namespace: str = "reticent") -> str:
    """Sign as an officer does."""
    done = subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace],
        input=message,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


def public(key: Path) -> str:
    """Return the line an officer puts into the site file."""
    return key.with_name(key.name + ".pub").read_text()
