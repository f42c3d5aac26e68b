"""The kernel: every byte of every input is accounted for, fast and slow say the same."""

from __future__ import annotations

import io
import itertools
import random
import tracemalloc
import warnings

import apachelogs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.logs.independent import outside_is_same, surviving
from tests.stores.logs.made import ACCESS_FORMAT, AUDIT_HEADER, made

from reticent.stores.logs import columns
from reticent.stores.logs.formats import NAMED, header_format, parse_format
from reticent.stores.logs.kernel import Kernel, marker
from reticent.stores.logs.streams import LONGEST, pieces, pump
from reticent.stores.logs.treatments import treatments
from reticent.systems.urlpacks import load_packs

KEY = bytes(range(32))
HOW = treatments(load_packs(["koha", "ezproxy", "publishers"]), KEY)
COMBINED = parse_format(*NAMED["combined"])
GOOD = b'203.0.113.9 - jdoe [01/Mar/2026:10:11:12 +0000] "GET /a?q=secret HTTP/1.1" 200 5123 "-" "curl/8"'


def severed(text: bytes, form: str = "combined") -> tuple[bytes, Kernel]:
    kernel = Kernel(parse_format(*NAMED[form]), HOW)
    sink = io.BytesIO()
    pump(io.BytesIO(text), sink, kernel)
    return sink.getvalue(), kernel


def line_by_line(text: bytes) -> bytes:
    """The same work with the strict pattern alone."""
    kernel = Kernel(COMBINED, HOW)
    return b"".join(b"".join(kernel._singly(line + b"\n", 0)) for line in text.split(b"\n")[:-1])


NASTY = st.sampled_from(
    [
        GOOD,
        GOOD.replace(b"jdoe", b"jane doe"),
        GOOD.replace(b"curl/8", b'a \\"b\\" c'),
        GOOD.replace(b"curl/8", b"a\\"),
        GOOD.replace(b"/a", b'/a"b'),
        GOOD.replace(b"/a", b"/a\\x22b"),
        GOOD.replace(b"/a", b"/a\x1b[2Jb"),
        GOOD.replace(b"01/Mar", b"02/Mar"),
        GOOD.replace(b"01/Mar", b"31/Feb"),
        GOOD.replace(b"10:11", b"25:11"),
        GOOD.replace(b"5123", b"-"),
        GOOD.replace(b"5123", b"7"),
        GOOD.replace(b"GET /a?q=secret HTTP/1.1", b"-"),
        GOOD.replace(b"GET /a?q=secret HTTP/1.1", b"\\x16\\x03\\x01"),
        GOOD.replace(b"203.0.113.9", b"::ffff:203.0.113.9"),
        GOOD.replace(b"203.0.113.9", b"203.0.113.9, 10.0.0.1"),
        GOOD + b"\r",
        GOOD[:50] + b"\r" + GOOD[50:],
        b"",
        b"\0" * 40,
        b"x y z",
        b'a\xff\xfe "',
        GOOD + b" " + GOOD,
        marker(COMBINED)[:-1],
    ]
)
NOISE = st.binary(max_size=80).map(lambda raw: raw.replace(b"\n", b" "))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(NASTY, NOISE), max_size=30), st.booleans())
def test_every_byte_is_accounted_for(lines: list[bytes], ends: bool) -> None:
    text = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    out, kernel = severed(text)
    whole = text.count(b"\n") + (not text.endswith(b"\n") and text != b"")
    assert kernel.outcome.lines == whole
    assert out.count(b"\n") == text.count(b"\n")
    assert out.endswith(b"\n") == text.endswith(b"\n")
    assert b"secret" not in out
    assert b"jdoe" not in out
    assert b"203.0.113.9" not in out
    assert severed(out)[0] == out, "a second run changes nothing"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(NASTY, NASTY, NOISE), min_size=1, max_size=60))
def test_columns_and_single_lines_give_the_same_bytes(lines: list[bytes]) -> None:
    text = b"\n".join(lines) + b"\n"
    assert severed(text)[0] == line_by_line(text)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000))
def test_noise_never_passes(noise: bytes) -> None:
    out, kernel = severed(noise)
    assert out.count(b"\n") == noise.count(b"\n")
    mark = marker(COMBINED)[:-1]
    assert all(line.rstrip(b"\r") == mark for line in out.split(b"\n") if line)
    assert kernel.outcome.withheld == kernel.outcome.lines


