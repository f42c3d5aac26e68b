"""Koha on a real MariaDB, with every table of the line after 25.11 that was read, and of two older releases."""

from __future__ import annotations

import csv
from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from tests.maps import tables
from tests.maps.acceptance import promise
from tests.maps.case import Case
from tests.maps.marks import names_in
from tests.maps.planting import Person
from tests.maps.stage import staged
from tests.servers import Server
from tests.systems import koha_releases

from reticent.sample import schema
from reticent.systems.load import shipped


class Koha(Case):
    """Koha's tables are facts of the sample library, not of the map alone."""

    @cached_property
    def tables(self) -> dict[str, list[tables.Column]]:
        return {
            name: [
                tables.Column(
                    name,
                    c.name,
                    c.type,
                    c.nullable,
                    c.key,
                    "" if c.fk.startswith("authorised_values.") else c.fk,
                    schema.is_touched(c, self.release),
                )
                for c in columns
            ]
            for name, columns in koha_releases.tables(self.release).items()
        }


def loan(person: Person) -> int:
    """A loan, or a hold, that is not open any more."""
    return 78_500_000 + person.first // 1_000_000 * 100 + person.index


def over(person: Person) -> int:
    """A bystander's loan that is over, and for which something is owed."""
    return person.first + 700


def number(person: Person) -> int:
    return person.number


TYPES = cycle(("issue", "renew", "return", "localuse"))
NOBODY = 76_000_001
"""The stand-in patron."""
SALE = 76_500_001
"""Twelve copies sold at the till to nobody the library knows: the quantity stands in the note."""
PLAIN = """
accountlines: accounttype credit_number credit_type_code debit_type_code interface payment_type status
action_logs: action interface module script
additional_fields: name tablename
aqbudgets: budget_branchcode budget_code budget_name
article_requests: author cancellation_reason chapters date issue pages title volume
background_jobs: queue type
biblio: author title
biblioitems: cn_class isbn itemtype publishercode
bookings: pickup_library_id
borrower_attribute_types: description
branches: branchaddress1 branchcity branchemail branchillemail branchname branchphone branchzip
cash_register_actions: code
categories: description
club_template_enrollment_fields: description name
club_templates: description name
clubs: description name
courses: course_name course_number department term
illbatches: backend library_id
illrequests: backend cost medium price_paid status status_alias
issues: auto_renew_error branchcode checkin_library
items: ccode itemcallnumber itype location
itemtypes: description
old_issues: auto_renew_error branchcode checkin_library
old_reserves: branchcode cancellation_reason
pseudonymized_transactions: branchcode categorycode ccode holdingbranch homebranch itemcallnumber itemtype location
pseudonymized_transactions: transaction_branchcode transaction_type
recalls: pickup_library_id
search_history: type
statistics: branch categorycode ccode interface itemtype location other
subscription: branchcode librarian status
suggestions: author collectiontitle currency isbn itemtype place publishercode title volumedesc
systempreferences: explanation options type value
ticket_updates: status
uploaded_files: dir hashvalue uploadcategorycode
"""
"""Columns that say what a thing is, where it is or how far it is; never a patron."""
KEYS = {
    "borrower_attribute_types.code": "A",
    "items.barcode": "C",
    "message_transport_types.message_transport_type": "M",
    "sms_providers.name": "P",
    "sms_providers.domain": "P",
    "systempreferences.variable": "S",
    "user_permissions.code": "R",
}


def plain() -> dict[str, Any]:
    said: dict[str, Any] = {}
    for table, _, names in (line.partition(": ") for line in PLAIN.strip().splitlines()):
        said |= dict.fromkeys((f"{table}.{name}" for name in names.split()), "x")
    return said | {
        place: lambda person, word=word: f"{word}{person.mark[0]}{person.index}" for place, word in KEYS.items()
    }


