"""Which pure function treats which kind of field, under which key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reticent.deidentify import addresses, measures, pseudonyms
from reticent.deidentify.pseudonyms import NOTHING, Treat
from reticent.deidentify.urls import UrlPack, UrlPolicy
from reticent.stores.logs.formats import Kind


@dataclass(frozen=True)
class Treatments:
    """How one log is treated. ``key`` None: identities go and addresses become networks.

    ``share``: for a copy that leaves the house; times become days, items become pseudonyms.
    ``known`` finds identifiers that were seen in other fields of the same file.
    """

    urls: UrlPolicy
    key: bytes | None = None
    share: bool = False
    known: re.Pattern[bytes] | None = None

    @property
    def grain(self) -> str:
        """How coarse times become."""
        return "day" if self.share else "hour"

    def of(self, kind: Kind, day: bytes) -> Treat:
        """Return the treatment of one kind of field on one day."""
        key = None if self.key is None else pseudonyms.day_key(self.key, day)
        if kind is Kind.ADDRESS:
            return addresses.treatment(key)
        if kind in (Kind.USER, Kind.SESSION):
            return _nothing if key is None else pseudonyms.tokens(key)
        if kind in (Kind.URL, Kind.REFERRER):
            return self._url(key)
        if kind is Kind.AGENT:
            return measures.family
        if kind is Kind.SIZE:
            return measures.size
        return _nothing

    def texts(self, urls: bytes, key: bytes | None) -> Sequence[bytes]:
        """Treat URLs joined by newlines."""
        if self.share or self.known is not None:
            return list(map(self._url(key), urls.split(b"\n")))
        return self.urls.text(urls).split(b"\n")

    def _url(self, key: bytes | None) -> Treat:
        def treat(url: bytes) -> bytes:
            if self.share and key is not None:
                return self.urls.masked(url, key)
            out = self.urls.treat(url)
            return out if self.known is None else self.known.sub(NOTHING, out)

        return treat


def _nothing(value: bytes) -> bytes:
    return NOTHING if value else value


def treatments(
    packs: Iterable[UrlPack],
    key: bytes | None,
    *,
    share: bool = False,
    known: re.Pattern[bytes] | None = None,
) -> Treatments:
    """Build the treatments of a log from its URL packs and a key (None: remove instead of pseudonymise)."""
    checked = None if key is None else pseudonyms.check_key(key)
    return Treatments(UrlPolicy(tuple(packs)), checked, share, known)
