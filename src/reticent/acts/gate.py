"""The policy in force, as the ledger names it, and the gate that decides by it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reticent.acts.officers import sitting
from reticent.acts.opening import Opened
from reticent.errors import EvidenceBroken, NotPermitted, ReticentError
from reticent.keyring.officers import Officer
from reticent.ledger.entries import Actor, Kind, decode
from reticent.ledger.log import Log
from reticent.model import Finding
from reticent.policy import bundle as bundles
from reticent.policy.adoption import Adopted, Adoption, Archive, shipped
from reticent.policy.gate import Gate
from reticent.ports import Journal

FIRST = "first policy"
"""The fact that names the shipped bundle this site began with; it decides while officers have adopted none."""


class Entry(NamedTuple):
    """The ledger's last entry about the policy: the bundle, the statement that was signed, the entry; all digests."""

    bundle: str
    statement: str
    entry: str


def archive(opened: Opened) -> Archive:
    """Return every bundle that was ever in force here."""
    return Archive(opened.site.state_path / "policy")


def last_entry(opened: Opened) -> Entry | None:
    """Return the ledger's last entry about the policy; None before the first adoption."""
    if not opened.ledger_path.exists():
        return None
    with Log.open(opened.ledger_path, opened.origin) as log:
        for index in reversed(range(log.size)):
            body = log.entry(index)
            if Kind.POLICY_ADOPTED.encode() in body and (entry := decode(body))["kind"] == Kind.POLICY_ADOPTED:
                return Entry(str(entry["policy"]), str(entry["statement"]), hashlib.sha256(body).hexdigest())
    return None


def last_adoption(opened: Opened) -> Adoption | None:
    """Return what the ledger's last entry about the policy adopted. Raises EvidenceBroken if it was changed since."""
    if (entry := last_entry(opened)) is None:
        return None
    adoption, _ = archive(opened).adoption(entry.bundle)
    if hashlib.sha256(adoption.statement()).hexdigest() != entry.statement:
        raise EvidenceBroken(
            "The adoption of the policy is not the one the ledger names.",
            where=f"policy {entry.bundle[:12]}",
            do="Restore the folder policy/ of the state from its backup.",
        )
    return adoption


def digest_in_force(opened: Opened) -> str:
    """Return the digest of the bundle in force, verified or not."""
    if (entry := last_entry(opened)) is not None:
        return entry.bundle
    if (first := opened.book.fact(FIRST)) is None:
        first = bundles.load().digest
        opened.book.set_fact(FIRST, first)
    return first


def in_force(opened: Opened) -> Adopted:
    """Return the bundle in force, its certificate and every signature verified again.

    Raises EvidenceBroken or NotPermitted when they do not verify: then nothing is decided.
    """
    digest = digest_in_force(opened)
    if last_adoption(opened) is not None:
        return archive(opened).load(digest, officers(opened))
    if digest != bundles.load().digest:
        return archive(opened).former(digest)
    archive(opened).keep(now := shipped())
    return now


def officers(opened: Opened) -> tuple[Officer, ...]:
    """Return the sitting officers. Raises NotPermitted while a change of them is not signed."""
    return sitting(opened)


@dataclass(frozen=True)
class LedgerJournal:
    """Writes the gate's entries to the ledger. Implements ``ports.Journal``."""

    opened: Opened

    def append(self, entry: Mapping[str, object], *, once: str) -> int:
        """Append one entry; the hour is the ledger's own."""
        fields = {name: value for name, value in entry.items() if name not in ("kind", "actor", "hour")}
        index = self.opened.record(Kind(str(entry["kind"])), once, Actor(str(entry["actor"])), **fields)["index"]
        return int(str(index))


class _NoRegister:
    """Where there is no register of inquiries nothing about one may be decided."""

    def append(self, entry: Mapping[str, object], *, once: str) -> int:
        raise NotPermitted("This act may not decide about inquiries.", do="Use `reticent inquiry`.")


def open_gate(opened: Opened, inquiries: Journal | None = None) -> Gate:
    """Return the gate of this process; ``inquiries`` is the register's own journal.

    Raises EvidenceBroken or NotPermitted when the policy in force does not verify.
    """
    adopted = in_force(opened)
    opened.rules = frozenset(rule.id for rule in adopted.bundle.rules)
    return Gate(
        adopted,
        clock=opened.clock,
        journal=LedgerJournal(opened),
        inquiries=inquiries or _NoRegister(),
        register=opened.permits,
        officers=officers(opened),
    )


def proof(opened: Opened) -> tuple[list[Finding], list[str]]:
    """Return what `check` says of the policy in force: findings, and what was checked."""
    try:
        adopted = in_force(opened)
    except ReticentError as error:
        return [Finding("policy", "reticent", "policy in force", 1, f"{error.what} {error.do}")], []
    lines, certificate = adopted.certificate.lines, adopted.certificate
    proved = sum(line.mark == "proved" for line in lines)
    kinds = len(adopted.bundle.schema.kinds)
    said = f"policy: {proved} promises proved for {kinds} kinds of request (certificate {certificate.digest[:12]})"
    excepted = [f"policy: {w.promise} is excepted under {w.cite}: {w.says}" for w in adopted.bundle.exceptions]
    return [], [said, *excepted]
