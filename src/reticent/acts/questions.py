"""What `init` asks, whom, and what it takes for an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from reticent.errors import ConfigurationError, SystemUnreachable
from reticent.law.schedules import NONE_APPLIES
from reticent.site import duration
from reticent.stores.sql.connect import open_engine

LATER = "later"
LONGEST_LAST_BORROWER = timedelta(days=7)
OTHER_ITEM = "other: "


def anything(answer: str) -> str:
    """Take any answer."""
    return answer


@dataclass(frozen=True)
class Question:
    """One question. ``key`` is the option that answers it unattended; ``default`` None: there is none.

    ``check`` returns the answer as it is kept, and raises ValueError with what is wrong with it.
    """

    key: str
    text: str
    default: str | None = ""
    check: Callable[[str], str] = anything


class Asker(Protocol):
    """A person at a terminal, or the options of an unattended run."""

    def ask(self, question: Question) -> str:
        """Return a checked answer. Raises UsageError if there is none."""
        ...

    def secret(self, name: str) -> str:
        """Return a password that is kept in memory only; "" if nobody can be asked."""
        ...

    def tell(self, text: str) -> None:
        """Say something a person should read now."""
        ...

    def again(self, text: str) -> bool:
        """Return whether to try again what just failed."""
        ...


def derived(find: str, right: str) -> str:
    """Return the URL of another account beside the find account: its user and password variable renamed."""
    head, separator, rest = find.rpartition("@")
    if not separator:
        return find
    named = head.replace("find", right).replace("FIND", right.upper())
    return f"{named if named != head else head.partition('://')[0] + '://reticent_' + right}@{rest}"


def not_empty(answer: str) -> str:
    """Refuse no answer."""
    if not answer:
        raise ValueError("it may not be empty")
    return answer


def one_of(known: list[str]) -> Callable[[str], str]:
    """Return a check for a closed list."""

    def check(answer: str) -> str:
        if answer not in known:
            raise ValueError(f"it is one of: {', '.join(filter(None, known))}")
        return answer

    return check


def system_name(answer: str) -> str:
    """Check a system's name as reticent.toml wants it."""
    if not re.fullmatch(r"[a-z0-9_]{1,30}", answer):
        raise ValueError("it is 1 to 30 small letters, digits and _")
    return answer


def tenant_name(answer: str) -> str:
    """Return the name of a tenant. Raises ValueError."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", answer):
        raise ValueError("a tenant's name has small letters, digits and _")
    return answer


def database_url(answer: str) -> str:
    """Check that a URL is one of a database; ``${NAME}`` stands for anything."""
    try:
        open_engine(re.sub(r"\$\{[^}]+\}", "x", answer), "url").dispose()
    except SystemUnreachable:
        return answer  # a file that is not there is told when the account is tried
    except ConfigurationError as error:
        raise ValueError(f"{error.what} {error.do}".rstrip(".")) from None
    return answer


def branches_of(there: list[str]) -> Callable[[str], str]:
    """Return a check for branch codes, of those that are there if any could be read."""

    def check(answer: str) -> str:
        named = [code.strip() for code in answer.split(",") if code.strip()]
        if not named:
            raise ValueError("name at least one, or all")
        if unknown := [code for code in named if there and code not in there and named != ["all"]]:
            raise ValueError(f"there is no branch {unknown[0]}; there are {', '.join(there[:20])}")
        return ",".join(named)

    return check


def length_or_nothing(answer: str) -> str:
    """Check a length of time; nothing is allowed."""
    if answer:
        duration(answer)
    return answer


def last_borrower(answer: str) -> str:
    """Check the last-borrower window."""
    if duration(answer) > LONGEST_LAST_BORROWER:
        raise ValueError("at most 7 days: longer, it is a reading history")
    return answer


def item_of(items: list[str]) -> Callable[[str], str]:
    """Return a check for an item of a records schedule."""

    def check(answer: str) -> str:
        if answer in (*items, NONE_APPLIES, LATER) or re.match(rf"{OTHER_ITEM}\S", answer):
            return answer
        known = ", ".join([*items, NONE_APPLIES, LATER])
        raise ValueError(f'it is one of: {known}; or "{OTHER_ITEM}" and what your schedule calls it')

    return check
