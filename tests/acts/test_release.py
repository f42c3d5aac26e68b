"""A release is what two officers approved and nothing else: counted by other code, opened with stock programs."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.acts import kit
from tests.acts.office import PAPER, Office, age_open, public, unzipped, whole
from tests.policy.helpers import FixedClock
from tests.servers import Server

from reticent.acts.release import SEALED, Released, pdfs, preview, release
from reticent.errors import ConfigurationError, EvidenceBroken, NotPermitted
from reticent.guard import letters, package
from reticent.law.packs import SHIPPED
from reticent.policy.permits import Scope

COURT = "court"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("officers")


@pytest.fixture(scope="module")
def sqlite_office(sample: kit.Sample, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    lab = sample.sqlite(tmp_path_factory.mktemp("sqlite"))
    yield Office(lab, keys)
    lab.close()


@pytest.fixture(scope="module")
def mariadb_office(
    sample: kit.Sample,
    keys: Path,
    tmp_path_factory: pytest.TempPathFactory,
    mariadb: Server,
) -> Iterator[Office]:
    mariadb.execute("CREATE DATABASE releases")
    lab = sample.mariadb(tmp_path_factory.mktemp("mariadb"), mariadb.url(database="releases"))
    yield Office(lab, keys)
    lab.close()
    mariadb.execute("DROP DATABASE releases")


@pytest.fixture(params=["sqlite", "mariadb"])
def office(request: pytest.FixtureRequest) -> Office:
    found: Office = request.getfixturevalue(f"{request.param}_office")
    return found


def released(office: Office, scope: Scope, recipient: str = "", **paper: Any) -> Released:
    opened, gate = office.open()
    return release(opened, gate, office.book, office.task(gate, office.order(scope, **paper)), recipient=recipient)


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_the_package_opens_with_the_stock_programs_and_holds_exactly_the_scope(office: Office, tmp_path: Path) -> None:
    number, card = office.card()
    court = office.age_key(COURT)
    made = released(office, whole(card), public(court))
    assert list(made.files) == [SEALED]
    assert card.encode() not in made.files[SEALED]
    plain = age_open(made.files[SEALED], court)
    files = unzipped(plain)
    found = rows(files["data/ties.csv"])
    assert {row["patron"] for row in found} == {card}
    for series, sql in {
        "old_issues": "SELECT COUNT(*) FROM old_issues WHERE borrowernumber = :n",
        "issues": "SELECT COUNT(*) FROM issues WHERE borrowernumber = :n",
        "old_reserves": "SELECT COUNT(*) FROM old_reserves WHERE borrowernumber = :n",
    }.items():
        assert sum(row["record"] == series for row in found) == office.lab.ask(sql, n=number), series
    (tmp_path / "p.zip").write_bytes(plain)
    subprocess.run(["unzip", "-q", "p.zip"], cwd=tmp_path, check=True)
    for manifest in ("manifest-sha512.txt", "tagmanifest-sha512.txt"):
        subprocess.run(["sha512sum", "--quiet", "--strict", "-c", manifest], cwd=tmp_path / "release", check=True)


def test_the_bytes_released_are_a_subset_of_the_scope_whatever_the_scope(office: Office) -> None:
    """Other code: the scope's patrons, items and days are looked up with literal SQL, row by row."""
    number, card = office.card()
    _, other = office.card(1)
    days = office.lab.ask("SELECT MAX(issuedate) FROM old_issues WHERE borrowernumber = :n", n=number)
    middle = datetime.fromisoformat(str(days)).replace(tzinfo=UTC) - timedelta(days=60)
    item = office.lab.ask(
        "SELECT i.barcode FROM items i JOIN old_issues o ON o.itemnumber = i.itemnumber"
        " WHERE o.borrowernumber IS NOT NULL AND i.barcode IS NOT NULL GROUP BY i.barcode ORDER BY COUNT(*) DESC LIMIT 1"
    )
    circulation = frozenset({"circulation"})
    for scope in (
        whole(card, since=middle),
        whole(card, before=middle, classes=circulation),
        whole(card, other, classes=frozenset({"search", "hold_request"})),
        Scope(items=frozenset({item}), classes=circulation),
    ):
        made = released(office, scope)
        for row in rows(made.files["ties.csv"]):
            assert row["record_class"] in scope.classes
            when = datetime.fromisoformat(row["used_at"]).replace(tzinfo=UTC)
            assert scope.since <= when < scope.before
            assert row["patron"] in scope.patrons or row["item"] in scope.items
        assert made.found.ties


