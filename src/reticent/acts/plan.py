"""The act of planning: the dry run. Opens every system, counts, and writes one document with a digest."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from dataclasses import replace
from datetime import datetime

from reticent import __version__
from reticent.acts.gate import digest_in_force
from reticent.acts.opening import Opened, Progress, open_systems
from reticent.acts.systems import OpenSystem
from reticent.errors import ReticentError, SystemRefused
from reticent.model import NotLookedAt, SeriesFacts
from reticent.policy.retention import DEFAULTS, cutoff
from reticent.sever.plan import Fingerprints, Plan, PlannedStep, chunks
from reticent.site import Site


def plan(opened: Opened, progress: Progress, only: str | None = None) -> Plan:
    """Make and remember a plan; ``only`` restricts it to one step. Raises what a system raises."""
    systems = []
    for system in open_systems(opened.site):
        if isinstance(system, tuple):
            raise system[1]
        if not isinstance(system, NotLookedAt):
            systems.append(system)
    made = opened.clock.now()
    empty = Plan(opened.site.library.name, made.isoformat(), fingerprints(opened, systems), {}, ())
    cutoffs: dict[str, str] = {}
    not_planned: dict[str, str] = {}
    steps: list[PlannedStep] = []
    breaks: list[str] = []
    for system in systems:
        with closing(system):
            part = _SystemPlan(opened.site, system, progress, only)
            part.make()
        cutoffs |= part.cutoffs
        steps += part.steps
        breaks += part.breaks
        not_planned |= part.not_planned
    ordered = tuple(sorted(steps, key=lambda step: (step.order, step.name)))
    done = replace(empty, cutoffs=cutoffs, steps=ordered, breaks=tuple(breaks), not_planned=not_planned)
    opened.book.save_plan(done.digest, done.document(), made)
    return done


def fingerprints(opened: Opened, systems: list[OpenSystem]) -> Fingerprints:
    """Return what a plan made now would be made from; a policy is its retention and the bundle in force."""
    retention = {key: length.total_seconds() for key, length in sorted(DEFAULTS.items())}
    policy = json.dumps([retention, digest_in_force(opened)])
    return Fingerprints(
        site=opened.site.fingerprint(),
        policy=hashlib.sha256(policy.encode()).hexdigest(),
        reticent=__version__,
        maps={system.name: system.map_digest for system in systems},
        structures={system.name: system.structure_digest() for system in systems},
    )


class _SystemPlan:
    """The part of a plan that concerns one system."""

    def __init__(self, site: Site, system: OpenSystem, progress: Progress, only: str | None) -> None:
        self._site, self._system, self._progress, self._only = site, system, progress, only
        self._now = system.now()
        self.cutoffs: dict[str, str] = {}
        self.steps: list[PlannedStep] = []
        self.breaks: list[str] = []
        self.not_planned = {f"{system.name}/{s}": why for s, why in system.refused.items()}

    def make(self) -> None:
        """Survey every series that can be severed."""
        here = [series for series in self._system.series() if series.severable]
        for number, series in enumerate(here):
            if self._only in (None, f"{self._system.name}/{series.id}"):
                self._progress(f"{self._system.name}: {series.title}", number, len(here))
                self._step(series)

    def _step(self, series: SeriesFacts) -> None:
        name = f"{self._system.name}/{series.id}"
        limit = cutoff(self._site, self._system.name, series, self._now, recorded=True)
        survey = self._system.survey(series.id, limit)
        if survey.due == 0 and not survey.withheld:
            return
        if isinstance(limit, datetime):
            self.cutoffs[name] = limit.isoformat()
        (step,) = self._system.steps(series.id)
        self.steps.append(
            PlannedStep(
                self._system.name,
                series.id,
                step.place,
                ", ".join(step.dispositions),
                survey.due,
                chunks(survey.due),
                dict(survey.withheld),
                step.order,
                step.walk,
            )
        )
        if survey.due:
            self.breaks += [f"{name}: {change}" for change in self._system.breaks(series.id)]


def current(opened: Opened) -> tuple[Fingerprints, dict[str, OpenSystem]]:
    """Open every system and return today's fingerprints. Raises what a system raises."""
    systems: dict[str, OpenSystem] = {}
    for system in open_systems(opened.site):
        if isinstance(system, tuple):
            error: ReticentError = system[1]
            raise error
        if not isinstance(system, NotLookedAt):
            systems[system.name] = system
    if not systems:
        raise SystemRefused("No system of this site can be severed.", do="Add one to reticent.toml.")
    return fingerprints(opened, list(systems.values())), systems
