"""Each way to change a ledger, with the comparison that must find it."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.ledger.builders import NAMES, ORIGIN, entry, new_key, new_log

from reticent.errors import ConfigurationError, EvidenceBroken
from reticent.keyring.signing import LedgerKey
from reticent.ledger.entries import encode
from reticent.ledger.log import Log
from reticent.ledger.merkle import leaf_hash
from reticent.ledger.verify import Detector, Fault, verify

SIZE = 700
CHANGED = encode(entry(99_999), NAMES)


class Case:
    """A ledger of 700 entries, signed at 600 and 700; the head at 600 is in the board's minutes."""

    def __init__(self, folder: Path) -> None:
        self.key = new_key(folder)
        self.path = folder / "ledger.db"
        with new_log(self.path, 600) as log:
            self.minutes = log.checkpoint(self.key)
            log.append([entry(number) for number in range(600, SIZE)], once="rest")
            log.checkpoint(self.key)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("verify"))


def tampered(case: Case, folder: Path, change: Callable[[sqlite3.Connection], object]) -> Path:
    path = folder / "ledger.db"
    shutil.copy(case.path, path)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA writable_schema=ON")
    change(raw)
    raw.close()
    return path


def edit(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE entry SET body = ? WHERE i = 300", (CHANGED,))


def edit_leaf(raw: sqlite3.Connection) -> None:
    edit(raw)
    (tile,) = raw.execute("SELECT hashes FROM tile WHERE level = 0 AND n = 1").fetchone()
    at = (300 - 256) * 32
    raw.execute(
        "UPDATE tile SET hashes = ? WHERE level = 0 AND n = 1",
        (tile[:at] + leaf_hash(CHANGED) + tile[at + 32 :],),
    )


def drop_tail(raw: sqlite3.Connection) -> None:
    raw.execute("DELETE FROM entry WHERE i >= 690")


SAME_NOTE = "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 600) WHERE size = 700"
TABLE: dict[str, tuple[Callable[[sqlite3.Connection], object], Detector, str]] = {
    "edit an entry": (edit, Detector.LEAF, "entry 300"),
    "edit an entry and its leaf hash": (edit_leaf, Detector.TILE, "tile 1/0"),
    "delete an entry": (lambda raw: raw.execute("DELETE FROM entry WHERE i = 300"), Detector.ENTRY, "entry 300"),
    "delete the first entry": (lambda raw: raw.execute("DELETE FROM entry WHERE i = 0"), Detector.ENTRY, "entry 0"),
    "delete entries in a row": (lambda raw: raw.execute("DELETE FROM entry WHERE i BETWEEN 10 AND 99"), Detector.ENTRY, "entries 10, 11 ... 99"),
    "drop the last entries": (drop_tail, Detector.TILE, "tile 0/2"),
    "drop all entries": (lambda raw: raw.execute("DELETE FROM entry"), Detector.CHECKPOINT, "checkpoint 600"),
    "add an entry": (lambda raw: raw.execute("INSERT INTO entry VALUES (700, ?)", (CHANGED,)), Detector.TILE, "tile 0/2"),
    "add an entry far away": (lambda raw: raw.execute("INSERT INTO entry VALUES (9007199254740991, ?)", (CHANGED,)), Detector.ENTRY, "entries from 700"),
    "add an entry before the first": (lambda raw: raw.execute("INSERT INTO entry VALUES (-1, ?)", (CHANGED,)), Detector.ENTRY, "the entries"),
    "swap two entries": (
        lambda raw: raw.executescript("UPDATE entry SET i = -5 WHERE i = 3; UPDATE entry SET i = 3 WHERE i = 4; UPDATE entry SET i = 4 WHERE i = -5"),
        Detector.LEAF,
        "entries 3, 4",
    ),
    "write free text": (lambda raw: raw.execute("UPDATE entry SET body = ? WHERE i = 5", (b'{"patron":"Jane Doe"}',)), Detector.ENTRY, "entry 5"),
    "write text for bytes": (lambda raw: raw.execute("UPDATE entry SET body = 'Jane Doe' WHERE i = 5"), Detector.ENTRY, "entry 5"),
    "change a leaf hash": (lambda raw: raw.execute("UPDATE tile SET hashes = zeroblob(8192) WHERE level = 0 AND n = 0"), Detector.LEAF, "entries 0, 1"),
    "change an inner hash": (lambda raw: raw.execute("UPDATE tile SET hashes = zeroblob(64) WHERE level = 1"), Detector.TILE, "tile 1/0"),
    "shorten a tile": (lambda raw: raw.execute("UPDATE tile SET hashes = zeroblob(32) WHERE level = 0 AND n = 2"), Detector.TILE, "tile 0/2"),
    "delete a tile": (lambda raw: raw.execute("DELETE FROM tile WHERE level = 0 AND n = 1"), Detector.TILE, "tile 0/1"),
    "add a tile": (lambda raw: raw.execute("INSERT INTO tile VALUES (2, 0, zeroblob(32))"), Detector.TILE, "the tiles"),
    "put a number for a tile's hashes": (lambda raw: raw.execute("UPDATE tile SET hashes = 7 WHERE level = 1"), Detector.TILE, "tile 1/0"),
    "remove an act": (lambda raw: raw.execute("DELETE FROM once WHERE first = 600"), Detector.ACT, "entry 600"),
    "plant an act, so that a later one is not appended": (lambda raw: raw.execute("INSERT INTO once VALUES (x'00', 0, 1)"), Detector.ACT, "entry 1"),
    "forge a checkpoint": (lambda raw: raw.execute("UPDATE checkpoint SET note = 'hello' WHERE size = 700"), Detector.CHECKPOINT, "checkpoint 700"),
    "repeat a checkpoint": (lambda raw: raw.execute(SAME_NOTE), Detector.CHECKPOINT, "checkpoint 700"),
    "drop the last entries, tiles and checkpoint": (
        lambda raw: raw.executescript(
            "DELETE FROM entry WHERE i >= 600; DELETE FROM once WHERE first >= 600; DELETE FROM checkpoint WHERE size = 700;"
            "UPDATE tile SET hashes = substr(hashes, 1, 88 * 32) WHERE level = 0 AND n = 2"
        ),
        Detector.OWN_HEAD,
        "the key's last checkpoint (size 700)",
    ),
    "rename the ledger": (lambda raw: raw.execute("UPDATE ledger SET origin = 'x'"), Detector.FILE, "the origin"),
    "plant a trigger": (lambda raw: raw.execute("CREATE TRIGGER t AFTER INSERT ON entry BEGIN SELECT 1; END"), Detector.FILE, "something added"),
    "hide a text in a table of its own": (lambda raw: raw.execute("CREATE TABLE notes (text)"), Detector.FILE, "something added"),
    "rebuild a table otherwise": (lambda raw: raw.executescript("DROP TABLE once; CREATE TABLE once (id, first, count)"), Detector.FILE, "table once"),
}  # fmt: skip


@pytest.mark.parametrize("attack", TABLE)
def test_tampering_is_found_by_the_comparison_that_should_find_it(case: Case, tmp_path: Path, attack: str) -> None:
    change, detector, place = TABLE[attack]
    report = verify(tampered(case, tmp_path, change), case.key.verifier, own=case.key.last())
    assert not report.sound
    assert (detector, place) in {(fault.detector, fault.place.split(", 2,")[0]) for fault in report.faults}


def test_the_untouched_ledger_is_sound(case: Case) -> None:
    report = verify(case.path, case.key.verifier, own=case.key.last(), kept=[case.minutes])
    assert (report.faults, report.size, report.signed, report.kept) == ((), SIZE, SIZE, 1)
    with Log.open(case.path, ORIGIN) as log:
        assert report.root == log.root(SIZE)


def test_many_faults_are_all_listed(case: Case, tmp_path: Path) -> None:
    def change(raw: sqlite3.Connection) -> None:
        edit(raw)
        raw.execute("DELETE FROM entry WHERE i = 5")
        raw.execute("DELETE FROM once")

    report = verify(tampered(case, tmp_path, change), case.key.verifier)
    assert {fault.place for fault in report.faults} >= {"entry 5", "entry 300", "entry 0"}


class Insider(LedgerKey):
    """Someone with the signing key, whose copy of the key has no memory."""

    def last(self) -> str | None:
        return None

    def remember(self, note: str) -> None:
        pass


def insider(case: Case) -> Insider:
    return Insider.load(case.key._folder, ORIGIN)


REWRITES: dict[str, Callable[[], list[dict[str, object]]]] = {
    "changes an entry": lambda: [entry(99_999 if number == 300 else number) for number in range(SIZE)],
    "drops an entry": lambda: [entry(number) for number in range(SIZE) if number != 300],
    "drops an entry and grows by 500": lambda: [entry(number) for number in range(SIZE + 500) if number != 300],
    "drops the last entries": lambda: [entry(number) for number in range(500)],
}


@pytest.mark.parametrize("attack", REWRITES)
def test_an_insider_with_the_key_is_caught_by_a_kept_head_and_by_nothing_else(
    case: Case, tmp_path: Path, attack: str
) -> None:
    path = tmp_path / "rewritten.db"
    with new_log(path) as log:
        log.append(REWRITES[attack](), once="all")
        forged = log.checkpoint(insider(case))
    alone = verify(path, case.key.verifier, own=forged)
    assert alone.sound
    assert alone.unwitnessed
    assert "Unwitnessed" in " ".join(alone.sentences())
    witnessed = verify(path, case.key.verifier, own=forged, kept=[case.minutes])
    assert [fault.detector for fault in witnessed.faults] == [Detector.KEPT_HEAD]
    assert not witnessed.unwitnessed


def test_a_kept_head_under_another_key_is_a_fault(case: Case, tmp_path: Path) -> None:
    other = new_key(tmp_path)
    with new_log(tmp_path / "other.db", 5) as log:
        head = log.checkpoint(other)
    report = verify(case.path, case.key.verifier, own=head, kept=[head, "hello", "\udcff"])
    assert [fault.detector for fault in report.faults] == [Detector.OWN_HEAD] + 3 * [Detector.KEPT_HEAD]
    assert report.unwitnessed


def test_checked_with_another_key_no_checkpoint_verifies(case: Case, tmp_path: Path) -> None:
    report = verify(case.path, new_key(tmp_path).verifier)
    assert [fault.place for fault in report.faults] == ["checkpoint 600", "checkpoint 700"]
    assert report.signed == 0


def test_a_missing_file_is_said_and_not_created(tmp_path: Path, case: Case) -> None:
    with pytest.raises(ConfigurationError):
        verify(tmp_path / "no.db", case.key.verifier)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\x00" + bytes(9000)])
def test_a_file_that_is_no_ledger_is_a_fault(tmp_path: Path, case: Case, content: bytes) -> None:
    (tmp_path / "ledger.db").write_bytes(content)
    assert not verify(tmp_path / "ledger.db", case.key.verifier).sound


def flip_bits(case: Case, folder: Path, times: int, seed: int) -> None:
    """Flip one random bit at a time: either a fault is listed, or nothing that was written changed."""
    chance = random.Random(seed)
    good = case.path.read_bytes()
    root = verify(case.path, case.key.verifier).root
    path = folder / "flipped.db"
    for _ in range(times):
        at = chance.randrange(len(good))
        path.write_bytes(good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)]) + good[at + 1 :])
        report = verify(path, case.key.verifier, own=case.key.last())
        assert report.faults or (report.root, report.signed) == (root, SIZE)
        with contextlib.suppress(EvidenceBroken, ConfigurationError), Log.open(path, ORIGIN) as log:
            log.checkpoint(insider(case))
            log.proof(650)
        for file in folder.glob("flipped.db*"):
            file.unlink()


