"""Statistics programmes by year: what each asks, what is refused, how a line is added up."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.errors import ConfigurationError, UsageError
from reticent.tallies.programmes import SHIPPED, Figure, Measure, figures, programme, programmes

GROUPS = {
    "childrens": {"JBK", "JDVD"},
    "physical": {"BK", "JBK", "JDVD", "HOTSPOT"},
    "other_physical": {"HOTSPOT"},
    "electronic": {"EBK"},
}
LOANS = {"BK": 100, "JBK": 30, "JDVD": 5, "HOTSPOT": 2, "EBK": 7}
COUNTS = {
    "loans": LOANS,
    "renewals": {"BK": 10, "JBK": 3},
    "renewals_automatic": {"BK": 40},
    "ill_lent": {"": 9},
    "registered_users": {"": 1234},
}


def answered(form: str, year: int, counts: dict[str, dict[str, int]] | None = None) -> dict[str, Figure]:
    return {each.field.id: each for each in figures(programme(form, year), counts or COUNTS, GROUPS)}


def test_the_break_between_2023_and_2024() -> None:
    ids = {year: {each.id for each in programme("pls", year).field} for year in (2022, 2023, 2024)}
    assert ids[2022] == ids[2023]
    assert ids[2023] - ids[2024] == {"KIDCIRCL", "ELINFO", "ELCONT", "TOTCOLL", "WEBVISIT"}
    new = {"AUTORENEW", "EBOOK_CIR", "ESERIAL_CIR", "EAUDIO_CIR", "EVIDEO_CIR", "KIDPHYSCIR"}
    assert ids[2024] - ids[2023] == new


@pytest.mark.parametrize(("form", "year"), [("pls", 2021), ("pls", 2025), ("PLS", 2024), ("arl", 2023), ("", 0)])
def test_a_form_nobody_read_is_refused_with_what_is_known(form: str, year: int) -> None:
    with pytest.raises(UsageError) as caught:
        programme(form, year)
    assert "pls 2024" in caught.value.do
    assert "iso2789 2013" in caught.value.do


@pytest.mark.parametrize(
    ("form", "year", "name", "value"),
    [
        ("pls", 2024, "PHYSCIR", 137 + 13 + 40),
        ("pls", 2024, "KIDPHYSCIR", 35 + 3),
        ("pls", 2024, "OTHPHCIR", 2),
        ("pls", 2024, "LOANTO", 9),
        ("pls", 2024, "REGBOR", 1234),
        ("pls", 2023, "KIDCIRCL", 38),
        ("iso2789", 2013, "renewals", 13),
    ],
)
def test_a_line_is_the_sum_of_its_measures(form: str, year: int, name: str, value: int) -> None:
    figure = answered(form, year)[name]
    assert figure.value == value
    assert sum(part for _, part in figure.parts) == value


def test_automatic_renewals_are_told_apart() -> None:
    parts = dict(answered("pls", 2024)["PHYSCIR"].parts)
    assert parts["renewals_automatic of physical"] == 40


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("VISITS", "gate counter"),
        ("TOTCIR", "needs ELMATCIR"),
        ("PITUSR", "nothing here counts computer_sessions of that year"),
    ],
)
def test_what_is_not_known_says_where_it_comes_from(name: str, why: str) -> None:
    figure = answered("pls", 2024)[name]
    assert figure.value is None
    assert why in figure.why


def test_a_sum_of_sums_is_not_known_while_a_part_is_missing() -> None:
    figure = answered("pls", 2023)["TOTCOLL"]
    assert figure.value is None
    assert figure.parts == (("PHYSCIR", 190),)
    assert "ELINFO" in figure.why


def test_an_undeclared_group_is_asked_for() -> None:
    (figure,) = [each for each in figures(programme("acrl", 2023), COUNTS, GROUPS) if each.field.id == "60A"]
    assert figure.value is None
    assert figure.why == "declare which item types are equipment"


def test_an_item_type_in_no_group_is_never_silently_left_out() -> None:
    figure = answered("pls", 2024, {**COUNTS, "loans": {**LOANS, "NEW": 50}})["PHYSCIR"]
    assert figure.value is None
    assert "NEW" in figure.why


def test_equipment_is_left_out_of_the_academic_line() -> None:
    groups = {**GROUPS, "equipment": {"HOTSPOT"}}
    (figure,) = [each for each in figures(programme("acrl", 2023), COUNTS, groups) if each.field.id == "60A"]
    assert figure.value == 135


@given(st.dictionaries(st.sampled_from(sorted(set().union(*GROUPS.values()))), st.integers(0, 10**6)))
def test_adding_a_loan_never_lowers_a_line(loans: dict[str, int]) -> None:
    before = answered("pls", 2024, {**COUNTS, "loans": loans})
    after = answered("pls", 2024, {**COUNTS, "loans": {**loans, "JBK": loans.get("JBK", 0) + 1}})
    for name in ("PHYSCIR", "KIDPHYSCIR"):
        assert after[name].value == (before[name].value or 0) + 1
    assert after["OTHPHCIR"] == before["OTHPHCIR"]


def test_definitions_from_memory_are_marked_unverified() -> None:
    marks = {each.id: each.unverified for each in programme("iso2789", 2013).field}
    assert marks["loans"]
    assert not marks["active-borrowers"]
    assert not any(each.unverified for year in (2022, 2023, 2024) for each in programme("pls", year).field)


def test_no_programme_covers_a_year_twice() -> None:
    covered = [(each.form, year) for each in programmes() for year in each.years]
    assert len(covered) == len(set(covered)) == 14
    assert {term.measure for each in programmes() for field in each.field for term in field.terms} == set(Measure)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('measure = "ill_lent"', 'measure = "ill_sent"', "measure"),
        ('groups = ["physical"]', 'groups = ["adults"]', "groups"),
        ('fields = ["ELMATCIR", "PHYSCIR"]', 'fields = ["ELMATCIR", "PHYS"]', "not there: PHYS"),
        ('fields = ["ELMATCIR", "PHYSCIR"]', 'fields = ["TOTCIR"]', "adds up itself"),
        ('id = "VISITRPT"', 'id = "VISITS"', "stands twice"),
        ('not_known = "the gate counter"', 'note = "the gate counter"', "exactly one of"),
        ("years = [2024]", "years = []", "years"),
        ("definition_year = 2024", 'definition_year = "2024"', "definition_year"),
        ('title = "Library visits"', 'titel = "Library visits"', "did you mean 'title'?"),
    ],
)
def test_a_bad_programme_is_refused_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = (SHIPPED / "pls-2024.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "pls-2024.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"pls-2024\.toml, line \d+:") as caught:
        programme("pls", 2024, tmp_path)
    assert says in caught.value.what
