from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.ledger.builders import NAMES, ORIGIN, bodies, direct_root, entry, new_key, new_log

from reticent.errors import ConfigurationError, EvidenceBroken, NotPermitted, UsageError
from reticent.keyring.signing import LedgerKey
from reticent.ledger.checkpoint import open_checkpoint
from reticent.ledger.log import Log
from reticent.ledger.merkle import is_consistent, leaf_hash, root_from_inclusion
from reticent.ledger.verify import verify

SIZES = [0, 1, 255, 256, 257, 511, 512, 513]


@pytest.mark.parametrize("size", SIZES)
def test_roots_proofs_and_verification_at_the_edges_of_tiles(tmp_path: Path, size: int) -> None:
    leaves = bodies(size)
    key = new_key(tmp_path)
    with new_log(tmp_path / "ledger.db", size, batch=100) as log:
        assert log.size == size
        assert [log.entry(index) for index in range(size)] == leaves
        assert log.root(size) == direct_root(leaves)
        for index in {0, size // 2, size - 1} & set(range(size)):
            proof = log.inclusion_proof(index, size)
            assert root_from_inclusion(leaf_hash(leaves[index]), index, size, proof) == log.root(size)
        for old in (0, size // 3, size):
            proof = log.consistency_proof(old, size)
            assert is_consistent(old, size, direct_root(leaves[:old]), log.root(size), proof)
        assert open_checkpoint(log.checkpoint(key), key.verifier).size == size
    report = verify(tmp_path / "ledger.db", key.verifier)
    assert (report.faults, report.size, report.root, report.signed) == ((), size, direct_root(leaves), size)


@pytest.mark.soak
@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 1_000_000])
def test_large_ledgers(tmp_path: Path, size: int) -> None:
    key = new_key(tmp_path)
    with new_log(tmp_path / "ledger.db", size) as log:
        log.checkpoint(key)
        for index in (0, 65_534, size - 1):
            proof = log.inclusion_proof(index, size)
            assert len(proof) <= 20
            assert root_from_inclusion(leaf_hash(log.entry(index)), index, size, proof) == log.root(size)
        if size < 100_000:
            assert log.root(size) == direct_root(bodies(size))
    assert verify(tmp_path / "ledger.db", key.verifier).sound


def test_entries_outlive_the_process_that_wrote_them(tmp_path: Path) -> None:
    new_log(tmp_path / "ledger.db", 300).close()
    with Log.open(tmp_path / "ledger.db", ORIGIN, names=NAMES) as log:
        assert log.append([entry(300)], once="later") == range(300, 301)
        assert log.root(301) == direct_root(bodies(301))


def test_one_act_is_appended_once(tmp_path: Path) -> None:
    with new_log(tmp_path / "ledger.db") as log:
        assert log.append([entry(1), entry(2)], once="run 7") == range(2)
        assert log.append([entry(3)], once="run 8") == range(2, 3)
        later = {**entry(1), "hour": "2026-03-30T23:00Z"}
        assert log.append([later, entry(2)], once="run 7") == range(2)
        assert log.size == 3


def test_one_id_for_two_acts_is_a_mistake(tmp_path: Path) -> None:
    with new_log(tmp_path / "ledger.db") as log:
        log.append([entry(1)], once="run 7")
        with pytest.raises(UsageError):
            log.append([{**entry(1), "kind": "trial_run"}], once="run 7")
        with pytest.raises(UsageError):
            log.append([entry(1), entry(2)], once="run 7")
        assert log.size == 1


def test_id_of_an_act_is_not_stored(tmp_path: Path) -> None:
    with new_log(tmp_path / "ledger.db") as log:
        log.append([entry(1)], once="MARKED-RUN-ID")
    assert not any(b"MARKED-RUN-ID" in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())


def test_refused_batch_leaves_no_trace(tmp_path: Path) -> None:
    with new_log(tmp_path / "ledger.db", 5) as log:
        root = log.root(5)
        with pytest.raises(UsageError):
            log.append([entry(5), {**entry(6), "title": "The Trial"}], once="run")
        assert (log.size, log.root(5)) == (5, root)
        for nothing, once in (([], "run"), ([entry(5)], "")):
            with pytest.raises(UsageError):
                log.append(nothing, once=once)


def test_nothing_is_appended_after_the_closing_entry(tmp_path: Path) -> None:
    closing = {
        "kind": "ledger_closed",
        "hour": "2026-03-01T14:00Z",
        "actor": "custodian",
        "next": "library.example/ledger/2",
    }
    with new_log(tmp_path / "ledger.db", 2) as log:
        log.append([closing], once="close")
        with pytest.raises(NotPermitted):
            log.append([entry(3)], once="late")
        assert log.append([closing], once="close") == range(2, 3)


@pytest.mark.parametrize("index", [-1, 3, 2**70])
def test_asking_outside_the_ledger_is_wrong_use(tmp_path: Path, index: int) -> None:
    with new_log(tmp_path / "ledger.db", 3) as log:
        for ask in (
            log.entry,
            lambda at: log.inclusion_proof(at, 3),
            lambda at: log.consistency_proof(at, 2),
        ):
            with pytest.raises(UsageError):
                ask(index)
        with pytest.raises(UsageError):
            log.root(4)


