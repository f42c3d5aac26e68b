from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from reticent.errors import ConfigurationError, EvidenceBroken
from reticent.ledger.checkpoint import Checkpoint, open_checkpoint
from reticent.ledger.note import Verifier, line, open_note

# The example of C2SP signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n"
    "\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
OTHER = "— example.com/foo AAAAAAAAAAAAAAAAAAAAAAAA\n"


def test_the_specifications_example_verifies() -> None:
    assert open_note(NOTE, Verifier.parse(VKEY)) == "This is an example message.\n"


def test_verifier_key_is_written_as_it_was_read() -> None:
    assert Verifier.parse(VKEY).vkey == VKEY


def test_signatures_of_unknown_keys_are_ignored() -> None:
    assert open_note(NOTE + OTHER + "— witness.example BBBBBBBBBBBB\n", Verifier.parse(VKEY))


def test_text_may_hold_empty_lines() -> None:
    key = Ed25519PrivateKey.generate()
    verifier = Verifier("a.example", key.public_key().public_bytes_raw())
    text = "one\n\n— two AAAA\n\nthree\n"
    assert open_note(text + "\n" + line(verifier, key.sign(text.encode())), verifier) == text


def test_one_false_signature_of_the_key_spoils_the_note() -> None:
    verifier = Verifier.parse(VKEY)
    with pytest.raises(EvidenceBroken):
        open_note(NOTE + line(verifier, bytes(64)), verifier)


@pytest.mark.parametrize("at", range(0, len(NOTE), 7))
def test_no_changed_character_is_accepted(at: int) -> None:
    changed = NOTE[:at] + ("x" if NOTE[at] != "x" else "y") + NOTE[at + 1 :]
    with pytest.raises(EvidenceBroken):
        open_note(changed, Verifier.parse(VKEY))


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        NOTE.rstrip("\n"),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace(" example", "\texample"),
        NOTE.replace("—", "-"),
        NOTE + "\n",
        NOTE + OTHER * 70,
        "x" * 70_000,
    ],
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(EvidenceBroken):
        open_note(note, Verifier.parse(VKEY))


@given(st.text(max_size=300))
def test_nonsense_is_refused_and_never_fails_otherwise(text: str) -> None:
    for note in (text, text + "\n\n— example.com/foo Uw2QOkn8\n", NOTE[:-30] + text):
        with pytest.raises(EvidenceBroken):
            open_note(note, Verifier.parse(VKEY))


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "a+b+c",
        VKEY.replace("530d903a", "530d903b"),
        VKEY.replace("foo", "bar"),
        VKEY[:-4],
        VKEY + "A",
        "a b" + VKEY,
    ],
)
def test_what_is_no_verifier_key_is_refused(vkey: str) -> None:
    with pytest.raises(ConfigurationError):
        Verifier.parse(vkey)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\x00b", "x" * 201])
def test_unusable_key_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        Verifier(name, bytes(32))


def test_the_specifications_checkpoint_is_read() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    head = Checkpoint.parse(text)
    assert (head.origin, head.size, len(head.root)) == ("example.com/behind-the-sofa", 20852163, 32)
    assert head.text == text


ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"\n1\n{ROOT}\n",
        f"o\n1\n{ROOT[:-4]}\n",
        f"o\n1\n{ROOT}\nextension\n",
        f"o\n１\n{ROOT}\n",
        f"o\n{'9' * 19}\n{ROOT}\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(EvidenceBroken):
        Checkpoint.parse(text)


def test_checkpoint_of_another_origin_is_refused() -> None:
    key = Ed25519PrivateKey.generate()
    verifier = Verifier("ours.example", key.public_key().public_bytes_raw())
    text = f"theirs.example\n1\n{ROOT}\n"
    with pytest.raises(EvidenceBroken):
        open_checkpoint(text + "\n" + line(verifier, key.sign(text.encode())), verifier)
