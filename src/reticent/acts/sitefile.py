"""The text of a new reticent.toml: what was answered, with a comment for whoever reads it next."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from reticent.systems.mapfile import Map


@dataclass
class Answers:
    """What `init` was told."""

    library: str = ""
    jurisdiction: str = ""
    branches: tuple[str, ...] | str = ()
    system: str = "ils"
    kind: str = "koha"
    tenant: str = ""
    accounts: dict[str, str] = field(default_factory=dict)
    """Right -> URL, its password as a ${NAME}, never as itself."""
    state: str = "state"
    keys: str = "/etc/reticent/keys"
    retention: dict[str, str] = field(default_factory=dict)
    schedule: dict[str, str] = field(default_factory=dict)
    decisions: dict[str, str] = field(default_factory=dict)


_PASSWORD = re.compile(r"^(?P<head>[\w+]+://[^:/@]*):(?P<password>.*)@(?P<rest>[^@]*)$")


def without_password(url: str, name: str) -> tuple[str, str | None]:
    """Return a URL whose password is ``${name}``, and the password that stood there; None if it named one already."""
    found = _PASSWORD.match(url)
    if found is None or found["password"].startswith("${"):
        return url, None
    return f"{found['head']}:${{{name}}}@{found['rest']}", found["password"]


def text(answers: Answers, loaded: Map) -> str:
    """Return the whole file."""
    return "\n".join(_lines(answers, loaded)) + "\n"


def _lines(a: Answers, loaded: Map) -> Iterator[str]:
    yield "# Reticent: what this library keeps, and for how long. Every setting: docs/reference/reticent-toml.md"
    yield "# After a change: reticent find, then reticent plan. A change disarms what runs by itself."
    yield ""
    yield "[library]"
    yield f"name = {_string(a.library)}"
    yield from _set_or_not(
        "jurisdiction", a.jurisdiction, "which law pack and records schedules apply", example="US-WI"
    )
    yield '# Whose rows are ours: branch codes of the system, or "all". Rows of other branches are not touched.'
    yield f"branches = {_branches(a.branches)}" if a.branches else '# branches = ["MAIN"]'
    yield ""
    yield "# Who may approve. The custodian's signature arms a series: ssh-keygen -t ed25519 makes the key."
    yield "# [officers]"
    yield '# custodian = { name = "Director", sign = "ssh-ed25519 AAAA..." }'
    yield ""
    yield "[state]"
    yield f"path = {_string(a.state)}  # Reticent's own records; back them up"
    yield f"keys = {_string(a.keys)}  # never inside path, never in the same backup"
    yield from _retention(a)
    yield from _schedule(a)
    yield from _system(a, loaded)


def _retention(a: Answers) -> Iterator[str]:
    yield ""
    yield "# How long a tie may outlive its purpose. What is not set follows docs/explanation/retention.md."
    yield "[retention]"
    yield "# last_borrower: to ask the last borrower about damage found later; at most 7 days."
    yield f"last_borrower = {_string(a.retention.get('last_borrower', '0 days'))}"
    yield "# payment: who paid a settled fee, for the auditor. registration: accounts that are gone."
    yield from _set_or_not("payment", a.retention.get("payment", ""), "not severed until set", example="1 year")
    yield from _set_or_not(
        "registration", a.retention.get("registration", ""), "not severed until set", example="30 days"
    )


def _schedule(a: Answers) -> Iterator[str]:
    yield ""
    yield "# The custodian's choice: the item of the records schedule that governs each record class, or"
    yield '# "none applies". Without one nothing of that class is severed. "*" is for every class not named.'
    yield "[schedule]"
    if not a.schedule:
        yield '# "*" = "none applies"'
    for key, item in a.schedule.items():
        yield f"{_string(key) if key == '*' else key} = {_string(item)}"


def _system(a: Answers, loaded: Map) -> Iterator[str]:
    yield ""
    yield f"[systems.{a.system}]"
    yield f"kind = {_string(a.kind)}"
    if a.tenant:
        yield f"tenant = {_string(a.tenant)}"
    yield ""
    yield "# Three accounts, each with only its own rights: `reticent init --grants " + a.system + "` prints them."
    yield "# Passwords come from the environment (${NAME}) or a file (${file:PATH}); none is written here."
    yield f"[systems.{a.system}.accounts]"
    yield from (f"{right} = {_string(url)}" for right, url in a.accounts.items())
    if not loaded.decisions:
        return
    yield ""
    yield "# Questions only the library can answer. Until then the ties they are about are held back and reported."
    yield f"[systems.{a.system}.decisions]"
    for name, decision in loaded.decisions.items():
        yield f"# {decision.question}"
        yield from (f"#   {word}: {what}" for word, what in decision.choices.items())
        chosen = a.decisions.get(name, "")
        yield f"{name} = {_string(chosen)}" if chosen else f"# {name} = {_string(next(iter(decision.choices)))}"


def _set_or_not(key: str, value: str, comment: str, *, example: str) -> Iterator[str]:
    yield f"{key} = {_string(value)}" if value else f"# {key} = {_string(example)}  # {comment}"


def _branches(branches: tuple[str, ...] | str) -> str:
    return _string(branches) if isinstance(branches, str) else "[" + ", ".join(map(_string, branches)) + "]"


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
