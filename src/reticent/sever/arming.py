"""When may a series run by itself? The rules of arming and disarming, without I/O."""

from __future__ import annotations

import hashlib
import json

from reticent.sever.plan import Fingerprints, PlannedStep

TRIAL_ROWS = 100
LEAST_USUAL = 100
UNUSUAL = 3
"""A due count this many times the usual one disarms: something else than daily life produced it."""


def fingerprint(now: Fingerprints, system: str, table_digest: str) -> str:
    """Return what an arming is bound to: map, table, policy, site and version."""
    parts = [now.maps[system], table_digest, now.policy, now.site, now.reticent]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def why_disarm(step: PlannedStep, armed_as: str, now_as: str, usual: int) -> str:
    """Return why an armed series must not run, "" if it may."""
    if armed_as != now_as:
        return "the map, the table, the policy, reticent.toml or the version of Reticent has changed"
    if step.rows > UNUSUAL * max(usual, LEAST_USUAL):
        return f"{step.rows} ties are due, more than {UNUSUAL} times the usual {max(usual, LEAST_USUAL)}"
    return ""


def new_usual(usual: int, severed: int) -> int:
    """Return the usual due count after a run: it follows slowly, so that a backlog is forgotten."""
    return (usual + severed) // 2
