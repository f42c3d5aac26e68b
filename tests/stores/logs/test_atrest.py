"""Severing files in their place: crash-safe, exact, refused with a reason."""

from __future__ import annotations

import bz2
import fcntl
import gzip
import itertools
import lzma
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from tests.stores.logs.independent import outside_is_same, surviving
from tests.stores.logs.made import ACCESS_FORMAT, made

from reticent.errors import ReticentError, SystemBusy, SystemRefused
from reticent.stores.logs import files
from reticent.stores.logs.atrest import FileJob, check_format, commit, make_ready, sever_file
from reticent.stores.logs.receipts import Receipts
from reticent.stores.logs.sources import LogSource, WrongFormat

KEY = bytes(range(32))
SOURCE = LogSource("access", (), ACCESS_FORMAT, ("ezproxy", "publishers"))
BUNDLE = made()
PACKED: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "": (lambda data: data, lambda data: data),
    ".gz": (gzip.compress, gzip.decompress),
    ".bz2": (bz2.compress, bz2.decompress),
    ".xz": (lzma.compress, lzma.decompress),
    ".zst": (
        zstandard.ZstdCompressor().compress,
        lambda data: zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read(),
    ),
}


def job(path: Path, source: LogSource = SOURCE, run: str = "run-1") -> FileJob:
    return FileJob(str(path), source, str(path.parent / "receipts"), run, "proxy/access", KEY, KEY)


def log(folder: Path, text: bytes = BUNDLE.access, name: str = "ezproxy.log") -> Path:
    path = folder / name
    path.write_bytes(text)
    return path


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("members", [1, 3])
def test_a_file_is_severed_as_what_it_is(tmp_path: Path, suffix: str, members: int) -> None:
    pack, unpack = PACKED[suffix]
    cut = [0, 1000, 5000, len(BUNDLE.access)] if members == 3 else [0, len(BUNDLE.access)]
    path = log(
        tmp_path,
        b"".join(pack(BUNDLE.access[a:b]) for a, b in itertools.pairwise(cut)),
        "e.log" + suffix,
    )
    before = path.read_bytes()[:4]
    receipt = sever_file(job(path))
    out = unpack(path.read_bytes())
    if suffix:
        assert path.read_bytes()[: 2 if suffix == ".gz" else 3] == before[: 2 if suffix == ".gz" else 3]
    assert surviving(out, BUNDLE.marks) == []
    assert outside_is_same(BUNDLE.access, out) == []
    assert receipt.lines == BUNDLE.access.count(b"\n")
    assert receipt.done
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_the_stock_tools_read_what_was_written(tmp_path: Path) -> None:
    for suffix, tool in ((".gz", "gzip"), (".bz2", "bzip2"), (".xz", "xz"), (".zst", "zstd")):
        path = log(tmp_path, PACKED[suffix][0](BUNDLE.access), "e.log" + suffix)
        sever_file(job(path))
        out = subprocess.run([tool, "-dc", str(path)], check=True, capture_output=True).stdout
        assert out.count(b"\n") == BUNDLE.access.count(b"\n")


def test_owner_mode_access_list_attributes_and_times_stay(tmp_path: Path) -> None:
    path = log(tmp_path)
    os.setxattr(path, "user.comment", b"kept")
    subprocess.run(["setfacl", "-m", "u:nobody:r", str(path)], check=True)
    os.chmod(path, 0o640)
    if os.geteuid() == 0:
        os.chown(path, 12345, 54321)
    os.utime(path, ns=(1_700_000_000_123_456_789, 1_700_000_001_987_654_321))
    old, acl = (
        path.stat(),
        subprocess.run(["getfacl", "-pn", str(path)], check=True, capture_output=True).stdout,
    )
    sever_file(job(path))
    new = path.stat()
    assert (new.st_uid, new.st_gid, new.st_mode, new.st_mtime_ns) == (
        old.st_uid,
        old.st_gid,
        old.st_mode,
        old.st_mtime_ns,
    )
    assert os.getxattr(path, "user.comment") == b"kept"
    assert subprocess.run(["getfacl", "-pn", str(path)], check=True, capture_output=True).stdout == acl


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    path = log(tmp_path)
    first = sever_file(job(path))
    content, inode = path.read_bytes(), path.stat().st_ino
    assert sever_file(job(path, run="run-2")) == first
    assert (path.read_bytes(), path.stat().st_ino) == (content, inode)


def test_a_second_run_without_any_receipt_changes_nothing_either(tmp_path: Path) -> None:
    path = log(tmp_path)
    sever_file(job(path))
    content, inode = path.read_bytes(), path.stat().st_ino
    other = replace(job(path), receipts=str(tmp_path / "lost"), key=bytes(32))
    again = sever_file(other)
    assert not again.changed
    assert again.tally == {}
    assert (path.read_bytes(), path.stat().st_ino) == (content, inode)


