"""What is typed for one act and not kept: accounts that read names, identifiers, signatures; and files out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from reticent.errors import SystemRefused, UsageError


def pairs(values: Sequence[str] | None, option: str) -> dict[str, str]:
    """Read NAME=VALUE options. Raises UsageError, without repeating the value."""
    found = {}
    for value in values or []:
        name, equals, rest = value.partition("=")
        if not equals or not rest:
            raise UsageError(f"{option} is given as NAME=VALUE.", do="See the command's --help.")
        found[name.strip()] = rest.strip()
    return found


def signatures(values: Sequence[str] | None) -> dict[str, bytes]:
    """Read ROLE=FILE options."""
    from reticent.cli.output import read_bytes

    return {role: read_bytes(Path(file)) for role, file in pairs(values, "--signature").items()}


def signing(statement: Path, role: str = "ROLE") -> str:
    """Return what an officer types to sign a statement: into a file of the officer's own, which two cannot share."""
    return f"ssh-keygen -Y sign -n reticent -f KEY < {statement} > {role}.sig"


def sign(keys: Sequence[str], text: bytes) -> dict[str, bytes]:
    """Sign with the stock ssh-keygen; it asks for passphrase or touch itself."""
    signed = {}
    for role, file in pairs(keys, "--key").items():
        command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "reticent", "-f", file]
        try:
            done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        except OSError:
            raise UsageError("ssh-keygen is not installed.", do="Install OpenSSH's client.") from None
        if done.returncode:
            raise UsageError("The key did not sign.", where=file, do="Check the file, or sign with --signature.")
        signed[role] = done.stdout
    return signed


def entered(names: Sequence[str], what: str) -> dict[str, str]:
    """Ask for one secret a name, hidden; or read NAME=VALUE lines from a pipe. An empty answer leaves one out.

    On the command line they would stand in the shell's history and in the list of processes.
    """
    if not sys.stdin.isatty():
        return pairs([line for line in sys.stdin.read().splitlines() if line.strip()], f"each line of {what}")
    found = {}
    for name in names:
        answer = typer.prompt(f"{what} for {name} (empty: leave it out)", default="", hide_input=True, err=True)
        if answer.strip():
            found[name] = answer.strip()
    return found


def warn(text: str) -> None:
    """Say something a person should read now; never on stdout, where ``--json`` puts its document."""
    typer.echo(text, err=True)


def needs_account(site: Any) -> list[str]:
    """Return the systems that need an account to be entered: databases, not logs."""
    from reticent.acts.gathering import searchable
    from reticent.acts.log_system import KINDS

    return [name for name in searchable(site) if site.site.systems[name].kind not in KINDS]


def new_folder(folder: Path) -> None:
    """Make a folder only the user can read, before anything is done that cannot be done again.

    Raises SystemRefused, UsageError if it is there and not empty.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        full = any(folder.iterdir())
    except OSError:
        raise SystemRefused("The folder cannot be made there.", where=str(folder), do="Name another place.") from None
    if full:
        raise UsageError("That folder is there already.", where=str(folder), do="Name a new one.")


def write_out(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into the folder ``new_folder`` made. Raises SystemRefused."""
    try:
        for name, data in files.items():
            with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                handle.write(data)
    except OSError:
        raise SystemRefused("The files cannot be written there.", where=str(folder), do="Name another place.") from None


def text_of(path: Path) -> str:
    """Return an officer's age key file. Raises UsageError."""
    from reticent.cli.output import read_bytes

    return read_bytes(path).decode("utf-8", "replace")
