"""What a thief, a court or a sibling library can learn from the ledger's bytes: nothing about a person."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ledger.builders import entry, new_key, new_log

from reticent.errors import UsageError
from reticent.ledger.commitments import commit, new_salt, opens
from reticent.ledger.entries import FIELDS, canonical
from reticent.ledger.export import export

MARKS = [
    "21234000987654",
    "Zzyzx Marked-Patron",
    "marked.patron@example.org",
    "Марья Отмеченная",
    "9780306406157",
]


def files(folder: Path) -> Iterator[bytes]:
    return (file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_marked_patrons_reach_no_byte(tmp_path: Path) -> None:
    """Each mark is tried in each field, as a kind, as an id of an act, and in a detail."""
    key = new_key(tmp_path)
    with new_log(tmp_path / "ledger.db", 20) as log:
        for number, mark in enumerate(MARKS):
            for field in [*FIELDS, mark]:
                for value in (mark, [mark], {"name": mark}):
                    with pytest.raises(UsageError) as refused:
                        log.append([entry(), {**entry(), field: value}], once="refused")
                    assert mark not in str(refused.value)
            detail = commit(new_salt(), {"barcode": mark})
            log.append([{**_hold(), "detail": detail}], once=f"hold of {mark} {number}")
        log.checkpoint(key)
        export(log, tmp_path / "copy", key.verifier)
        (tmp_path / "proof").write_text(log.proof(3))
        for data in files(tmp_path):
            for mark in MARKS:
                raw = mark.encode()
                assert not any(form in data for form in (raw, mark.encode("utf-16-le"), raw.hex().encode()))
                assert hashlib.sha256(raw).hexdigest().encode() not in data
                assert hashlib.sha256(raw).digest() not in data


def _hold() -> dict[str, object]:
    return {"kind": "hold_placed", "hour": "2026-03-01T14:00Z", "actor": "counsel"}


CARDS = [f"2123400{number:07d}" for number in range(20_000)]
SECRET = CARDS[13_579]


def brute_force(wanted: str, salts: list[bytes]) -> str | None:
    """Try every card number there is, bare and under each salt at hand."""
    for card in CARDS:
        detail = canonical({"barcode": card})
        guesses = [hashlib.sha256(each).hexdigest() for each in (detail, card.encode())]
        guesses += [hmac.digest(salt, detail, "sha256").hex() for salt in salts]
        if wanted in guesses:
            return card
    return None


def test_brute_force_finds_a_bare_hash_and_a_commitment_whose_salt_is_known() -> None:
    salt = new_salt()
    assert brute_force(hashlib.sha256(SECRET.encode()).hexdigest(), []) == SECRET
    assert brute_force(commit(salt, {"barcode": SECRET}), [salt]) == SECRET


def test_brute_force_finds_no_commitment_without_its_salt() -> None:
    commitment = commit(new_salt(), {"barcode": SECRET})
    at_hand = [b"", bytes(32), bytes.fromhex(commitment), b"library.example/ledger/1", new_salt()]
    assert brute_force(commitment, at_hand) is None


def test_the_same_detail_twice_gives_two_commitments() -> None:
    assert commit(new_salt(), {"barcode": SECRET}) != commit(new_salt(), {"barcode": SECRET})


def test_commitment_opens_with_its_salt_and_detail_only() -> None:
    salt = new_salt()
    commitment = commit(salt, {"a": 1})
    assert opens(commitment, salt, {"a": 1})
    assert not opens(commitment, salt, {"a": 2})
    assert not opens(commitment, new_salt(), {"a": 1})
    assert not opens("é", salt, {"a": 1})


@pytest.mark.parametrize("salt", [b"", b"short", bytes(31)])
def test_a_short_salt_is_refused(salt: bytes) -> None:
    with pytest.raises(UsageError):
        commit(salt, {"a": 1})


def test_refused_entries_leave_no_residue_in_the_write_ahead_log(tmp_path: Path) -> None:
    with new_log(tmp_path / "ledger.db", 3) as log:
        with contextlib.suppress(UsageError):
            log.append([{**entry(), "outcome": MARKS[1]}], once=MARKS[1])
        assert not any(MARKS[1].encode() in data for data in files(tmp_path))
