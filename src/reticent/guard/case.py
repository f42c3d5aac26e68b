"""An inquiry as far as it has come, and one step of it. Frozen data; nothing in it names anyone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from reticent.guard.words import (
    Departure,
    Duty,
    Ending,
    HoldKind,
    Instrument,
    LawAnswer,
    Notice,
    PartyKind,
    Role,
    Standing,
    State,
    Step,
)

COURT_PAPER = frozenset(
    {Instrument.COURT_ORDER, Instrument.COURT_SUBPOENA, Instrument.SEARCH_WARRANT, Instrument.FISA_ORDER}
)
"""What the gate's rules let a release rest on, when it is sound."""
ALWAYS_SEALED = frozenset({Instrument.FISA_ORDER, Instrument.NATIONAL_SECURITY_LETTER})
FOUR = ("court_order", "good_cause", "specific_facts", "competent_jurisdiction")
"""The four conditions of the policy (R25 to R28)."""


@dataclass(frozen=True)
class Hold:
    """A duty to preserve: how firm, until when (None: no end is set because none is in force)."""

    kind: HoldKind = HoldKind.NONE
    until: datetime | None = None
    mode: str = "sealed_copy"
    copied: bool = False
    """Whether the sealed copy was made; live ties are then severed like everyone's."""
    scope: str = ""
    """The digest of the scope it is about: what two officers confirmed, or what the paper names."""
    classes: frozenset[str] = frozenset()
    """The record classes it is about; empty: all."""

    def in_force(self, now: datetime) -> bool:
        """Whether something must be preserved now."""
        return self.until is not None and now < self.until

    def waits(self, now: datetime) -> bool:
        """Whether severing must wait for this hold now."""
        return self.in_force(now) and not (self.copied and self.mode == "sealed_copy")


@dataclass(frozen=True)
class Case:
    """An inquiry as far as it has come. Dates are days or UTC moments; nothing in it names anyone."""

    state: State = State.IDLE
    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    party: PartyKind = PartyKind.OTHER
    kind: Instrument | None = None
    sealed: bool = False
    gag_until: date | None = None
    gag_review: date | None = None
    law: LawAnswer = LawAnswer.NEEDS_COUNSEL
    standing: Standing = Standing.UNCONFIRMED
    exception: bool = False
    """Whether a cited statutory exception was opened and verified (guardian, emergency, consent)."""
    classes: frozenset[str] = frozenset()
    """The record classes it is about; empty: all."""
    instrument: bool = False
    document: str = ""
    issued: date | None = None
    served: date | None = None
    returns: date | None = None
    valid_until: date | None = None
    scope: str = ""
    broad: bool = False
    fields: frozenset[str] | None = None
    """The only parts of a record that leave, as counsel said for this paper; None: as the pack says."""
    attested: frozenset[str] = frozenset()
    findings_open: int = 0
    defects: frozenset[str] = frozenset()
    notice: Notice = Notice.NONE
    notice_due: bool = False
    notice_days: int = 0
    wait_days: int = 0
    not_before: datetime | None = None
    approved: frozenset[str] = frozenset()
    """The persons who approved this scope of this paper."""
    policy: str = ""
    hold: Hold = Hold()
    """The latest hold."""
    kept: tuple[Hold, ...] = ()
    """Earlier holds of other scopes that go on beside it, oldest first."""
    alone: bool = False
    """Whether one officer has placed a hold alone; another is two officers'."""
    duties: frozenset[Duty] = frozenset()
    countersign_by: date | None = None
    produced_by: frozenset[str] = frozenset()
    listed: bool = False
    departures: frozenset[Departure] = frozenset()
    ending: Ending | None = None

    @property
    def basis(self) -> str:
        """What a release would rest on: "instrument", "consent", "statute", "own_record" or ""."""
        if self.kind is Instrument.OWN_REQUEST:
            return "own_record"
        if self.kind in COURT_PAPER and self.instrument and self.attested == frozenset(FOUR):
            return "instrument"
        if self.exception:
            return "consent" if self.kind is Instrument.CONSENT else "statute"
        return ""

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Every hold of the case, oldest first."""
        return (*self.kept, self.hold)

    def held(self, now: datetime) -> bool:
        """Whether something must be preserved now."""
        return any(one.in_force(now) for one in self.holds)

    def confirmed(self, scope: str) -> Hold | None:
        """Return the hold of this scope that two officers confirmed."""
        return next((one for one in self.holds if one.kind is HoldKind.CONFIRMED and one.scope == scope), None)

    @property
    def to_copy(self) -> Hold | None:
        """The confirmed hold whose sealed copy is made next: the oldest that has none, else the latest."""
        confirmed = [one for one in self.holds if one.kind is HoldKind.CONFIRMED]
        return next((one for one in confirmed if not one.copied), confirmed[-1] if confirmed else None)

    @property
    def pending(self) -> bool:
        """Whether a paper is in hand, nothing was handed over, and counsel has not lifted its hold."""
        lifted = self.hold.kind is HoldKind.LIFTED
        return self.instrument and self.ending is None and not lifted

    @property
    def gagged(self) -> bool:
        """Whether the paper forbids telling the patron."""
        return self.notice is Notice.DEFERRED


@dataclass(frozen=True)
class Taken:
    """One step as it was taken. ``by`` holds (role, person) pairs whose signatures the caller verified."""

    step: Step
    at: datetime
    by: frozenset[tuple[Role, str]]
    statute: str
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def day(self) -> date:
        """The UTC day of the step."""
        return self.at.astimezone(UTC).date()

    @property
    def closed(self) -> frozenset[date]:
        """The days the library said it was closed, when the step was taken: what counts then counts for ever."""
        return frozenset(map(date.fromisoformat, self.some("library_closed")))

    def flag(self, name: str) -> bool:
        """Return a fact that is true or false; False if it was not given."""
        return bool(self.facts.get(name, False))

    def word(self, name: str) -> str:
        """Return a word or digest; "" if it was not given."""
        return str(self.facts.get(name, ""))

    def number(self, name: str) -> int:
        """Return a count; 0 if it was not given."""
        return int(str(self.facts.get(name, 0)))

    def date(self, name: str) -> date | None:
        """Return a day; None if it was not given."""
        return date.fromisoformat(self.word(name)) if name in self.facts else None

    def some(self, name: str) -> frozenset[str]:
        """Return a list of words as a set."""
        given = self.facts.get(name, ())
        return frozenset(map(str, given)) if isinstance(given, list | tuple) else frozenset()


class Undecided(Exception):
    """A condition asks for a fact that nobody has given yet."""


class Known(dict[str, object]):
    """Facts as far as they are known: asking for another raises Undecided instead of taking it for absent."""

    def get(self, name: str, default: object = None) -> object:
        """Return a known fact."""
        if name in self:
            return self[name]
        raise Undecided

    def __contains__(self, name: object) -> bool:
        """Whether a fact is known; one that is not may yet be given."""
        if super().__contains__(name):
            return True
        raise Undecided
