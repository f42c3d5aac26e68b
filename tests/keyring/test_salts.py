from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from tests.keyring.test_periods import Book, Killed, holds, killed_at

from reticent.errors import EvidenceBroken, NotPermitted, UsageError
from reticent.keyring.folder import Folder
from reticent.keyring.salts import Salts
from reticent.ledger.commitments import opens
from reticent.ledger.entries import encode

DETAIL: dict[str, object] = {"case": "ab" * 32, "pages": 3}
MARCH, APRIL = date(2026, 3, 31), date(2026, 4, 30)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.create(tmp_path / "keys", tmp_path / "state")


@pytest.fixture
def book(folder: Folder) -> Book:
    return Book(folder)


@pytest.fixture
def salts(folder: Folder, book: Book) -> Salts:
    return Salts(folder, book.record)


def none_held(commitment: str) -> bool:
    return False


def test_commitment_fits_the_ledger_and_opens(salts: Salts) -> None:
    commitment = salts.commit(DETAIL, MARCH)
    encode({"kind": "hold_placed", "hour": "2026-03-01T14:00Z", "actor": "counsel", "detail": commitment})
    salt, detail = salts.reveal(commitment)
    assert detail == DETAIL
    assert opens(commitment, salt, DETAIL)


def test_each_detail_has_a_salt_of_its_own(salts: Salts) -> None:
    one, two = salts.commit(DETAIL, MARCH), salts.commit(DETAIL, MARCH)
    assert one != two
    assert salts.reveal(one)[0] != salts.reveal(two)[0]


def test_what_is_due_is_destroyed_recorded_and_gone(salts: Salts, folder: Folder, book: Book) -> None:
    due, later = [salts.commit(DETAIL, MARCH) for _ in range(3)], salts.commit(DETAIL, APRIL)
    secrets = [salts.reveal(each)[0] for each in due]
    assert salts.destroy_due(date(2026, 3, 30), none_held) == 0
    assert salts.destroy_due(MARCH, none_held) == 3
    assert salts.destroy_due(MARCH, none_held) == 0
    for each in due:
        with pytest.raises(NotPermitted):
            salts.reveal(each)
    assert not any(holds(folder.path, secret) for secret in secrets)
    assert salts.reveal(later)[1] == DETAIL
    assert list(book.acts.values()) == [{"kind": "salts_destroyed", "salts": 3}]


def test_what_a_legal_hold_covers_stays(salts: Salts) -> None:
    held, free = salts.commit(DETAIL, MARCH), salts.commit(DETAIL, MARCH)
    assert salts.destroy_due(APRIL, lambda commitment: commitment == held) == 1
    assert salts.reveal(held)[1] == DETAIL
    with pytest.raises(NotPermitted):
        salts.reveal(free)


@pytest.mark.parametrize("commitment", ["", "*", "../x", "a" * 64, "é" * 64])
def test_an_unknown_commitment_is_not_revealed(salts: Salts, commitment: str) -> None:
    with pytest.raises(NotPermitted):
        salts.reveal(commitment)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"salt":"00","detail":{}}',
        b'{"salt":3,"detail":4}',
        b"\xff",
        b'{"salt":"' + b"00" * 32 + b'","detail":{"case":1}}',
    ],
)
def test_a_damaged_salt_is_broken_evidence(salts: Salts, folder: Folder, content: bytes) -> None:
    commitment = salts.commit(DETAIL, MARCH)
    (folder.path / f"salt@2026-03-31@{commitment}.json").write_bytes(content)
    with pytest.raises(EvidenceBroken):
        salts.reveal(commitment)


def test_a_detail_that_is_too_long_is_refused(salts: Salts, folder: Folder) -> None:
    with pytest.raises(UsageError):
        salts.commit({"text": "x" * 70_000}, MARCH)
    assert not list(folder.path.glob("salt@*"))


def test_destruction_killed_at_any_step_is_finished_and_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(1, 200):
        folder = Folder.create(tmp_path / f"keys-{step}", tmp_path / "state")
        book = Book(folder)
        salts = Salts(folder, book.record)
        secrets = [salts.reveal(salts.commit(DETAIL, MARCH))[0] for _ in range(3)]

        def record(
            entry: Mapping[str, object],
            once: str,
            folder: Folder = folder,
            secrets: list[bytes] = secrets,
            book: Book = book,
        ) -> None:
            if entry["salts"] == 3:
                assert not any(holds(folder.path, secret) for secret in secrets)
            book.record(entry, once)

        with killed_at(step, monkeypatch) as done, contextlib.suppress(Killed):
            Salts(folder, record).destroy_due(MARCH, none_held)
        Salts(folder, record).destroy_due(MARCH, none_held)
        counts = [entry["salts"] for entry in book.acts.values()]
        assert sum(count for count in counts if isinstance(count, int)) == 3
        assert not any(holds(folder.path, secret) for secret in secrets)
        assert not list(folder.path.glob("salt@*"))
        if done[0] < step:
            return
    pytest.fail("the destruction never ended")
