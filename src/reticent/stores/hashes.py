"""What looks like a column of hashes: UUIDs, hexadecimal or base64 of one length, whatever stands before each."""

from __future__ import annotations

import base64
import binascii
import re
from itertools import takewhile

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{22,88}={0,2}")
_LENGTHS = (4, 16, 20, 28, 32, 48, 64)
"""Bytes of the usual digests, from CRC-32 to SHA-512."""


def digests(texts: set[str]) -> tuple[set[bytes], str]:
    """Return the digests a column seems to hold, all of one length, and in which form; none if it does not."""
    # What begins the first and the last in order begins all between: "sha256:", "*", "user_".
    both = takewhile(lambda pair: pair[0] == pair[1], zip(min(texts), max(texts), strict=False))
    prefix = "".join(one for one, _ in both)
    cut = max(prefix.rfind(mark) for mark in ":_$*}|") + 1
    bare = [each[cut:] for each in texts]
    for shape, read in (("UUID", _uuid), ("hexadecimal", _hexadecimal), ("base64", _base64)):
        found = {value for each in bare if (value := read(each)) is not None}
        lengths = {len(value) for value in found}
        if len(found) * 10 >= len(texts) * 9 and len(lengths) == 1:
            return found, shape
    return set(), ""


def _uuid(one: str) -> bytes | None:
    # Version 4 is a random number, and 1, 6 and 7 are times: there is nothing to undo.
    found = _UUID.fullmatch(one)
    return bytes.fromhex(one.replace("-", "")) if found and found[1] not in "1467" else None


def _hexadecimal(one: str) -> bytes | None:
    one = one.removeprefix("0x").removeprefix("\\x")
    telling = _HEX.fullmatch(one) and len(one) >= 8 and (not one.isdigit() or len(one) >= 32)
    return bytes.fromhex(one) if telling else None


def _base64(one: str) -> bytes | None:
    if not _BASE64.fullmatch(one):
        return None
    plain = one.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        found = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return None
    return found if len(found) in _LENGTHS else None
