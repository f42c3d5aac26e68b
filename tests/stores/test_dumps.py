"""Dumps and exports of every kind are looked through for the whole roster; a file made for one person tells nothing."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import zstandard
from tests.servers import Server

from reticent.errors import NotPermitted
from reticent.stores import dumps
from reticent.stores.crowd import Crowd
from reticent.systems.mapfile import Roster

ROSTER = Roster(table="people", number="number", issued=("card", "user"), personal=("mail",), name=("first", "last"))
PEOPLE = [
    {"number": str(n), "card": f"2352900{n:07}", "user": f"reader.{n:04}", "mail": f"r{n}@lakeside.example"}
    | {"first": f"Given{n}", "last": "Zoë"}
    for n in range(1, 400)
]
MET = "30 to 999 persons of the roster stand in it"
FOREVER = float("inf")
NOBODY = "nobody of the roster was met, or fewer than 30 persons: so few are not told"


@pytest.fixture
def scan(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], tuple[str, bool]]:
    crowd = Crowd([(PEOPLE, ROSTER)])
    monkeypatch.setattr(dumps, "crowd", lambda *_: crowd)
    return lambda file: dumps.DumpScanner([]).scan({}, [file])[file]


def sql(people: list[dict[str, str]]) -> bytes:
    """One statement on one line, as mysqldump writes it."""
    filler = ",".join(f"({n},'title {n}','39999{n:09}')" for n in range(20_000))
    rows = ",".join(f"({one['number']},'{one['card']}','{one['mail']}')" for one in people)
    return f"INSERT INTO items VALUES {filler};\nINSERT INTO t VALUES {rows};\n".encode()


@pytest.mark.parametrize("pack", [lambda raw: raw, gzip.compress, zstandard.ZstdCompressor().compress])
def test_text_in_any_packing(
    scan: Callable[[Path], tuple[str, bool]], tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "whatever"
    file.write_bytes(pack(sql(PEOPLE[:200])))
    assert scan(file) == (MET, True)
    file.write_bytes(pack(sql([])))
    assert scan(file) == (NOBODY, True)


def test_a_csv_and_a_wide_encoding(scan: Callable[[Path], tuple[str, bool]], tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_text("card,title\n" + "".join(f"{one['card']},x\n" for one in PEOPLE), encoding="utf-16")
    assert scan(file) == (MET, True)


@pytest.mark.parametrize("block", [1, 600, 1 << 20])
def test_nobody_is_lost_or_met_twice_where_blocks_meet(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Counted exactly, before the blur, at every cut."""
    monkeypatch.setattr(dumps, "_BLOCK", block if block > 1 else 97)
    rng, crowd = random.Random(block), Crowd([(PEOPLE, ROSTER)])
    words = [one[kind] for one in PEOPLE[:120] for kind in ("card", "mail")]
    text = "".join(f"{'x' * rng.randrange(40)} {word} " for word in words).encode()
    found: set[int] = set()
    assert dumps._meet(io.BytesIO(text), crowd, found, FOREVER)
    assert len(found) == len(words) // 2, "a person counts once, whatever of theirs stands there"


def test_a_file_about_one_person_tells_nothing(scan: Callable[[Path], tuple[str, bool]], tmp_path: Path) -> None:
    """Once, a thousand times, or among others who are nobody: the answer is that of an empty file."""
    file = tmp_path / "one.sql"
    one = PEOPLE[7]
    others = "".join(f"2352900{n:07}\n" for n in range(5000, 9000))
    for content in (one["card"], f"{one['card']}\n" * 2000, f"{one['card']} {one['mail']} {one['user']}\n{others}"):
        file.write_text(content)
        assert {scan(file) for _ in range(20)} == {(NOBODY, True)}


