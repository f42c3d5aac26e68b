"""A column of one person's hashes tells no more than one hash; what is undone is counted by identifiers."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import bcrypt
import pytest
from tests.stores.test_crowd import ROSTER, person

from reticent.model import Reversed
from reticent.stores import pseudonyms
from reticent.stores.crowd import Crowd

PEOPLE = [{**person(n), "card": str(123_400 + n)} for n in range(1, 120)]
PATRON, STRANGER = PEOPLE[55]["card"], "987654"


def in_every_form(card: str) -> list[str]:
    forms = [card, f"{card}\n", *(card.zfill(width) for width in range(7, 15))]
    return [digest(form.encode()).hex() for form in forms for digest in pseudonyms._BY_LENGTH[16].values()]


def with_every_number(card: str) -> list[str]:
    return [hashlib.md5(f"{card}{number}".encode()).hexdigest() for number in range(90)]


def under_many_settings(card: str) -> list[str]:
    """Forty settings, so that one identifier alone would pass for thirty; what else stands there is nobody's."""
    made = [bcrypt.hashpw(card.encode(), bcrypt.gensalt(4)).decode() for _ in range(40)]
    junk = [f"{one[:29]}{hashlib.sha256(f'{n}'.encode()).hexdigest()[:31]}" for n in range(10) for one in made]
    return made + junk


def attacked(values: list[str]) -> Reversed:
    crowd = Crowd([(PEOPLE, ROSTER)])
    undone = pseudonyms.attack(crowd, "t", "c", values, lambda: values, [], 60.0)
    assert undone is not None
    return undone


@pytest.mark.parametrize("made", [in_every_form, with_every_number, under_many_settings])
def test_many_hashes_of_one_identifier_tell_no_more_than_one(
    made: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudonyms, "SALTS", 100)
    assert attacked(made(PATRON)) == attacked(made(STRANGER)), "a patron's hashes and a stranger's"


def test_everybody_under_many_numbers_is_undone_and_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a nightly job makes: a number a night, and many of the patrons each night."""
    monkeypatch.setattr(pseudonyms, "SALTS", 100)
    found = attacked([value for one in PEOPLE for value in with_every_number(one["card"])[:7]])
    assert found.how == ("MD5 with a number below 100 behind it",)
    assert found.distinct == 7 * len(PEOPLE)
    assert abs(found.reversed - len(PEOPLE)) < 20


WRITTEN: dict[str, Callable[[str], str]] = {
    "decoding it": lambda one: base64.b64encode(one.encode()).decode(),
    "decoding it, hexadecimal": lambda one: one.encode().hex().upper(),
    "SHA-1": lambda one: "0x" + hashlib.sha1(one.encode()).hexdigest(),
    "SHA-256, cut short": lambda one: hashlib.sha256(one.encode()).hexdigest()[:32],
    "SHA-1, cut short": lambda one: hashlib.sha1(one.encode()).hexdigest()[:8],
    "SHA-512, cut short": lambda one: hashlib.sha512(one.encode()).hexdigest()[:64],
}


@pytest.mark.parametrize("how", WRITTEN)
def test_what_is_only_written_otherwise_or_cut_short_is_undone(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudonyms, "SALTS", 10)
    found = attacked([WRITTEN[how](one["card"]) for one in PEOPLE])
    assert found.how == (how.partition(", hexa")[0],)
    assert abs(found.reversed - len(PEOPLE)) < 20


@pytest.mark.parametrize("written", [lambda one: one, lambda one: f"{one}00", lambda one: f"shelf {one}"], ids=range(3))
def test_what_is_no_pseudonym_is_none(written: Callable[[str], str]) -> None:
    """Card numbers as they are, numbers that look like hexadecimal, and texts."""
    values = [written(one["card"]) for one in PEOPLE]
    assert pseudonyms.attack(Crowd([(PEOPLE, ROSTER)]), "t", "c", values, lambda: values, [], 5.0) is None
