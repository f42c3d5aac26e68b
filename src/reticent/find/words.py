"""What names of tables and columns tell: a person, what was used, which kind of record. Words, no values.

Read in the schemas of Koha, Evergreen, FOLIO, VuFind, Blacklight, Libki and ReShare.
"""

from __future__ import annotations

import re

from reticent.model import RecordClass

_PERSON = re.compile(
    r"patron|borrower|(^|_)usr|(^|[^a-z])user(?!_?agent)|userid|username|user_?name|member|customer|reader(?!_?group)"
    r"|person(?!al)|requester|requestor|owner|creator|editor|manager|staff|guarant|issuer|renewer|enrol|applicant"
    r"|cardnumber|card_?no|barcode_of|e_?mail|surname|(first|last|given|family)_?name|login(_?(id|name))?$|phone|cat_username|proxy"
    r"|(^|_)by($|_)|[a-z]by$|(mail|sent|assign(ed)?|addressed|lent|given)_?to$|recipient|addressee|assignee|author_?id|(^|_)who(_|$)|participant|performedby",
    re.IGNORECASE,
)
_OF_A_PERSON = re.compile(r"(year|profile|role|type|status|categor(y|ies)|count|level|age|group|unit|_ou|flag)s?$")
"""What is said of a person is not the person: patron_category, usr_birth_year."""
_NAME = re.compile(
    r"surname|(first|last|given|family|middle|full|patron|user|pref)_?name|name_?of|names?$", re.IGNORECASE
)
_USE = re.compile(
    r"item|biblio|(^|_)bib(_|$)|title|isbn|issn|record|(^|_)cop(y|ies)|instance|document|resource|call_?number"
    r"|query|search|url|printer|computer|workstation|file_?name|room|program|event|course|subject|topic|question"
    r"|loan|checkout|circ(_|$|ulation)|hold|issue_id|target",
    re.IGNORECASE,
)
_BIBLIOGRAPHIC = re.compile(r"title|author|abstract|publisher|marc|biblio|subject|contributor", re.IGNORECASE)

_CLASSES: tuple[tuple[RecordClass, str], ...] = (
    (RecordClass.INTERLIBRARY_LOAN, r"(^|_)ill|interlib|18626|patron_?request|borrowing_?request|protocol_?audit"),
    (
        RecordClass.COMPUTER_SESSION,
        r"libki|(pc|computer|workstation)_?(session|booking|use)|(^|[._])sessions?$|allotment",
    ),
    (RecordClass.PRINT, r"print"),
    (RecordClass.SUBSCRIPTION, r"routing|subscription"),
    (RecordClass.HOLD_REQUEST, r"reserve(?!d)|hold|recall|request|pickup|wishlist"),
    (RecordClass.READING_HISTORY, r"history"),
    (RecordClass.SEARCH, r"search|quer(y|ies)"),
    (RecordClass.REFERENCE, r"chat|question|ticket|reference|helpdesk|transcript"),
    (RecordClass.PAYMENT, r"payment|fine|fee|money|billing|invoice|account_?line|debit|credit"),
    (RecordClass.CIRCULATION, r"issue|loan|checkout|circ|renewal|(^|_)return"),
    (RecordClass.NOTICE, r"message|notice|notif|(^|_)e?mail|sms"),
    (RecordClass.PATRON_CONTENT, r"list|tag|review|rating|bookmark|comment|shelf|shelves|bucket|favou?rite"),
    (RecordClass.SUGGESTION, r"suggest|purchase_?request"),
    (RecordClass.PROGRAM, r"program|event|enrol|attend|signup|club|course"),
    (RecordClass.FACILITY, r"room|booking|reservation|visit|gate|facility|locker|seat"),
    (RecordClass.ACCESS, r"proxy|access|e_?resource|click|link_?track"),
    (RecordClass.REGISTRATION, r"borrower|patron|user|usr|member|registration|card|address|person"),
    (RecordClass.ACTIVITY_LOG, r"log|audit|activity|trace|job"),
    (RecordClass.STAFF_ACTION, r"staff|librarian|operator"),
)


def person(name: str) -> bool:
    """Whether a column's name sounds like a person."""
    return _PERSON.search(_split(name)) is not None and not _OF_A_PERSON.search(_split(name))


def a_name(name: str) -> bool:
    """Whether a column's name sounds like a person's name."""
    return _NAME.search(_split(name)) is not None


def used(name: str) -> bool:
    """Whether a column's name sounds like what was used: an item, a title, a search, a computer."""
    return _USE.search(_split(name)) is not None


def bibliographic(name: str) -> bool:
    """Whether a name sounds like a description of a work, in which authors' names stand."""
    return _BIBLIOGRAPHIC.search(_split(name)) is not None


def record_class(table: str) -> RecordClass:
    """Return the likely record class of what a table keeps."""
    name = _split(table)
    return next((found for found, words in _CLASSES if re.search(words, name)), RecordClass.UNCLASSIFIED)


def _split(name: str) -> str:
    """Return "performedByUserId" as "performed_by_user_id"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
