"""Marked patrons: unmistakable people planted everywhere a Koha can keep them, for residue tests.

Everything about them is over and long due, so after severing none of the marks may be found: not in
the severed series, not in a byte Reticent wrote, not in a log of the server. Planting itself sends
the marks as SQL; a test that searches the server's logs starts logging afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, column, insert, inspect, select, table

from reticent.sample import schema

NUMBERS_FROM = 77_000_000
"""The marked patrons' borrowernumbers are 77000001, 77000002, ..."""
KEYS_FROM = 78_000_000
"""Rows planted for patron n have key 78000000 + n: no other number of theirs looks like a patron."""
MARK = "Zyxmark"
PAST = "2020-03-02 10:00:00"

NEVER_OVER = ("issues", "reserves", "hold_fill_targets")
"""Tables whose every row is an open purpose; nothing finished can be planted there."""

_IDENTITY = ("cardnumber surname firstname preferred_name middle_name othernames address address2 city email "
             "phone mobile fax emailpro phonepro B_address B_email B_phone contactname contactfirstname "
             "borrowernotes userid opacnote contactnote sort1 sort2 altcontactfirstname altcontactsurname "
             "altcontactphone smsalertnumber")  # fmt: skip
_PLACES: Mapping[str, tuple[str, str]] = {  # table: (columns for the patron's number, columns for text)
    "borrowers": ("borrowernumber", _IDENTITY),
    "old_issues": ("borrowernumber issuer_id", "note"),
    "checkout_renewals": ("renewer_id", ""),
    "items_last_borrower": ("borrowernumber", ""),
    "statistics": ("borrowernumber", ""),
    "pseudonymized_transactions": ("", "hashed_borrowernumber city zipcode sort1 sort2"),
    "pseudonymized_borrower_attributes": ("", "attribute"),
    "pseudonymized_metadata_values": ("", "value"),
    "hold_groups": ("borrowernumber", ""),
    "aqorder_users": ("borrowernumber", ""),
    "old_reserves": ("borrowernumber", "reservenotes"),
    "tmp_holdsqueue": ("borrowernumber", "surname firstname phone cardnumber notes"),
    "hold_cancellation_requests": ("", ""),
    "club_enrollments": ("borrowernumber", ""),
    "club_enrollment_fields": ("", "value"),
    "club_holds_to_patron_holds": ("patron_id", "error_message"),
    "article_requests": ("borrowernumber", "patron_notes notes urls"),
    "illrequests": ("borrowernumber managedby", "notesopac notesstaff accessurl orderid"),
    "illrequestattributes": ("", "value"),
    "illcomments": ("borrowernumber", "comment"),
    "illbatches": ("patron_id", "name"),
    "recalls": ("patron_id", "notes"),
    "return_claims": ("borrowernumber", "notes"),
    "bookings": ("patron_id", ""),
    "curbside_pickups": ("borrowernumber", "notes"),
    "curbside_pickup_issues": ("", ""),
    "accountlines": ("borrowernumber", "description note"),
    "suggestions": ("suggestedby", "patronreason note staff_note"),
    "reviews": ("borrowernumber", "review"),
    "ratings": ("borrowernumber", ""),
    "tags_all": ("borrowernumber", "term"),
    "virtualshelves": ("owner", "shelfname"),
    "virtualshelfcontents": ("borrowernumber", ""),
    "virtualshelfshares": ("borrowernumber", "invitekey"),
    "search_history": ("userid", "query_desc query_cgi"),
    "sessions": ("", "a_session"),
    "linktracker": ("borrowernumber", "url"),
    "message_queue": ("borrowernumber", "subject content metadata to_address cc_address"),
    "messages": ("borrowernumber", "message"),
    "alert": ("borrowernumber", ""),
    "subscriptionroutinglist": ("borrowernumber", ""),
    "action_logs": ("user object", "info trace diff"),
    "background_jobs": ("borrowernumber", "data context"),
    "pending_offline_operations": ("", "cardnumber"),
    "problem_reports": ("borrowernumber", "title content username problempage"),
    "tickets": ("reporter_id", "title body"),
    "ticket_updates": ("user_id", "message"),
    "course_instructors": ("borrowernumber", ""),
    "creator_batches": ("borrower_number", "description"),
    "housebound_profile": ("borrowernumber", "fav_itemtypes fav_subjects fav_authors referral notes"),
    "housebound_visit": ("borrowernumber", ""),
    "borrower_debarments": ("borrowernumber", "comment"),
    "borrower_files": ("borrowernumber", "file_name file_description file_content"),
    "discharges": ("borrower", ""),
    "uploaded_files": ("owner", "filename"),
    "saved_reports": ("", "report"),
    "saved_sql": ("", "savedsql notes"),
    "deletedborrowers": ("borrowernumber", _IDENTITY),
    "borrower_attributes": ("borrowernumber", "attribute"),
    "borrower_modifications": ("borrowernumber", _IDENTITY),
    "borrower_relationships": ("guarantor_id guarantee_id", ""),
    "patronimage": ("borrowernumber", "imagefile"),
    "patron_consent": ("borrowernumber", ""),
    "patron_list_patrons": ("borrowernumber", ""),
    "borrower_password_recovery": ("borrowernumber", ""),
    "api_keys": ("patron_id", "description"),
    "cash_register_actions": ("manager_id", ""),  # staff, who are patrons too
    "plugin_data": ("", "plugin_value"),
    "additional_field_values": ("", "value"),
}  # fmt: skip

