"""Adopting a bundle: proved, compared with the one in force, signed, kept.

The shipped bundle decides from the first day. Every later bundle needs officers' signatures over
its digest, its certificate's, the old bundle's and the impact's: two for any change of impact or
any text of the library's own, one for a shipped upgrade that changes no answer. A loosening also
needs the governing body's vote recorded before it can be signed. The old bundle keeps deciding
until then, and every bundle is kept, so that a past decision can be decided again as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from reticent.errors import EvidenceBroken, NotPermitted
from reticent.keyring import officers as signatures
from reticent.keyring.officers import Officer
from reticent.policy import bundle as bundles
from reticent.policy import certificate as certificates
from reticent.policy.bundle import Bundle
from reticent.policy.certificate import Certificate
from reticent.policy.engine import Engine, Outcome
from reticent.policy.orders import Approval, Verify, verified
from reticent.policy.request import Request

FORMER: frozenset[str] = frozenset()
"""Digests of the bundles that earlier releases shipped; a release that changes the shipped rules adds the last one."""


@dataclass(frozen=True)
class Adoption:
    """What officers sign to put a bundle in force. All digests are SHA-256 in hex.

    ``changes`` counts the kinds of request whose answers change, ``loosens`` tells whether any is
    newly allowed; ``vote`` is the digest of the governing body's recorded vote, empty when none.
    ``text`` is the digest of the policy people read, ``after`` that of the adoption before this one:
    signatures once given cannot bring an old policy back.
    """

    bundle: str
    certificate: str
    previous: str
    changes: int
    loosens: bool
    vote: str = ""
    text: str = ""
    after: str = ""

    def statement(self) -> bytes:
        """Return the text officers sign."""
        impact = json.dumps([self.changes, self.loosens, self.vote, self.text, self.after], separators=(",", ":"))
        return signatures.statement(
            "adopt_policy",
            {
                "bundle": self.bundle,
                "certificate": self.certificate,
                "previous": self.previous,
                "impact": hashlib.sha256(impact.encode()).hexdigest(),
            },
        )

    def require_vote(self) -> None:
        """Raise NotPermitted when something is loosened and no vote of the governing body is recorded."""
        if self.loosens and not self.vote:
            raise NotPermitted(
                "The new policy allows what the old one refused, and no vote of the governing body is recorded.",
                do="Record the vote: reticent policy sign --vote MINUTES. Then have it signed.",
            )


@dataclass(frozen=True)
class Adopted:
    """A bundle in force and what it stands on; made by ``shipped``, ``adopt`` and ``Archive.load``."""

    bundle: Bundle
    certificate: Certificate
    adoption: Adoption | None = None
    approvals: tuple[Approval, ...] = ()


def shipped() -> Adopted:
    """Return the shipped bundle with its shipped certificate. Raises EvidenceBroken when they do not fit."""
    bundle = bundles.load()
    with resources.as_file(resources.files("reticent.policy").joinpath("certificate.json")) as path:
        certificate = certificates.read(path)
    certificates.verify(certificate, bundle)
    return Adopted(bundle, certificate)


def adopt(
    bundle: Bundle,
    certificate: Certificate,
    adoption: Adoption,
    approvals: Sequence[Approval],
    officers: Sequence[Officer],
    verify: Verify = signatures.verify,
) -> Adopted:
    """Put a bundle in force, or raise EvidenceBroken or NotPermitted, saying what is missing."""
    certificates.verify(certificate, bundle)
    if (adoption.bundle, adoption.certificate) != (bundle.digest, certificate.digest):
        raise EvidenceBroken("The bundle or its certificate was changed after it was put forward.", do=_AGAIN)
    adoption.require_vote()
    signed = verified(officers, approvals, adoption.statement(), verify)
    persons = {person for person, _ in signed.slots.values()}
    needed = officers_needed(adoption)
    if len(persons) < needed:
        raise NotPermitted(
            f"The new policy needs the signatures of {needed} officers and has {len(persons)} that verify.",
            do="Have the officers of reticent.toml sign its statement: reticent policy sign.",
        )
    return Adopted(bundle, certificate, adoption, tuple(approvals))


def officers_needed(adoption: Adoption) -> int:
    """Return how many persons must sign: one for a shipped upgrade that changes no answer, else two."""
    own = adoption.bundle != bundles.load().digest
    return 2 if adoption.changes or adoption.loosens or own else 1


class Archive:
    """Every bundle ever in force, a folder each, named by its digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, adopted: Adopted) -> None:
        """Store a bundle with its certificate and signatures; adopted again, with its newer ones."""
        place = self._folder / adopted.bundle.digest
        if place.exists():
            self._keep_adoption(place, adopted)
            return
        making = self._folder / f".{adopted.bundle.digest}.{os.getpid()}"
        for name, text in {**adopted.bundle.files, "certificate.json": adopted.certificate.text()}.items():
            path = making / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self._keep_adoption(making, adopted)
        making.rename(place)

    def _keep_adoption(self, place: Path, adopted: Adopted) -> None:
        if adopted.adoption is None:
            return
        approvals = {a.role: _armour(a.signature) for a in adopted.approvals}
        kept = {"adoption": asdict(adopted.adoption), "approvals": approvals}
        texts = {"certificate.json": adopted.certificate.text(), "adoption.json": json.dumps(kept, indent=1)}
        for name, text in texts.items():
            making = place / f".{name}.{os.getpid()}"
            making.write_text(text, encoding="utf-8")
            making.rename(place / name)

    def load(self, digest: str, officers: Sequence[Officer], verify: Verify = signatures.verify) -> Adopted:
        """Return an adopted bundle, its certificate and every signature verified again.

        ``officers`` are those who were in office when it was adopted. Raises EvidenceBroken or
        NotPermitted when anything was changed since.
        """
        bundle, (adoption, approvals) = self.bundle(digest), self.adoption(digest)
        certificate = certificates.read(self._folder / digest / "certificate.json")
        return adopt(bundle, certificate, adoption, approvals, officers, verify)

    def adoption(self, digest: str) -> tuple[Adoption, list[Approval]]:
        """Return how a bundle was adopted, as it is kept: nothing is verified. Raises EvidenceBroken."""
        try:
            kept = json.loads((self._folder / digest / "adoption.json").read_text(encoding="utf-8"))
            approvals = [Approval(role, armour) for role, armour in kept["approvals"].items()]
            return Adoption(**kept["adoption"]), approvals
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise EvidenceBroken(
                "The adoption of a policy cannot be read.", where=f"policy {digest[:12]}", do=_RESTORE
            ) from error

    def former(self, digest: str) -> Adopted:
        """Return a bundle an earlier release shipped, which decides until officers sign the next one.

        Raises NotPermitted for any other bundle: without signatures nothing else was ever in force.
        """
        if digest not in FORMER:
            raise NotPermitted(
                "The policy that was in force has no signatures, and this release ships another one.",
                where=f"policy {digest[:12]}",
                do="Have the shipped policy adopted: reticent policy sign.",
            )
        certificate = certificates.read(self._folder / digest / "certificate.json")
        bundle = self.bundle(digest)
        certificates.verify(certificate, bundle)
        return Adopted(bundle, certificate)

    def bundle(self, digest: str) -> Bundle:
        """Return a bundle as it was. Raises EvidenceBroken when it is missing or was changed."""
        place = self._folder / digest
        names = [*bundles.SHIPPED, *bundles.LOCAL]
        found = Bundle({n: (place / n).read_text(encoding="utf-8") for n in names if (place / n).exists()})
        if found.digest != digest:
            raise EvidenceBroken("A kept policy is missing or was changed.", where=f"policy {digest[:12]}", do=_RESTORE)
        return found

    def again(self, digest: str, request: Request) -> Outcome:
        """Decide a past request (its own ``now`` in its context) by the bundle that was in force."""
        return Engine(self.bundle(digest)).ask(request)


def _armour(signature: str | bytes) -> str:
    return signature if isinstance(signature, str) else signature.decode("ascii", "replace")


_AGAIN = "Prove and put it forward again."
_RESTORE = "Restore the folder from the state's backup."