def test_a_package_says_what_it_is_and_where_nobody_looked(sqlite_office: Office) -> None:
    made = released(sqlite_office, whole(sqlite_office.card()[1]))
    about, notice = made.files["about.txt"].decode(), " ".join(made.files["notice.txt"].decode().split())
    for place in ("backups", "binary log", "vendors, paper"):
        assert place in about
    assert "does not end that protection" in notice
    assert "Wis. Stat. 43.30" in notice
    assert "d" * 64 in made.files["order.txt"].decode()
    custody = made.files["custody.txt"].decode()
    assert all(name in custody for name in made.files if name != "custody.txt")
    assert made.files["records.pdf"].startswith(b"%PDF")
    assert PAPER in made.files["records.txt"].decode()


def test_a_tampered_package_is_refused(sqlite_office: Office) -> None:
    court = sqlite_office.age_key(COURT)
    made = released(sqlite_office, whole(sqlite_office.card()[1]), public(court))
    plain = age_open(made.files[SEALED], court)
    verifier = sqlite_office.open()[0].ledger_key().verifier
    assert package.read(plain, verifier).name == "release"
    with pytest.raises(EvidenceBroken):
        package.read(plain.replace(b"circulation", b"circulatioN"), verifier)


def test_the_register_gets_the_digest_of_the_sealed_file_and_no_name(sqlite_office: Office) -> None:
    _, card = sqlite_office.card()
    before = len(sqlite_office.book.entries)
    made = released(sqlite_office, whole(card), public(sqlite_office.age_key(COURT)))
    entries = sqlite_office.book.entries[before:]
    sealed = [entry for entry in entries if entry["kind"] == "release_sealed"]
    assert [entry["package"] for entry in sealed] == [made.digest]
    said = json.dumps([*entries, made.document()], default=str) + made.worksheet
    assert card not in said
    assert not any(str(tie["used_at"])[:19] in said for tie in made.found.ties)


def test_a_nil_return_lists_where_nobody_looked_and_never_says_that_nothing_exists(sqlite_office: Office) -> None:
    _, card = sqlite_office.card()
    made = released(sqlite_office, whole(card, before=datetime(1950, 1, 1, tzinfo=UTC)))
    text = " ".join(made.files["nil-return.txt"].decode().split())
    assert made.nil
    assert made.exit_code == 0
    assert "backups" in text
    assert "vendors" in text
    for claim in ("no records exist", "no record exists", "has no records", "does not have"):
        assert claim not in text.casefold()
    assert card not in text


def test_a_hosted_service_that_is_declared_is_named_with_whom_to_ask(
    sample: kit.Sample, keys: Path, tmp_path: Path
) -> None:
    lab = sample.sqlite(tmp_path)
    chat = '[systems.chat]\nkind = "declared"\nclasses = ["reference"]\nretention = "contract: 14 days"\n'
    office = Office(lab, keys, more=chat + 'contact = "privacy@vendor.example"\nattested = 2026-10-01\n')
    said = "chat: reference (cannot be reached; declared: contract: 14 days, attested 2026-10-01; to be asked: privacy@vendor.example)"
    made = released(office, whole("29999999999999"))
    assert said in " ".join(made.files["nil-return.txt"].decode().split())
    found = lab.run("--json", "find").json["not_looked_at"]
    assert ["privacy@vendor.example" in one["why"] for one in found if one["system"] == "chat"] == [True]
    lab.close()


