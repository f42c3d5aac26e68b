"""Who the sitting officers are: as first seen, then changed only under the signatures of two who sit.

Editing reticent.toml makes nobody an officer: until two sitting officers have signed the change, nothing
that needs an officer is done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reticent.errors import NotPermitted, UsageError
from reticent.keyring import officers as signatures
from reticent.keyring.officers import Officer
from reticent.ledger.entries import Actor, Kind
from reticent.site import Site
from reticent.state.book import Book

if TYPE_CHECKING:
    from reticent.acts.opening import Opened

FACT = "officers"
"""The fact that keeps who sits: role -> name, signing key, age key. Officers are public."""
Sitting = Mapping[str, tuple[str, str, str]]


@dataclass(frozen=True)
class Change:
    """A change of officers: who leaves or changes, and how far it is signed."""

    statement: Path
    roles: tuple[str, ...]
    done: bool


def sitting(opened: Opened) -> tuple[Officer, ...]:
    """Return the officers of reticent.toml, if they are those who sit; see ``seated``."""
    return seated(opened.site, opened.book)


def seated(site: Site, book: Book) -> tuple[Officer, ...]:
    """Return the officers of reticent.toml, if they are those who sit; the first ever named are taken as given.

    Raises NotPermitted while a change waits for two sitting officers' signatures.
    """
    now, before = _named(site), _known(book)
    if before is None and now:
        # No ledger entry: that the gate was first asked today may be about a sealed inquiry.
        book.set_fact(FACT, json.dumps(now))
    elif before is not None and now != before:
        raise NotPermitted(
            f"The officers of reticent.toml are not those who sit; changed: {', '.join(_changed(before, now))}.",
            where=f"{site.file} [officers]",
            do="Two sitting officers sign the change: reticent policy officers. Or put the file back.",
        )
    return tuple(Officer(role, name, sign) for role, (name, sign, _) in now.items())


def change(opened: Opened, given: Mapping[str, bytes]) -> Change:
    """Write what two sitting officers sign, and with their signatures put the change in force.

    Raises UsageError where nothing changed, NotPermitted and EvidenceBroken for signatures that do not do.
    """
    now, before = _named(opened.site), _known(opened.book)
    if before is None or now == before:
        raise UsageError("The officers of reticent.toml are those who sit.", do="Change [officers] first.")
    text = signatures.statement("officers", {"before": _digest(before), "after": _digest(now)})
    path = opened.site.state_path / "change-officers.txt"
    path.write_bytes(text)
    roles = _changed(before, now)
    if not given:
        return Change(path, roles, done=False)
    old = [Officer(role, name, sign) for role, (name, sign, _) in before.items()]
    signatures.require_two(old, text, {role: armour.decode("ascii", "replace") for role, armour in given.items()})
    signed = hashlib.sha256(text).hexdigest()
    fields: dict[str, object] = {"key": _digest(now), "approvals": len(given), "statement": signed}
    opened.record(Kind.OFFICER_CHANGED, f"officers {signed}", Actor.OFFICERS, **fields)
    opened.book.set_fact(FACT, json.dumps(now))
    path.unlink()
    return Change(path, roles, done=True)


def _named(site: Site) -> dict[str, tuple[str, str, str]]:
    return {role: (one.name, one.sign, one.age) for role, one in sorted(site.officers.items())}


def _known(book: Book) -> dict[str, tuple[str, str, str]] | None:
    kept = book.fact(FACT)
    if kept is None:
        return None
    return {role: (name, sign, age) for role, (name, sign, age) in json.loads(kept).items()}


def _changed(before: Sitting, now: Sitting) -> tuple[str, ...]:
    return tuple(role for role in sorted({*before, *now}) if before.get(role) != now.get(role))


def _digest(officers: Sitting) -> str:
    return hashlib.sha256(json.dumps(officers, sort_keys=True).encode()).hexdigest()