_SAYS_IT_IS_OVER: Mapping[str, Mapping[str, object]] = {
    "borrowers": {"dateexpiry": "2099-12-31", "privacy": 1, "debarred": None},
    "checkout_renewals": {"interface": "opac"},
    "statistics": {"type": "issue"},
    "old_reserves": {"found": "F"},
    "article_requests": {"status": "COMPLETED", "debit_id": None},
    "illrequests": {"status": "COMP", "status_alias": None},
    "illrequestattributes": {"type": "cardnumber"},
    "recalls": {"status": "fulfilled", "completed": 1},
    "bookings": {"status": "completed"},
    "accountlines": {
        "issue_id": None,
        "reserve_id": None,
        "debit_type_code": "OVERDUE",
        "amount": 1,
        "amountoutstanding": 0,
    },
    "suggestions": {"STATUS": "REJECTED"},
    "message_queue": {"status": "sent"},
    "action_logs": {"module": "CIRCULATION", "action": "ISSUE", "interface": "opac"},
    "background_jobs": {"status": "finished", "type": "pseudonymize_statistic"},
    "problem_reports": {"status": "Closed"},
    "tickets": {"status": "RESOLVED"},
    "courses": {"enabled": "no"},
    "aqorders": {"datereceived": PAST[:10], "created_by": None},
    "club_holds_to_patron_holds": {"hold_id": None},
}


_OWN_ROWS = {"issue_id", "checkout_id", "itemnumber", "biblio_id", "hold_id", "reserve_id"}
"""Columns that mean another row of the patron without a foreign key saying so."""


@dataclass(frozen=True)
class Mark:
    """One planted mark: ``token`` stands somewhere in a value of ``column`` of ``table``."""

    table: str
    column: str
    token: str


@dataclass
class _Patron:
    """One marked patron while being planted: tokens and the keys of their rows."""

    connection: Connection
    columns: Mapping[str, Sequence[schema.Column]]
    index: int
    token: str
    keys: dict[str, object] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)

    @property
    def number(self) -> int:
        return NUMBERS_FROM + self.index

    @property
    def tokens(self) -> dict[str, str]:
        start = f"{self.token}{self.index}"
        return {"name": f"{start}-name", "card": f"{start}-card", "mail": f"{start}@marked.example"}


