"""What officers approve: the case, its steps so far, its paper, its scope, each by digest, under one bundle.

An approval is an officer's signature over those digests. A row in a table that says "approved"
is nothing: the gate looks at signatures only, so changing the paper or the scope afterwards,
or coming back to them by other steps, leaves them without effect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from reticent.errors import ReticentError
from reticent.keyring import officers as signatures
from reticent.keyring.officers import Officer
from reticent.policy.permits import Scope

Act = Literal["release", "hold", "preview", "warrant"]
Verify = Callable[[str, bytes, str | bytes], None]


@dataclass(frozen=True)
class Paper:
    """The instrument as counsel recorded it. ``kind`` and ``recipient_kind`` are words of the schema.

    ``recipient`` is an opaque id of the agency or court, ``document`` the SHA-256 (hex) of the
    scanned paper; times are UTC; ``not_before`` is the end of a notice clock, None when none runs;
    ``from_patron`` says that it is a patron's own consent, from the patron alone, which still stands.
    """

    kind: str
    recipient_kind: str
    recipient: str
    valid_from: datetime
    valid_until: datetime
    good_cause: bool = False
    specific_facts: bool = False
    competent_jurisdiction: bool = False
    defect_open: bool = False
    from_patron: bool = False
    not_before: datetime | None = None
    document: str = ""

    def plain(self) -> dict[str, Any]:
        """Return the paper as JSON values."""
        return {name: _moment(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Order:
    """One case with its paper and scope. ``law`` is the strictest-of answer, None when never asked.

    ``nonce`` (random, kept with the case) keeps the digests from being guessed; ``after`` is the head of the
    case's steps on which officers signed: on another head the same paper and scope need new signatures.
    """

    case: str
    nonce: str = field(repr=False)
    paper: Paper
    scope: Scope
    law: str | None = None
    sealed: bool = False
    triaged: bool = True
    after: str = "0" * 64

    def digests(self, bundle: str) -> dict[str, str]:
        """Return what officers sign: SHA-256 (hex) of case, steps so far, instrument and scope, and the bundle's."""
        return {
            "after": self.after,
            "case": self._digest({"case": self.case}),
            "instrument": self._digest(self.paper.plain()),
            "scope": self._digest(self.scope.plain()),
            "bundle": bundle,
        }

    def statement(self, act: Act, bundle: str) -> bytes:
        """Return the text an officer signs for one act under one bundle."""
        return signatures.statement(act, self.digests(bundle))

    def _digest(self, value: Mapping[str, Any]) -> str:
        body = json.dumps([self.nonce, value], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(body.encode()).hexdigest()


@dataclass(frozen=True)
class Approval:
    """A signature that claims to be the one of the officer holding ``role``."""

    role: str
    signature: str | bytes = field(repr=False)


@dataclass(frozen=True)
class Signed:
    """Who really signed: slot -> (person, role), and how many signatures did not verify.

    Two officers with one key or one name are one person here, so that the rules see it.
    """

    slots: Mapping[str, tuple[str, str]]
    refused: int


def verified(
    known: Sequence[Officer],
    approvals: Sequence[Approval],
    message: bytes,
    verify: Verify = signatures.verify,
) -> Signed:
    """Check every approval; custodian and counsel fill their own slots, the alternate what is left."""
    by_role = {officer.role: officer for officer in known}
    signed: dict[str, Officer] = {}
    refused = 0
    for approval in approvals:
        officer = by_role.get(approval.role)
        if officer is not None and _fits(officer, message, approval, verify):
            signed[approval.role] = officer
        else:
            refused += 1
    slots: dict[str, tuple[str, str]] = {}
    for slot, role in (("custodianApproval", "custodian"), ("counselApproval", "counsel")):
        if role in signed:
            slots[slot] = (person(signed[role], known), role)
        elif "alternate" in signed:
            slots[slot] = (person(signed.pop("alternate"), known), "alternate")
    return Signed(slots, refused)


def _fits(officer: Officer, message: bytes, approval: Approval, verify: Verify) -> bool:
    try:
        verify(officer.sign, message, approval.signature)
    except ReticentError:
        return False
    return True


def person(officer: Officer, known: Sequence[Officer]) -> str:
    """Return one id for all officers that share a key or a name: two officers are two keys and two persons."""
    alike = [
        other.role
        for other in known
        if signatures.fingerprint(other.sign) == signatures.fingerprint(officer.sign) or _name(other) == _name(officer)
    ]
    return "officer-" + min(alike)


def _name(officer: Officer) -> str:
    return " ".join(officer.name.split()).casefold()


def _moment(value: object) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
