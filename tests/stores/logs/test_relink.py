"""The re-link attack on an EZproxy bundle: join login ticket, session and address across its logs."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from tests.stores.logs.independent import surviving
from tests.stores.logs.made import ACCESS_FORMAT, SPU_FORMAT, Made, made

from reticent.stores.logs.atrest import FileJob, sever_file
from reticent.stores.logs.sources import LogSource

SOURCES = {
    "access": LogSource("access", (), ACCESS_FORMAT, ("ezproxy", "publishers"), bundle="proxy"),
    "spu": LogSource("spu", (), SPU_FORMAT, ("ezproxy", "publishers"), bundle="proxy"),
    "audit": LogSource("audit", (), "tsv", bundle="proxy"),
}


def relinked(access: bytes, spu: bytes, audit: bytes, people: set[str]) -> dict[str, set[str]]:
    """Join everything to everything by shared words; return person -> titles reached. Own code, no parser.

    Two lines are joined when they share an address-like, session-like or account-like word, when one
    is the login line just before the other's first connect from the same address, or by their second.
    """
    lines = [line for text in (access, spu, audit) for line in text.decode("latin-1").splitlines()]
    owner: dict[str, str] = {}
    for _ in range(3):
        for line in lines:
            words = set(re.findall(r"[A-Za-z0-9:.~]{8,}", line)) - COMMON
            named = next((one for one in people if one in line), None) or next(
                (owner[w] for w in words if w in owner), None
            )
            if named:
                for word in words:
                    owner.setdefault(word, named)
    reached = defaultdict(set)
    for line in lines:
        title = re.search(r"/stable/pdf/(\d+)", line)
        who = next((one for one in people if one in line), None) or next(
            (owner[w] for w in re.findall(r"[A-Za-z0-9:.~]{8,}", line) if w in owner), None
        )
        if title and who:
            reached[who].add(title[1])
    return reached


COMMON = {"www.jstor.org:80", "www.jstor.org", "proxy.example:80", "proxy.example", "HTTP", "jstor.org", "session", "connect",
          "doBasicSearch", "Login.Success", "2026:00:", "https:", "http:"}  # fmt: skip


def common_words(bundle: Made) -> None:
    """Words in more than a tenth of the lines join nobody to anything."""
    lines = (bundle.access + bundle.spu + bundle.audit).decode("latin-1").splitlines()
    count: dict[str, int] = defaultdict(int)
    for line in lines:
        for word in set(re.findall(r"[A-Za-z0-9:.~]{8,}", line)):
            count[word] += 1
    COMMON.update(word for word, n in count.items() if n > 12)


def severed(folder: Path, bundle: Made, key: bytes | None) -> dict[str, bytes]:
    out = {}
    for name, text in (("access", bundle.access), ("spu", bundle.spu), ("audit", bundle.audit)):
        path = folder / f"{name}.log"
        path.write_bytes(text)
        sever_file(
            FileJob(str(path), SOURCES[name], str(folder / "r"), "run", f"proxy/{name}", key, bytes(32))
        )
        out[name] = path.read_bytes()
    return out


def test_the_attack_works_on_the_raw_bundle_and_finds_nobody_in_the_severed_one(tmp_path: Path) -> None:
    bundle = made()
    common_words(bundle)
    people = set(bundle.users)
    raw = relinked(bundle.access, bundle.spu, bundle.audit, people)
    assert len(raw) > 50, "the attack is real"
    for key in (bytes(range(32)), None):
        folder = tmp_path / ("keyed" if key else "removed")
        folder.mkdir()
        out = severed(folder, bundle, key)
        assert relinked(out["access"], out["spu"], out["audit"], people) == {}
        assert surviving(b"".join(out.values()), bundle.marks) == []


def test_inside_a_day_sessions_can_still_be_counted_across_the_bundle(tmp_path: Path) -> None:
    bundle = made()
    out = severed(tmp_path, bundle, bytes(range(32)))
    tokens = {name: set(re.findall(rb"~[0-9a-f]{18}", text)) for name, text in out.items()}
    assert len(tokens["audit"]) == 2 * len(bundle.users)
    assert len(tokens["access"] & tokens["audit"]) == len(tokens["access"])
    assert tokens["spu"] <= tokens["audit"]


def test_with_keys_removed_no_two_lines_share_anything_personal(tmp_path: Path) -> None:
    out = severed(tmp_path, made(), None)
    assert b"~" not in out["access"]
    assert {line.split(b"\t")[3] for line in out["audit"].splitlines()[1:]} == {b"-"}


def test_exact_sizes_that_name_an_article_are_gone(tmp_path: Path) -> None:
    bundle = made()
    out = severed(tmp_path, bundle, None)
    sizes = {line.rsplit(b" ", 1)[1] for line in out["access"].splitlines()}
    assert all(re.fullmatch(rb"\d0*", size) for size in sizes)
    assert len(sizes) < 20 < len({line.rsplit(b" ", 1)[1] for line in bundle.access.splitlines()})
