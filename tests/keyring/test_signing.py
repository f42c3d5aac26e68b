from __future__ import annotations

import base64
from pathlib import Path

import pytest

from reticent.errors import ConfigurationError, EvidenceBroken
from reticent.keyring.folder import Folder
from reticent.keyring.signing import LedgerKey
from reticent.ledger.note import Verifier, line, open_note

ORIGIN = "library.example/ledger/1"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.create(tmp_path / "keys", tmp_path / "state")


def test_key_is_the_same_after_loading_and_signs_notes(folder: Folder) -> None:
    made, loaded = LedgerKey.create(folder, ORIGIN), LedgerKey.load(folder, ORIGIN)
    assert made.verifier == loaded.verifier == Verifier.parse(made.verifier.vkey)
    text = "three\nlines\nhere\n"
    assert open_note(text + "\n" + line(made.verifier, loaded.sign(text)), made.verifier) == text


def test_keys_whose_text_holds_a_plus_sign_are_read_back(folder: Folder) -> None:
    """Base64 has plus signs of its own, between the plus signs of the format."""
    texts: set[bool] = set()
    for number in range(1, 60):
        origin = f"library.example/ledger/{number}"
        made = LedgerKey.create(folder, origin)
        assert LedgerKey.load(folder, origin).verifier == made.verifier
        texts.add(folder.read(f"ledger@library.example+ledger+{number}.key").count(b"+") > 4)
    assert texts == {True, False}


def test_key_file_is_in_the_form_of_stock_note_tools(folder: Folder) -> None:
    """``PRIVATE+KEY+name+id+base64(type, seed)``, as golang.org/x/mod/sumdb/note writes it."""
    key = LedgerKey.create(folder, ORIGIN)
    words = folder.read("ledger@library.example+ledger+1.key").decode().split("+", 4)
    assert words[:4] == ["PRIVATE", "KEY", ORIGIN, key.verifier.key_id.hex()]
    raw = base64.b64decode(words[4])
    assert (len(raw), raw[0]) == (33, 1)


def test_a_ledgers_key_is_never_replaced(folder: Folder) -> None:
    key = LedgerKey.create(folder, ORIGIN)
    with pytest.raises(ConfigurationError):
        LedgerKey.create(folder, ORIGIN)
    assert LedgerKey.load(folder, ORIGIN).verifier == key.verifier


def test_ledgers_have_keys_of_their_own(folder: Folder) -> None:
    first, second = LedgerKey.create(folder, ORIGIN), LedgerKey.create(folder, "library.example/ledger/2")
    assert first.verifier.public != second.verifier.public
    first.remember("a")
    assert second.last() is None


def test_a_missing_key_is_said(folder: Folder) -> None:
    with pytest.raises(ConfigurationError):
        LedgerKey.load(folder, ORIGIN)


@pytest.mark.parametrize("place", [0, 15, 45, 60, -1])
def test_a_damaged_key_is_refused_and_not_shown(folder: Folder, place: int) -> None:
    LedgerKey.create(folder, ORIGIN)
    file = folder.path / "ledger@library.example+ledger+1.key"
    good = bytearray(file.read_bytes())
    good[place] ^= 3
    file.write_bytes(good)
    with pytest.raises(EvidenceBroken) as refused:
        LedgerKey.load(folder, ORIGIN)
    assert good[-40:].decode("latin-1") not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe", b"PRIVATE+KEY+a+b+c"])
def test_a_file_that_is_no_key_is_refused(folder: Folder, content: bytes) -> None:
    with folder.locked("ledger"):
        folder.write("ledger@library.example+ledger+1.key", content)
    with pytest.raises(EvidenceBroken):
        LedgerKey.load(folder, ORIGIN)


def test_the_last_checkpoint_is_remembered(folder: Folder) -> None:
    key = LedgerKey.create(folder, ORIGIN)
    assert key.last() is None
    key.remember("one\n— ü\n")
    key.remember("two\n")
    assert LedgerKey.load(folder, ORIGIN).last() == "two\n"
