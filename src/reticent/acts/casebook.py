"""The register of inquiries, opened: sealed rows become cases again by taking every step anew.

A row that does not fit its case, its place, the row before it or the workflow's rules is broken evidence:
a case is what its steps make of it, never what a row says.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from reticent.acts.opening import Opened
from reticent.errors import EvidenceBroken, NotPermitted, UsageError
from reticent.guard.case import Case, Hold, Taken
from reticent.guard.inquiries import advance
from reticent.guard.words import Role, State, Step
from reticent.keyring.casefile import CaseKey, CaseKeys
from reticent.keyring.officers import statement
from reticent.policy.orders import Act, Approval, Order, Paper
from reticent.policy.permits import Scope
from reticent.state.register import TOMBSTONE

APPROVING: Mapping[Step, Act] = {
    Step.APPROVE: "release",
    Step.CONFIRM_HOLD: "hold",
    Step.PRODUCE_UNDER_WARRANT: "warrant",
}
"""Steps whose signatures the gate checks again: officers sign the order's own digests there."""
JOURNAL = "journal"
"""The place of the gate's entries about inquiries; a case of no contact."""
_FOREVER = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """One step as it is kept. ``files`` maps a fact to the name of its sealed copy, ``sheet`` is age ciphertext."""

    taken: Taken
    signatures: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    sheet: bytes = b""
    marks: tuple[str, ...] = ()

    def plain(self) -> dict[str, object]:
        """Return the entry as JSON values."""
        return {
            "step": str(self.taken.step),
            "at": self.taken.at.isoformat(),
            "by": sorted([str(role), person] for role, person in self.taken.by),
            "statute": self.taken.statute,
            "facts": dict(self.taken.facts),
            "signatures": dict(self.signatures),
            "files": dict(self.files),
            "sheet": base64.b64encode(self.sheet).decode("ascii"),
            "marks": list(self.marks),
        }


@dataclass(frozen=True)
class Signed:
    """What officers signed for an act of the gate: their signatures, the case and its head as they then stood."""

    case: Case
    after: str
    approvals: tuple[Approval, ...]


@dataclass(frozen=True)
class Inquiry:
    """A case with its steps. ``nonce`` is random and kept with it, so that no digest can be guessed."""

    id: str
    nonce: str = field(repr=False)
    case: Case
    entries: tuple[Entry, ...]
    head: str
    """SHA-256 (hex) of the last sealed row: what the next step is signed upon."""
    signed: Mapping[tuple[Act, str], Signed] = field(default_factory=dict)
    """What stands signed for an act (for a hold: and a scope). A step that undoes it takes it out for good."""

    def order(self, act: Act = "release", scope: Scope | None = None) -> Order:
        """Return the case as the gate reads it for an act; without ``scope``, with an empty one.

        A hold is about the case as it was confirmed: what is registered or found later does not take it its force.
        """
        given = self._given(act)
        if given is None:
            return self._order(act, scope, self.case, self.head)
        return self._order(act, scope, given.case if act == "hold" else self.case, given.after)

    def _order(self, act: Act, scope: Scope | None, case: Case, after: str) -> Order:
        found = frozenset[str]() if act == "hold" else case.attested
        until = _FOREVER
        if case.valid_until is not None and act != "hold":
            until = datetime.combine(case.valid_until + timedelta(days=1), time(), UTC)
        paper = Paper(
            kind=str(case.kind or "informal_request"),
            recipient_kind=str(case.party),
            recipient=f"party-{self.id}",
            valid_from=datetime.combine(case.issued or date(1970, 1, 1), time(), UTC),
            valid_until=until,
            good_cause="good_cause" in found,
            specific_facts="specific_facts" in found,
            competent_jurisdiction="competent_jurisdiction" in found,
            defect_open=bool(case.defects) and act != "hold",
            from_patron=case.basis == "consent",
            not_before=None if act == "hold" else case.not_before,
            document=case.document,
        )
        return Order(self.id, self.nonce, paper, scope or Scope(), str(self.case.law), self.case.sealed, after=after)

    def scope_digest(self, scope: Scope) -> str:
        """Return the digest officers sign for a scope of this case."""
        return self.order(scope=scope).digests("0" * 64)["scope"]

    def statement(self, act: Act, bundle: str, scope: str) -> bytes:
        """Return what officers sign for an act of the gate, on the case as it stands; ``scope`` is its digest."""
        return statement(act, {**self._order(act, None, self.case, self.head).digests(bundle), "scope": scope})

    def step_statement(self, taken: Taken, sheet: str) -> bytes:
        """Return what an officer signs for any other step: the case, the step with its facts, what went before."""
        said = [self.nonce, str(taken.step), taken.statute, dict(taken.facts), sheet]
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
        return statement("inquiry_step", {**_case(self), "step": digest, "after": self.head})

    def approvals(self, act: Act) -> Sequence[Approval]:
        """Return the signatures that stand for an act of the gate."""
        given = self._given(act)
        return given.approvals if given else ()

    def _given(self, act: Act) -> Signed | None:
        return self.signed.get((act, self.case.to_copy.scope if act == "hold" and self.case.to_copy else ""))