def test_a_copy_of_a_log_is_severed_but_counted_once(tmp_path: Path) -> None:
    paths = [
        log(tmp_path),
        log(tmp_path, name="ezproxy.log~"),
        log(tmp_path, gzip.compress(BUNDLE.access), "ezproxy.log.1.gz"),
    ]
    receipts = [sever_file(job(path)) for path in paths]
    assert receipts[0].tally
    totals = [r.tally for r in Receipts(tmp_path / "receipts").all() if r.tally]
    assert totals == [receipts[0].tally]
    assert surviving(paths[1].read_bytes() + gzip.decompress(paths[2].read_bytes()), BUNDLE.marks) == []


@pytest.mark.parametrize("trouble", ["symbolic link", "hard links", "open for writing", "not a plain file"])
def test_what_must_not_be_replaced_is_refused_with_the_reason(tmp_path: Path, trouble: str) -> None:
    path, held = log(tmp_path), None
    if trouble == "symbolic link":
        path = tmp_path / "link.log"
        path.symlink_to(tmp_path / "ezproxy.log")
    elif trouble == "hard links":
        os.link(path, tmp_path / "other-name.log")
    elif trouble == "not a plain file":
        path = tmp_path / "fifo.log"
        os.mkfifo(path)
    else:
        held = path.open("ab")
    try:
        with pytest.raises((SystemRefused, SystemBusy), match=trouble):
            sever_file(job(path))
    finally:
        if held:
            held.close()
    assert (tmp_path / "ezproxy.log").read_bytes() == BUNDLE.access


def test_a_file_another_process_writes_is_refused_and_its_writer_never_waits(tmp_path: Path) -> None:
    path = log(tmp_path)
    writer = subprocess.Popen(
        [sys.executable, "-c", f"f=open({str(path)!r},'ab'); print('open',flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdout is not None
    assert writer.stdout.readline() == "open\n"
    with pytest.raises(SystemBusy, match="open for writing"):
        sever_file(job(path))
    writer.communicate("\n")
    sever_file(job(path))


def test_an_open_file_is_found_without_leases_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = log(tmp_path)

    def no_lease(*_: object) -> None:
        raise OSError(22, "no leases on this file system")

    monkeypatch.setattr(fcntl, "fcntl", no_lease)
    with path.open("ab"), pytest.raises(SystemBusy):
        sever_file(job(path))
    sever_file(job(path))


@pytest.mark.parametrize("event", ["grew", "rotated", "vanished", "reopened"])
def test_a_file_that_changes_while_it_is_read_is_left_alone(tmp_path: Path, event: str) -> None:
    path = log(tmp_path)
    ready = make_ready(job(path))
    held = None
    if event == "grew":
        with path.open("ab") as more:
            more.write(b"one more line\n")
    elif event == "rotated":
        path.rename(tmp_path / "ezproxy.log.1")
        log(tmp_path, b"a new file\n")
    elif event == "vanished":
        path.unlink()
    else:
        held = path.open("ab")
    with pytest.raises(SystemBusy):
        commit(job(path), ready)
    if held:
        held.close()
    assert not list(tmp_path.glob(".*"))
    assert not list(Receipts(tmp_path / "receipts").all())


def test_a_rotated_file_is_known_by_its_content_under_its_new_name(tmp_path: Path) -> None:
    path = log(tmp_path)
    first = sever_file(job(path))
    moved = path.rename(tmp_path / "ezproxy.log.1")
    assert sever_file(job(moved)) == first


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("cut", [0.3, 0.97])
def test_a_truncated_archive_is_refused(tmp_path: Path, suffix: str, cut: float) -> None:
    data = PACKED[suffix][0](BUNDLE.access)
    path = log(tmp_path, data[: int(len(data) * cut)], "e.log" + suffix)
    with pytest.raises(SystemRefused, match="cut short"):
        sever_file(job(path))
    assert path.read_bytes() == data[: int(len(data) * cut)]
    assert not list(tmp_path.glob(".*"))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(BUNDLE.access))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(SystemRefused):
        sever_file(job(log(tmp_path, bytes(data), "e.log.gz")))


def _run(body: str, path: Path, **more: object) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path[:0]={sys.path!r}\nfrom tests.stores.logs.test_atrest import *\npath=Path({str(path)!r})\n{body}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **more)  # type: ignore[call-overload, no-any-return]


def test_a_full_disk_is_said_and_the_file_stays(tmp_path: Path) -> None:
    path = log(tmp_path)
    body = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try: sever_file(job(path))
