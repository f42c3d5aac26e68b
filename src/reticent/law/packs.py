"""Jurisdiction packs: what a state's law says about library records, as data.

The 51 packs shipped with Reticent are drafts, written once from a reading of statutes, opinions and
secondary sources; each says what was read and what was not. They are not legal advice. A pack becomes
a library's own only when its counsel confirms it, and it goes stale after twelve months, because the
law moves. An unconfirmed or expired pack can deny or send to counsel; it can never permit
(``strictest.py`` keeps that).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from reticent.errors import ConfigurationError
from reticent.model import RecordClass
from reticent.tomlfile import line, lines_of, read

SHIPPED = Path(__file__).parent / "packs"
LIFETIME_DAYS = 366
"""How long a pack or its confirmation may be relied on: twelve months, a leap year's worth."""
_DO = "Mend the pack, or put the shipped file back, and have counsel confirm it again."


class Party(StrEnum):
    """Who asks, or for whom."""

    SUBJECT = "subject"
    GUARDIAN = "guardian"
    CONSENTED = "consented"
    """Someone the patron named in writing."""
    LAW_ENFORCEMENT = "law_enforcement"
    LITIGANT = "litigant"
    COLLECTOR = "collector"
    """Whoever recovers overdue material or fines for the library."""
    PUBLIC = "public"


class Instrument(StrEnum):
    """What the demand rests on; its kind decides more than its wording."""

    OWN_REQUEST = "own_request"
    INFORMAL_REQUEST = "informal_request"
    PUBLIC_RECORDS_REQUEST = "public_records_request"
    GUARDIAN_REQUEST = "guardian_request"
    CONSENT = "consent"
    COLLECTION = "collection"
    EXIGENT_REQUEST = "exigent_request"
    PRESERVATION_LETTER = "preservation_letter"
    ADMINISTRATIVE_WARRANT = "administrative_warrant"
    """Signed by the agency's own officer, as immigration warrants are: not a court's."""
    NATIONAL_SECURITY_LETTER = "national_security_letter"
    SUBPOENA = "subpoena"
    """A subpoena whose kind is not established yet, or a statute that names none."""
    ATTORNEY_SUBPOENA = "attorney_subpoena"
    CLERK_SUBPOENA = "clerk_subpoena"
    ADMINISTRATIVE_SUBPOENA = "administrative_subpoena"
    GRAND_JURY_SUBPOENA = "grand_jury_subpoena"
    COURT_SUBPOENA = "court_subpoena"
    COURT_ORDER = "court_order"
    SEARCH_WARRANT = "search_warrant"
    FISA_ORDER = "fisa_order"


SUBPOENAS = frozenset(kind for kind in Instrument if kind.value.endswith("subpoena"))


class Effect(StrEnum):
    """What a rule of law does: command, allow, forbid."""

    MUST = "must"
    MAY = "may"
    MUST_NOT = "must_not"


class Reading(StrEnum):
    """How far the text behind a pack or a rule was read."""

    READ = "read"
    SECONDARY = "secondary"
    MEMORY = "memory"


class Standing(StrEnum):
    """What a pack may be relied on for today."""

    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    EXPIRED = "expired"


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Clock(_Data):
    """Notice to the patron before release: working days to send it, days to wait after it."""

    notice_within_working_days: Annotated[StrictInt, Field(ge=1)] | None = None
    wait_days: Annotated[StrictInt, Field(ge=0)] | None = None
    channel: str = ""
    waivable_by_court: bool = False
    hearing: str = ""


class Rule(_Data):
    """One disclosure rule. Empty lists mean: the text read sets no such limit."""

    to: tuple[Party, ...] = ()
    instruments: tuple[Instrument, ...] = Field(min_length=1)
    effect: Effect
    cite: str = Field(min_length=1)
    reading: Reading
    record_classes: tuple[RecordClass, ...] = ()
    library_types: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    fields: tuple[Literal["identity", "overdue_count_and_kind", "surveillance"], ...] = ()
    age_below: Annotated[StrictInt, Field(ge=1, le=21)] | None = None
    clock: Clock | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.age_below is not None and self.to != (Party.GUARDIAN,):
            raise ValueError("an age limit may stand only in a rule to the guardian (equal protection)")
        if self.effect is Effect.MUST and not self.to:
            raise ValueError("a duty must name whom it is owed to")
        return self


