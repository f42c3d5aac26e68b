"""The page says what the results say, whatever they hold, and nothing foreign can get into it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report.made import MADE, check, finding, inventory, plain, results, series

from reticent.model import Disposition, RecordClass
from reticent.policy import retention
from reticent.policy.adoption import shipped
from reticent.policy.director import director_page
from reticent.report.figures import kept
from reticent.report.page import TEMPLATES, render
from reticent.report.results import Purpose, Results, Statistics
from reticent.report.tables import against
from reticent.report.verdict import Verdict, verdict
from reticent.report.waiting import held_back
from reticent.report.words import CLASSES, DISPOSITIONS, MEND, NO_ITEM, NOT_SET, shown
from reticent.site import Site
from reticent.stores.sql import conditions

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE borrowers; --",
    "</style></title></pre><h1>",
    "{{ 7 * 7 }}{% raw %}",
    "https://evil.example/",
    "\u202egnirts\u2066",
    "\x1b[2J\x00\r",
    "\ud800",
    "]]>&amp;&#0;",
)


class Seen(HTMLParser):
    """Everything a browser would see: tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(attributes)) for tag, attributes in self.tags]


def words(page: str) -> str:
    return re.sub(r"\s+", " ", Seen(page).text)


PLAIN_SHAPE = Seen(render(results())).shape()


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_hostile_text_is_text(hostile: str) -> None:
    page = render(results(lambda text: f"{text} {hostile}"))
    seen = Seen(page)
    assert seen.shape() == PLAIN_SHAPE
    assert shown(hostile) in seen.text
    page.encode("utf-8")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_no_text_changes_what_the_page_is_made_of(text: str) -> None:
    page = render(results(lambda name: f"{name} {text}"))
    assert Seen(page).shape() == PLAIN_SHAPE
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]", page)


@given(st.text(max_size=60))
def test_what_is_shown_holds_no_control_or_direction_character(text: str) -> None:
    assert shown(shown(text)) == shown(text)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown(text))


def test_names_in_other_scripts_stay_as_they_are() -> None:
    for name in ("کتابخانه‌های شهر", "मुख्य पुस्तकालय", "ספריית העיר", "图书馆", "Bibliothèque d’Évreux"):
        assert f"<bdi>{name}</bdi>" in render(results(library=name))


def test_nothing_on_the_page_comes_from_elsewhere() -> None:
    page = render(results(lambda text: f"{text} https://evil.example/x url(//evil.example)"))
    for tag, attributes in Seen(page).tags:
        assert tag not in {"script", "img", "link", "iframe", "object", "embed", "base", "form", "image", "use"}
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            assert name not in {"src", "srcset", "style", "action", "background", "xlink:href"}, name
            assert name != "href" or re.fullmatch(r"#[a-z]+", value or ""), value
    style = (TEMPLATES / "page.css").read_text()
    assert not re.search(r"url\(|@import|@font-face|https?:|//|expression", style)
    assert len(style.encode()) <= 25_000


def test_the_content_policy_allows_our_style_alone() -> None:
    page = render(results())
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policies = [a["content"] for tag, a in Seen(page).tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]


ANSWERS = {
    "kept": (results(check=check(plain, [])), "Kept in 1 question asked by other code"),
    "waiting": (results(check=check(plain, [finding(plain, "undecided", 42)])), "42 ties wait"),
    "broken": (results(), "Not kept: 1 finding stands against it"),
    "unknown": (Results("Lakeside", MADE), "Not known: nothing was counted"),
}


@pytest.mark.parametrize("state", ANSWERS)
def test_the_answer(state: str) -> None:
    given_results, said = ANSWERS[state]
    assert verdict(given_results).state == state
    assert said in words(render(given_results))


def test_kept_is_said_in_one_sentence_with_what_was_not_looked_at() -> None:
    page = words(render(ANSWERS["kept"][0]))
    (sentence,) = [each for each in re.split(r"(?<=[.?]) ", page) if each.startswith("Kept in")]
    assert "not looked at: ils (replicas; backups)" in sentence


