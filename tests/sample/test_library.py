"""The sample library holds what its Truth says; every number is asked again by literal SQL."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from reticent.errors import UsageError
from reticent.sample import library, names, schema
from reticent.sample.book import Truth

TODAY = date(2026, 11, 23)
Built = tuple[sqlite3.Connection, Truth]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    path = tmp_path_factory.mktemp("library") / "koha.db"
    truth = library.build(path, patrons=400, years=4, today=TODAY)
    connection = sqlite3.connect(path)
    yield connection, truth
    connection.close()


def _ask(built: Built, sql: str, *values: object) -> int:
    number: int = built[0].execute(sql.replace("{today}", f"'{TODAY} 00:00:00'"), values).fetchone()[0]
    return number


def test_every_mapped_table_has_rows_and_truth_counts_them(built: Built) -> None:
    for table in schema.mapped_tables():
        assert _ask(built, f"SELECT COUNT(*) FROM {table}") == built[1].rows[table] > 0, table


PERSON = {
    "issues": "borrowernumber", "statistics": "borrowernumber", "items_last_borrower": "borrowernumber",
    "reserves": "borrowernumber", "old_reserves": "borrowernumber", "accountlines": "borrowernumber",
    "illrequests": "borrowernumber", "suggestions": "suggestedby", "linktracker": "borrowernumber",
    "message_queue": "borrowernumber", "recalls": "patron_id", "bookings": "patron_id", "virtualshelves": "owner",
    "return_claims": "borrowernumber", "tickets": "reporter_id", "virtualshelfshares": "borrowernumber",
}  # fmt: skip


@pytest.mark.parametrize("table", PERSON)
def test_rows_tied_to_a_person(built: Built, table: str) -> None:
    assert _ask(built, f"SELECT COUNT(*) FROM {table} WHERE {PERSON[table]} IS NOT NULL") == built[1].tied[table]


def test_ties_that_need_more_than_a_column(built: Built) -> None:
    tied = built[1].tied
    anonymous = built[1].anonymous_patron
    assert _ask(built, "SELECT COUNT(*) FROM old_issues WHERE borrowernumber <> ?", anonymous) == tied["old_issues"]
    assert _ask(built, "SELECT COUNT(*) FROM search_history WHERE userid <> 0") == tied["search_history"]
    assert _ask(built, "SELECT COUNT(*) FROM action_logs WHERE module <> 'SYSTEMPREFERENCE'") == tied["action_logs"]
    renewed = "SELECT COUNT(*) FROM checkout_renewals WHERE interface = 'opac' AND renewer_id IS NOT NULL"
    assert _ask(built, renewed) == tied["checkout_renewals"]
    assert _ask(built, "SELECT COUNT(*) FROM borrowers WHERE borrowernumber <> ?", anonymous) == tied["borrowers"]


def _ago(days: int) -> str:
    return f"'{TODAY - timedelta(days=days)} 00:00:00'"


OWED = "SELECT old_issue_id FROM accountlines WHERE amountoutstanding > 0 AND old_issue_id IS NOT NULL"
CLAIMED = "SELECT issue_id FROM return_claims WHERE resolved_on IS NULL"
DUE = {
    "old_issues": "borrowernumber <> 2 AND returndate < {today} AND issue_id NOT IN (" + OWED + ") AND issue_id NOT IN ("
    + CLAIMED + ") AND borrowernumber NOT IN (SELECT borrowernumber FROM borrowers WHERE privacy = 0)",
    "items_last_borrower": "created_on < {today}",
    "statistics": "borrowernumber IS NOT NULL AND datetime < {today}",
    "old_reserves": "borrowernumber IS NOT NULL AND timestamp < {today}",
    "hold_cancellation_requests": "hold_id NOT IN (SELECT reserve_id FROM reserves)",
    "club_enrollments": f"date_canceled < {_ago(30)} OR club_id IN (SELECT id FROM clubs WHERE date_end < {_ago(30)})",
    "club_holds_to_patron_holds": "hold_id IS NULL",
    "hold_groups": "hold_group_id NOT IN (SELECT hold_group_id FROM reserves WHERE hold_group_id IS NOT NULL)",
    "aqorder_users": f"ordernumber IN (SELECT ordernumber FROM aqorders WHERE datereceived < {_ago(30)})",
    "article_requests": "status = 'COMPLETED'",
    "illrequests": "borrowernumber IS NOT NULL AND completed < {today}",
    "recalls": "completed = 1",
    "return_claims": "resolved_on < {today}",
    "bookings": "status = 'completed' AND end_date < {today}",
    "curbside_pickups": f"delivered_datetime < {_ago(7)}",
    "suggestions": "suggestedby IS NOT NULL AND STATUS IN ('AVAILABLE', 'REJECTED') "
    f"AND lastmodificationdate < date({_ago(30)})",
    "search_history": "userid <> 0 AND time < {today}",
    "linktracker": "borrowernumber IS NOT NULL AND timeclicked < {today}",
    "message_queue": f"status IN ('sent', 'failed') AND updated_on < {_ago(7)}",
    "action_logs": "module IN ('CIRCULATION', 'HOLDS', 'FINES') AND timestamp < {today}",
    "background_jobs": "type = 'pseudonymize_statistic' AND status = 'finished' AND ended_on < {today}",
    "problem_reports": f"status = 'Closed' AND created_on < {_ago(14)}",
    "tickets": f"resolved_date < {_ago(14)}",
    "course_instructors": "course_id IN (SELECT course_id FROM courses WHERE enabled = 'no')",
    "borrower_password_recovery": "valid_until < {today}",
}  # fmt: skip


def test_every_due_rule_is_asked_here(built: Built) -> None:
    assert set(DUE) == set(built[1].due)


@pytest.mark.parametrize("table", DUE)
def test_rows_that_are_due(built: Built, table: str) -> None:
    assert _ask(built, f"SELECT COUNT(*) FROM {table} WHERE {DUE[table]}") == built[1].due[table] > 0
    tomorrow = DUE[table].replace("{today}", f"'{TODAY} 23:59:59'").replace(" 00:00:00'", " 23:59:59'")
    assert _ask(built, f"SELECT COUNT(*) FROM {table} WHERE {tomorrow}") == built[1].due[table], (
        "an event on the edge day"
    )


def test_planted_faults(built: Built) -> None:
    truth = built[1]
    expected = {
        "SELECT COUNT(*) FROM issues": truth.open_loans,
        f"SELECT COUNT(*) FROM old_issues WHERE issue_id IN ({OWED})": truth.loans_with_unpaid_fines,
        f"SELECT COUNT(*) FROM old_issues WHERE issue_id IN ({CLAIMED})": truth.loans_with_open_claims,
        "SELECT COUNT(*) FROM return_claims WHERE resolved_on IS NULL": truth.open_claims,
        "SELECT COUNT(*) FROM recalls WHERE completed = 0": truth.open_recalls,
        "SELECT COUNT(*) FROM old_issues WHERE returndate IS NULL": truth.loans_without_returndate,
        "SELECT COUNT(*) FROM old_issues WHERE returndate > {today}": truth.loans_returned_in_future,
        "SELECT COUNT(*) FROM old_issues WHERE borrowernumber = 2": truth.loans_anonymised,
        "SELECT COUNT(*) FROM old_issues WHERE borrowernumber IS NULL": truth.loans_of_deleted_patrons,
    }
    assert {sql: _ask(built, sql) for sql in expected} == expected
    assert all(expected.values())


def test_histories_kept_for_ever_by_category_and_by_choice(built: Built) -> None:
    truth = built[1]
    chose = "(SELECT object FROM action_logs WHERE module = 'MEMBERS' AND user = object AND interface = 'opac' AND info LIKE '%\"after\": 0%')"
    forever = "SELECT COUNT(*) FROM borrowers WHERE privacy = 0 AND borrowernumber "
    assert _ask(built, f"{forever} IN {chose}") == truth.patrons_forever_by_choice > 0
    assert _ask(built, f"{forever} NOT IN {chose}") == truth.patrons_forever_by_category > 0
    loans = (
        "SELECT COUNT(*) FROM old_issues JOIN borrowers USING (borrowernumber) WHERE privacy = 0 AND borrowernumber "
    )
    assert _ask(built, f"{loans} IN {chose}") == truth.loans_forever_by_choice > 0
    assert _ask(built, f"{loans} NOT IN {chose}") == truth.loans_forever_by_category > 0


LOAN = "FROM old_issues o WHERE (o.borrowernumber IS NULL OR o.borrowernumber = 2) AND EXISTS (SELECT 1 FROM "
RELINKS = {
    "statistics": "statistics s WHERE s.itemnumber = o.itemnumber AND s.borrowernumber IS NOT NULL "
    "AND s.datetime IN (o.issuedate, o.returndate)",
    "action_logs": "action_logs a WHERE a.module = 'CIRCULATION' AND a.action IN ('ISSUE', 'RETURN') "
    "AND a.info = CAST(o.itemnumber AS TEXT) AND a.timestamp IN (o.issuedate, o.returndate)",
    "checkout_renewals": "checkout_renewals c WHERE c.checkout_id = o.issue_id AND c.interface = 'opac' "
    "AND c.renewer_id IS NOT NULL",
    "old_reserves": "old_reserves r WHERE r.itemnumber = o.itemnumber AND r.found = 'F' AND r.borrowernumber IS NOT NULL "
    "AND date(r.timestamp) = date(o.issuedate)",
    "accountlines": "accountlines l WHERE l.old_issue_id = o.issue_id AND l.borrowernumber IS NOT NULL",
    "items_last_borrower": "items_last_borrower b WHERE b.itemnumber = o.itemnumber AND b.created_on = o.returndate",
}  # fmt: skip


def test_every_relink_is_asked_here(built: Built) -> None:
    assert set(RELINKS) == set(built[1].relinkable)


@pytest.mark.parametrize("table", RELINKS)
def test_anonymised_loans_that_can_be_relinked(built: Built, table: str) -> None:
    assert _ask(built, f"SELECT COUNT(*) {LOAN}{RELINKS[table]})") == built[1].relinkable[table] > 0


def test_orphan_numbers(built: Built) -> None:
    nobody = "NOT IN (SELECT borrowernumber FROM borrowers)"
    wheres = {
        "statistics": f"borrowernumber {nobody}",
        "action_logs": f"module IN ('CIRCULATION', 'FINES') AND object {nobody}",
        "search_history": f"userid <> 0 AND userid {nobody}",
    }
    assert {t: _ask(built, f"SELECT COUNT(*) FROM {t} WHERE {w}") for t, w in wheres.items()} == built[1].orphans
    resolvable = "SELECT COUNT(*) FROM statistics JOIN deletedborrowers USING (borrowernumber)"
    assert 0 < _ask(built, resolvable) < built[1].orphans["statistics"]


def test_checkouts_by_year(built: Built) -> None:
    years = "SELECT CAST(strftime('%Y', datetime) AS INTEGER), COUNT(*) FROM statistics WHERE type = 'issue' GROUP BY 1"
    assert dict(built[0].execute(years).fetchall()) == built[1].checkouts_by_year


def test_every_hostile_name_has_an_account(built: Built) -> None:
    there = set(built[0].execute("SELECT firstname, surname FROM borrowers"))
    assert set(names.HOSTILE) <= there


def test_references_hold_except_where_koha_lets_them_dangle(built: Built) -> None:
    broken = {(table, parent) for table, _, parent, _ in built[0].execute("PRAGMA foreign_key_check")}
    assert broken == set()


def test_nobody_borrows_when_the_doors_are_shut_and_no_item_is_out_twice(built: Built) -> None:
    shut = "SELECT COUNT(*) FROM old_issues WHERE branchcode = 'EAST' AND strftime('%w', issuedate) IN ('0', '1')"
    assert _ask(built, shut) == 0
    night = "SELECT COUNT(*) FROM old_issues WHERE time(issuedate) NOT BETWEEN '09:00:00' AND '20:00:00'"
    assert _ask(built, night) == 0
    twice = (
        "SELECT COUNT(*) FROM old_issues a JOIN old_issues b ON a.itemnumber = b.itemnumber AND a.issue_id < b.issue_id "
        "WHERE b.issuedate < a.returndate AND a.returndate < {today}"
    )
    assert _ask(built, twice) == 0


def test_the_same_seed_gives_the_same_library_and_another_another(tmp_path: Path) -> None:
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        library.build(tmp_path / name, patrons=150, years=1, seed=seed, today=TODAY)
        connection = sqlite3.connect(tmp_path / name)
        digests.append(hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest())
        connection.close()
    assert digests[0] == digests[1] != digests[2]


def test_a_library_that_cannot_be_built_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 150 patrons"):
        library.build(tmp_path / "x", patrons=10, today=TODAY)
    (tmp_path / "y").touch()
    with pytest.raises(UsageError, match="already there"):
        library.build(tmp_path / "y", today=TODAY)
