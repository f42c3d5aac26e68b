"""Packages: a BagIt bag (RFC 8493) in a stricter profile of ours, as one ZIP with the same bytes every time.

Made and read in memory, so no name is on a disk in the clear. The profile: SHA-512 only; every file
listed but the signature; plain ASCII names; no ``fetch.txt``; nothing compressed, linked, dated or hidden.
Reading refuses whatever our own writer would not have written, byte for byte: that is what makes it strict.
The signature is a signed note (C2SP) by the library's ledger key over the digest of the tag manifest.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reticent.errors import EvidenceBroken, UsageError
from reticent.ledger.note import MAX_NOTE, Verifier, line, open_note

LARGEST = 256 * 2**20
"""Bytes of a package at most: it is made in memory, and an order is about some persons, not a database."""
SIGNATURE = "tagmanifest-sha512.txt.note"
_TAGS = ("bag-info.txt", "bagit.txt", "manifest-sha512.txt", "tagmanifest-sha512.txt")
_DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_LABEL = re.compile(r"[A-Z][A-Za-z]*(-[A-Z][A-Za-z]*)*")
_HEAD = "reticent package v1"
_WHEN = (1980, 1, 1, 0, 0, 0)


class Signer(Protocol):
    """What signs a note: the ledger's key."""

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        ...

    def sign(self, text: str) -> bytes:
        """Return the signature of a text."""
        ...


@dataclass(frozen=True)
class Package:
    """An opened package: ``files`` are the payload by name, ``info`` the lines of ``bag-info.txt`` in order."""

    name: str
    files: Mapping[str, bytes] = field(repr=False)
    info: Sequence[tuple[str, str]]
    note: str = field(repr=False)


def build(name: str, payload: Mapping[str, bytes], info: Sequence[tuple[str, str]], signer: Signer) -> bytes:
    """Return the ZIP of a bag ``name`` with these files; the same bytes for the same arguments.

    Raises UsageError for a name, a label or a size that the profile does not allow.
    """
    if fault := _fault(name, payload, info):
        raise UsageError(f"This cannot be packed: {fault}.", do="Rename it or make it smaller.")
    files = _bag(payload, info)
    text = _statement(files["tagmanifest-sha512.txt"])
    files[SIGNATURE] = f"{text}\n{line(signer.verifier, signer.sign(text))}".encode()
    return _zip(name, files)


def read(data: bytes, verifier: Verifier | None = None) -> Package:
    """Open a package and check every byte; with ``verifier`` also who signed it.

    Raises EvidenceBroken, naming the kind of fault and never what stands inside.
    """
    name, files = _unzipped(data)
    payload = {each.removeprefix("data/"): body for each, body in files.items() if each.startswith("data/")}
    note = files.get(SIGNATURE, b"")
    info = _info(files.get("bag-info.txt", b""))
    if fault := _fault(name, payload, info):
        raise _broken(fault)
    expected = {**_bag(payload, info), SIGNATURE: note}
    if fault := _difference(expected, files):
        raise _broken(fault)
    if _zip(name, files) != data:
        raise _broken("the ZIP holds more, or otherwise, than the bag")
    return Package(name, payload, info, _signed(note, files["tagmanifest-sha512.txt"], verifier))


def _bag(payload: Mapping[str, bytes], info: Sequence[tuple[str, str]]) -> dict[str, bytes]:
    size = sum(map(len, payload.values()))
    lines = [*info, ("Payload-Oxum", f"{size}.{len(payload)}")]
    files = {f"data/{name}": body for name, body in payload.items()}
    manifest = _manifest(files)
    tags = {
        "bagit.txt": _DECLARATION,
        "bag-info.txt": "".join(f"{label}: {value}\n" for label, value in lines).encode(),
        "manifest-sha512.txt": manifest,
    }
    return {**files, **tags, "tagmanifest-sha512.txt": _manifest(tags)}


def _manifest(files: Mapping[str, bytes]) -> bytes:
    return "".join(f"{hashlib.sha512(files[name]).hexdigest()}  {name}\n" for name in sorted(files)).encode()


def _statement(tagmanifest: bytes) -> str:
    return f"{_HEAD}\n{base64.b64encode(hashlib.sha512(tagmanifest).digest()).decode()}\n"


def _zip(name: str, files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP of stored files in order, with a fixed date and plain rights."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for each in sorted(files):
            entry = zipfile.ZipInfo(f"{name}/{each}", _WHEN)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, files[each])
    return buffer.getvalue()


def _unzipped(data: bytes) -> tuple[str, dict[str, bytes]]:
    """Return the folder's name and its files. The rest of the checks is on what comes out."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            fault = _unreadable(entries, len(data))
            files = {} if fault else {entry.filename: archive.read(entry) for entry in entries}
    except Exception:
        # The standard library raises some twenty kinds on a damaged ZIP.
        raise _broken("it is not a readable ZIP") from None
    name = next(iter(files), "").partition("/")[0]
    if fault or not name or not all(each.startswith(f"{name}/") for each in files):
        raise _broken(fault or "it does not hold one folder")
    return name, {each.removeprefix(f"{name}/"): body for each, body in files.items()}


def _unreadable(entries: Sequence[zipfile.ZipInfo], size: int) -> str:
    if len({entry.filename.casefold() for entry in entries}) != len(entries):
        return "two files have the same name"
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        return "a file in it is compressed or encrypted"
    return "its files are larger than itself" if sum(entry.file_size for entry in entries) > size else ""


def _info(text: bytes) -> list[tuple[str, str]]:
    """Return the lines of ``bag-info.txt`` without the last, which is made anew and compared."""
    try:
        lines = text.decode("utf-8").split("\n")[:-2]
    except UnicodeDecodeError:
        raise _broken("bag-info.txt is not UTF-8") from None
    return [(label, value) for label, _, value in (each.partition(": ") for each in lines)]


def _fault(name: str, payload: Mapping[str, bytes], info: Sequence[tuple[str, str]]) -> str:
    if not all(_NAME.fullmatch(each) for each in (name, *payload)):
        return "a name is not plain ASCII letters, digits, dots, dashes and underscores"
    if len({each.casefold() for each in payload}) != len(payload) or not payload:
        return "two files differ by case only, or there is none"
    if sum(map(len, payload.values())) > LARGEST:
        return f"it is larger than {LARGEST // 2**20} MB"
    if not all(_LABEL.fullmatch(label) and value.isprintable() and value.strip() == value for label, value in info):
        return "a line of bag-info.txt is malformed"
    return ""


def _difference(expected: Mapping[str, bytes], files: Mapping[str, bytes]) -> str:
    if "fetch.txt" in files:
        return "it wants files fetched from elsewhere (fetch.txt)"
    if set(files) - set(expected):
        return "it holds a file that no manifest lists"
    if set(expected) - set(files):
        return "a file is missing"
    wrong = next((each for each in (*_TAGS, *sorted(expected)) if expected[each] != files[each]), "")
    return f"{wrong} is not what the bag's content makes it" if wrong else ""


def _signed(note: bytes, tagmanifest: bytes, verifier: Verifier | None) -> str:
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError:
        raise _broken("its signature is not text") from None
    said = open_note(text, verifier) if verifier else text.partition("\n\n")[0] + "\n"
    if len(text) > MAX_NOTE or said != _statement(tagmanifest):
        raise _broken("its signature is over something else")
    return text


def _broken(fault: str) -> EvidenceBroken:
    return EvidenceBroken(f"The package is refused: {fault}.", do="Ask for it again, whole and unchanged.")