def test_everything_of_one_person_counts_once() -> None:
    """Else what stands beside twenty-seven known patrons would tell: six forms of one more would pass for six more."""
    crowd, one = Crowd([(PEOPLE, ROSTER)]), PEOPLE[7]
    name, mailed = f"{one['first']} {one['last']}", one["mail"].replace("@", "%40")
    forms = [one["card"], one["user"], one["mail"], mailed, name, f"{one['last']}, {one['first']}"]
    found: set[int] = set()
    dumps._meet(io.BytesIO("\n".join(forms).encode()), crowd, found, FOREVER)
    assert len(found) == 1
    texts = [f"note {number}: {form}." for number, form in enumerate(forms)]
    assert crowd.standing_in(texts) == (1, 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"age-encryption.org/v1\n-> X25519 abc", "not looked at: it is sealed"),
        (b"\x1f\x8b\x08\x00broken", "not looked at to its end: it cannot be read, or is damaged"),
        (gzip.compress(b"x" * 100_000)[:-20], "not looked at to its end: it cannot be read, or is damaged"),
        (zstandard.compress(sql([]))[:-9000], "not looked at to its end: it cannot be read, or is damaged"),
        (
            b"PGDMP\x01\x7f\x00",
            "not looked at: pg_restore cannot read it to its end: damaged, or from a newer PostgreSQL",
        ),
    ],
)
def test_what_cannot_be_read_is_said(
    scan: Callable[[Path], tuple[str, bool]], tmp_path: Path, content: bytes, why: str
) -> None:
    file = tmp_path / "dump"
    file.write_bytes(content)
    assert scan(file) == (why, False)
    assert scan(tmp_path) == ("not looked at: it is a folder, and no dump of PostgreSQL", False)
    assert scan(tmp_path / "gone") == ("not looked at: it is not there, or is no file", False)
    os.mkfifo(tmp_path / "pipe")
    assert scan(tmp_path / "pipe") == ("not looked at: it is not there, or is no file", False), "nobody writes into it"


NO_TEXT = "not looked at: it is no text (an archive, an image, sealed, or in an unknown encoding)"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32", "cp037"])
def test_what_is_no_text_is_not_called_free_of_patrons(
    scan: Callable[[Path], tuple[str, bool]], tmp_path: Path, encoding: str
) -> None:
    """Patrons stand in each of these, and none can be met there."""
    file, noise = tmp_path / "export", random.Random(1).randbytes(5000)
    file.write_bytes(sql(PEOPLE).decode().encode(encoding))
    assert scan(file) == (NO_TEXT, False)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export.csv", sql(PEOPLE))
    assert scan(file) == (NO_TEXT, False)
    for content in (
        b"\x85\x01\x0c\x03" + noise,
        gzip.compress(b"PGDMP\x01\x0e\x00" + noise),
        gzip.compress(gzip.compress(sql(PEOPLE))),
    ):
        file.write_bytes(content)
        assert scan(file) == (NO_TEXT, False)


