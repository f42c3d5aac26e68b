"""In front of a log: whole lines only, at once, and nothing raw whatever happens."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from tests.stores.logs.independent import surviving
from tests.stores.logs.made import made

from reticent.errors import ConfigurationError
from reticent.stores.logs import live
from reticent.stores.logs.live import run_filter
from reticent.stores.logs.sources import LogSource
from reticent.stores.logs.streams import LONGEST

COMBINED = LogSource("live", (), "combined", ("koha",))
LINE = b'203.0.113.9 - jdoe [01/Mar/2026:10:11:12 +0000] "GET /a?q=secret HTTP/1.1" 200 5123 "-" "curl/8"'


class Running:
    """The filter in a thread between two pipes."""

    def __init__(self, source: LogSource = COMBINED) -> None:
        inside, self.feed = os.pipe()
        self.out, outside = os.pipe()
        self.errors, self.code = io.StringIO(), -1

        def run() -> None:
            self.code = run_filter(inside, outside, source, errors=self.errors)
            os.close(outside)
            os.close(inside)

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def end(self) -> bytes:
        os.close(self.feed)
        rest = b""
        while data := os.read(self.out, 1 << 16):
            rest += data
        self.thread.join()
        os.close(self.out)
        return rest


@pytest.fixture
def running() -> Iterator[Running]:
    one = Running()
    yield one
    if one.thread.is_alive():
        one.end()


def test_a_line_comes_out_as_soon_as_it_is_whole_and_not_before(running: Running) -> None:
    os.write(running.feed, LINE[:60])
    time.sleep(0.05)
    os.set_blocking(running.out, False)
    with pytest.raises(BlockingIOError):
        os.read(running.out, 10)
    os.set_blocking(running.out, True)
    os.write(running.feed, LINE[60:] + b"\nhalf of jdoe")
    out = os.read(running.out, 1 << 16)
    assert out.count(b"\n") == 1
    assert b"jdoe" not in out
    rest = running.end()
    assert b"jdoe" not in rest
    assert b"reticent-withheld" in rest
    assert running.code == 0


def test_a_whole_log_goes_through_and_no_mark_survives(running: Running) -> None:
    bundle = made()
    threading.Thread(target=lambda: os.write(running.feed, bundle.opac)).start()
    out = b""
    while out.count(b"\n") < bundle.opac.count(b"\n"):
        out += os.read(running.out, 1 << 16)
    assert surviving(out + running.end(), bundle.marks) == []


def test_an_endless_line_is_dropped_and_marked(running: Running) -> None:
    def feed() -> None:
        for _ in range(LONGEST // 4096 + 20):
            os.write(running.feed, b"jdoe" * 1024)
        os.write(running.feed, b"\n" + LINE + b"\n")

    threading.Thread(target=feed).start()
    out = b""
    while out.count(b"\n") < 2:
        out += os.read(running.out, 1 << 16)
    assert b"jdoe" not in out + running.end()
    assert out.startswith(b"0.0.0.0 - - [01/Jan/1970")


def test_any_error_writes_nothing_and_says_so_without_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise ValueError(LINE.decode())

    monkeypatch.setattr(live._Filter, "_take", broken)
    one = Running()
    os.write(one.feed, LINE + b"\n")
    assert one.end() == b""
    assert one.code == 3
    assert "ValueError" in one.errors.getvalue()
    assert "jdoe" not in one.errors.getvalue()


def test_a_log_that_cannot_be_written_ends_the_filter() -> None:
    inside, feed = os.pipe()
    out, outside = os.pipe()
    os.close(out)
    os.write(feed, LINE + b"\n")
    os.close(feed)
    errors = io.StringIO()
    assert run_filter(inside, outside, COMBINED, errors=errors) == 3
    assert "cannot be written" in errors.getvalue()
    os.close(inside)
    os.close(outside)


def test_a_format_that_cannot_be_compiled_stops_before_the_first_line() -> None:
    errors, (inside, feed) = io.StringIO(), os.pipe()
    assert run_filter(inside, 1, LogSource("x", (), "nonsense"), errors=errors) == 2
    os.close(inside)
    os.close(feed)
    with pytest.raises(ConfigurationError):
        run_filter(0, 1, LogSource("x", (), "tsv"), errors=errors)


def test_each_day_has_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    one = live._Filter(COMBINED, None, io.StringIO())
    first = one._take(LINE + b"\n")
    assert one._take(LINE + b"\n") == first
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert one._take(LINE + b"\n") != first


def test_a_filter_that_is_killed_leaves_no_raw_line() -> None:
    code = f"import sys; sys.path[:0]={sys.path!r}\nfrom tests.stores.logs.test_live import *\nsys.exit(run_filter(0, 1, COMBINED, errors=sys.stderr))"
    worker = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write((LINE + b"\n") * 50 + LINE[:70])
    worker.stdin.flush()
    first = worker.stdout.readline()
    worker.kill()
    out = first + worker.stdout.read()
    worker.stdin.close()
    worker.stdout.close()
    worker.wait()
    assert b"jdoe" not in out


def test_the_servers_error_log_hears_once_a_day_of_lines_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.write(write, LINE + b"\np2123400000001 asked for x\nand p2123400000002 too\n")
    os.close(write)
    errors = io.StringIO()
    with open(os.devnull, "wb") as out:
        assert run_filter(read, out.fileno(), LogSource("live", (), "combined"), errors=errors) == 0
    os.close(read)
    said = errors.getvalue()
    assert said.count("does not have this log's format") == 1
    assert "'a9 a a a'" in said
    assert "21234" not in said


@pytest.mark.parametrize(
    ("form", "stops"),
    [('apache: %h %l %u %>s %t "%r" %b', "fitting at %s "), ("jsonl", "lines do not have this log's format (")],
)
def test_a_wrong_format_stops_the_filter_at_the_first_line_and_says_where_it_fails(form: str, stops: str) -> None:
    one = Running(LogSource("live", (), form))
    os.write(one.feed, LINE + b"\n")
    assert one.end() == b""
    said = one.errors.getvalue()
    assert one.code == 2
    assert stops in said
    assert "looks like '9.9.9.9 - a [9/a/9:9:9:9 +9]" in said
    assert not [word for word in ("jdoe", "secret", "203.0") if word in said]
