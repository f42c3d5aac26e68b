"""What Koha writes down about a loan, and where else it writes it down again."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from reticent.sample.book import Book
from reticent.sample.circulation import Loan
from reticent.sample.people import STAND_IN, Patron

BATCH_RUN_DAYS = 800
"""How long ago somebody ran batch_anonymise.pl, for the only time, with ``--days 180``."""
LOGS_KEPT_DAYS = 1100
JOBS_KEPT_DAYS = 120
PSEUDONYMS_SINCE_DAYS = 540
NOTICES_KEPT_DAYS = 400

_ACTIONS = {"issue": "ISSUE", "renew": "RENEWAL", "return": "RETURN"}


class State(Enum):
    """What Koha itself has done to the patron of a finished loan."""

    NAMED = "named"
    SENTINEL = "AnonymousPatron"
    NULL = "null"


@dataclass
class Traced:
    """One loan with what is known of it by the time everything is written."""

    loan: Loan
    state: State
    held: str = ""
    logged: bool = False


def trace(book: Book, rng: random.Random, loans: list[Loan]) -> list[Traced]:
    """Write open and finished loans and every copy of them; return them with their state."""
    traced = [Traced(loan, _state(book, loan)) for loan in loans]
    ended = [t for t in traced if not t.loan.open_at(book.midnight)]
    _plant_bad_dates(rng, ended)
    events = sorted(
        (when, t.loan.number, kind, t) for t in traced for when,
        kind in _events(t.loan) if when < book.midnight
    )  # fmt: skip
    for when, _, kind, t in events:
        _copies(book, rng, t, when, kind)
    _last_borrowers(book, ended)
    return traced


def write_loans(book: Book, traced: list[Traced]) -> None:
    """Write ``issues`` and ``old_issues``, once it is known which loans are held back and why."""
    for t in traced:
        if t.loan.open_at(book.midnight):
            _open_loan(book, t.loan)
        else:
            _old_loan(book, t)


def _state(book: Book, loan: Loan) -> State:
    if loan.patron.left is not None:
        return State.NULL
    if loan.returned is None or loan.open_at(book.midnight):
        return State.NAMED
    if loan.patron.privacy == 2:
        return State.SENTINEL
    batch = book.midnight - timedelta(days=BATCH_RUN_DAYS + 180)
    return State.SENTINEL if loan.patron.privacy == 1 and loan.returned < batch else State.NAMED


def _plant_bad_dates(rng: random.Random, ended: list[Traced]) -> None:
    ordinary = [t for t in ended if t.state is State.NAMED and t.loan.patron.privacy == 1 and not t.loan.renewed]
    for n, t in enumerate(rng.sample(ordinary, min(12, len(ordinary) // 4))):
        t.held = "no returndate" if n < 7 else "future returndate"


def _events(loan: Loan) -> list[tuple[datetime, str]]:
    events = [(loan.issued, "issue")]
    events += [(when, "renew opac" if by_patron else "renew") for when, by_patron in loan.renewed]
    return [*events, (loan.returned, "return")] if loan.returned else events


def _copies(book: Book, rng: random.Random, t: Traced, when: datetime, kind: str) -> None:
    loan, word = t.loan, kind.partition(" ")[0]
    interface = "opac" if kind == "renew opac" else "intranet"
    _statistic(book, loan, when, word, interface)
    if not book.over(when, LOGS_KEPT_DAYS):
        logged = book.off_edge(when, 0)
        book.add("action_logs", timestamp=logged,
                 user=loan.patron.number if interface == "opac" else loan.clerk, module="CIRCULATION",
                 action=_ACTIONS[word], object=loan.patron.number, info=str(loan.item.number),
                 interface=interface, due=book.over(logged, 0))  # fmt: skip
        _orphan(book, "action_logs", loan)
        t.logged = t.logged or (word != "renew" and logged == when)
    if word == "renew":
        _renewal(book, loan, when, by_patron=interface == "opac")
    if loan.patron.left is None and not book.over(when, NOTICES_KEPT_DAYS):
        _notice(book, rng, loan, when, word)


def _statistic(book: Book, loan: Loan, when: datetime, word: str, interface: str) -> None:
    item, patron = loan.item, loan.patron
    book.add("statistics", datetime=when, branch=loan.branch, value=0.0, type=word, other="",
             itemnumber=item.number, itemtype=item.type, location=item.location, borrowernumber=patron.number,
             ccode=item.ccode, categorycode=patron.category, interface=interface, due=True)  # fmt: skip
    _orphan(book, "statistics", loan)
    if word == "issue":
        book.years[when.year] += 1
    if not book.over(when, PSEUDONYMS_SINCE_DAYS):
        book.add("pseudonymized_transactions", hashed_borrowernumber=pseudonym(patron.number),
                 has_cardnumber=1, city="Lakeside", zipcode=f"5400{patron.number % 4}",
                 branchcode=patron.branch, categorycode=patron.category, dateenrolled=patron.enrolled,
                 sex=patron.sex, datetime=when, transaction_branchcode=loan.branch, transaction_type=word,
                 itemnumber=item.number, itemtype=item.type, holdingbranch=item.branch,
                 homebranch=item.branch, location=item.location, itemcallnumber=item.callnumber,
                 ccode=item.ccode)  # fmt: skip
    if not book.over(when, JOBS_KEPT_DAYS):
        _job(book, loan, when, word)


def _job(book: Book, loan: Loan, when: datetime, word: str) -> None:
    statistic = {"borrowernumber": loan.patron.number, "itemnumber": loan.item.number, "datetime": str(when),
        "type": word,
                 "branch": loan.branch, "itemtype": loan.item.type, "ccode": loan.item.ccode}  # fmt: skip
    context = {
        "number": loan.clerk,
        "userid": f"staff{loan.clerk}",
        "branch": loan.branch,
        "interface": "intranet",
    }
    when = book.off_edge(when, 0)
    book.add("background_jobs", status="finished", progress=1, size=1, borrowernumber=loan.clerk,
             type="pseudonymize_statistic", queue="default", data=json.dumps({"statistic": statistic}),
             context=json.dumps(context), enqueued_on=when, started_on=when, ended_on=when,
             due=book.over(when, 0))  # fmt: skip


def pseudonym(number: int) -> str:
    """Shaped like Koha's bcrypt with one fixed setting: the same patron, the same hash, for ever."""
    return "$2a$08$LakesideFixedSaltNotA." + hashlib.sha256(b"fixed%d" % number).hexdigest()[:31]


