"""What a statute lets out of a record, applied to what was gathered. Pure functions.

A statute may open less than records: who somebody is, and never what they used. A word for such a part that
nobody here knows opens nothing. What is withheld is told by class and citation alone, whether or not there is
any: a count would be the answer the statute refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reticent.guard.handover import Gathered, Tie
from reticent.model import RecordClass

_OPENS = {
    "identity": "who a person is",
    "overdue_count_and_kind": "how much is overdue and of what kind",
    "surveillance": "records of surveillance",
}


@dataclass(frozen=True)
class Limit:
    """The parts (words of a pack's ``fields``) a statute opens of a record class; none of them: nothing."""

    fields: frozenset[str]
    cite: str


def limited(found: Gathered, limits: Mapping[str, Limit | None]) -> Gathered:
    """Return what the law lets out of what was gathered. ``limits``: record class -> its limit, None for no limit.

    A class that is not among them passes nothing. Of identity only the roster's own record leaves, and of it what
    tells who somebody is. Nothing gathered tells how much is overdue without telling what: of that nothing leaves.
    """
    kept = [left for tie in found.ties if (left := _left(tie, limits, found.identity)) is not None]
    return replace(found, ties=kept, limits=_said(limits))


def counted(
    counts: Mapping[str, int], found: Gathered, limits: Mapping[str, Limit | None]
) -> tuple[dict[str, int], Gathered]:
    """Return of counts (system/series -> ties) those that ``limited`` would let out, and what the law withholds."""
    left = {
        name: rows
        for name, rows in counts.items()
        if name in found.series and _opens(found.series[name].record_class, name in found.identity, limits)
    }
    return left, replace(found, limits=_said(limits))


def _left(tie: Tie, limits: Mapping[str, Limit | None], identity: Mapping[str, tuple[str, ...]]) -> Tie | None:
    who = identity.get(f"{tie['system']}/{tie['series']}")
    opens = _opens(str(tie["record_class"]), who is not None, limits)
    if opens != "identity" or who is None:
        return tie if opens else None
    tells = tie["tells"]
    told = {name: value for name, value in tells.items() if name in who} if isinstance(tells, Mapping) else {}
    # Named one by one: what a tie learns to tell later is not let out because nobody thought of it here.
    kept = {name: tie[name] for name in ("system", "series", "record_class", "patron", "open")}
    return {**kept, "item": None, "title": "", "used_at": None, "ended": None, "tells": told}


def _opens(record_class: str, roster: bool, limits: Mapping[str, Limit | None]) -> str:
    """Return what is opened of a record: ``all`` of it, of the roster's own who it is, or nothing."""
    if record_class not in limits:
        return ""
    limit = limits[record_class]
    if limit is None or ("surveillance" in limit.fields and record_class == RecordClass.SURVEILLANCE):
        return "all"
    return "identity" if roster and "identity" in limit.fields else ""


def _said(limits: Mapping[str, Limit | None]) -> tuple[str, ...]:
    classes: dict[Limit, list[str]] = {}
    for name, limit in sorted(limits.items()):
        if limit is not None:
            classes.setdefault(limit, []).append(name.replace("_", " "))
    return tuple(
        f"{limit.cite}: of {', '.join(names)} this opens {_opened(limit.fields)}; anything else is withheld, "
        "whether or not there is any."
        for limit, names in classes.items()
    )


def _opened(fields: frozenset[str]) -> str:
    known = [says for word, says in _OPENS.items() if word in fields]
    return f"{' and '.join(known)} only" if known else "nothing"