def plant_marked_patrons(connection: Connection, n: int = 3, token: str = MARK) -> list[Mark]:
    """Plant ``n`` marked patrons in every mapped table of a sample schema; return every mark planted.

    Works in the caller's transaction, on SQLite and MariaDB, for both releases. ``token`` begins
    every text mark; the numbers are those from ``NUMBERS_FROM``. Tables in ``NEVER_OVER`` get none.
    """
    release = "25.x" if inspect(connection).has_table("recalls") else "19.06"
    columns = schema.tables(release)
    marks: list[Mark] = []
    for index in range(1, n + 1):
        patron = _Patron(connection, columns, index, token)
        for name in _PLACES:
            if name in columns and name not in patron.keys:
                _plant(patron, name)
        marks += patron.marks
    return marks


def _plant(patron: _Patron, name: str) -> None:
    """Insert this patron's row of one table, and first the rows it refers to."""
    numbers, texts = (place.split() for place in _PLACES.get(name, ("", "")))
    row: dict[str, object] = {}
    marks = []
    said = _SAYS_IT_IS_OVER.get(name, {})
    for known in patron.columns[name]:
        if known.name in said:
            row[known.name] = said[known.name]
        elif known.name in numbers:
            row[known.name] = patron.number
            marks.append(Mark(name, known.name, str(patron.number)))
        elif known.name in texts:
            text, used = _text(patron, known)
            row[known.name] = text.encode() if "blob" in known.type else text
            marks += [Mark(name, known.name, mark) for mark in used]
        else:
            row[known.name] = _filler(patron, known)
    primary = [known.name for known in patron.columns[name] if known.key == "PRI"]
    patron.connection.execute(insert(table(name, *map(column, row))).values(row))
    patron.keys[name] = row[primary[0]] if primary else None
    patron.marks += marks


def _text(patron: _Patron, known: schema.Column) -> tuple[str, list[str]]:
    """Return a value as long as the column allows and the tokens in it."""
    tokens = patron.tokens
    if ("name" in known.name and known.name != "username") or known.type == "varchar(10)":
        short = tokens["name"] if known.type != "varchar(10)" else tokens["name"][:9]
        return short, [short]
    for word, kind in (("card", "card"), ("userid", "card"), ("mail", "mail"), ("to_address", "mail")):
        if word in known.name:
            return tokens[kind], [tokens[kind]]
    if "char(" in known.type or known.type == "tinytext":
        return tokens["card"], [tokens["card"]]
    whole = json.dumps(tokens | {"number": patron.number})
    return whole, [*tokens.values(), str(patron.number)]


def _filler(patron: _Patron, known: schema.Column) -> object:
    """A harmless value: the patron's own other rows for references, a past moment for dates."""
    parent = known.fk.partition(".")[0]
    if parent == "borrowers" or (known.nullable and parent in {"authorised_values", "sms_providers"}):
        return patron.number if not known.nullable else None
    if parent:
        return _parent(patron, parent)
    if known.name in _OWN_ROWS or (known.key in {"PRI", "UNI"} and "int" in known.type):
        return KEYS_FROM + patron.index
    if known.type.startswith("date"):
        return PAST[:10] if known.type == "date" else PAST
    if known.type == "timestamp":
        return PAST
    if known.nullable:
        return None
    if known.type.startswith("enum("):
        return known.type[6:].partition("'")[0]
    if "char" in known.type or "text" in known.type:
        return f"k{patron.index}" if known.key else ""
    return b"" if "blob" in known.type else 0


def _parent(patron: _Patron, name: str) -> object:
    """The key of the row of ``name`` to refer to; codes of the library itself are shared, not invented."""
    key = next(known for known in patron.columns[name] if known.key == "PRI")
    if name not in patron.keys and "char" in key.type:
        found = patron.connection.scalar(select(column(key.name)).select_from(table(name)).limit(1))
        if found is not None:
            patron.keys[name] = found
    if name not in patron.keys:
        _plant(patron, name)
    return patron.keys[name]
