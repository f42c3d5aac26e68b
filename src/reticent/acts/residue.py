"""The act of looking for residue: does anybody of the whole roster stand in a text where nobody should?

Part of `check`, where the site gives an account for the roster. Names are read by that account, texts
by the prove account; neither may read both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from reticent.acts.gate import open_gate
from reticent.acts.opening import Opened
from reticent.acts.systems import SqlSystem
from reticent.errors import EvidenceBroken, NotPermitted
from reticent.model import Finding, NotLookedAt, Scanned
from reticent.prove.check import CheckResult
from reticent.stores.sql.discloser import SqlDiscloser
from reticent.stores.sql.scanner import SqlScanner

ONLY_TEXTS = "its texts were scanned for everybody on the roster; numbers alone were not"


def with_residue(opened: Opened, system: SqlSystem, found: CheckResult) -> CheckResult:
    """Return a system's check with what the scan of its free texts and unread tables says.

    Without a roster account, and where there is no such place, it stays as it is; where the gate refuses
    it says so. Raises what the system raises: what cannot be read is never called kept.
    """
    if not opened.site.systems[system.name].accounts.roster or system.loaded.roster is None:
        return found
    if not (tables := _tables(system)):
        return found
    try:
        scanned = _scan(opened, system, tables)
    except (NotPermitted, EvidenceBroken) as refused:
        left = NotLookedAt(system.name, "residue", refused.what)
        return replace(found, not_looked_at=(*found.not_looked_at, left))
    unread = tuple(NotLookedAt(system.name, table, why) for table, why in scanned.unread.items())
    return CheckResult(
        (*found.findings, *_findings(system, scanned)),
        (*found.checked, *(f"{place}: scanned for everybody on the roster" for place in scanned.places)),
        (*_still_not_looked_at(system, found, scanned), *unread),
    )


def _scan(opened: Opened, system: SqlSystem, tables: tuple[str, ...]) -> Scanned:
    gate, site, database = open_gate(opened), opened.site, system.finder.database
    with closing(SqlDiscloser(site.account(system.name, "roster"), database, gate.open)) as discloser:
        decision = gate.roster(discloser.persons(), [system.name]).require()
        with closing(SqlScanner(site.account(system.name, "prove"), database, discloser, tables)) as scanner:
            return scanner.scan(decision.permits[0])


def _tables(system: SqlSystem) -> tuple[str, ...]:
    """Return the free texts the map lists and the tables nobody has read, as far as they are here."""
    there = system.finder.database.structure.tables
    listed = [table for elsewhere in system.loaded.elsewhere for table in elsewhere.scan]
    unmapped = [place.name for place in system.finder.database.fit.unmapped]
    return tuple(table for table in dict.fromkeys([*listed, *unmapped]) if table in there)


def _findings(system: SqlSystem, scanned: Scanned) -> Iterator[Finding]:
    for place, met in scanned.hits.items():
        advice = (
            "Patrons' identifiers stand in this text, of about so many persons (blurred, so that it tells of nobody): "
            "find what writes them there, and empty it in the system."
        )
        yield Finding("residue", system.name, place, met, advice)


def _still_not_looked_at(system: SqlSystem, found: CheckResult, scanned: Scanned) -> Iterator[NotLookedAt]:
    """Yield what is left: places wholly scanned go, tables nobody has read were scanned for texts only."""
    there = system.finder.database.structure.tables
    whole = {
        one.place for one in system.loaded.elsewhere if one.scan and not any(t in scanned.unread for t in one.scan)
    }
    unmapped = {p.name for p in system.finder.database.fit.unmapped if p.name in there} - scanned.unread.keys()
    for place in found.not_looked_at:
        if place.place in unmapped:
            yield replace(place, why=f"{place.why}; {ONLY_TEXTS}")
        elif place.place not in whole:
            yield place
