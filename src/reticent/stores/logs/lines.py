"""Logs that are read line by line: JSON lines, RADIUS detail, SIP2 traffic, servers' error logs.

Every reader turns one line into the same line with its ties severed, or refuses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from reticent.deidentify import addresses, sip2
from reticent.deidentify.pseudonyms import NOTHING, day_key
from reticent.deidentify.times import TimeForm, any_form, epoch_form, strftime_form
from reticent.errors import ConfigurationError
from reticent.stores.logs.columns import Unreadable
from reticent.stores.logs.formats import KEPT, Kind
from reticent.stores.logs.kernel import Outcome
from reticent.stores.logs.treatments import Treatments
from reticent.systems.urlpacks import load_directives

_NO_DAY = b""
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_SAFE = re.compile(rb"[\w .:/+,;=()*#&%\-\[\]]{0,200}\Z")
_REQUEST = re.compile(rb"([A-Za-z_\-]{1,24} )([^ ]+)( HTTP/\d[\d.]*)\Z")


class Reader(Protocol):
    """Reads one kind of line."""

    marker: bytes
    day: bytes
    """The day of the last line that told one; empty before that."""

    def line(self, bare: bytes) -> bytes:
        """Return the line, severed; ``bare`` has no line end. Raises Unreadable."""
        ...


class Lines:
    """Treats a log line by line with a reader; the slow sibling of the kernel, with the same promises."""

    def __init__(self, reader: Reader, identities: set[bytes] | None = None) -> None:
        self.outcome, self.identities = Outcome(), identities
        self._reader = reader

    def treat(self, block: bytes, offset: int) -> bytes:
        """Treat whole lines, each ending in a newline. As many lines come back, in the same order."""
        out = []
        for line in block.split(b"\n")[:-1]:
            out.append(self._one(line, offset))
            offset += len(line) + 1
        return b"".join(out)

    def overlong(self, offset: int) -> bytes:
        """Count and mark a line that was too long to be held."""
        self.outcome.lines += 1
        self.outcome.withhold(offset, b"")
        return self._reader.marker + b"\n"

    def _one(self, line: bytes, offset: int) -> bytes:
        self.outcome.lines += 1
        bare = line.removesuffix(b"\r")
        end = b"\r\n" if len(bare) < len(line) else b"\n"
        if bare == self._reader.marker:
            return bare + end
        try:
            if not _CONTROL.search(bare):
                done = self._reader.line(bare) + end
                self.outcome.days[self._reader.day] += bare != b""
                return done
        except Unreadable:
            pass
        self.outcome.withhold(offset, bare)
        return self._reader.marker + end


class Values:
    """Treats single named values of self-describing logs: JSON keys, RADIUS attributes."""

    def __init__(
        self, how: Treatments, declared: Mapping[str, str] | None = None, identities: set[bytes] | None = None
    ) -> None:
        table, _ = load_directives("keys")
        self._kinds = {name: Kind(kind) for name, kind in {**table, **(declared or {})}.items()}
        self._how, self._identities = how, identities
        self._times = {Kind.TIME: any_form(how.grain), Kind.SECONDS: epoch_form(1, how.grain)}

    def kind(self, name: str) -> Kind:
        """Return what a key holds; one nobody declared is personal."""
        return self._kinds.get(name, Kind.PERSONAL)

    def day(self, name: str, value: bytes) -> bytes | None:
        """Return the day in a value, if its key holds times."""
        form = self._times.get(self.kind(name))
        instant = form.read(value) if form and re.fullmatch(form.pattern, value) else None
        return instant.day if instant else None

    def treat(self, name: str, value: bytes, day: bytes) -> bytes:
        """Treat one value."""
        kind = self.kind(name)
        form = self._times.get(kind)
        if form is not None:
            return form.coarse(value) if re.fullmatch(form.pattern, value) else NOTHING
        if kind in KEPT:
            return value if _SAFE.match(value) else NOTHING
        if kind is Kind.SIZE and not value.isdigit():
            return NOTHING
        if kind is Kind.REQUEST:
            return self._request(value, day)
        if kind in (Kind.USER, Kind.SESSION) and self._identities is not None and value:
            self._identities.add(value)
        return self._how.of(kind, day)(value)

    def _request(self, value: bytes, day: bytes) -> bytes:
        found = _REQUEST.match(value)
        return NOTHING if found is None else found[1] + self._how.of(Kind.URL, day)(found[2]) + found[3]


_STRING = rb'"(?:[^"\\\x00-\x1f]|\\.)*"'
_JSON = re.compile(rb"(" + _STRING + rb")|(-?[0-9][0-9.eE+\-]*)|(true|false|null)|([{}\[\],:])|([ \t]+)")
_KEY = re.compile(r"(?!.*\d{4})[\w.@\-]{1,64}\Z")


@dataclass(frozen=True)
class _Scalar:
    start: int
    end: int
    key: str
    text: str | None


class JsonReader:
    """One JSON object a line. Only the bytes of treated values change; spacing and order stay."""

    marker = b'{"reticent":"withheld"}'

    def __init__(self, values: Values) -> None:
        self._values, self.day = values, _NO_DAY

    def line(self, bare: bytes) -> bytes:
        """Treat one line; Unreadable if it is not one JSON object."""
        scalars = list(_scalars(bare))
        named = [(one, (one.text or "").encode("utf-8", "surrogatepass")) for one in scalars if one.text is not None]
        days = (self._values.day(one.key, text) for one, text in named)
        day = next((day for day in days if day is not None), _NO_DAY)
        self.day = day or self.day
        out, at = b"", 0
        for one, text in named:
            done = self._values.treat(one.key, text, day)
            out += bare[at : one.start] + self._written(bare[one.start : one.end], text, done)
            at = one.end
        return out + bare[at:]

    @staticmethod
    def _written(old: bytes, text: bytes, done: bytes) -> bytes:
        if done == text:
            return old
        if old[:1] == b'"' or not done.isdigit():
            return json.dumps(done.decode("utf-8", "replace")).encode()
        return done


def _scalars(bare: bytes) -> Iterator[_Scalar]:
    """Walk a JSON object; yield its scalar values with the key they stand under. Raises Unreadable."""
    try:
        if not isinstance(json.loads(bare), dict):
            raise Unreadable
    except (ValueError, RecursionError):
        raise Unreadable from None
    held: list[tuple[bool, str]] = []  # for each open bracket: is it an object, and the key it stands under
    key, expects = "", False
    for found in _JSON.finditer(bare):
        sign = found[4]
        if sign in (b"{", b"["):
            held.append((sign == b"{", key))
            expects = sign == b"{"
        elif sign in (b"}", b"]"):
            key, expects = held.pop()[1], False
        elif sign == b",":
            expects, key = held[-1][0], held[-1][1] if not held[-1][0] else key
        elif found[1] is not None and expects:
            key, expects = json.loads(found[1]), False
            if not _KEY.match(key):
                raise Unreadable
        elif found[1] is not None:
            yield _Scalar(found.start(), found.end(), key, json.loads(found[1]))
        elif found[2] is not None or found[3] in (b"true", b"false"):
            yield _Scalar(found.start(), found.end(), key, found[0].decode())


class RadiusReader:
    """FreeRADIUS detail files: a date line, indented ``Attribute = value`` lines, a blank line."""

    marker = b"\treticent-withheld = 1"
    _attribute = re.compile(rb'([ \t]+)([A-Za-z][\w\-]*)((?::\d+)? :?\+?= )(?:"((?:[^"\\]|\\.)*)"|([^" ]*))\Z')

    def __init__(self, values: Values, grain: str) -> None:
        self._values, self.day = values, _NO_DAY
        self._clock = strftime_form("%a %b %e %H:%M:%S %Y", grain)
        self._date = re.compile(self._clock.pattern + rb"\Z")

    def line(self, bare: bytes) -> bytes:
        """Treat one line of a record."""
        if bare == b"":
            return bare
        if self._date.match(bare):
            instant = self._clock.read(bare)
            self.day = instant.day if instant else _NO_DAY
            return self._clock.coarse(bare)
        found = self._attribute.match(bare)
        if found is None:
            raise Unreadable
        quoted = found[4] is not None
        done = self._values.treat(found[2].decode(), found[4] if quoted else found[5], self.day)
        return found[1] + found[2] + found[3] + (b'"' + done + b'"' if quoted else done)


_STAMP = re.compile(
    rb"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
    rb"|\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
)
_CLOCK = re.compile(rb"(\d\d):\d\d(:\d\d)?(?:([.,])(\d+))?")
_WORD = re.compile(rb"(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{0,4}|[^\s\[\](){}<>,;:=|*#]+")
_VOCABULARY = frozenset(
    b"READ SEND SENT RECV RECEIVED WRITE IN OUT INPUT OUTPUT MSG MESSAGE REQUEST RESPONSE DEBUG INFO NOTICE "
    b"WARN WARNING ERROR TRACE SIP SIP2 SC ACS SELFCHECK CLIENT SERVER TELNET RAW TCP - -> <- --> <--".split()
)


class Sip2Reader:
    """SIP2 messages behind any prefix. Of the prefix, times become hours, addresses pseudonyms, and of
    its words only those every SIP2 log uses stay."""

    marker = b"-"

    def __init__(self, how: Treatments, identities: set[bytes] | None = None) -> None:
        self._how, self._identities, self.day = how, identities, _NO_DAY

    def line(self, bare: bytes) -> bytes:
        """Treat one line; Unreadable if no SIP2 message ends it."""
        message = bare.removesuffix(rb"\r")
        found = sip2.find(message)
        if found is None:
            raise Unreadable
        body = message[found.start :]
        told = re.search(rb"(\d{4})[-/]?(\d\d)[-/]?(\d\d)(?=[T ])", message[: found.fields])
        day = b"-".join(told.groups()) if told else _NO_DAY
        self.day = day or self.day
        key = self._how.key and day_key(self._how.key, day)
        if self._identities is not None:
            self._identities.update(one[1] for one in re.finditer(rb"(?:AA|AE)([^|]+)\|", body))
        done = sip2.treat(body, found, key or None, share=self._how.share)
        return self._prefix(message[: found.start], key or None) + done + bare[len(message) :]

    def _prefix(self, prefix: bytes, key: bytes | None) -> bytes:
        out, at = b"", 0
        for stamp in _STAMP.finditer(prefix):
            out += self._words(prefix[at : stamp.start()], key)
            out += _CLOCK.sub(_zero_clock_of_day if self._how.share else _zero_clock, stamp[0], count=1)
            at = stamp.end()
        return out + self._words(prefix[at:], key)

    @staticmethod
    def _words(text: bytes, key: bytes | None) -> bytes:
        def word(found: re.Match[bytes]) -> bytes:
            value = found[0]
            if value.upper() in _VOCABULARY:
                return value
            if key is not None and addresses.packed(value) is not None:
                return addresses.pseudonym(key, value)
            return NOTHING

        return _WORD.sub(word, text)


def _zero_clock(found: re.Match[bytes]) -> bytes:
    seconds = b":00" if found[2] else b""
    fraction = found[3] + b"0" * len(found[4]) if found[4] else b""
    return found[1] + b":00" + seconds + fraction


def _zero_clock_of_day(found: re.Match[bytes]) -> bytes:
    return b"00" + _zero_clock(found)[2:]


class ErrorReader:
    """Error logs of Apache and nginx: time, level and client stay readable; the message goes.

    Apache's message number (``AH00128:``) stays: it says what happened and to nobody.
    """

    def __init__(self, how: Treatments, form: TimeForm, pattern: bytes, marker: bytes) -> None:
        self._how, self._form, self.marker, self.day = how, form, marker, _NO_DAY
        self._match = re.compile(pattern).match

    def line(self, bare: bytes) -> bytes:
        """Treat one line; Unreadable for a continuation line."""
        found = self._match(bare)
        instant = self._form.read(found["time"]) if found else None
        if found is None or instant is None:
            raise Unreadable
        self.day = instant.day
        treat = self._how.of(Kind.ADDRESS, self.day)
        head = bare[: found.start("time")] + self._form.coarse(found["time"]) + found["level"]
        client = b""
        if found["client"] is not None:
            client = found["before"] + treat(found["client"]) + found["behind"]
        if b"client: " in client:
            return head + NOTHING + client
        return head + client + (found["code"] or b"") + NOTHING


def _apache_error(how: Treatments) -> ErrorReader:
    form = strftime_form("%a %b %d %H:%M:%S.%f %Y", how.grain)
    pattern = (
        rb"\[(?P<time>" + form.pattern + rb")(?P<level>\] \[[\w\-]*:?[\w]+\] \[pid \d+(?::tid \d+)?\] )"
        rb"(?:(?P<before>\[(?:remote|client) )(?P<client>[^\]]+)(?P<behind>\] ))?"
        rb"(?P<code>[A-Z]{2}\d{5}: )?.*\Z"
    )
    return ErrorReader(how, form, pattern, b"[" + form.epoch + b"] [reticent:withheld] [pid 0] -")


def _nginx_error(how: Treatments) -> ErrorReader:
    form = strftime_form("%Y/%m/%d %H:%M:%S", how.grain)
    pattern = (
        rb"(?P<time>" + form.pattern + rb")(?P<level> \[\w+\] \d+#\d+: )(?P<code>\Z.)?"
        rb"(?:.*?(?P<before>, client: )(?P<client>[0-9A-Fa-f.:\-]+)(?P<behind>)(?:, .*)?|.*)\Z"
    )
    return ErrorReader(how, form, pattern, form.epoch + b" [withheld] 0#0: -")


Build = Callable[[Treatments, Mapping[str, str], set[bytes] | None], Reader]
READERS: dict[str, Build] = {
    "jsonl": lambda how, declared, met: JsonReader(Values(how, declared, met)),
    "radius-detail": lambda how, declared, met: RadiusReader(Values(how, declared, met), how.grain),
    "sip2": lambda how, declared, met: Sip2Reader(how, met),
    "apache-error": lambda how, declared, met: _apache_error(how),
    "nginx-error": lambda how, declared, met: _nginx_error(how),
}
"""The formats that are read line by line, by their names."""


def line_kernel(
    name: str, how: Treatments, declared: Mapping[str, str] | None = None, *, collect: bool = False
) -> Lines:
    """Build the treater of a log that is read line by line; ConfigurationError for an unknown name."""
    if name not in READERS:
        raise ConfigurationError(f"no log format is named {name!r}", do=f"use one of {', '.join(sorted(READERS))}")
    met: set[bytes] | None = set() if collect else None
    return Lines(READERS[name](how, declared or {}, met), met)