def test_a_card_nobody_has_is_a_nil_return_that_says_so_by_count_only(sqlite_office: Office) -> None:
    made = released(sqlite_office, whole("29999999999999"))
    assert made.nil
    assert "1 of 1 identifiers name no patron here" in " ".join(made.files["nil-return.txt"].decode().split())


def test_a_card_of_two_patrons_releases_nothing_and_is_not_called_complete(sample: kit.Sample, keys: Path, tmp_path: Path) -> None:  # fmt: skip
    lab = sample.sqlite(tmp_path)
    office = Office(lab, keys)
    number, card = office.card()
    lab.do(f"UPDATE borrowers SET userid = '{card}' WHERE borrowernumber = (SELECT MAX(borrowernumber) FROM borrowers WHERE borrowernumber <> {number})")  # fmt: skip
    made = released(office, whole(card))
    assert made.nil
    assert made.exit_code == 3
    assert "names more than one patron" in " ".join(made.files["nil-return.txt"].decode().split())
    lab.close()


def test_a_system_that_cannot_be_reached_is_named_and_the_package_is_not_called_complete(
    sample: kit.Sample, keys: Path, tmp_path: Path
) -> None:
    lab = sample.sqlite(tmp_path)
    more = '[systems.away]\nkind = "koha"\n[systems.away.accounts]\nfind = "mysql+pymysql://x:y@127.0.0.1:9/koha"\n'
    office = Office(lab, keys, more=more)
    opened, gate = office.open()
    accounts = {"ils": lab.url, "away": "mysql+pymysql://x:y@127.0.0.1:9/koha"}
    task = office.task(gate, office.order(whole(office.card()[1])), accounts=accounts)
    made = release(opened, gate, office.book, task)
    assert made.exit_code == 3
    assert made.found.ties, "the other system goes on"
    assert made.files["about.txt"].decode().startswith("THIS IS NOT COMPLETE")
    assert "away: NOT TO ITS END" in made.files["about.txt"].decode()
    assert "x:y" not in made.files["about.txt"].decode()
    lab.close()


def test_a_title_no_font_can_set_costs_only_the_paper_it_stands_on() -> None:
    scripts = (0x12000, 0x13000, 0x14400, 0x10900)  # cuneiform, hieroglyphs, Phoenician: one that no font here has
    unset = next(one for one in scripts if not subprocess.check_output(["fc-list", f":charset={one:x}"]))
    made = {name: letters.Letter("Records", "Lakeside", "November 29, 2026", "", (), (text,)) for name, text in
            (("records.pdf", f"a title of {chr(unset)}"), ("notice.pdf", "plain"))}  # fmt: skip
    assert list(pdfs(made)) == ["notice.pdf"]


def test_no_account_is_no_search(sqlite_office: Office) -> None:
    opened, gate = sqlite_office.open()
    made = release(
        opened, gate, sqlite_office.book, sqlite_office.task(gate, sqlite_office.order(whole("1")), accounts={})
    )
    assert made.exit_code == 3
    assert "No account" in " ".join(made.files["nil-return.txt"].decode().split())


@pytest.mark.parametrize("by", [(), ("custodian",), ("counsel",)])
def test_fewer_than_two_officers_open_nothing(sqlite_office: Office, by: tuple[str, ...]) -> None:
    opened, gate = sqlite_office.open()
    task = sqlite_office.task(gate, sqlite_office.order(whole(sqlite_office.card()[1])), by=by)
    with pytest.raises(NotPermitted):
        release(opened, gate, sqlite_office.book, task)


NOT_GOOD: Mapping[str, dict[str, Any]] = {
    "no good cause": {"good_cause": False},
    "no specific facts": {"specific_facts": False},
    "no jurisdiction": {"competent_jurisdiction": False},
    "a defect is open": {"defect_open": True},
    "an agency's own warrant": {"kind": "administrative_warrant"},
    "a security letter": {"kind": "national_security_letter"},
    "expired": {"valid_until": datetime.now(UTC) - timedelta(days=1)},
    "not yet": {"valid_from": datetime.now(UTC) + timedelta(days=1)},
    "the clock runs": {"not_before": datetime.now(UTC) + timedelta(hours=1)},
}


