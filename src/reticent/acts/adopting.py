"""The act of adopting a policy: proved, compared, voted on where it loosens, signed by officers, entered in the ledger.

Until the last signature is in, the old policy keeps deciding.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from reticent.acts.files import write_text
from reticent.acts.gate import archive, last_entry, officers
from reticent.acts.opening import Opened
from reticent.acts.policy import Proposal, bundle_in_force, proposal, text_path
from reticent.errors import ConfigurationError, ReticentError, UsageError
from reticent.keyring import officers as signatures
from reticent.ledger.entries import Actor, Kind
from reticent.policy.adoption import Adoption, adopt, officers_needed
from reticent.policy.orders import Approval, verified
from reticent.policy.prove import put_forward


@dataclass(frozen=True)
class Signing:
    """How far an adoption is: who signed, how many persons it needs, and whether it is in force now."""

    adoption: Adoption
    statement: Path
    signed: tuple[str, ...]
    needed: int
    in_force: bool
    loosenings: tuple[str, ...]


def sign(opened: Opened, given: Mapping[str, bytes], vote: bytes | None) -> Signing:
    """Put the draft forward, add the signatures given (role -> armour), and adopt it when they are enough.

    ``vote`` is the record of the governing body's vote (its minutes), remembered by its digest.
    Raises NotPermitted (a loosening without a vote, another key's signature), EvidenceBroken (a
    signature that does not fit, an unproved draft), UsageError (nothing to adopt, no such officer).
    """
    found, pending = proposal(opened), _Pending(opened)
    adoption = _put_forward(opened, found, vote, pending)
    _refuse_idle(opened, adoption)
    found.published.require_vote(adoption.vote)
    adoption.require_vote()
    statement = opened.site.state_path / "adopt-policy.txt"
    statement.write_bytes(adoption.statement())
    approvals = pending.of(adoption) | {role: _verified(opened, role, adoption, one) for role, one in given.items()}
    pending.keep(adoption, approvals)
    offered = [Approval(role, armour) for role, armour in approvals.items()]
    persons = {person for person, _ in verified(officers(opened), offered, adoption.statement()).slots.values()}
    needed = officers_needed(adoption)
    done = len(persons) >= needed
    if done:
        _adopt(opened, found, adoption, offered)
        pending.forget()
    return Signing(adoption, statement, tuple(sorted(approvals)), needed, done, found.published.loosenings)


def _put_forward(opened: Opened, found: Proposal, vote: bytes | None, pending: _Pending) -> Adoption:
    entry, now = last_entry(opened), bundle_in_force(opened)
    made = put_forward(now, found.adopted.bundle, found.adopted.certificate)
    loosens = made.loosens or bool(found.published.loosenings)
    text, after = found.published.policy.digest, entry.entry if entry else ""
    made = replace(made, loosens=loosens, text=text, after=after)
    recorded = hashlib.sha256(vote).hexdigest() if vote is not None else pending.vote_of(made)
    return replace(made, vote=recorded)


def _refuse_idle(opened: Opened, adoption: Adoption) -> None:
    """Refuse to adopt again what is in force, text and all, and whose signatures still verify."""
    entry = last_entry(opened)
    if entry is None or adoption.bundle != entry.bundle:
        return
    try:
        now = archive(opened).load(entry.bundle, officers(opened)).adoption
    except ReticentError:
        return
    if now is not None and (now.text, now.certificate) == (adoption.text, adoption.certificate):
        raise UsageError("This policy is in force.", do="Change policy/ or reticent.toml first.")


def _verified(opened: Opened, role: str, adoption: Adoption, armour: bytes) -> str:
    officer = next((one for one in officers(opened) if one.role == role), None)
    if officer is None:
        known = ", ".join(one.role for one in officers(opened))
        if not known:
            where = f"{opened.site.file} [officers]"
            raise ConfigurationError("The site names no officers.", where=where, do="Add custodian and counsel.")
        raise UsageError("There is no such officer.", do=f"Write ROLE=FILE with one of: {known}.")
    signatures.verify(officer.sign, adoption.statement(), armour)
    return armour.decode("ascii", "replace")


def _adopt(opened: Opened, found: Proposal, adoption: Adoption, approvals: list[Approval]) -> None:
    bundle, certificate = found.adopted.bundle, found.adopted.certificate
    adopted = adopt(bundle, certificate, adoption, approvals, officers(opened))
    folder = archive(opened)
    folder.keep(adopted)
    write_text(text_path(opened, adoption.text), found.published.policy.text())
    # The ledger's entry puts it in force; what the entry names must not be lost behind it.
    os.sync()
    statement = hashlib.sha256(adoption.statement()).hexdigest()
    opened.record(
        Kind.POLICY_ADOPTED,
        f"adopt {statement}",
        Actor.OFFICERS if len(approvals) > 1 else Actor(approvals[0].role),
        policy=bundle.digest,
        certificate=certificate.digest,
        site=opened.site.fingerprint(),
        statement=statement,
        approvals=len(approvals),
    )


class _Pending:
    """What is being signed. Nothing in it counts by itself: every signature is verified again."""

    def __init__(self, opened: Opened) -> None:
        self._path = opened.site.state_path / "policy" / "pending.json"
        self._adoption: Adoption | None = None
        self._signed: dict[str, str] = {}
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            self._adoption = Adoption(**kept["adoption"])
            self._signed = {str(role): str(armour) for role, armour in kept["signed"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return

    def vote_of(self, adoption: Adoption) -> str:
        """Return the vote recorded for this very adoption, "" if there is none."""
        before = self._adoption
        return before.vote if before is not None and replace(before, vote="") == adoption else ""

    def of(self, adoption: Adoption) -> dict[str, str]:
        """Return the signatures given for this very adoption."""
        return dict(self._signed) if adoption == self._adoption else {}

    def keep(self, adoption: Adoption, signed: Mapping[str, str]) -> None:
        """Remember an adoption and its signatures."""
        self._path.parent.mkdir(exist_ok=True)
        write_text(self._path, json.dumps({"adoption": asdict(adoption), "signed": dict(signed)}, indent=1))

    def forget(self) -> None:
        """It is in force."""
        self._path.unlink(missing_ok=True)