def test_systems_that_miss_the_same_places_are_named_together() -> None:
    away = [{"system": name, "place": "digital_lending", "why": "cannot be reached"} for name in ("a", "b", "c")]
    away.append({"system": "ils", "place": "backups", "why": "elsewhere"})
    unseen = Verdict("kept", "", [], 0, away).unseen
    assert unseen == "a, b and c (digital_lending), ils (backups)"


def test_without_a_check_nothing_is_called_kept() -> None:
    clean = inventory(plain, [series(plain, "old_issues", "circulation", 5, open=5)])
    clean |= {"unmapped": [], "weak_pseudonyms": [], "refused": []}
    answer = verdict(results(check=None, after=clean))
    assert answer.state == "unknown"
    assert answer.said.startswith("Not checked yet: nothing is due in 1 series")
    due = verdict(results(check=None, after=None, run=None))
    assert due.state == "broken"
    assert due.said == "Not kept: 1,400 ties are due and not severed"


def test_without_a_check_what_no_map_knows_still_stands_against_it() -> None:
    answer = verdict(results(check=None))
    kinds = {row[0] for row in against(answer).rows}
    assert (answer.state, kinds) == ("broken", {"Unmapped place", "Weak pseudonym", "Refused series"})


def test_copies_and_weak_pseudonyms_stand_on_the_page_the_overdue_first_and_no_copy_twice() -> None:
    page = " ".join(words(render(results())).split())
    assert "visits(token)4,900 of 5,000 values of a sampleMD5null it" in page
    assert "pseudonymsall 40 rowsone key" in page
    assert page.index("30 days: overdue") < page.index("write-ahead log")
    copied = {"system": "ils", "place": "nightly: old.sql", "why": "severed is not purged"}
    listed = replace(results(), check={**check(plain, []), "not_looked_at": [copied]})
    assert words(render(listed)).count("severed is not purged") == 0
    none = inventory(plain, []) | {"copies": [], "weak_pseudonyms": []}
    assert "No copy is known" in words(render(results(after=none)))
    assert 'href="#weak"' not in render(results(after=none))


def test_every_part_may_be_missing() -> None:
    whole = results()
    for part in ("before", "plan", "run", "after", "check", "statistics", "evidence"):
        missing: dict[str, Any] = {part: None}
        assert "Is the promise kept?" in render(replace(whole, **missing))


def test_figures_of_the_page() -> None:
    page = words(render(results()))
    for said in (
        "due before 1,400",
        "severed 1,390",
        "due now 0",
        "held back 42",
        "10 planned ties were already gone",
        "entry 7",
    ):
        assert said in page


def test_a_run_that_stopped_says_so_and_guesses_nothing() -> None:
    whole = results()
    assert whole.run
    page = words(render(replace(whole, run={**whole.run, "stopped": "the stop file is there", "gone": 0})))
    assert "The run stopped early: the stop file is there" in page
    assert "already gone" not in page


def test_a_run_that_severed_nothing_says_so_without_an_empty_table() -> None:
    whole = results()
    assert whole.run
    steps = [{**step, "severed": 0} for step in whole.run["steps"]]
    page = words(render(replace(whole, run={**whole.run, "steps": steps})))
    assert "The last run severed nothing" in page
    assert "Severed, by kind of record" not in page


def test_what_is_held_back_tells_what_to_write() -> None:
    held = {each.reason: each for each in held_back(results())}
    assert '[retention]\npayment = "..."' in held["the site has not set retention.payment"].write
    assert held["a reason"].write == '[systems.ils.decisions]\nhistory = "sever"   # so'
    assert held["a reason"].todo == "what?"


def test_what_is_only_reported_is_not_promised_to_be_severed() -> None:
    whole = results(purposes={"ils/issues": Purpose("keep the account", "it expires", severed=False)})
    assert "it expires (only reported)" in words(render(whole))
    assert "(only reported)" not in words(render(results()))


