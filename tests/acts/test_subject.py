"""A patron gets what is held about them, whole and readable, and about nobody else."""

from __future__ import annotations

import csv
import io
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.acts import kit
from tests.acts.office import Office, age_open, public, unzipped

from reticent.acts.subject import SEALED, Exported, export
from reticent.errors import NotPermitted, SystemRefused, UsageError
from reticent.policy.gate import Asker
from reticent.stores.sql import discloser, streams

CUSTODIAN = Asker("staff-1", frozenset({"custodian"}))


@pytest.fixture(scope="module")
def office(sample: kit.Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("subject")
    lab = sample.sqlite(folder)
    found = Office(lab, tmp_path_factory.mktemp("officers"))
    _, card = found.card()
    (folder / "proxy.log").write_text(
        f'10.0.0.1 - {card} [01/Mar/2026:10:00:00 +0100] "GET /mine HTTP/1.1" 200 5\n'
        '10.0.0.1 - other [01/Mar/2026:10:00:00 +0100] "GET /theirs HTTP/1.1" 200 5\n'
    )
    more = f'[systems.proxy]\nkind = "ezproxy"\npaths = ["{folder}/proxy.log"]\n'
    form = "format = 'apache: %h %l %u %t \"%r\" %s %b'\n"
    vendor = '[systems.overdrive]\nkind = "declared"\nclasses = ["digital_lending"]\nretention = "contract: 90 days"\n'
    found.more = more + form + vendor
    found.write_site()
    yield found
    lab.close()


def exported(office: Office, cards: Mapping[str, str], *, verified: bool = True, recipient: str = "", asker: Asker = CUSTODIAN) -> Exported:  # fmt: skip
    opened, gate = office.open()
    urls = {"ils": office.lab.url}
    return export(opened, gate, asker, cards, urls, identity_verified=verified, recipient=recipient)


def rows(made: Exported) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(made.files["ties.csv"].decode())))


def test_everything_about_the_patron_and_about_nobody_else(office: Office) -> None:
    number, card = office.card()
    made = exported(office, {"ils": card, "proxy": card})
    found = rows(made)
    assert {row["patron"] for row in found} == {card}
    for table in ("old_issues", "issues", "old_reserves"):
        there = office.lab.ask(f"SELECT COUNT(*) FROM {table} WHERE borrowernumber = :n", n=number)
        assert sum(row["record"] == table for row in found) == there, table
    assert [row["details"] for row in found if row["system"] == "proxy"] == ["url: /mine"]
    text = " ".join(made.files["your-records.txt"].decode().split())
    assert "What the library holds about you" in text
    assert "Kept until" in text
    assert "overdrive: digital_lending (cannot be reached; declared: contract: 90 days" in text
    assert "backups" in text
    assert made.exit_code == 0


def test_items_are_named_by_barcode_and_where_there_is_none_as_the_systems_own_number(
    sample: kit.Sample, tmp_path: Path
) -> None:
    lab = sample.sqlite(tmp_path)
    (tmp_path / "officers").mkdir()
    office = Office(lab, tmp_path / "officers")
    number, card = office.card()
    kept, gone = (lab.ask(f"SELECT {which}(itemnumber) FROM old_issues WHERE borrowernumber = :n", n=number) for which in ("MIN", "MAX"))  # fmt: skip
    barcode = lab.ask("SELECT barcode FROM items WHERE itemnumber = :i", i=kept)
    lab.do(f"DELETE FROM items WHERE itemnumber = {gone}")
    items = {row["item"] for row in rows(exported(office, {"ils": card})) if row["record"] == "old_issues"}
    assert barcode in items
    assert f"system's own number {gone}" in items
    assert not items & {str(kept), str(gone)}
    lab.close()


def test_titles_stand_beside_the_numbers_and_one_that_is_gone_is_said_to_be(sample: kit.Sample, tmp_path: Path) -> None:
    lab = sample.sqlite(tmp_path)
    (tmp_path / "officers").mkdir()
    office = Office(lab, tmp_path / "officers")
    number, card = office.card()
    kept, gone = (lab.ask(f"SELECT {which}(itemnumber) FROM old_issues WHERE borrowernumber = :n", n=number) for which in ("MIN", "MAX"))  # fmt: skip
    title, barcode = (
        lab.ask(f"SELECT {one} FROM items i JOIN biblio b USING (biblionumber) WHERE i.itemnumber = :i", i=kept)
        for one in ("b.title", "i.barcode")
    )
    lab.do(f"DELETE FROM items WHERE itemnumber = {gone}")
    made = exported(office, {"ils": card})
    titles = {row["item"]: row["title"] for row in rows(made) if row["record"] == "old_issues"}
    assert titles[barcode] == title
    assert titles[f"system's own number {gone}"] == "(no longer in the catalogue)"
    reserved = {row["title"] for row in rows(made) if row["record"] == "old_reserves"}
    sql = "SELECT b.title FROM old_reserves r JOIN biblio b USING (biblionumber) WHERE r.borrowernumber = :n"
    assert lab.ask(sql, n=number) in reserved
    assert {row["title"] for row in rows(made) if row["record"] == "borrowers"} == {""}
    assert f"title: {title}" in " ".join(made.files["your-records.txt"].decode().split())
    lab.close()


