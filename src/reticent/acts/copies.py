"""The act of naming copies and media: where what was severed may still stand, and until when.

What the server keeps is asked of the server; dumps and exports the site names are looked through for everybody on
the roster. Everything else is listed as not looked at, with the expiry somebody declared, or "unknown".
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from reticent.acts.opening import Opened
from reticent.acts.probe import has_roster, open_rosters
from reticent.acts.systems import SqlSystem
from reticent.errors import ReticentError
from reticent.model import Copy, Finding, NotLookedAt
from reticent.site import Copy as Declared
from reticent.site import duration
from reticent.stores.dumps import DumpScanner
from reticent.stores.sql.media import UNKNOWN

_ALWAYS = (
    (("snapshot",), "snapshots of the disks", "no server knows of them; name them as copies"),
    (("backup",), "backups", "none is named"),
    (("dump", "export"), "dumps and exports", "none is named"),
)
"""Kinds that every system has until somebody names one. The maps leave them, and what a server keeps, to this list."""
_ELSEWHERE = ("replica", "subscription")
"""Kinds that are other machines: one that is named is not all that the server knows of."""


def copies(opened: Opened, system: SqlSystem, *, scan: bool = True) -> list[Copy]:
    """Return every copy of one system that is named, or known to its server; ``scan``: look through the files."""
    declared = opened.site.systems[system.name].copies
    found, others = _joined(system.finder.media(), declared)
    found += list(_named(opened, system.name, others, scan=scan))
    named = {one.kind for one in declared.values()}
    for kinds, medium, why in _ALWAYS:
        if named.isdisjoint(kinds):
            found.append(
                Copy(system.name, kinds[0], medium, "everything of their day", UNKNOWN, f"not looked at: {why}")
            )
    return found


def _joined(media: list[Copy], declared: dict[str, Declared]) -> tuple[list[Copy], dict[str, Declared]]:
    """Return what the server keeps, with name, expiry and contact of who declared it, and the other declared copies."""
    found, others = [], dict(declared)
    for kept in media:
        of_it = [name for name, one in others.items() if one.kind == kept.kind and one.kind not in _ELSEWHERE]
        for name in of_it[:1]:
            one = others[name] if others[name].paths else others.pop(name)
            kept = replace(kept, expires=one.expires or kept.expires)
            if not one.paths:
                kept = replace(kept, medium=f"{name}: {kept.medium}", said=kept.said + _ask(one))
        found.append(kept)
    return found, others


def _ask(one: Declared) -> str:
    return f"; ask {one.contact}" if one.contact else ""


def _named(opened: Opened, system: str, declared: dict[str, Declared], *, scan: bool) -> Iterator[Copy]:
    files = {name: _files(opened.site.folder, one) for name, one in declared.items()}
    said = _scanned(opened, sorted({file for found in files.values() for file in found})) if scan else {}
    for name, one in declared.items():
        expires = one.expires or UNKNOWN
        for file in files[name]:
            looked = said.get(file, ("not looked at", False))
            overdue = _overdue(file, one, opened.clock.now())
            yield Copy(
                system, one.kind, f"{name}: {file.name}", "what stood there on its day", expires, *looked, overdue
            )
        if not files[name]:
            why = "there is no such file" if one.paths else "it names no files"
            left = f"not looked at: {why}{_ask(one)}"
            yield Copy(system, one.kind, name, "what stood there on its day", expires, left)


def _files(folder: Path, one: Declared) -> list[Path]:
    return sorted({Path(name) for pattern in one.paths for name in glob.glob(str(folder / pattern))})


def _overdue(file: Path, one: Declared, now: datetime) -> bool:
    """Whether a file is older than it is declared to become."""
    try:
        longest = duration(one.expires)
        written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except (ValueError, OSError):
        return False
    return now - written > longest


def _scanned(opened: Opened, files: list[Path]) -> dict[Path, tuple[str, bool]]:
    if not files:
        return {}
    if not has_roster(opened):
        return dict.fromkeys(files, ("not looked at: no system of the site gives a roster account", False))
    try:
        with ExitStack() as stack:
            rosters = open_rosters(opened, stack)
            return DumpScanner(rosters.disclosers).scan(rosters.permits(), files)
    except ReticentError as error:
        return dict.fromkeys(files, (f"not looked at: {error.what}", False))


def new_exposures(opened: Opened, system: SqlSystem, found: list[Copy], *, remember: bool) -> list[str]:
    """Return the views that show persons and the publications that were not there at the last `find`.

    ``remember``: this is a `find`, which lists them.
    """
    views = {f"{place.why} {place.name}" for place in system.finder.database.fit.shown}
    declared = opened.site.systems[system.name].copies
    sent = {one.medium for one in found if one.kind == "subscription" and one.medium not in declared}
    there = sorted(views | sent)
    listed = opened.book.fact(f"exposures {system.name}")
    if remember:
        opened.book.set_fact(f"exposures {system.name}", json.dumps(there))
    return [name for name in there if listed is not None and name not in json.loads(listed)]


def findings(found: list[Copy]) -> Iterator[Finding]:
    """Yield what breaks the promise: a copy that should be gone."""
    for one in found:
        if one.overdue:
            advice = (
                f"It was declared to expire after {one.expires} and is still there. Remove it, or correct the file."
            )
            yield Finding("overdue copy", one.system, one.medium, 1, advice)


def not_looked_at(found: list[Copy]) -> Iterator[NotLookedAt]:
    """Yield each copy as a place where what was severed may still stand."""
    for one in found:
        yield NotLookedAt(one.system, one.medium, f"severed is not purged; expires: {one.expires}; {one.said}")
