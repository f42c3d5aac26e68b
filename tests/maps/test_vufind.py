"""VuFind: searches, the session that joins them to a name, audit events, payments, messages; two servers, 9 to 11."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.maps.acceptance import promise
from tests.maps.case import Case
from tests.maps.planting import PATRONS, Person
from tests.maps.stage import staged
from tests.servers import Server


def now(_: Person) -> str:
    return datetime.now().strftime("%Y-%m-%d %H:%M:%S")


def searched(person: Person) -> bytes:
    """A serialised search of somebody who looked for their own name."""
    return f'O:5:"minSO":1:{{s:1:"t";a:1:{{i:0;s:20:"{person.name} {person.number}";}}}}'.encode()


def mail(person: Person) -> str:
    return person.mail


NO_PAYMENT = {"payment_id": None}
ALL: dict[str, Any] = {
    "search.saved": False,
    "search.search_object": searched,
    "resource.record_id": "vtls000000001",
    "resource.source": "Solr",
    "resource.title": "A title",
    "resource.author": "An author",
    "resource.extra_metadata": None,
    "resource.display_title": None,
    "tags.tag": "gardens",
    "user.auth_method": "ILS",
    "user.last_language": "en",
    "feedback.status": "closed",
    "feedback.form_name": "FeedbackSite",
    "feedback.site_url": "https://catalogue.example",
    "payment.status": 1,
    "payment.source_ils": "ils",
    "payment_fee.type": "overdue",
    "payment_fee.organization": "MAIN",
    "audit_event.type": "user",
    "audit_event.subtype": "login",
    "audit_event.server_ip": "192.0.2.1",
    "audit_event.server_name": "catalogue",
    "audit_event.client_ip": lambda person: f"198.51.100.{person.index} {person.card}",
}
NEW = Case(
    "vufind",
    values=ALL,
    due={
        "search.saved_session": {"saved": True},
        "audit_event": NO_PAYMENT,
        "audit_event.loans": {"type": "ils", "subtype": "renew_loans", **NO_PAYMENT},
        "audit_event.holds": {"type": "ils", "subtype": "place_hold", **NO_PAYMENT},
        "audit_event.ill": {"type": "ils", "subtype": "place_ill_request", **NO_PAYMENT},
        "audit_event.searches": {"subtype": "save_search", **NO_PAYMENT},
        "audit_event.payments": {"type": "payment", "subtype": "payment"},
    },
    alive={
        "session": ({"session_id": "open", "created": now},),
        "search": ({"session_id": "open", "created": now}, {"saved": True, "session_id": None}),
        "feedback": ({"status": "open", "updated_by": None}, {"status": "pending", "updated_by": None}),
        "payment": ({"status": 3}, {"status": 5}),
        "payment_fee": ({},),
    },
    stays={
        "user": "the account is open",
        "user_card": "the account's card",
        "login_token": "the patron asked to be remembered",
        "api_key": "its owner keeps it",
        "user_list": "the patron's list",
        "user_resource": "the patron's list",
        "resource_tags": "the patron's tags",
        "comments": "the patron's words",
        "ratings": "the patron's rating",
        "search.user_id": "a saved search is the patron's",
        "search.title": "the name the patron gave it",
        "search.search_object": "what the patron saved",
        "search.notification_base_url": "where its notices point to",
    },
    never_due=frozenset({"search.saved"}),
    retention={"computer_session": "1 day"},
)
NEWER = {"login_token", "api_key"}
"""Tables of the ones that stay which came after 9."""
OLD = replace(
    NEW,
    release="9",
    due={
        **NEW.due,
        "search.saved": {"saved": True, "user_id": lambda person: person.number + PATRONS, "session_id": None},
    },
    stays={place: why for place, why in NEW.stays.items() if place not in NEWER},
    never_due=frozenset(),
)
TEN = replace(OLD, release="10", stays={place: why for place, why in NEW.stays.items() if place != "api_key"})
CASES = {
    "11": ("mariadb", NEW),
    "9": ("mariadb", OLD),
    "postgresql 11": ("postgresql", replace(NEW, release="postgresql")),
    "10": ("mariadb", TEN),
    "postgresql 9": ("postgresql", replace(OLD, release="postgresql_9")),
    "postgresql 10": ("postgresql", replace(TEN, release="postgresql_10")),
}
SHORT = {"11", "9", "postgresql 11"}


@pytest.mark.parametrize("name", [n if n in SHORT else pytest.param(n, marks=pytest.mark.soak) for n in CASES])
def test_vufind(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, fresh_database: Callable[[Server], str]
) -> None:
    kind, case = CASES[name]
    server: Server = request.getfixturevalue(kind)
    promise(staged(case, tmp_path, fresh_database(server), server))
