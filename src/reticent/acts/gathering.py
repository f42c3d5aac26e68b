"""Gathers ties under permits from every system that can be searched; says which could not, and why.

The accounts that read names are entered for the occasion, held in memory, and gone with the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from reticent.acts.log_system import KINDS as LOGS
from reticent.acts.log_system import LogSystem
from reticent.acts.opening import Opened, declared, map_of
from reticent.errors import ConfigurationError, ReticentError, UsageError
from reticent.guard.handover import Gathered, Searched, Tie, inside
from reticent.model import NotLookedAt, SeriesFacts
from reticent.policy.gate import Gate
from reticent.policy.permits import Permit, Scope
from reticent.stores.logs.discloser import LogDiscloser
from reticent.stores.sql.database import open_database
from reticent.stores.sql.discloser import SqlDiscloser

Asked = Mapping[str, tuple[Permit, Scope]]
"""System -> the permit for it, and what it covers."""
Accounts = Mapping[str, str]
"""System -> the URL of an account that may read names there. Never printed, never stored."""


class Door(Protocol):
    """A discloser with what a search needs around it."""

    left_out: list[NotLookedAt]

    def ties(self, permit: object) -> Iterator[Tie]:
        """Stream the ties inside a permit's scope."""
        ...

    def counts(self, permit: object) -> Mapping[str, int]:
        """Count them, series by series."""
        ...

    def close(self) -> None:
        """Let go of the system."""
        ...


def searchable(opened: Opened) -> list[str]:
    """Return the systems permits are asked for: all that are not only declared."""
    return [name for name, system in opened.site.systems.items() if system.kind != "declared"]


def asked(opened: Opened, permits: Sequence[Permit], scope: Scope) -> Asked:
    """Return one scope's permits by system, as the gate struck them for ``searchable``."""
    return {name: (permit, scope) for name, permit in zip(searchable(opened), permits, strict=True)}


def gather(opened: Opened, gate: Gate, permits: Asked, accounts: Accounts) -> Gathered:
    """Open the permits and gather what is inside; a system that fails is named, the others go on."""
    ties: list[Tie] = []
    outside = 0

    def take(name: str, door: Door, permit: Permit) -> int:
        nonlocal outside
        before = len(ties)
        for tie in door.ties(permit):
            if inside(tie, permits[name][1]):
                ties.append(tie)
            else:
                outside += 1
        return len(ties) - before

    everywhere = _everywhere(opened, gate, permits, accounts, take)
    withheld = {"a store answered with more than the scope": outside} if outside else {}
    return replace(everywhere, ties=ties, withheld=withheld)


def count(opened: Opened, gate: Gate, permits: Asked, accounts: Accounts) -> tuple[dict[str, int], Gathered]:
    """Return series -> ties inside the permits' scope, and where was looked; no tie is handed out."""
    counts: dict[str, int] = {}

    def take(name: str, door: Door, permit: Permit) -> int:
        found = door.counts(permit)
        counts.update({f"{name}/{series}": rows for series, rows in found.items()})
        return sum(found.values())

    return counts, _everywhere(opened, gate, permits, accounts, take)


Take = Callable[[str, Door, Permit], int]


def _everywhere(opened: Opened, gate: Gate, permits: Asked, accounts: Accounts, take: Take) -> Gathered:
    searched: list[Searched] = []
    away = [*_declared(opened)]
    series: dict[str, SeriesFacts] = {}
    identity: dict[str, tuple[str, ...]] = {}
    for name in searchable(opened):
        if name not in permits:
            away.append(NotLookedAt(name, "all of it", "no identifier for it was given"))
            continue
        try:
            there = _open(opened, gate, name, accounts)
        except ConfigurationError:
            raise
        except ReticentError as error:
            searched.append(Searched(name, 0, error.what))
            continue
        away += there.elsewhere
        series |= {f"{name}/{facts.id}": facts for facts in there.series}
        identity |= {f"{name}/{one}": there.who for one in there.roster}
        searched.append(_searched(name, there.door, permits[name][0], take))
        away += there.door.left_out
        there.door.close()
    return Gathered((), searched, _merged(away), series=series, identity=identity)


def _merged(away: Sequence[NotLookedAt]) -> list[NotLookedAt]:
    """Name each place once, with every reason; "backups" only where the system itself does not name its own."""
    named = {one.system for one in away if one.place != "backups" and "backups" in f"{one.place} {one.why}"}
    why: dict[tuple[str, str], list[str]] = {}
    for one in away:
        if one.place != "backups" or one.system not in named:
            why.setdefault((one.system, one.place), []).append(one.why)
    return [NotLookedAt(*place, "; ".join(dict.fromkeys(reasons))) for place, reasons in why.items()]


def _searched(name: str, door: Door, permit: Permit, take: Take) -> Searched:
    try:
        return Searched(name, take(name, door, permit))
    except ReticentError as error:
        return Searched(name, 0, error.what)


@dataclass(frozen=True)
class _There:
    """One system opened: its door, its series, and what of it nobody searches.

    ``roster``: the series whose records are the roster itself; ``who``: its fields that tell who somebody is.
    """

    door: Door
    series: Sequence[SeriesFacts]
    elsewhere: Sequence[NotLookedAt]
    roster: Sequence[str] = ()
    who: tuple[str, ...] = ()


def _open(opened: Opened, gate: Gate, name: str, accounts: Accounts) -> _There:
    site, system = opened.site, opened.site.systems[name]
    away = [NotLookedAt(name, "backups", "what left the system in a backup or dump is not searched")]
    away += [NotLookedAt(name, "replicas", "they are copies of what was searched")] if system.replicas else []
    if system.kind in LOGS:
        logs = LogSystem(name, site)
        reader = LogDiscloser(name, logs.store, logs.series(), gate.open)
        return _There(reader, logs.series(), [*away, *logs.not_looked_at()])
    loaded = map_of(site, name)
    if name not in accounts:
        raise UsageError(f"No account that may read names was entered for {name}.")
    engine, database = open_database(site, name, loaded)
    engine.dispose()
    away.append(NotLookedAt(name, "what the database server keeps itself", "binary log, redo, undo and old rows"))
    away += [NotLookedAt(name, place.place, place.why) for place in loaded.elsewhere]
    series = [one.facts() for one in loaded.series]
    door = SqlDiscloser(accounts[name], database, gate.open)
    if loaded.roster is None:
        return _There(door, series, away)
    own = [one.id for one in loaded.series if one.table == loaded.roster.table]
    return _There(door, series, away, own, loaded.roster.identifiers)


def _declared(opened: Opened) -> Iterator[NotLookedAt]:
    for name, system in opened.site.systems.items():
        if system.kind == "declared":
            yield declared(name, system)
    yield NotLookedAt("elsewhere", "vendors, paper, and systems reticent.toml does not name", "nobody declared them")