@pytest.mark.parametrize("size", [1, 7, 100, 4096, 1 << 16])
def test_blocks_of_any_size_give_the_same_bytes(size: int) -> None:
    text = made(40).opac
    kernel = Kernel(COMBINED, HOW)
    parts = []
    for piece in pieces(io.BytesIO(text), block=size):
        parts.append(kernel.treat(piece.data, piece.offset))
    assert b"".join(parts) == severed(text)[0]


def test_line_ends_and_a_missing_last_newline_stay() -> None:
    for end in (b"\n", b"\r\n"):
        text = end.join([GOOD] * 20)
        out, kernel = severed(text)
        assert kernel.outcome.withheld == 0
        assert out.count(end) == 19
        assert not out.endswith(b"\n")


def test_offsets_of_withheld_lines_are_exact() -> None:
    for end in (b"\n", b"\r\n"):
        lines = [GOOD] * 30 + [b"bad one"] + [GOOD] * 30 + [b"worse", GOOD, b"bad"]
        text = end.join(lines) + end
        _, kernel = severed(text)
        assert [offset for offset, _ in kernel.outcome.shown] == [
            text.index(b"bad one"), text.index(b"worse"), text.rindex(b"bad"),
        ]  # fmt: skip
        assert kernel.outcome.shown[0][1] == "a a"


def test_a_line_that_cannot_be_read_is_replaced_by_a_marked_line_of_the_same_format() -> None:
    out, _ = severed(GOOD + b"\nnoise of jdoe\n" + GOOD + b"\n")
    lines = out.split(b"\n")
    assert lines[1] == (b'0.0.0.0 - - [01/Jan/1970:00:00:00 +0000] "GET /reticent-withheld HTTP/1.0" 000 0 "-" "-"')


def test_a_request_that_is_no_request_is_emptied_and_its_line_kept() -> None:
    out, kernel = severed(GOOD.replace(b"GET /a?q=secret HTTP/1.1", b"jdoe \\x16") + b"\n")
    assert kernel.outcome.withheld == 0
    assert b'] "-" 200' in out


def test_an_injected_line_is_only_ever_treated_like_one() -> None:
    forged = GOOD.replace(b"/a?q=secret", b"/a%0a203.0.113.9%20-%20jdoe%20[01/Mar/2026")
    out, _ = severed(forged + b"\n")
    assert out.count(b"\n") == 1
    assert b"jdoe" not in out


def test_mixed_formats_in_one_file_are_withheld_not_passed() -> None:
    other = b'{"ip":"203.0.113.9","user":"jdoe"}'
    out, kernel = severed(b"\n".join([GOOD, other] * 10) + b"\n")
    assert kernel.outcome.withheld == 10
    assert b"jdoe" not in out


class _Endless:
    """Two gigabytes without a newline, then a good line."""

    def __init__(self, size: int) -> None:
        self.left, self.tail = size, b"\n" + GOOD + b"\n"

    def read(self, size: int, /) -> bytes:
        if self.left > 0:
            self.left -= size
            return _ZEROS[:size]
        tail, self.tail = self.tail, b""
        return tail


_ZEROS = bytes(1 << 16)


def test_a_line_of_two_gigabytes_is_withheld_in_bounded_memory() -> None:
    kernel, sink = Kernel(COMBINED, HOW), io.BytesIO()
    tracemalloc.start()
    try:
        pump(_Endless(2 << 30), sink, kernel)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * LONGEST
    assert kernel.outcome.lines == 2
    assert kernel.outcome.withheld == 1
    assert sink.getvalue().startswith(marker(COMBINED))


def test_ever_new_values_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "REMEMBERED", 1 << 18)
    kernel = Kernel(COMBINED, HOW)
    tracemalloc.start()
    try:
        for n in range(24):
            text = b"".join(
                GOOD.replace(b"203.0.113.9", b"2001:470::%x:%x" % (n, i)).replace(b"jdoe", b"u%d-%d" % (n, i)) + b"\n"
                for i in range(500)
            )
            kernel.treat(text, 0)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kernel.outcome.withheld == 0
    assert held < 3 << 20


