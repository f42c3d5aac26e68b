"""What is handed over, as files: the ties inside a scope, what was withheld, where nobody looked. Pure functions.

Nothing here says that no record exists: a nil return says where was looked, and where not.
"""

from __future__ import annotations

import csv
import hashlib
import io
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reticent.guard.letters import visible
from reticent.model import NotLookedAt, SeriesFacts
from reticent.policy.permits import Scope

Tie = Mapping[str, object]
COLUMNS = ("system", "record", "record_class", "patron", "item", "title", "used_at", "ended", "open", "details")
"""Columns of ``ties.csv``; times are UTC, ``details`` what the record itself says of the use."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Searched:
    """One system that was searched: how many ties were inside the scope there. ``stopped`` says what ended it early."""

    system: str
    ties: int
    stopped: str = ""


@dataclass(frozen=True)
class Gathered:
    """What a search under a permit found. Held in memory only: it names people."""

    ties: Sequence[Tie] = field(repr=False)
    searched: Sequence[Searched]
    not_searched: Sequence[NotLookedAt]
    withheld: Mapping[str, int] = field(default_factory=dict)
    """Why a row inside a permit did not leave -> how many."""
    series: Mapping[str, SeriesFacts] = field(default_factory=dict)
    """system/series -> what the map says of it."""
    identity: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """system/series whose records are the roster itself -> the details that tell who somebody is."""
    limits: tuple[str, ...] = ()
    """What the law withholds, by class and citation."""

    @property
    def complete(self) -> bool:
        """Whether every system that can be searched was searched to its end."""
        return not any(one.stopped for one in self.searched)


def inside(tie: Tie, scope: Scope) -> bool:
    """Whether a tie lies in a scope. Asked once more of every row, whatever the store thought."""
    when = tie["used_at"]
    dated = scope.since <= when < scope.before if isinstance(when, datetime) else scope.always
    return (
        dated
        and tie["record_class"] in scope.classes
        and (tie["patron"] in scope.patrons or tie["item"] in scope.items)
    )


def as_csv(ties: Iterable[Tie]) -> bytes:
    """Return ties as CSV. A cell a spreadsheet would run gets an apostrophe before it; ``about.txt`` says so."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for tie in ties:
        writer.writerow([_cell(value) for value in _row(tie)])
    return text.getvalue().encode()


def as_listing(ties: Sequence[Tie]) -> tuple[str, ...]:
    """Return ties as lines for reading, one a tie; what cannot be seen is marked, right to left kept in its place."""
    return tuple(_line(dict(zip(COLUMNS, map(visible, _row(tie)), strict=True))) for tie in ties)


def _line(row: Mapping[str, str]) -> str:
    return (
        (f"{row['used_at']} UTC, " if row["used_at"] else "")
        + f"{row['record_class'].replace('_', ' ')}, patron {row['patron']}"
        + (f", item {row['item']}" if row["item"] else "")
        + (f", title: {row['title']}" if row["title"] else "")
        + (f", until {row['ended']} UTC" if row["ended"] else "")
        + (", still open" if row["open"] == "yes" else "")
        + f" [{row['system']}, {row['record']}]"
        + (f": {row['details']}" if row["details"] else "")
    )


def where_parts(found: Gathered) -> tuple[str | tuple[str, ...], ...]:
    """Return what was searched and what was not, as paragraphs and lists."""
    searched = tuple(
        one.system + (f": NOT TO ITS END ({one.stopped})" if one.stopped else "") for one in found.searched
    )
    away = tuple(f"{one.system}: {one.place} ({one.why})" for one in found.not_searched)
    head = () if found.complete else ("THIS IS NOT COMPLETE: a system could not be searched to its end.",)
    return (*head, "Searched:", searched or ("nothing",), "Not searched:", away or ("nothing known of",))


