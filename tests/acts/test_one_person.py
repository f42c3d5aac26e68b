"""Previews, scans and the probes of `find` answer about everybody or nobody: each way to ask about one is tried."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

import pytest
from tests.acts import kit
from tests.acts.test_policy import Library
from tests.keyring.ssh import sign
from tests.policy.conftest import Library as GateLibrary
from tests.policy.helpers import Keys, order
from tests.stores import koha

from reticent import ports
from reticent.errors import NotPermitted
from reticent.keyring.officers import statement
from reticent.model import Scanned, Survey
from reticent.policy.gate import Asker
from reticent.policy.permits import OPENS, Mint, Scope
from reticent.stores.sql.discloser import SqlDiscloser
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.prober import SqlProber
from reticent.systems.load import MAPS, load_map

CUSTODIAN = Asker("s1", frozenset({"custodian"}))


def test_a_previews_permit_opens_counts_and_nobodys_tie(tmp_path: Path) -> None:
    library = GateLibrary(Keys(tmp_path))
    asked = order()
    approvals = library.sign(asked, "counsel", act="preview")
    decision = library.gate.prepare(asked, CUSTODIAN, approvals, ["ils"], act="preview")
    for verb in ("ties", "roster"):
        with pytest.raises(NotPermitted, match=f"does not open {verb}"):
            library.gate.open(decision.permits[0], verb, "ils")
    assert library.gate.open(decision.permits[0], "count", "ils").scope == asked.scope
    mint = Mint(library.clock, library.register)
    for action in ("scan", "countDueTies", "viewTie", "lookUpReaders", "lookUpCurrentBorrower"):
        assert action not in OPENS
        with pytest.raises(NotPermitted, match="no door"):
            mint.strike(action, "courtOrder", "x", library.gate.digest, asked.scope, ["ils"])


def test_no_permit_for_ties_opens_counts(tmp_path: Path) -> None:
    library = GateLibrary(Keys(tmp_path))
    approvals = library.sign(order(), "custodian", "counsel")
    permit = library.gate.prepare(order(), CUSTODIAN, approvals, ["ils"]).permits[0]
    with pytest.raises(NotPermitted, match="does not open count"):
        library.gate.open(permit, "count", "ils")


def test_a_preview_without_counsel_or_under_another_scope_is_refused(tmp_path: Path) -> None:
    library = GateLibrary(Keys(tmp_path))
    asked = order()
    assert not library.gate.prepare(asked, CUSTODIAN, [], ["ils"], act="preview").allowed
    signed = library.sign(asked, "counsel", act="preview")
    narrowed = order(scope=Scope(frozenset({"52"}), classes=frozenset({"circulation"})))
    assert not library.gate.prepare(narrowed, CUSTODIAN, signed, ["ils"], act="preview").allowed
    released = library.gate.prepare(asked, CUSTODIAN, signed, ["ils"])
    assert not released.allowed, "a preview's approval opens nothing else"
    assert released.permits == ()


@pytest.mark.parametrize("store", [SqlFinder, SqlDiscloser, SqlProber])
def test_no_verb_of_a_store_takes_a_person(store: type) -> None:
    """What a store can be asked: series, cutoffs, measures, permits; an identifier has no way in."""
    allowed = {
        *("self", "series", "cutoff", "needs", "measure", "replicas", "lag", "permit", "year"),
        *("url", "database", "open_permit", "site", "system", "loaded", "disclosers", "keys", "permits"),
    }
    for name, verb in inspect.getmembers(store, inspect.isfunction):
        if not name.startswith("_") or name == "__init__":
            assert set(inspect.signature(verb).parameters) <= allowed, name


def test_what_find_and_scan_return_has_no_room_for_a_person() -> None:
    counts = {"ties", "open", "within_retention", "due", "withheld", "oldest", "newest"}
    assert {field.name for field in fields(Survey)} == {"series"} | counts
    assert {field.name for field in fields(Scanned)} == {"places", "hits", "unread"}
    assert list(inspect.signature(ports.Scanner.scan).parameters) == ["self", "permit"]
    assert list(inspect.signature(ports.Finder.survey).parameters) == ["self", "series", "cutoff"]


def test_a_map_that_asks_about_one_person_counts_nothing_unsigned(sqlite_lab: kit.Lab) -> None:
    """`find` counts what a map says. A map of one's own could say: this patron, that book."""
    text = (MAPS / "koha.toml").read_text()
    probe = text.replace('id = "old_issues"\n', 'id = "old_issues"\ntied = "patron = 51 AND item = 7"\n', 1)
    assert probe != text
    (sqlite_lab.folder / "own.toml").write_text(probe)
    (sqlite_lab.folder / "koha.columns.csv").write_text((MAPS / "koha.columns.csv").read_text())
    library = Library(sqlite_lab.folder)
    library.write_site("custodian", "counsel")
    officers = (sqlite_lab.folder / "reticent.toml").read_text().split("[officers]")[1].split("[systems.ils]")[0]
    accounts = dict.fromkeys(("find", "sever", "prove"), sqlite_lab.url)
    koha.write_site(sqlite_lab.folder, accounts, 'map = "own.toml"', more=f"\n[officers]{officers}")

    def refused(*commands: str) -> None:
        for command in commands:
            done = sqlite_lab.run(command)
            assert done.code in (3, 4, 5), done.said
            assert "officer" in done.said

    refused("find", "plan", "check")
    message = statement("map", {"map": load_map(sqlite_lab.folder / "own.toml").digest})
    seal = sqlite_lab.folder / "own.toml.custodian.sig"
    seal.write_text(sign(sqlite_lab.folder / "custodian", message))
    refused("find")
    second = sqlite_lab.folder / "own.toml.counsel.sig"
    second.write_text(sign(sqlite_lab.folder / "custodian", message))
    refused("find")
    second.write_text(sign(sqlite_lab.folder / "counsel", message))
    assert sqlite_lab.run("find").code in (0, 1)
    (sqlite_lab.folder / "own.toml").write_text(probe.replace("patron = 51", "patron = 52"))
    refused("find")
