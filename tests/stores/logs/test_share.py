"""A copy that may leave the house."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from tests.stores.logs.independent import surviving
from tests.stores.logs.made import ACCESS_FORMAT, SPU_FORMAT, made

from reticent.errors import SystemRefused, UsageError
from reticent.stores.logs.share import share
from reticent.stores.logs.sources import LogSource

BUNDLE = made()


@pytest.mark.parametrize(
    ("text", "form", "packs"),
    [
        (BUNDLE.access, ACCESS_FORMAT, ("ezproxy", "publishers")),
        (BUNDLE.spu, SPU_FORMAT, ("ezproxy",)),
        (BUNDLE.opac, "combined", ("koha",)),
        (BUNDLE.sip2, "sip2", ()),
        (BUNDLE.audit, "tsv", ()),
    ],
)
def test_no_person_no_item_and_no_hour_is_in_a_shared_copy(
    tmp_path: Path, text: bytes, form: str, packs: tuple[str, ...]
) -> None:
    path, out = tmp_path / "x.log.gz", tmp_path / "out.txt"
    path.write_bytes(gzip.compress(text))
    shared = share(path, out, LogSource("x", (), form, packs))
    copy = out.read_bytes()
    assert shared.withheld == 0
    assert copy.count(b"\n") == text.count(b"\n")
    assert surviving(copy, BUNDLE.marks) == []
    assert not re.search(rb"/stable/pdf/\d|stable/4\d\d\d|biblionumber=\d", copy)
    clocks = re.findall(rb"(?<![\d/])\d\d:\d\d:\d\d", re.sub(rb"2001:db8[:0-9a-f]+", b"", copy))
    assert set(clocks) == {b"00:00:00"}
    assert gzip.decompress(path.read_bytes()) == text


def test_the_same_item_has_the_same_mask_and_another_in_the_next_copy(tmp_path: Path) -> None:
    line = b'203.0.113.9 - jdoe [01/Mar/2026:10:11:12 +0000] "GET /bib/4711 HTTP/1.1" 200 5123 "-" "curl/8"\n'
    path = tmp_path / "x.log"
    path.write_bytes(line * 2)
    copies = []
    for n in (1, 2):
        share(path, tmp_path / f"{n}", LogSource("x", (), "combined", ("koha",)))
        copies.append(re.findall(rb"/bib/(\S+)", (tmp_path / f"{n}").read_bytes()))
    assert copies[0][0] == copies[0][1] != copies[1][0]


def test_a_copy_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(BUNDLE.opac)
    with pytest.raises(UsageError):
        share(path, path, LogSource("x", (), "combined"))
    with pytest.raises(SystemRefused):
        share(tmp_path / "none", tmp_path / "out", LogSource("x", (), "combined"))
    assert not (tmp_path / "out").exists()


def test_a_format_most_lines_do_not_have_is_refused_and_no_copy_is_left(tmp_path: Path) -> None:
    log, copy = tmp_path / "a.log", tmp_path / "a.shared"
    log.write_bytes(BUNDLE.access)
    with pytest.raises(UsageError, match="do not have this format") as refused:
        share(log, copy, LogSource("a", (str(log),), "sip2"))
    assert not [mark for mark in BUNDLE.marks if mark.decode() in str(refused.value)]
    assert not copy.exists()


def test_what_cannot_be_copied_is_told_with_the_reason(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(BUNDLE.opac)[:-20])
    for path, why in (
        (tmp_path / "none.log", "No such file"),
        (tmp_path, "Is a directory"),
        (cut, "damaged|cut short"),
    ):
        with pytest.raises(SystemRefused, match=why):
            share(path, tmp_path / "out.txt", LogSource("x", (), "combined", ("koha",)))
        assert not (tmp_path / "out.txt").exists()