def _renewal(book: Book, loan: Loan, when: datetime, *, by_patron: bool) -> None:
    renewer = (None if loan.patron.left else loan.patron.number) if by_patron else loan.clerk
    book.add("checkout_renewals", checkout_id=loan.number, renewer_id=renewer, seen=int(not by_patron),
             timestamp=when, interface="opac" if by_patron else "intranet", renewal_type="Manual",
             tied=by_patron and renewer is not None)  # fmt: skip


def _notice(book: Book, rng: random.Random, loan: Loan, when: datetime, word: str) -> None:
    patron, item = loan.patron, loan.item
    overdue = word == "return" and when > loan.due
    if patron.email is None or (rng.random() > 0.45 and not overdue):
        return
    text, code, subject = {
        "issue": ("You have checked out", "CHECKOUT", "Checkouts"),
        "renew": ("You have renewed", "RENEWAL", "Renewals"),
        "return": ("We have checked in", "CHECKIN", "Check-ins"),
    }[word]
    if overdue:
        text, code, subject, when = "Please return", "ODUE", "Item overdue", loan.due + timedelta(hours=7)
    body = f"{text}:\n\n{item.title} / {item.author} ({item.barcode})\nDue: {loan.due:%m/%d/%Y}"
    send(book, patron, when, code, subject, body, f"---\nissue_id: {loan.number}\n")


