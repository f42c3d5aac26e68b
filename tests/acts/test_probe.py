"""`find` and `check` compare places no map knows with the roster, where a system of the site gives one."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import pytest
import sqlalchemy as sa
from tests.acts import kit
from tests.acts.test_residue import entries, site

from reticent.stores import pseudonyms
from reticent.stores.sql import prober
from reticent.systems.load import load_map


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudonyms, "SALTS", 1000)
    monkeypatch.setattr(prober, "ATTACK_SECONDS", 1.0)


def cards(lab: kit.Lab) -> list[str]:
    return [row["cardnumber"] for row in lab.table("borrowers") if row["cardnumber"] and row["borrowernumber"] > 1]


def plant(lab: kit.Lab) -> None:
    known = cards(lab)
    with lab.engine.begin() as connection:
        run = connection.exec_driver_sql
        run("CREATE TABLE locker (id integer PRIMARY KEY, ref text, title text, pseudonym text)")
        for number in range(300):
            card = known[number % len(known)]
            digest = hashlib.sha1(card.encode()).hexdigest()
            run("INSERT INTO locker VALUES (?, ?, ?, ?)", (number, card, f"Title {number}", digest))
    lab.close()


def place(document: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in document["unmapped"] if each["place"] == name]
    return dict(found)


def test_find_and_check_report_a_planted_table_and_its_weak_pseudonym(sqlite_lab: kit.Lab) -> None:
    site(sqlite_lab)
    plant(sqlite_lab)
    done = sqlite_lab.run("--json", "find")
    assert done.code == 1
    found = place(done.json, "locker")
    assert found["columns"] == ["ref"], "no name tells it; its values do"
    assert found["strength"] == "strong"
    assert "over 90 %" in found["why"]
    assert "beside title" in found["why"]
    [weak] = [each for each in done.json["weak_pseudonyms"] if each["place"] == "locker(pseudonym)"]
    assert weak["of"] == len(set(cards(sqlite_lab)))
    assert abs(weak["reversed"] - weak["of"]) < 20
    assert "SHA-1" in weak["why"]
    assert "null" in weak["advice"]
    checked = sqlite_lab.run("--json", "check").json
    kinds = {(each["kind"], each["place"]) for each in checked["findings"]}
    assert {("unmapped place", "locker"), ("weak pseudonym", "locker.pseudonym")} <= kinds
    assert any("columns compared with the roster" in line for line in checked["checked"])
    said = json.dumps(done.json) + json.dumps(checked) + sqlite_lab.run("find").out
    for card in cards(sqlite_lab):
        assert card not in said
    permits = [entry for entry in entries(sqlite_lab) if entry["kind"] == "gate_permit"]
    assert len(permits) >= 4, "every probe is an entry"
    for path in (sqlite_lab.folder / "state").rglob("*"):
        assert not path.is_file() or cards(sqlite_lab)[0].encode() not in path.read_bytes(), path


def test_without_a_roster_account_nothing_is_compared(sqlite_lab: kit.Lab) -> None:
    site(sqlite_lab, "find", "sever", "prove")
    plant(sqlite_lab)
    found = sqlite_lab.run("--json", "find").json
    assert "locker" not in {each["place"] for each in found["unmapped"]}
    assert "values of places no map knows" in {each["place"] for each in found["not_looked_at"]}
    assert "gate_permit" not in {entry["kind"] for entry in entries(sqlite_lab)}


def test_fewer_than_fifty_patrons_are_not_compared_with_anything(sqlite_lab: kit.Lab) -> None:
    site(sqlite_lab)
    plant(sqlite_lab)
    sqlite_lab.do("PRAGMA foreign_keys = OFF", "DELETE FROM borrowers WHERE borrowernumber > 40")
    sqlite_lab.close()
    found = sqlite_lab.run("--json", "find").json
    assert "locker" not in {each["place"] for each in found["unmapped"]}
    [left] = [each for each in found["not_looked_at"] if each["place"] == "values of places no map knows"]
    assert left["why"] == "Refused: no rule permits it."
    assert "gate_refusal" in {entry["kind"] for entry in entries(sqlite_lab)}


def test_a_database_no_map_knows_is_compared_with_the_rosters_of_the_others(sqlite_lab: kit.Lab) -> None:
    known = cards(sqlite_lab)
    path = sqlite_lab.folder / "lockers.sqlite"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE keys (id integer PRIMARY KEY, x text)")
        for number, card in enumerate(known):
            connection.exec_driver_sql("INSERT INTO keys VALUES (?, ?)", (number, card))
    engine.dispose()
    site(sqlite_lab)
    more = f'\n[systems.lockers]\nkind = "unmapped"\n[systems.lockers.accounts]\nfind = "sqlite:///{path}"\nprove = "sqlite:///{path}"\n'
    file = sqlite_lab.folder / "reticent.toml"
    file.write_text(file.read_text() + more)
    found = sqlite_lab.run("--json", "find").json
    assert place(found, "keys")["system"] == "lockers"
    checked = sqlite_lab.run("--json", "check").json
    assert ("lockers", "keys") in {(each["system"], each["place"]) for each in checked["findings"]}
    planned = sqlite_lab.run("--json", "plan")
    assert planned.code == 0, planned.said
    assert "lockers" not in json.dumps(planned.json["steps"])


def test_a_map_is_drafted_and_loads(sqlite_lab: kit.Lab) -> None:
    site(sqlite_lab)
    plant(sqlite_lab)
    out = sqlite_lab.folder / "own.toml"
    done = sqlite_lab.run("--json", "map", "draft", "ils", "--out", str(out))
    assert done.code == 0, done.said
    assert done.json["tables"] == 1
    assert done.json["to_finish"] > 5
    [series] = load_map(out).series
    assert (series.table, series.persons, series.sever) == ("locker", ("ref",), "nothing")
    again = sqlite_lab.run("map", "draft", "ils", "--out", str(out))
    assert again.code == 2
    assert "there already" in again.said
    assert sqlite_lab.run("map", "draft", "nobody", "--out", str(out.with_name("x.toml"))).code == 2
    written = out.read_text() + out.with_name("own.columns.csv").read_text()
    assert not [card for card in cards(sqlite_lab) if card in written]


def test_a_user_name_that_is_a_key_of_json_is_nowhere_written(sqlite_lab: kit.Lab) -> None:
    """In 60 documents, and in every one; a patron's, and somebody's the roster does not have."""
    site(sqlite_lab)
    with sqlite_lab.engine.begin() as connection:
        run = connection.exec_driver_sql
        run("UPDATE borrowers SET userid = 'jansenmaria' WHERE cardnumber = ?", (cards(sqlite_lab)[3],))
        run("CREATE TABLE shelves (id integer PRIMARY KEY, doc text)")
        for number, card in enumerate(cards(sqlite_lab)):
            doc = {"title": f"T {number}", "jansenmaria": {"card": card}, "nobodyatall": card}
            doc |= {"otherperson": hashlib.sha1(card.encode()).hexdigest()} if number < 60 else {}
            run("INSERT INTO shelves VALUES (?, ?)", (number, json.dumps(doc)))
    sqlite_lab.close()
    out = sqlite_lab.folder / "own.toml"
    said = [sqlite_lab.run("--json", "map", "draft", "ils", "--out", str(out)).out, out.read_text()]
    found = sqlite_lab.run("--json", "find")
    assert {"doc$.*1.card", "doc$.*2"} <= set(place(found.json, "shelves")["columns"])
    assert "shelves(doc$.*3)" in {each["place"] for each in found.json["weak_pseudonyms"]}
    said += [
        found.out,
        sqlite_lab.run("--json", "check").out,
        sqlite_lab.run("find").said,
        sqlite_lab.run("check").said,
    ]
    said += [path.read_bytes().decode("latin-1") for path in (sqlite_lab.folder / "state").rglob("*") if path.is_file()]
    assert not [name for name in ("jansenmaria", "nobodyatall", "otherperson") if any(name in each for each in said)]


@pytest.mark.parametrize("tables", [400, pytest.param(5000, marks=pytest.mark.soak)])
def test_a_database_of_many_tables(sqlite_lab: kit.Lab, tables: int) -> None:
    site(sqlite_lab)
    known = cards(sqlite_lab)
    with sqlite_lab.engine.begin() as connection:
        run = connection.exec_driver_sql
        for number in range(tables):
            run(f"CREATE TABLE many_{number} (id integer PRIMARY KEY, ref text, other integer)")
        rows = [(n, known[n % len(known)], n) for n in range(len(known))]
        run(f"INSERT INTO many_{tables // 2} VALUES (?, ?, ?)", rows)
    sqlite_lab.close()
    began = time.monotonic()
    found = sqlite_lab.run("--json", "find").json
    assert [each["place"] for each in found["unmapped"] if each["place"].startswith("many_")] == [f"many_{tables // 2}"]
    assert time.monotonic() - began < 180
