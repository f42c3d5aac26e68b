"""Network addresses to keyed pseudonyms or to their network. IPv4, IPv6, lists, ports, brackets."""

from __future__ import annotations

import re
import socket
from binascii import hexlify

from reticent.deidentify.pseudonyms import NOTHING, Treat, mac

_OURS = re.compile(rb"2001:db8(?::[0-9a-f]{4}){6}\Z")
_PORT = re.compile(rb"\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?\Z|(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}\Z")
_NOBODY = frozenset({b"", NOTHING, b"0.0.0.0", b"::"})
_IPV4_BYTES = 4
_MAPPED = bytes(10) + b"\xff\xff"
_KEPT_BYTES = {socket.AF_INET: 2, socket.AF_INET6: 4}
"""Bytes of a network that stay: two of IPv4 (CNIL's advice), a provider's block of IPv6."""


def packed(value: bytes) -> bytes | None:
    """Read one address into its 4 or 16 bytes: brackets, port and zone dropped, IPv4-mapped IPv6 as IPv4.

    Returns None for anything that is not an address (a host name, ``unknown``, noise).
    """
    plain = _packed(value)
    if plain is not None:
        return plain
    found = _PORT.match(value)
    return _packed((found[1] or found[2]) if found else value.partition(b"%")[0])


def _packed(bare: bytes) -> bytes | None:
    try:
        if b":" not in bare:
            return socket.inet_pton(socket.AF_INET, bare.decode("ascii"))
        out = socket.inet_pton(socket.AF_INET6, bare.decode("ascii"))
    except (OSError, ValueError):
        return None
    return out[12:] if out.startswith(_MAPPED) else out


def pseudonyms(key: bytes) -> Treat:
    """Return what gives addresses their pseudonyms under one key; see ``pseudonym``."""
    digest = mac(key, b"address")

    def treat(value: bytes) -> bytes:
        if value in _NOBODY or (value.startswith(b"2001:db8:") and _OURS.match(value)):
            return value
        return b"2001:db8:" + hexlify(digest(packed(value) or value)[:12], b":", 2)

    return treat


def pseudonym(key: bytes, value: bytes) -> bytes:
    """Return an address of the documentation network (RFC 3849) that stands for this one.

    Any text that is not an address (a host name) gets a pseudonym too: nothing passes through.
    """
    return pseudonyms(key)(value)


def network(value: bytes) -> bytes:
    """Return the address with its last bits zeroed: /16 for IPv4, /32 for IPv6; else ``-``."""
    address = packed(value)
    if address is None:
        return NOTHING if value else value
    family = socket.AF_INET if len(address) == _IPV4_BYTES else socket.AF_INET6
    kept = _KEPT_BYTES[family]
    return socket.inet_ntop(family, address[:kept] + bytes(len(address) - kept)).encode()


def treatment(key: bytes | None) -> Treat:
    """Return what treats one address or a comma-separated list (X-Forwarded-For); None: no key, truncate."""
    one = network if key is None else pseudonyms(key)

    def treat(value: bytes) -> bytes:
        if b"," not in value:
            return one(value)
        parts = re.split(rb"(,[ ]?)", value)
        parts[::2] = [one(part) for part in parts[::2]]
        return b"".join(parts)

    return treat
