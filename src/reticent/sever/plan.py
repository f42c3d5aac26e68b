"""The dry run: what a severing run would do, fixed in one document with a digest.

A plan fixes cutoffs and the fingerprints of everything it was made from; its counts are ceilings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from reticent.errors import EvidenceBroken
from reticent.model import Step

# Rough figures for an estimate, measured on a sample library: rows a second with receipts, rows a chunk,
# bytes of undo and of a row-format binary log for a severed row (60 to 330 by series; full notices take more).
ROWS_PER_SECOND, ROWS_PER_CHUNK, UNDO_BYTES, BINLOG_BYTES = 8_000, 2_000, 160, 200


@dataclass(frozen=True)
class PlannedStep:
    """One step of a plan: ``rows`` is a ceiling, ``held_back`` says how many are left and why."""

    system: str
    series: str
    place: str
    disposition: str
    rows: int
    chunks: int
    held_back: Mapping[str, int]
    order: int
    walk: str

    @property
    def name(self) -> str:
        """``system/series``."""
        return f"{self.system}/{self.series}"

    def step(self) -> Step:
        """Return the step the stores know."""
        return Step(self.system, self.series, self.place, (self.disposition,), self.order, self.walk)


@dataclass(frozen=True)
class Fingerprints:
    """What a plan was made from; a run refuses when one of them has changed."""

    site: str
    policy: str
    reticent: str
    maps: Mapping[str, str]
    structures: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """A dry run. ``cutoffs``: step -> the database's local time before which purposes must have ended."""

    library: str
    made: str
    fingerprints: Fingerprints
    cutoffs: Mapping[str, str]
    steps: tuple[PlannedStep, ...]
    breaks: tuple[str, ...] = ()
    not_planned: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All rows the plan would sever."""
        return sum(step.rows for step in self.steps)

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical document without the digest."""
        return hashlib.sha256(json.dumps(self._body(), sort_keys=True).encode()).hexdigest()

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return body

    def document(self) -> dict[str, Any]:
        """Return the plan as JSON content, digest and estimates included."""
        estimates = {
            "seconds": round(self.total / ROWS_PER_SECOND, 1),
            "undo_bytes": self.total * UNDO_BYTES,
            "binlog_bytes": self.total * BINLOG_BYTES,
        }
        return {"digest": self.digest, **self._body(), "total": self.total, "estimates": estimates}

    def cutoff(self, step: str) -> datetime:
        """Return the fixed cutoff of a step."""
        return datetime.fromisoformat(self.cutoffs[step])


def read_plan(document: Mapping[str, Any], where: str) -> Plan:
    """Rebuild a plan from its document. Raises EvidenceBroken if it was edited or is not a plan."""
    try:
        steps = tuple(PlannedStep(**step) for step in document["steps"])
        plan = Plan(
            library=document["library"],
            made=document["made"],
            fingerprints=Fingerprints(**document["fingerprints"]),
            cutoffs=document["cutoffs"],
            steps=steps,
            breaks=tuple(document["breaks"]),
            not_planned=document["not_planned"],
        )
        digest = plan.digest
    except (KeyError, TypeError, ValueError):
        raise EvidenceBroken("This is not a plan.", where=where, do="Make one with `reticent plan --out`.") from None
    if digest != document.get("digest"):
        raise EvidenceBroken(
            "The plan was edited after it was made: its digest does not fit.",
            where=where,
            do="Make a new plan; change reticent.toml instead of the plan.",
        )
    return plan


def chunks(rows: int) -> int:
    """Return roughly how many chunks so many rows take."""
    return -(-rows // ROWS_PER_CHUNK)


def changed(plan: Plan, now: Fingerprints) -> list[str]:
    """Return what has changed since the plan was made, in words."""
    then = plan.fingerprints
    found = [
        name
        for name, before, after in (
            ("reticent.toml", then.site, now.site),
            ("the policy", then.policy, now.policy),
            ("the version of Reticent", then.reticent, now.reticent),
        )
        if before != after
    ]
    for system in sorted({*then.maps, *now.maps}):
        if then.maps.get(system) != now.maps.get(system):
            found.append(f"the map of {system}")
        if then.structures.get(system) != now.structures.get(system):
            found.append(f"the tables, keys or triggers of {system}")
    return found
