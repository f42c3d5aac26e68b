"""The act of preserving: a verified sealed copy of a hold's scope, after which the live ties go like everyone's.

A sealed copy says of itself only when it was made, until when it is kept and which officers' keys open it:
not whose, not how much, not for which case. Nothing else in Reticent knows that it is there.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from reticent.acts.gathering import asked, gather, searchable
from reticent.acts.officers import sitting
from reticent.acts.opening import Opened
from reticent.acts.release import Task, facts_of, packed, records
from reticent.errors import EvidenceBroken, ReticentError, SystemRefused, UsageError
from reticent.guard import handover, package
from reticent.guard.handover import Gathered
from reticent.keyring import officers as signatures
from reticent.keyring import sealing
from reticent.keyring.sealing import CONTENT, Holder, Seal
from reticent.ledger.entries import hour
from reticent.policy.gate import Gate
from reticent.ports import Journal
from reticent.state.database import only_one

ABOUT = "about.json"


@dataclass(frozen=True)
class Copied:
    """A sealed copy: its folder, the digest of its content, and where was looked. ``released``: pauses it ended."""

    folder: Path
    digest: str
    found: Gathered
    released: tuple[int, ...]

    @property
    def exit_code(self) -> int:
        """0 when every system that can be searched was; 3 when one failed: its series go on waiting."""
        return 0 if self.found.complete else 3

    def document(self) -> dict[str, object]:
        """Return what ``--json`` prints; nobody is named."""
        return {
            "copy": self.folder.name,
            "folder": str(self.folder),
            "digest": self.digest,
            "complete": self.found.complete,
            "searched": [one.system for one in self.found.searched if not one.stopped],
            "stopped": {one.system: one.stopped for one in self.found.searched if one.stopped},
            "not_searched": [vars(one) for one in self.found.not_searched],
            "released": list(self.released),
        }


@dataclass(frozen=True)
class Kept:
    """A sealed copy as its folder tells of it. ``current``: the sitting officers' keys open it."""

    name: str
    made: str
    until: str
    current: bool


def copy(opened: Opened, gate: Gate, inquiries: Journal, task: Task, until: date, pauses: Sequence[int] = ()) -> Copied:
    """Make the sealed copy of a confirmed hold's scope, read it back, and end the pauses it replaces.

    No severing run goes on meanwhile. ``pauses`` are the numbers of the holds that waited for it; they go on
    where a system could not be copied to its end. Raises NotPermitted before two officers have confirmed,
    EvidenceBroken when what was written does not read back.
    """
    if until <= opened.clock.now().date():
        raise UsageError("A hold must end in the future.", do="Give a later day.")
    officers = holders(opened)
    with only_one(opened.site):
        decision = gate.prepare(task.order, task.asker, task.approvals, searchable(opened), "hold").require()
        found = gather(opened, gate, asked(opened, decision.permits, task.order.scope), task.accounts)
    facts = facts_of(opened, gate, task)
    files = records(found, facts)
    files["custody.txt"] = handover.custody(files, facts).encode()
    seal = sealing.seal(packed(opened, "hold", files), officers)
    # What was not copied to its end covers nothing: the register does not take it for the copy.
    covers = task.order.digests(gate.digest)["scope"] if found.complete else ""
    folder = _store(opened, seal, until, officers, covers)
    try:
        _read_back(opened, folder, seal, found)
    except ReticentError:
        _destroy(folder)
        raise
    _record(opened, inquiries, gate, "hold_placed", seal.digest)
    released = tuple(pauses) if found.complete else ()
    for number in released:
        opened.holds.release(number)
    return Copied(folder, seal.digest, found, released)


def copies(opened: Opened) -> list[Kept]:
    """Return the sealed copies, oldest first."""
    keys = _fingerprints(holders(opened, checked=False))
    found = []
    for path in _home(opened).glob(f"*/{ABOUT}"):
        about = _about(path)
        found.append(Kept(path.parent.name, about["made"], about["until"], about["keys"] == keys))
    return sorted(found, key=lambda one: (one.made, one.name))


def stands(opened: Opened, digest: str, scope: str) -> bool:
    """Whether a whole sealed copy of this scope stands on the disk, with this digest; both SHA-256 (hex).

    The scope's digest is made with the case's own nonce: without the case it tells nothing.
    """
    return bool(scope) and any(
        _about(path)["covers"] == scope and hashlib.sha256((path.parent / CONTENT).read_bytes()).hexdigest() == digest
        for path in _home(opened).glob(f"*/{ABOUT}")
    )


def reseal(opened: Opened, inquiries: Journal, gate: Gate, name: str, identity: str) -> str:
    """Seal a copy anew to the sitting officers; ``identity`` is the key two officers unwrapped. Return its digest.

    The old wraps are overwritten: a former officer's key and an accomplice's open nothing that is here.
    """
    folder = _folder(opened, name)
    officers = holders(opened)
    content = sealing.unseal((folder / CONTENT).read_bytes(), identity)
    package.read(content, opened.ledger_key().verifier)
    about = _about(folder / ABOUT)
    seal = sealing.seal(content, officers)
    made = _store(opened, seal, date.fromisoformat(about["until"]), officers, about["covers"])
    if sealing.unseal((made / CONTENT).read_bytes(), seal.identity) != content:
        _destroy(made)
        raise EvidenceBroken("The new seal does not read back; the old one still stands.", do="Seal it again.")
    _destroy(folder)
    made.rename(folder)
    _record(opened, inquiries, gate, "hold_placed", seal.digest)
    return seal.digest


