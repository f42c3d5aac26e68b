"""A wrong map is refused with file and line, whatever is wrong with it; a right one loads."""
# ruff: noqa: ISC004

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.sql.tiny import COLUMNS, MAP

from reticent.errors import ConfigurationError
from reticent.systems import load
from reticent.systems.predicates import NotInLanguage, Predicate, parse

DUE = 'ended = "ended"\nopen'
BAD: dict[str, tuple[str, str, str]] = {
    "unknown key": (DUE, 'endde = "ended"\nopen', "unknown key 'series.2.endde'"),
    "unknown disposition": ('person = "sentinel" }', 'person = "vanish" }', "not a disposition"),
    "unknown unit": ('at = "generalise hour"', 'at = "generalise week"', "not a disposition"),
    "unknown class": ('class = "facility"', 'class = "visits"', "series.3.class"),
    "function in a predicate": ('"exists(debts, open <> 0)"', '"now() > ended"', "is not a field name"),
    "subquery": ('"exists(debts, open <> 0)"', '"id IN (SELECT 1)"', "IN takes a list"),
    "parameter": ('"exists(debts, open <> 0)"', '"person = :patron"', "the only parameter is :sentinel"),
    "two statements": ('"exists(debts, open <> 0)"', '"id = 1; id = 2"', "is not allowed in a map"),
    "half a predicate": ('"exists(debts, open <> 0)"', '"exists(debts, open <>"', "is not a condition"),
    "endless predicate": ('"exists(debts, open <> 0)"', f'"{"id = 1 AND " * 2000}id = 1"', "is not a condition"),
    "unknown link": ('"exists(debts, open <> 0)"', '"exists(loans, open <> 0)"', 'no link "loans"'),
    "unknown field": ('"exists(debts, open <> 0)"', '"owed <> 0"', 'no field "owed"'),
    "unknown field behind a link": ('"exists(debts, open <> 0)"', '"exists(debts, owed <> 0)"', 'no field "owed"'),
    "unknown person": ('persons = ["person"]\nended', 'persons = ["reader"]\nended', 'no field "reader"'),
    "unknown end": (DUE, 'ended = "returned"\nopen', 'no field "returned"'),
    "path of two links": (DUE, 'ended = "debts.use.ended"\nopen', 'no link "debts.use"'),
    "unknown severed field": ('note = "null if note = item"', 'notes = "null"', 'no field "notes"'),
    "a person who is forgotten": ('persons = ["person"]\nended = "ended"', 'persons = ["person", "item"]\nended = "ended"',
                                  'severed rows of "uses" stay tied by "item"'),
    "words that are forgotten": (DUE, 'words = ["item"]\n' + DUE, 'stay tied by "item"'),
    "a person severed in some rows": ('person = "sentinel" }', 'person = "null if note = item" }', 'stay tied by "person"'),
    "a person overwritten": ('person = "sentinel" }', 'person = "overwrite 0" }', 'stay tied by "person"'),
    "a person who stays, and what is asked stays too": ('note = "null if note = item", person = "sentinel" }',
                                                        'note = "null" }\ntied = "item IS NOT NULL"', 'tied by "person"'),
    "title of what no tie tells": ("[drift]", '[titles.shelf]\ntable = "uses"\nnumber = "id"\ntitle = "note"\n[drift]',
                                   "not among what a tie tells"),
    "title behind no link": ("requires =", 'tells = ["item"]\ntitles.item = { table = "uses", number = "id", title = '
                             '"record.title" }\nrequires =', 'no link "record"'),
    "unknown table": ('table = "visits"', 'table = "visit"', 'there is no table "visit"'),
    "link to nowhere": ('"debts(use = id)"', '"debt(use = id)"', 'there is no table "debt"'),
    "link by an unknown field": ('"debts(use = id)"', '"debts(use = use)"', 'no field "use"'),
    "not a link": ('"debts(use = id)"', '"debts use id"', "is not a link"),
    "same series twice": ('id = "visits"', 'id = "uses"', "stands twice"),
    "nothing that ties": ('title = "Likes"\ntable = "likes"\nclass = "patron_content"\npersons = ["person"]',
                          'title = "Likes"\ntable = "likes"\nclass = "patron_content"', "needs persons or tied"),
    "a count destroyed": ('tally = ["searches"]', "", "destroys searches: tally it"),
    "an unknown measure": ('tally = ["searches"]', 'tally = ["searches", "clicks"]', "not a measure of"),
    "a tally without a key": ('[tables.searches]\nkey = "id"', "[tables.searches]", "the table needs a key"),
    "a key that may be absent": ('key = "id"\nfields = { id = "id", person = "person", at',
                                 'key = "id"\nfields = { id = "id?", person = "person", at', "may not be there"),
    "an unknown key field": ('window = "at"', 'window = "when"', 'no field "when"'),
    "an unknown decision": (DUE, 'held = [{ reason = "r", when = "TRUE", until = "x" }]\n' + DUE, 'no decision "x"'),
    "no sentinel": ('[sentinel]\nsetting = "nobody"\ntable = "people"\nfield = "number"\n'
                    "never = [\"exists(uses, item = 'never')\"]", "", "names no sentinel"),
    "a sentinel nobody names": ('[settings_in]\ntable = "settings"\nname = "name"\nvalue = "value"\n'
                                'version = "version"', "", "no settings_in"),
    "a sentinel in no table": ('table = "people"\nfield', 'table = "persons"\nfield', 'no table "persons"'),
    "settings in no table": ('[settings_in]\ntable = "settings"', '[settings_in]\ntable = "prefs"', 'no table "prefs"'),
    "drift that is no pattern": ('person_columns = "person|patron"', 'person_columns = "person|("', "regular expression"),
    "requires nothing": ('requires = ["people.id"]', "requires = []", "requires no column"),
    "requires half a column": ('requires = ["people.id"]', 'requires = ["people"]', "not table.column"),
    "no list of columns": ('columns = "tiny.csv"', 'columns = "none.csv"', "not a list of columns"),
    "a list of columns that is none": ('columns = "tiny.csv"', 'columns = "bad.csv"', "not a list of columns"),
    "not TOML": ("version = 1", "version = ", "this is not TOML"),
    "no series": (MAP[MAP.index("[[series]]") :], "", "series is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_map_is_refused_with_file_and_line(name: str, tmp_path: Path) -> None:
    right, wrong, said = BAD[name]
    assert right in MAP
    file = tmp_path / "tiny.toml"
    # The sentinel of the other cases would only hide that this one has none.
    text = MAP.replace(right, wrong, 1)
    if name == "no sentinel":
        text = text.replace('note = "null if note = item"', 'note = "null if note = :sentinel"')
    file.write_text(text)
    (tmp_path / "tiny.csv").write_text(COLUMNS)
    (tmp_path / "bad.csv").write_text('a;b;c\n"open')
    with pytest.raises(ConfigurationError) as refused:
        load.load_map(file)
    assert said in refused.value.what
    assert refused.value.do
    where, _, line = refused.value.where.rpartition(":")
    assert where == str(file)
    assert 1 <= int(line) <= len(text.splitlines())
    if wrong and "\n" not in wrong and name not in ("no list of columns", "a list of columns that is none"):
        begun = next(number for number, content in enumerate(text.splitlines(), 1) if wrong[:60] in content)
        assert abs(begun - int(line)) <= 14, "the line of the thing itself, or of what does not fit it"


def test_the_right_map_loads_and_so_does_every_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(MAP)
    (tmp_path / "tiny.csv").write_text(COLUMNS)
    assert load.load_map(tmp_path / "tiny.toml").one("uses").dispositions() == ("null", "sentinel")
    assert "koha" in load.kinds()
    for kind in load.kinds():
        assert load.shipped(kind).series


STAYS = (
    'note = "null" }\ntied = "note IS NOT NULL"',
    'person = "overwrite 0" }\ntied = "person <> 0"',
    'id = "null" }\ntied = "exists(debts, open <> 0)"',
)


@pytest.mark.parametrize("sever", STAYS)
def test_a_person_may_stay_where_what_tied_asks_about_goes(sever: str, tmp_path: Path) -> None:
    text = MAP.replace('note = "null if note = item", person = "sentinel" }', sever)
    assert text != MAP
    (tmp_path / "tiny.toml").write_text(text)
    (tmp_path / "tiny.csv").write_text(COLUMNS)
    assert load.load_map(tmp_path / "tiny.toml").one("uses").tied is not None


WORDS = st.lists(
    st.sampled_from(
        [*"()=<>,;*?@%'\"`\\", "a", "b", "AND", "OR", "NOT", "IN", "IS", "NULL", "<>", "<=", ":sentinel", ":x", "'x'",
         "1", "-1", "1.5", "1e9", "exists(", "exists(l, ", "TRUE", "CASE", "SELECT", "--", "/*", "@v", "a.b", "||",
         "BETWEEN", "LIKE", "ANY", "now()", "$$", "\x00", "\ud800", "INTERVAL", "::int", "[1]", "{", "}"]
    ),
    max_size=14,
).map(" ".join)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=60), WORDS))
def test_parsing_never_crashes_on_any_text(text: str) -> None:
    with contextlib.suppress(NotInLanguage):
        assert isinstance(parse(text), Predicate)


NAMES = st.sampled_from(["a", "b", "item_id"])
LEAVES = st.one_of(
    NAMES.map(lambda name: f"{name} IS NULL"),
    st.tuples(NAMES, st.sampled_from(["=", "<>", "<", ">="]), st.integers(-9, 9)).map(
        lambda t: f"{t[0]} {t[1]} {t[2]}"
    ),
    st.tuples(NAMES, st.lists(st.integers(0, 9), min_size=1, max_size=3)).map(
        lambda t: f"{t[0]} IN ({', '.join(map(str, t[1]))})"
    ),
    st.just("exists(l, a = :sentinel)"),
)
TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda text: f"NOT ({text})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) AND ({pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) OR ({pair[1]})"),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_whatever_the_grammar_makes_is_in_the_language_and_brackets_change_nothing(text: str) -> None:
    assert parse(text) == parse(f"(({text}))")