@pytest.mark.parametrize("fault", NOT_GOOD)
def test_anything_less_than_a_good_order_opens_nothing(sqlite_office: Office, fault: str) -> None:
    with pytest.raises(NotPermitted):
        released(sqlite_office, whole(sqlite_office.card()[1]), **NOT_GOOD[fault])


def test_a_scope_changed_after_approval_opens_nothing(sqlite_office: Office) -> None:
    opened, gate = sqlite_office.open()
    task = sqlite_office.task(gate, sqlite_office.order(whole("1")))
    wider = dataclasses.replace(task, order=dataclasses.replace(task.order, scope=whole("1", "2")))
    with pytest.raises(NotPermitted):
        release(opened, gate, sqlite_office.book, wider)


def test_the_clock_of_the_district_of_columbia_blocks_and_then_lets_go(sample: kit.Sample, keys: Path, tmp_path: Path) -> None:  # fmt: skip
    lab = sample.sqlite(tmp_path)
    clock = FixedClock(datetime.now(UTC))
    office = Office(lab, keys, clock=clock)
    _, card = office.card()
    order = office.order(whole(card), kind="court_subpoena", not_before=clock.now() + timedelta(days=10))
    opened, gate = office.open()
    task = office.task(gate, order)
    for days in (0, 9):
        clock.wait(days=days)
        with pytest.raises(NotPermitted):
            release(opened, gate, office.book, task)
    clock.wait(days=1, minutes=1)
    assert release(opened, gate, office.book, task).found.ties
    lab.close()


def test_a_recipient_that_is_no_key_stops_before_anything_is_read(sqlite_office: Office) -> None:
    before = len(sqlite_office.book.entries)
    with pytest.raises(ConfigurationError):
        released(sqlite_office, whole(sqlite_office.card()[1]), "age1nonsense")
    assert len(sqlite_office.book.entries) == before


def test_a_preview_counts_after_counsels_approval_and_names_nobody(office: Office) -> None:
    number, card = office.card()
    opened, gate = office.open()
    order = office.order(whole(card))
    with pytest.raises(NotPermitted):
        preview(opened, gate, office.task(gate, order, "preview", by=("custodian",)))
    counts, found = preview(opened, gate, office.task(gate, order, "preview", by=("counsel",)))
    assert counts["ils/old_issues"] == office.lab.ask(
        "SELECT COUNT(*) FROM old_issues WHERE borrowernumber = :n", n=number
    )
    assert not found.ties
    assert sum(counts.values()) == len(released(office, whole(card)).found.ties)


def test_nothing_of_a_release_stays_in_the_state_and_no_password_anywhere(sqlite_office: Office) -> None:
    _, card = sqlite_office.card()
    released(sqlite_office, whole(card), public(sqlite_office.age_key(COURT)))
    for path in (sqlite_office.lab.folder / "state").rglob("*"):
        if path.is_file():
            assert card.encode() not in path.read_bytes(), path


def test_a_warrant_in_execution_needs_the_custodian_alone_and_still_the_exact_scope(sqlite_office: Office) -> None:
    opened, gate = sqlite_office.open()
    _, card = sqlite_office.card()
    order = sqlite_office.order(whole(card), kind="search_warrant")
    task = sqlite_office.task(gate, order, "warrant", by=("custodian",))
    made = release(opened, gate, sqlite_office.book, task, warrant=True)
    assert {tie["patron"] for tie in made.found.ties} == {card}
    with pytest.raises(NotPermitted):
        release(opened, gate, sqlite_office.book, task)


def under_law(sample: kit.Sample, keys: Path, folder: Path, fields: str) -> Office:
    """An office in Illinois, whose own copy of the pack lets a court order open these parts only."""
    office = Office(sample.sqlite(folder), keys)
    site = folder / "reticent.toml"
    site.write_text(site.read_text().replace("[library]\n", '[library]\njurisdiction = "US-IL"\n'))
    text = (
        (SHIPPED / "US-IL.toml").read_text().replace('["court_order"]\n', f'["court_order"]\nfields = ["{fields}"]\n')
    )
    (folder / "law").mkdir()
    (folder / "law" / "US-IL.toml").write_text(text)
    return office


