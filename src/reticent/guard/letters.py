"""Letters in the library's name, and the card for the desk: plain text always, tagged PDF through typst.

The words stand in ``templates/letters.toml``. What comes from outside (an agency's name, a docket, a
patron's address) is data: it reaches typst as JSON and is shown as text, so nothing in it can be markup.
"""

from __future__ import annotations

import string
import textwrap
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from reticent.errors import UsageError
from reticent.pdf import pdf

TEMPLATES = Path(__file__).parent / "templates"
LONGEST = 4000
"""Characters of one value."""
WIDTH = 78
DRAFT = "DRAFT. Counsel has not confirmed the law this letter cites. Do not send it before counsel has read it."
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_JOINERS = "\u200c\u200d"
"""Persian, Hindi and other names cannot be written without them."""
_ISOLATE, _END = "\u2068", "\u2069"
_ITEMS = "- {items}"
_BLANK = "____________________"


class Kind(StrEnum):
    """Which letter."""

    ACKNOWLEDGEMENT = "acknowledgement"
    REFUSAL = "refusal"
    DEFECT_NOTICE = "defect_notice"
    CHALLENGE = "challenge"
    PATRON_NOTICE = "patron_notice"
    RELEASED_NOTICE = "released_notice"
    PAPER_CHECKPOINT = "paper_checkpoint"
    RECEIPT = "receipt"
    REDISCLOSURE = "redisclosure"


@dataclass(frozen=True)
class Letter:
    """One letter as data. A part is a paragraph, or a tuple of list items."""

    title: str
    library: str
    date: str
    reference: str
    to: tuple[str, ...] = field(repr=False)
    parts: tuple[str | tuple[str, ...], ...] = field(repr=False)
    signer: str = ""
    office: str = "Custodian of records"
    from_: tuple[str, ...] = ()
    draft: str = ""


@dataclass(frozen=True)
class Head:
    """What every letter has: who writes, to whom, when, about which case (a number that tells nothing)."""

    library: str
    signer: str
    on: date
    reference: str
    to: Sequence[str] = field(default=(), repr=False)
    address: Sequence[str] = ()
    office: str = "Custodian of records"


def compose(
    kind: Kind, head: Head, values: Mapping[str, str], items: Sequence[str] = (), *, confirmed: bool = False
) -> Letter:
    """Return a letter of this kind. ``confirmed``: counsel stands by the law it cites; else it says it is a draft.

    Raises UsageError when a value is missing, too long, or holds a control or direction character.
    """
    known = {"library": head.library, **values}
    needed = required(kind)
    if missing := sorted(needed - known.keys() - {"items"}):
        raise UsageError(
            f"The letter lacks: {', '.join(missing)}.", where=f"letter {kind}", do="Give each: --value NAME=TEXT."
        )
    if "items" in needed and not items:
        raise UsageError("The letter lacks its list.", where=f"letter {kind}", do="Name at least one: --item TEXT.")
    words = _words()[kind]
    filled = {name: _shown(name, value) for name, value in known.items()}
    listed = tuple(_shown("item", each) for each in items)
    parts = tuple(listed if part == _ITEMS else part.format_map(filled).strip() for part in words["text"])
    return Letter(
        title=words["title"],
        library=filled["library"],
        date=day(head.on),
        reference=_shown("reference", head.reference),
        to=tuple(_shown("recipient", each) for each in head.to),
        parts=parts,
        signer=_shown("signer", head.signer),
        office=_shown("office", head.office),
        from_=tuple(_shown("address", each) for each in head.address),
        draft=DRAFT if "citation" in needed and not confirmed else "",
    )


def defect(code: str) -> str:
    """Return what a notice says of a defect."""
    return str(_words()["defects"][code])


def day(when: date) -> str:
    """Return a day as letters write it."""
    return f"{when:%B} {when.day}, {when.year}"


def required(kind: Kind) -> frozenset[str]:
    """Return the names a letter of this kind must be given; ``items`` is its list."""
    text = "\n".join(_words()[kind]["text"])
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name) - {"library"}


def as_text(letter: Letter) -> str:
    """Return a letter as plain text, lines of at most 78 characters where words allow."""
    blocks = ["\n".join((letter.library, *letter.from_)), letter.date, "\n".join(letter.to)]
    blocks += [letter.reference, *_wrapped([letter.draft]), letter.title, "=" * min(len(letter.title), WIDTH)]
    for part in letter.parts:
        blocks.append("\n".join(_wrapped(part, "  - ") if isinstance(part, tuple) else _wrapped([part])))
    if letter.office:
        blocks.append(f"\n{letter.signer}\n{letter.office}")
    return "\n\n".join(filter(None, blocks)).replace(f"{letter.title}\n\n=", f"{letter.title}\n=") + "\n"