def test_a_reason_only_the_plan_knows_is_shown_and_none_is_counted_twice() -> None:
    whole = results()
    assert whole.plan
    steps = [dict(step) for step in whole.plan["steps"]]
    steps[0]["held_back"] = {"a reason": 30, f"{NO_ITEM} is recorded": 1100}
    held = {each.reason: each for each in held_back(replace(whole, plan={**whole.plan, "steps": steps}))}
    assert held["a reason"].ties == 30
    assert held[f"{NO_ITEM} is recorded"].ties == 1100
    assert held[f"{NO_ITEM} is recorded"].write == '[schedule]\n"ils.old_issues" = "..."'


def test_small_counts_never_reach_page_or_chart() -> None:
    totals = {"loans|2023-01|": {"": 61730}, "loans|2024-01|": {"": 4}, "loans|2025-01|": {"": 900}}
    found = kept(Statistics({"loans": "Loans"}, totals), 2026)
    assert found
    assert found.rows == {"Loans": {"2023": None, "2024": None, "2025": 900}}
    assert [column.height for column in found.chart] == [None, None, 100]
    page = words(render(results(statistics=Statistics({"loans": "Loans"}, totals))))
    assert "hidden" in page
    assert "61,730" not in page


def test_only_closed_years_are_shown() -> None:
    totals = {
        "loans|2025-12|": {"": 100},
        "loans|2026-01|": {"": 555},
        "loans||": {"": 777},
        "loans|2025-12|branch": {"A": 1},
    }
    found = kept(Statistics({"loans": "Loans"}, totals), 2026)
    assert found
    assert found.rows == {"Loans": {"2025": 100}}
    assert kept(Statistics({"loans": "Loans"}, {"loans|2026-01|": {"": 5}}), 2026) is None


@pytest.mark.parametrize(
    ("checked", "findings", "said"),
    [
        (["conservation: Loans"], [], "none is missing"),
        (["conservation: Loans"], [finding(plain, "conservation", 3)], "and some differ"),
        (["ils: old_issues"], [], "hidden, and one beside it. Loans by year"),
    ],
)
def test_statistics_are_called_whole_only_when_they_were_counted_again(
    checked: list[str], findings: list[dict[str, Any]], said: str
) -> None:
    page = words(render(results(check={**check(plain, findings), "checked": checked})))
    assert [each for each in ("none is missing", "and some differ") if each in page] == [said][: "hidden" not in said]
    assert said in page


def test_every_word_of_the_model_has_plain_words() -> None:
    assert set(CLASSES) == set(RecordClass)
    assert set(DISPOSITIONS) == set(Disposition)


def test_advice_is_kept_under_the_reasons_the_stores_give() -> None:
    assert set(MEND) == {conditions.UNDECIDED, conditions.NO_BRANCH, conditions.NO_DATE, conditions.FUTURE}


def test_the_prefixes_are_those_the_policy_and_the_plan_use() -> None:
    assert retention.NO_ITEM.startswith(NO_ITEM)
    site = Site.model_validate({"library": {"name": "L"}, "systems": {"ils": {"kind": "koha"}}})
    assert retention.retention(site, "ils", "x", "payment").source == f"{NOT_SET}payment"


def test_the_promises_are_on_the_page_with_every_situation_to_try() -> None:
    policy = director_page(shipped(), MADE)
    page = render(replace(results(), policy=policy))
    shown = words(page)
    assert all(re.sub(r"\s+", " ", line.says) in shown for line in policy.lines)
    assert f"{len(policy.answers)} situations" in shown
    assert not re.search(r">Clause</th><th[^>]*>Why", page), "every promise is kept: no empty column"
    assert "Refused: One person cannot give both approvals." in shown
    assert "<script" not in page
    assert "The policy in force cannot be loaded" in words(render(replace(results(), policy=None)))
