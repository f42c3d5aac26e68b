"""The Koha map's severing once more, as literal SQL for SQLite written from the facts, not from the map's code.

Each line: series, table, what is written (empty: the row is deleted), which rows. Run in order on a
copy of the same library they must leave the very same tables that ``reticent sever`` leaves.
"""
# ruff: noqa: ISC004 - a library's own database keeps naive local times

from __future__ import annotations

import contextlib
import sqlite3
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

ANONYMOUS = 2
CIRC = "('CIRCULATION','HOLDS','RECALLS','FINES','SEARCH','ILL','BOOKINGS','CLAIMS','NOTICES')"
NO_PATRON = "('CATALOGUING','SERIAL','ACQUISITIONS','AUTHORITIES','SYSTEMPREFERENCE','CRONJOBS','REPORTS','NEWS')"
STAFF = "(SELECT borrowernumber FROM borrowers WHERE flags <> 0 UNION SELECT borrowernumber FROM user_permissions)"
OWED = (
    "(SELECT issue_id FROM accountlines WHERE amountoutstanding <> 0 AND issue_id IS NOT NULL"
    " UNION SELECT old_issue_id FROM accountlines WHERE amountoutstanding <> 0 AND old_issue_id IS NOT NULL)"
)
CONSENTED = (
    "(SELECT borrowernumber FROM patron_consent WHERE type = 'READING_HISTORY' AND given_on IS NOT NULL"
    " AND refused_on IS NULL)"
)
CITATION = (
    "('title','author','article_title','article_author','container_title','editor','publisher','published_date',"
    "'published_place','place','year','volume','issue','part_edition','pages','chapter','chapter_author','item_date',"
    "'isbn','issn','eissn','doi','pubmedid','pmid','lccn','oclc','type','medium','genre','language',"
    "'conference_date','institution','venue')"
)


def _is(column: str) -> str:
    return f"{column} IS NOT NULL AND {column} <> {ANONYMOUS}"


def _of(table: str, key: str, own: str, condition: str) -> str:
    return f"{own} IN (SELECT {key} FROM {table} WHERE {condition})"


_RESOLVED = _of("tickets", "id", "ticket_id", "resolved_date < {d14}")
_ILL_DONE = _of("illrequests", "illrequest_id", "illrequest_id", "completed < {now}")
_DECIDED = "STATUS IN ('AVAILABLE','REJECTED')"