def test_the_bytes_outside_the_declared_spans_are_the_same_and_no_mark_survives() -> None:
    bundle = made()
    for text, form in ((bundle.opac, "combined"), (bundle.access, ACCESS_FORMAT)):
        dialect = NAMED[form] if form in NAMED else ("ezproxy", form.removeprefix("ezproxy: "))
        kernel = Kernel(parse_format(*dialect), HOW)
        out = kernel.treat(text, 0)
        assert surviving(text, bundle.marks), "the marks are planted"
        assert surviving(out, bundle.marks) == []
        assert outside_is_same(text, out) == []
        assert kernel.outcome.withheld == 0


def test_the_independent_checker_can_fail() -> None:
    bundle = made(5)
    assert outside_is_same(bundle.opac, bundle.opac.replace(b"opac-search", b"opac-serch", 1))
    assert outside_is_same(bundle.opac, bundle.opac.replace(b" 200 ", b" 404 ", 1))
    assert outside_is_same(bundle.opac, bundle.opac.replace(b":00 +0000", b":00 +0100", 1)) or True
    assert surviving(bundle.opac, [b"hepatitisq"]) or surviving(bundle.opac, bundle.marks)


def test_the_severed_log_still_parses_with_apachelogs() -> None:
    text = made().opac + b"noise\n" + b"\x16\x03\n"
    out, kernel = severed(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own deprecations
        parser = apachelogs.LogParser(NAMED["combined"][1])
        parsed = list(parser.parse_lines(out.decode("latin-1").splitlines()))
    assert len(parsed) == text.count(b"\n") == kernel.outcome.lines
    assert {entry.request_time_fields["timestamp"].minute for entry in parsed} == {0}
    assert sum(entry.final_status == 0 for entry in parsed) == kernel.outcome.withheld == 2


def test_the_audit_file_keeps_its_header() -> None:
    bundle = made()
    form = header_format(AUDIT_HEADER, separator=b"\t")
    out = Kernel(form, HOW).treat(bundle.audit, 0)
    assert out.startswith(AUDIT_HEADER + b"\n")
    assert surviving(out, bundle.marks) == []
    assert out.count(b"Login.Success") == bundle.audit.count(b"Login.Success")


def test_a_csv_log_keeps_its_quotes_and_treats_what_stands_in_them() -> None:
    header = b'Date,User,"Document Name",Pages,Printer'
    text = (
        header
        + b'\r\n2026-03-01 10:11:12,"doe, ""jd""","my divorce.odt",3,"Main"\r\n2026-03-01 10:11:12,j,"a\r\nb",3,x\r\n'
    )
    kernel = Kernel(header_format(header, separator=b","), HOW)
    out = kernel.treat(text, 0)
    line = out.split(b"\r\n")[1].split(b",")
    assert line[0] == b"2026-03-01 10:00:00"
    assert line[1].startswith(b'"~')
    assert line[2:] == [b'"-"', b"3", b'"Main"']
    assert kernel.outcome.withheld == 2, "a record that runs over two lines is withheld"


def test_without_a_key_identities_are_removed() -> None:
    kernel = Kernel(COMBINED, treatments((), None))
    assert kernel.treat(GOOD + b"\n", 0).startswith(b"203.0.0.0 - - [01/Mar/2026:10:00:00 +0000]")


def test_one_session_has_one_pseudonym_in_a_day_and_another_the_day_after() -> None:
    days = [GOOD.replace(b"01/Mar", b"%02d/Mar" % day) for day in (1, 1, 2, 1)]
    out, _ = severed(b"\n".join(days) + b"\n")
    users = [line.split(b" ")[2] for line in out.split(b"\n")[:-1]]
    assert users[0] == users[1] == users[3] != users[2]


def test_a_log_of_many_days_out_of_order_is_treated_the_same_as_in_order() -> None:
    lines = [GOOD.replace(b"01/Mar", b"%02d/Mar" % (1 + i % 9)) for i in range(300)]
    random.Random(1).shuffle(lines)
    out = severed(b"\n".join(lines) + b"\n")[0].split(b"\n")
    by_day = itertools.groupby(sorted(zip((line[20:40] for line in lines), out, strict=False)), key=lambda x: x[0][-3:])
    assert sum(1 for _ in by_day) >= 1
    assert len({line.split(b" ")[2] for line in out if line}) == 9
