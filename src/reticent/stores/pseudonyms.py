"""Attacks a column of hashes or tokens with the library's own identifiers: can anybody undo them?

A hash of a card number is undone by hashing every card number. What is tried: the usual digests of every
identifier in the forms it is written in; the same with a salt or key that is at hand; with a number beside it;
bcrypt where every value has the same setting. Values come in, counts go out; the time is bounded, and what was not
tried to the end is said.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import bcrypt

from reticent.model import Reversed
from reticent.stores.crowd import Crowd, blurred
from reticent.stores.hashes import digests
from reticent.stores.needles import LEAST
from reticent.stores.overlap import text

SALTS = 1_000_000
_random = secrets.SystemRandom()
_SURE = 30
"""Values that must be undone before a column is called reversible: the count is blurred by a few."""
_EVERY = 20_000
_GRACE = 3.0
_WIDTHS = range(4, 17)
_SEPARATORS = (b":", b"-", b"_", b"|", b".")
FEW = 10_000
"""Numbers that are tried in every place beside an identifier."""
_TRIED = 1000
"""Identifiers of all kinds by which it is told whether a digest opens a column at all."""
_NAMED = 8
_TELLING = 8
"""Bytes of a digest that nothing else is by chance."""
_BCRYPT = re.compile(r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}")
_BCRYPT_SETTING = 29

Digest = Callable[[bytes], bytes]


def _twice(name: str) -> Digest:
    def digest(data: bytes) -> bytes:
        return hashlib.new(name, hashlib.new(name, data).hexdigest().encode()).digest()

    return digest


def _once(name: str) -> Digest:
    made = getattr(hashlib, name)
    return lambda data: made(data, usedforsecurity=False).digest()


_BY_LENGTH: dict[int, dict[str, Digest]] = {
    4: {"CRC-32": lambda data: binascii.crc32(data).to_bytes(4)},
    16: {"MD5": _once("md5"), "MD5 of MD5": _twice("md5"),
         "UUID of a name": lambda data: uuid.uuid3(uuid.NAMESPACE_DNS, data.decode("utf-8", "replace")).bytes,
         "UUID of a URL": lambda data: uuid.uuid5(uuid.NAMESPACE_URL, data.decode("utf-8", "replace")).bytes,
         "UUID (SHA-1) of a name": lambda data: uuid.uuid5(uuid.NAMESPACE_DNS, data.decode("utf-8", "replace")).bytes},
    20: {"SHA-1": _once("sha1"), "SHA-1 of SHA-1": _twice("sha1"),
         "the server's own PASSWORD()": lambda data: _once("sha1")(_once("sha1")(data))},
    28: {"SHA-224": _once("sha224"), "SHA3-224": _once("sha3_224")},
    32: {"SHA-256": _once("sha256"), "SHA3-256": _once("sha3_256"), "SHA-256 of SHA-256": _twice("sha256"),
         "BLAKE2s": _once("blake2s")},
    48: {"SHA-384": _once("sha384"), "SHA3-384": _once("sha3_384")},
    64: {"SHA-512": _once("sha512"), "SHA3-512": _once("sha3_512"), "BLAKE2b": _once("blake2b")},
}  # fmt: skip
_CUT = (16, 20, 32, 64)
"""Lengths of MD5, SHA-1, SHA-256 and SHA-512, which are often cut short."""
_HMAC = {16: ("md5",), 20: ("sha1",), 28: ("sha224",), 32: ("sha256",), 48: ("sha384",), 64: ("sha512",)}
_SALTED = {16: "md5", 20: "sha1", 28: "sha224", 32: "sha256", 48: "sha384", 64: "sha512"}


@dataclass
class _Attack:
    """One column under attack: which digests are still standing, by what others fell, and whose they are.

    One identifier has hundreds of digests: a column of them alone must tell no more than one of them.
    """

    targets: set[bytes]
    length: int
    until: float
    undone: set[bytes] = field(default_factory=set)
    how: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def is_over(self) -> bool:
        """Whether all is undone, and not by one identifier, of which nothing may be told."""
        return not self.targets and len(self.undone) >= LEAST

    def late(self) -> bool:
        return time.monotonic() > self.until

    def fell(self, found: set[bytes], whose: Iterable[bytes], how: str) -> None:
        self.targets -= found
        self.undone.update(whose)
        if found and how not in self.how:
            self.how.append(how)

    def opened_by(self, forms: Sequence[bytes], digest: Digest) -> bool:
        """Whether a digest opens more than chance would: four bytes are the same by chance now and then."""
        opened = sum(digest(form)[: self.length] in self.targets for form in forms)
        return bool(opened > 10 * len(forms) * len(self.targets) / 256**self.length)

    def over(self, data: Iterable[bytes], digests: Mapping[str, Digest]) -> None:
        """Hash all of ``data`` by each digest; stops when the time is over, and says what was left."""
        for how, digest in digests.items():
            made = iter(data)
            while batch := list(islice(made, _EVERY)):
                if self.late():
                    self.left_out.append(how)
                    break
                found = self.targets.intersection(digest(each)[: self.length] for each in batch)
                whose = (_bare(each) for each in batch if found and digest(each)[: self.length] in found)
                self.fell(found, whose, how)


def attack(
    crowd: Crowd,
    table: str,
    column: str,
    values: Iterable[object],
    more: Callable[[], Iterable[object]],
    keys: Sequence[bytes],
    seconds: float,
) -> Reversed | None:
    """Attack one column; None if it does not look like hashes or has fewer than ``LEAST`` distinct values.

    ``more`` reads many more values of it, once the first ones look like hashes: the more, the sooner one falls.
    """
    texts = _texts(values)
    if len(texts) < LEAST:
        return None
    if settings := _settings(texts):
        return _bcrypt(crowd, table, column, texts, settings, seconds)
    if encoded := _decoded(crowd, table, column, texts):
        return encoded
    if len(digests(texts)[0]) < LEAST:
        return None
    found, shape = digests(texts | _texts(more()))
    if len(found) < LEAST:
        return None
    running = _Attack(set(found), len(next(iter(found))), time.monotonic() + seconds)
    _digest_attack(running, crowd, keys)
    undone = blurred(min(len(running.undone), len(found)), len(found))
    how = tuple(running.how) if undone >= _SURE else ()
    return Reversed(table, column, shape, len(found), undone if how else 0, how, left_out=tuple(running.left_out))


def _texts(values: Iterable[object]) -> set[str]:
    return {found for value in set(values) if (found := value.hex() if isinstance(value, bytes) else text(value))}


def _decoded(crowd: Crowd, table: str, column: str, texts: set[str]) -> Reversed | None:
    """Tell identifiers that are only written otherwise: no hash at all, undone by whoever knows the writing."""
    for shape, read in (("hexadecimal", bytes.fromhex), ("base64", base64.urlsafe_b64decode)):
        found = {
            _bare(plain) for each in texts if (plain := _read(read, each)).isascii() and plain.decode().isprintable()
        }
        if len(found) < LEAST or len(found) * 10 < len(texts) * 9:
            continue
        met = len(found.intersection(_bare(one.encode()) for one in crowd.candidates()))
        if (undone := blurred(met, len(texts))) >= _SURE:
            return Reversed(table, column, shape, len(texts), undone, ("decoding it",))
    return None


def _read(read: Callable[[str], bytes], one: str) -> bytes:
    plain = one.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return read(plain if read is bytes.fromhex else plain + "=" * (-len(plain) % 4))
    except ValueError:
        return b""


def _digest_attack(running: _Attack, crowd: Crowd, keys: Sequence[bytes]) -> None:
    """Try everything by some identifiers, what opens one of them by all; then numbers; then the others by all."""
    plain = list(dict.fromkeys(crowd.candidates()))
    some, tries = _random.sample(plain, min(len(plain), _TRIED)), _tries(running.length, keys)
    forms = list(_Forms(some))
    opening = {how: digest for how, digest in tries.items() if running.opened_by(forms, digest)}
    running.over(_Forms(plain), opening)
    if len(running.undone) >= LEAST:
        return
    rest = {how: digest for how, digest in tries.items() if how not in opening} if len(some) < len(plain) else {}
    if name := _SALTED.get(running.length):
        _beside(running, plain, some, name)
        _numbered(running, plain, name, half=bool(rest))
    while rest and running.length >= _TELLING and not running.late() and len(running.undone) < LEAST:
        how = next(iter(rest))
        running.over(_Forms(plain), {how: rest.pop(how)})
    if rest and len(running.undone) < LEAST:
        more = f" and {len(rest) - _NAMED} more" if len(rest) > _NAMED else ""
        running.left_out.append(f"by more than {len(some):,} identifiers: {', '.join(list(rest)[:_NAMED])}{more}")


def _tries(length: int, keys: Sequence[bytes]) -> dict[str, Digest]:
    """Return how -> digest of all that is tried by itself and with what is at hand, the commonest first."""
    known = _known(length)
    found = dict(known)
    for key in keys:
        found |= {f"HMAC ({name}) with a key that is at hand": _keyed(key, name) for name in _HMAC.get(length, ())}
        for mark in (b"", *_SEPARATORS):
            beside = f" and {mark.decode()!r}" if mark else ""
            for where, salted in (("before", _before(key + mark)), ("behind", _behind(mark + key))):
                said = f"with a salt that is at hand{beside} {where} it"
                found |= {f"{name} {said}": _composed(digest, salted) for name, digest in known.items()}
    return found


def _known(length: int) -> dict[str, Digest]:
    """Return the digests of a length, and the usual longer ones cut to it."""
    longer = (next(iter(_BY_LENGTH[longest].items())) for longest in _CUT if longest > length)
    return _BY_LENGTH.get(length, {}) | {f"{name}, cut short": made for name, made in longer}


@dataclass(frozen=True)
class _Forms:
    """Every identifier in every form it is hashed in; iterated anew for each digest, so that memory stays flat."""

    plain: Sequence[str]

    def __iter__(self) -> Iterator[bytes]:
        for one in self.plain:
            for form in dict.fromkeys(_forms(one)):
                yield form.encode()


def _forms(one: str) -> Iterator[str]:
    yield one
    yield one.lower()
    yield one.upper()
    yield one + "\n"
    if one.isdigit():
        yield one.lstrip("0")
        yield from (one.zfill(width) for width in _WIDTHS if width > len(one))
    if "@" in one:
        local, _, domain = one.lower().rpartition("@")
        yield f"{one.rpartition('@')[0]}@{domain}"
        yield f"{local.title()}@{domain}"
        yield f"{local.capitalize()}@{domain}"


def _bare(form: bytes) -> bytes:
    """Return what all forms of one identifier have in common."""
    return form.strip().lower().lstrip(b"0")


def _keyed(key: bytes, name: str) -> Digest:
    return lambda data: hmac.digest(key, data, name)


def _before(salt: bytes) -> Digest:
    return lambda data: salt + data


def _behind(salt: bytes) -> Digest:
    return lambda data: data + salt


def _composed(digest: Digest, salted: Digest) -> Digest:
    return lambda data: digest(salted(data))


def _beside(running: _Attack, plain: Sequence[str], some: Sequence[str], name: str) -> None:
    """Try a short number before and behind some identifiers of every kind, with a separator and without."""
    numbers = [str(number).encode() for number in range(min(FEW, SALTS))]
    until = time.monotonic() + (running.until - time.monotonic()) / 4
    known = set[tuple[bytes, bytes]]()
    for one in some:
        if time.monotonic() > until or running.is_over():
            break
        for mark in (b"", *_SEPARATORS):
            found = {(b"", mark + number) for number in _salts(running.targets, one.encode() + mark, numbers, name)}
            found |= {(number + mark, b"") for number in _leading(running.targets, mark + one.encode(), numbers, name)}
            for before, behind in found - known:
                known.add((before, behind))
                _open(running, plain, name, _shown(name, mark, "before" if before else "behind"), before, behind)
    running.left_out.append(
        f"{name.upper()} with a number before it, or with a separator, beyond {FEW:,} or a sample of the identifiers"
    )


def _numbered(running: _Attack, plain: Sequence[str], name: str, *, half: bool) -> None:
    """Try a number up to a million behind each: one person's hash gives the number, the number everybody's.

    ``half``: half of the time that is left is for something else.
    """
    until = (time.monotonic() + running.until) / 2 if half else running.until
    numbers = [str(number).encode() for number in range(SALTS)]
    shown, tried, known = _shown(name, b"", "behind"), 0, set[bytes]()
    for one in plain:
        if time.monotonic() > until or running.is_over():
            break
        tried += 1
        for salt in set(_salts(running.targets, one.encode(), numbers, name)) - known:
            known.add(salt)
            _open(running, plain, name, shown, b"", salt)
            until = running.until
    if tried < len(plain) and (running.targets or len(running.undone) < LEAST):
        running.left_out.append(f"{shown}, from {len(plain) - tried:,} of {len(plain):,} identifiers")


def _shown(name: str, mark: bytes, where: str) -> str:
    most = SALTS if where == "behind" and not mark else FEW
    return f"{name.upper()} with a number below {most:,} {where} it{f' and {mark.decode()!r}' if mark else ''}"


def _open(running: _Attack, plain: Sequence[str], name: str, shown: str, before: bytes, behind: bytes) -> None:
    """Open everybody's hash with what one person's has told."""
    # What a number has opened is worth a few seconds more.
    running.until = max(running.until, time.monotonic() + _GRACE)
    made = _composed(_once(name), lambda data: before + data + behind)
    running.over((form.encode() for each in plain for form in dict.fromkeys((each, each.lower()))), {shown: made})


def _leading(targets: set[bytes], one: bytes, numbers: Sequence[bytes], name: str) -> list[bytes]:
    """Return the numbers that before this identifier give one of the targets."""
    digest = _once(name)
    return [number for number in numbers if digest(number + one) in targets]


def _salts(targets: set[bytes], one: bytes, numbers: Sequence[bytes], name: str) -> list[bytes]:
    """Return the numbers that behind this identifier give one of the targets."""
    begun = hashlib.new(name, one, usedforsecurity=False)
    found = []
    for number in numbers:
        made = begun.copy()
        made.update(number)
        if made.digest() in targets:
            found.append(number)
    return found


def _settings(texts: set[str]) -> set[str]:
    """Return the bcrypt settings of a column (version, cost, salt); none if it is not bcrypt."""
    found = [each for each in texts if _BCRYPT.fullmatch(each)]
    return {each[:_BCRYPT_SETTING] for each in found} if len(found) * 10 >= len(texts) * 9 else set()


def _bcrypt(
    crowd: Crowd, table: str, column: str, texts: set[str], settings: set[str], seconds: float
) -> Reversed | None:
    """Try identifiers under each setting while the time lasts; a setting for each row is what a password has."""
    if len(settings) * 10 > len(texts):
        left = (f"bcrypt with {len(settings):,} settings: each identifier would have to be tried under each",)
        return Reversed(table, column, "bcrypt", len(texts), 0, left_out=left)
    targets, until = {each[_BCRYPT_SETTING:] for each in texts}, time.monotonic() + seconds
    every = list(crowd.candidates())
    undone, tried = 0, 0
    for one in every:
        if time.monotonic() > until:
            break
        tried += 1
        made = (bcrypt.hashpw(one.encode()[:72], setting.encode()).decode() for setting in settings)
        undone += any(each[_BCRYPT_SETTING:] in targets for each in made)
    left_out = (f"bcrypt, from {len(every) - tried:,} of {len(every):,} identifiers",) if tried < len(every) else ()
    counted = blurred(undone, len(texts))
    how = ("bcrypt with the setting that stands in every value",) if counted >= _SURE else ()
    return Reversed(
        table, column, "bcrypt", len(texts), counted if how else 0, how, one_setting=True, left_out=left_out
    )