STATEMENTS: list[tuple[str, str, str, str]] = [
    ("action_logs.circulation", "action_logs", "", f"module IN {CIRC} AND timestamp < {{now}}"),
    (
        "action_logs.patron", "action_logs", "object = NULL, info = NULL, diff = NULL, trace = NULL",
        f"(module IS NULL OR module NOT IN {CIRC} AND module NOT IN {NO_PATRON})"
        " AND (object IS NOT NULL OR info IS NOT NULL OR trace IS NOT NULL) AND timestamp < {d30}",
    ),
    ("action_logs.staff", "action_logs", "user = 0", "user <> 0 AND timestamp < {d365}"),
    (
        "background_jobs", "background_jobs", "borrowernumber = NULL, data = NULL, context = NULL",
        "type IS NOT 'pseudonymize_statistic' AND status IN ('finished','failed','cancelled') AND ended_on < {d30}"
        " AND (borrowernumber IS NOT NULL OR data IS NOT NULL OR context IS NOT NULL)",
    ),
    (
        "background_jobs.statistics", "background_jobs", "",
        "type = 'pseudonymize_statistic' AND status IN ('finished','failed','cancelled') AND ended_on < {now}",
    ),
    (
        "checkout_renewals", "checkout_renewals", "renewer_id = NULL",
        f"{_is('renewer_id')} AND renewer_id NOT IN {STAFF} AND timestamp < {{now}}"
        " AND checkout_id NOT IN (SELECT issue_id FROM issues)",
    ),
    (
        "checkout_renewals.staff", "checkout_renewals", "renewer_id = NULL",
        f"{_is('renewer_id')} AND renewer_id IN {STAFF} AND timestamp < {{d365}}",
    ),
    (
        "club_enrollment_fields", "club_enrollment_fields", "",
        _of("club_enrollments", "id", "club_enrollment_id", "date_canceled < {d30}"),
    ),
    (
        "club_holds_to_patron_holds", "club_holds_to_patron_holds", "",
        f"{_is('patron_id')} AND (hold_id IS NULL OR hold_id NOT IN (SELECT reserve_id FROM reserves))",
    ),
    (
        "curbside_pickup_issues", "curbside_pickup_issues", "",
        _of("curbside_pickups", "id", "curbside_pickup_id", "scheduled_pickup_datetime < {d7}"),
    ),
    (
        "hold_cancellation_requests", "hold_cancellation_requests", "",
        "hold_id NOT IN (SELECT reserve_id FROM reserves)",
    ),
    ("illcomments", "illcomments", "borrowernumber = NULL, comment = NULL",
     f"(borrowernumber IS NOT NULL OR comment IS NOT NULL) AND {_ILL_DONE}"),
    ("illrequestattributes", "illrequestattributes", "", f"type NOT IN {CITATION} AND {_ILL_DONE}"),
    ("items_last_borrower", "items_last_borrower", "", f"{_is('borrowernumber')} AND created_on < {{now}}"),
    ("linktracker", "linktracker", "borrowernumber = NULL, url = NULL", f"{_is('borrowernumber')} AND timeclicked < {{d7}}"),
    ("message_queue", "message_queue", "", "status <> 'pending' AND time_queued < {d7}"),
    ("return_claims", "return_claims", "", f"{_is('borrowernumber')} AND resolved_on < {{now}}"),
    ("saved_reports", "saved_reports", "", "date_run < {d30}"),
    ("search_history", "search_history", "", "time < {now}"),
    ("sessions", "sessions", "", "1 = 1"),
    ("ticket_updates", "ticket_updates", f"user_id = {ANONYMOUS}, message = ''", f"{_is('user_id')} AND {_RESOLVED}"),
    ("ticket_updates.staff", "ticket_updates", "assignee_id = NULL", f"{_is('assignee_id')} AND date < {{d365}}"),
    (
        "tmp_holdsqueue", "tmp_holdsqueue", "",
        f"{_is('borrowernumber')} AND NOT EXISTS (SELECT 1 FROM reserves r WHERE r.borrowernumber ="
        " tmp_holdsqueue.borrowernumber AND r.biblionumber = tmp_holdsqueue.biblionumber)",
    ),
    ("alert", "alert", "", f"{_is('borrowernumber')} AND borrowernumber NOT IN (SELECT borrowernumber FROM borrowers)"),
    (
        "article_requests", "article_requests",
        f"borrowernumber = {ANONYMOUS}, patron_notes = NULL, notes = NULL, urls = NULL",
        f"{_is('borrowernumber')} AND status IN ('COMPLETED','CANCELED') AND updated_on < {{now}} AND (debit_id IS NULL"
        " OR debit_id NOT IN (SELECT accountlines_id FROM accountlines WHERE amountoutstanding <> 0))",
    ),
    ("bookings", "bookings", f"patron_id = {ANONYMOUS}, cancellation_reason = NULL",
     f"{_is('patron_id')} AND end_date < {{now}}"),
    ("borrower_debarments", "borrower_debarments", "", f"{_is('borrowernumber')} AND expiration < {{now}}"),
    ("club_enrollments", "club_enrollments", "", f"{_is('borrowernumber')} AND date_canceled < {{d30}}"),
    ("course_instructors", "course_instructors", "",
     f"{_is('borrowernumber')} AND course_id IN (SELECT course_id FROM courses WHERE enabled = 'no')"),
    ("creator_batches", "creator_batches", "", f"{_is('borrower_number')} AND timestamp < {{now}}"),
    ("curbside_pickups", "curbside_pickups", "",
     f"{_is('borrowernumber')} AND scheduled_pickup_datetime < {{d7}}"),
    ("housebound_visit", "housebound_visit", "", f"{_is('borrowernumber')} AND appointment_date < {{d7}}"),
    ("illbatches", "illbatches", "patron_id = NULL", f"{_is('patron_id')} AND status_code = 'COMPLETED'"),
    ("messages", "messages", "", f"{_is('borrowernumber')} AND message_date < {{d365}}"),
    (
        "old_issues", "old_issues",
        "issuer_id = CASE WHEN issuer_id = borrowernumber THEN NULL ELSE issuer_id END, note = NULL, notedate = NULL,"
        " booking_id = NULL,"
        f" borrowernumber = {ANONYMOUS}",
        f"({_is('borrowernumber')} OR note IS NOT NULL) AND returndate < {{now}} AND issue_id NOT IN {OWED}"
        " AND issue_id NOT IN (SELECT issue_id FROM return_claims WHERE resolved_on IS NULL AND issue_id IS NOT NULL)"
        f" AND (borrowernumber IS NULL OR borrowernumber NOT IN {CONSENTED})",
    ),
    ("old_reserves", "old_reserves", f"borrowernumber = {ANONYMOUS}, reservenotes = NULL, hold_group_id = NULL",
     f"({_is('borrowernumber')} OR reservenotes IS NOT NULL) AND timestamp < {{now}}"),
    ("problem_reports", "problem_reports", "",
     f"{_is('borrowernumber')} AND status = 'Closed' AND created_on < {{d14}}"),
    ("recalls", "recalls", f"patron_id = {ANONYMOUS}, notes = NULL",
     f"{_is('patron_id')} AND completed = 1 AND completed_date < {{now}}"),
    ("saved_sql", "saved_sql", "borrowernumber = NULL", f"{_is('borrowernumber')} AND last_modified < {{d365}}"),
    ("suggestions", "suggestions", "suggestedby = NULL, patronreason = NULL, reason = NULL, note = NULL, staff_note = NULL",
     f"({_is('suggestedby')} OR COALESCE(patronreason, reason, note, staff_note) IS NOT NULL)"
     f" AND {_DECIDED} AND date < {{d30}}"),
    (
        "suggestions.staff", "suggestions",
        "managedby = NULL, acceptedby = NULL, rejectedby = NULL, lastmodificationby = NULL",
        f"{_DECIDED} AND date < {{d365}} AND (managedby IS NOT NULL OR acceptedby IS NOT NULL OR rejectedby IS NOT"
        " NULL OR lastmodificationby IS NOT NULL)",
    ),
    ("tickets", "tickets", f"reporter_id = {ANONYMOUS}, title = '', body = ''",
     f"{_is('reporter_id')} AND resolved_date < {{d14}}"),
    ("tickets.staff", "tickets", "assignee_id = NULL, resolver_id = NULL",
     "resolved_date < {d365} AND (assignee_id IS NOT NULL OR resolver_id IS NOT NULL)"),
    ("uploaded_files", "uploaded_files", "owner = NULL", f"{_is('owner')} AND dtcreated < {{d365}}"),
    (
        "old_issues.self", "old_issues", "issuer_id = NULL",
        f"{_is('issuer_id')} AND issuer_id NOT IN {STAFF} AND (borrowernumber IS NULL OR borrowernumber = {ANONYMOUS})"
        " AND (returndate < {now} OR returndate IS NULL)",
    ),
    ("old_issues.staff", "old_issues", "issuer_id = NULL",
     f"{_is('issuer_id')} AND issuer_id IN {STAFF} AND returndate < {{d365}}"),
    (
        "illrequests", "illrequests",
        "borrowernumber = NULL, notesopac = NULL, notesstaff = NULL, accessurl = NULL, orderid = NULL",
        "completed < {now} AND (borrowernumber IS NOT NULL OR notesopac IS NOT NULL OR notesstaff IS NOT NULL"
        " OR accessurl IS NOT NULL)",
    ),
    (
        "hold_groups", "hold_groups", "",
        f"{_is('borrowernumber')} AND hold_group_id NOT IN"
        " (SELECT hold_group_id FROM reserves WHERE hold_group_id IS NOT NULL)",
    ),
    (
        "aqorder_users", "aqorder_users", "",
        f"{_is('borrowernumber')} AND ordernumber IN (SELECT ordernumber FROM aqorders WHERE datereceived < {{d30}}"
        " OR (datereceived IS NULL AND datecancellationprinted IS NOT NULL))",
    ),
    ("illrequests.staff", "illrequests", "managedby = NULL", f"{_is('managedby')} AND completed < {{d365}}"),
    ("pseudonymized_metadata_values", "pseudonymized_metadata_values", "",
     _of("pseudonymized_transactions", "id", "transaction_id", "datetime < {now}")),
    ("pseudonymized_borrower_attributes", "pseudonymized_borrower_attributes", "",
     _of("pseudonymized_transactions", "id", "transaction_id", "datetime < {now}")),
    (
        "accountlines.titles", "accountlines",
        "itemnumber = NULL, issue_id = NULL, old_issue_id = NULL, reserve_id = NULL, old_reserve_id = NULL, description = NULL, note = NULL",
        f"({_is('borrowernumber')} OR description IS NOT NULL OR note IS NOT NULL)"
        " AND amountoutstanding = 0 AND timestamp < {d30} AND (issue_id IS NULL OR issue_id"
        " NOT IN (SELECT issue_id FROM issues)) AND (reserve_id IS NULL OR reserve_id NOT IN (SELECT reserve_id FROM"
        " reserves)) AND (reserve_id IS NOT NULL OR old_reserve_id IS NOT NULL OR itemnumber IS NOT NULL OR issue_id IS NOT NULL OR old_issue_id"
        " IS NOT NULL OR description IS NOT NULL OR note IS NOT NULL)",
    ),
    (
        "pseudonymized_transactions", "pseudonymized_transactions",
        "hashed_borrowernumber = '', title = NULL, city = NULL, state = NULL, zipcode = NULL, country = NULL,"
        " dateenrolled = NULL, sex = NULL, sort1 = NULL, sort2 = NULL,"
        " datetime = strftime('%Y-%m-%d 00:00:00', datetime)",
        "hashed_borrowernumber <> '' AND datetime < {now}",
    ),
    (
        "statistics", "statistics", "borrowernumber = NULL, datetime = strftime('%Y-%m-%d %H:00:00', datetime)",
        f"{_is('borrowernumber')} AND (datetime < {{now}} OR datetime IS NULL)",
    ),
    ("accountlines.payer", "accountlines", "borrowernumber = NULL",
     f"{_is('borrowernumber')} AND amountoutstanding = 0 AND timestamp < {{now}}"),
    ("accountlines.staff", "accountlines", "manager_id = NULL", f"{_is('manager_id')} AND date < {{now}}"),
    ("cash_register_actions", "cash_register_actions", f"manager_id = {ANONYMOUS}",
     f"{_is('manager_id')} AND timestamp < {{now}}"),
    ("borrower_modifications", "borrower_modifications", "", "timestamp < {now}"),
    ("borrower_password_recovery", "borrower_password_recovery", "",
     f"{_is('borrowernumber')} AND valid_until < {{d30}}"),
    ("discharges", "discharges", "", f"{_is('borrower')} AND validated < {{now}}"),
    ("deletedborrowers", "deletedborrowers", "", f"{_is('borrowernumber')} AND updated_on < {{now}}"),
]  # fmt: skip

