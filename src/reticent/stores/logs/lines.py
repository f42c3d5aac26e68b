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
from reticent.deidentify.times import Instant, TimeForm, any_form, epoch_form, instant, strftime_form
from reticent.stores.logs.columns import Unreadable
from reticent.stores.logs.formats import KEPT, Kind
from reticent.stores.logs.kernel import Columns, Outcome, Watch
from reticent.stores.logs.treatments import Treatments
from reticent.systems.urlpacks import load_directives

_NO_DAY = b""
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_SAFE = re.compile(rb"[\w .:/+,;=()*#&%\-\[\]]{0,200}\Z")
_REQUEST = re.compile(rb"([A-Za-z_\-]{1,24} )([^ ]+)( HTTP/\d[\d.]*)\Z")


class Reader(Protocol):
    """Reads one kind of line."""

    marker: bytes
    when: Instant | None
    """The time of the line, or of the record it belongs to; None if nothing tells it."""
    met: list[tuple[Kind, bytes]]
    """What was read, by kind; who takes it clears it."""

    def line(self, bare: bytes) -> bytes:
        """Return the line, severed; ``bare`` has no line end. Raises Unreadable."""
        ...


class Lines:
    """Treats a log line by line with a reader; the slow sibling of the kernel, with the same promises."""

    def __init__(self, reader: Reader, *, watch: Watch | None = None, collect: bool = False) -> None:
        self.outcome, self.identities = Outcome(), set[bytes]() if collect else None
        self._reader, self._watch, self._day = reader, watch, _NO_DAY

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
                self._reader.met.clear()
                done = self._reader.line(bare) + end
                self._met(self._reader.met, self._reader.when)
                self._day = _day(self._reader.when) or self._day
                self.outcome.days[self._day] += bare != b""
                return done
        except Unreadable:
            pass
        self.outcome.withhold(offset, bare)
        return self._reader.marker + end

    def _met(self, met: list[tuple[Kind, bytes]], when: Instant | None) -> None:
        if self.identities is not None:
            self.identities.update(value for kind, value in met if value and kind in (Kind.USER, Kind.SESSION))
        if self._watch is not None and met:
            values: dict[Kind, list[list[bytes]]] = {}
            for kind, value in met:
                values.setdefault(kind, []).append([value])
            self._watch.see(Columns(1, [when], [when.seconds if when else 0], values, [b""], [b""]))


def _day(when: Instant | None) -> bytes:
    return when.day if when else _NO_DAY


class Values:
    """Treats single named values of self-describing logs: JSON keys, RADIUS attributes."""

    def __init__(self, how: Treatments, declared: Mapping[str, str] | None = None) -> None:
        table, _ = load_directives("keys")
        self._kinds = {name: Kind(kind) for name, kind in {**table, **(declared or {})}.items()}
        self._how, self.met = how, list[tuple[Kind, bytes]]()
        self._times = {Kind.TIME: any_form(how.grain), Kind.SECONDS: epoch_form(1, how.grain)}

    def kind(self, name: str) -> Kind:
        """Return what a key holds; one nobody declared is personal."""
        return self._kinds.get(name, Kind.PERSONAL)

    def when(self, name: str, value: bytes) -> Instant | None:
        """Return the time in a value, if its key holds times."""
        form = self._times.get(self.kind(name))
        return form.read(value) if form and re.fullmatch(form.pattern, value) else None

    def treat(self, name: str, value: bytes, day: bytes) -> bytes:
        """Treat one value."""
        kind = self.kind(name)
        self.met.append((kind, value))
        form = self._times.get(kind)
        if form is not None:
            return form.coarse(value) if re.fullmatch(form.pattern, value) else NOTHING
        if kind in KEPT:
            return value if _SAFE.match(value) else NOTHING
        if kind is Kind.SIZE and not value.isdigit():
            return NOTHING
        if kind is Kind.REQUEST:
            return self._request(value, day)
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
        self._values, self.met = values, values.met
        self.when: Instant | None = None

    def line(self, bare: bytes) -> bytes:
        """Treat one line; Unreadable if it is not one JSON object."""
        scalars = list(_scalars(bare))
        named = [(one, (one.text or "").encode("utf-8", "surrogatepass")) for one in scalars if one.text is not None]
        times = (self._values.when(one.key, text) for one, text in named)
        told = next((when for when in times if when is not None), None)
        day, self.when = _day(told), told
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
        self._values, self.met = values, values.met
        self.when: Instant | None = None
        self._clock = strftime_form("%a %b %e %H:%M:%S %Y", grain)
        self._date = re.compile(self._clock.pattern + rb"\Z")

    def line(self, bare: bytes) -> bytes:
        """Treat one line of a record."""
        if bare == b"":
            self.when = None
            return bare
        if self._date.match(bare):
            self.when = self._clock.read(bare)
            return self._clock.coarse(bare)
        found = self._attribute.match(bare)
        if found is None:
            raise Unreadable
        quoted = found[4] is not None
        done = self._values.treat(found[2].decode(), found[4] if quoted else found[5], _day(self.when))
        return found[1] + found[2] + found[3] + (b'"' + done + b'"' if quoted else done)


_STAMP = re.compile(
    rb"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
    rb"|\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
)
_WHEN = re.compile(
    rb"(?P<Y>\d{4})[-/]?(?P<m>\d\d)[-/]?(?P<d>\d\d)[T ](?:[ A-Z]{0,3}(?P<H>\d\d):?(?P<M>\d\d):?(?P<S>\d\d))?"
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

    def __init__(self, how: Treatments) -> None:
        self._how, self.met = how, list[tuple[Kind, bytes]]()
        self.when: Instant | None = None

    def line(self, bare: bytes) -> bytes:
        """Treat one line; Unreadable if no SIP2 message ends it."""
        message = bare.removesuffix(rb"\r")
        found = sip2.find(message)
        if found is None:
            raise Unreadable
        body = message[found.start :]
        written = _WHEN.search(message[: found.fields])
        self.when = instant(written.groupdict()) if written else None
        key = self._how.key and day_key(self._how.key, _day(self.when))
        self.met += [(Kind.USER, one) for one in sip2.patrons(body, found)]
        self.met.append((Kind.PERSONAL, sip2.use(body, found)))
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
        self._how, self._form, self.marker = how, form, marker
        self.when: Instant | None = None
        self.met: list[tuple[Kind, bytes]] = []
        self._match = re.compile(pattern).match

    def line(self, bare: bytes) -> bytes:
        """Treat one line; Unreadable for a continuation line."""
        found = self._match(bare)
        self.when = self._form.read(found["time"]) if found else None
        if found is None or self.when is None:
            raise Unreadable
        treat = self._how.of(Kind.ADDRESS, self.when.day)
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


READERS: dict[str, Callable[[Treatments, Mapping[str, str]], Reader]] = {
    "jsonl": lambda how, declared: JsonReader(Values(how, declared)),
    "radius-detail": lambda how, declared: RadiusReader(Values(how, declared), how.grain),
    "sip2": lambda how, _: Sip2Reader(how),
    "apache-error": lambda how, _: _apache_error(how),
    "nginx-error": lambda how, _: _nginx_error(how),
}
"""The formats that are read line by line, by their names."""
MESSAGES = frozenset({"apache-error", "nginx-error"})
"""Formats of free text, of which nobody can say where an account stands."""
