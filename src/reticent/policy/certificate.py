"""A certificate: what the prover found out about one bundle, bound to its digest.

Reading and verifying one needs no Z3, so that a branch server can decide with a bundle that was
proved elsewhere. The gate loads a bundle only with a certificate over exactly its digest, made
by this prover for the installed engine, in which every promise is proved or excepted by a cited
statute.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from reticent.errors import EvidenceBroken
from reticent.policy.bundle import Bundle

PROVER = 1
"""Raised whenever the compiler or the prover changes what it would answer."""
KEPT = ("proved", "proved except under a cited statute")


@dataclass(frozen=True)
class Attested:
    """One promise's line of a certificate; ``story`` tells the exception's or the breach's request."""

    promise: str
    says: str
    clause: str
    mark: str
    kinds: int
    why: str = ""
    story: str = ""


@dataclass(frozen=True)
class Certificate:
    """What was proved, by what. ``fuzz`` counts random decisions on which all back ends agreed.

    ``reads`` are the attributes of a patron that any decision depends on; ``assumes`` are the
    facts people enter, which no proof about rules can check.
    """

    bundle: str
    prover: int
    cedarpy: str
    z3: str
    lines: tuple[Attested, ...]
    problems: tuple[str, ...]
    fuzz: int
    seed: int
    reads: tuple[str, ...]
    assumes: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether the bundle may decide."""
        return bool(self.lines) and not self.problems and all(line.mark in KEPT for line in self.lines)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the certificate's canonical text."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    def text(self) -> str:
        """Return the certificate as canonical JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def engine_version() -> str:
    """Return the installed engine binding's version."""
    return metadata.version("cedarpy")


def read(path: Path) -> Certificate:
    """Read a certificate; raise EvidenceBroken when it is none."""
    try:
        body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        lines = tuple(Attested(**line) for line in body.pop("lines"))
        body |= {name: tuple(body[name]) for name in ("problems", "reads", "assumes")}
        return Certificate(lines=lines, **body)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise EvidenceBroken("The certificate cannot be read.", where=str(path), do=_AGAIN) from error


def verify(certificate: Certificate, bundle: Bundle) -> None:
    """Return if this certificate lets this bundle decide here. Raises EvidenceBroken, saying why not."""
    promised = [p.id for p in bundle.promises] + [s.id for s in bundle.specials]
    if certificate.bundle != bundle.digest:
        why = "it is for another bundle, or a file of the bundle was changed after proving"
    elif certificate.prover != PROVER:
        why = "another version of the prover made it"
    elif certificate.cedarpy != engine_version():
        why = "it was made for another version of the engine"
    elif [line.promise for line in certificate.lines] != promised:
        why = "it does not speak of every promise"
    elif not certificate.kept:
        broken = [line.promise for line in certificate.lines if line.mark not in KEPT]
        why = f"it does not hold for {', '.join(broken)}" if broken else "it names problems with the rules"
    else:
        return
    raise EvidenceBroken(f"The certificate does not verify: {why}.", where="certificate.json", do=_AGAIN)


_AGAIN = "Prove the bundle again: reticent policy prove."
