"""Requests: interlibrary loan, articles, suggestions, bookings, curbside, clubs, courses, serials."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from reticent.sample.book import Book
from reticent.sample.catalogue import BRANCHES, Catalogue
from reticent.sample.circulation import moment
from reticent.sample.people import STAFF, Patron, Town
from reticent.sample.traces import Traced

_WANTED = (
    ("The Grammar of Tidal Ice", "Ostrander, Lena"), ("Surviving Whistleblowing", "Pratt, Gideon"),
    ("Naming the Meadow Plants", "Ruiz-Alder, Pilar"), ("Home Dialysis, Plainly Told", "Swart, Anneke"),
    ("The Tenant's Case Book", "Tolliver, Ray"), ("Zines of the Upper Midwest", "Umber, Kit"),
)  # fmt: skip


def everything(book: Book, rng: random.Random, town: Town, catalogue: Catalogue, traced: list[Traced]) -> None:
    """Write every service the library runs beside lending."""
    for write in (_interlibrary, _articles, _suggestions, _bookings, _clubs, _serials_and_courses):
        write(book, rng, town, catalogue)
    _curbside(book, rng, traced)


def _dated(book: Book, rng: random.Random, count: int) -> list[tuple[datetime, bool]]:
    """Return ``count`` moments of the past and whether what began then is over; the newest are not."""
    days = sorted(rng.randrange(12, 1500) for _ in range(count))
    return [
        (moment(rng, "MAIN", book.today - timedelta(days=day)), n >= max(2, count // 12)) for n, day in enumerate(days)
    ]


def _interlibrary(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    book.plain("authorised_values", category="ILL_STATUS_ALIAS", authorised_value="WAITPAY",
               lib="Waiting for payment")  # fmt: skip
    for n in range(3):
        book.add("illbatches", name=f"Reading group {n + 1}", backend="Standard",
                 patron_id=town.current[n * 7].number, library_id="MAIN",
                 status_code="COMPLETED")  # fmt: skip
    for number, (placed, done) in enumerate(_dated(book, rng, max(24, len(town.current) // 10)), 1):
        patron = rng.choice(town.patrons)
        person = patron.number if patron.left is None else None
        title, author = rng.choice(_WANTED)
        completed = placed + timedelta(days=9) if done else None
        book.add("illrequests", illrequest_id=number, borrowernumber=person, managedby=STAFF[number % 3],
                 branchcode=rng.choice(tuple(BRANCHES)), status="COMP" if done else "REQ",
                 placed=placed.date(), updated=completed or placed,
                 completed=completed.date() if completed else None, medium="Book", cost="0.00",
                 batch_id=rng.choice((None, None, 1)),
                 notesopac="For my evening class." if number % 5 == 0 else None, orderid=f"WI-{number:06d}",
                 notesstaff=f"Called {patron.phone}" if number % 9 == 0 else None, backend="Standard",
                 tied=person is not None, due=done and person is not None)  # fmt: skip
        values = {
            "title": title,
            "author": author,
            "isbn": f"979001{number:07d}",
            "patron_name": patron.name,
            "cardnumber": patron.card,
        }
        for kind, value in values.items():
            book.add("illrequestattributes", illrequest_id=number, backend="Standard", type=kind, value=value,
                     tied=kind in {"patron_name", "cardnumber"})  # fmt: skip
        if number % 4 == 0:
            book.add("illcomments", illrequest_id=number,
                     borrowernumber=person if number % 8 else rng.choice(STAFF),
                     comment="Still needed, please.", timestamp=placed,
                     tied=bool(number % 8) and person is not None)  # fmt: skip


def _articles(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    for made, done in _dated(book, rng, max(20, len(town.current) // 25)):
        item, patron = rng.choice(catalogue.by_ccode["PER"]), rng.choice(town.current)
        book.add("article_requests", borrowernumber=patron.number, biblionumber=item.biblio,
                 itemnumber=item.number, branchcode=patron.branch, title="Letters to the editor", author="",
                 pages="12-14", patron_notes="A scan is fine.", status="COMPLETED" if done else "PENDING",
                 format="SCAN", created_on=made, updated_on=made + timedelta(days=3), due=done)  # fmt: skip


def _suggestions(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    book.plain("aqbudgets", budget_code="ADULT", budget_name="Adult materials", budget_branchcode="MAIN",
               budget_amount=42000.0)  # fmt: skip
    for number, patron in enumerate(town.current[:4], 1):
        arrived = book.today - timedelta(days=90) if number < 4 else None
        book.plain("aqorders", biblionumber=catalogue.items[number].biblio, datereceived=arrived, budget_id=1,
                   entrydate=book.today - timedelta(days=120), created_by=STAFF.start)  # fmt: skip
        book.add("aqorder_users", ordernumber=number, borrowernumber=patron.number, due=arrived is not None)
    for number, (made, done) in enumerate(_dated(book, rng, max(20, len(town.current) // 12))):
        patron = rng.choice(town.patrons)
        person = patron.number if patron.left is None else None
        title, author = rng.choice(_WANTED)
        decided = book.off_edge(made + timedelta(days=5), 30)
        status = ("AVAILABLE" if number % 3 else "REJECTED") if done else "ASKED"
        book.add("suggestions", suggestedby=person, suggesteddate=made.date(),
                 managedby=rng.choice(STAFF) if done else None, STATUS=status, title=title, author=author,
                 patronreason="I am newly diagnosed and want to read up." if number % 6 == 0 else None,
                 date=decided if done else made, lastmodificationdate=(decided if done else made).date(),
                 branchcode=patron.branch, budgetid=1 if done else None, itemtype="BK", quantity=1,
                 tied=person is not None,
                 due=done and person is not None and book.over(decided, 30))  # fmt: skip


def _bookings(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    for number, (made, done) in enumerate(_dated(book, rng, 60)):
        item, patron = rng.choice(catalogue.by_ccode["LOT"]), rng.choice(town.current)
        start = made if done else book.midnight + timedelta(days=3 + number, hours=10)
        book.add("bookings", patron_id=patron.number, biblio_id=item.biblio, item_id=item.number,
                 pickup_library_id=item.branch, start_date=start, end_date=start + timedelta(days=2),
                 creation_date=made - timedelta(days=5), modification_date=made,
                 status="completed" if done else "new", due=done)  # fmt: skip


def _clubs(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    book.plain("club_templates", name="Reading club", description="Monthly", branchcode="MAIN")
    book.plain("club_template_enrollment_fields", club_template_id=1, name="What would you like to read?")
    clubs = (
        ("Mystery Mondays", None),
        ("Grief Reading Circle", None),
        ("Summer Reading", 200),
        ("Sobriety Shelf", None),
    )
    for number, (name, ended) in enumerate(clubs, 1):
        end = book.today - timedelta(days=ended) if ended else None
        book.plain("clubs", club_template_id=1, name=name, date_start=book.today - timedelta(days=600),
                   date_end=end, branchcode="MAIN")  # fmt: skip
        for n, patron in enumerate(rng.sample(town.current, min(len(town.current), 24))):
            joined = moment(rng, "MAIN", book.today - timedelta(days=rng.randrange(250, 590)))
            left = joined + timedelta(days=90) if n % 4 == 0 else None
            book.add("club_enrollments", club_id=number, borrowernumber=patron.number, date_enrolled=joined,
                     date_canceled=left, date_created=joined, branchcode=patron.branch,
                     due=left is not None or ended is not None)  # fmt: skip
            if n % 3 == 0:
                book.add("club_enrollment_fields", club_enrollment_id=book.rows["club_enrollments"],
                         club_template_enrollment_field_id=1,
                         value=rng.choice(("large print", "short books", "no violence")))  # fmt: skip
    item = catalogue.items[0]
    book.plain("club_holds", club_id=1, biblio_id=item.biblio, item_id=None)
    for n, patron in enumerate(town.current[:6]):
        hold = book.rows["old_reserves"] + 1000 + n if n < 4 else None
        book.add("club_holds_to_patron_holds", club_hold_id=1, patron_id=patron.number, hold_id=hold,
                 error_code="tooManyReserves" if hold is None else None, due=hold is None)  # fmt: skip


def _serials_and_courses(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    for number, item in enumerate(catalogue.by_ccode["PER"][:3], 1):
        book.plain("subscription", biblionumber=item.biblio, librarian="staff4",
                   startdate=book.today - timedelta(days=900), status="1", branchcode="MAIN")  # fmt: skip
        for rank, patron in enumerate(rng.sample(town.current, min(4, len(town.current))), 1):
            book.add("subscriptionroutinglist", borrowernumber=patron.number, ranking=rank,
                     subscriptionid=number)  # fmt: skip
        book.add("alert", borrowernumber=rng.choice(town.current).number, type="issue",
                 externalid=str(number))  # fmt: skip
    for number in range(1, 4):
        enabled = "yes" if number == 1 else "no"
        book.plain("courses", department="ADULTED", course_number=f"ELL {number}",
                   course_name="English for newcomers", enabled=enabled)  # fmt: skip
        for patron in _teachers(town)[number : number + 2]:
            book.add("course_instructors", course_id=number, borrowernumber=patron.number,
                     due=enabled == "no")  # fmt: skip


def _teachers(town: Town) -> list[Patron]:
    return [patron for patron in town.current if patron.category == "TCH"] or town.current


def _curbside(book: Book, rng: random.Random, traced: list[Traced]) -> None:
    wanted = [t for t in traced if t.loan.patron.left is None and t.loan.branch == "MAIN"]
    for t in rng.sample(wanted, min(120, len(traced) // 20)):
        when = book.off_edge(t.loan.issued, 7)
        book.add("curbside_pickups", borrowernumber=t.loan.patron.number, branchcode="MAIN",
                 scheduled_pickup_datetime=when, staged_datetime=when, staged_by=t.loan.clerk,
                 arrival_datetime=when, delivered_datetime=when, delivered_by=t.loan.clerk,
                 notes="Blue car, trunk please.", due=book.over(when, 7))  # fmt: skip
        book.add("curbside_pickup_issues", curbside_pickup_id=book.rows["curbside_pickups"],
                 issue_id=t.loan.number, reserve_id=0)  # fmt: skip
