"""`check` carries the proof's state, and scans free texts for the whole roster where it may."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.acts import kit
from tests.stores import koha

from reticent.acts.opening import open_site
from reticent.ledger.entries import decode
from reticent.ledger.log import Log


def site(lab: kit.Lab, *rights: str, more: str = "") -> None:
    rights = rights or ("find", "sever", "prove", "roster")
    koha.write_site(lab.folder, dict.fromkeys(rights, lab.url), more=more)


def check(lab: kit.Lab) -> dict[str, Any]:
    return lab.run("--json", "check").json


def findings(document: dict[str, Any], kind: str) -> dict[str, int]:
    return {found["place"]: found["count"] for found in document["findings"] if found["kind"] == kind}


def entries(lab: kit.Lab) -> list[dict[str, object]]:
    opened = open_site(lab.folder / "reticent.toml")
    with Log.open(opened.ledger_path, opened.origin) as log:
        return [decode(log.entry(index)) for index in range(log.size)]


def plant(lab: kit.Lab) -> tuple[str, str]:
    """Write one patron's card into two places where nobody's should stand; return card and address."""
    with lab.engine.connect() as connection:
        card, email = connection.exec_driver_sql(
            "SELECT cardnumber, email FROM borrowers WHERE email IS NOT NULL AND cardnumber IS NOT NULL "
            "AND borrowernumber > 1 ORDER BY borrowernumber LIMIT 1"
        ).one()
    lab.do(
        f"INSERT INTO plugin_data (plugin_class, plugin_key, plugin_value) VALUES ('Kiosk', 'last', 'card={card}')",
        "CREATE TABLE koha_plugin_kiosk (id integer PRIMARY KEY, said longtext)",
        f"INSERT INTO koha_plugin_kiosk VALUES (1, '{email}'), (2, 'nobody'), (3, 'card {card}')",
    )
    lab.close()
    return str(card), str(email)


FREE = "free text in plugin_data, additional_field_values, saved_sql"


def test_a_patron_in_a_free_text_is_a_finding_that_names_nobody(sqlite_lab: kit.Lab) -> None:
    site(sqlite_lab)
    before = check(sqlite_lab)
    card, email = plant(sqlite_lab)
    after = check(sqlite_lab)
    places = findings(before, "residue").keys()
    assert findings(after, "residue").keys() == places | {"plugin_data.plugin_value", "koha_plugin_kiosk.said"}
    assert "saved_sql.savedsql: scanned for everybody on the roster" in after["checked"]
    assert FREE not in {place["place"] for place in after["not_looked_at"]}
    [plugin] = [place for place in after["not_looked_at"] if place["place"] == "koha_plugin_kiosk"]
    assert "numbers alone were not" in plugin["why"]
    said = json.dumps(after) + sqlite_lab.run("check").out
    assert card not in said
    assert email not in said
    kinds = [entry["kind"] for entry in entries(sqlite_lab)]
    assert kinds.count("gate_permit") == 6, "every scan is an entry, and every probe"
    assert {entry.get("rule") for entry in entries(sqlite_lab) if entry["kind"] == "gate_permit"} == {
        "job-scans-roster"
    }
    for path in (sqlite_lab.folder / "state").rglob("*"):
        assert not path.is_file() or card.encode() not in path.read_bytes(), path
    assert sqlite_lab.run("ledger", "verify").code == 0


def test_without_a_roster_account_the_texts_stay_not_looked_at(sqlite_lab: kit.Lab) -> None:
    site(sqlite_lab, "find", "sever", "prove")
    plant(sqlite_lab)
    found = check(sqlite_lab)
    assert findings(found, "residue") == {}
    assert FREE in {place["place"] for place in found["not_looked_at"]}
    assert not [line for line in found["checked"] if "scanned" in line]


def test_a_small_library_is_told_why_it_was_not_scanned(sqlite_lab: kit.Lab) -> None:
    site(sqlite_lab)
    sqlite_lab.do("PRAGMA foreign_keys = OFF", "DELETE FROM borrowers WHERE borrowernumber > 40")
    sqlite_lab.close()
    found = check(sqlite_lab)
    assert findings(found, "residue") == {}
    assert {"system": "ils", "place": "residue", "why": "Refused: no rule permits it."} in found["not_looked_at"]
    assert FREE in {place["place"] for place in found["not_looked_at"]}
    assert "gate_refusal" in {entry["kind"] for entry in entries(sqlite_lab)}


def test_the_roster_account_needs_the_identifiers_and_the_prove_account_the_texts(mariadb_lab: kit.Lab) -> None:
    name = mariadb_lab.url.rpartition("/")[2].partition("?")[0]
    host = mariadb_lab.url.replace("root", f"roster_{name}", 1)
    columns = "borrowernumber, cardnumber, userid, email, firstname, surname, branchcode"
    mariadb_lab.do(f"CREATE USER roster_{name}", f"GRANT SELECT ({columns}) ON {name}.borrowers TO roster_{name}")
    urls = dict.fromkeys(("find", "sever", "prove"), mariadb_lab.url) | {"roster": host}
    koha.write_site(mariadb_lab.folder, urls)
    plant(mariadb_lab)
    assert findings(check(mariadb_lab), "residue")["koha_plugin_kiosk.said"] > 0
    mariadb_lab.do(f"REVOKE SELECT (email) ON {name}.borrowers FROM roster_{name}")
    refused = mariadb_lab.run("check")
    mariadb_lab.do(f"DROP USER roster_{name}")
    assert refused.code == 3
    assert "SELECT" in refused.said
    assert "email" in refused.said


def test_check_says_what_is_proved_of_the_policy_in_force(sqlite_lab: kit.Lab) -> None:
    site(sqlite_lab)
    found = check(sqlite_lab)
    [line] = [line for line in found["checked"] if line.startswith("policy: ")]
    assert re.match(r"policy: [1-9]\d* promises proved for [1-9]\d* kinds of request \(certificate ", line), line
    assert findings(found, "policy") == {}


def test_a_policy_whose_certificate_does_not_verify_is_a_finding(
    sqlite_lab: kit.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    site(sqlite_lab)
    monkeypatch.setattr("reticent.policy.certificate.engine_version", lambda: "0.0.1")
    found = check(sqlite_lab)
    assert findings(found, "policy") == {"policy in force": 1}
    [advice] = [each["advice"] for each in found["findings"] if each["kind"] == "policy"]
    assert "another version of the engine" in advice
    assert not [line for line in found["checked"] if line.startswith("policy: ")]
    assert findings(found, "residue") == {}, "without a gate nothing is scanned"
    assert "residue" in {place["place"] for place in found["not_looked_at"]}
    assert findings(found, "due ties"), "everything else is checked all the same"


def test_an_exception_in_force_is_listed_and_is_no_finding(sqlite_lab: kit.Lab, tmp_path: Path) -> None:
    from tests.acts.test_policy import EXCEPTION, PARENTS, Library

    library = Library(sqlite_lab.folder)
    library.write_site("custodian", "counsel")
    officers = (sqlite_lab.folder / "reticent.toml").read_text().split("[officers]")[1].split("[systems.ils]")[0]
    site(sqlite_lab, more=f"\n[officers]{officers}")
    library.write("rules/local.cedar", PARENTS)
    library.write("exceptions.toml", EXCEPTION)
    (sqlite_lab.folder / "minutes.txt").write_text("minutes")
    library.json("policy", "prove")
    library.json("policy", "sign", "--vote", "minutes.txt")
    assert library.json("policy", "sign", *library.signed("custodian", "counsel"))["in_force"]
    found = check(sqlite_lab)
    assert findings(found, "policy") == {}
    assert "policy: minors-too is excepted under Wis. Stat. 43.30(4): A parent sees it." in found["checked"]