def test_letters_of_a_one_byte_encoding_are_text(scan: Callable[[Path], tuple[str, bool]], tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_bytes("Prénom;élève;hébergé à côté\n".encode("latin-1") * 400)
    assert scan(file) == (NOBODY, True)
    file.write_bytes("".join(f"{one['card']};Zoë\n" for one in PEOPLE).encode("latin-1"))
    assert scan(file) == (MET, True)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_whom_a_half_written_dump_names_is_told(
    scan: Callable[[Path], tuple[str, bool]], tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "half.sql"
    rest = random.Random(2).randbytes(2_000_000).hex().encode()
    file.write_bytes(pack(sql(PEOPLE[:200]) + rest)[:-200_000])
    assert scan(file) == (f"{MET}; not looked at to its end: it cannot be read, or is damaged", False)


def test_postgresqls_own_formats_are_read_by_its_own_program(
    scan: Callable[[Path], tuple[str, bool]], tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    name = fresh_database(postgresql).rpartition("/")[2]
    address = f"host=127.0.0.1 port={postgresql.port} user=postgres dbname={name}"
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (card text)")
        cursor.executemany("INSERT INTO t VALUES (%s)", [(one["card"],) for one in PEOPLE])
    for form in ("custom", "tar", "directory"):
        file = tmp_path / form
        subprocess.run(["pg_dump", f"--format={form}", f"--file={file}", address], check=True)
        assert scan(file) == (MET, True), form
    monkeypatch.setattr(dumps, "FILE_SECONDS", 0.0)
    assert scan(tmp_path / "custom") == (f"{LATE}0 bytes of what pg_restore makes of it", False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    said, looked = scan(tmp_path / "custom")
    assert not looked
    assert "pg_restore (package postgresql-client)" in said


SIZE = 30_000_000_000


def huge(file: Path, start: bytes = b"") -> Path:
    """A file that takes many minutes, and no room on the disk."""
    file.write_bytes(start)
    os.truncate(file, SIZE)
    return file


LATE = "not looked at to its end, the time for it was over: "


def test_a_file_takes_no_longer_than_its_time_and_it_is_said_how_far_it_was_read(
    scan: Callable[[Path], tuple[str, bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dumps, "FILE_SECONDS", 0.5)
    began = time.monotonic()
    said, looked = scan(huge(tmp_path / "huge.sql"))
    assert time.monotonic() - began < 10
    assert not looked
    read, _, of = said.removeprefix(LATE).removesuffix(" bytes").replace(",", "").partition(" of ")
    assert 0 < int(read) < int(of) == SIZE
    said, looked = scan(huge(tmp_path / "named.sql", sql(PEOPLE[:200])))
    assert (said.startswith(f"{MET}; {LATE}"), looked) == (True, False), "whom the read part names is told"
    packed = tmp_path / "packed.sql.zst"
    packed.write_bytes(zstandard.compress(bytes(400_000_000)))
    size = f"{packed.stat().st_size:,}"
    assert scan(packed)[0].endswith(f" of {size} bytes"), "of the file, not of what it unpacks to"


def test_all_files_together_have_a_time_and_the_newest_comes_first(
    scan: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dumps, "FILES_SECONDS", 0.5)
    old, new, gone = huge(tmp_path / "a.sql"), huge(tmp_path / "b.sql"), tmp_path / "gone.sql"
    os.utime(old, (1, 1))
    found = dumps.DumpScanner([]).scan({}, [gone, old, new])
    assert found[old] == (f"{LATE}0 of {SIZE:,} bytes", False)
    assert found[new][0].startswith(LATE)
    assert not found[new][0].startswith(f"{LATE}0 of")
    assert not found[gone][1]


FIELDS: dict[str, Callable[[str, str], str]] = {
    "CSV, plain": lambda first, last: f"1,{first},{last},x\n",
    "CSV, quoted": lambda first, last: f'"1","{last}","{first}","x"\n',
    "CSV with semicolons": lambda first, last: f'"1";"{first}";"{last}"\n',
    "bars": lambda first, last: f"1|{last}|{first}|x\n",
    "COPY": lambda first, last: f"1\t{first}\t{last}\tx\n",
    "SQL": lambda first, last: "(1,'{}','{}',NULL),".format(first, last.replace("'", "\\'")),
    "SQL, quotes doubled": lambda first, last: "(1, '{}', '{}', NULL), ".format(last.replace("'", "''"), first),
    "an empty field between": lambda first, last: "(1,'{}','','{}'),".format(first, last.replace("'", "''")),
}


@pytest.mark.parametrize("block", [97, 1 << 20])
@pytest.mark.parametrize("fields", FIELDS)
def test_first_name_and_surname_in_two_fields_name_their_patron(
    fields: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With names that have a quote of their own, wherever blocks meet."""
    monkeypatch.setattr(dumps, "_BLOCK", block)
    lasts = ("Zoë", "O'Shea", "van 't Hoff", "d' Angelo")
    people = [{**one, "last": lasts[n % 4]} for n, one in enumerate(PEOPLE)]
    crowd, found = Crowd([(people, ROSTER)]), set[int]()
    text = "".join(FIELDS[fields](one["first"], one["last"]) for one in people[:100])
    assert dumps._meet(io.BytesIO(text.encode()), crowd, found, FOREVER)
    assert len(found) == 100
    mixed = "".join(FIELDS[fields](one["first"], "Nobody") for one in people[:100]).encode()
    dumps._meet(io.BytesIO(mixed), crowd, alone := set[int](), FOREVER)
    assert not alone, "a first name alone is anybody's"


def test_whom_it_looks_for_it_reads_itself() -> None:
    with pytest.raises(NotPermitted):
        dumps.DumpScanner([]).scan({"ils": None}, [])