def test_titles_that_cannot_be_read_are_named_and_the_records_come_all_the_same(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = streams.stream

    def refusing(engine: object, system: str, query: sa.Select[object]) -> Iterator[tuple[object, ...]]:
        if "title" in str(query):
            raise SystemRefused("The account may not read this.")
        return real(engine, system, query)  # type: ignore[arg-type]

    monkeypatch.setattr(discloser, "stream", refusing)
    made = exported(office, {"ils": office.card()[1]})
    assert [one.why for one in made.found.not_searched if one.place == "titles"] == ["The account may not read this."]
    assert {row["title"] for row in rows(made)} == {""}
    assert rows(made)
    assert made.exit_code == 0


def test_records_without_a_date_are_the_patrons_too(sample: kit.Sample, tmp_path: Path) -> None:
    lab = sample.sqlite(tmp_path)
    (tmp_path / "officers").mkdir()
    office = Office(lab, tmp_path / "officers")
    number, card = office.card()
    other, _ = office.card(1)
    for who in (number, other):
        lab.do(f"INSERT INTO patronimage (borrowernumber, mimetype, imagefile) VALUES ({who}, 'image/png', 'x')")
    found = [row for row in rows(exported(office, {"ils": card})) if row["record"] == "patronimage"]
    assert [(row["patron"], row["used_at"]) for row in found] == [(card, "")]
    lab.close()


def test_the_pdf_says_what_the_text_says(office: Office) -> None:
    made = exported(office, {"ils": office.card()[1]})
    done = subprocess.run(
        ["pdftotext", "-", "-"], input=made.files["your-records.pdf"], capture_output=True, check=True
    )
    assert "What the library holds about you" in done.stdout.decode()
    assert len(done.stdout) > 0.8 * len(made.files["your-records.txt"]) - 2000


def test_without_a_verified_identity_nothing_is_read(office: Office) -> None:
    with pytest.raises(NotPermitted):
        exported(office, {"ils": office.card()[1]}, verified=False)


def test_each_system_by_its_own_number_and_one_without_is_named(office: Office) -> None:
    _, card = office.card()
    made = exported(office, {"ils": card})
    assert "proxy" not in {row["system"] for row in rows(made)}
    assert any(one.system == "proxy" and "no identifier" in one.why for one in made.found.not_searched)
    other = exported(office, {"ils": card, "proxy": "other"})
    assert [row["details"] for row in rows(other) if row["system"] == "proxy"] == ["url: /theirs"]


def test_an_e_mail_a_name_or_an_internal_number_opens_nothing(office: Office) -> None:
    number, _ = office.card()
    mail = office.lab.ask("SELECT email FROM borrowers WHERE borrowernumber = :n", n=number)
    name = office.lab.ask("SELECT surname FROM borrowers WHERE borrowernumber = :n", n=number)
    for guess in (mail, name, str(number)):
        made = exported(office, {"ils": guess})
        assert rows(made) == []
        assert "nothing was found" in made.files["your-records.txt"].decode()


def test_what_is_ambiguous_is_withheld_and_said(sample: kit.Sample, tmp_path: Path) -> None:
    lab = sample.sqlite(tmp_path)
    (tmp_path / "officers").mkdir()
    office = Office(lab, tmp_path / "officers")
    number, card = office.card()
    lab.do(f"UPDATE borrowers SET userid = '{card}' WHERE borrowernumber = (SELECT MAX(borrowernumber) FROM borrowers WHERE borrowernumber <> {number})")  # fmt: skip
    made = exported(office, {"ils": card})
    assert rows(made) == []
    assert made.exit_code == 3
    assert "names more than one patron" in " ".join(made.files["your-records.txt"].decode().split())
    lab.close()


def test_sealed_to_the_patrons_own_key_it_opens_for_them(office: Office) -> None:
    _, card = office.card()
    own = office.age_key("patron")
    made = exported(office, {"ils": card}, recipient=public(own))
    assert list(made.files) == [SEALED]
    assert card.encode() not in made.files[SEALED]
    assert card.encode() in unzipped(age_open(made.files[SEALED], own))["data/ties.csv"]


def test_the_document_and_the_ledger_name_nobody(office: Office) -> None:
    _, card = office.card()
    made = exported(office, {"ils": card, "proxy": card})
    assert card not in str(made.document())
    assert "records" not in made.document()
    for path in (office.lab.folder / "state").rglob("*"):
        if path.is_file():
            assert card.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("cards", [{}, {"nowhere": "1"}, {"overdrive": "1"}])
def test_a_system_that_cannot_be_searched_is_no_system_here(office: Office, cards: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        exported(office, cards)
