"""What a FOLIO and an Evergreen hold about one marked patron comes out, to them and under an order; nobody else's does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from tests.acts.office import CUSTODIAN, ROLES, Office, age_open, public, unzipped, whole
from tests.maps.case import Case
from tests.maps.planting import PATRONS, Person
from tests.maps.stage import Stage, staged, write_site
from tests.maps.test_evergreen import BARE as EVERGREEN
from tests.maps.test_folio import FOLIO
from tests.servers import Server

from reticent.acts.release import SEALED, release
from reticent.acts.subject import export
from reticent.guard.handover import Gathered

CASES = {"folio": FOLIO, "evergreen": EVERGREEN}


@dataclass
class Desk(Office):
    """Officers around a staged system."""

    case: Case = FOLIO

    def write_site(self, swapped: Mapping[str, str] | None = None) -> None:
        assert swapped is None
        lines = (
            f'{role} = {{ name = "{role}", sign = "{self.ssh.officer(role).sign}", age = "{public(self.age_key(role))}" }}'
            for role in ROLES
        )
        more = "[officers]\n" + "\n".join(lines)
        write_site(self.case, self.lab.folder, dict.fromkeys(("find", "sever", "prove"), self.lab.url), more)


@pytest.fixture(scope="module", params=CASES)
def staged_office(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql: Server
) -> Iterator[tuple[Stage, Desk]]:
    case = CASES[request.param]
    name = f"disclosure_{request.param}"
    postgresql.execute(f"CREATE DATABASE {name}")
    stage = staged(case, tmp_path_factory.mktemp(request.param), postgresql.url(database=name))
    yield stage, Desk(stage.lab, tmp_path_factory.mktemp("officers"), case=case)
    stage.lab.close()
    postgresql.execute(f"DROP DATABASE {name} WITH (FORCE)")


def issued(stage: Stage) -> dict[int, str]:
    """Return person -> the identifier the library issued, as it stands in the roster."""
    card = "jsonb->>'barcode'" if stage.case.kind == "folio" else "usrname"
    number = "id::text" if stage.case.kind == "folio" else "id"
    roster = stage.case.loaded.roster
    assert roster is not None
    people = (Person(index) for index in range(1, PATRONS + 1))
    wanted = {p.index: str(p.uuid if stage.case.kind == "folio" else p.number) for p in people}
    return {
        index: stage.lab.ask(f"SELECT {card} FROM {roster.table} WHERE {number} = '{one}'")
        for index, one in wanted.items()
    }


OF_OTHERS = {"patronpin", "patron_permission", "user_request_preference"}
"""Series of whoever has no account any more."""


def require_theirs(stage: Stage, index: int, found: Gathered, files: Mapping[str, bytes]) -> None:
    """All is theirs, no byte holds another's mark, and a series that gave nothing is said to have been left out."""
    cards = issued(stage)
    assert {tie["patron"] for tie in found.ties} == {cards[index]}
    others = [Person(other) for other in cards if other != index]
    marks = [mark.encode() for p in others for mark in (p.name, p.card, p.mail, str(p.uuid), str(p.number))]
    assert not [(name, mark) for name, data in files.items() for mark in marks if mark in data]
    gave, left_out = {str(tie["series"]) for tie in found.ties}, {one.place for one in found.not_searched}
    here = [one for one in stage.case.loaded.series if one.table in stage.case.tables and (one.persons or one.who)]
    assert [one.id for one in here if one.id not in gave | OF_OTHERS and one.title not in left_out] == []
    assert len(gave) > 25
    told = [tie for tie in found.ties if tie["record_class"] == "staff_action" and (tie["tells"] or tie["item"])]
    assert told == [], "what staff did tells nothing of whom they did it for"


def test_a_patron_gets_what_every_series_holds_of_theirs(staged_office: tuple[Stage, Desk]) -> None:
    stage, office = staged_office
    opened, gate = office.open()
    for index, card in issued(stage).items():
        made = export(opened, gate, CUSTODIAN, {"it": card}, {"it": stage.lab.url}, identity_verified=True)
        assert made.exit_code == 0, made.document()
        require_theirs(stage, index, made.found, made.files)


def test_a_release_is_the_scope_and_its_bytes_hold_no_other_mark(staged_office: tuple[Stage, Desk]) -> None:
    stage, office = staged_office
    card = issued(stage)[2]
    opened, gate = office.open()
    court = office.age_key("court")
    task = office.task(gate, office.order(whole(card)), accounts={"it": stage.lab.url})
    made = release(opened, gate, office.book, task, recipient=public(court))
    assert made.exit_code == 0
    files = unzipped(age_open(made.files[SEALED], court))
    require_theirs(stage, 2, made.found, files)


def test_a_row_with_a_card_that_two_patrons_have_is_nobodys(staged_office: tuple[Stage, Desk]) -> None:
    stage, office = staged_office
    if stage.case.kind != "folio":
        return  # an Evergreen names everybody by number
    users, one, two = f"{stage.case.tenant}_mod_users.users", Person(1), Person(2)
    shared = f"UPDATE {users} SET jsonb = jsonb || '{{\"barcode\": \"{one.card}\"}}' WHERE id = '{two.uuid}'"
    given = []
    for statement in (
        f"UPDATE {users} SET jsonb = jsonb || '{{\"username\": \"first\"}}' WHERE id = '{one.uuid}'",
        shared,
    ):
        stage.administer(statement)
        opened, gate = office.open()
        made = export(opened, gate, CUSTODIAN, {"it": "first"}, {"it": stage.lab.url}, identity_verified=True)
        given.append({tie["series"] for tie in made.found.ties})
    assert given[0] - given[1] == {"retrieval_queue"}