VALUES: dict[str, Any] = {
    **plain(),
    "checkout_renewals.checkout_id": loan,
    "accountlines.issue_id": None,
    "accountlines.reserve_id": None,
    "club_holds_to_patron_holds.hold_id": None,
    "hold_cancellation_requests.hold_id": loan,
    "biblio.biblionumber": lambda person: person.first + 600 + person.index - 1,
    "borrower_debarments.manager_id": number,
    "borrower_modifications.borrowernumber": number,
    "curbside_pickups.delivered_by": number,
    "categories.BlockExpiredPatronOpacActions": 0,
    "pseudonymized_transactions.sex": "F",
    "borrowers.privacy": 1,
    "borrowers.flags": 0,
    "borrowers.dateexpiry": "2099-12-31",
    "checkout_renewals.interface": "opac",
    "statistics.type": lambda _: next(TYPES),
    "article_requests.status": "COMPLETED",
    "illbatches.status_code": "COMPLETED",
    "illrequestattributes.type": "cardnumber",
    "recalls.completed": 1,
    "accountlines.amountoutstanding": 0,
    "suggestions.STATUS": "REJECTED",
    "message_queue.status": "sent",
    "background_jobs.status": "finished",
    "problem_reports.status": "Closed",
    "tickets.status": "RESOLVED",
    "courses.enabled": "no",
}
DUE: dict[str, Any] = {
    "checkout_renewals.staff": {"interface": "intranet"},
    "old_issues.self": {"borrowernumber": None},
    "old_issues.staff": {"onsite_checkout": 1},
    "action_logs.circulation": {"module": "CIRCULATION"},
    "action_logs.patron": {"module": "MEMBERS"},
    "background_jobs.statistics": {"type": "pseudonymize_statistic"},
}
AROUND = (
    "SET SESSION sql_mode = ''",
    (
        "INSERT INTO borrowers (borrowernumber, cardnumber, categorycode, branchcode) "
        f"SELECT {NOBODY}, 'nobody', categorycode, branchcode FROM borrowers LIMIT 1"
    ),
    (
        "INSERT INTO accountlines (accountlines_id, amount, amountoutstanding, note, interface, date, timestamp) "
        f"VALUES ({SALE}, 3, 0, '12', 'intranet', '2020-03-02', '2020-03-02')"
    ),
    f"INSERT INTO systempreferences (variable, value) VALUES ('AnonymousPatron', '{NOBODY}'), ('Version', '25.1200000')",
)
STAFF = (
    "CREATE TEMPORARY TABLE staff SELECT * FROM borrowers WHERE borrowernumber BETWEEN 77000001 AND 77000003",
    "UPDATE staff SET borrowernumber = borrowernumber + 3, cardnumber = REPLACE(cardnumber, '-', '-s-')",
    "UPDATE staff SET userid = cardnumber, flags = 1",
    "INSERT INTO borrowers SELECT * FROM staff",
    "DROP TABLE staff",
    "UPDATE user_permissions SET borrowernumber = borrowernumber + 3 WHERE borrowernumber > 77000000",
    "UPDATE checkout_renewals SET renewer_id = renewer_id + 3 WHERE interface = 'intranet' AND renewer_id > 77000000",
    "UPDATE old_issues SET issuer_id = issuer_id + 3 WHERE onsite_checkout = 1 AND issuer_id > 77000000",
)
"""Three marked people more work at the desk; 19.06 does not say at whose (the last two)."""
UNTIL_THE_ACCOUNT_ENDS = frozenset({
    "alert", "api_keys", "borrower_attributes", "borrower_files", "housebound_profile", "patron_consent",
    "patron_list_patrons", "patronimage", "ratings", "reviews", "subscriptionroutinglist", "tags_all",
    "virtualshelfcontents", "virtualshelfshares", "virtualshelves",
})  # fmt: skip
"""The server takes the patron out of these, or the row, when the account goes."""
STAYS = {
    **dict.fromkeys(UNTIL_THE_ACCOUNT_ENDS, "the patron's own, for as long as the account is open"),
    "borrowers": "the account is open: Koha's own deletion ends it",
    "borrower_relationships": "a minor's account is open",
    "issues": "on loan",
    "reserves": "the hold is open",
    "hold_fill_targets": "the hold is open",
    "hold_groups": "a hold of the group is open",
    "pending_offline_operations": "not yet processed by Koha",
    "plugin_data": "counted, never read: the map cannot know what is in it",
    "additional_field_values": "counted, never read: the map cannot know what is in it",
    "saved_sql": "what staff wrote, with the author severed",
    "uploaded_files.filename": "what staff named, with the owner severed",
    "illbatches.name": "what staff named, with the patron severed",
    "patron_lists": "a staff duty, not a use",
    "aqorders.created_by": "a staff duty, not a use",
    "user_permissions.borrowernumber": "the rights of staff",
}
HELD_BY_KEYS = dict.fromkeys(
    ("accountlines.titles: issue_id", "accountlines.titles: reserve_id"), "points to what is open, and goes with it"
)
LATER = "2037-03-02 10:00:00"
ALIVE: dict[str, tuple[dict[str, Any], ...]] = {
    "issues": ({},),
    "reserves": ({"reserve_id": lambda person: person.first + 500},),
    "old_issues": ({"issue_id": over},),
    "accountlines": ({"amountoutstanding": Decimal("5.000000"), "manager_id": None},),
    "return_claims": ({"resolved_on": None},),
    "message_queue": ({"status": "pending"},),
    "tmp_holdsqueue": ({"biblionumber": lambda person: person.first + 600},),
    "hold_groups": ({},),
    "hold_cancellation_requests": ({"hold_id": lambda person: person.first + 500},),
    "club_holds_to_patron_holds": ({"hold_id": lambda person: person.first + 500},),
    "tickets": ({"resolved_date": None},),
    "ticket_updates": ({"assignee_id": None},),
    "illrequests": ({"completed": None},),
    "illcomments": ({},),
    "illrequestattributes": ({},),
    "illbatches": ({"status_code": "NEW"},),
    "club_enrollments": ({"date_canceled": None},),
    "club_enrollment_fields": ({},),
    "recalls": ({"completed": 0},),
    "bookings": ({"end_date": LATER},),
    "article_requests": ({"status": "PENDING"},),
    "curbside_pickups": ({"scheduled_pickup_datetime": LATER},),
    "curbside_pickup_issues": ({},),
    "housebound_visit": ({"appointment_date": LATER[:10]},),
    "suggestions": ({"STATUS": "ASKED"},),
    "problem_reports": ({"status": "New"},),
    "borrower_debarments": ({"expiration": None},),
    "background_jobs": ({"status": "started"},),
    "borrower_password_recovery": ({"valid_until": LATER},),
    "discharges": ({"validated": None},),
}
PEOPLE = csv.DictReader(Path(koha_releases.__file__).with_name("koha-person-columns.csv").read_text().splitlines())
COLUMNS = {f"{row['table']}.{name}" for row in PEOPLE for name in row["person_columns"].split()}
"""Every column of Koha that says who, as its tables were read."""
NO_MARK = {"borrowers.dateofbirth", "borrowers.sex", "pseudonymized_transactions.dateenrolled",
           "pseudonymized_transactions.sex"}  # fmt: skip


