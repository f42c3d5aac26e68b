"""The static copy, read by a client that knows the specification and none of our code."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.ledger.builders import NAMES, ORIGIN, bodies, entry, new_key, new_log

from reticent.errors import EvidenceBroken, NotPermitted, ReticentError
from reticent.ledger.export import export
from reticent.ledger.log import Log


def tile_path(kind: str, index: int, width: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return f"tile/{kind}/{name}" + (f".p/{width}" if width < 256 else "")


def tree_hash(hashes: list[bytes]) -> bytes:
    if len(hashes) == 1:
        return hashes[0]
    at = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree_hash(hashes[:at]) + tree_hash(hashes[at:])).digest()


def read_as_stranger(folder: Path, vkey: str) -> list[bytes]:
    """Follow c2sp.org/tlog-tiles: check the note, fetch every tile and bundle, compare; return the entries."""
    text, signature = (folder / "checkpoint").read_text().rsplit("\n\n", 1)
    name, key_id, key = vkey.split("+", 2)
    raw = base64.b64decode(signature.rstrip("\n").split(" ")[2])
    assert raw[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:]).verify(raw[4:], (text + "\n").encode())
    origin, size, root = text.split("\n")
    assert origin == name
    files = {"checkpoint"}
    entries: list[bytes] = []
    level_hashes: list[list[bytes]] = []
    level, count = 0, int(size)
    while count:
        hashes: list[bytes] = []
        for index in range(-(-count // 256)):
            width = min(256, count - 256 * index)
            files.add(tile_path(str(level), index, width))
            tile = (folder / tile_path(str(level), index, width)).read_bytes()
            assert len(tile) == 32 * width
            hashes += [tile[at : at + 32] for at in range(0, len(tile), 32)]
            if level == 0:
                files.add(tile_path("entries", index, width))
                bundle = (folder / tile_path("entries", index, width)).read_bytes()
                while bundle:
                    length = int.from_bytes(bundle[:2], "big")
                    entries.append(bundle[2 : 2 + length])
                    bundle = bundle[2 + length :]
        level_hashes.append(hashes)
        level, count = level + 1, count // 256
    leaves = [hashlib.sha256(b"\x00" + each).digest() for each in entries]
    if leaves:
        assert level_hashes[0] == leaves
        assert tree_hash(leaves) == base64.b64decode(root)
    for level, hashes in enumerate(level_hashes[1:], 1):
        below = level_hashes[level - 1]
        assert hashes == [tree_hash(below[at : at + 256]) for at in range(0, len(below) - 255, 256)]
    assert {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} >= files
    return entries


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 700])
def test_a_stranger_reads_the_static_copy(tmp_path: Path, size: int) -> None:
    key, folder = new_key(tmp_path), tmp_path / "copy"
    with new_log(tmp_path / "ledger.db", size) as log:
        log.checkpoint(key)
        assert export(log, folder, key.verifier).size == size
    assert read_as_stranger(folder, key.verifier.vkey) == bodies(size)


def test_the_copy_grows_and_its_files_do_not_change(tmp_path: Path) -> None:
    key, folder = new_key(tmp_path), tmp_path / "copy"
    with new_log(tmp_path / "ledger.db", 250) as log:
        log.checkpoint(key)
        export(log, folder, key.verifier)
        before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.name != "checkpoint"}
        log.append([entry(number) for number in range(250, 700)], once="more")
        log.checkpoint(key)
        export(log, folder, key.verifier)
        export(log, folder, key.verifier)
    assert all(file.read_bytes() == data for file, data in before.items())
    assert read_as_stranger(folder, key.verifier.vkey) == bodies(700)


def test_entries_after_the_checkpoint_stay_out(tmp_path: Path) -> None:
    key, folder = new_key(tmp_path), tmp_path / "copy"
    with new_log(tmp_path / "ledger.db", 3) as log:
        log.checkpoint(key)
        log.append([entry(3)], once="more")
        export(log, folder, key.verifier)
    assert read_as_stranger(folder, key.verifier.vkey) == bodies(3)


def test_nothing_is_exported_before_the_first_checkpoint(tmp_path: Path) -> None:
    with new_log(tmp_path / "ledger.db", 3) as log, pytest.raises(NotPermitted):
        export(log, tmp_path / "copy", new_key(tmp_path).verifier)


@pytest.mark.parametrize("size", [200, 300])
def test_another_ledger_does_not_continue_the_copy(tmp_path: Path, size: int) -> None:
    key, folder = new_key(tmp_path), tmp_path / "copy"
    with new_log(tmp_path / "ledger.db", size) as log:
        log.checkpoint(key)
        export(log, folder, key.verifier)
    (tmp_path / "keys" / "ledger@library.example+ledger+1.last").unlink()
    with new_log(tmp_path / "forged.db") as log:
        log.append([entry(number + 1) for number in range(size + 1)], once="all")
        log.checkpoint(key)
        with pytest.raises(EvidenceBroken):
            export(log, folder, key.verifier)
    assert read_as_stranger(folder, key.verifier.vkey) == bodies(size)


def test_a_changed_file_of_the_copy_is_found(tmp_path: Path) -> None:
    key, folder = new_key(tmp_path), tmp_path / "copy"
    with new_log(tmp_path / "ledger.db", 300) as log:
        log.checkpoint(key)
        export(log, folder, key.verifier)
        (folder / "tile/0/000").write_bytes(bytes(8192))
        with pytest.raises(EvidenceBroken):
            export(log, folder, key.verifier)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    key = new_key(tmp_path)
    (tmp_path / "file").write_text("in the way")
    with new_log(tmp_path / "ledger.db", 3) as log:
        log.checkpoint(key)
        with pytest.raises(ReticentError) as refused:
            export(log, tmp_path / "file" / "copy", key.verifier)
    assert refused.value.exit_code == 3


def test_ledger_restored_from_nothing_cannot_be_exported_over_the_copy(tmp_path: Path) -> None:
    key, folder = new_key(tmp_path), tmp_path / "copy"
    with new_log(tmp_path / "ledger.db", 300) as log:
        log.checkpoint(key)
        export(log, folder, key.verifier)
    (tmp_path / "ledger.db").unlink()
    with Log.create(tmp_path / "ledger.db", ORIGIN, names=NAMES) as log, pytest.raises(EvidenceBroken):
        log.checkpoint(key)
