"""What happens at the desk around a loan: holds, overdue fines and their payment, claims, recalls."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

from reticent.sample.book import Book
from reticent.sample.catalogue import BRANCHES, Catalogue
from reticent.sample.circulation import moment
from reticent.sample.people import STAFF, Town
from reticent.sample.traces import LOGS_KEPT_DAYS, NOTICES_KEPT_DAYS, State, Traced, send


def holds(book: Book, rng: random.Random, traced: list[Traced], town: Town, catalogue: Catalogue) -> None:
    """Write filled, cancelled and open holds, the pull list and the requests to cancel."""
    for t in traced:
        if rng.random() < 0.13:
            _filled_hold(book, rng, t)
        elif rng.random() < 0.03:
            _cancelled_hold(book, rng, t)
    _grouped_holds(book, town, catalogue)
    _open_holds(book, rng, town, catalogue)


def _filled_hold(book: Book, rng: random.Random, t: Traced) -> None:
    loan, person = t.loan, None if t.loan.patron.left else t.loan.patron.number
    waiting = loan.issued - timedelta(days=rng.randrange(5))
    number = book.rows["old_reserves"] + 1
    book.add("old_reserves", reserve_id=number, borrowernumber=person,
             reservedate=(waiting - timedelta(days=rng.randrange(1, 30))).date(),
             biblionumber=loan.item.biblio, branchcode=loan.branch, priority=0, found="F",
             timestamp=loan.issued, itemnumber=loan.item.number, waitingdate=waiting.date(),
             itemtype=loan.item.type, tied=person is not None,
             reservenotes="Call my daughter when it is in." if number % 157 == 0 else None,
             due=person is not None)  # fmt: skip
    if t.state is not State.NAMED and person is not None:
        book.relinkable["old_reserves"] += 1
    if person is not None and loan.patron.email and not book.over(waiting, NOTICES_KEPT_DAYS):
        title = f"{loan.item.title} / {loan.item.author}"
        body = f"A hold is ready for you:\n\n{title}\nPick it up at {BRANCHES[loan.branch]}."
        send(book, loan.patron, waiting, "HOLD", "Hold available for pickup", body,
             f"---\nhold_id: {number}\n")  # fmt: skip
    if not book.over(loan.issued, LOGS_KEPT_DAYS):
        hold = {"reserve_id": number, "borrowernumber": loan.patron.number, "biblionumber": loan.item.biblio}
        dump = "$VAR1 = {\n" + "".join(f"  '{key}' => '{value}',\n" for key, value in hold.items()) + "};\n"
        when = book.off_edge(waiting, 0)
        book.add("action_logs", timestamp=when, user=loan.clerk, module="HOLDS", action="MODIFY",
                 object=number, info=dump, interface="intranet", due=book.over(when, 0))  # fmt: skip


def _cancelled_hold(book: Book, rng: random.Random, t: Traced) -> None:
    person = None if t.loan.patron.left else t.loan.patron.number
    book.add("old_reserves", reserve_id=book.rows["old_reserves"] + 1, borrowernumber=person,
             biblionumber=t.loan.item.biblio, reservedate=(t.loan.issued - timedelta(days=20)).date(),
             branchcode=t.loan.branch, priority=rng.randrange(1, 5), cancellationdate=t.loan.issued.date(),
             cancellation_reason="NO_LONGER_NEEDED", timestamp=t.loan.issued, itemtype=t.loan.item.type,
             tied=person is not None, due=person is not None)  # fmt: skip


def _grouped_holds(book: Book, town: Town, catalogue: Catalogue) -> None:
    """One of two titles was enough for these patrons: the other hold of the group ended with it."""
    for patron in town.current[:3]:
        book.add("hold_groups", borrowernumber=patron.number, visual_hold_group_id=1, due=True)
        for item in catalogue.items[:2]:
            ended = book.midnight - timedelta(days=40)
            book.add("old_reserves", reserve_id=book.rows["old_reserves"] + 1, borrowernumber=patron.number,
                     reservedate=book.today - timedelta(days=70), biblionumber=item.biblio, branchcode=patron.branch,
                     cancellationdate=ended.date(), timestamp=ended, hold_group_id=book.rows["hold_groups"],
                     due=True)  # fmt: skip


def _open_holds(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    first = book.rows["old_reserves"] + 1000
    free = [item for item in catalogue.items if item.onloan is None and item.type != "REF" and not item.lost]
    wanted = rng.sample(free, min(len(free), max(24, len(town.current) // 18)))
    for number, (item, patron) in enumerate(zip(wanted, rng.choices(town.current, k=len(wanted)), strict=True), first):
        waiting = number % 3 == 0
        asked = book.today - timedelta(days=rng.randrange(2, 60))
        if number == first:
            book.add("hold_groups", borrowernumber=patron.number, visual_hold_group_id=1)
        book.add("reserves", reserve_id=number, borrowernumber=patron.number, reservedate=asked,
                 hold_group_id=book.rows["hold_groups"] if number == first else None,
                 biblionumber=item.biblio, branchcode=patron.branch, priority=0 if waiting else 1,
                 found="W" if waiting else None, itemnumber=item.number if waiting else None,
                 waitingdate=asked + timedelta(days=1) if waiting else None, itemtype=None,
                 timestamp=datetime.combine(asked, datetime.min.time()))  # fmt: skip
        if number % 3 == 1:
            book.add("hold_fill_targets", borrowernumber=patron.number, biblionumber=item.biblio,
                     itemnumber=item.number, source_branchcode=item.branch, reserve_id=number)  # fmt: skip
            book.add("tmp_holdsqueue", biblionumber=item.biblio, itemnumber=item.number, barcode=item.barcode,
                     surname=patron.surname, firstname=patron.given, phone=patron.phone,
                     borrowernumber=patron.number, cardnumber=patron.card, reservedate=asked,
                     title=item.title, itemcallnumber=item.callnumber, holdingbranch=item.branch,
                     pickbranch=patron.branch)  # fmt: skip
        if number % 11 == 0:
            book.add("hold_cancellation_requests", hold_id=number,
                     creation_date=datetime.combine(asked, datetime.min.time()))  # fmt: skip
    book.add("hold_cancellation_requests", hold_id=1, creation_date=book.midnight - timedelta(days=90),
             due=True)  # fmt: skip


def fines(book: Book, rng: random.Random, traced: list[Traced]) -> None:
    """Write what late and lost loans cost, who paid, and hold back the loans still owed for."""
    for t in traced:
        loan = t.loan
        ended = not loan.open_at(book.midnight)
        if ended and loan.returned and loan.returned.date() > loan.due.date():
            days = (loan.returned.date() - loan.due.date()).days
            ordinary = t.state is State.NAMED and loan.patron.privacy == 1 and not t.held
            unpaid = ordinary and rng.random() < 0.06
            _charge(book, t, "OVERDUE", min(days * 0.25, 10.0), loan.returned, unpaid=unpaid)
            if unpaid:
                t.held = "unpaid fine"
        elif loan.item.lost and loan.returned is None and loan.due < book.midnight - timedelta(days=45):
            _charge(book, t, "LOST", loan.item.price, loan.due + timedelta(days=45), unpaid=True)


def _charge(book: Book, t: Traced, kind: str, amount: float, when: datetime, *, unpaid: bool) -> None:
    loan = t.loan
    person = None if loan.patron.left else loan.patron.number
    owed = amount if unpaid else 0.0
    opened = loan.open_at(book.midnight)
    book.add("accountlines", issue_id=loan.number if opened else None,
             old_issue_id=None if opened else loan.number, borrowernumber=person, itemnumber=loan.item.number,
             date=when, amount=amount, description=f"{loan.item.title} {loan.due:%m/%d/%Y} 23:59",
             debit_type_code=kind, credit_type_code=None, status="RETURNED" if kind == "OVERDUE" else None,
             amountoutstanding=owed, timestamp=when, interface="cron", branchcode=loan.branch,
             manager_id=None, tied=person is not None)  # fmt: skip
    debit = book.rows["accountlines"]
    if person is not None and t.state is not State.NAMED:
        book.relinkable["accountlines"] += 1
    if not unpaid:
        paid = when + timedelta(minutes=4)
        book.add("accountlines", issue_id=None, old_issue_id=None, borrowernumber=person, itemnumber=None,
                 date=paid, amount=-amount, description="", debit_type_code=None, credit_type_code="PAYMENT",
                 status=None, amountoutstanding=0.0, timestamp=paid, interface="intranet",
                 branchcode=loan.branch, manager_id=loan.clerk, tied=person is not None)  # fmt: skip
        book.plain("account_offsets", credit_id=debit + 1, debit_id=debit, type="APPLY", amount=-amount,
                   created_on=paid)  # fmt: skip
        if loan.number % 7 == 0:
            when = book.off_edge(paid, 0)
            book.add("action_logs", timestamp=when, user=loan.clerk, module="FINES", action="CREATE",
                     object=loan.patron.number,
                     info=f"$VAR1 = {{ 'itemnumber' => {loan.item.number}, 'amount' => '{-amount}' }};",
                     interface="intranet", due=book.over(when, 0))  # fmt: skip
            book.orphans["action_logs"] += loan.patron.left is not None


def claims(book: Book, rng: random.Random, traced: list[Traced]) -> None:
    """Write claims that an item was returned: open on open loans, open on finished ones, resolved."""
    out = [t for t in traced if t.loan.open_at(book.midnight) and t.loan.patron.left is None]
    back = [t for t in traced if not t.loan.open_at(book.midnight) and t.state is State.NAMED
            and t.loan.patron.privacy == 1 and not t.held]  # fmt: skip
    for n, t in enumerate([*rng.sample(out, min(6, len(out))), *rng.sample(back, min(28, len(back)))]):
        resolved = None
        if n >= 14:
            resolved = moment(rng, "MAIN", t.loan.returned.date()) if t.loan.returned else None
        resolved = resolved if resolved and resolved < book.midnight else None
        if resolved is None:
            book.counts["open claims"] += 1
            if not t.loan.open_at(book.midnight):
                t.held = "open claim"
        book.add("return_claims", itemnumber=t.loan.item.number, issue_id=t.loan.number,
                 borrowernumber=t.loan.patron.number, notes="Says it went through the book drop on Sunday.",
                 created_on=t.loan.issued + timedelta(days=9), created_by=t.loan.clerk,
                 resolution="FOUND_IN_LIB" if resolved else None, resolved_on=resolved,
                 resolved_by=rng.choice(STAFF) if resolved else None, due=resolved is not None)  # fmt: skip


def recalls(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    """Write recalls: some still waited for, most long over."""
    for n in range(40):
        item, patron = rng.choice(catalogue.items), rng.choice(town.current)
        created = moment(rng, "MAIN", _day(rng, book, 700))
        done = n >= 8
        book.counts["open recalls"] += not done
        book.add("recalls", patron_id=patron.number, created_date=created, biblio_id=item.biblio,
                 item_id=item.number, pickup_library_id=rng.choice(tuple(BRANCHES)), completed=int(done),
                 status="fulfilled" if done else "requested",
                 completed_date=created + timedelta(days=4) if done else None, item_level=1,
                 timestamp=created, notes=None, due=done)  # fmt: skip


def _day(rng: random.Random, book: Book, back: int) -> date:
    """A day at least ten days ago, so that what began then is over."""
    return book.today - timedelta(days=rng.randrange(10, back))
