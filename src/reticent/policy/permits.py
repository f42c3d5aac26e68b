"""Permits: the gate's answer that opens identities, once, for one scope, for a short while.

A permit is bytes and a seal. The seal is an HMAC under a random key that only the mint's closure
holds and that dies with the process; the scope a store works from is read out of the sealed
bytes at the moment of opening, never from the object a caller hands in. Python cannot keep code
in the same process from reading memory; it can make forging, widening, reusing and outliving a
permit fail, and the tests try all four.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from reticent.errors import NotPermitted
from reticent.ports import Clock, PermitRegister

LIFETIME = timedelta(minutes=15)
"""How long a permit may wait to be opened. A stream that was opened in time runs to its end."""

Verb = Literal["ties", "count", "roster"]
OPENS: dict[str, Verb] = {
    "prepareRelease": "ties",
    "prepareUnderWarrant": "ties",
    "prepareByConsent": "ties",
    "copyForHold": "ties",
    "previewScope": "count",
    "prepareOwnExport": "ties",
    "readRoster": "roster",
}
"""Which door of a Discloser each action opens. No other action is ever minted."""


@dataclass(frozen=True)
class Scope:
    """What may be read in one system; identifiers are those the library issued.

    A tie is inside when its class is in ``classes``, its use lies in [``since``, ``before``) (UTC)
    and its patron is in ``patrons`` or its item in ``items``. A roster permit has all four empty.
    """

    patrons: frozenset[str] = field(default=frozenset(), repr=False)
    items: frozenset[str] = field(default=frozenset(), repr=False)
    classes: frozenset[str] = frozenset()
    since: datetime = datetime(1900, 1, 1, tzinfo=UTC)
    before: datetime = datetime(2200, 1, 1, tzinfo=UTC)

    @property
    def always(self) -> bool:
        """Whether it names no dates."""
        return (self.since, self.before) == (Scope.since, Scope.before)

    def plain(self) -> dict[str, Any]:
        """Return the scope as JSON values, in one canonical order."""
        return {
            "patrons": sorted(self.patrons),
            "items": sorted(self.items),
            "classes": sorted(self.classes),
            "since": self.since.astimezone(UTC).isoformat(),
            "before": self.before.astimezone(UTC).isoformat(),
        }


@dataclass(frozen=True)
class Grant:
    """An opened permit: what a store builds its query from, and nothing else."""

    system: str
    action: str
    purpose: str
    scope: Scope = field(repr=False)
    bundle: str
    case: str


@dataclass(frozen=True, slots=True)
class Permit:
    """Sealed bytes. Says nothing by itself; ``Mint.open`` turns it into a Grant, once."""

    body: bytes = field(repr=False)
    seal: bytes = field(repr=False)


class Mint:
    """Makes and opens permits. The gate owns one; nobody else can make a permit it will open."""

    def __init__(self, clock: Clock, register: PermitRegister) -> None:
        key = secrets.token_bytes(32)
        self._clock, self._register = clock, register

        def seal(body: bytes) -> bytes:
            return hmac.new(key, body, hashlib.sha256).digest()

        self._seal = seal

    def strike(
        self, action: str, purpose: str, case: str, bundle: str, scope: Scope, systems: Iterable[str]
    ) -> tuple[Permit, ...]:
        """Make one permit for each system. Raises NotPermitted for an action that opens no door."""
        if action not in OPENS:
            raise _refused("its action opens no door")
        now = self._clock.now()
        permits = []
        for system in systems:
            body = json.dumps(
                {
                    "serial": secrets.token_hex(16),
                    "system": system,
                    "action": action,
                    "purpose": purpose,
                    "case": case,
                    "bundle": bundle,
                    "scope": scope.plain(),
                    "from": now.isoformat(),
                    "until": (now + LIFETIME).isoformat(),
                }
            ).encode()
            permits.append(Permit(body, self._seal(body)))
        return tuple(permits)

    def open(self, permit: object, verb: Verb, system: str, bundle: str) -> Grant:
        """Open a permit for one door of one system under the bundle now in force.

        Raises NotPermitted for anything but an unused, unexpired permit of this mint.
        """
        if type(permit) is not Permit:
            raise _refused("it is no permit")
        body, seal = permit.body, permit.seal
        if type(body) is not bytes or type(seal) is not bytes or not hmac.compare_digest(self._seal(body), seal):
            raise _refused("this gate did not make it, or it was changed")
        said = json.loads(body)
        if OPENS[said["action"]] != verb:
            raise _refused(f"it does not open {verb}")
        if said["system"] != system:
            raise _refused("it is for another system")
        if said["bundle"] != bundle:
            raise _refused("the policy has changed since")
        until = datetime.fromisoformat(said["until"])
        if not datetime.fromisoformat(said["from"]) <= self._clock.now() < until:
            raise _refused("it has expired")
        if not self._register.take(said["serial"], until):
            raise _refused("it has been used")
        return Grant(
            said["system"],
            said["action"],
            said["purpose"],
            _scope(said["scope"]),
            said["bundle"],
            said["case"],
        )


def _scope(said: dict[str, Any]) -> Scope:
    return Scope(
        frozenset(said["patrons"]),
        frozenset(said["items"]),
        frozenset(said["classes"]),
        datetime.fromisoformat(said["since"]),
        datetime.fromisoformat(said["before"]),
    )


def _refused(why: str) -> NotPermitted:
    return NotPermitted(f"The permit is refused: {why}.", do="Ask the gate for a new one.")
