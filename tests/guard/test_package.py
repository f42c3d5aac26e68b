"""Packages have the same bytes every time; whatever our own writer would not have written is refused."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from reticent.errors import EvidenceBroken, ReticentError, UsageError
from reticent.guard.package import LARGEST, SIGNATURE, build, read
from reticent.ledger.note import Verifier

INFO = [("Source-Organization", "Lakeside Public Library"), ("Bagging-Date", "2026-11-28")]
FILES = {"ties.csv": b"class,used_at\ncirculation,2026-10-01\n", "withheld.txt": "Nothing — so far.\n".encode()}


class Key:
    """A ledger's key, as the tests need it."""

    def __init__(self, seed: int = 1) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.verifier = Verifier("lakeside/ledger/1", public)

    def sign(self, text: str) -> bytes:
        return self._key.sign(text.encode())


KEY = Key()
GOOD = build("release-1", FILES, INFO, KEY)
Files = dict[str, bytes]


def unzipped(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Files, compress: int = zipfile.ZIP_STORED, attr: int = 0o100644 << 16) -> bytes:
    """Write a ZIP as our writer does, but for what the test changes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compress) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr, entry.compress_type = 3, attr, compress
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def test_what_was_packed_comes_out_and_the_signature_is_checked() -> None:
    opened = read(GOOD, KEY.verifier)
    assert opened.name == "release-1"
    assert opened.files == FILES
    assert list(opened.info) == INFO


def test_the_same_content_makes_the_same_bytes() -> None:
    assert build("release-1", dict(reversed(FILES.items())), INFO, KEY) == GOOD
    assert zipped(unzipped(GOOD)) == GOOD


def test_the_stock_programs_check_it(tmp_path: Path) -> None:
    (tmp_path / "package.zip").write_bytes(GOOD)
    subprocess.run(["unzip", "-q", "package.zip"], cwd=tmp_path, check=True)
    for manifest in ("manifest-sha512.txt", "tagmanifest-sha512.txt"):
        done = subprocess.run(["sha512sum", "--strict", "-c", manifest], cwd=tmp_path / "release-1", check=False)
        assert done.returncode == 0


def test_another_key_is_refused() -> None:
    with pytest.raises(EvidenceBroken):
        read(GOOD, Key(2).verifier)
    with pytest.raises(EvidenceBroken):
        read(build("release-1", FILES, INFO, Key(2)), KEY.verifier)


def added(name: str, body: bytes = b"x") -> Callable[[Files], Files]:
    return lambda files: {**files, name: body}


def changed(name: str, body: bytes) -> Callable[[Files], Files]:
    return lambda files: {**files, f"release-1/{name}": body}


BAD: dict[str, Callable[[Files], Files]] = {
    "fetch.txt": added("release-1/fetch.txt", b"https://elsewhere.example/x 5 data/x\n"),
    "unlisted payload": added("release-1/data/more.csv"),
    "unlisted tag file": added("release-1/notes.txt"),
    "tag folder": added("release-1/metadata/x.txt"),
    "outside the folder": added("other/x.txt"),
    "up and out": added("release-1/../x.txt"),
    "up and out of data": added("release-1/data/../../x"),
    "absolute": added("/etc/x"),
    "backslash": added("release-1/data/..\\x"),
    "subfolder": added("release-1/data/sub/x.csv"),
    "twin by case": added("release-1/data/TIES.csv"),
    "twin in Unicode, composed": added("release-1/data/tiés.csv"),
    "twin in Unicode, decomposed": added("release-1/data/tie\u0301s.csv"),
    "twin in Unicode, another alphabet": added("release-1/data/tiеs.csv"),
    "control character": added("release-1/data/ti\x07es.csv"),
    "name of spaces": added("release-1/data/ "),
    "hidden file": added("release-1/data/.x"),
    "empty folder": added("release-1/data/x/", b""),
    "another manifest": added("release-1/manifest-md5.txt"),
    "payload changed": changed("data/ties.csv", b"other"),
    "declaration changed": changed("bagit.txt", b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-16\n"),
    "info changed": changed("bag-info.txt", b"Source-Organization: Elsewhere\nPayload-Oxum: 57.2\n"),
    "info not text": changed("bag-info.txt", b"\xff\xfe\n\n"),
    "manifest emptied": changed("manifest-sha512.txt", b""),
    "tag manifest emptied": changed("tagmanifest-sha512.txt", b""),
    "signature emptied": changed(SIGNATURE, b""),
    "signature not text": changed(SIGNATURE, b"\xff"),
    "no payload": lambda files: {n: b for n, b in files.items() if "/data/" not in n},
    "no signature": lambda files: {n: b for n, b in files.items() if not n.endswith(".note")},
    "no declaration": lambda files: {n: b for n, b in files.items() if not n.endswith("bagit.txt")},
    "nothing": lambda _: {},
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bag_outside_the_profile_is_refused(fault: str) -> None:
    for verifier in (KEY.verifier, None):
        with pytest.raises(EvidenceBroken):
            read(zipped(BAD[fault](unzipped(GOOD))), verifier)


def test_a_link_a_compressed_file_and_a_comment_are_refused() -> None:
    files = unzipped(GOOD)
    for data in (
        zipped(files, attr=0o120777 << 16),
        zipped(files, attr=0),
        zipped(files, compress=zipfile.ZIP_DEFLATED),
        GOOD + b"hidden behind the end",
        b"hidden before the start" + GOOD,
    ):
        with pytest.raises(EvidenceBroken):
            read(data, KEY.verifier)


def test_a_zip_bomb_is_not_unpacked() -> None:
    bomb = zipped({"release-1/data/x": bytes(2**26)}, compress=zipfile.ZIP_DEFLATED)
    with pytest.raises(EvidenceBroken, match="compressed"):
        read(bomb)


def test_two_files_of_one_name_are_refused() -> None:
    buffer = io.BytesIO(GOOD)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("release-1/data/ties.csv", b"other")
    with pytest.raises(EvidenceBroken, match="same name"):
        read(buffer.getvalue())


def test_not_one_flipped_bit_is_accepted() -> None:
    for place in range(len(GOOD)):
        broken = GOOD[:place] + bytes([GOOD[place] ^ (1 << place % 8)]) + GOOD[place + 1 :]
        with pytest.raises(EvidenceBroken):
            read(broken, KEY.verifier)


@given(st.binary(max_size=400) | st.binary(max_size=300).map(lambda tail: GOOD[: len(GOOD) // 2] + tail))
def test_anything_else_is_refused_and_never_crashes(data: bytes) -> None:
    with pytest.raises(EvidenceBroken):
        read(data)


@given(
    st.dictionaries(st.text(max_size=20), st.binary(max_size=30), max_size=4),
    st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=3),
    st.text(max_size=12),
)
def test_what_is_packed_at_all_comes_out_the_same(payload: Files, info: list[tuple[str, str]], name: str) -> None:
    try:
        data = build(name, payload, info, KEY)
    except UsageError:
        return
    opened = read(data, KEY.verifier)
    assert (opened.name, opened.files, list(opened.info)) == (name, payload, info)


@given(st.integers(0, 30), st.binary(min_size=1, max_size=40), st.integers(0, len(GOOD)))
def test_splices_are_refused(cut: int, extra: bytes, place: int) -> None:
    spliced = GOOD[:place] + extra + GOOD[place + cut :]
    if spliced != GOOD:
        with pytest.raises(EvidenceBroken):
            read(spliced, KEY.verifier)


@pytest.mark.parametrize("name", ["../x", "x/y", "", ".x", "ties csv", "tiés", "x" * 101, "a\nb"])
def test_such_names_are_not_packed(name: str) -> None:
    with pytest.raises(UsageError):
        build("release-1", {name: b"x"}, INFO, KEY)
    with pytest.raises(UsageError):
        build(name, FILES, INFO, KEY)


@pytest.mark.parametrize("line", [("Bad Label", "x"), ("Good", "two\nlines"), ("Good", " led"), ("", "")])
def test_such_lines_are_not_packed(line: tuple[str, str]) -> None:
    with pytest.raises(ReticentError):
        build("release-1", FILES, [line], KEY)


def test_a_package_of_a_whole_database_is_refused() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return LARGEST + 1

    with pytest.raises(UsageError, match="larger"):
        build("release-1", {"ties.csv": Huge()}, INFO, KEY)