def koha(release: str) -> Koha:
    there = koha_releases.tables(release)
    keyed = any(column.name == "old_issue_id" for column in there["accountlines"])
    owed = {} if keyed else {"issue_id": over}
    return Koha(
        "koha",
        release,
        values=VALUES if keyed else {**VALUES, "accountlines.issue_id": loan},
        due=DUE,
        alive={**ALIVE, "accountlines": ({**ALIVE["accountlines"][0], **owed},)},
        stays={place: why for place, why in STAYS.items() if place.partition(".")[0] in there},
        unmarked=HELD_BY_KEYS if keyed else {},
        nobodys={"linktracker": "a click of nobody is a count"},
        never_due=UNTIL_THE_ACCOUNT_ENDS & set(there),
        before=(*AROUND, *(STAFF[:-2] if release == "19.06" else STAFF)),
    )


def test_every_relink_of_the_facts_is_tried() -> None:
    loaded = shipped("koha")
    joined = {
        "statistics", "action_logs.circulation", "checkout_renewals", "old_reserves", "accountlines.titles",
        "items_last_borrower",
    }  # fmt: skip
    assert joined <= {relink.series for relink in loaded.relinks}
    assert any("deletedborrowers" in relink.sql for relink in loaded.relinks)


SHORT = {"25.12"}


@pytest.mark.parametrize(
    "release", [r if r in SHORT else pytest.param(r, marks=pytest.mark.soak) for r in koha_releases.RELEASES]
)
def test_koha(release: str, tmp_path: Path, mariadb: Server, fresh_database: Callable[[Server], str]) -> None:
    case = koha(release)
    stage = staged(case, tmp_path, fresh_database(mariadb), mariadb)
    there = {f"{table}.{column.name}" for table, columns in case.tables.items() for column in columns}
    assert (COLUMNS & there) - names_in(stage.snapshot()) == NO_MARK & there
    promise(stage)
    [sale] = [row for row in stage.snapshot()["accountlines"] if row["accountlines_id"] == SALE]
    assert (sale["note"], sale["amount"]) == ("12", 3), "what was sold to nobody is a statistic"