def _stands(act: Act, scope: str, case: Case) -> bool:
    """Whether what was signed for an act still stands in a case."""
    if act == "hold":
        return case.confirmed(scope) is not None
    return bool(case.approved) if act == "release" else case.state is State.WARRANT_EXECUTION


def _case(inquiry: Inquiry) -> dict[str, str]:
    return {"case": inquiry.order().digests("0" * 64)["case"]}


class Casebook:
    """Reads and writes the register of one site."""

    def __init__(self, opened: Opened) -> None:
        self._opened, self._rows = opened, opened.register
        self._keys = CaseKeys(opened.keys)

    def new(self) -> Inquiry:
        """Return an inquiry without a step yet, under a random name."""
        return Inquiry(secrets.token_hex(4), secrets.token_hex(16), Case(), (), "0" * 64)

    def after(self, inquiry: Inquiry, entry: Entry) -> Inquiry:
        """Return the inquiry after one more step, by the rules; nothing is written."""
        case = advance(inquiry.case, entry.taken)
        signed = {(act, scope): one for (act, scope), one in inquiry.signed.items() if _stands(act, scope, case)}
        if (act := APPROVING.get(entry.taken.step)) is not None:
            given = tuple(Approval(role, armour) for role, armour in sorted(entry.signatures.items()))
            scope = entry.taken.word("scope") if act == "hold" else ""
            signed[act, scope] = Signed(inquiry.case, inquiry.head, given)
        return replace(inquiry, case=case, entries=(*inquiry.entries, entry), signed=signed)

    def add(self, inquiry: Inquiry, entry: Entry, about: Sequence[str] = ()) -> Inquiry:
        """Take one more step and write it; durable before return. Raises NotPermitted, SystemRefused.

        ``about``: identifiers the step is about; only their keyed marks are kept.
        """
        after, place = self.after(inquiry, entry), len(inquiry.entries)
        key = self._keys.load(inquiry.id) if place else self._keys.make(inquiry.id)
        entry = replace(entry, marks=tuple(key.mark(one) for one in about))
        after = replace(after, entries=(*inquiry.entries, entry))
        body: dict[str, object] = {**entry.plain(), "prev": inquiry.head}
        if place == 0:
            body["nonce"] = inquiry.nonce
        sealed = key.close(place, json.dumps(body, sort_keys=True).encode())
        self._rows.append(inquiry.id, place, sealed)
        return replace(after, head=hashlib.sha256(sealed).hexdigest())

    def load(self, name: str) -> Inquiry:
        """Return an inquiry. Raises UsageError if there is none, EvidenceBroken if its rows do not hold together."""
        sealed = self._rows.bodies(name) if name.isascii() and name.isalnum() else []
        if not sealed or name == JOURNAL or sealed == [TOMBSTONE]:
            raise unknown()
        return self._replayed(name, sealed)

    def all(self) -> Iterator[Inquiry]:
        """Yield every inquiry."""
        for name in self._rows.cases():
            sealed = self._rows.bodies(name)
            if sealed == [TOMBSTONE]:
                self.dispose(name)
            elif name != JOURNAL:
                yield self._replayed(name, sealed)

    def marked(self, inquiry: Inquiry, identifier: str) -> bool:
        """Whether an inquiry is about this identifier."""
        mark = self._keys.load(inquiry.id).mark(identifier)
        return any(mark in entry.marks for entry in inquiry.entries)

    def dispose(self, name: str) -> None:
        """Destroy an inquiry's rows and key: what a backup keeps of it is unreadable.

        Killed half-way, it is finished later: the tombstone tells that from a lost key, for which nothing is dropped.
        """
        self._rows.bury(name)
        self._keys.destroy(name)
        self._rows.drop(name)

    def journal(self, entry: Mapping[str, object]) -> int:
        """Append one entry of the gate; return its place."""
        place = self._rows.count(JOURNAL)
        key = self._keys.load(JOURNAL) if self._keys.exists(JOURNAL) else self._keys.make(JOURNAL)
        self._rows.append(JOURNAL, place, key.close(place, json.dumps(dict(entry), sort_keys=True).encode()))
        return place

    def journalled(self) -> list[dict[str, Any]]:
        """Return the gate's entries."""
        sealed = self._rows.bodies(JOURNAL)
        key = self._keys.load(JOURNAL) if sealed else None
        return [json.loads(key.open(place, body)) for place, body in enumerate(sealed)] if key else []

    def _replayed(self, name: str, sealed: Sequence[bytes]) -> Inquiry:
        key = self._keys.load(name)
        try:
            return self._taken_anew(name, key, sealed)
        except (ValueError, KeyError, TypeError, binascii.Error, NotPermitted):
            raise EvidenceBroken(
                "The steps of an inquiry do not follow from one another.",
                where="the register",
                do="Restore the state from its backup; nothing rests on this case until then.",
            ) from None

    def _taken_anew(self, name: str, key: CaseKey, sealed: Sequence[bytes]) -> Inquiry:
        inquiry = Inquiry(name, "", Case(), (), "0" * 64)
        for place, row in enumerate(sealed):
            body = json.loads(key.open(place, row))
            if place == 0:
                inquiry = replace(inquiry, nonce=str(body["nonce"]))
            if body["prev"] != inquiry.head:
                raise ValueError
            inquiry = replace(self.after(inquiry, _entry(body)), head=hashlib.sha256(row).hexdigest())
        return inquiry


