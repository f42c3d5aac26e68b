"""A part of a record that no word of the law names does not leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reticent.guard.handover import Gathered, Tie
from reticent.guard.limits import Limit, counted, limited
from reticent.model import RecordClass, SeriesFacts

WHEN = datetime(2026, 3, 1, tzinfo=UTC)


def tie(record_class: str, series: str) -> Tie:
    tells = {"surname": "Roe", "title": "A book", "newly_added": "?"}
    return {
        "system": "ils", "series": series, "record_class": record_class, "patron": "2001", "item": "3001",
        "title": "A book", "used_at": WHEN, "ended": WHEN, "open": True, "tells": tells,
    }  # fmt: skip


FOUND = Gathered(
    [tie("circulation", "issues"), tie("registration", "borrowers"), tie("registration", "lists"),
     tie("surveillance", "cameras")],
    [], [], identity={"ils/borrowers": ("surname", "card")},
)  # fmt: skip
CLASSES = ("circulation", "registration", "surveillance")


def test_without_a_limit_everything_passes_as_it_is() -> None:
    assert limited(FOUND, dict.fromkeys(CLASSES)) == FOUND


@pytest.mark.parametrize(
    ("fields", "series"),
    [
        ({"identity"}, ["borrowers"]),
        ({"surveillance"}, ["cameras"]),
        ({"identity", "surveillance"}, ["borrowers", "cameras"]),
        ({"overdue_count_and_kind"}, []),
        ({"something new"}, []),
        (set(), []),
    ],
)
def test_a_limit_lets_out_what_it_names_and_an_unknown_word_nothing(fields: set[str], series: list[str]) -> None:
    limit = Limit(frozenset(fields), "Stat. 1")
    left = limited(FOUND, dict.fromkeys(CLASSES, limit))
    assert [one["series"] for one in left.ties] == series
    [said] = left.limits
    assert said.startswith("Stat. 1: of circulation, registration, surveillance this opens")


def test_of_identity_only_the_rosters_own_words_leave() -> None:
    [left] = limited(FOUND, {"registration": Limit(frozenset({"identity"}), "Stat. 1")}).ties
    assert left["tells"] == {"surname": "Roe"}
    assert (left["item"], left["title"], left["used_at"], left["ended"]) == (None, "", None, None)


def test_what_a_tie_learns_to_tell_later_does_not_leave_with_an_identity() -> None:
    told = replace(FOUND, ties=[{**one, "shelf": "A book's shelf"} for one in FOUND.ties])
    [left] = limited(told, {"registration": Limit(frozenset({"identity"}), "Stat. 1")}).ties
    assert "shelf" not in left


def test_a_class_nobody_asked_the_law_about_does_not_leave() -> None:
    assert limited(FOUND, {}).ties == []


@pytest.mark.parametrize("fields", [None, {"identity"}, {"surveillance"}, {"something new"}, set()])
def test_what_is_counted_is_what_would_leave(fields: set[str] | None) -> None:
    limits = dict.fromkeys(CLASSES, None if fields is None else Limit(frozenset(fields), "Stat. 1"))
    series = {
        f"ils/{one['series']}": SeriesFacts(str(one["series"]), "", RecordClass(str(one["record_class"])), "", "", "")
        for one in FOUND.ties
    }
    found = replace(FOUND, series=series)
    counts, said = counted(dict.fromkeys(series, 1) | {"ils/nobody_knows": 1}, found, limits)
    left = limited(found, limits)
    assert sorted(counts) == sorted(f"ils/{one['series']}" for one in left.ties)
    assert said.limits == left.limits
