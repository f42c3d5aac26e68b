"""The back office: what staff keep about patrons, reports they ran, files they forgot."""

from __future__ import annotations

import json
import random
from datetime import datetime, time, timedelta

from reticent.sample.book import Book
from reticent.sample.catalogue import Catalogue
from reticent.sample.people import STAFF, Patron, Town
from reticent.sample.traces import Traced

_PICTURE = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")


def everything(book: Book, rng: random.Random, town: Town, catalogue: Catalogue, traced: list[Traced]) -> None:
    """Write the records of the back office."""
    for write in (_accounts, _families, _notes, _housebound, _money, _leftovers):
        write(book, rng, town)
    _bad_dates(book, traced)
    _choices(book, rng, town)
    _reports(book, rng, town, traced)
    for item in rng.sample(catalogue.items, 5):
        book.add("creator_batches", batch_id=2, item_number=item.number, borrower_number=None,
                 branch_code="MAIN", tied=False)  # fmt: skip


def _at(book: Book, rng: random.Random, low: int, high: int) -> datetime:
    day = book.today - timedelta(days=rng.randrange(low, high))
    return datetime.combine(day, time(10)) + timedelta(minutes=rng.randrange(360))


def _accounts(book: Book, rng: random.Random, town: Town) -> None:
    book.plain("borrower_attribute_types", code="STUDENT_ID", description="School district number",
               unique_id=1)  # fmt: skip
    book.plain("borrower_attribute_types", code="SCHOOL", description="School", keep_for_pseudonymization=1)
    for patron in town.current:
        if patron.category in {"JV", "YA"}:
            book.add("borrower_attributes", borrowernumber=patron.number, code="STUDENT_ID",
                     attribute=f"D{patron.number:07d}")  # fmt: skip
            book.add("borrower_attributes", borrowernumber=patron.number, code="SCHOOL",
                     attribute=f"Lakeside {patron.number % 3 + 1}")  # fmt: skip
        if patron.number % 9 == 0:
            book.add("patronimage", borrowernumber=patron.number, mimetype="image/jpeg", imagefile=_PICTURE)
        if patron.number % 3 == 0:
            book.add("patron_consent", borrowernumber=patron.number, type="GDPR_PROCESSING",
                     given_on=patron.enrolled)  # fmt: skip
        if patron.number % 41 == 0:
            book.add("creator_batches", batch_id=1, item_number=None, borrower_number=patron.number,
                     branch_code=patron.branch, creator="Patroncards")  # fmt: skip
    for number in range(1, book.rows["pseudonymized_transactions"] + 1, 60):
        book.add("pseudonymized_borrower_attributes", transaction_id=number, code="SCHOOL",
                 attribute=f"Lakeside {number % 3 + 1}")  # fmt: skip
        book.add("pseudonymized_metadata_values", transaction_id=number, tablename="borrower_attributes",
                 key="SCHOOL", value=f"Lakeside {number % 3 + 1}")  # fmt: skip
    for n, patron in enumerate(rng.sample(town.current, min(len(town.current), 16))):
        waiting = n < 4
        book.add("borrower_modifications", timestamp=_at(book, rng, 2, 300),
                 verification_token=f"{rng.getrandbits(128):032x}", changed_fields="phone",
                 borrowernumber=patron.number if n % 3 else 0, surname=patron.surname, firstname=patron.given,
                 phone=patron.phone, email=patron.email)  # fmt: skip
        book.add("borrower_password_recovery", borrowernumber=patron.number,
                 uuid=f"{rng.getrandbits(128):032x}",
                 valid_until=book.midnight + timedelta(days=1 if waiting else -90),
                 due=not waiting)  # fmt: skip


def _families(book: Book, rng: random.Random, town: Town) -> None:
    adults = [patron for patron in town.current if patron.category == "AD"]
    for child in (patron for patron in town.current if patron.category == "JV"):
        guarantor = rng.choice(adults)
        book.add("borrower_relationships", guarantor_id=guarantor.number, guarantee_id=child.number,
                 relationship="parent")  # fmt: skip
    book.plain("patron_lists", name="Overdue phone calls, March", owner=STAFF.start, shared=0)
    for patron in rng.sample(town.current, min(len(town.current), 30)):
        book.add("patron_list_patrons", patron_list_id=1, borrowernumber=patron.number)


