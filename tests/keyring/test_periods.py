from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.ledger.builders import ORIGIN

from reticent.errors import EvidenceBroken, NotPermitted, UsageError
from reticent.keyring.folder import Folder
from reticent.keyring.periods import PeriodKeys, commitment
from reticent.ledger.entries import encode
from reticent.ledger.log import Log

PURPOSE, PERIOD = "ils/active_borrowers", "2026-03"


class Book:
    """A ledger that keeps entries in memory, once per act, each of them a valid entry."""

    def __init__(self, folder: Folder) -> None:
        self.acts: dict[str, Mapping[str, object]] = {}
        self.folder = folder

    def record(self, entry: Mapping[str, object], once: str) -> None:
        encode({**entry, "hour": "2026-03-01T14:00Z", "actor": "timer"}, {PURPOSE, "other"})
        self.acts.setdefault(once, entry)

    def kinds(self) -> list[object]:
        return [entry["kind"] for entry in self.acts.values()]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.create(tmp_path / "keys", tmp_path / "state")


@pytest.fixture
def book(folder: Folder) -> Book:
    return Book(folder)


@pytest.fixture
def keys(folder: Folder, book: Book) -> PeriodKeys:
    return PeriodKeys(folder, book.record)


def free(purpose: str, period: str) -> bool:
    return False


def test_one_key_for_each_purpose_and_period(keys: PeriodKeys, book: Book) -> None:
    places = [(PURPOSE, PERIOD), (PURPOSE, "2026-04"), ("other", PERIOD)]
    made = {keys.period_key(*place) for place in places}
    assert len(made) == 3
    assert {len(key) for key in made} == {32}
    assert {keys.period_key(*place) for place in places} == made
    assert keys.live() == sorted(places)
    assert book.kinds() == 3 * ["key_created"]


def test_key_is_the_same_in_the_next_process(keys: PeriodKeys, folder: Folder, book: Book) -> None:
    key = keys.period_key(PURPOSE, PERIOD)
    assert PeriodKeys(folder, book.record).period_key(PURPOSE, PERIOD) == key


def test_periods_that_begin_alike_do_not_share_a_key(keys: PeriodKeys) -> None:
    first, second = keys.period_key("other", "2026"), keys.period_key("other", "2026-03")
    assert first != second
    assert keys.destroy("other", "2026", free)
    assert keys.period_key("other", "2026-03") == second


def test_destroyed_key_is_gone_recorded_and_never_made_again(keys: PeriodKeys, folder: Folder, book: Book) -> None:
    key = keys.period_key(PURPOSE, PERIOD)
    assert keys.destroy(PURPOSE, PERIOD, free)
    assert not keys.destroy(PURPOSE, PERIOD, free)
    for again in (keys, PeriodKeys(folder, book.record)):
        with pytest.raises(NotPermitted):
            again.period_key(PURPOSE, PERIOD)
    assert keys.live() == []
    assert list(book.acts.values()) == [
        {"kind": kind, "purpose": PURPOSE, "period": PERIOD, "key": commitment(key)}
        for kind in ("key_created", "key_destroyed")
    ]


def test_key_under_a_legal_hold_is_not_destroyed(keys: PeriodKeys, book: Book) -> None:
    key = keys.period_key(PURPOSE, PERIOD)
    asked: list[tuple[str, str]] = []

    def held(purpose: str, period: str) -> bool:
        asked.append((purpose, period))
        return True

    with pytest.raises(NotPermitted):
        keys.destroy(PURPOSE, PERIOD, held)
    assert asked == [(PURPOSE, PERIOD)]
    assert keys.period_key(PURPOSE, PERIOD) == key
    assert book.kinds() == ["key_created"]


@pytest.mark.parametrize(
    ("purpose", "period"),
    [
        ("", PERIOD),
        ("Jane Doe", PERIOD),
        ("a@b", PERIOD),
        ("a+b", PERIOD),
        (PURPOSE, "March"),
        (PURPOSE, "2026-3"),
        (PURPOSE, "../x"),
    ],
)
def test_malformed_purpose_or_period_is_wrong_use(keys: PeriodKeys, purpose: str, period: str) -> None:
    for act in (keys.period_key, lambda one, two: keys.destroy(one, two, free)):
        with pytest.raises(UsageError):
            act(purpose, period)


