"""On PostgreSQL too, what leaves under an order, in a sealed copy and to the patron is the scope's, row by row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from tests.acts import kit
from tests.acts.office import CUSTODIAN, Office, age_open, public, unzipped, whole
from tests.servers import Server
from tests.stores import koha

from reticent.acts import preserving
from reticent.acts.release import SEALED, release
from reticent.acts.subject import export
from reticent.keyring.sealing import CONTENT, wrap_name

TABLES = ("old_issues", "issues", "old_reserves")


@pytest.fixture(scope="module")
def office(sample: kit.Sample, tmp_path_factory: pytest.TempPathFactory, postgresql: Server) -> Iterator[Office]:
    postgresql.execute("CREATE DATABASE releases")
    url = postgresql.url(database="releases")
    koha.copy(sample.file, url)
    lab = kit.Lab(tmp_path_factory.mktemp("postgresql"), url)
    yield Office(lab, tmp_path_factory.mktemp("officers"))
    lab.close()
    postgresql.execute("DROP DATABASE releases WITH (FORCE)")


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def require_theirs(office: Office, number: int, found: list[dict[str, str]], card: str) -> None:
    """Other code: every row's patron is the scope's, and each table gave as many as literal SQL counts."""
    assert {row["patron"] for row in found} == {card}
    for table in TABLES:
        there = office.lab.ask(f"SELECT COUNT(*) FROM {table} WHERE borrowernumber = :n", n=number)
        assert sum(row["record"] == table for row in found) == there, table


def test_a_release_is_the_scope_and_the_bytes_hold_no_other_card(office: Office) -> None:
    number, card = office.card()
    opened, gate = office.open()
    court = office.age_key("court")
    task = office.task(gate, office.order(whole(card)))
    made = release(opened, gate, office.book, task, recipient=public(court))
    assert made.exit_code == 0
    files = unzipped(age_open(made.files[SEALED], court))
    require_theirs(office, number, rows(files["data/ties.csv"]), card)
    with office.lab.engine.connect() as connection:
        others = connection.exec_driver_sql(f"SELECT cardnumber FROM borrowers WHERE borrowernumber <> {number}")
        everything = b"".join(files.values())
        assert not [other for (other,) in others if other and str(other).encode() in everything]


def test_the_days_of_a_scope_hold_to_the_second(office: Office) -> None:
    _, card = office.card()
    opened, gate = office.open()
    everything = release(opened, gate, office.book, office.task(gate, office.order(whole(card))))
    moments = sorted(tie["used_at"] for tie in everything.found.ties)  # type: ignore[type-var]
    middle = moments[len(moments) // 2]
    part = release(opened, gate, office.book, office.task(gate, office.order(whole(card, since=middle))))
    kept = sorted(tie["used_at"] for tie in part.found.ties)  # type: ignore[type-var]
    assert kept == [moment for moment in moments if moment >= middle]  # type: ignore[operator]
    assert 0 < len(kept) < len(moments)


def test_a_sealed_copy_is_the_scope(office: Office) -> None:
    number, card = office.card(2)
    opened, gate = office.open()
    task = office.task(gate, office.order(whole(card)), "hold")
    made = preserving.copy(opened, gate, office.book, task, date.today() + timedelta(days=365))
    assert made.exit_code == 0
    half = age_open((made.folder / wrap_name("custodian", "counsel")).read_bytes(), office.age_key("custodian"))
    identity = office.keys / "seal.key"
    identity.write_bytes(age_open(half, office.age_key("counsel")))
    files = unzipped(age_open((made.folder / CONTENT).read_bytes(), identity))
    require_theirs(office, number, rows(files["data/ties.csv"]), card)


def test_a_patron_gets_their_own(office: Office) -> None:
    number, card = office.card(3)
    opened, gate = office.open()
    made = export(opened, gate, CUSTODIAN, {"ils": card}, {"ils": office.lab.url}, identity_verified=True)
    assert made.exit_code == 0
    require_theirs(office, number, rows(made.files["ties.csv"]), card)
    assert card in made.files["your-records.txt"].decode()
