"""The sample library's branches, categories, staff and patrons, and the settings of a careless Koha."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate

from reticent.sample import names
from reticent.sample.book import Book
from reticent.sample.catalogue import BRANCHES

STAND_IN = 2
STAFF = range(3, 12)
FIRST_PATRON = 51
CATEGORIES = {  # code: (description, type, default privacy)
    "AD": ("Adult", "A", "default"), "JV": ("Juvenile", "C", "default"), "YA": ("Teen", "C", "default"),
    "SR": ("Senior", "A", "default"), "TCH": ("Teacher", "P", "default"),
    "NR": ("Non-resident", "A", "never"),
    "HB": ("Housebound", "A", "forever"), "ORG": ("Organization", "I", "forever"),
    "STAFF": ("Staff", "S", "default"),
    "ANON": ("Anonymous patron", "X", "never"),
}  # fmt: skip
SETTINGS = {
    "Version": "25.0500000", "LibraryName": "Lakeside Public Library", "AnonymousPatron": str(STAND_IN),
    "IssueLog": "1",
    "ReturnLog": "1", "RenewalLog": "1", "HoldsLog": "1", "FinesLog": "1", "BorrowersLog": "1",
    "CronjobLog": "0",
    "LetterLog": "1", "ReportsLog": "1", "SuggestionsLog": "1", "EnableOpacSearchHistory": "1",
    "StoreLastBorrower": "1",
    "Pseudonymization": "1",
    "PseudonymizationTransactionFields": "datetime,transaction_branchcode,transaction_type,itemnumber",
    "PseudonymizationPatronFields": "title,city,zipcode,branchcode,categorycode,dateenrolled,sex",
    "TrackClicks": "track", "OPACPrivacy": "1", "opacreadinghistory": "1", "intranetreadinghistory": "1",
    "UnsubscribeReflectionDelay": "", "PatronAnonymizeDelay": "", "PatronRemovalDelay": "", "timeout": "1d",
    "SessionStorage": "mysql", "UseRecalls": "1", "ClaimReturnedLostValue": "1", "ArticleRequests": "1",
    "ILLModule": "1",
    "CurbsidePickup": "1", "virtualshelves": "1", "reviewson": "1", "TagsEnabled": "1",
    "OpacStarRatings": "all",
    "BorrowerUnwantedField": "",
}  # fmt: skip
_READS = {  # category: collections and weights
    "AD": {"FIC": 30, "NFIC": 28, "MYS": 18, "DVD": 14, "AUD": 4, "PER": 2, "LOT": 2},
    "JV": {"JPIC": 55, "JFIC": 35, "DVD": 10},
    "YA": {"YA": 60, "JFIC": 10, "NFIC": 15, "DVD": 15},
    "SR": {"LP": 35, "MYS": 25, "FIC": 18, "NFIC": 14, "AUD": 8},
    "TCH": {"JPIC": 30, "JFIC": 25, "NFIC": 40, "AUD": 5},
    "NR": {"FIC": 40, "NFIC": 40, "MYS": 20},
    "HB": {"LP": 60, "AUD": 25, "MYS": 15},
    "ORG": {"JPIC": 50, "NFIC": 50},
}


@dataclass
class Patron:
    """One patron of the sample library; ``left`` is the day the account was deleted, if it was."""

    number: int
    card: str
    given: str
    surname: str
    email: str | None
    phone: str
    street: str
    category: str
    branch: str
    enrolled: date
    left: date | None
    privacy: int
    chose: bool
    activity: float
    born: date
    sex: str
    purged: bool = False

    @property
    def name(self) -> str:
        """Given name and surname as notices print them."""
        return f"{self.given} {self.surname}".strip()

    @property
    def login(self) -> str:
        """The OPAC user name."""
        return f"u{self.number}"

    def here(self, day: date) -> bool:
        """Tell whether the account exists on a day."""
        return self.enrolled <= day and (self.left is None or day < self.left)


@dataclass
class Town:
    """Everybody with, or once with, a card."""

    patrons: list[Patron]
    cumulative: list[float]

    @property
    def current(self) -> list[Patron]:
        """Patrons whose account still exists."""
        return [patron for patron in self.patrons if patron.left is None]

    def pick(self, rng: random.Random, day: date, count: int) -> list[Patron]:
        """Return about ``count`` readers of a day, the busy ones more often."""
        drawn = rng.choices(self.patrons, cum_weights=self.cumulative, k=count)
        return [patron for patron in drawn if patron.here(day)]


def collections(category: str) -> tuple[list[str], list[int]]:
    """Return the collections a category of patron reads and how often each."""
    reads = _READS[category]
    return list(reads), list(reads.values())


def settle(book: Book, rng: random.Random, patrons: int, first_day: date) -> Town:
    """Write branches, categories, settings, staff and ``patrons`` current patrons; a ninth more have left."""
    for code, branch in BRANCHES.items():
        book.plain("branches", branchcode=code, branchname=branch, branchcity="Lakeside", branchzip="54000",
                   branchemail=f"{code.lower()}@lakeside.example.org")  # fmt: skip
    for code, (description, kind, privacy) in CATEGORIES.items():
        book.plain("categories", categorycode=code, description=description, enrolmentperiod=36,
                   category_type=kind, default_privacy=privacy)  # fmt: skip
    for name, value in SETTINGS.items():
        book.plain("systempreferences", variable=name, value=value)
    _staff(book, rng, first_day)
    people = [_patron(book, rng, FIRST_PATRON + i, first_day, gone=i % 10 == 9) for i in range(patrons + patrons // 9)]
    for patron in people:
        if patron.left is None:
            _account(book, "borrowers", patron)
        elif not patron.purged:
            _account(book, "deletedborrowers", patron)
    return Town(people, list(accumulate(patron.activity for patron in people)))


def _staff(book: Book, rng: random.Random, first_day: date) -> None:
    book.plain("borrowers", borrowernumber=STAND_IN, cardnumber="ANONYMOUS", surname="Anonymous patron",
               userid=None, branchcode="MAIN", categorycode="ANON", dateenrolled=first_day,
               dateexpiry="2099-12-31", privacy=2)  # fmt: skip
    book.plain("userflags", bit=1, flag="circulate", flagdesc="Check out and check in items", defaulton=0)
    book.plain("userflags", bit=4, flag="borrowers", flagdesc="Add, modify and view patron information",
               defaulton=0)  # fmt: skip
    book.plain("userflags", bit=16, flag="reports", flagdesc="Allow access to the reports module",
               defaulton=0)  # fmt: skip
    book.plain("permissions", module_bit=16, code="execute_reports", description="Execute SQL reports")
    book.plain("permissions", module_bit=16, code="create_reports", description="Create SQL reports")
    for number in STAFF:
        who = names.person(rng, number)
        book.add("borrowers", borrowernumber=number, cardnumber=f"S{number:05d}", surname=who.surname,
                 firstname=who.given, userid=f"staff{number}", email=f"staff{number}@lakeside.example.org",
                 branchcode=rng.choice(tuple(BRANCHES)), categorycode="STAFF",
                 flags=1 if number == STAFF.start else 18, dateenrolled=first_day, dateexpiry="2099-12-31",
                 privacy=1, password=_secret(number))  # fmt: skip
        if number % 2:
            book.plain("user_permissions", borrowernumber=number, module_bit=16, code="execute_reports")


def _patron(book: Book, rng: random.Random, number: int, first_day: date, *, gone: bool) -> Patron:
    who = names.person(rng, number)
    category = rng.choices(("AD", "JV", "YA", "SR", "TCH", "NR", "HB", "ORG"), (46, 19, 8, 17, 4, 3, 2, 1))[0]
    age = {"JV": 8, "YA": 15, "SR": 74, "HB": 81}.get(category, 41) + rng.randrange(-4, 5)
    life = (book.today - first_day).days
    enrolled = first_day + timedelta(days=rng.randrange(-1500, max(1, life - 60)))
    left = None
    if gone:
        left = max(enrolled, first_day) + timedelta(days=30)
        left += timedelta(days=rng.randrange(max(1, (book.today - left).days - 5)))
    privacy, chose = rng.choices(((1, False), (2, True), (0, True)), (92, 5, 3))[0]
    if CATEGORIES[category][2] == "forever" and not chose:
        privacy = 0
    if CATEGORIES[category][2] == "never" and not chose:
        privacy = 2
    return Patron(
        number, f"29200{number:09d}", who.given, who.surname, who.email, who.phone, who.street, category,
        rng.choices(tuple(BRANCHES), (66, 26, 8))[0], enrolled, left, privacy, chose,
        min(rng.lognormvariate(0.0, 1.1), 12.0), book.today - timedelta(days=365 * age + rng.randrange(365)),
        rng.choice(("F", "M", "")), purged=gone and rng.random() < 0.3,
    )  # fmt: skip


def _account(book: Book, table: str, patron: Patron) -> None:
    changed = patron.left or min(book.today - timedelta(days=1), patron.enrolled + timedelta(days=400))
    book.add(table, borrowernumber=patron.number, cardnumber=patron.card, surname=patron.surname,
             firstname=patron.given, title=None, streetnumber=patron.street.partition(" ")[0],
             address=patron.street.partition(" ")[2], city="Lakeside", state="WI",
             zipcode=f"5400{patron.number % 4}", email=patron.email, phone=patron.phone,
             dateofbirth=patron.born, branchcode=patron.branch, categorycode=patron.category,
             dateenrolled=patron.enrolled, dateexpiry=book.today + timedelta(days=patron.number % 900),
             sex=patron.sex, userid=patron.login, password=_secret(patron.number), privacy=patron.privacy,
             privacy_guarantor_checkouts=int(patron.category == "JV"),
             updated_on=datetime.combine(changed, datetime.min.time()), lang="default",
             borrowernotes="Prefers a call before visits." if patron.number % 83 == 0 else None,
             altcontactfirstname="Emergency" if patron.number % 41 == 0 else None,
             sort1="SCHOOL-3" if patron.category == "JV" else None)  # fmt: skip
    if table == "borrowers" and patron.privacy == 0:
        book.counts["forever by choice" if patron.chose else "forever by category"] += 1


def _secret(number: int) -> str:
    """Something shaped like Koha's bcrypt column; no password hashes to it."""
    return "$2a$08$" + hashlib.sha256(f"not a password {number}".encode()).hexdigest()[:53]
