"""Loads what ships as data beside the maps: URL packs and the directive tables of log formats."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from reticent.deidentify.urls import METRICS, CountRule, UrlPack
from reticent.errors import ConfigurationError

PACKS = ("koha", "vufind", "blacklight", "ezproxy", "openurl", "shibboleth", "publishers")
_KEYS = {"name", "about", "source", "keep", "personal", "nested", "segments", "words", "counts"}


@cache
def load_pack(name: str) -> UrlPack:
    """Return the URL pack shipped under ``name``; ConfigurationError if there is none or it is broken."""
    raw = _read("urls", name, PACKS)
    unknown = sorted(set(raw) - _KEYS)
    if unknown:
        raise ConfigurationError(
            f"unknown key {unknown[0]!r} in a URL pack", where=f"systems/urls/{name}.toml"
        )
    return UrlPack(
        name=name,
        keep=frozenset(_texts(raw, "keep")),
        personal=frozenset(_texts(raw, "personal")),
        nested=frozenset(_texts(raw, "nested")),
        segments=tuple(_texts(raw, "segments")),
        words=frozenset(_texts(raw, "words")),
        counts=tuple(_rule(one, name) for one in _tables(raw, "counts")),
    )


def load_packs(names: Sequence[str]) -> tuple[UrlPack, ...]:
    """Return several packs, in the order given: the first count rule that matches a URL counts it."""
    return tuple(load_pack(name) for name in names)


@cache
def load_directives(dialect: str) -> tuple[Mapping[str, str], bool]:
    """Return a dialect's table (directive to semantic type) and whether it escapes quotes with ``\\``."""
    known = ("apache", "ezproxy", "nginx", "squid", "cups", "shibboleth", "columns", "keys")
    raw = _read("formats", dialect, known)
    table = raw["directives"]
    if not isinstance(table, dict):
        raise ConfigurationError("directives must be a table", where=f"systems/formats/{dialect}.toml")
    return {str(name): str(kind) for name, kind in table.items()}, bool(raw["escapes"])


def _read(folder: str, name: str, known: Sequence[str]) -> Mapping[str, object]:
    if name not in known:
        raise ConfigurationError(f"{name!r} is not one of {', '.join(known)}", where=f"systems/{folder}")
    return tomllib.loads((files("reticent.systems") / folder / f"{name}.toml").read_text("utf-8"))


def _texts(raw: Mapping[str, object], key: str) -> Sequence[str]:
    value = raw.get(key, [])
    return [str(one) for one in value] if isinstance(value, list) else []


def _tables(raw: Mapping[str, object], key: str) -> Sequence[Mapping[str, str]]:
    value = raw.get(key, [])
    return value if isinstance(value, list) else []


def _rule(raw: Mapping[str, str], pack: str) -> CountRule:
    try:
        re.compile(raw["match"])
    except (re.error, KeyError):
        raise ConfigurationError(
            "a count rule has no valid pattern", where=f"systems/urls/{pack}.toml"
        ) from None
    if re.search(r"\[\^(?![^\]]*\\n)", raw["match"]):
        raise ConfigurationError(
            "a count rule may run over the end of a line: put \\n into every [^...]",
            where=f"systems/urls/{pack}.toml",
        )
    if raw.get("metric") not in METRICS:
        raise ConfigurationError(
            f"a metric is one of {', '.join(METRICS)}", where=f"systems/urls/{pack}.toml"
        )
    return CountRule(raw["metric"], raw["match"].encode())
