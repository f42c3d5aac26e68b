"""Evidence weighed: numbers need more than overlap, registers pass their persons on, words alone decide nothing."""

from __future__ import annotations

import pytest

from reticent.find import words
from reticent.find.evidence import Strength, judge, places
from reticent.model import Overlap, Place, RecordClass
from reticent.systems.structure import ColumnInfo, ForeignKey, Structure, TableInfo


def table(name: str, *columns: str, key: str = "id", refers: dict[str, str] | None = None) -> TableInfo:
    """Columns are whole numbers unless written ``name text``."""
    infos = {
        c.split()[0]: ColumnInfo(c.split()[0], [*c.split(), "integer"][1], nullable=True) for c in (key, *columns) if c
    }
    keys = tuple(ForeignKey(column, target, "id", "CASCADE") for column, target in (refers or {}).items())
    return TableInfo(name, infos, (key,) if key else (), keys)


def structure(*tables: TableInfo) -> Structure:
    return Structure({each.name: each for each in tables})


def numbers(where: str, column: str, met: int, expected: float, of: int = 1000, deviation: float = 5.0) -> Overlap:
    return Overlap(where, column, of, numbers={"number": (met, expected, deviation)})


def told(found: Structure, *overlaps: Overlap, persons: tuple[str, ...] = ()) -> dict[str, str]:
    return {f"{each.table}.{each.place}": each.strength.value for each in judge(found, overlaps, persons)}


ROOMS = structure(table("rooms", "ref", "booked_by", "item_id", "seat"), table("items", "title text"))


@pytest.mark.parametrize(
    ("overlap", "strength"),
    [
        (numbers("rooms", "ref", 990, 600), "strong"),  # far beyond chance
        (numbers("rooms", "ref", 990, 985), "undecided"),  # as chance would have it
        (numbers("rooms", "booked_by", 990, 985), "strong"),  # its name says so too
        (numbers("rooms", "booked_by", 400, 380), None),  # most of them are nobody's
        (numbers("rooms", "item_id", 990, 985), None),  # named after another table's key
        (numbers("rooms", "id", 990, 985), None),  # its own running number
        (numbers("rooms", "ref", 29, 1, of=60), None),  # fewer than chance and blur may make
        (Overlap("rooms", "ref", 1000, identifiers={"issued": 400}), "strong"),
        (Overlap("rooms", "ref", 1000, identifiers={"issued": 29}), None),
        (Overlap("rooms", "ref", 5000, identifiers={"personal": 60}), None),  # one in a hundred
        (Overlap("rooms", "ref", 1000, full=600), "strong"),
        (Overlap("rooms", "ref", 1000, full=300, family=900), None),  # as among authors
        (Overlap("rooms", "ref", 1000, texts=500, with_identifier=40), "strong"),
        (Overlap("rooms", "ref", 1000, texts=500, with_name=400), "likely"),
        (Overlap("items", "title", 1000, texts=500, with_name=400), None),  # authors again
    ],
)
def test_one_place(overlap: Overlap, strength: str | None) -> None:
    assert told(ROOMS, overlap).get(f"{overlap.table}.{overlap.column}") == strength


def test_a_key_elsewhere_is_no_patron_whatever_its_values() -> None:
    found = structure(table("rooms", "user_ref", refers={"user_ref": "desks"}), table("desks"))
    assert told(found, numbers("rooms", "user_ref", 1000, 500)) == {}


def test_a_table_that_names_patrons_makes_persons_of_the_keys_to_it_and_to_those() -> None:
    found = structure(
        table("members", "login text", "mail text"),
        table("profile", "colour text", key="member", refers={"member": "members"}),
        table("visits", "whom", refers={"whom": "members"}),
        table("notes", "member_id", "text text"),
        table("queue", "card text", "mail text", key="item"),
        table("shelf", "item"),
    )
    values = [
        Overlap("members", "login", 900, once=True, identifiers={"issued": 880}),
        Overlap("members", "mail", 900, once=True, identifiers={"personal": 870}),
        Overlap("queue", "card", 900, once=True, identifiers={"issued": 880}),
        Overlap("queue", "mail", 900, once=True, identifiers={"personal": 870}),
    ]
    got = told(found, *values)
    assert got["members.id"] == got["members.login"] == "strong"
    assert got["visits.whom"] == got["profile.member"] == "certain"
    assert got["notes.member_id"] == "likely"
    chained = structure(*found.tables.values(), TableInfo(
        "badges", {"holder": ColumnInfo("holder", "integer", nullable=True)}, (), (ForeignKey("holder", "profile", "member", "CASCADE"),)
    ))  # fmt: skip
    assert told(chained, *values)["badges.holder"] == "certain"


def test_a_table_in_which_persons_come_again_is_no_register() -> None:
    found = structure(
        table("requests", "card text", "mail text"), table("notes", "request", refers={"request": "requests"})
    )
    for once in (True, False):
        told_of = [
            Overlap("requests", "card", 900, once=once, identifiers={"issued": 880}),
            Overlap("requests", "mail", 900, once=once, identifiers={"personal": 870}),
        ]
        assert ("notes.request" in told(found, *told_of)) is once


def test_the_key_of_a_queue_of_items_is_not_taken_for_a_person() -> None:
    found = structure(
        table("queue", "card text", "mail text", key="itemnumber"),
        table("items", key="itemnumber"),
        table("loans", "itemnumber"),
    )
    values = [
        Overlap("queue", "card", 900, once=True, identifiers={"issued": 880}),
        Overlap("queue", "mail", 900, once=True, identifiers={"personal": 870}),
    ]
    assert "loans.itemnumber" not in told(found, *values)


def test_places_say_bands_and_neighbours_and_join_what_names_told() -> None:
    evidence = judge(
        ROOMS, [Overlap("rooms", "ref", 1234, identifiers={"issued": 1111}), numbers("rooms", "seat", 990, 985)]
    )
    [place, other] = places(
        ROOMS, evidence, [Place("rooms", ("booked_by",), mapped=False, why="x"), Place("zoo", ("user",), mapped=False)]
    )
    assert other.name == "zoo"
    assert place.columns == ("ref", "booked_by")
    assert "50 to 90 %" not in place.why
    assert "over 90 % of 1,000 or more" in place.why
    assert "beside item_id" in place.why
    assert not set("0123456789") & set(place.why.replace("90 %", "").replace("1,000 or more", ""))
    assert place.record_class is RecordClass.FACILITY
    assert place.strength == Strength.STRONG


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("borrowernumber", True), ("patron_id", True), ("performedByUserId", True), ("cat_username", True), ("usr", True),
        ("created_by", True), ("suggestedby", True), ("user_agent", False), ("itemnumber", False), ("login_attempts", False),
        ("merged_to", False), ("assigned_to", True), ("bypass", False), ("usage", False),
        ("usr_birth_year", False), ("patron_category", False),
    ],
)  # fmt: skip
def test_names_that_sound_like_a_person(name: str, is_one: bool) -> None:
    assert words.person(name) is is_one


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("old_issues", "circulation"), ("reserves", "hold_request"), ("illrequests", "interlibrary_loan"), ("search_history", "reading_history"),
        ("ProtocolAudit", "interlibrary_loan"), ("room_bookings", "facility"), ("chat_messages", "reference"), ("zzz", "unclassified"),
    ],
)  # fmt: skip
def test_likely_record_classes(name: str, kind: str) -> None:
    assert words.record_class(name) == kind
