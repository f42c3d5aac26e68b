"""The acts of a patron's own right: what is held about me, everywhere, in words.

Joined only on identifiers the library issued, one for each system as the patron shows them; nothing is
guessed from names, mail addresses or addresses of machines. What is ambiguous is withheld and said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reticent.acts.forgetting import Forgotten
from reticent.acts.gathering import Accounts, gather, searchable
from reticent.acts.opening import Opened
from reticent.acts.release import digest_of, packed, pdfs
from reticent.errors import UsageError
from reticent.guard import handover, letters
from reticent.guard.handover import Gathered
from reticent.keyring import sealing
from reticent.model import RecordClass
from reticent.policy.gate import Asker, Gate
from reticent.policy.permits import Scope
from reticent.report.words import NOT_SET

SEALED = "your-records.zip.age"


@dataclass(frozen=True)
class Exported:
    """What a patron is handed. ``files`` are written by the caller."""

    files: Mapping[str, bytes] = field(repr=False)
    found: Gathered

    @property
    def digest(self) -> str:
        """The digest of what is handed over, as the register takes it."""
        return digest_of(self.files)

    @property
    def exit_code(self) -> int:
        """0 when every system asked was searched to its end; 3 when one was not, and the package says so."""
        return 0 if self.found.complete else 3

    def document(self) -> dict[str, object]:
        """Return what ``--json`` prints; nobody is named, and no count tells how much somebody used."""
        return {
            "complete": self.found.complete,
            "searched": [one.system for one in self.found.searched if not one.stopped],
            "stopped": {one.system: one.stopped for one in self.found.searched if one.stopped},
            "not_searched": [vars(one) for one in self.found.not_searched],
            "files": sorted(self.files),
            "package": self.digest,
        }


def export(
    opened: Opened,
    gate: Gate,
    asker: Asker,
    cards: Mapping[str, str],
    accounts: Accounts,
    *,
    identity_verified: bool,
    recipient: str = "",
) -> Exported:
    """Gather one patron's own records. ``cards``: system -> the identifier the library issued there.

    ``recipient``: the patron's own age key; without one the files are for paper. Raises NotPermitted until the
    patron's identity was verified, UsageError for a system that is none.
    """
    if unknown := set(cards) - set(searchable(opened)):
        raise UsageError(f"There is no system to search named {min(unknown)}.", do="Name systems of reticent.toml.")
    if not cards:
        raise UsageError("No identifier was given.", do="Give --card SYSTEM for each; it is asked for, not typed here.")
    permits = {}
    for name, card in cards.items():
        decision = gate.own_export(card, asker, [name], identity_verified=identity_verified).require()
        permits[name] = (decision.permits[0], Scope(frozenset({card}), classes=frozenset(RecordClass)))
    found = gather(opened, gate, permits, accounts)
    files = _files(opened, found)
    if recipient:
        files = {SEALED: sealing.close_to(packed(opened, "your-records", files), recipient)}
    return Exported(files, found)


def _files(opened: Opened, found: Gathered) -> dict[str, bytes]:
    today = opened.clock.now().date()
    made = letters.Letter(
        title="What the library holds about you",
        library=opened.site.library.name,
        date=letters.day(today),
        reference="Your own records",
        to=(),
        parts=(*_explained(found), handover.NUMBERS, *handover.where_parts(found)),
        office="",
    )
    files = {
        "your-records.txt": letters.as_text(made).encode(),
        "ties.csv": handover.as_csv(found.ties),
        "about.txt": handover.where_searched(found).encode(),
    }
    return files | pdfs({"your-records.pdf": made})


def _explained(found: Gathered) -> list[str | tuple[str, ...]]:
    """Return one paragraph and one list for each series: what it is, why it is kept, when it goes."""
    parts: list[str | tuple[str, ...]] = []
    for name, facts in found.series.items():
        ours = [tie for tie in found.ties if f"{tie['system']}/{tie['series']}" == name]
        if ours:
            parts.append(f"{facts.title}. Purpose: {facts.purpose}. Kept until: {facts.purpose_end}.")
            parts.append(handover.as_listing(ours))
    return parts or ["Where was looked, nothing was found. Where nobody looked is listed below."]


def severed_paper(opened: Opened, done: Forgotten) -> dict[str, bytes]:
    """Return the patron's own paper on what was severed at their wish: how much of what, and what stays and why."""
    gone = tuple(f"{done.titles[name]}: {rows}" for name, rows in done.severed.items())
    parts: list[str | tuple[str, ...]] = ["Severed, by number of records:", gone or ("nothing was over",)]
    parts += ["What follows is where something of yours may stay, and why. It does not say that something is there."]
    for why, what in done.stays.items():
        unset = "the library has not decided yet how long these must be kept"
        parts += [f"Stays, because {unset if why.startswith(NOT_SET) else why}:", tuple(what)]
    parts += [
        "What was severed can no longer be found under your name here. It may stand in backups until they expire."
    ]
    today = letters.day(opened.clock.now().date())
    title = "What was severed at your wish"
    made = letters.Letter(title, opened.site.library.name, today, "Your own records", (), tuple(parts), office="")
    return {"severed.txt": letters.as_text(made).encode()} | pdfs({"severed.pdf": made})
