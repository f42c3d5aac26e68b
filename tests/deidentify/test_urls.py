"""URLs by packs: what nobody declared is personal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.deidentify.urls import UrlPolicy
from reticent.systems.urlpacks import PACKS, load_pack, load_packs

POLICY = UrlPolicy(load_packs(PACKS))
KOHA = UrlPolicy(load_packs(["koha"]))
PROXY = UrlPolicy(load_packs(["ezproxy", "publishers"]))
URL = st.from_regex(rb"[!-~]{0,80}", fullmatch=True)


@pytest.mark.parametrize(
    ("policy", "url", "out"),
    [
        (
            KOHA,
            b"/cgi-bin/koha/opac-search.pl?idx=kw&q=divorce+law",
            b"/cgi-bin/koha/opac-search.pl?idx=kw&q=",
        ),
        (
            KOHA,
            b"/cgi-bin/koha/opac-detail.pl?biblionumber=42",
            b"/cgi-bin/koha/opac-detail.pl?biblionumber=42",
        ),
        (
            KOHA,
            b"/cgi-bin/koha/opac-user.pl?userid=jdoe;password=x",
            b"/cgi-bin/koha/opac-user.pl?userid=;password=",
        ),
        (KOHA, b"/api/v1/patrons/4711/holds", b"/api/v1/patrons/-/holds"),
        (
            PROXY,
            b"/login?user=jdoe&ticket=ab12&url=https://www.jstor.org/stable/1",
            b"/login?user=&ticket=&url=https://www.jstor.org",
        ),
        (PROXY, b"/connect?session=sAbC123&url=menu", b"/connect?session=&url="),
        (PROXY, b"http://jdoe:pw@host.example/x", b"http://host.example/x"),
        (PROXY, b"/login?url=http://jdoe:pw@host.example/x", b"/login?url="),
        (KOHA, b"/x;jsessionid=AB12?y", b"/x;jsessionid=?"),
        (KOHA, b"/x%3Fuser%3Djdoe", b"/x%3F"),
        (KOHA, b"/x%253Fuser%253Djdoe", b"/x%253F"),
        (KOHA, b"/x%0a10.0.0.1%20-%20jdoe%20[01/Mar", b"/x%0a"),
        (KOHA, b"/~jdoe/cv.html", b"/~-/cv.html"),
        (KOHA, b"/u/j.doe@lakeside.example/x", b"/u/-/x"),
        (KOHA, b"/p#/user/jdoe", b"/p#"),
        (KOHA, b"/p?jdoe", b"/p?"),
        (KOHA, b"/p?2123400000017=1", b"/p?"),
        (KOHA, b"/p?idx=" + b"a" * 41, b"/p?idx="),
        (KOHA, b"/p?idx=j@x", b"/p?idx="),
        (KOHA, b"/p?q=two words&idx=kw", b"/p?q=&idx=kw"),
        (KOHA, b"/p?idx=kw\n/q?jdoe", b"/p?idx=kw"),
    ],
)
def test_a_url_keeps_only_what_was_declared(policy: UrlPolicy, url: bytes, out: bytes) -> None:
    assert policy.treat(url) == out


def test_a_key_personal_in_one_pack_is_kept_by_none() -> None:
    assert load_pack("openurl").keep & load_pack("publishers").personal == {"sid"}
    both = UrlPolicy(load_packs(["openurl", "publishers"]))
    assert both.treat(b"/r?issn=0028-0836&sid=abc") == b"/r?issn=0028-0836&sid="


def test_a_megabyte_without_an_end_is_treated_like_any_url() -> None:
    letters = b"a" * (1 << 20)  # with work that grows by the square of its length, this test would run for an hour
    assert KOHA.treat(b"/~" + letters) == b"/~-"
    assert KOHA.treat(b"/" + letters + b"@example.org") == b"/-"


@settings(max_examples=300)
@given(URL)
def test_treating_twice_is_treating_once(url: bytes) -> None:
    once = POLICY.treat(url)
    assert POLICY.treat(once) == once


@settings(max_examples=300)
@given(st.lists(URL, min_size=1, max_size=8))
def test_a_column_is_its_urls(urls: list[bytes]) -> None:
    assert POLICY.text(b"\n".join(urls)).split(b"\n") == [POLICY.treat(url) for url in urls]


@given(st.from_regex(r"[A-Za-z]{3,12}", fullmatch=True), st.from_regex(r"mark[0-9a-z%+]{1,20}", fullmatch=True))
def test_the_value_of_a_key_nobody_declared_never_stays(name: str, value: str) -> None:
    known = {key for pack in load_packs(PACKS) for key in pack.keep | pack.nested}
    for sign in "?&;":
        out = POLICY.treat(f"/a{'?x=' if sign != '?' else ''}{sign}{name}={value}".encode())
        assert (b"mark" in out) == (
            name in known
            and re.fullmatch(r"[\w.,:\-]+", value) is not None
            and name not in {key for pack in load_packs(PACKS) for key in pack.nested | pack.personal}
        )


def test_a_shared_url_shows_no_item() -> None:
    key = bytes(32)
    out = KOHA.masked(b"https://opac.example/bib/4711?idx=kw&q=x", key)
    assert out.startswith(b"https://opac.example/bib/~")
    assert out.endswith(b"?idx=&q=")
    assert KOHA.masked(b"/bib/4711", key)[5:] == out.split(b"/bib/")[1].split(b"?")[0]


@pytest.mark.parametrize("name", PACKS)
def test_every_pack_says_where_it_comes_from_and_compiles(name: str) -> None:
    pack = load_pack(name)
    assert pack.name == name
    assert not pack.keep & pack.personal
    assert all(re.compile(rule.match).pattern for rule in pack.counts)
