"""What a page is made from: the documents the acts return, and what the maps say about their series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reticent.model import Margins
from reticent.policy.director import DirectorPage

Document = Mapping[str, Any]
"""What an act's result returns from ``document()``; docs/reference has the shapes."""


@dataclass(frozen=True)
class Purpose:
    """Why the ties of one series may exist, and the event that ends it, in the map's words.

    ``severed`` is False for a series that is only reported, such as the accounts themselves.
    """

    why: str
    ends: str
    severed: bool = True


@dataclass(frozen=True)
class Question:
    """A decision a site has not taken: what is asked, and each answer's meaning."""

    name: str
    text: str
    answers: Mapping[str, str]


@dataclass(frozen=True)
class Statistics:
    """Totals recorded before the first severing: measure -> its title, and ``measure|month|margin`` -> counts."""

    titles: Mapping[str, str]
    totals: Margins


@dataclass(frozen=True)
class Evidence:
    """The ledger's signed head and public key; ``entry`` is where the run stands in it."""

    checkpoint: str
    public_key: str
    entry: int | None = None


@dataclass(frozen=True)
class Results:
    """Everything a page can show. What is None was not done, and the page says so.

    ``before`` and ``after`` are inventories, ``purposes`` is by ``system/series``, ``questions`` by
    system and the reason that stands in an inventory's ``withheld``.
    """

    library: str
    made: datetime
    before: Document | None = None
    plan: Document | None = None
    run: Document | None = None
    after: Document | None = None
    check: Document | None = None
    statistics: Statistics | None = None
    evidence: Evidence | None = None
    purposes: Mapping[str, Purpose] = field(default_factory=dict)
    questions: Mapping[tuple[str, str], Question] = field(default_factory=dict)
    policy: DirectorPage | None = None
    """What the policy in force promises, and whether it is proved."""
    sample: bool = False
    """Whether the library is made up; said at the top of the page."""

    @property
    def now(self) -> Document | None:
        """The latest inventory."""
        return self.after or self.before