def as_pdf(letter: Letter) -> bytes:
    """Return a letter as a tagged PDF (PDF/UA-1), the same bytes for the same letter.

    Raises SystemRefused where typst is not installed; the plain text says the same.
    """
    data = {**asdict(letter), "from": letter.from_}
    return _compiled("letter.typ", data, letter.date)


@dataclass(frozen=True)
class Call:
    """Somebody to be called from the desk: office, name, telephone."""

    office: str
    name: str
    phone: str = ""


@dataclass(frozen=True)
class Card:
    """The card for the desk as data: (heading, numbered or not, lines)."""

    title: str
    library: str
    sections: tuple[tuple[str, bool, tuple[str, ...]], ...]
    foot: str


def card(library: str, calls: Sequence[Call], citation: str, on: date) -> Card:
    """Return the card: what to say, whom to call, what not to do. Raises UsageError if nobody can be called."""
    if not calls:
        raise UsageError("The card names nobody to call.", where="[officers]", do="Add the custodian and an alternate.")
    people = tuple(
        f"{_shown('office', one.office).capitalize()}: {_shown('name', one.name)}, "
        f"{_shown('phone', one.phone) or _BLANK}"
        for one in calls
    )
    words = _words("card")
    sections = tuple(
        (part["title"], "calls" in part, people if "calls" in part else tuple(part["lines"]))
        for part in words["section"]
    )
    foot = words["foot"].format(citation=_shown("citation", citation), day=day(on))
    return Card(words["title"], _shown("library", library), sections, foot)


def card_text(made: Card) -> str:
    """Return the card as plain text."""
    lines = [made.title.upper(), made.library, ""]
    for title, numbered, rows in made.sections:
        lines += [title, "-" * len(title)]
        for number, row in enumerate(rows, 1):
            lines += _wrapped([row], f"  {number}. " if numbered else "  - ")
        lines.append("")
    return "\n".join([*lines, *_wrapped([made.foot])]) + "\n"


def card_pdf(made: Card, on: date) -> bytes:
    """Return the card as a tagged PDF of one page. Raises SystemRefused where typst is not installed."""
    sections = [{"title": title, "numbered": numbered, "lines": lines} for title, numbered, lines in made.sections]
    data = {"title": made.title, "library": made.library, "sections": sections, "foot": made.foot}
    return _compiled("card.typ", data, day(on))


def _compiled(template: str, data: Mapping[str, Any], dated: str) -> bytes:
    return pdf(TEMPLATES / template, data, datetime.strptime(dated, "%B %d, %Y").replace(tzinfo=UTC))


def visible(value: str) -> str:
    """Return a record's own text on one line, with a mark in place of every character that cannot be seen."""
    return _isolated("".join("\ufffd" if _unseen(c) else c for c in _one_line(value)))


@cache
def _words(file: str = "letters") -> Mapping[str, Any]:
    return tomllib.loads((TEMPLATES / f"{file}.toml").read_text(encoding="utf-8"))


def _shown(name: str, value: str) -> str:
    """Return a value as it is shown: one line, no control or direction characters."""
    text = _one_line(value)
    if len(text) > LONGEST or any(map(_unseen, text)):
        raise UsageError(
            "A value of the letter is too long or holds characters that cannot be seen.",
            where=name,
            do=f"Write it anew, as plain text of at most {LONGEST} characters.",
        )
    return _isolated(text)


def _one_line(value: str) -> str:
    # What is isolated already may be shown once more, inside another text.
    return " ".join(value.split()).removeprefix(_ISOLATE).removesuffix(_END)


def _unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN and character not in _JOINERS


def _isolated(text: str) -> str:
    """Return a value so that right-to-left letters in it do not reorder the sentence around it (UAX 9)."""
    return f"{_ISOLATE}{text}{_END}" if any(unicodedata.bidirectional(c) in ("R", "AL") for c in text) else text


def _wrapped(rows: Sequence[str], mark: str = "") -> list[str]:
    return [
        textwrap.fill(row, WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark), break_long_words=False)
        for row in rows
        if row
    ]