def _notes(book: Book, rng: random.Random, town: Town) -> None:
    for n in range(max(30, len(town.current) // 30)):
        patron, when = rng.choice(town.current), _at(book, rng, 3, 900)
        book.add("messages", borrowernumber=patron.number, branchcode=patron.branch,
                 message_type="B" if n % 2 else "L",
                 message=f"{patron.name} left a bookmark in \"The Last Almanac\"; at the desk.",
                 message_date=when, manager_id=rng.choice(STAFF),
                 patron_read_date=when + timedelta(days=1) if n % 3 else None)  # fmt: skip
        over = n % 4 != 0
        book.add("borrower_debarments", borrowernumber=patron.number, type="OVERDUES" if n % 2 else "MANUAL",
                 expiration=book.today + timedelta(days=-40 if over else 40),
                 comment=f"OVERDUES_PROCESS {when}", manager_id=rng.choice(STAFF), created=when)  # fmt: skip
    for n, patron in enumerate(rng.sample(town.current, min(len(town.current), 12))):
        book.add("borrower_files", borrowernumber=patron.number,
                 file_name=f"proof-of-address-{patron.number}.txt", file_type="text/plain",
                 file_content=f"Utility bill of {patron.name}, {patron.street}".encode(),
                 date_uploaded=_at(book, rng, 30, 700))  # fmt: skip
        book.add("discharges", borrower=patron.number, needed=_at(book, rng, 60, 90),
                 validated=_at(book, rng, 20, 50) if n % 3 else None)  # fmt: skip
        book.add("uploaded_files", hashvalue=f"{rng.getrandbits(160):040x}",
                 filename=f"scan-{patron.surname or 'x'}.pdf", dir="koha_upload", filesize=2048,
                 dtcreated=_at(book, rng, 30, 700), owner=patron.number if n % 2 else STAFF.start,
                 permanent=0, tied=bool(n % 2))  # fmt: skip


def _housebound(book: Book, rng: random.Random, town: Town) -> None:
    homebound: list[Patron] = [patron for patron in town.current if patron.category == "HB"] or town.current[:4]
    for patron in homebound:
        book.add("housebound_profile", borrowernumber=patron.number, day="tuesday", frequency="fortnightly",
                 fav_itemtypes="LP", fav_subjects="clergy mysteries; dementia caregiving",
                 fav_authors="Penhallow, Esther", notes="Ring twice.")  # fmt: skip
        for day in (60, 30, -10):
            book.add("housebound_visit", borrowernumber=patron.number,
                     appointment_date=book.today - timedelta(days=day), day_segment="morning",
                     chooser_brwnumber=STAFF.start, deliverer_brwnumber=rng.choice(STAFF))  # fmt: skip


def _money(book: Book, rng: random.Random, town: Town) -> None:
    for n in range(40):
        book.add("cash_register_actions", code="CASHUP", register_id=1, manager_id=rng.choice(STAFF),
                 amount=20.0 + n, timestamp=_at(book, rng, 2, 800), tied=False)  # fmt: skip
    for number in STAFF[:2]:
        book.add("api_keys", client_id=f"{rng.getrandbits(128):032x}", secret=f"{rng.getrandbits(128):032x}",
                 description="signage", patron_id=number, active=1, tied=False)  # fmt: skip
    book.add("api_keys", client_id=f"{rng.getrandbits(128):032x}", secret=f"{rng.getrandbits(128):032x}",
             description="my reading app", patron_id=town.current[0].number, active=1)  # fmt: skip


def _leftovers(book: Book, rng: random.Random, town: Town) -> None:
    """Places nobody looks at: offline operations, a plugin, additional fields, the search engine's jobs."""
    for n, patron in enumerate(rng.sample(town.current, min(len(town.current), 9))):
        book.add("pending_offline_operations", userid="staff5", branchcode="BKM",
                 timestamp=_at(book, rng, 2, 60), action="issue", barcode=f"39200{n + 1:09d}",
                 cardnumber=patron.card)  # fmt: skip
        value = json.dumps(
            {"last_export": str(book.today), "sample": {"cardnumber": patron.card, "email": patron.email}}
        )
        book.add("plugin_data", plugin_class="Koha::Plugin::Org::Example::Newsletter",
                 plugin_key=f"batch_{n}", plugin_value=value)  # fmt: skip
        book.add("additional_field_values", field_id=1, record_id=n + 1, value=f"paid by {patron.name}")
        when = _at(book, rng, 2, 60)
        book.add("background_jobs", status="finished", progress=1, size=1, borrowernumber=rng.choice(STAFF),
                 type="update_elastic_index", queue="default", data=json.dumps({"record_ids": [n + 1]}),
                 enqueued_on=when, started_on=when, ended_on=when, tied=False)  # fmt: skip
    book.plain("additional_fields", tablename="accountlines:debit", name="Payer")
    for name in ("email", "sms", "print"):
        book.plain("message_transport_types", message_transport_type=name)
    for name in ("IssueLog", "Pseudonymization", "TrackClicks"):
        book.add("action_logs", timestamp=_at(book, rng, 600, 900), user=STAFF.start,
                 module="SYSTEMPREFERENCE", action="MODIFY", object=None, info=f"{name} | 1",
                 interface="intranet", tied=False)  # fmt: skip


def _bad_dates(book: Book, traced: list[Traced]) -> None:
    """Statistics whose moment is missing or has not come yet."""
    current = [t for t in traced if t.loan.patron.left is None]
    for n, t in enumerate(current[:9]):
        when = None if n < 6 else book.midnight + timedelta(days=730, hours=12)
        book.add("statistics", datetime=when, branch=t.loan.branch, type="renew",
                 itemnumber=t.loan.item.number, itemtype=t.loan.item.type,
                 borrowernumber=t.loan.patron.number, interface="sip")  # fmt: skip
    for n in range(max(60, len(traced) // 40)):
        t = traced[n]
        book.add("statistics", datetime=t.loan.issued, branch=t.loan.branch, type="localuse",
                 itemnumber=t.loan.item.number, itemtype=t.loan.item.type, borrowernumber=None,
                 interface="intranet", tied=False)  # fmt: skip


def _choices(book: Book, rng: random.Random, town: Town) -> None:
    """The only record of a patron's own choice to keep a history: the log of the change made in the OPAC."""
    for patron in town.current:
        if patron.chose:
            diff = json.dumps({"privacy": {"before": 1, "after": patron.privacy}})
            book.add("action_logs", timestamp=_at(book, rng, 40, 500), user=patron.number, module="MEMBERS",
                     action="MODIFY", object=patron.number, info=diff, interface="opac",
                     diff=diff)  # fmt: skip


def _reports(book: Book, rng: random.Random, town: Town, traced: list[Traced]) -> None:
    """Saved reports: one counts, two show patron and title, one names a card number in its SQL."""
    nosy = ("SELECT b.cardnumber, b.surname, t.title FROM old_issues o JOIN borrowers b "
            "USING (borrowernumber) JOIN items USING (itemnumber) JOIN biblio t "
            "USING (biblionumber)")  # fmt: skip
    top = "SELECT borrowernumber, COUNT(*) n FROM statistics GROUP BY borrowernumber ORDER BY n DESC LIMIT 50"
    queries = (
        (
            "Checkouts by branch",
            "SELECT branch, COUNT(*) FROM statistics WHERE type = 'issue' GROUP BY branch",
        ),
        ("Who had it last", nosy),
        ("Top readers", top),
        ("One family's loans", f"{nosy} WHERE b.cardnumber = '{town.current[0].card}'"),
    )
    for number, (name, sql) in enumerate(queries, 1):
        made = _at(book, rng, 200, 900)
        book.add("saved_sql", borrowernumber=STAFF[number], date_created=made, last_modified=made,
                 savedsql=sql, last_run=book.midnight, report_name=name, type="1",
                 tied=number == len(queries))  # fmt: skip
    for n in range(6):
        some = rng.sample(traced, min(20, len(traced)))
        body = json.dumps(
            [[t.loan.patron.card, t.loan.patron.surname, t.loan.item.title] for t in some], ensure_ascii=False
        )
        book.add("saved_reports", report_id=2, report=body, date_run=_at(book, rng, 10 + n, 600))
