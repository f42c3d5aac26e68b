"""From an inquiry of the register to what can be carried out: its order, its signatures, its paper in words.

The scope is sealed to the officers, so it takes an officer's age key; nothing of it is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pyrage

from reticent.acts.casebook import Casebook, GateJournal, Inquiry
from reticent.acts.gate import open_gate
from reticent.acts.gathering import Accounts
from reticent.acts.inquiry import sheets_of, task_of, visible
from reticent.acts.law import NO_PACK, pack_of
from reticent.acts.officers import sitting
from reticent.acts.opening import Opened
from reticent.acts.release import Task, preview_path
from reticent.errors import NotPermitted, UsageError
from reticent.guard import letters
from reticent.guard.instruments import InstrumentSheet
from reticent.guard.words import FACTS, Ending, Standing, State
from reticent.policy.gate import Asker, Gate
from reticent.policy.orders import Act, Approval
from reticent.ports import Journal

READY: Mapping[Act, frozenset[State]] = {
    "release": frozenset({State.APPROVED, State.SEARCHED}),
    "warrant": frozenset({State.WARRANT_EXECUTION}),
}
"""Where an inquiry must stand before anything is gathered for it."""


@dataclass
class ActJournal:
    """The register's journal for one act: rows decided alike make one entry, so that nobody counts them there."""

    journal: Journal
    seen: dict[tuple[object, ...], int] = field(default_factory=dict)

    def append(self, entry: Mapping[str, object], *, once: str) -> int:
        """Append an entry unless this act has made the like."""
        alike = tuple(sorted((name, str(value)) for name, value in entry.items() if name != "hour"))
        if alike not in self.seen:
            self.seen[alike] = self.journal.append(entry, once=once)
        return self.seen[alike]


@dataclass(frozen=True)
class Handled:
    """An inquiry ready to be carried out."""

    inquiry: Inquiry
    gate: Gate
    journal: Journal
    task: Task


def open_inquiry(opened: Opened, name: str, identity: str, act: Act, accounts: Accounts, witness: str = "") -> Handled:
    """Open an inquiry for an act that was signed in the register.

    Raises NotPermitted where it does not stand where that act begins, UsageError if there is no such inquiry,
    EvidenceBroken for a key that is no officer's.
    """
    inquiry = visible(opened, name, identity)
    if act in READY and inquiry.case.state not in READY[act]:
        raise NotPermitted(
            f"Nothing is gathered for an inquiry in the state {inquiry.case.state}.",
            where=f"inquiry {name}",
            do=f"It must be {' or '.join(sorted(READY[act]))}: see `reticent inquiry show {name}`.",
        )
    begins = inquiry.case.not_before
    if act == "release" and begins is not None and opened.clock.now() < begins:
        raise NotPermitted(
            f"The clock of the patron's notice runs until {begins:%Y-%m-%d %H:%M} UTC; nothing is gathered before.",
            where=f"inquiry {name}",
            do="Wait, or have a court waive it: waive-notice.",
        )
    if act == "hold" and inquiry.case.to_copy is None:
        raise NotPermitted(
            "Two officers have not confirmed this hold.",
            where=f"inquiry {name}",
            do=f"reticent inquiry advance {name} confirm-hold",
        )
    approvals = inquiry.approvals(act)
    if act == "warrant" and not approvals:
        raise NotPermitted(
            "No officer has signed for what the warrant names.",
            where=f"inquiry {name}",
            do=f"reticent inquiry advance {name} produce-under-warrant",
        )
    return _handled(opened, inquiry, identity, act, approvals, accounts, witness)


def open_preview(opened: Opened, name: str, identity: str, signed: Mapping[str, bytes], accounts: Accounts) -> Handled:
    """Open an inquiry for a preview, under the signatures handed in. Raises as ``open_inquiry``."""
    inquiry = visible(opened, name, identity)
    approvals = [Approval(role, armour) for role, armour in signed.items()]
    return _handled(opened, inquiry, identity, "preview", approvals, accounts, "")


def preview_statement(opened: Opened, name: str, identity: str) -> Path:
    """Write what counsel signs before a scope is counted; return where."""
    found = open_preview(opened, name, identity, {}, {})
    path = preview_path(opened, found.inquiry.id)
    path.write_bytes(found.task.order.statement("preview", found.gate.digest))
    return path


def _handled(
    opened: Opened,
    inquiry: Inquiry,
    identity: str,
    act: Act,
    approvals: Sequence[Approval],
    accounts: Accounts,
    witness: str,
) -> Handled:
    gate, journal = register_gate(opened)
    task = replace(
        task_of(opened, inquiry, identity, accounts, act),
        approvals=approvals,
        asker=Asker("officer", frozenset({role_of(opened, identity)})),
        paper=paper_in_words(inquiry, identity),
        witness=witness,
    )
    return Handled(inquiry, gate, journal, task)


def register_gate(opened: Opened) -> tuple[Gate, Journal]:
    """Return the gate, and the register's journal it writes to, for one act."""
    journal = ActJournal(GateJournal(Casebook(opened)))
    return open_gate(opened, journal), journal