except SystemRefused as error: print(error.what)
"""
    assert "disk is full" in _run(body, path).stdout
    assert path.read_bytes() == BUNDLE.access
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_folder_without_the_right_to_write_is_said(tmp_path: Path) -> None:
    path = log(tmp_path)
    (tmp_path / "receipts").mkdir(mode=0o777)
    os.chmod(tmp_path / "receipts", 0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
            os.chmod(folder, 0o755)
    os.chmod(path, 0o644)
    body = """
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try: sever_file(job(path))
except SystemRefused as error: print(error)
"""
    assert "right to write" in _run(body, path).stdout
    assert path.read_bytes() == BUNDLE.access


KILLS = [pytest.param(3, id="3"), pytest.param(150, id="150", marks=pytest.mark.soak)]


@pytest.mark.parametrize("kills", KILLS)
def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_and_one_count(tmp_path: Path, kills: int) -> None:
    text = made(1500).access
    marks = made(1500).marks[:200]
    for n in range(kills):
        folder = tmp_path / str(n)
        folder.mkdir()
        path = log(folder, text)
        body = "print('go',flush=True)\nsever_file(job(path))"
        code = f"import sys; sys.path[:0]={sys.path!r}\nfrom tests.stores.logs.test_atrest import *\npath=Path({str(path)!r})\n{body}"
        worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert worker.stdout is not None
        worker.stdout.readline()
        time.sleep(random.Random(n).random() * 0.5)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        now = path.read_bytes()
        assert now == text or surviving(now, marks) == []
        receipt = sever_file(job(path, run="run-2"))
        assert receipt.done
        assert surviving(path.read_bytes(), marks) == []
        assert not list(folder.glob(".*"))
        once = [one for one in Receipts(folder / "receipts").all() if one.done]
        assert len(once) == 1
        assert sum(once[0].tally["sessions|2026-03|group"].values()) > 0


@pytest.mark.parametrize("moment", ["prepare", "rename", "finish"])
def test_a_stop_between_any_two_steps_is_finished_by_the_next_run(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = log(tmp_path)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if moment == "rename":
            patched.setattr(files, "temporary", stop)
        if moment in ("prepare", "finish"):
            patched.setattr(Receipts, moment, stop)
        with pytest.raises(KeyboardInterrupt):
            sever_file(job(path))
    receipt = sever_file(job(path, run="run-2"))
    assert receipt.done
    assert sum(receipt.tally["total_item_requests|2026-03|platform"].values()) > 0
    assert surviving(path.read_bytes(), BUNDLE.marks) == []
    assert len(list(Receipts(tmp_path / "receipts").all())) == 1


def test_an_account_in_a_path_is_found_and_taken_out_in_a_second_pass(tmp_path: Path) -> None:
    line = '10.1.2.{n} - user{n}777 [01/Mar/2026:10:11:12 +0000] "GET /folder/user{n}777/list HTTP/1.1" 200 5\n'
    path = log(tmp_path, "".join(line.format(n=n) for n in range(40)).encode(), "a.log")
    source = LogSource("access", (), "common")
    receipt = sever_file(job(path, source))
    assert b"777" not in path.read_bytes()
    assert b"/folder/-/list" in path.read_bytes()
    assert receipt.withheld == 0


def test_an_account_in_a_field_that_stays_withholds_the_line(tmp_path: Path) -> None:
    line = b'jdoe77.lakeside.example 10.1.2.3 - jdoe77 [01/Mar/2026:10:11:12 +0000] "GET / HTTP/1.1" 200 5\n'
    path = log(tmp_path, line * 3, "a.log")
    source = LogSource("access", (), 'apache: %v %h %l %u %t "%r" %>s %b')
    receipt = sever_file(job(path, source))
    assert b"jdoe77" not in path.read_bytes()
    assert receipt.withheld == 3


def test_a_wrong_format_is_said_with_the_directive_and_the_shape_of_the_line(tmp_path: Path) -> None:
    path = log(tmp_path, made().opac, "opac.log")
    with pytest.raises(WrongFormat) as caught:
        check_format(job(path, LogSource("access", (), 'apache: %h %l %u %t "%r" %D %>s %b')))
    says = str(caught.value)
    assert "stops fitting at %s" in says
    assert "byte 0" in says
    assert "9.9.9.9" in says
    assert surviving(says.encode(), made().marks) == []


def test_withheld_lines_are_shown_by_shape_only(tmp_path: Path) -> None:
    path = log(tmp_path, BUNDLE.access + b"\x1b[2J<b>p2123400000001</b> borrowed\n")
    receipt = sever_file(job(path))
    assert receipt.withheld == 1
    ((offset, shape),) = receipt.shown
    assert offset == len(BUNDLE.access)
    assert "2123400000001" not in shape
    assert "\x1b" not in shape


def test_a_short_key_is_refused_before_anything_happens(tmp_path: Path) -> None:
    path = log(tmp_path)
    with pytest.raises(ReticentError, match="3 bytes"):
        sever_file(replace(job(path), key=b"abc"))
    assert path.read_bytes() == BUNDLE.access


def test_what_is_kept_of_a_run_names_nobody(tmp_path: Path) -> None:
    sever_file(job(log(tmp_path)))
    kept = b"".join(path.read_bytes() for path in (tmp_path / "receipts").iterdir())
    assert surviving(kept, BUNDLE.marks) == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0