def test_no_flipped_bit_passes_or_crashes(case: Case, tmp_path: Path) -> None:
    flip_bits(case, tmp_path, 120, seed=1)


@pytest.mark.soak
def test_no_flipped_bit_passes_or_crashes_soak(case: Case, tmp_path: Path) -> None:
    flip_bits(case, tmp_path, 3000, seed=2)


def test_cut_files_are_listed_and_never_crash(case: Case, tmp_path: Path) -> None:
    good = case.path.read_bytes()
    for size in (50, 4096, 4097, 40_960, len(good) // 2):
        (tmp_path / "cut.db").write_bytes(good[:size])
        assert not verify(tmp_path / "cut.db", case.key.verifier, own=case.key.last()).sound


def test_damage_that_sqlite_cannot_even_name_is_a_fault(case: Case, tmp_path: Path) -> None:
    """SQLite's own message then holds bytes that are not UTF-8, and Python raises about the message."""
    sql = "UPDATE sqlite_schema SET sql = CAST(x'4352454154d2d2d2' AS TEXT), name = CAST(x'd2ff' AS TEXT)"
    path = tampered(case, tmp_path, lambda raw: raw.execute(sql))
    assert not verify(path, case.key.verifier).sound
    with pytest.raises(EvidenceBroken):
        Log.open(path, ORIGIN)


def test_lost_write_ahead_log_is_found_by_the_keys_memory(tmp_path: Path) -> None:
    """A damaged -wal file makes SQLite fall back silently to an older ledger."""
    key, path = new_key(tmp_path), tmp_path / "ledger.db"
    new_log(path, 300).close()
    with Log.open(path, ORIGIN, names=NAMES) as log:
        log.append([entry(300)], once="later")
        log.checkpoint(key)
        copy = tmp_path / "copy.db"
        shutil.copy(path, copy)
        wal = (tmp_path / "ledger.db-wal").read_bytes()
    (tmp_path / "copy.db-wal").write_bytes(wal[:40] + bytes([wal[40] ^ 1]) + wal[41:])
    assert verify(copy, key.verifier).sound
    report = verify(copy, key.verifier, own=key.last())
    assert report.faults == (
        Fault(Detector.OWN_HEAD, "the key's last checkpoint (size 301)", "the ledger has only 300 entries"),
    )
