"""The acts around unattended severing: a trial of 100 rows, a custodian's signature, the nightly run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from reticent.acts.officers import sitting
from reticent.acts.opening import Opened, Progress
from reticent.acts.plan import current, plan
from reticent.acts.sever import pending, sever
from reticent.errors import ConfigurationError, NotPermitted, SystemRefused, UsageError
from reticent.keyring import officers
from reticent.ledger.entries import Actor, Cause, Kind
from reticent.sever.arming import TRIAL_ROWS, fingerprint, new_usual, why_disarm
from reticent.sever.plan import Plan, PlannedStep
from reticent.sever.result import RunResult
from reticent.state.armings import ARMED, DISARMED, TRIED


@dataclass(frozen=True)
class Statement:
    """What the custodian must sign to arm a series, and where it was written."""

    step: str
    path: Path
    trial: RunResult


def try_series(opened: Opened, step: str, progress: Progress, confirm: Callable[[PlannedStep], None]) -> Statement:
    """Sever at most 100 rows of one series, or one file of a log, and write the statement the custodian signs."""
    whole = plan(opened, progress, only=step)
    planned = _one(whole, step)
    if not planned.rows:
        raise UsageError(f"{step} has nothing due to try.", do="Try again when `reticent plan` shows rows.")
    few = replace(planned, rows=min(TRIAL_ROWS, planned.rows), chunks=1)
    confirm(few)
    trial = replace(whole, steps=(few,))
    opened.book.save_plan(trial.digest, trial.document(), opened.clock.now())
    result = sever(opened, trial, progress, Kind.TRIAL_RUN)
    if result.stopped or result.held:
        why = result.stopped or "; ".join(result.notes)
        raise SystemRefused(f"The trial stopped: {why}.", where=step, do="Mend the cause and try again.")
    now_as = _fingerprint(opened, step)
    opened.armings.set(step, TRIED, now_as, planned.rows, opened.clock.now(), "trial done")
    path = opened.site.state_path / f"arm-{step.replace('/', '-')}.txt"
    path.write_bytes(_statement(step, now_as))
    return Statement(step, path, result)


def arm(opened: Opened, step: str, signature: bytes) -> None:
    """Arm a tried series by the custodian's signature. Raises NotPermitted or EvidenceBroken."""
    arming, now_as = opened.armings.get(step), _fingerprint(opened, step)
    if arming is None or arming.state == DISARMED or arming.fingerprint != now_as:
        raise NotPermitted(
            f"{step} was not tried as it stands now.",
            do=f"Run `reticent arm {step}` for a trial of {TRIAL_ROWS} rows, look at the result, then sign.",
        )
    custodian = next((one for one in sitting(opened) if one.role == "custodian"), None)
    if custodian is None:
        raise ConfigurationError("The site names no custodian.", where=f"{opened.site.file} [officers]", do="Add one.")
    message = _statement(step, now_as)
    officers.verify(custodian.sign, message, signature)
    opened.armings.set(step, ARMED, now_as, arming.usual, opened.clock.now(), "signed by the custodian")
    system, series = step.split("/")
    opened.record(
        Kind.ARMED,
        f"arm {step} {opened.clock.now().isoformat()}",
        Actor.CUSTODIAN,
        system=system,
        series=series,
        statement=hashlib.sha256(message).hexdigest(),
        approvals=1,
    )


def disarm(opened: Opened, step: str, why: str, cause: Cause = Cause.ASKED, actor: Actor = Actor.OPERATOR) -> None:
    """Disarm a series. Raises UsageError if it was never tried."""
    arming = opened.armings.get(step)
    if arming is None:
        raise UsageError(f"{step} is not armed.", do="See `reticent arm --list`.")
    opened.armings.set(step, DISARMED, arming.fingerprint, arming.usual, opened.clock.now(), why)
    system, series = step.split("/")
    once = f"disarm {step} {opened.clock.now().isoformat()}"
    opened.record(Kind.DISARMED, once, actor, system=system, series=series, cause=cause)


def sever_armed(opened: Opened, progress: Progress) -> RunResult:
    """Finish an interrupted run, else sever what is due in the armed series. Raises NotPermitted."""
    if (unfinished := pending(opened)) is not None:
        return sever(opened, unfinished, progress, actor=Actor.TIMER)
    if not any(arming.state == ARMED for arming in opened.armings.all()):
        raise NotPermitted(
            "No series is armed.", do="Run `reticent arm SYSTEM/SERIES`; docs/how-to/run-every-night.md shows the way."
        )
    whole = plan(opened, progress)
    kept, notes = _still_armed(opened, whole)
    small = replace(whole, steps=kept)
    opened.book.save_plan(small.digest, small.document(), opened.clock.now())
    result = sever(opened, small, progress, actor=Actor.TIMER)
    for step in result.steps:
        _learn(opened, f"{step.system}/{step.series}", step.severed)
    result.notes += notes
    result.held = result.held or bool(notes)
    return result


def _still_armed(opened: Opened, whole: Plan) -> tuple[tuple[PlannedStep, ...], list[str]]:
    planned = {step.name: step for step in whole.steps}
    kept, notes = [], []
    for arming in opened.armings.all():
        step = planned.get(arming.step)
        if arming.state != ARMED:
            continue
        now_as = _fingerprint(opened, arming.step)
        if why := why_disarm(step or _empty(arming.step), arming.fingerprint, now_as, arming.usual):
            cause = Cause.UNUSUAL_COUNT if arming.fingerprint == now_as else Cause.SCHEMA_CHANGED
            disarm(opened, arming.step, why, cause, Actor.TIMER)
            notes.append(f"{arming.step} is disarmed: {why}")
        elif step is not None:
            kept.append(step)
    return tuple(step for step in whole.steps if step in kept), notes


def _empty(step: str) -> PlannedStep:
    system, series = step.split("/")
    return PlannedStep(system, series, "", "", 0, 0, {}, 0, "")


def _learn(opened: Opened, step: str, severed: int) -> None:
    arming = opened.armings.get(step)
    if arming is not None:
        usual = new_usual(arming.usual, severed)
        opened.armings.set(step, arming.state, arming.fingerprint, usual, opened.clock.now(), arming.why)


def _one(whole: Plan, step: str) -> PlannedStep:
    for planned in whole.steps:
        if planned.name == step:
            return planned
    if step in whole.not_planned:
        raise SystemRefused(f"{step} is not touched here: {whole.not_planned[step]}.", do="See `reticent find`.")
    raise UsageError(f"{step} holds nothing to sever.", do="Name a step as `reticent plan` shows it: system/series.")


def _fingerprint(opened: Opened, step: str) -> str:
    fingerprints, systems = current(opened)
    name, _, series = step.partition("/")
    if name not in systems:
        raise UsageError(f'There is no system "{name}".', do="Name a step as `reticent plan` shows it: system/series.")
    if series not in {each.id for each in systems[name].series()}:
        raise UsageError(f'{name} has no series "{series}".', do="Name a step as `reticent plan` shows it.")
    table = systems[name].structure_digest(series)
    for system in systems.values():
        system.close()
    return fingerprint(fingerprints, name, table)


def _statement(step: str, now_as: str) -> bytes:
    return officers.statement("arm", {"series": hashlib.sha256(step.encode()).hexdigest(), "fingerprint": now_as})
