"""Gathers ties under permits from every system that can be searched; says which could not, and why.

The accounts that read names are entered for the occasion, held in memory, and gone with the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from reticent.acts.log_system import KINDS as LOGS
from reticent.acts.log_system import LogSystem
from reticent.acts.opening import Opened, declared, map_of
from reticent.errors import ConfigurationError, ReticentError, UsageError
from reticent.guard.handover import Gathered, Searched, Tie, inside
from reticent.model import NotLookedAt
from reticent.policy.gate import Gate
from reticent.policy.permits import Permit, Scope
from reticent.stores.logs.discloser import LogDiscloser
from reticent.stores.sql.database import open_database
from reticent.stores.sql.discloser import SqlDiscloser

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


def gather(opened: Opened, gate: Gate, permits: Sequence[Permit], scope: Scope, accounts: Accounts) -> Gathered:
    """Open one permit a system and gather what is inside; a system that fails is named, the others go on."""
    ties: list[Tie] = []
    searched: list[Searched] = []
    away = [*_declared(opened)]
    outside = 0

    def take(door: Door, permit: Permit) -> int:
        nonlocal outside
        before = len(ties)
        for tie in door.ties(permit):
            if inside(tie, scope):
                ties.append(tie)
            else:
                outside += 1
        return len(ties) - before

    for name, permit in zip(searchable(opened), permits, strict=True):
        searched.append(_searched(opened, gate, name, permit, accounts, away, take))
    withheld = {"a store answered with more than the scope": outside} if outside else {}
    return Gathered(ties, searched, away, withheld)


def count(opened: Opened, gate: Gate, permits: Sequence[Permit], accounts: Accounts) -> tuple[dict[str, int], Gathered]:
    """Return series -> ties inside the permits' scope, and where was looked; no tie is handed out."""
    counts: dict[str, int] = {}
    searched: list[Searched] = []
    away = [*_declared(opened)]

    def take(door: Door, permit: Permit) -> int:
        found = door.counts(permit)
        counts.update({f"{name}/{series}": rows for series, rows in found.items()})
        return sum(found.values())

    for name, permit in zip(searchable(opened), permits, strict=True):
        searched.append(_searched(opened, gate, name, permit, accounts, away, take))
    return counts, Gathered((), searched, away)


def _searched(
    opened: Opened,
    gate: Gate,
    name: str,
    permit: Permit,
    accounts: Accounts,
    away: list[NotLookedAt],
    take: Callable[[Door, Permit], int],
) -> Searched:
    try:
        door, elsewhere = _open(opened, gate, name, accounts)
    except ConfigurationError:
        raise
    except ReticentError as error:
        return Searched(name, 0, error.what)
    away += elsewhere
    try:
        return Searched(name, take(door, permit))
    except ReticentError as error:
        return Searched(name, 0, error.what)
    finally:
        away += door.left_out
        door.close()


def _open(opened: Opened, gate: Gate, name: str, accounts: Accounts) -> tuple[Door, list[NotLookedAt]]:
    site, system = opened.site, opened.site.systems[name]
    away = [NotLookedAt(name, "backups", "what left the system in a backup is not searched")]
    away += [NotLookedAt(name, "replicas", "they are copies of what was searched")] if system.replicas else []
    if system.kind in LOGS:
        logs = LogSystem(name, site)
        return LogDiscloser(name, logs.store, logs.series(), gate.open), [*away, *logs.not_looked_at()]
    loaded = map_of(site, name)
    if name not in accounts:
        raise UsageError(f"No account that may read names was entered for {name}.")
    engine, database = open_database(site, name, loaded)
    engine.dispose()
    away += [NotLookedAt(name, place.place, place.why) for place in loaded.elsewhere]
    return SqlDiscloser(accounts[name], database, gate.open), away


def _declared(opened: Opened) -> Iterator[NotLookedAt]:
    for name, system in opened.site.systems.items():
        if system.kind == "declared":
            yield declared(name, system)
    yield NotLookedAt("elsewhere", "vendors, paper, and systems reticent.toml does not name", "nobody declared them")
