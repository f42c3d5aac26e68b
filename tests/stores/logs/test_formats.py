"""The format compiler: every dialect, every refusal."""

from __future__ import annotations

import pytest

from reticent.errors import ConfigurationError
from reticent.stores.logs.formats import NAMED, Field, Kind, header_format, parse_format
from reticent.stores.logs.kernel import Kernel, marker
from reticent.stores.logs.treatments import treatments

HOW = treatments((), bytes(range(32)))

# One line of each kind, as the servers write it. Real shapes from facts/logs.md section 1.1.
LINES = {
    ("apache", '%h %l %u %t "%r" %>s %b'): b'10.1.2.3 - jdoe [01/Mar/2026:10:11:12 +0100] "GET /a?q=x HTTP/1.1" 200 5123',
    ("apache", '%v:%p %{X-Forwarded-For}i %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i" %D'):
        b'opac.example:443 10.1.2.3, 10.9.9.9 - cn=Jane Doe,ou=x [01/Mar/2026:10:11:12 +0100] "GET / HTTP/2.0" 200 99 "-" "curl/8" 1234',
    ("ezproxy", r"%{%Y-%m-%d %H:%M:%S}t\t%{ezproxy-session}i\t%u\t%{ezproxy-groups}i\t%U\t%s"):
        b"2026-03-01 10:11:12\tAbC123\tjdoe\tFaculty+Law\thttps://h.example/a?q=x\t200",
    ("ezproxy", '%h %{ezproxy-session}i %{ezproxy-session}i %t "%r" %b %{ezproxy-groups}i %s'):
        b'10.1.2.3 AbC AbC [01/Mar/2026:10:11:12 +0100] "GET http://h/ HTTP/1.1" 77 Default 200',
    ("nginx", NAMED["nginx"][1] + ' rt=$request_time xff="$http_x_forwarded_for"'):
        b'10.1.2.3 - - [01/Mar/2026:10:11:12 +0000] "GET /a HTTP/2.0" 200 33 "-" "a\\x22b" rt=0.003 xff="10.1.1.1, unknown"',
    ("nginx", '{"t":"$time_iso8601","ip":"$remote_addr","u":"$request_uri","s":$status}'):
        b'{"t":"2026-03-01T10:11:12+00:00","ip":"2001:470::1","u":"/a?q=x","s":200}',
    ("squid", NAMED["squid"][1]):
        b"1700000000.123    456 10.1.2.3 TCP_MISS/200 5123 GET http://h.example/a?q=x jdoe HIER_DIRECT/h.example text/html",
    ("cups", NAMED["cups"][1]):
        b"Laser1 jdoe 42 [01/Mar/2026:10:11:12 +0000] 1 1 - 10.1.2.3 My divorce letter final.odt na_letter one-sided",
    ("shibboleth", NAMED["shibboleth"][1]):
        b"10.1.2.3|2026-03-01T10:11:10.5Z|2026-03-01T10:11:12.000Z|jdoe|https://sp.example/shibboleth|_ab|urn:oasis:names:tc:SAML:2.0:ac:classes:Password|2026-03-01T10:11:12Z|eduPersonEntitlement,uid|AAdzZ|urn:oasis|false|true|x|urn:r|urn:p|ok|urn:s||sess1|Firefox",
}  # fmt: skip


@pytest.mark.parametrize(("form", "line"), LINES.items(), ids=lambda one: str(one)[:40])
def test_a_line_of_every_dialect_parses_and_loses_its_ties(form: tuple[str, str], line: bytes) -> None:
    kernel = Kernel(parse_format(*form), HOW)
    out = kernel.treat(line + b"\n", 0)
    assert kernel.outcome.withheld == 0, kernel.outcome.shown
    for tie in (
        b"jdoe",
        b"Jane",
        b"10.1.",
        b"10.9.",
        b"2001:470",
        b"AbC",
        b"q=x",
        b":11:12",
        b"divorce",
        b"AAdzZ",
        b"Faculty",
        b"sess1",
    ):
        assert tie not in out
    assert Kernel(parse_format(*form), HOW).treat(out, 0) == out


@pytest.mark.parametrize("name", NAMED)
def test_the_marked_line_of_every_format_parses_and_stays(name: str) -> None:
    form = parse_format(*NAMED[name])
    kernel = Kernel(form, HOW)
    assert kernel.treat(marker(form), 0) == marker(form)
    assert kernel.outcome.withheld == 0


def test_a_directive_nobody_declared_is_personal_and_named() -> None:
    form = parse_format("apache", "%h %{X-Patron-Card}i %{X-Campus}i", {"%{X-Campus}i": "safe"})
    assert form.undeclared == ("%{X-Patron-Card}i",)
    assert Kernel(form, HOW).treat(b"10.1.2.3 21234 north\n", 0).split()[1:] == [b"-", b"north"]


@pytest.mark.parametrize(
    ("dialect", "text", "says"),
    [
        ("apache", "%h%u %t", "%h"),
        ("apache", "no directive", "no directive"),
        ("apache", "%h %", "cannot be read"),
        ("apache", r"%h\n%u %t", "more than one line"),
        ("apache", "%h %{%Q}t", "%Q"),
        ("nginx", "$remote_addr$remote_user", "$remote_addr"),
        ("pascal", "%h", "pascal"),
    ],
)
def test_a_format_that_cannot_be_read_says_which_directive(dialect: str, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_format(dialect, text)
    assert says in str(caught.value)


def test_a_kind_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="harmless"):
        parse_format("apache", "%h %{X}i", {"%{X}i": "harmless"})


def test_a_header_line_names_the_columns() -> None:
    form = header_format(b"Date/Time\tEvent\tIP\tUsername\tSession\tOther", separator=b"\t")
    assert [one.kind for one in form.fields if isinstance(one, Field)] == [
        Kind.TIME, Kind.SAFE, Kind.ADDRESS, Kind.USER, Kind.SESSION, Kind.PERSONAL,
    ]  # fmt: skip


def test_a_first_line_that_is_no_header_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no column"):
        header_format(b"2026-03-01\tjdoe", separator=b"\t")
