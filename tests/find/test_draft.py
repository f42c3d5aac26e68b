"""A draft loads with the map loader, severs nothing, and marks what is for a person; hostile names stay in comments."""

from __future__ import annotations

from pathlib import Path

import pytest

from reticent.errors import ConfigurationError
from reticent.find.draft import FINISH, draft
from reticent.find.evidence import Evidence, Strength
from reticent.model import RecordClass
from reticent.systems.load import load_map
from reticent.systems.mapfile import Map
from reticent.systems.structure import ColumnInfo, Structure, TableInfo

HOSTILE = 'x" ]\n[sever]\nsever = "delete" # \u202e'


def table(name: str, key: str = "id", **columns: str) -> TableInfo:
    infos = {column: ColumnInfo(column, kind, True) for column, kind in ({key: "integer"} | columns).items()}
    return TableInfo(name, infos, (key,))


def evidence(
    where: str, column: str, path: str = "", strength: Strength = Strength.STRONG, why: str = "seen"
) -> Evidence:
    return Evidence(where, column, path, "card numbers or user names", strength, why)


def loaded(folder: Path, structure: Structure, *told: Evidence, documents: bool = False) -> tuple[Map, str]:
    made = draft("rooms", structure, told, documents=documents)
    (folder / "rooms.toml").write_text(made.toml, encoding="utf-8")
    (folder / "rooms.columns.csv").write_text(made.columns, encoding="utf-8")
    return load_map(folder / "rooms.toml"), made.toml


def test_a_draft_loads_and_severs_nothing(tmp_path: Path) -> None:
    bookings = table(
        "bookings", holder="varchar", room="integer", starts="timestamp", ends="timestamp", colour="varchar"
    )
    structure = Structure({"bookings": bookings, "zoo": table("zoo")})
    found, text = loaded(tmp_path, structure, evidence("bookings", "holder"))
    [series] = found.series
    assert series.sever == "nothing"
    assert series.persons == ("holder",)
    assert series.ended == "ends"
    assert series.record_class is RecordClass.FACILITY
    assert found.tables["bookings"].key == "id"
    assert found.tables["bookings"].fields.keys() == {"id", "holder", "room", "starts", "ends"}
    assert found.known["bookings"].keys() == bookings.columns.keys()
    for key in ("title", "requires", "class", "ended", "sever", "purpose", "purpose_end", "own"):
        assert [line for line in text.splitlines() if line.startswith(f"{key} = ") and FINISH in line], key


def test_every_place_is_in_the_draft_or_said_not_to_be(tmp_path: Path) -> None:
    structure = Structure({
        "a.members": table("a.members", card="varchar"),
        "a.visits": table("a.visits", member_id="integer", doc="jsonb"),
        f"b.{HOSTILE}": table(f"b.{HOSTILE}", card="varchar"),
        "a.odd": table("a.odd", **{HOSTILE: "varchar", "plain": "varchar"}),
    })  # fmt: skip
    told = [
        evidence("a.members", "card"),
        evidence("a.members", "id", why="its table names patrons, one a row"),
        evidence("a.visits", "member_id", strength=Strength.CERTAIN),
        evidence("a.visits", "doc", "$.who.card"),
        evidence("a.visits", "doc", "$.list[].card"),
        evidence("a.visits", "doc", "$.*"),
        evidence(f"b.{HOSTILE}", "card"),
        evidence("a.odd", HOSTILE),
        evidence("a.odd", "plain", strength=Strength.LIKELY),
    ]
    found, text = loaded(tmp_path, structure, *told, documents=True)
    persons = {s.table: {found.tables[s.table].fields[name].column for name in s.persons} for s in found.series}
    assert persons == {
        "a.members": {"card", "id"},
        "a.visits": {"member_id", "doc.who.card", "doc.list[].card", "doc"},
        "a.odd": {"plain"},
    }
    assert found.one("members").record_class is RecordClass.REGISTRATION
    assert found.drift.person_tables == ("a.members",)
    assert not [series for series in found.series if series.sever != "nothing"]
    comments = [line for line in text.splitlines() if line.startswith("# Not in it: ")]
    assert len(comments) == 3
    assert text.isascii(), "no character that turns a line around"


@pytest.mark.parametrize("told", [[], [evidence("t", HOSTILE)]])
def test_a_draft_of_nothing_loads_too(tmp_path: Path, told: list[Evidence]) -> None:
    found, _ = loaded(tmp_path, Structure({"t": table("t", **{HOSTILE: "text"})}), *told)
    assert found.series == ()


def test_names_beyond_ascii_and_names_that_stand_twice_load(tmp_path: Path) -> None:
    names = ("a.visits", "b.visits", "a.図書", "a.Visits", "a.NULL", "a.order")
    structure = Structure({name: table(name, ünïcode="varchar", select="varchar") for name in names})
    told = [evidence(name, column) for name in names for column in ("ünïcode", "select")]
    found, text = loaded(tmp_path, structure, *told)
    assert {series.table for series in found.series} == set(names)
    assert {spec.column for spec in found.tables["a.order"].fields.values()} == {"ünïcode", "select", "id"}
    assert text.isascii()


def test_where_tables_have_no_schema_a_dot_is_no_schema(tmp_path: Path) -> None:
    structure = Structure({name: table(name, card="varchar") for name in ("a.b", "plain")})
    found, text = loaded(tmp_path, structure, evidence("a.b", "card"), evidence("plain", "card"))
    assert [series.table for series in found.series] == ["plain"]
    assert "# Not in it: a.b: a map cannot write its name." in text


def test_what_it_proposes_takes_out_every_person_as_the_columns_allow(tmp_path: Path) -> None:
    columns = {"id": "integer", "card": "varchar", "who": "integer", "mail": "varchar", "doc": "jsonb"}
    infos = {name: ColumnInfo(name, kind, name in ("mail", "doc")) for name, kind in columns.items()}
    told = [evidence("s.t", "card"), evidence("s.t", "who"), evidence("s.t", "mail"), evidence("s.t", "doc", "$.by")]
    structure = Structure({"s.t": TableInfo("s.t", infos, ("id",))})
    _, text = loaded(tmp_path, structure, *told, documents=True)
    proposed = '{ card = "overwrite \'\'", who = "overwrite 0", mail = "null", doc_by = "remove path" }'
    assert f'sever = "nothing" # {FINISH}: "delete", or {proposed}\n' in text
    (tmp_path / "rooms.toml").write_text(finished := text.replace('"nothing"', proposed))
    with pytest.raises(ConfigurationError, match='stay tied by "card"'):
        load_map(tmp_path / "rooms.toml")
    assert "# tied = \"card <> '' OR who <> 0 OR mail IS NOT NULL OR doc_by IS NOT NULL\" # FINISH" in text
    (tmp_path / "rooms.toml").write_text(finished.replace("# tied = ", "tied = "))
    [series] = load_map(tmp_path / "rooms.toml").series
    assert set(series.sever) == set(series.persons)