class Pack(_Data):
    """One jurisdiction's law on library records, as far as it was read."""

    jurisdiction: str = Field(pattern=r"^US-[A-Z]{2}$")
    name: str
    kind: Literal["statute", "opinion"]
    status: Literal["draft"]
    """Always a draft: a file cannot vouch for itself. Counsel's confirmation is kept apart."""
    reading: Reading
    confidence: str
    as_of: str = Field(pattern=r"^(\d{4})?$")
    """Year of the text that was read; empty when the copy carried no date."""
    compiled: date
    review_by: date
    citations: tuple[str, ...] = Field(min_length=1)
    former_citations: tuple[str, ...] = ()
    court_order: Literal["yes", "partly", "no"]
    """Whether the text names a court's order as the compulsory route, one of several, or none."""
    parents: Literal["yes", "no", "unclear"]
    summary: str
    library_types: tuple[str, ...] = ()
    record_classes: tuple[RecordClass, ...] = ()
    not_read: tuple[str, ...] = ()
    procedure: str = ""
    duties: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    sources: str = Field(min_length=1)
    rule: tuple[Rule, ...] = ()
    digest: str = ""
    """SHA-256 of the file; counsel confirms this and nothing else."""

    @model_validator(mode="after")
    def _honest(self) -> Self:
        if not 0 < (self.review_by - self.compiled).days <= LIFETIME_DAYS:
            raise ValueError("review_by must lie within twelve months after compiled")
        if self.reading is not Reading.READ and not self.not_read:
            raise ValueError("not_read must say what was never read in text")
        return self

    def standing(self, today: date, confirmation: Confirmation | None = None) -> Standing:
        """Say what the pack may be relied on for; a changed file or a clock set back is unconfirmed."""
        if today > self.review_by:
            return Standing.EXPIRED
        if confirmation is None or confirmation.digest != self.digest:
            return Standing.UNCONFIRMED
        if today < max(self.compiled, confirmation.on):
            return Standing.UNCONFIRMED
        if (today - confirmation.on).days > LIFETIME_DAYS:
            return Standing.EXPIRED
        return Standing.CONFIRMED


@dataclass(frozen=True)
class Confirmation:
    """Counsel's word that the pack with this digest is the law here. The caller verified the signature."""

    digest: str
    on: date


def jurisdictions(directory: Path = SHIPPED) -> Sequence[str]:
    """Return the jurisdictions that have a pack, sorted: ``["US-AK", ...]``."""
    return sorted(path.stem for path in directory.glob("US-*.toml"))


def pack(jurisdiction: str, directory: Path = SHIPPED) -> Pack:
    """Load one pack: ``pack("US-WI")``.

    Raises ConfigurationError when there is none, or when the file does not hold together; the
    message names file and line.
    """
    known = jurisdictions(directory)
    if jurisdiction not in known:
        raise ConfigurationError(
            f"There is no pack for jurisdiction {jurisdiction!r}.",
            where=str(directory),
            do=f"Use one of: {', '.join(known) or 'none is there'}.",
        )
    path = directory / f"{jurisdiction}.toml"
    loaded = read(path, Pack, _DO)
    if loaded.jurisdiction != jurisdiction or loaded.digest:
        number = line(lines_of(path.read_text(encoding="utf-8")), ("jurisdiction",))
        what = f"{path.name}, line {number}: the file must be named for its jurisdiction and carry no digest."
        raise ConfigurationError(what, where=f"{path}:{number}", do=_DO)
    return loaded.model_copy(update={"digest": hashlib.sha256(path.read_bytes()).hexdigest()})
