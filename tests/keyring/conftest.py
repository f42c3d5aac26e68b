"""Real SSH keys, made once by the stock ssh-keygen."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings


@pytest.fixture(scope="session")
def ssh_keys(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function from a person to their private key's path (``.pub`` beside it)."""
    folder = tmp_path_factory.mktemp("ssh")

    def key(person: str, kind: str = "ed25519") -> Path:
        path = folder / f"{person}-{kind}"
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", person, "-f", str(path)], check=True)
        return path

    return key


settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
