from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.builders import ORIGIN, new_key, new_log

from reticent.errors import EvidenceBroken, NotPermitted
from reticent.ledger.note import Verifier
from reticent.ledger.proof import check_proof


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes, Verifier]:
    folder = tmp_path_factory.mktemp("proof")
    key = new_key(folder)
    with new_log(folder / "ledger.db", 700) as log:
        log.checkpoint(key)
        return log.proof(523), log.entry(523), key.verifier


def test_proof_is_checked_without_the_ledger(proven: tuple[str, bytes, Verifier]) -> None:
    text, entry, verifier = proven
    index, head = check_proof(text, entry, verifier)
    assert (index, head.size, head.origin) == (523, 700, ORIGIN)


def test_proof_has_the_lines_of_the_specification(proven: tuple[str, bytes, Verifier]) -> None:
    lines = proven[0].split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 523"]
    gap = lines.index("")
    assert all(len(line) == 44 for line in lines[2:gap])
    assert lines[gap + 1 : gap + 3] == [ORIGIN, "700"]
    assert lines[gap + 4] == ""
    assert lines[gap + 5].startswith(f"— {ORIGIN} ")
    assert lines[gap + 6 :] == [""]


def test_extra_line_of_the_specification_is_allowed(proven: tuple[str, bytes, Verifier]) -> None:
    text, entry, verifier = proven
    assert check_proof(text.replace("\nindex", "\nextra AAAA\nindex", 1), entry, verifier)[0] == 523


def test_another_entry_is_not_proven(proven: tuple[str, bytes, Verifier]) -> None:
    text, entry, verifier = proven
    with pytest.raises(EvidenceBroken):
        check_proof(text, entry + b" ", verifier)


def test_no_changed_character_is_accepted(proven: tuple[str, bytes, Verifier]) -> None:
    text, entry, verifier = proven
    for at, letter in enumerate(text):
        with pytest.raises(EvidenceBroken):
            check_proof(text[:at] + ("B" if letter != "B" else "C") + text[at + 1 :], entry, verifier)


@given(st.text(max_size=200))
def test_nonsense_is_refused_and_never_fails_otherwise(text: str) -> None:
    verifier = Verifier(ORIGIN, bytes(32))
    for proof in (text, "c2sp.org/tlog-proof@v1\n" + text, "c2sp.org/tlog-proof@v1\nindex 0\n\n" + text):
        with pytest.raises(EvidenceBroken):
            check_proof(proof, b"", verifier)


def test_entry_after_the_last_checkpoint_has_no_proof_yet(tmp_path: Path) -> None:
    with new_log(tmp_path / "ledger.db", 3) as log, pytest.raises(NotPermitted):
        log.proof(0)


def test_the_only_entry_has_a_proof_without_hashes(tmp_path: Path) -> None:
    key = new_key(tmp_path)
    with new_log(tmp_path / "ledger.db", 1) as log:
        log.checkpoint(key)
        assert check_proof(log.proof(0), log.entry(0), key.verifier)[0] == 0