GONE_WITH_ACCOUNT = {
    "reviews", "ratings", "tags_all", "virtualshelves", "virtualshelfcontents", "virtualshelfshares",
    "housebound_profile", "subscriptionroutinglist", "patron_list_patrons", "borrower_files", "borrower_attributes",
    "patronimage", "patron_consent", "api_keys", "alert", "tmp_holdsqueue",
}  # fmt: skip
"""Series that are due only when the account is gone; the sample has none of those."""


def moments(now: datetime) -> dict[str, str]:
    """Return the quoted cutoffs: now, and so many days ago."""
    days = {"now": 0, "d7": 7, "d14": 14, "d30": 30, "d365": 365}
    return {name: f"'{(now - timedelta(days=n)).replace(microsecond=0)}'" for name, n in days.items()}


def due(file: Path, now: datetime) -> dict[str, int]:
    """Return series -> rows due in an SQLite copy, by literal SQL."""
    found: dict[str, int] = {}
    with contextlib.closing(sqlite3.connect(file)) as connection:
        for series, table, _, where in STATEMENTS:
            sql = f"SELECT COUNT(*) FROM {table} WHERE {where.format(**moments(now))}"
            found[series] = connection.execute(sql).fetchone()[0]
    return found


def severed(file: Path, now: datetime, series: set[str]) -> dict[str, int]:
    """Sever an SQLite copy by literal SQL; return series -> rows changed."""
    found: dict[str, int] = {}
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for name, table, change, where in STATEMENTS:
            if name in series:
                begin = f"UPDATE {table} SET {change}" if change else f"DELETE FROM {table}"
                found[name] = connection.execute(f"{begin} WHERE {where.format(**moments(now))}").rowcount
        connection.commit()
    return found


def plain(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows so that SQLite's and MariaDB's compare: one text a row, sorted."""
    return sorted(repr([(name, _plain(value)) for name, value in sorted(row.items())]) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, int | float | Decimal):
        return f"{float(value):.6f}"
    if isinstance(value, datetime):
        return str(value.replace(microsecond=0)).removesuffix(" 00:00:00")
    if isinstance(value, date):
        return str(value)
    return value.removesuffix(" 00:00:00") if isinstance(value, str) else value
