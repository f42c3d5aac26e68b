"""Logs behind the protocols of ports.py."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest
from tests.stores.logs.made import ACCESS_FORMAT, made

from reticent.errors import SystemBusy
from reticent.model import Receipt
from reticent.ports import Finder, Severer
from reticent.stores.logs.receipts import FileReceipt, Receipts
from reticent.stores.logs.sources import LogSource
from reticent.stores.logs.store import Keys, LogStore
from reticent.stores.logs.workers import Workers, local

KEY = bytes(range(32))
BUNDLE = made()
LATER = datetime(2026, 3, 20)


def store(folder: Path, *, alive: bool = False, workers: Workers | None = None) -> LogStore:
    sources = [
        LogSource("access", (f"{folder}/ezproxy*.log*",), ACCESS_FORMAT, ("ezproxy", "publishers"), bundle="proxy"),
        LogSource("audit", (f"{folder}/audit/*.txt",), "tsv", bundle="proxy"),
    ]
    return LogStore(
        "proxy",
        sources,
        folder / "receipts",
        Keys(KEY, KEY, "2026-03-20", frozenset({"2026-03-20"} if alive else ())),
        workers=workers,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "audit").mkdir()
    (tmp_path / "ezproxy.log").write_bytes(BUNDLE.access)
    (tmp_path / "audit" / "20260301.txt").write_bytes(BUNDLE.audit)
    (tmp_path / "ezproxy-copy-of-jane.bak").write_bytes(b"x")
    for path in tmp_path.rglob("*.*"):
        os.utime(path, (1_772_500_000, 1_772_500_000))
    return tmp_path


def test_it_is_what_the_jobs_expect(folder: Path) -> None:
    one = store(folder)
    finder: Finder = one
    severer: Severer = one
    assert all((finder, severer))


def test_a_survey_counts_lines_against_the_cutoff(folder: Path) -> None:
    survey = store(folder).survey("access", LATER)
    assert survey.due == survey.ties == BUNDLE.access.count(b"\n")
    assert store(folder).survey("access", datetime(2026, 3, 1)).due == 0
    assert store(folder).survey("audit", LATER).due == BUNDLE.audit.count(b"\n") - 1


def test_severing_a_series_walks_its_files_once(folder: Path) -> None:
    one, receipts = store(folder), list[Receipt]()
    (step,) = one.steps("access")
    walk = one.chunks(step, LATER, "run-1")
    while (chunk := walk.next(100)) is not None:
        assert walk.next(100) is chunk, "the same one until advance"
        receipts.append(one.apply(chunk, 0))
        assert one.settle(chunk) == receipts[-1]
        walk.advance()
    assert [r.rows for r in receipts] == [BUNDLE.access.count(b"\n")]
    assert receipts[0].step == "proxy/access"
    assert receipts[0].tally
    assert one.chunks(step, LATER, "run-2").next(1) is None
    assert one.survey("access", LATER).ties == 0
    assert store(folder, alive=True).survey("access", LATER).withheld == {
        "pseudonyms whose key still exists": BUNDLE.access.count(b"\n")
    }


def test_a_file_with_lines_inside_the_retention_waits(folder: Path) -> None:
    one = store(folder)
    assert one.chunks(one.steps("access")[0], datetime(2026, 3, 1), "run").next(1) is None


def test_a_file_that_is_open_is_busy_and_settles_to_nothing(folder: Path) -> None:
    one = store(folder)
    chunk = one.chunks(one.steps("access")[0], LATER, "run").next(1)
    assert chunk is not None
    with (folder / "ezproxy.log").open("ab"), pytest.raises(SystemBusy):
        one.apply(chunk, 0)
    assert one.settle(chunk) is None


def test_many_files_are_severed_by_workers_and_put_in_place_in_order(folder: Path) -> None:
    parts = BUNDLE.access.splitlines(keepends=True)
    for n in range(4):
        path = folder / f"ezproxy-{n}.log"
        path.write_bytes(b"".join(parts[n * 50 : n * 50 + 50]))
        os.utime(path, (1_772_400_000 + n, 1_772_400_000 + n))
    (folder / "ezproxy.log").unlink()
    with Workers(local(2)) as workers:
        one = store(folder, workers=workers)
        walk, done = one.chunks(one.steps("access")[0], LATER, "run"), list[Receipt]()
        while (chunk := walk.next(1)) is not None:
            done.append(one.apply(chunk, 0))
            walk.advance()
        assert workers._executor is not None
    assert len(done) == 4
    sessions = sum(sum(r.tally["sessions|2026-03|group"].values()) for r in done)
    (folder / "whole").mkdir()
    (folder / "whole" / "ezproxy.log").write_bytes(b"".join(parts[:200]))
    os.utime(folder / "whole" / "ezproxy.log", (1_772_400_000, 1_772_400_000))
    whole = store(folder / "whole")
    chunk = whole.chunks(whole.steps("access")[0], LATER, "run").next(1)
    assert chunk is not None
    assert sessions == sum(whole.apply(chunk, 0).tally["sessions|2026-03|group"].values())


def test_files_nobody_accounts_for_and_undeclared_directives_are_places(folder: Path) -> None:
    places = {Path(place.name).name: place for place in store(folder).places()}
    assert places["ezproxy.log"].mapped
    assert not places["ezproxy-copy-of-jane.bak"].mapped
    assert "%{ezproxy-session}i" in places["ezproxy.log"].columns


def test_a_format_that_does_not_fit_is_refused_in_the_fingerprint(folder: Path) -> None:
    good = store(folder).fingerprint()
    assert good.refused == {}
    (folder / "ezproxy.log").write_bytes(BUNDLE.spu)
    assert set(store(folder).fingerprint().refused) == {"access"}
    assert store(folder).fingerprint().digest == good.digest


def test_a_thousand_receipts_are_read_once_not_once_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receipts = Receipts(folder / "receipts")
    for n in range(50):
        receipts.finish(FileReceipt("run", "s", f"b{n}", f"a{n}", f"t{n}", 1, 0, path=f"/log/{n}"))
    reads, read = list[Path](), Receipts._read

    def counted(path: Path) -> FileReceipt | None:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(Receipts, "_read", staticmethod(counted))
    assert all(receipts.made(f"a{n}") for n in range(50))
    assert receipts.made("never") is None
    assert len(reads) == 50 + 50, "once each to know them, once each to return them"
    receipts.finish(FileReceipt("run", "s", "b7", "anew", "t7", 1, 0, path="/log/7"))
    assert receipts.made("a7") is None
    assert receipts.made("anew")
