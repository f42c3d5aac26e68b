"""The acts of placing and releasing a hold by hand: one officer signs, and holds alone for ten working days at most."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from reticent.acts.gathering import searchable
from reticent.acts.log_system import KINDS as LOGS
from reticent.acts.log_system import series_of, sources
from reticent.acts.officers import sitting
from reticent.acts.opening import Opened, map_of
from reticent.errors import ConfigurationError, NotPermitted, ReticentError, UsageError
from reticent.guard.clocks import after_working_days
from reticent.guard.effects import ALONE_WORKING_DAYS, end
from reticent.keyring import officers as signatures
from reticent.ledger.entries import Actor, Kind
from reticent.model import RecordClass
from reticent.state.hold_book import Hold, scopes_of

_PLACES = ("custodian", "alternate")
_RELEASES = (*_PLACES, "counsel")
_CONFIRM = "Register the paper and have two officers confirm: reticent inquiry advance INQUIRY confirm-hold."


@dataclass(frozen=True)
class Done:
    """A hold placed or released, by number; or none yet, and where stands what an officer has still to sign."""

    number: int
    statement: Path | None = None


def place(opened: Opened, scope: str, until: datetime, signed: Mapping[str, bytes]) -> Done:
    """Pause the series a scope names until a day, as custodian or alternate may alone: for ten working days at most.

    ``signed``: role -> signature of the statement that is written where there is none. Raises UsageError for a
    scope that names nothing, NotPermitted for a later day and for a scope that shares a series with a hold by hand
    of another day, until ten working days after that ended: renewing is no way round two signatures.
    """
    _require_named(opened, scope)
    ends = until.replace(tzinfo=UTC)
    if ends <= opened.clock.now():
        raise UsageError("A hold must end in the future.", do="Give a later day with --until.")
    last = end(after_working_days(_today(opened), ALONE_WORKING_DAYS, opened.site.library.closed))
    if ends > last:
        raise NotPermitted(
            f"One officer holds alone for ten working days at most: until {last - timedelta(days=1):%Y-%m-%d}.",
            where=f"hold on {scope}",
            do=_CONFIRM,
        )
    _ = opened.book
    require_first(opened, [scope])
    about = {"scope": scope, "until": ends.isoformat(), "epoch": str(opened.holds.epoch())}
    by = _signer(opened, "place_hold", about, signed, _PLACES)
    if isinstance(by, Path):
        return Done(0, by)
    number = opened.holds.place(scope, ends)
    opened.record(Kind.HOLD_PLACED, f"hold {number}", by, epoch=opened.holds.epoch())
    return Done(number)


def release(opened: Opened, number: int, signed: Mapping[str, bytes]) -> Done:
    """Release a hold, signed by an officer. Raises UsageError if there is none of that number in force."""
    hold = next((one for one in opened.holds.all() if one.id == number and one.released is None), None)
    if hold is None:
        raise UsageError(f"There is no hold {number} in force.", do="See `reticent hold list`.")
    about = {"hold": str(number), "scope": hold.scope, "placed": hold.placed}
    by = _signer(opened, "release_hold", about, signed, _RELEASES)
    if isinstance(by, Path):
        return Done(0, by)
    opened.holds.release(number)
    opened.record(Kind.HOLD_RELEASED, f"release hold {number}", by, epoch=opened.holds.epoch())
    return Done(number)


def require_first(opened: Opened, scopes: Sequence[str]) -> None:
    """Refuse what would prolong a hold by hand: what shares a series with one waits ten working days more.

    What was placed today may be placed again, under another word too: it ends no later.
    """
    today = _today(opened)
    for hold in opened.holds.all():
        ended = datetime.fromisoformat(hold.released or hold.until).astimezone(UTC).date()
        if datetime.fromisoformat(hold.placed).date() == today:
            continue
        if today <= after_working_days(ended, ALONE_WORKING_DAYS, opened.site.library.closed) and _share(
            opened, hold, scopes
        ):
            raise NotPermitted(
                f"One officer held {hold.scope} alone until {ended}; two officers prolong a hold.",
                where=f"hold {hold.id}",
                do=_CONFIRM,
            )


def _require_named(opened: Opened, scope: str) -> None:
    systems = opened.site.systems
    system, _, series = scope.partition("/")
    if scope not in {"*", *RecordClass, *systems} and not (
        system in systems and (system, series) in {(name, one) for name, one, _ in _series(opened, system)}
    ):
        raise UsageError(f'"{scope}" names nothing.', do="Name a record class, a system, system/series, or *.")


def _share(opened: Opened, hold: Hold, scopes: Sequence[str]) -> bool:
    """Whether a hold and new scopes cover a series in common, whatever words name it."""
    if {hold.scope, "*"} & {*scopes} or hold.scope == "*":
        return True
    every = [scopes_of(*one) for name in searchable(opened) for one in _series(opened, name)]
    return any(hold.scope in words and words & {*scopes} for words in every)


def _series(opened: Opened, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield (system, series, record class) of a system. One that cannot be read has a series of every class."""
    site = opened.site
    try:
        logs = site.systems[name].kind in LOGS
        found = (
            series_of(site, name, sources(site, name)) if logs else (one.facts() for one in map_of(site, name).series)
        )
        yield from [(name, facts.id, facts.record_class) for facts in found]
    except ReticentError:
        yield from ((name, record_class, record_class) for record_class in RecordClass)


def _signer(
    opened: Opened, act: str, about: Mapping[str, str], signed: Mapping[str, bytes], roles: Sequence[str]
) -> Actor | Path:
    """Return who signed; without a signature, where what is to be signed was written.

    Raises ConfigurationError where nobody sits who could sign, NotPermitted or EvidenceBroken for a signature
    that does not do.
    """
    able = {one.role: one for one in sitting(opened) if one.role in roles}
    if not able:
        raise ConfigurationError(
            "The site names no officer who may sign for a hold.",
            where=f"{opened.site.file} [officers]",
            do="Add the custodian and the alternate: docs/how-to/key-ceremony.md.",
        )
    text = signatures.statement(
        act, {name: hashlib.sha256(value.encode()).hexdigest() for name, value in about.items()}
    )
    path = opened.site.state_path / f"{act.replace('_', '-')}.txt"
    if not signed:
        path.write_bytes(text)
        return path
    for role, armour in signed.items():
        if role not in able:
            raise NotPermitted("This is not theirs to sign.", do=f"One of these signs: {', '.join(sorted(able))}.")
        signatures.verify(able[role].sign, text, armour)
    path.unlink(missing_ok=True)
    return Actor(min(signed)) if len(signed) == 1 else Actor.OFFICERS


def _today(opened: Opened) -> date:
    return opened.clock.now().astimezone(UTC).date()
