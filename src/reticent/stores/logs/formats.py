"""One compiler for the log format strings servers use: text in, literals and typed fields out.

Every directive has a semantic type that decides its treatment; the tables are data
(``systems/formats``). A directive that is not in its dialect's table is personal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reticent.deidentify.times import COMMON_LOG, strftime_form
from reticent.errors import ConfigurationError
from reticent.systems.urlpacks import load_directives


class Kind(StrEnum):
    """What a field of a log line holds. The first group is treated, the second stays."""

    ADDRESS = "address"
    USER = "user"
    SESSION = "session"
    GROUP = "group"
    TIME = "time"
    SECONDS = "seconds"
    FRACTION = "fraction"
    REQUEST = "request"
    URL = "url"
    REFERRER = "referrer"
    AGENT = "agent"
    SIZE = "size"
    PERSONAL = "personal"
    TEXT = "personal text"
    """Personal, and may hold the very character that ends it (a print job's name has spaces)."""
    METHOD = "method"
    STATUS = "status"
    NUMBER = "number"
    HOST = "host"
    SAFE = "safe"


KEPT = frozenset({Kind.METHOD, Kind.STATUS, Kind.NUMBER, Kind.HOST, Kind.SAFE})
"""Kinds whose values stay byte for byte."""


@dataclass(frozen=True)
class Field:
    """One directive of a format. ``time`` is its strftime text; ``padded``: may start with blanks."""

    name: str
    kind: Kind
    time: str = ""
    padded: bool = False
    declared: bool = True


Piece = bytes | Field


@dataclass(frozen=True)
class LogFormat:
    """A compiled format: its pieces in order, and how its fields are quoted.

    ``escapes``: a quote inside a quoted field is written with a backslash. ``csv``: fields may
    stand in quotes, doubled inside. ``header`` is the one line that is no record.
    """

    dialect: str
    text: str
    pieces: tuple[Piece, ...]
    escapes: bool = False
    csv: bool = False
    header: bytes | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        """The typed fields, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Field))

    @property
    def undeclared(self) -> tuple[str, ...]:
        """Directives nobody declared: treated as personal, and worth a line in the report."""
        return tuple(one.name for one in self.fields if not one.declared)


Tokens = Iterator[tuple[str, str, str, bool]]
"""``(literal before, name, argument, padded)``; the last token has an empty name."""

_PERCENT = re.compile(r"%(?:%|(?:[!\d,]*[<>]?)(?:\{([^}]*)\})?[<>]?(\^[A-Za-z]{2}|[A-Za-z]))")
_CUPS = re.compile(r"%(?:%|\{([^}]*)\}|([A-Za-z]))")
_NGINX = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_SQUID = re.compile(
    r"%(?:%|[\"\[#'/]?(-?\d*)(?:\.\d+)?(?:\{([^}]*)\})?([<>]?(?:err_code|err_detail|[A-Za-z]+(?:::[<>]?\w+)?)))"
)
_SHIBBOLETH = re.compile(r"%(?:%|([A-Za-z0-9_]+))")
_BACKSLASH = {"t": "\t", "n": "\n", '"': '"', "\\": "\\", "'": "'"}


def parse_format(dialect: str, text: str, declared: Mapping[str, str] | None = None) -> LogFormat:
    """Compile a format string as the server's own configuration has it.

    ``dialect`` is apache, ezproxy, nginx, squid, cups or shibboleth; ``declared`` gives more
    directives a type (``{"%{X-Campus}i": "safe"}``). Raises ConfigurationError naming the directive.
    """
    if dialect not in _DIALECTS:
        raise ConfigurationError(f"{dialect!r} is not a log dialect", do=f"use one of {', '.join(sorted(_DIALECTS))}")
    table, escapes = load_directives(dialect)
    pieces: list[Piece] = []
    for literal, name, argument, padded in _DIALECTS[dialect](text):
        if literal:
            pieces.append(literal.encode())
        if name:
            pieces.extend(_fields(dialect, name, argument, padded, table, declared or {}))
    return _checked(LogFormat(dialect, text, tuple(_merged(pieces)), escapes))


def _fields(
    dialect: str,
    name: str,
    argument: str,
    padded: bool,
    table: Mapping[str, str],
    declared: Mapping[str, str],
) -> Iterator[Piece]:
    key = "{" + argument + "}" + name if argument else name
    written = ("$" if dialect == "nginx" else "%") + key
    kind = _declared(written, declared) or table.get(key) or (table.get("{}" + name) if argument else None)
    kinded = Kind(kind) if kind else Kind.PERSONAL
    field = Field(written, kinded, padded=padded, declared=kind is not None)
    if kinded is Kind.TIME:
        bracketed = dialect in ("apache", "ezproxy", "cups", "squid") and not argument and name != "ts"
        field = Field(written, kinded, time=_time(dialect, name, argument))
        yield from (b"[", field, b"]") if bracketed and dialect != "squid" else (field,)
    else:
        yield field


def _declared(written: str, declared: Mapping[str, str]) -> str | None:
    kind = declared.get(written)
    if kind is not None and kind not in set(Kind):
        raise ConfigurationError(
            f"{kind!r} is not a kind of field", where=written, do=f"use one of {', '.join(sorted(Kind))}"
        )
    return kind


_APACHE_TIMES = {
    "sec": "%s",
    "msec": "msec",
    "usec": "usec",
    "msec_frac": "fraction",
    "usec_frac": "fraction",
}
_NGINX_TIMES = {"time_local": COMMON_LOG, "time_iso8601": "%Y-%m-%dT%H:%M:%S%z", "msec": "%s.%f"}


def _time(dialect: str, name: str, argument: str) -> str:
    if dialect == "nginx":
        return _NGINX_TIMES[name]
    if dialect == "shibboleth":
        return ""
    inner = argument.removeprefix("begin:").removeprefix("end:")
    return _APACHE_TIMES.get(inner, inner) or COMMON_LOG


def _merged(pieces: list[Piece]) -> Iterator[Piece]:
    literal = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            literal += piece
            continue
        if literal:
            yield literal
        literal = b""
        yield piece
    if literal:
        yield literal


_SELF_ENDING = {Kind.TIME, Kind.SECONDS, Kind.FRACTION, Kind.SIZE, Kind.STATUS, Kind.NUMBER}


def _checked(form: LogFormat) -> LogFormat:
    if not form.fields:
        raise ConfigurationError("this log format has no directive", where=form.text, do="copy it whole")
    if any(isinstance(piece, bytes) and b"\n" in piece for piece in form.pieces):
        raise ConfigurationError("this log format writes more than one line", where=form.text, do="write one a record")
    for field in form.fields:
        if "%" in field.time:
            strftime_form(field.time)
    for one, following in zip(form.pieces, form.pieces[1:], strict=False):
        touching = isinstance(one, Field) and isinstance(following, Field)
        if touching and isinstance(one, Field) and one.kind not in _SELF_ENDING:
            raise ConfigurationError(
                f"nothing separates {one.name} from the directive behind it, so no line can be read safely",
                where=form.text,
                do="put a blank or a tab between the two in the server's configuration",
            )
    return form


def _percent(text: str) -> Tokens:
    return _scan(_unescape(text), _PERCENT, lambda m: (m[2] or "", m[1] or "", False))


def _cups(text: str) -> Tokens:
    return _scan(text, _CUPS, lambda m: ("{" + m[1] + "}" if m[1] else m[2] or "", "", False))


def _nginx(text: str) -> Tokens:
    return _scan(text, _NGINX, lambda m: (m[1] or m[2], "", False))


def _squid(text: str) -> Tokens:
    def read(m: re.Match[str]) -> tuple[str, str, bool]:
        width = m[1] or ""
        return m[3] or "", m[2] or "", bool(width) and not width.startswith(("0", "-"))

    return _scan(_unescape(text), _SQUID, read)


def _shibboleth(text: str) -> Tokens:
    return _scan(text, _SHIBBOLETH, lambda m: (m[1] or "", "", False))


def _scan(text: str, pattern: re.Pattern[str], read: Callable[[re.Match[str]], tuple[str, str, bool]]) -> Tokens:
    at = 0
    for found in pattern.finditer(text):
        before = text[at : found.start()]
        _no_stray(before, pattern, text)
        name, argument, padded = read(found)
        yield (before, name, argument, padded) if name else (before + "%", "", "", False)
        at = found.end()
    _no_stray(text[at:], pattern, text)
    yield text[at:], "", "", False


def _no_stray(literal: str, pattern: re.Pattern[str], text: str) -> None:
    sign = "$" if pattern is _NGINX else "%"
    if sign in literal:
        piece = literal[literal.index(sign) :][:12]
        raise ConfigurationError(f"the directive starting {piece!r} cannot be read", where=text)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: _BACKSLASH.get(m[1], m[0]), text)


_DIALECTS: dict[str, Callable[[str], Tokens]] = {
    "apache": _percent,
    "ezproxy": _percent,
    "cups": _cups,
    "nginx": _nginx,
    "squid": _squid,
    "shibboleth": _shibboleth,
}

NAMED = {
    "common": ("apache", '%h %l %u %t "%r" %>s %b'),
    "combined": ("apache", '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'),
    "vhost_combined": ("apache", '%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i"'),
    "nginx": (
        "nginx",
        (
            '$remote_addr - $remote_user [$time_local] "$request" '
            '$status $body_bytes_sent "$http_referer" "$http_user_agent"'
        ),
    ),
    "ezproxy": ("ezproxy", '%h %l %u %t "%r" %s %b'),
    "squid": ("squid", "%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt"),
    "cups": (
        "cups",
        "%p %u %j %T %P %C %{job-billing} %{job-originating-host-name} %{job-name} %{media} %{sides}",
    ),
    "shibboleth": (
        "shibboleth",
        "%a|%ST|%T|%u|%SP|%i|%ac|%t|%attr|%n|%f|%SSO|%XX|%XA|%b|%bb|%e|%S|%SS|%s|%UA",
    ),
}
"""The formats that have a name of their own: the servers' defaults."""


def header_format(line: bytes, *, separator: bytes, declared: Mapping[str, str] | None = None) -> LogFormat:
    """Compile the header line of a TSV (tab) or CSV (comma, semicolon) file: its words name the columns.

    Raises ConfigurationError if the line names no column known to Reticent: then it is no header.
    """
    table, _ = load_directives("columns")
    pieces: list[Piece] = []
    for number, raw in enumerate(line.split(separator)):
        word = raw.strip(b'" \xef\xbb\xbf').decode("utf-8", "replace")
        kind = _declared(word, declared or {}) or table.get(word.lower())
        if number:
            pieces.append(separator)
        pieces.append(Field(word, Kind(kind) if kind else Kind.PERSONAL, declared=kind is not None))
    fields = [piece for piece in pieces if isinstance(piece, Field)]
    if not any(field.declared for field in fields):
        raise ConfigurationError("the first line names no column that is known", do="check that it is the header")
    text = separator.decode().join(field.name for field in fields)
    return LogFormat("columns", text, tuple(pieces), csv=separator != b"\t", header=line)