def lift(
    opened: Opened, inquiries: Journal, gate: Gate, name: str, given: Mapping[str, bytes] | None = None
) -> Path | None:
    """Destroy a sealed copy: its wraps first, so that what may be left of the content opens to nobody.

    Before its day two officers sign for it; without their signatures nothing happens, and what they sign is
    written: its path is returned. Raises NotPermitted or EvidenceBroken for signatures that do not do.
    """
    folder = _folder(opened, name)
    digest = hashlib.sha256((folder / CONTENT).read_bytes()).hexdigest()
    if opened.clock.now().date().isoformat() <= _about(folder / ABOUT)["until"]:
        text = signatures.statement("lift_copy", {"copy": digest})
        path = opened.site.state_path / "lift-copy.txt"
        if not given:
            path.write_bytes(text)
            return path
        signed = {role: armour.decode("ascii", "replace") for role, armour in given.items()}
        signatures.require_two(sitting(opened), text, signed)
        path.unlink(missing_ok=True)
    _destroy(folder)
    _record(opened, inquiries, gate, "hold_released", digest)
    return None


def drill(opened: Opened, folder: Path) -> None:
    """Write a dummy seal of the sitting officers, for the yearly exercise: it holds one harmless sentence."""
    seal = sealing.seal(b"This is the yearly drill. Nothing else is in here.\n", holders(opened))
    try:
        folder.mkdir(parents=True, exist_ok=False)
        _write(folder, seal.files)
    except OSError:
        raise SystemRefused("The drill cannot be written there.", where=str(folder), do="Name a new folder.") from None


def holders(opened: Opened, *, checked: bool = True) -> list[Holder]:
    """Return the officers with an age key. Raises ConfigurationError, when ``checked``, if they can seal nothing."""
    sitting(opened)
    found = [Holder(role, one.name, one.age) for role, one in opened.site.officers.items() if one.age]
    if checked:
        sealing.seal(b"", found)
    return found


def _store(opened: Opened, seal: Seal, until: date, officers: Sequence[Holder], covers: str) -> Path:
    """Write a seal into a new folder of the state: whole, or not there. Raises SystemRefused."""
    home = _home(opened)
    name = secrets.token_hex(8)
    draft = home / f".{name}"
    about = {
        "made": opened.clock.now().date().isoformat(),
        "until": until.isoformat(),
        "keys": _fingerprints(officers),
        "covers": covers,
    }
    try:
        draft.mkdir(mode=0o700, parents=True)
        _write(draft, {**seal.files, ABOUT: json.dumps(about, indent=1).encode()})
        draft.rename(home / name)
        _sync(home)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise SystemRefused(
            "The sealed copy cannot be written.",
            where=str(home),
            do="Make room there. Nothing was severed; the pause goes on.",
        ) from None
    return home / name


def _read_back(opened: Opened, folder: Path, seal: Seal, found: Gathered) -> None:
    """Read a seal from the disk, open it with the one-off key, and compare files, signature, digest and count."""
    for name, data in seal.files.items():
        if (folder / name).read_bytes() != data:
            raise EvidenceBroken("The sealed copy on the disk is not what was written.", do="Check the disk.")
    inside = package.read(sealing.unseal((folder / CONTENT).read_bytes(), seal.identity), opened.ledger_key().verifier)
    table = inside.files["ties.csv"]
    rows = sum(1 for _ in csv.reader(io.StringIO(table.decode()))) - 1
    if rows != len(found.ties) or table != handover.as_csv(found.ties):
        raise EvidenceBroken("The sealed copy does not hold what was read.", do="Nothing was severed; copy again.")


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
    _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _destroy(folder: Path) -> None:
    """Overwrite and remove the wraps, then the rest. Disks may remember; without a wrap nobody can read it."""
    try:
        for path in sorted(folder.iterdir(), key=lambda path: not path.name.endswith(".key.age")):
            with path.open("r+b") as handle:
                handle.write(bytes(path.stat().st_size))
                handle.flush()
                os.fsync(handle.fileno())
            path.unlink()
        folder.rmdir()
        _sync(folder.parent)
    except OSError:
        raise SystemRefused("The sealed copy cannot be removed.", where=str(folder), do="Check its rights.") from None


def _home(opened: Opened) -> Path:
    return opened.site.state_path / "sealed"


def _folder(opened: Opened, name: str) -> Path:
    if name not in {one.name for one in copies(opened)}:
        raise UsageError("There is no sealed copy of that name.", do="See `reticent hold copies`.")
    return _home(opened) / name


def _about(path: Path) -> dict[str, str]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        # A copy made before labels said what they cover stands, opens and lifts; only the register does not take it.
        return {name: str(said[name]) for name in ("made", "until", "keys")} | {"covers": str(said.get("covers", ""))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise EvidenceBroken(
            "A sealed copy's own label is damaged.", where=str(path), do="Its content and wraps may still be sound."
        ) from None


def _fingerprints(officers: Sequence[Holder]) -> str:
    """Return one digest of the public keys a seal is closed to; it names no office."""
    return hashlib.sha256("\n".join(sorted(one.age for one in officers)).encode()).hexdigest()


def _record(opened: Opened, inquiries: Journal, gate: Gate, kind: str, digest: str) -> None:
    entry = {"kind": kind, "actor": "officers", "hour": hour(opened.clock.now()), "policy": gate.digest}
    inquiries.append(entry, once=f"{kind} {digest}")