def _entry(body: Mapping[str, Any]) -> Entry:
    by = frozenset((Role(role), str(person)) for role, person in body["by"])
    at = datetime.fromisoformat(body["at"])
    taken = Taken(Step(body["step"]), at, by, str(body["statute"]), dict(body["facts"]))
    sheet = base64.b64decode(body["sheet"])
    return Entry(taken, dict(body["signatures"]), dict(body["files"]), sheet, tuple(body["marks"]))


def unknown() -> UsageError:
    """Return the error for an inquiry that is not there, or that whoever asks may not know of: the same."""
    return UsageError("There is no such inquiry.", do="See `reticent inquiry list`; a sealed one needs --identity.")


@dataclass
class GateJournal:
    """Where the gate writes about inquiries: the register, never the ledger. Implements ``ports.Journal``.

    A release asks the gate row by row; entries alike in a row are written once, and then how often they came again.
    """

    book: Casebook
    _last: Mapping[str, object] = field(default_factory=dict)
    _place: int = 0
    _again: int = 0

    def append(self, entry: Mapping[str, object], *, once: str) -> int:
        """Append one entry; the gate writes each act once."""
        if dict(entry) == self._last:
            self._again += 1
            return self._place
        if self._again:
            self.book.journal({**self._last, "again": self._again})
        self._place, self._last, self._again = self.book.journal(entry), dict(entry), 0
        return self._place


class Holds:
    """The holds severing waits for: those placed by hand and those of open inquiries. Implements ``ports.HoldBook``.

    An inquiry's hold has no row, number or name of its own: it is what the case's steps say, and it ends with them.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._read_at, self._cases = -1, list[Hold]()

    def epoch(self) -> int:
        """Return a number that grows with every hold placed or released, and every step of an inquiry."""
        return self._opened.holds.epoch() + self._opened.register.epoch()

    def held(self, system: str, series: str, record_class: str) -> str | None:
        """Return why this series must wait, or None."""
        if why := self._opened.holds.held(system, series, record_class):
            return why
        now = self._opened.clock.now()
        for hold in self._of_cases():
            if hold.waits(now) and (not hold.classes or record_class in hold.classes):
                return "legal hold: an officer must answer first"
        return None

    def _of_cases(self) -> list[Hold]:
        """Return the holds of cases; cases are opened again only after a step was taken."""
        if (epoch := self._opened.register.epoch()) != self._read_at:
            self._cases = [hold for one in Casebook(self._opened).all() for hold in one.case.holds]
            self._read_at = epoch
        return self._cases

    def acknowledge(self, epoch: int) -> None:
        """Record that no chunk begun before ``epoch`` is still running."""
        self._opened.holds.acknowledge(epoch)
