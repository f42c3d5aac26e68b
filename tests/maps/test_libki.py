"""Libki: who sat at which computer, what was printed, and the hash that hides nobody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.maps.acceptance import promise
from tests.maps.case import Case
from tests.maps.marks import names_in
from tests.maps.planting import Person
from tests.maps.stage import staged
from tests.servers import Server


def hashed(person: Person) -> str:
    """As Libki's nightly job writes it: the name and one number for the night."""
    return hashlib.md5(f"{person.card}314159".encode()).hexdigest()


def info(person: Person) -> str:
    return json.dumps({"user_id": person.number, "filename": f"{person.name}.pdf"})


LIBKI = Case(
    "libki",
    values={
        "*.instance": "",
        "statistics.action": "LOGIN",
        "statistics.anonymized": 0,
        "statistics.info": info,
        "users.is_guest": "No",
        "users.username": lambda person: person.card,
        "print_jobs.status": "Done",
        "settings.name": lambda person: f"Setting{person.index}",
        "settings.value": "x",
        "clients.status": "online",
        "clients.type": "adult",
        "clients.ipaddress": "10.0.0.1",
        "clients.macaddress": "",
        "clients.hostname": "",
        "locations.code": lambda person: f"L{person.index}",
        "clients.name": lambda person: f"PC{person.index}",
        "statistics.client_name": "PC1",
        "statistics.client_location": "MAIN",
        "statistics.client_type": "adult",
        "print_files.client_name": "PC1",
        "print_files.client_location": "MAIN",
        "print_files.client_type": "adult",
        "print_files.content_type": "application/pdf",
        "print_jobs.type": "cups",
        "print_jobs.printer": "front",
        "print_jobs.queued_to": "station",
        "transactions.provider": "stripe",
        "transactions.currency": "USD",
        "transactions.status": "succeeded",
        "jobs.type": "report",
        "jobs.status": "DONE",
        "logs.level": "INFO",
    },
    due={
        "statistics.hashed": {"anonymized": 1, "username": hashed},
        "statistics.helped": {"action": "MODIFY_TIME"},
        "statistics.staff": {"action": "ADMIN_LOGIN"},
        "statistics.prints": {"action": "PRINT_JOB_CREATED"},
        "statistics.money": {"action": "MODIFY_BALANCE"},
        "statistics.accounts": {"action": "USERS_DELETE"},
        "logs.debug": {"level": "DEBUG"},
    },
    alive={
        "reservations": ({"begin_time": "2099-01-01 10:00:00", "end_time": "2099-01-01 11:00:00"},),
        "print_jobs": ({"status": "Held"}, {"status": "Pending"}),
        "print_files": ({},),
        "transactions": ({"status": "pending", "provider_payment_id": "p-79"},),
        "jobs": ({"status": "QUEUED"},),
    },
    stays={
        "users": "the account is open",
        "sessions": "somebody sits at the computer",
        "allotments": "today's minutes",
        "messages": "not shown yet",
        "transactions.user_id": "the balance is the sum of its payments",
    },
)
OLD = Case(
    "libki",
    "r23.04",
    values={**LIBKI.values, "allotments.location": lambda person: f"L{person.index}", "clients.location": "MAIN"},
    due=LIBKI.due,
    alive=LIBKI.alive,
    stays={place: why for place, why in LIBKI.stays.items() if place != "transactions.user_id"},
)


@pytest.mark.parametrize(
    "case", [pytest.param(LIBKI, id="r26.05"), pytest.param(OLD, id="r23.04", marks=pytest.mark.soak)]
)
def test_libki(case: Case, tmp_path: Path, mariadb: Server, fresh_database: Callable[[Server], str]) -> None:
    promise(staged(case, tmp_path, fresh_database(mariadb), mariadb))


def test_of_several_libraries_only_ours_is_severed(tmp_path: Path) -> None:
    case = replace(LIBKI, values={**LIBKI.values, "*.instance": lambda person: f"lib{person.index}"})
    stage = staged(case, tmp_path, f"sqlite:///{tmp_path}/libki.db")
    said = stage.run("find", code=2)["error"]
    assert "holds 4 branches" in said["what"]
    assert "[systems.it] branches" in said["where"]
    site = tmp_path / "reticent.toml"
    site.write_text(site.read_text().replace('kind = "libki"', 'kind = "libki"\nbranches = ["lib1"]'))
    before = stage.snapshot()
    plan = str(tmp_path / "plan.json")
    assert set(stage.run("plan", "--out", plan, code=0)["not_planned"]) == {"it/login_sessions"}
    stage.run("sever", "--plan", plan, code=0)
    after = stage.snapshot()
    for table, rows in before.items():
        theirs = [row for row in rows if row.get("instance") != "lib1"]
        assert [row for row in after[table] if row.get("instance") != "lib1"] == theirs, table
    statistics = [row for row in after["statistics"] if row["instance"] == "lib1"]
    assert len(statistics) == 7
    assert not names_in({"statistics": statistics})