def send(book: Book, patron: Patron, when: datetime, code: str, subject: str, body: str, metadata: str) -> None:
    """Queue one notice as Koha's cron jobs do: sent the next morning, now and then in vain."""
    queued = book.off_edge(when, 7)
    sent = queued.date() < book.today - timedelta(days=1)
    failed = sent and book.rows["message_queue"] % 97 == 50
    status = "failed" if failed else "sent" if sent else "pending"
    book.add("message_queue", borrowernumber=patron.number, subject=subject,
             content=f"Dear {patron.name},\n\n{body}\n\nLakeside Public Library", metadata=metadata,
             letter_code=code, message_transport_type="email", status=status, time_queued=queued,
             updated_on=queued, to_address=patron.email, from_address="circ@lakeside.example.org",
             content_type='text/plain; charset="UTF-8"', failure_code="SENDMAIL" if failed else None,
             due=sent and book.over(queued, 7))  # fmt: skip


def _orphan(book: Book, table: str, loan: Loan) -> None:
    if loan.patron.left is not None:
        book.orphans[table] += 1


def _last_borrowers(book: Book, ended: list[Traced]) -> None:
    latest = {t.loan.item.number: t for t in ended}
    for number, t in sorted(latest.items()):
        if t.loan.patron.left is None:
            book.add("items_last_borrower", itemnumber=number, borrowernumber=t.loan.patron.number,
                     created_on=t.loan.returned, due=True)  # fmt: skip
            book.relinkable["items_last_borrower"] += t.state is not State.NAMED


def _open_loan(book: Book, loan: Loan) -> None:
    book.counts["open loans"] += 1
    book.add("issues", issue_id=loan.number, borrowernumber=loan.patron.number, issuer_id=loan.clerk,
             itemnumber=loan.item.number, date_due=loan.due, branchcode=loan.branch,
             renewals_count=len(loan.renewed), lastreneweddate=loan.renewed[-1][0] if loan.renewed else None,
             timestamp=loan.issued, issuedate=loan.issued,
             note="The spine was already loose." if loan.number % 211 == 0 else None)  # fmt: skip


def _old_loan(book: Book, t: Traced) -> None:
    loan, patron = t.loan, t.loan.patron
    person = {State.NAMED: patron.number, State.SENTINEL: STAND_IN, State.NULL: None}[t.state]
    returned = {
        "no returndate": None,
        "future returndate": book.midnight + timedelta(days=700, hours=11),
    }.get(t.held, loan.returned)
    written = loan.returned
    if t.state is State.SENTINEL and patron.privacy == 1:
        written = book.midnight - timedelta(days=BATCH_RUN_DAYS) + timedelta(hours=2)
    reason = t.held
    if t.state is State.NAMED and not reason and patron.privacy == 0:
        reason = "forever by choice" if patron.chose else "forever by category"
    book.counts[f"loans {reason}" if reason else "loans free"] += 1
    book.counts[f"loans {t.state.value}"] += 1
    book.add("old_issues", issue_id=loan.number, borrowernumber=person, issuer_id=loan.clerk,
             itemnumber=loan.item.number, date_due=loan.due, branchcode=loan.branch, returndate=returned,
             checkin_library=loan.branch, renewals_count=len(loan.renewed),
             lastreneweddate=loan.renewed[-1][0] if loan.renewed else None, timestamp=written,
             issuedate=loan.issued, tied=t.state is State.NAMED,
             note="Pages 40 to 44 are missing." if loan.number % 503 == 0 else None,
             due=t.state is State.NAMED and not reason)  # fmt: skip
    if t.state is not State.NAMED:
        book.relinkable["statistics"] += 1
        book.relinkable["action_logs"] += t.logged
        book.relinkable["checkout_renewals"] += patron.left is None and any(opac for _, opac in loan.renewed)
