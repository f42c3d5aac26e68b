"""What patrons leave in the public catalogue: searches, sessions, clicks, lists, ratings, problem reports."""

from __future__ import annotations

import json
import random
from datetime import datetime, time, timedelta
from urllib.parse import quote_plus

from reticent.sample.book import Book
from reticent.sample.catalogue import LONG_AGO, Catalogue
from reticent.sample.people import STAFF, Town

_SEARCHES = (
    "knitting lace", "how to file for divorce", "bankruptcy", "signs of dementia", "trout fishing",
    "gender identity teens",
    "leaving an abusive husband", "sourdough", "citizenship test", "cancer diet", "union organizing",
    "sparrow mysteries",
    "debt collectors rights", "prayer times", "stop drinking", "baby names", "resume examples",
    "rats in garage",
)  # fmt: skip
_TAGS = ("cozy", "book club", "cried", "read aloud", "for dad", "recovery")


def everything(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    """Write all that the public catalogue keeps about its users."""
    for write in (_searches, _sessions, _clicks, _lists, _opinions, _problems):
        write(book, rng, town, catalogue)


def _evening(book: Book, rng: random.Random, back: int) -> datetime:
    """A moment between 9:00 and 22:00 within the last ``back`` days, before today."""
    day = book.today - timedelta(days=rng.randrange(1, back))
    return datetime.combine(day, time(9)) + timedelta(seconds=rng.randrange(13 * 3600))


def _searches(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    for n in range(len(town.current) * 5):
        patron = rng.choice(town.patrons)
        when = _evening(book, rng, 900)
        known = n % 6 != 0 and (patron.left is None or when.date() < patron.left)
        words = rng.choice(_SEARCHES)
        book.add("search_history", userid=patron.number if known else 0,
                 sessionid=f"{rng.getrandbits(128):032x}", query_desc=f"kw,wrdl: {words}",
                 query_cgi=f"idx=kw&q={quote_plus(words)}&limit=branch:{patron.branch}", type="biblio",
                 total=rng.randrange(0, 240), time=when, tied=known, due=known)  # fmt: skip
        book.orphans["search_history"] += known and patron.left is not None


def _sessions(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    for n in range(max(40, len(town.current) // 8)):
        patron, when = rng.choice(town.current), _evening(book, rng, 12)
        known = n % 3 != 0
        kept = {"_SESSION_ATIME": int((when - LONG_AGO).total_seconds()),
            "ip": f"192.0.2.{rng.randrange(1, 250)}",
                "busc": f"q={quote_plus(rng.choice(_SEARCHES))}", "sessiontype": "anon"}  # fmt: skip
        if known:
            kept |= {"number": patron.number, "id": patron.login, "cardnumber": patron.card,
                "sessiontype": "patron",
                     "firstname": patron.given, "surname": patron.surname,
                     "emailaddress": patron.email or ""}  # fmt: skip
        blob = "---\n" + "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in kept.items())
        book.add("sessions", id=f"{rng.getrandbits(128):032x}", a_session=blob.encode(), tied=known)


def _clicks(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    for n in range(max(60, len(town.current) // 2)):
        patron, item = rng.choice(town.current), rng.choice(catalogue.items)
        book.add("linktracker", biblionumber=item.biblio, itemnumber=None,
                 borrowernumber=patron.number if n % 5 else None,
                 url=f"https://ebooks.example.net/title/{item.biblio}", timeclicked=_evening(book, rng, 1200),
                 tied=n % 5 != 0, due=n % 5 != 0)  # fmt: skip


def _lists(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    names = (
        "To read",
        "For mom",
        "Custody hearing",
        "Book club 2025",
        "Recovery",
        "Christmas ideas",
        "Baby",
        "Woodworking",
    )
    for patron in rng.sample(town.current, max(12, len(town.current) // 16)):
        when = _evening(book, rng, 1400)
        book.add("virtualshelves", shelfname=rng.choice(names), owner=patron.number,
                 public=int(rng.random() < 0.1), sortfield="title", lastmodified=when,
                 created_on=when)  # fmt: skip
        number = book.rows["virtualshelves"]
        for item in rng.sample(catalogue.items, rng.randrange(2, 9)):
            book.add("virtualshelfcontents", shelfnumber=number, biblionumber=item.biblio, dateadded=when,
                     borrowernumber=patron.number)  # fmt: skip
        if number % 5 == 0:
            shared = number % 10 == 0
            book.add("virtualshelfshares", shelfnumber=number,
                     borrowernumber=rng.choice(town.current).number if shared else None,
                     invitekey=None if shared else f"k{number:06d}", sharedate=when, tied=shared)  # fmt: skip


def _opinions(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    said = (
        "Could not put it down.",
        "My late husband's favorite.",
        "Helped me through chemo.",
        "Too long.",
        "5 stars 🌟",
    )
    seen = set()
    for _ in range(max(60, len(town.current) // 3)):
        patron, item, when = rng.choice(town.current), rng.choice(catalogue.items), _evening(book, rng, 1500)
        if (patron.number, item.biblio) in seen:
            continue
        seen.add((patron.number, item.biblio))
        book.add("ratings", borrowernumber=patron.number, biblionumber=item.biblio,
                 rating_value=rng.randrange(1, 6), timestamp=when)  # fmt: skip
        if rng.random() < 0.25:
            book.add("reviews", borrowernumber=patron.number, biblionumber=item.biblio,
                     review=rng.choice(said), approved=1, datereviewed=when)  # fmt: skip
        if rng.random() < 0.3:
            book.add("tags_all", borrowernumber=patron.number, biblionumber=item.biblio,
                     term=rng.choice(_TAGS), date_created=when)  # fmt: skip


def _problems(book: Book, rng: random.Random, town: Town, catalogue: Catalogue) -> None:
    for n in range(24):
        patron, item = rng.choice(town.current), rng.choice(catalogue.items)
        when = book.off_edge(_evening(book, rng, 500), 14)
        book.add("problem_reports", title="Search finds nothing",
                 content=f"I am {patron.name} and I looked for this twice.", borrowernumber=patron.number,
                 branchcode=patron.branch, username=patron.login, created_on=when,
                 problempage=f"/cgi-bin/koha/opac-search.pl?q={quote_plus(rng.choice(_SEARCHES))}",
                 status="New" if n < 5 else "Closed", due=n >= 5 and book.over(when, 14))  # fmt: skip
        when = book.off_edge(_evening(book, rng, 500), 14)
        book.add("tickets", reporter_id=patron.number, reported_date=when - timedelta(days=2),
                 title="Wrong author shown", body=item.title,
                 resolver_id=rng.choice(STAFF) if n >= 4 else None, resolved_date=when if n >= 4 else None,
                 biblio_id=item.biblio, due=n >= 4 and book.over(when, 14))  # fmt: skip
        book.add("ticket_updates", ticket_id=book.rows["tickets"],
                 user_id=patron.number if n % 2 else rng.choice(STAFF), public=1, date=when,
                 message="Thank you, we are looking into it.", tied=bool(n % 2))  # fmt: skip
