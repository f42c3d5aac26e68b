"""The crowd answers in blurred counts: nothing can be learnt about one value, and chance is reckoned with."""

from __future__ import annotations

import random

import pytest

from reticent.errors import NotPermitted
from reticent.find.evidence import judge
from reticent.stores.crowd import Crowd, blurred
from reticent.stores.overlap import examined
from reticent.systems.mapfile import Roster
from reticent.systems.structure import ColumnInfo, Structure, TableInfo

ROSTER = Roster(table="people", number="number", issued=("card",), personal=("mail",), name=("first", "last"))


def person(number: int) -> dict[str, str]:
    return {
        "number": str(number),
        "card": f"2352900{number:07}",
        "mail": f"r{number}@lakeside.example",
        "first": "Zoë",
        "last": "O'Shea",
    }


def crowd(numbers: range | list[int]) -> Crowd:
    return Crowd([([person(number) for number in numbers], ROSTER)])


def test_one_value_among_known_ones_is_lost_in_the_blur() -> None:
    """Ninety-nine cards of known patrons and one in question: with and without it the answers overlap."""
    everybody = crowd(range(1, 400))
    known = [person(number)["card"] for number in range(1, 100)]
    told = {False: set(), True: set()}  # type: dict[bool, set[int]]
    for is_patron, last in ((True, person(200)["card"]), (False, "23529009999999")):
        for _ in range(60):
            [overlap] = examined(everybody, "t", "c", [*known, last])
            assert overlap is not None
            told[is_patron].add(overlap.identifiers["issued"])
    assert len(told[True] & told[False]) >= 4, "a count tells little of which it was"


def test_the_blur_is_small_and_stays_within_bounds() -> None:
    drawn = [blurred(500, 1000) for _ in range(3000)]
    assert abs(sum(drawn) / len(drawn) - 500) < 1
    assert max(abs(each - 500) for each in drawn) < 30
    assert {blurred(0, 0) for _ in range(50)} == {0}
    assert min(blurred(0, 60) for _ in range(500)) == 0
    assert max(blurred(60, 60) for _ in range(500)) == 60


@pytest.mark.parametrize("distinct", [1, 49])
def test_fewer_than_fifty_distinct_values_are_not_judged(distinct: int) -> None:
    cards = [person(1 + number % distinct)["card"] for number in range(5000)]
    assert list(examined(crowd(range(1, 400)), "t", "c", cards)) == [None]


def test_fewer_than_fifty_persons_are_no_crowd() -> None:
    with pytest.raises(NotPermitted, match="Fewer than 50"):
        crowd(range(1, 50))
    blank = [{"number": str(number), "card": "", "mail": ""} for number in range(1000)]
    with pytest.raises(NotPermitted, match="Fewer than 50"):
        Crowd([([person(1), *blank], ROSTER)])


def test_numbers_are_measured_against_what_chance_gives() -> None:
    """A roster with gaps: its own numbers all hit, any numbers hit as often as the roster is dense."""
    rng = random.Random(3)
    living = sorted(rng.sample(range(1, 4000), 3000))
    everybody = crowd(living)
    own, chance, deviation = everybody.numbers(set(living[:1500]))["number"]
    assert own == 1500
    assert own - chance > 6 * deviation**0.5
    any_numbers = set(rng.sample(range(1, 4000), 1500))
    met, chance, variance = everybody.numbers(any_numbers)["number"]
    assert abs(met - chance) < 5 * variance**0.5
    far = everybody.numbers(set(range(100_000, 101_000)))["number"]
    assert far == (0, 0.0, 0.0)


def test_a_key_of_json_that_is_a_value_is_never_shown() -> None:
    everybody = crowd(range(1, 400))
    documents = [
        f'{{"{person(n)["card"]}": {{"at": {n}}}, "rare{n}": 1, "fine": "{person(n)["mail"]}"}}' for n in range(1, 300)
    ]
    places = {overlap.place for overlap in examined(everybody, "t", "c", documents) if overlap}
    assert places == {"c$.*", "c$.*.at", "c$.fine"}


@pytest.mark.parametrize("kind", ["card", "mail"])
def test_many_texts_about_one_person_tell_no_more_than_one(kind: str) -> None:
    """Three hundred notes that name one patron, or whom nobody knows: the answers are the same."""
    everybody, structure = crowd(range(1, 400)), Structure({"t": TableInfo("t", {"c": ColumnInfo("c", "text", True)})})
    for who in (person(7), person(5000)):
        notes = [f"note {n} about {who[kind]}, Zoë O'Shea." for n in range(300)]
        told = [each for each in examined(everybody, "t", "c", notes) if each]
        assert judge(structure, told) == []


def test_whether_a_key_of_json_is_shown_does_not_rest_on_the_roster() -> None:
    """Else sixty documents with a user name for a key would tell whether it is a patron's."""
    people = [
        {**person(n), "card": f"reader{n}" if n % 2 else "reader" + "abcdefghij"[n // 2 % 10] * n}
        for n in range(1, 400)
    ]
    everybody = Crowd([(people, ROSTER)])
    shown = {}
    for key in (people[6]["card"], "reader9999", people[9]["card"], "nobodyatall"):
        documents = [f'{{"{key}": "{person(n)["mail"]}"}}' for n in range(1, 100)]
        [overlap] = examined(everybody, "t", "c", documents)
        assert overlap is not None
        shown[key] = overlap.path.replace(key, "its name")
    assert list(shown.values()) == ["$.*", "$.*", "$.its name", "$.its name"]
