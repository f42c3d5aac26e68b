"""A column of one person's hashes tells no more than one hash; what is undone is counted by identifiers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import random
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


def hashed(name: str, text: str) -> str:
    return hashlib.new(name, text.encode()).hexdigest()


MADE: dict[str, Callable[[dict[str, str]], str]] = {
    "SHA-512 with a number below 100,000 behind it": lambda one: hashed("sha512", f"{one['card']}4711"),
    "MD5 with a number below 10,000 before it": lambda one: hashed("md5", f"4711{one['card']}"),
    "SHA1 with a number below 10,000 before it": lambda one: hashed("sha1", f"4711{one['number']}"),
    "SHA256 with a number below 10,000 before it and ':'": lambda one: hashed("sha256", f"2024:{one['card']}"),
    "SHA256 with a number below 10,000 behind it and '-'": lambda one: hashed("sha256", f"{one['mail']}-77"),
    "SHA-512 with a salt that is at hand and ':' before it": lambda one: hashed("sha512", f"pepper:{one['card']}"),
    "MD5 with a salt that is at hand and '_' behind it": lambda one: hashed("md5", f"{one['number']}_pepper"),
    "SHA-256": lambda one: hashed("sha256", one["number"].zfill(5)),
    "SHA-1": lambda one: hashed("sha1", one["number"].zfill(16)),
    "MD5": lambda one: hashed("md5", one["mail"].replace("r", "R", 1)),
    "SHA-224": lambda one: hashed("sha224", one["mail"].replace("LakeSide", "lakeside")),
}


@pytest.mark.parametrize("how", MADE)
def test_salts_in_every_place_padded_numbers_and_addresses_in_any_case_are_undone(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudonyms, "SALTS", 100_000)
    people = PEOPLE
    if how == "SHA-224":  # the roster has it in capitals, the hash was made of the domain in small letters
        people = [{**one, "mail": f"rR{one['number']}@LakeSide.example"} for one in PEOPLE]
    values = [MADE[how](one) for one in people]
    found = pseudonyms.attack(Crowd([(people, ROSTER)]), "t", "c", values, lambda: values, [b"pepper"], 60.0)
    assert found is not None
    assert found.how == (how.replace("SHA-512 with a number", "SHA512 with a number"),)
    assert abs(found.reversed - len(PEOPLE)) < 20


MANY = [{**person(n), "card": f"{n * 7919:014}"} for n in range(1, 20_000)]


def test_of_a_great_roster_what_is_at_hand_and_every_kind_of_identifier_is_tried_in_the_time() -> None:
    """The usual digests of everybody took the whole time, and what the site had named was never tried."""
    crowd = Crowd([(MANY, ROSTER)])
    salted = [hashed("sha256", f"{one['card']}:pepper") for one in MANY[::3]]
    numbered = [hashed("sha256", f"31|{one['number']}") for one in MANY[::3]]
    for values, how in (
        (salted, "SHA-256 with a salt that is at hand and ':' behind it"),
        (numbered, "SHA256 with a number below 10,000 before it and '|'"),
    ):
        found = pseudonyms.attack(crowd, "t", "c", values, list, [b"pepper"], 4.0)
        assert found is not None
        assert found.how == (how,)
        assert abs(found.reversed - len(values)) < 20


def test_digests_of_four_bytes_are_not_called_undone_by_chance() -> None:
    """A hundred thousand numbers, and a great roster in all its forms: dozens are the same and mean nothing."""
    rng = random.Random(5)
    values = [f"{rng.getrandbits(32):08x}" for _ in range(100_000)]
    found = pseudonyms.attack(Crowd([(MANY, ROSTER)]), "t", "c", values, lambda: values, [], 20.0)
    assert found is not None
    assert found.how == ()
    crc = [f"{binascii.crc32(one['card'].encode()):08x}" for one in MANY[::3]]
    found = pseudonyms.attack(Crowd([(MANY, ROSTER)]), "t", "c", crc, lambda: crc, [], 20.0)
    assert found is not None
    assert found.how == ("CRC-32",)


def test_what_was_not_tried_is_said_the_same_of_everybody() -> None:
    values = [hashed("sha256", f"{one['card']}{n}") for n, one in enumerate(PEOPLE, 5_000_000)]
    found = pseudonyms.attack(Crowd([(PEOPLE, ROSTER)]), "t", "c", values, lambda: values, [], 3.0)
    assert found is not None
    assert found.how == ()
    assert [said.partition(", from")[0] for said in found.left_out] == [
        "SHA256 with a number before it, or with a separator, beyond 10,000 or a sample of the identifiers",
        "SHA256 with a number below 1,000,000 behind it",
    ]


@pytest.mark.parametrize("written", [lambda one: one, lambda one: f"{one}00", lambda one: f"shelf {one}"], ids=range(3))
def test_what_is_no_pseudonym_is_none(written: Callable[[str], str]) -> None:
    """Card numbers as they are, numbers that look like hexadecimal, and texts."""
    values = [written(one["card"]) for one in PEOPLE]
    assert pseudonyms.attack(Crowd([(PEOPLE, ROSTER)]), "t", "c", values, lambda: values, [], 5.0) is None