@pytest.mark.parametrize("name", ["a b?mode=ro#x%41.db", "ü'\";.db"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    new_log(tmp_path / name, 3).close()
    with Log.open(tmp_path / name, ORIGIN) as log:
        assert log.size == 3
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_use_in_another_thread_is_not_called_damage(tmp_path: Path) -> None:
    with new_log(tmp_path / "ledger.db", 3) as log, ThreadPoolExecutor() as pool:
        answer = pool.submit(log.entry, 0)
        assert isinstance(answer.exception(), sqlite3.ProgrammingError)


def test_a_ledger_is_never_written_over(tmp_path: Path) -> None:
    new_log(tmp_path / "ledger.db", 3).close()
    with pytest.raises(ConfigurationError):
        Log.create(tmp_path / "ledger.db", ORIGIN)
    with Log.open(tmp_path / "ledger.db", ORIGIN) as log:
        assert log.size == 3
    assert {file.name for file in tmp_path.iterdir()} == {"ledger.db"}


def test_a_missing_ledger_is_not_silently_begun_anew(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Log.open(tmp_path / "ledger.db", ORIGIN)
    assert list(tmp_path.iterdir()) == []


def test_another_librarys_ledger_is_refused(tmp_path: Path) -> None:
    new_log(tmp_path / "ledger.db").close()
    with pytest.raises(ConfigurationError):
        Log.open(tmp_path / "ledger.db", "elsewhere.example/ledger/1")


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\x00" + bytes(84), bytes(100_000)])
def test_a_file_that_is_no_ledger_is_broken_evidence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ledger.db").write_bytes(content)
    with pytest.raises(EvidenceBroken):
        Log.open(tmp_path / "ledger.db", ORIGIN)


def test_ledger_cannot_be_created_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot") as refused:
        Log.create(tmp_path / "no" / "ledger.db", ORIGIN)
    assert refused.value.exit_code in (2, 3)  # type: ignore[attr-defined]


def test_a_planted_trigger_stops_the_ledger(tmp_path: Path) -> None:
    new_log(tmp_path / "ledger.db", 3).close()
    with sqlite3.connect(tmp_path / "ledger.db") as raw:
        raw.execute("CREATE TRIGGER quiet BEFORE INSERT ON entry BEGIN SELECT RAISE(IGNORE); END")
    raw.close()
    with pytest.raises(EvidenceBroken):
        Log.open(tmp_path / "ledger.db", ORIGIN)


def test_an_unchanged_head_gets_the_same_checkpoint(tmp_path: Path) -> None:
    key = new_key(tmp_path)
    with new_log(tmp_path / "ledger.db", 3) as log:
        assert log.checkpoint(key) == log.checkpoint(key) == key.last()
        log.append([entry(3)], once="more")
        assert open_checkpoint(log.checkpoint(key), key.verifier).size == 4


def test_another_ledgers_key_does_not_sign(tmp_path: Path) -> None:
    key = new_key(tmp_path, "elsewhere.example/ledger/1")
    with new_log(tmp_path / "ledger.db", 3) as log, pytest.raises(ConfigurationError):
        log.checkpoint(key)


def assert_not_signed(path: Path, key: LedgerKey) -> None:
    before = key.last()
    with Log.open(path, ORIGIN, names=NAMES) as log, pytest.raises(EvidenceBroken) as refused:
        log.checkpoint(key)
    assert refused.value.exit_code == 5
    assert key.last() == before


def test_an_old_copy_of_the_ledger_is_not_signed(tmp_path: Path) -> None:
    """The ledger's own list of checkpoints comes back with the copy; the key's memory does not."""
    key, path, copy = new_key(tmp_path), tmp_path / "ledger.db", tmp_path / "copy.db"
    with new_log(path, 300) as log:
        log.checkpoint(key)
    shutil.copy(path, copy)
    with Log.open(path, ORIGIN, names=NAMES) as log:
        log.append([entry(300)], once="later")
        log.checkpoint(key)
    assert_not_signed(copy, key)
    with Log.open(copy, ORIGIN, names=NAMES) as log:
        log.append([entry(301), entry(302), entry(303)], once="another later")
    assert_not_signed(copy, key)


def test_a_rewritten_ledger_is_not_signed_even_if_the_key_forgot(tmp_path: Path) -> None:
    key, path = new_key(tmp_path), tmp_path / "ledger.db"
    with new_log(path, 300) as log:
        note = log.checkpoint(key)
    rewritten = tmp_path / "rewritten.db"
    with new_log(rewritten) as log:
        log.append([entry(number + 1) for number in range(400)], once="all")
    with sqlite3.connect(rewritten) as raw:
        raw.execute("INSERT INTO checkpoint VALUES (300, ?)", (note.encode(),))
    raw.close()
    for memory in (tmp_path / "keys").glob("*.last"):
        memory.unlink()
    assert_not_signed(rewritten, key)


def test_a_false_checkpoint_in_the_ledger_stops_signing(tmp_path: Path) -> None:
    key, path = new_key(tmp_path), tmp_path / "ledger.db"
    with new_log(path, 3) as log:
        log.checkpoint(key)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE checkpoint SET note = ?", (b"hello",))
    raw.close()
    assert_not_signed(path, key)


def test_dropping_the_last_entries_stops_the_next_append(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    new_log(path, 300).close()
    with sqlite3.connect(path) as raw:
        raw.execute("DELETE FROM entry WHERE i >= 290")
    raw.close()
    with Log.open(path, ORIGIN, names=NAMES) as log, pytest.raises(EvidenceBroken):
        log.append([entry(300)], once="later")