def test_where_the_law_opens_identity_only_no_material_leaves(sample: kit.Sample, keys: Path, tmp_path: Path) -> None:
    office = under_law(sample, keys, tmp_path, "identity")
    number, card = office.card()
    made = released(office, whole(card))
    [row] = rows(made.files["ties.csv"])
    assert (row["record"], row["patron"], row["item"], row["used_at"], row["ended"]) == ("borrowers", card, "", "", "")
    details = {detail.partition(":")[0] for detail in row["details"].split("; ")}
    assert "surname" in details
    assert details <= {"number", "card", "userid", "email", "firstname", "surname"}
    everything = b"".join(body for name, body in made.files.items() if not name.endswith(".pdf")).decode()
    with office.lab.engine.connect() as connection:
        for barcode, issued in connection.exec_driver_sql(
            "SELECT i.barcode, o.issuedate FROM old_issues o JOIN items i ON i.itemnumber = o.itemnumber"
            f" WHERE o.borrowernumber = {number}"
        ):
            assert str(barcode) not in everything
            assert str(issued)[:16] not in everything
    about = " ".join(made.files["about.txt"].decode().split())
    assert "75 ILCS 70/1: of" in about
    assert "circulation" in about
    assert "whether or not there is any" in about
    office.lab.close()


@pytest.mark.parametrize("fields", ["surveillance", "overdue_count_and_kind"])
def test_where_the_law_opens_what_is_not_there_the_answer_is_nil_and_tells_no_count(
    sample: kit.Sample, keys: Path, tmp_path: Path, fields: str
) -> None:
    office = under_law(sample, keys, tmp_path, fields)
    made = released(office, whole(office.card()[1]))
    assert made.nil
    text = made.files["nil-return.txt"].decode()
    assert "Withheld by law" in text
    assert "75 ILCS 70/1" in text
    assert not re.search(r"\d+ records?:", text)
    office.lab.close()


@pytest.mark.parametrize("fields", ["identity", "surveillance", "overdue_count_and_kind"])
def test_a_preview_counts_what_the_law_would_let_out_and_no_more(
    sample: kit.Sample, keys: Path, tmp_path: Path, fields: str
) -> None:
    office = under_law(sample, keys, tmp_path, fields)
    _, card = office.card()
    opened, gate = office.open()
    counts, found = preview(opened, gate, office.task(gate, office.order(whole(card)), "preview", by=("counsel",)))
    assert counts == ({"ils/borrowers": 1} if fields == "identity" else {})
    assert "75 ILCS 70/1: of" in found.limits[0]
    assert sum(counts.values()) == len(released(office, whole(card)).found.ties)
    office.lab.close()


@pytest.mark.parametrize(("advised", "material"), [({"everything"}, True), ({"identity"}, False), (set(), False)])
def test_counsels_advice_on_fields_holds_in_release_and_preview(
    sample: kit.Sample, keys: Path, tmp_path: Path, advised: set[str], material: bool
) -> None:
    office = under_law(sample, keys, tmp_path, "surveillance")
    _, card = office.card()
    opened, gate = office.open()
    task = office.task(gate, office.order(whole(card)))
    made = release(opened, gate, office.book, dataclasses.replace(task, fields=frozenset(advised)))
    there = {tie["series"] for tie in made.found.ties}
    assert ("old_issues" in there) == material
    assert there == ({"borrowers"} if advised == {"identity"} else there if material else set())
    asked = dataclasses.replace(
        office.task(gate, office.order(whole(card)), "preview", by=("counsel",)), fields=frozenset(advised)
    )
    assert sum(preview(opened, gate, asked)[0].values()) == len(made.found.ties)
    assert material or "counsel's signed advice" in made.found.limits[0]
    office.lab.close()