def role_of(opened: Opened, identity: str) -> str:
    """Return the office whose age key this is. Raises UsageError if it is nobody's who sits."""
    sitting(opened)
    for line in identity.splitlines():
        if line.startswith("AGE-SECRET-KEY-"):
            try:
                public = str(pyrage.x25519.Identity.from_str(line.strip()).to_public())
            except pyrage.IdentityError:
                break
            for role, officer in opened.site.officers.items():
                if officer.age.strip() == public:
                    return role
    raise UsageError("This age key is no sitting officer's.", do="Give the key file of the officer at the keyboard.")


def citation(opened: Opened) -> tuple[str, bool]:
    """Return the statute letters cite, and whether counsel stands by it."""
    wanted = opened.site.library.jurisdiction
    if not wanted:
        return NO_PACK, False
    found = pack_of(opened, wanted)
    return found.pack.citations[0], found.standing is Standing.CONFIRMED


def paper_in_words(inquiry: Inquiry, identity: str) -> str:
    """Return the paper as letters name it: kind, number, court or issuer."""
    kind = str(inquiry.case.kind or "request").replace("_", " ")
    for _, sheet in reversed(sheets_of(inquiry, identity)):
        if isinstance(sheet, InstrumentSheet):
            number = f" no. {sheet.docket}" if sheet.docket else ""
            court = sheet.court_name
            giver = f"the {court}" if court and not court.lower().startswith("the ") else court or sheet.issuer
            return f"the {kind}{number}, issued{f' by {giver}' if giver else ''} on {letters.day(sheet.issued)}"
    return f"your {_REQUESTS.get(kind, kind)}"


_REQUESTS = {
    "informal request": "request",
    "guardian request": "request as a parent or guardian",
    "exigent request": "emergency request",
    "own request": "request for your own record",
}


def write_letter(
    opened: Opened,
    kind: letters.Kind,
    name: str,
    identity: str,
    values: Mapping[str, str],
    to: Sequence[str],
    items: Sequence[str] = (),
) -> letters.Letter:
    """Compose a letter about an inquiry: paper, days and citation from the register, the rest as given.

    Raises UsageError naming what is missing, NotPermitted for a patron's notice that the paper forbids.
    """
    inquiry = visible(opened, name, identity)
    case = inquiry.case
    if kind in _TO_THE_PATRON and case.gagged:
        raise NotPermitted("The paper forbids telling the patron.", where=f"inquiry {name}", do="Ask counsel.")
    if kind is letters.Kind.PATRON_NOTICE and case.ending is not None:
        raise UsageError("This is past the day for a notice.", where=f"inquiry {name}", do="Write a released_notice.")
    if kind is letters.Kind.RELEASED_NOTICE and case.ending not in _RELEASED:
        raise UsageError("Nothing was released.", where=f"inquiry {name}", do="Before a release: patron_notice.")
    cite, confirmed = citation(opened)
    known = {"paper": paper_in_words(inquiry, identity) if identity else "your request", "citation": cite}
    first = inquiry.entries[0].taken.day if inquiry.entries else opened.clock.now().date()
    known["received"] = letters.day(case.served or first)
    if day := (case.not_before and case.not_before.date()) or case.returns:
        known["not_before"] = letters.day(day)
    known |= {"reason": "", "remedy": "", "notice": "The records stay confidential; the notice enclosed says how."}
    officer = opened.site.officers.get("custodian")
    head = letters.Head(
        opened.site.library.name, officer.name if officer else "", _today(opened), f"Inquiry {inquiry.id}", to
    )
    defects = [letters.defect(one) for one in sorted(case.defects)]
    if kind is letters.Kind.PAPER_CHECKPOINT:
        defects = paper_checkpoint(opened, values.get("package", ""))
        values = {}
    wanted = letters.required(kind)
    filled = {name: text for name, text in {**known, **values}.items() if name in wanted}
    return letters.compose(kind, head, filled, items or defects, confirmed=confirmed)


_TO_THE_PATRON = (letters.Kind.PATRON_NOTICE, letters.Kind.RELEASED_NOTICE)
_RELEASED = (Ending.PRODUCED, Ending.WARRANT_EXECUTED, Ending.COMPELLED, Ending.BY_DUTY)


def paper_checkpoint(opened: Opened, package: str) -> list[str]:
    """Return what officers sign where no witness can be reached: what was handed over, and the ledger's signed head.

    Raises UsageError where ``package`` is no SHA-256 digest.
    """
    if not FACTS["package"][0].test(package):
        raise UsageError(
            "The sheet lacks what is handed over.", where="package", do="Give --value package=, as `gather` printed it."
        )
    head = opened.ledger_key().last() or f"{opened.origin}\n0\nnot begun"
    origin, size, root = head.splitlines()[:3]
    handed = f"Handed over (SHA-256 of the package): {package}"
    return [handed, f"The ledger: {origin}", f"Its entries: {size}", f"Its root: {root}"]


def desk_card(opened: Opened) -> letters.Card:
    """Return the card for the desk, from the site's officers. Raises UsageError if it names none."""
    order = ("custodian", "alternate", "counsel")
    calls = [
        letters.Call(role, opened.site.officers[role].name, opened.site.officers[role].phone)
        for role in order
        if role in opened.site.officers
    ]
    return letters.card(opened.site.library.name, calls, citation(opened)[0], _today(opened))


def _today(opened: Opened) -> date:
    return opened.clock.now().date()
