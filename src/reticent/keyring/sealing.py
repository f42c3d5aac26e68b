"""Sealing: what two officers together can open, and no one alone, with the stock ``age`` program.

The content is encrypted to a one-off age identity. That identity is written once for each pair of
officers, wrapped first to one and then to the other, so no secret sharing is needed and no software
of ours to open it (facts: ledger.md 2.2). age does not say who sealed: the digest of the sealed
file stands in the register and, as a commitment, in the ledger.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import pyrage

from reticent.errors import ConfigurationError, EvidenceBroken

MOST = 5
"""Officers at most: five make ten wraps."""
CONTENT = "content.age"
INSTRUCTION = "HOW-TO-OPEN.txt"


@dataclass(frozen=True)
class Holder:
    """An officer who can open a seal together with another: office, name, and public age key."""

    role: str
    name: str
    age: str


@dataclass(frozen=True)
class Seal:
    """The files of one seal; ``digest`` is the SHA-256 (hex) of the sealed content.

    ``identity`` is the one-off key, kept in memory until what was written has been read back.
    """

    files: Mapping[str, bytes] = field(repr=False)
    digest: str
    identity: str = field(repr=False)


def seal(content: bytes, holders: Sequence[Holder]) -> Seal:
    """Seal ``content`` so that any two of the holders open it, and read it back.

    Raises ConfigurationError for fewer than two persons or keys, more than five, or a key that is none;
    EvidenceBroken if what was sealed does not come out again.
    """
    keys = _keys(holders)
    identity = pyrage.x25519.Identity.generate()
    sealed = pyrage.encrypt(content, [identity.to_public()])
    files = {CONTENT: sealed}
    for first, second in combinations(keys, 2):
        inner = pyrage.encrypt(str(identity).encode() + b"\n", [keys[second]])
        files[wrap_name(first, second)] = pyrage.encrypt(inner, [keys[first]])
    files[INSTRUCTION] = instruction(holders).encode()
    if not hmac.compare_digest(_decrypted(sealed, identity), content):
        raise EvidenceBroken("What was sealed does not come out again.", do="Nothing rests on it; seal again.")
    return Seal(files, hashlib.sha256(sealed).hexdigest(), str(identity))


def unseal(sealed: bytes, identity: str) -> bytes:
    """Return the content, by the one-off identity that two officers unwrapped with the stock program.

    Raises EvidenceBroken for another identity or a single changed byte.
    """
    try:
        key = pyrage.x25519.Identity.from_str(identity.strip())
    except pyrage.IdentityError:
        raise EvidenceBroken(
            "This is not the key of a seal.",
            do=f"Unwrap one of the .key.age files by two officers, as {INSTRUCTION} says.",
        ) from None
    return _decrypted(sealed, key)


def close_to(content: bytes, recipient: str) -> bytes:
    """Encrypt ``content`` for one recipient outside: a court's or counsel's public age key."""
    return pyrage.encrypt(content, [_recipient(recipient, "the recipient's age key")])


def wrap_name(first: str, second: str) -> str:
    """Return the name of the wrap that these two offices open, in this order."""
    return f"{first}-then-{second}.key.age"


def instruction(holders: Sequence[Holder]) -> str:
    """Return the page that is printed and kept with every seal; it needs nothing of Reticent."""
    pairs = "\n".join(
        f"  {wrap_name(one.role, two.role)}    {one.name} ({one.role}) first, then {two.name} ({two.role})"
        for one, two in combinations(holders, 2)
    )
    return f"""How to open this seal
=====================

Any two of these officers open it together; no one can alone. It takes the program "age"
(https://age-encryption.org; Debian and Ubuntu: the package "age") and each officer's own key
file. Reticent is not needed. Open it at a meeting, on a computer that is not on the network,
and have the register say so before and after.

1. Choose the file for the two of you:

{pairs}

2. The officer named first runs, with their own key file:

     age -d -i FIRST-OFFICER.key -o half.age FILE.key.age

   A key file under a passphrase (open.key.age) is given as it is: age asks for the passphrase.
   From the printed sheet, type its one long line into a file, and shred that after.

3. The officer named second runs, with their own key file:

     age -d -i SECOND-OFFICER.key -o seal.key half.age

4. Together:

     age -d -i seal.key -o content.zip {CONTENT}

   It is a ZIP: data/ties.csv holds the records, data/about.txt says what they are and how to
   check them. Of a yearly drill it is one sentence and no ZIP.

5. When done, destroy half.age, seal.key and what came out, unless an order says otherwise:

     shred -u half.age seal.key content.zip

If age says that no identity matched, the wrong key file was given or the order was swapped.
If it says that the file is corrupted, take another copy: not one changed byte is accepted.
"""


def _keys(holders: Sequence[Holder]) -> dict[str, pyrage.x25519.Recipient]:
    names = {" ".join(one.name.split()).casefold() for one in holders}
    distinct = min(len(names), len({one.age for one in holders}))
    if distinct < len(holders) or not 2 <= distinct <= MOST:
        raise ConfigurationError(
            f"A seal needs 2 to {MOST} officers, each a person with an age key of their own.",
            where="[officers]",
            do="Give every officer a key of their own: `age-keygen` makes it; docs/how-to/key-ceremony.md says how.",
        )
    return {one.role: _recipient(one.age, f"[officers] {one.role} age") for one in holders}


def _recipient(text: str, where: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError:
        raise ConfigurationError(
            "This is not a public age key.", where=where, do="Put the line there that begins with age1."
        ) from None


def _decrypted(sealed: bytes, identity: pyrage.x25519.Identity) -> bytes:
    try:
        return pyrage.decrypt(sealed, [identity])
    except pyrage.DecryptError:
        raise EvidenceBroken(
            "The seal does not open with this key, or a byte of it was changed.",
            do="Take another copy, or the key of this very seal.",
        ) from None
