"""The sample library's collection: invented titles and authors, shelved as a town library shelves them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from reticent.sample.book import Book

LONG_AGO = datetime.combine(date(1970, 1, 1), time())
FOR_EVER = datetime.combine(date(9999, 1, 1), time())


@dataclass
class Item:
    """One copy. ``free_from`` is when its last loan ends."""

    number: int
    biblio: int
    barcode: str
    title: str
    author: str
    branch: str
    type: str
    ccode: str
    location: str
    callnumber: str
    price: float
    free_from: datetime = LONG_AGO
    issues: int = 0
    lost: bool = False
    onloan: date | None = None


@dataclass(frozen=True)
class Shelf:
    """A collection code of the library: how many titles of a thousand, item type, place, call number."""

    ccode: str
    name: str
    share: int
    type: str
    location: str
    call: str


BRANCHES = {
    "MAIN": "Lakeside Public Library",
    "EAST": "East Shore Branch",
    "BKM": "Lakeside Bookmobile",
}
ITEM_TYPES = {
    "BK": "Book", "JBK": "Children's book", "LP": "Large print", "DVD": "DVD", "CDA": "Audiobook on CD",
    "MAG": "Magazine", "GAME": "Game", "TOOL": "Library of things", "REF": "Reference (in library)",
}  # fmt: skip
SHELVES = (
    Shelf("FIC", "Fiction", 210, "BK", "STACKS", "FIC"),
    Shelf("MYS", "Mystery", 110, "BK", "STACKS", "MYS"),
    Shelf("NFIC", "Nonfiction", 230, "BK", "STACKS", ""),
    Shelf("LP", "Large print", 60, "LP", "LPRINT", "LP FIC"),
    Shelf("JPIC", "Children's picture books", 130, "JBK", "CHILD", "E"),
    Shelf("JFIC", "Children's fiction", 90, "JBK", "CHILD", "J FIC"),
    Shelf("YA", "Young adult", 60, "BK", "TEEN", "YA FIC"),
    Shelf("DVD", "DVDs", 70, "DVD", "AV", "DVD"),
    Shelf("AUD", "Audiobooks", 20, "CDA", "AV", "CD FIC"),
    Shelf("PER", "Magazines", 8, "MAG", "PERIOD", "PER"),
    Shelf("LOT", "Library of things", 6, "TOOL", "DESK", "LOT"),
    Shelf("REF", "Local history", 6, "REF", "LOCAL", "R"),
)

_ADJECTIVES = ("Quiet", "Salt", "Borrowed", "Winter", "Crooked", "Last", "Paper", "Hollow", "Glass", "Second",
               "Unsent", "Copper", "Drowned", "Patient", "Amber", "Ordinary")  # fmt: skip
_NOUNS = ("Orchard", "Lighthouse", "Cartographer", "Daughter", "River", "Beekeeper", "Ferry", "Almanac",
    "Harvest",
          "Inheritance", "Compass", "Garden", "Witness", "Sparrow", "Letter", "Ledger")  # fmt: skip
_PLACES = ("Kestrel Bay", "Marrow Creek", "Saint Oswin", "the North Shore", "Tamarack", "Lower Fell")
_CRIMES = ("Murder at", "Poison in", "A Body in", "The Vanishing at", "Bad Blood in", "Death Comes to")
_ANIMALS = ("Otter", "Badger", "Little Goat", "Pigeon", "Moose", "Tortoise", "Hedgehog", "Snail")
_ERRANDS = ("and the Missing Boot", "Goes to School", "Can't Sleep", "and the Very Loud Night", "Makes Soup",
            "Has Two Moms", "Says Goodbye to Grandpa", "Learns to Swim")  # fmt: skip
_TOPICS = (
    ("Living with Depression", "616.8527"), ("Divorce Without Disaster", "346.73"),
    ("Bankruptcy Step by Step", "346.73078"),
    ("When Someone You Love Drinks", "362.292"), ("Coming Out Later in Life", "306.766"),
    ("The HIV Handbook", "616.9792"),
    ("Your Rights as an Immigrant", "342.73082"), ("Leaving an Abusive Partner", "362.8292"),
    ("A Beginner's Quran", "297.122"),
    ("Losing a Faith", "211.8"), ("Union Organizing for Beginners", "331.88"),
    ("Early Stage Dementia", "616.831"),
    ("Fertility After Forty", "618.178"), ("Grief, Day by Day", "155.937"), ("Bread from Scratch", "641.815"),
    ("Birds of the Upper Lakes", "598.0977"), ("Small Engine Repair", "621.434"),
    ("Knitting Lace", "746.432"),
    ("A Short History of Ice", "551.31"), ("Trout Fishing Close to Home", "799.1757"),
    ("Retire on Less", "332.024"),
    ("The Backyard Orchard", "634"), ("Learn Spanish in a Season", "468.2421"),
    ("Wisconsin Barns", "728.922"),
)  # fmt: skip
_EDITIONS = (
    "",
    ": A Practical Guide",
    ": Stories and Advice",
    ": The Illustrated Companion",
    ": Revised and Expanded",
)
_THINGS = (
    "Sewing machine",
    "Telescope",
    "Ukulele",
    "Snowshoes (pair)",
    "Cake pan, train",
    "Radon detector",
    "Metal detector",
)
_MAGAZINES = (
    "Lake Country Living",
    "The Patient Angler",
    "Quilting Quarterly",
    "Modern Hobbyist",
    "Kitchen Season",
)
_AUTHORS = tuple(
    f"{family}, {given}"
    for family in ("Abernathy", "Bellweather", "Castellan", "Dreyer", "Eastlake", "Fairbourne", "Goldsworthy",
    "Hargreave",
                   "Iverness", "Jellicoe", "Karlsdotter", "Lindqvist-Moore", "Mbeki-Lane", "Norring",
                   "Okonjo-Ward", "Penhallow")
    for given in ("Ada", "Benedict", "Corinne", "Desmond", "Esther", "Felix", "Greta")
)  # fmt: skip


@dataclass
class Catalogue:
    """What the library holds, by collection code."""

    items: list[Item] = field(default_factory=list)
    by_ccode: dict[str, list[Item]] = field(default_factory=dict)
    titles: int = 0


def _title(rng: random.Random, shelf: Shelf, author: str) -> tuple[str, str]:
    """Return (title, call number)."""
    cutter = author[:3].upper()
    if shelf.ccode == "NFIC":
        topic, dewey = rng.choice(_TOPICS)
        return topic + rng.choice(_EDITIONS), f"{dewey} {cutter}"
    title = f"The {rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}"
    if shelf.ccode in {"FIC", "LP", "AUD", "DVD"} and rng.random() < 0.6:
        noun = rng.choice(_NOUNS)
        title = rng.choice((f"{noun} of {rng.choice(_PLACES)}", f"What the {noun} Knew",
                            f"A {rng.choice(_ADJECTIVES)} Kind of {rng.choice(_NOUNS)}",
                            f"{noun}, Again"))  # fmt: skip
    elif shelf.ccode == "MYS":
        title = f"{rng.choice(_CRIMES)} {rng.choice(_PLACES)}"
    elif shelf.ccode == "JPIC":
        title = f"{rng.choice(_ANIMALS)} {rng.choice(_ERRANDS)}"
    elif shelf.ccode == "PER":
        title = f"{rng.choice(_MAGAZINES)}, {rng.choice(('spring', 'summer', 'autumn', 'winter'))} issue"
    elif shelf.ccode == "LOT":
        return rng.choice(_THINGS), f"LOT {rng.randrange(1, 60)}"
    elif shelf.ccode == "REF":
        record = rng.choice(("Plat Maps", "City Directory", "High School Yearbook"))
        return f"Lakeside {record} {rng.randrange(1921, 1999)}", "R 977.5"
    return title, f"{shelf.call} {cutter}"


def stock(book: Book, rng: random.Random, titles: int, today: date) -> Catalogue:
    """Catalogue and shelve ``titles`` titles; busy ones have several copies."""
    for code, name in ITEM_TYPES.items():
        book.plain("itemtypes", itemtype=code, description=name, notforloan=int(code == "REF"))
    for shelf in SHELVES:
        book.plain("authorised_values", category="CCODE", authorised_value=shelf.ccode, lib=shelf.name)
    found = Catalogue(by_ccode={shelf.ccode: [] for shelf in SHELVES})
    shelves = [shelf for shelf in SHELVES for _ in range(max(1, titles * shelf.share // 1000))]
    for number, shelf in enumerate(shelves, 1):
        author = rng.choice(_AUTHORS)
        title, call = _title(rng, shelf, author)
        added = today - timedelta(days=rng.randrange(30, 4000))
        book.plain("biblio", biblionumber=number, frameworkcode="", author=author, title=title,
                   serial=int(shelf.ccode == "PER"), copyrightdate=added.year, datecreated=added)  # fmt: skip
        book.plain("biblioitems", biblioitemnumber=number, biblionumber=number, itemtype=shelf.type,
                   isbn=f"979000{number:07d}")  # fmt: skip
        for _ in range(rng.choices((1, 2, 3), (70, 22, 8))[0]):
            copy = len(found.items) + 1
            branch = rng.choices(tuple(BRANCHES), (68, 24, 8))[0]
            item = Item(copy, number, f"39200{copy:09d}", title, author, branch, shelf.type, shelf.ccode,
                        shelf.location, call, rng.choice((9.99, 16.0, 24.99, 28.0)))  # fmt: skip
            found.items.append(item)
            found.by_ccode[shelf.ccode].append(item)
    found.titles = len(shelves)
    return found


def shelve(book: Book, catalogue: Catalogue, today: date) -> None:
    """Write the items as they stand at ``today``, after the loans were simulated."""
    for item in catalogue.items:
        borrowed = None if item.free_from == LONG_AGO else min(item.free_from.date(), today)
        book.plain("items", itemnumber=item.number, biblionumber=item.biblio, biblioitemnumber=item.biblio,
                   barcode=item.barcode, homebranch=item.branch, holdingbranch=item.branch, price=item.price,
                   replacementprice=item.price, datelastborrowed=borrowed, itemlost=int(item.lost),
                   itemcallnumber=item.callnumber, issues=item.issues, location=item.location,
                   onloan=item.onloan, ccode=item.ccode, itype=item.type)  # fmt: skip