def withheld_parts(found: Gathered) -> tuple[str | tuple[str, ...], ...]:
    """Return what was not handed over: what the law withholds whether or not it is there, then what was found."""
    law = ("Withheld by law:", found.limits) if found.limits else ()
    if not found.withheld:
        else_ = "else " if law else ""
        return (*law, f"Nothing {else_}that was found inside the scope was withheld.")
    lines = tuple(f"{_records(count)}: {why}" for why, count in sorted(found.withheld.items()))
    return (*law, "Found and withheld:", lines)


def where_searched(found: Gathered) -> str:
    """Return what was searched as plain text, as it stands in every package."""
    return _plain(where_parts(found))


def withheld(found: Gathered) -> str:
    """Return what was not handed over as plain text."""
    return _plain(withheld_parts(found)).rstrip("\n") + "\n"


def _plain(parts: Iterable[str | tuple[str, ...]]) -> str:
    return "\n".join("".join(f"  - {each}\n" for each in part) if isinstance(part, tuple) else part for part in parts)


def _records(count: int) -> str:
    return f"{count} record{'' if count == 1 else 's'}"


NUMBERS = (
    "An item is named by its barcode where the catalogue still has it, else by the number the library's system gave "
    "it. Its title stands beside it where the catalogue still has that. The details after the colon are the record's "
    "own words; item, biblio, instance, record and the like are there the system's own numbers of copies and titles."
)


def explained(found: Gathered) -> str:
    """Return what the columns and the records are, for who has never seen the systems."""
    records = [f"  - {name.replace('/', ', ')}: {found.series[name].title}" for name in counted(found.ties)]
    what = "A row of ties.csv is one use by one patron; system and record say where it stands."
    return (
        "\n".join([textwrap.fill(f"{what} {NUMBERS}", 78), "", *(["The records:", *records] if records else [])]) + "\n"
    )


def nil_return(found: Gathered, paper: str) -> tuple[str | tuple[str, ...], ...]:
    """Return the parts of the answer when nothing was found. It says where was looked, never that there is nothing."""
    text = (
        f"The library has searched the systems named below for records within the scope of {visible(paper)}, and "
        "found none there to hand over. It severs the tie between a user and a use when its purpose ends, as a matter "
        "of routine. It makes no statement on places that were not searched; they are named too."
    )
    return (text, *where_parts(found), *withheld_parts(found))


def worksheet(found: Gathered, facts: Mapping[str, str]) -> str:
    """Return the search worksheet: what was searched, by whom, before which witness, and what came out. No names."""
    head = [f"{name}: {value}" for name, value in facts.items()]
    rows = [
        f"{one.system}: {_records(one.ties)} inside the scope" + (f"; stopped: {one.stopped}" if one.stopped else "")
        for one in found.searched
    ]
    return "\n".join(["Search worksheet", *head, "", *rows, "", where_searched(found), withheld(found)])


def custody(files: Mapping[str, bytes], facts: Mapping[str, str]) -> str:
    """Return the chain-of-custody sheet: what was made, when, by which office, with each file's SHA-256."""
    head = [f"{name}: {value}" for name, value in facts.items()]
    rows = [f"{hashlib.sha256(body).hexdigest()}  {name}" for name, body in sorted(files.items())]
    blank = ["", "Handed over by / to / on (each hand-over on a line of its own):", "", "_" * 70, "", "_" * 70, ""]
    return "\n".join(["Chain of custody", *head, "", *rows, *blank])


def counted(ties: Iterable[Tie]) -> dict[str, int]:
    """Return system/series -> ties."""
    return dict(sorted(Counter(f"{tie['system']}/{tie['series']}" for tie in ties).items()))


def _row(tie: Tie) -> tuple[str, ...]:
    tells = tie["tells"]
    details = "; ".join(f"{name}: {value}" for name, value in tells.items()) if isinstance(tells, Mapping) else ""
    return (
        str(tie["system"]),
        str(tie["series"]),
        str(tie["record_class"]),
        str(tie["patron"]),
        str(tie["item"] or ""),
        str(tie.get("title") or ""),
        _when(tie["used_at"]),
        _when(tie["ended"]),
        "yes" if tie["open"] else "no",
        " ".join(details.split()),
    )


def _when(moment: object) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S") if isinstance(moment, datetime) else ""


def _cell(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