def test_damaged_key_is_not_used(keys: PeriodKeys, folder: Folder) -> None:
    keys.period_key(PURPOSE, PERIOD)
    (file,) = folder.path.glob("period@*.key")
    file.write_bytes(bytes(32))
    with pytest.raises(EvidenceBroken):
        keys.period_key(PURPOSE, PERIOD)


def test_stray_files_are_left_alone(keys: PeriodKeys, folder: Folder) -> None:
    for name in ("period@x", "period@a@b@c.key", "notes.txt", "x.doomed"):
        (folder.path / name).write_text("stray")
    keys.period_key(PURPOSE, PERIOD)
    keys.destroy(PURPOSE, PERIOD, free)
    assert keys.live() == []
    assert (folder.path / "period@x").read_text() == "stray"


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """End the process before the n-th change to the disk; yield a list that says if it came to that."""
    done = [0]

    def counted(real: object) -> object:
        def call(*given: object, **named: object) -> object:
            done[0] += 1
            if done[0] == step:
                raise Killed
            return real(*given, **named)  # type: ignore[operator]

        return call

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "unlink", "write", "fsync"):
            patch.setattr(os, name, counted(getattr(os, name)))
        yield done


def test_creation_killed_at_any_step_gives_one_key_recorded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(1, 100):
        folder = Folder.create(tmp_path / f"keys-{step}", tmp_path / "state")
        book = Book(folder)
        first = b""
        with killed_at(step, monkeypatch) as done, suppress(Killed):
            first = PeriodKeys(folder, book.record).period_key(PURPOSE, PERIOD)
        key = PeriodKeys(folder, book.record).period_key(PURPOSE, PERIOD)
        assert first in (b"", key)
        assert [entry["key"] for entry in book.acts.values()] == [commitment(key)]
        if done[0] < step:
            return
    pytest.fail("the creation never ended")


def test_destruction_killed_at_any_step_is_finished_and_never_recorded_before_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(1, 100):
        folder = Folder.create(tmp_path / f"keys-{step}", tmp_path / "state")
        book = Book(folder)
        key = PeriodKeys(folder, book.record).period_key(PURPOSE, PERIOD)

        def record(
            entry: Mapping[str, object],
            once: str,
            folder: Folder = folder,
            key: bytes = key,
            book: Book = book,
        ) -> None:
            assert not holds(folder.path, key)
            book.record(entry, once)

        with killed_at(step, monkeypatch) as done, suppress(Killed):
            PeriodKeys(folder, record).destroy(PURPOSE, PERIOD, free)
        again = PeriodKeys(folder, record)
        if again.live():
            again.destroy(PURPOSE, PERIOD, free)
        assert book.kinds() == ["key_created", "key_destroyed"]
        assert not holds(folder.path, key)
        assert again.live() == []
        with pytest.raises(NotPermitted):
            again.period_key(PURPOSE, PERIOD)
        if done[0] < step:
            return
    pytest.fail("the destruction never ended")


def holds(folder: Path, secret: bytes) -> bool:
    """Whether any raw file below holds these bytes, plain or in hex."""
    files = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    return any(
        form in data for data in files for form in (secret, secret.hex().encode(), secret.hex().upper().encode())
    )


def test_no_byte_of_a_destroyed_key_is_left_in_any_file(tmp_path: Path) -> None:
    """Key folder, ledger, its write-ahead log and its shared memory, while open and after closing."""
    folder = Folder.create(tmp_path / "keys", tmp_path / "state")
    (tmp_path / "state").mkdir()
    with Log.create(tmp_path / "state" / "ledger.db", ORIGIN, names={PURPOSE}) as log:

        def record(entry: Mapping[str, object], once: str) -> object:
            return log.append([{**entry, "hour": "2026-03-01T14:00Z", "actor": "timer"}], once=once)

        keys = PeriodKeys(folder, record)
        secrets = [keys.period_key(PURPOSE, f"2026-{month:02d}") for month in range(1, 7)]
        assert all(holds(tmp_path, secret) for secret in secrets)
        assert not any(holds(tmp_path / "state", secret) for secret in secrets)
        for month in range(1, 7):
            keys.destroy(PURPOSE, f"2026-{month:02d}", free)
        assert log.size == 12
        assert not any(holds(tmp_path, secret) for secret in secrets)
    assert not any(holds(tmp_path, secret) for secret in secrets)
