"""The map's re-link attacks, run as literal SQL: can a severed tie be joined back to a patron?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reticent.errors import SystemRefused
from reticent.model import Finding, NotLookedAt
from reticent.prove.view import View
from reticent.systems.mapfile import Relink

# ``x <> NULL`` is UNKNOWN for every x, and the attack would find nothing; no patron has this number.
NOBODY = -1


@dataclass(frozen=True)
class Relinked:
    """What the attacks found, which were run, and which were not."""

    findings: tuple[Finding, ...] = ()
    checked: tuple[str, ...] = ()
    not_looked_at: tuple[NotLookedAt, ...] = ()


def relink(view: View, cutoffs: Mapping[str, datetime | str]) -> Relinked:
    """Run every re-link query that fits the system; ``cutoffs``: series -> its cutoff, or why it has none.

    A query is bound to the cutoff of the series it attacks: what that series may still keep is no re-link.
    """
    findings: list[Finding] = []
    checked: list[str] = []
    skipped: list[NotLookedAt] = []
    for attack in view.loaded.relinks:
        found = _run(view, attack, cutoffs.get(attack.series, "no cutoff was given"))
        if isinstance(found, str):
            skipped.append(NotLookedAt(view.system, f"re-link: {attack.name}", found))
            continue
        checked.append(f"re-link: {attack.name}")
        if found:
            findings.append(Finding("re-link", view.system, f"{attack.series}: {attack.name}", found, _ADVICE))
    return Relinked(tuple(findings), tuple(checked), tuple(skipped))


_ADVICE = (
    "Ties that were severed can be joined back to their patrons through this place. "
    "Run `reticent plan` to see why its rows are still there, then `reticent sever`."
)


def _run(view: View, attack: Relink, cutoff: datetime | str) -> int | str:
    """Return how many rows the attack joins, or why that cannot be said."""
    if missing := [need for need in attack.needs if not view.reader.has(need)]:
        return f"this release has no {', '.join(missing)}"
    if isinstance(cutoff, str):
        return cutoff
    sentinel = NOBODY if view.sentinel is None else view.sentinel
    try:
        found = view.reader.count(attack.sql, {"sentinel": sentinel, "cutoff": cutoff})
    except SystemRefused as refusal:
        return refusal.on_one_line()
    if found and view.branches is not None:
        return f"the system is shared and this query counts every library's rows: {found} can be joined back"
    return found
