"""Pure functions from value to value: laws and fixtures."""

from __future__ import annotations

import hmac
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.deidentify import addresses, measures, pseudonyms, times
from reticent.errors import ConfigurationError

KEY = bytes(range(32))
OTHER = bytes(range(32, 64))


@given(st.binary(max_size=60))
def test_a_token_is_stable_keyed_and_treated_once_only(value: bytes) -> None:
    token = pseudonyms.token(KEY, value)
    assert pseudonyms.token(KEY, token) == token
    assert pseudonyms.token(OTHER, token) == token, "a second run under another key changes nothing"
    if value not in (b"", b"-") and not pseudonyms.is_token(value):
        assert pseudonyms.is_token(token)
        assert pseudonyms.token(OTHER, value) != token


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_mac_is_the_standard_librarys_hmac(key: bytes, value: bytes) -> None:
    assert pseudonyms.mac(key, b"p")(value) == hmac.digest(key, b"p|" + value, "sha256")


def test_a_value_that_only_looks_like_a_token_is_treated() -> None:
    real = pseudonyms.token(KEY, b"jdoe")
    forged = real[:-1] + (b"0" if real[-1:] != b"0" else b"1")
    assert pseudonyms.token(KEY, forged) != forged


def test_nothing_joins_two_days() -> None:
    first, second = (pseudonyms.day_key(KEY, day) for day in (b"2026-03-01", b"2026-03-02"))
    assert pseudonyms.token(first, b"jdoe") != pseudonyms.token(second, b"jdoe")
    assert addresses.pseudonym(first, b"192.0.2.7") != addresses.pseudonym(second, b"192.0.2.7")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="3 bytes"):
        pseudonyms.check_key(b"abc")


@given(st.ip_addresses())
def test_every_address_becomes_one_of_the_documentation_network(address: ipaddress.IPv4Address) -> None:
    out = addresses.pseudonym(KEY, str(address).encode())
    if address.packed.strip(b"\0"):
        assert ipaddress.ip_address(out.decode()) in ipaddress.ip_network("2001:db8::/32")
    assert addresses.pseudonym(OTHER, out) == out


@pytest.mark.parametrize(
    "same",
    [b"192.0.2.7", b"::ffff:192.0.2.7", b"192.0.2.7:8080", b"[::ffff:192.0.2.7]:443", b"::FFFF:c000:207"],
)
def test_an_address_has_one_pseudonym_however_it_is_written(same: bytes) -> None:
    assert addresses.pseudonym(KEY, same) == addresses.pseudonym(KEY, b"192.0.2.7")


@given(st.ip_addresses())
def test_a_network_keeps_the_first_bytes_and_is_stable(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    out = addresses.network(str(address).encode())
    mapped = getattr(address, "ipv4_mapped", None) or address
    bits = 16 if mapped.version == 4 else 32
    assert ipaddress.ip_address(out.decode()) == ipaddress.ip_network(f"{mapped}/{bits}", strict=False)[0]
    assert addresses.network(out) == out


def test_lists_of_forwarded_addresses_are_treated_one_by_one() -> None:
    assert addresses.treatment(None)(b"10.1.2.3, 2001:470:1:2::3,unknown") == b"10.1.0.0, 2001:470::,-"
    out = addresses.treatment(KEY)(b"10.1.2.3, jdoe.lakeside.example")
    assert b"10.1" not in out
    assert b"jdoe" not in out
    assert out.count(b", ") == 1


@given(st.from_regex(rb"[0-9]{1,15}", fullmatch=True))
def test_sizes_keep_one_digit_and_are_stable(value: bytes) -> None:
    out = measures.size(value)
    assert len(out) == len(value)
    assert out[1:].strip(b"0") == b""
    assert measures.size(out) == out


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        (b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", b"Firefox"),
        (
            b"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
            b"Chrome",
        ),
        (b"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0", b"Edge"),
        (b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", b"bot"),
        (b"curl/8.5.0", b"script"),
        (b"something nobody else sends", b"other"),
        (b"-", b"-"),
    ],
)
def test_agents_become_families(agent: bytes, family: bytes) -> None:
    assert measures.family(agent) == family
    assert measures.family(family) == family


@given(st.binary(max_size=300))
def test_a_shape_says_nothing(line: bytes) -> None:
    shape = measures.shape(line)
    assert not set(shape) & set("bcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678\x1b<\n") or "<" in shape
    assert all(32 <= ord(sign) < 127 for sign in shape)


def test_a_shape_shows_no_escape_sequence_and_no_length() -> None:
    assert measures.shape(b"\x1b[31mjdoe 2123400000017") == "~[9a 9"
    assert measures.shape(b"jo") == measures.shape(b"a-very-long-name".replace(b"-", b"x"))


@pytest.mark.parametrize(
    ("text", "value", "hour", "day"),
    [
        (times.COMMON_LOG, b"10/Oct/2000:13:55:36 -0700", b"10/Oct/2000:13:00:00 -0700", b"2000-10-10"),
        ("%Y-%m-%dT%H:%M:%S%z", b"2026-03-01T12:34:56+01:00", b"2026-03-01T12:00:00+01:00", b"2026-03-01"),
        ("%Y/%m/%d:%H:%M:%S", b"2008/03/14:09:39:20", b"2008/03/14:09:00:00", b"2008-03-14"),
        ("%F %T", b"2026-12-31 23:59:60", b"2026-12-31 23:00:00", b"2026-12-31"),
        ("%s.%f", b"1700000000.123", b"1699999200.000", b"2023-11-14"),
    ],
)
def test_times_become_full_hours_in_the_form_they_have(text: str, value: bytes, hour: bytes, day: bytes) -> None:
    form = times.strftime_form(text)
    assert form.coarse(value) == hour
    assert form.coarse(hour) == hour
    instant = form.read(value)
    assert instant is not None
    assert instant.day == day


def test_a_day_that_does_not_exist_is_not_read() -> None:
    assert times.strftime_form(times.COMMON_LOG).read(b"31/Feb/2026:10:00:00 +0000") is None


def test_an_unknown_time_code_is_named() -> None:
    with pytest.raises(ConfigurationError, match="%Q"):
        times.strftime_form("%Y %Q")


@given(st.datetimes(min_value=__import__("datetime").datetime(1990, 1, 1)))
def test_any_form_reads_the_usual_forms(moment: object) -> None:
    form = times.any_form()
    for text in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%d/%b/%Y:%H:%M:%S +0000"):
        value = format(moment, text).encode()
        instant = form.read(value)
        assert instant is not None
        assert instant.day == format(moment, "%Y-%m-%d").encode()
        assert form.coarse(form.coarse(value)) == form.coarse(value)
