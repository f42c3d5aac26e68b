"""The crowd answers in blurred counts: nothing can be learnt about one value, and chance is reckoned with."""

from __future__ import annotations

import json
import random

import pytest

from reticent.errors import NotPermitted
from reticent.find.evidence import judge
from reticent.stores.crowd import Crowd, blurred
from reticent.stores.overlap import examined, shown_keys
from reticent.systems.keynames import naming
from reticent.systems.load import UNMAPPED, kinds, shipped
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
            [overlap] = examined(everybody, "t", "c", [*known, last], {})
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
    assert list(examined(crowd(range(1, 400)), "t", "c", cards, {})) == [None]


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


def places(everybody: Crowd, documents: list[str]) -> set[str]:
    keys = shown_keys(documents, naming(shipped(UNMAPPED)))
    return {each.place for each in examined(everybody, "t", "c", documents, keys) if each}


def test_a_key_of_json_that_is_a_value_is_never_shown() -> None:
    documents = [
        f'{{"{person(n)["card"]}": {{"at": {n}}}, "rare{n}": 1, "eMail": "{person(n)["mail"]}"}}' for n in range(1, 300)
    ]
    assert places(crowd(range(1, 400)), documents) == {"c$.*", "c$.*.at", "c$.eMail"}


@pytest.mark.parametrize("kind", ["card", "mail"])
def test_many_texts_about_one_person_tell_no_more_than_one(kind: str) -> None:
    """Three hundred notes that name one patron, or whom nobody knows: the answers are the same."""
    everybody, structure = crowd(range(1, 400)), Structure({"t": TableInfo("t", {"c": ColumnInfo("c", "text", True)})})
    for who in (person(7), person(5000)):
        notes = [f"note {n} about {who[kind]}, Zoë O'Shea." for n in range(300)]
        told = [each for each in examined(everybody, "t", "c", notes, {}) if each]
        assert judge(structure, told) == []


@pytest.mark.parametrize("documents", [50, 500, 999])
@pytest.mark.parametrize("name", ["jansen", "JaneDoe", "maria-lopez", "abt", "reader7", "nobodyatall", "kw", "josé"])
def test_no_name_of_a_person_is_shown_in_however_many_documents_it_is_a_key(name: str, documents: int) -> None:
    """It stands in 50, in 500, in all 999; beside fields, and in an object of its own."""
    made = [
        json.dumps({"holder": {name if n < documents else "other": {"card": person(n)["card"]}}, "title": n})
        for n in range(999)
    ]
    shown = places(crowd(range(1, 400)), made)
    assert {place for place in shown if place.startswith("c$.holder")}
    assert not [place for place in shown if name in place]
    flat = [
        json.dumps({"card": person(n)["card"]} | ({name: f"Title {n}"} if n < documents else {})) for n in range(999)
    ]
    assert {place.removesuffix("1") for place in places(crowd(range(1, 400)), flat)} == {"c$.card", "c$.*"}


def test_whether_a_key_of_json_is_shown_does_not_rest_on_the_roster() -> None:
    """Else sixty documents with a user name for a key would tell whether it is a patron's."""
    for name in ("nobodyatall", "reader9999"):
        documents = [json.dumps({name: person(n)["mail"]}) for n in range(1, 100)]
        knowing = Crowd(
            [([{**person(n), "card": name if n == 7 else person(n)["card"]} for n in range(1, 400)], ROSTER)]
        )
        assert places(knowing, documents) == places(crowd(range(1, 400)), documents)


def test_fields_of_names_nobody_knows_are_judged_each_by_itself_and_people_as_keys_together() -> None:
    odd = [json.dumps({"xqz": person(n)["card"], "zqx": f"Title {n}", "card": "x"}) for n in range(1, 100)]
    keys = shown_keys(odd, naming(shipped(UNMAPPED)))
    assert keys == {"card": "card", "xqz": "*1", "zqx": "*2"}
    told = {
        each.path: each.identifiers["issued"] for each in examined(crowd(range(1, 400)), "t", "c", odd, keys) if each
    }
    assert told["$.*1"] > 60 > told["$.*2"]
    staff = ["".join(chr(97 + int(digit)) for digit in f"{n:04}") for n in range(60)]
    table = [json.dumps({name: f"{name} {n}" for name in staff}) for n in range(60)]
    assert places(crowd(range(1, 400)), table) == {"c$.*"}


def test_every_place_a_shipped_map_knows_inside_documents_is_shown_by_its_name() -> None:
    for kind in kinds():
        loaded = shipped(kind)
        paths = {path for known in loaded.known.values() for path in known if "." in path}
        steps = {step.removesuffix("[]") for path in paths for step in path.split(".")[1:]}
        documents = [json.dumps(dict.fromkeys(steps, n)) for n in range(60)]
        assert shown_keys(documents, naming(loaded)) == {step: step for step in steps}
