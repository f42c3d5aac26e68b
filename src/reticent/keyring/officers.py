"""Officers' signatures: what officers sign, and whether they signed it.

The signature is an SSH signature (format: OpenSSH ``PROTOCOL.sshsig``), checked by the stock
``ssh-keygen -Y verify``, so an officer needs no program of ours and can use a security key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reticent.errors import ConfigurationError, EvidenceBroken, NotPermitted, UsageError

NAMESPACE = "reticent"
"""A signature made for e-mail or Git has another namespace and counts for nothing here."""

KEY_TYPES = frozenset(
    {
        "ssh-ed25519",
        "sk-ssh-ed25519@openssh.com",
        "ecdsa-sha2-nistp256",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)
MAX_SIGNATURE = 16_384
"""Characters. An armoured signature of these key types is under 1,000."""
TIMEOUT = 30
"""Seconds ssh-keygen may take."""

_WORD = re.compile(r"[a-z][a-z_]{0,39}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{20,2000}={0,2}")


@dataclass(frozen=True)
class Officer:
    """One line of ``[officers]``: who may approve, and the SSH public key that shows it."""

    role: str
    name: str
    sign: str


def statement(kind: str, digests: Mapping[str, str]) -> bytes:
    """Return the canonical text officers sign: the act's kind and what it is about, by digest.

    ``kind`` and the names of ``digests`` are lower-case words (letters and ``_``, at most 40);
    the values are SHA-256 digests in lower-case hex. Raises UsageError for anything else.
    """
    if not _WORD.fullmatch(kind) or not digests:
        raise UsageError("A statement needs a kind in lower case and at least one digest.")
    for name, value in digests.items():
        if not _WORD.fullmatch(name) or not _DIGEST.fullmatch(value):
            raise UsageError("A statement holds only named SHA-256 digests.", where=f"statement {kind}")
    lines = ["reticent statement v1", f"kind: {kind}"]
    lines += [f"{name}: {digests[name]}" for name in sorted(digests)]
    return ("\n".join(lines) + "\n").encode("ascii")


def verify(public_key: str, message: bytes, signature: str | bytes) -> None:
    """Return if ``signature`` is this key's SSH signature of exactly ``message``.

    ``public_key`` is the line of the site file (``ssh-ed25519 AAAA... [comment]``), ``signature``
    the armoured text ``ssh-keygen -Y sign -n reticent`` wrote. Raises EvidenceBroken when the
    signature does not fit the message, NotPermitted when it fits but is another key's,
    ConfigurationError for an unusable public key or a missing ssh-keygen.
    """
    key_type, blob = _parse(public_key)
    armour = signature.encode("utf-8", "replace") if isinstance(signature, str) else signature
    if len(armour) > MAX_SIGNATURE:
        raise EvidenceBroken("This is not an officer's signature: it is too long.")
    program = _program()
    with tempfile.TemporaryDirectory(prefix="reticent-") as folder:
        signers, seal = Path(folder, "allowed_signers"), Path(folder, "signature")
        signers.write_text(f'officer namespaces="{NAMESPACE}" {key_type} {blob}\n', encoding="ascii")
        seal.write_bytes(armour)
        if _run([program, "-Y", "verify", "-f", str(signers), "-I", "officer"], seal, message):
            return
        if _run([program, "-Y", "check-novalidate"], seal, message):
            raise NotPermitted(
                "The signature is sound, but it is not this officer's.",
                where=f"expected the key {fingerprint(public_key)}",
                do="Sign with the key named under [officers].",
            )
    raise EvidenceBroken(
        "The officer's signature does not fit the statement.",
        do=f"Sign the statement file again, unchanged: ssh-keygen -Y sign -f KEY -n {NAMESPACE} FILE",
    )


def fingerprint(public_key: str) -> str:
    """Return the key's fingerprint as ``ssh-keygen -l`` prints it: ``SHA256:...``.

    Raises ConfigurationError for an unusable public key.
    """
    digest = hashlib.sha256(base64.b64decode(_parse(public_key)[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def require_two(
    officers: Sequence[Officer], message: bytes, signatures: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the roles that signed ``message``; they are two persons with two keys, or more.

    ``signatures`` maps an officer's role to the armoured signature. Every signature given must
    verify. Raises NotPermitted for fewer than two persons or keys, an unknown role or another
    key's signature, EvidenceBroken for a signature that does not fit.
    """
    known = {officer.role: officer for officer in officers}
    if unknown := set(signatures) - set(known):
        raise NotPermitted(f"{len(unknown)} signature(s) come from nobody named under [officers].")
    signed = [known[role] for role in sorted(signatures)]
    for officer in signed:
        verify(officer.sign, message, signatures[officer.role])
    persons = {" ".join(officer.name.split()).casefold() for officer in signed}
    keys = {fingerprint(officer.sign) for officer in signed}
    if min(len(persons), len(keys)) < 2:
        raise NotPermitted(
            "Two officers are two keys and two persons; this has fewer.",
            do="Have a second officer sign the same statement with their own key.",
        )
    return tuple(officer.role for officer in signed)


def _parse(public_key: str) -> tuple[str, str]:
    """Return (type, base64) of one public-key line; the comment is dropped, options are refused."""
    line = public_key.strip()
    words = line.split(" ") if line.isprintable() else []
    if len(words) < 2 or words[0] not in KEY_TYPES or not _holds(words[1], words[0]):
        raise ConfigurationError(
            "An officer's signing key is not a usable SSH public key.",
            where="[officers] sign",
            do="Put the one line of the officer's .pub file there; it begins with ssh-ed25519, "
            "ecdsa-sha2-nistp256 or sk-.",
        )
    return words[0], words[1]


def _holds(blob: str, key_type: str) -> bool:
    """Whether the base64 names the same type inside, as every SSH public key does (RFC 4253 6.6)."""
    if not _BASE64.fullmatch(blob):
        return False
    try:
        raw = base64.b64decode(blob, validate=True)
    except binascii.Error:
        return False
    return raw.startswith(len(key_type).to_bytes(4, "big") + key_type.encode("ascii"))


def _program() -> str:
    found = shutil.which("ssh-keygen")
    if not found:
        raise ConfigurationError(
            "ssh-keygen is not installed, so no officer's signature can be checked.",
            do="Install OpenSSH's client (Debian: openssh-client).",
        )
    return found


def _run(command: list[str], seal: Path, message: bytes) -> bool:
    """Run ssh-keygen over the exact bytes of the message; its own words are never shown."""
    try:
        done = subprocess.run(
            [*command, "-n", NAMESPACE, "-s", str(seal)],
            input=message,
            capture_output=True,
            timeout=TIMEOUT,
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "")},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise EvidenceBroken(
            "ssh-keygen could not finish, so the signature counts as unchecked."
        ) from failure
    return done.returncode == 0
