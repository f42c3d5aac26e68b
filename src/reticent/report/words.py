"""Plain words for people who do not run systems: record classes, dispositions, how to mend what is withheld."""

from __future__ import annotations

import unicodedata

from reticent.model import Disposition, RecordClass

CLASSES = {
    RecordClass.CIRCULATION: "Loans, renewals, returns",
    RecordClass.HOLD_REQUEST: "Holds, recalls, bookings",
    RecordClass.INTERLIBRARY_LOAN: "Interlibrary loans",
    RecordClass.SEARCH: "Searches",
    RecordClass.REFERENCE: "Questions to the library",
    RecordClass.ACCESS: "Online access",
    RecordClass.DIGITAL_LENDING: "Digital lending",
    RecordClass.COMPUTER_SESSION: "Public computers",
    RecordClass.NETWORK: "Networks",
    RecordClass.PRINT: "Printing and copying",
    RecordClass.FACILITY: "Rooms and equipment",
    RecordClass.PROGRAM: "Events and clubs",
    RecordClass.PAYMENT: "Fees and payments",
    RecordClass.NOTICE: "Notices sent",
    RecordClass.SUGGESTION: "Purchase suggestions",
    RecordClass.PATRON_CONTENT: "Lists, tags, reviews",
    RecordClass.SUBSCRIPTION: "Routing lists",
    RecordClass.READING_HISTORY: "Reading history patrons asked for",
    RecordClass.REGISTRATION: "Registration",
    RecordClass.SURVEILLANCE: "Camera images",
    RecordClass.ACTIVITY_LOG: "Activity logs",
    RecordClass.STAFF_ACTION: "What staff did",
    RecordClass.UNCLASSIFIED: "Not classified",
}

DISPOSITIONS = {
    Disposition.NULL: "value emptied",
    Disposition.SENTINEL: "patron replaced by the system’s stand-in record",
    Disposition.DELETE: "row deleted",
    Disposition.OVERWRITE: "value overwritten",
    Disposition.GENERALISE: "time made coarser",
    Disposition.REMOVE_PATH: "part of a document taken out",
    Disposition.REMOVE_ELEMENT: "one entry of a list in a document taken out",
    Disposition.SCRUB: "identifiers taken out of a text",
    Disposition.PSEUDONYMISE: "patron replaced under a key",
    Disposition.AGGREGATE: "rows turned into counts",
    Disposition.AGE: "row moved to the system’s old ones, without the patron",
    Disposition.RENUMBER: "row given a new number",
}

MEND = {
    "could not be decided": "A value the decision rests on is missing or unreadable. Have these rows corrected.",
    "whose branch it is cannot be told": "Have the branch of these rows, or of their patrons, corrected.",
    "no end date": "Have the end date entered; without it nobody can say when the purpose ended.",
    "end date in the future": "Have the date corrected, and the clock of the machine that wrote it checked.",
}
NOT_SET = "the site has not set retention."
NO_ITEM = "no item of the records schedule"


def shown(text: str) -> str:
    """Return text in which control and direction characters are seen, not obeyed.

    The two joiners stay: Persian, Hindi and other names cannot be written without them.
    """
    return "".join(c if _harmless(c) else f"\\u{ord(c):04x}" for c in text)


def _harmless(character: str) -> bool:
    if character in "\n\u200c\u200d":
        return True
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs")
