"""The closed vocabularies of an inquiry: states, steps, roles, facts. Nothing here can hold a name.

Kinds of paper are ``law.packs.Instrument``, kinds of outside party are the policy schema's
``PartyKind``, record classes are ``model.RecordClass``: there is one vocabulary, used here too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from reticent.law.packs import Instrument, Standing
from reticent.law.strictest import COMPULSORY
from reticent.law.strictest import Outcome as LawAnswer
from reticent.model import RecordClass

__all__ = ["COMPULSORY", "Instrument", "LawAnswer", "RecordClass", "Standing"]


class State(StrEnum):
    """Where an inquiry stands."""

    IDLE = "idle"
    CONTACT = "contact"
    TRIAGED = "triaged"
    REFERRED = "referred"
    SUBJECT_ACCESS = "subject_access"
    GUARDIAN_REVIEW = "guardian_review"
    EXIGENT_REVIEW = "exigent_review"
    CONSENT_REVIEW = "consent_review"
    INSTRUMENT_RECEIVED = "instrument_received"
    COUNSEL_REVIEW = "counsel_review"
    DEFECT_NOTICE = "defect_notice"
    CHALLENGED = "challenged"
    NOTICE_CLOCK = "notice_clock"
    APPROVED = "approved"
    SEARCHED = "searched"
    PREPARED = "prepared"
    WARRANT_EXECUTION = "warrant_execution"
    REFUSED = "refused"
    NIL_RETURN = "nil_return"
    DISCLOSED = "disclosed"
    AFTERWARDS = "afterwards"
    CLOSED = "closed"
    DISPOSED = "disposed"


class Role(StrEnum):
    """Who acts; the words of the policy's schema."""

    FRONT_LINE = "frontLine"
    CUSTODIAN = "custodian"
    ALTERNATE = "alternate"
    COUNSEL = "counsel"


class Channel(StrEnum):
    """How a contact reached the library."""

    VISIT = "visit"
    PHONE = "phone"
    MAIL = "mail"
    EMAIL = "email"
    SERVED = "served"
    RECORDS_REQUEST = "records_request"
    VENDOR_NOTICE = "vendor_notice"


class Level(StrEnum):
    """At which level of government the asker stands; ``private`` for anyone else."""

    FEDERAL = "federal"
    STATE = "state"
    LOCAL = "local"
    TRIBAL = "tribal"
    FOREIGN = "foreign"
    PRIVATE = "private"


class PartyKind(StrEnum):
    """Who an outside party is: the words of the policy's schema (a test holds them together)."""

    LAW_ENFORCEMENT = "lawEnforcement"
    IMMIGRATION_AGENCY = "immigrationAgency"
    NATIONAL_SECURITY_AGENCY = "nationalSecurityAgency"
    COURT = "court"
    ATTORNEY = "attorney"
    GOVERNMENT_OFFICIAL = "governmentOfficial"
    PRESS = "press"
    VENDOR = "vendor"
    PARTNER_LIBRARY = "partnerLibrary"
    RELATIVE = "relative"
    EMPLOYER = "employer"
    RESEARCHER = "researcher"
    OTHER = "other"


class Court(StrEnum):
    """Which court issued a paper, seen from the library. ``other_state``'s order binds once domesticated."""

    OWN_STATE = "own_state"
    FEDERAL = "federal"
    MUNICIPAL = "municipal"
    TRIBAL = "tribal"
    OTHER_STATE = "other_state"
    FOREIGN_COUNTRY = "foreign_country"
    INTELLIGENCE = "intelligence"
    NONE = "none"


class Defect(StrEnum):
    """What is wrong with a paper, as a code for the defect notice."""

    NOT_A_COURT = "not_a_court"
    NO_JUDGE = "no_judge"
    NO_SIGNATURE = "no_signature"
    NO_DOCKET = "no_docket"
    WRONG_LIBRARY = "wrong_library"
    NOT_SERVED_PROPERLY = "not_served_properly"
    NO_JURISDICTION = "no_jurisdiction"
    NOT_DOMESTICATED = "not_domesticated"
    NO_GOOD_CAUSE = "no_good_cause"
    NO_SPECIFIC_FACTS = "no_specific_facts"
    MISSING_FINDING = "missing_finding"
    OVERBROAD = "overbroad"
    NO_RETURN_DATE = "no_return_date"
    TOO_LITTLE_TIME = "too_little_time"
    EXPIRED = "expired"
    NO_NOTICE_TO_PATRON = "no_notice_to_patron"


class Breadth(StrEnum):
    """How a scope is over-broad (policy: specific facts; the particularity lint of ``instruments.py``)."""

    OPEN_DATES = "open_dates"
    LONG_DATES = "long_dates"
    ALL_CLASSES = "all_classes"
    MANY_CLASSES = "many_classes"
    READERS_OF_ITEM = "readers_of_item"
    MANY_PERSONS = "many_persons"


class HoldKind(StrEnum):
    """How firm a legal hold is."""

    NONE = "none"
    ASKED = "asked"
    PROVISIONAL = "provisional"
    ALONE = "alone"
    CONFIRMED = "confirmed"
    LIFTED = "lifted"


class Notice(StrEnum):
    """Where the notice to the patron stands."""

    NONE = "none"
    REQUIRED = "required"
    SENT = "sent"
    WAIVED = "waived"
    DEFERRED = "deferred"


class Ending(StrEnum):
    """How an inquiry ended."""

    NO_REQUEST = "no_request"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    QUASHED = "quashed"
    PRODUCED = "produced"
    NIL_RETURN = "nil_return"
    WARRANT_EXECUTED = "warrant_executed"
    COMPELLED = "compelled"
    BY_DUTY = "by_duty"
    CONSENT_WITHDRAWN = "consent_withdrawn"


class Duty(StrEnum):
    """What is still owed before an inquiry may be closed."""

    COUNTERSIGN = "countersign"
    COSIGN = "cosign"
    REVIEW_EMERGENCY = "review_emergency"
    NOTIFY_PATRON = "notify_patron"
    DEBRIEF = "debrief"
    REPORT_INCIDENT = "report_incident"


class Departure(StrEnum):
    """Where people went another way than the policy; reported, never hidden, never prevented."""

    COMPLIED_UNDER_COMPULSION = "complied_under_compulsion"
    DUTY_DESPITE_PACK = "duty_despite_pack"
    COUNSEL_ADVISES_REQUESTER = "counsel_advises_requester"
    FINDING_NOT_SHOWN = "finding_not_shown"
    OVERBROAD_ACCEPTED = "overbroad_accepted"
    FIELDS_WIDENED = "fields_widened"
    LATE_COUNTERSIGN = "late_countersign"
    LATE_NOTICE = "late_notice"
    RETURN_DATE_MISSED = "return_date_missed"
    NO_WITNESS = "no_witness"
    COUNSEL_UNREACHABLE = "counsel_unreachable"


class Step(StrEnum):
    """What can be done. ``inquiries.RULES`` says from where, by whom and on which facts."""

    RECORD = "record"
    TRIAGE = "triage"
    CLOSE_WITHOUT_REQUEST = "close_without_request"
    REFER = "refer"
    REFUSE = "refuse"
    OPEN_OWN_ACCESS = "open_own_access"
    HAND_TO_SUBJECT = "hand_to_subject"
    OPEN_GUARDIAN = "open_guardian"
    VERIFY_RELATION = "verify_relation"
    OPEN_EXIGENT = "open_exigent"
    TAKE_OFFICERS_FORM = "take_officers_form"
    REVIEW_EMERGENCY = "review_emergency"
    OPEN_CONSENT = "open_consent"
    WITHDRAW_CONSENT = "withdraw_consent"
    REGISTER_INSTRUMENT = "register_instrument"
    SEND_TO_COUNSEL = "send_to_counsel"
    EXAMINE = "examine"
    FIND_EXCEPTION = "find_exception"
    NOTIFY_DEFECT = "notify_defect"
    CURE = "cure"
    CHALLENGE = "challenge"
    RULING = "ruling"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    SEND_NOTICE = "send_notice"
    WAIVE_NOTICE = "waive_notice"
    APPROVE = "approve"
    SEARCH = "search"
    PREPARE = "prepare"
    RETURN_NIL = "return_nil"
    RELEASE = "release"
    COSIGN = "cosign"
    COMPLY = "comply"
    DISCLOSE_BY_DUTY = "disclose_by_duty"
    BEGIN_WARRANT = "begin_warrant"
    LIST_INVENTORY = "list_inventory"
    PRODUCE_UNDER_WARRANT = "produce_under_warrant"
    COUNTERSIGN = "countersign"
    END_WARRANT = "end_warrant"
    RESEAL = "reseal"
    SEAL = "seal"
    REVIEW_GAG = "review_gag"
    UNSEAL = "unseal"
    ANSWER_HOLD = "answer_hold"
    PLACE_HOLD = "place_hold"
    CONFIRM_HOLD = "confirm_hold"
    RECORD_COPY = "record_copy"
    LIFT_HOLD = "lift_hold"
    REPORT_INCIDENT = "report_incident"
    FINISH = "finish"
    NOTIFY_PATRON = "notify_patron"
    DEBRIEF = "debrief"
    CLOSE = "close"
    DISPOSE = "dispose"


@dataclass(frozen=True)
class FactType:
    """What a fact may be: its test, and what it is in words."""

    test: Callable[[object], bool]
    words: str


def _one_of(words: Sequence[str]) -> FactType:
    allowed = frozenset(str(word) for word in words)
    return FactType(lambda value: isinstance(value, str) and value in allowed, "one of: " + ", ".join(sorted(allowed)))


def _some_of(words: Sequence[str]) -> FactType:
    allowed = frozenset(str(word) for word in words)

    def test(value: object) -> bool:
        return isinstance(value, list | tuple) and len(set(map(str, value))) == len(value) and set(value) <= allowed

    return FactType(test, "a list of: " + ", ".join(sorted(allowed)))


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


FIELDS = ("identity", "overdue_count_and_kind", "surveillance")
"""The parts of a record that a pack may open alone."""
EVERYTHING = "everything"
"""Counsel's word for no limit."""


def _are_days(value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_day, value))


_DIGEST = re.compile(r"[0-9a-f]{64}")
FLAG = FactType(lambda value: type(value) is bool, "true or false")
COUNT = FactType(lambda value: type(value) is int and 0 <= value <= 10**6, "a whole number from 0")
DAY = FactType(_is_day, "a day such as 2026-03-01")
DAYS = FactType(_are_days, "a list of days")
DIGEST = FactType(lambda value: isinstance(value, str) and _DIGEST.fullmatch(value) is not None, "a SHA-256 digest")
FILE = FactType(DIGEST.test, "a SHA-256 digest; --attach makes it of a file")

FACTS: Mapping[str, tuple[FactType, str]] = MappingProxyType(
    {
        "channel": (_one_of(list(Channel)), "how the contact came"),
        "party": (_one_of(list(PartyKind)), "who asks"),
        "level": (_one_of(list(Level)), "level of government"),
        "classes": (_some_of(list(RecordClass)), "the record classes asked about"),
        "paper_shown": (FLAG, "whether a paper was shown"),
        "threat": (FLAG, "whether staff were threatened or pressed"),
        "kind": (_one_of([*Instrument, "no_request"]), "the kind of paper, or of request"),
        "law": (_one_of(list(LawAnswer)), "the strictest of policy, library and pack"),
        "standing": (_one_of(list(Standing)), "what the pack may be relied on for"),
        "emergency_clause": (FLAG, "whether the pack has an emergency clause"),
        "fields": (_some_of([*FIELDS, EVERYTHING]), "the only parts of a record that leave in this case"),
        "pack_fields": (_some_of(FIELDS), "the only parts the pack lets out"),
        "reason": (
            _one_of(
                [
                    "no_paper",
                    "policy",
                    "statute",
                    "not_compulsory",
                    "no_jurisdiction",
                    "not_shown",
                    "not_verified",
                    "contempt_threatened",
                    "deadline_passed",
                    "court_says_so",
                    "statute_commands",
                    "expired",
                    "lifted",
                    "never_applied",
                    "court_found_in_substance",
                    "not_applicable",
                    "shown_otherwise",
                    "narrowed_in_talks",
                ]
            ),
            "why, as a code",
        ),
        "identity": (_one_of(["card_and_id", "id_document", "known_in_person", "signed_in"]), "how identity was shown"),
        "proofs": (
            _some_of(["birth_certificate", "id_and_address_match", "custody_order", "guardianship_order"]),
            "how the relation was shown",
        ),
        "from_patron": (FLAG, "whether consent came from the patron alone, not through the asker"),
        "expires": (DAY, "the last day it holds"),
        "court": (_one_of(list(Court)), "which court, seen from here"),
        "has_judge": (FLAG, "whether a judge signed"),
        "has_docket": (FLAG, "whether there is a docket number"),
        "served_on": (_one_of([*Role, "vendor", "other_staff"]), "on whom it was served, as a role"),
        "issued": (DAY, "the day it was issued"),
        "served": (DAY, "the day it was served"),
        "returns": (DAY, "the return or hearing day"),
        "valid_until": (DAY, "the last day it is in force"),
        "gag": (FLAG, "whether it forbids speaking of it"),
        "gag_until": (DAY, "the last day of the gag"),
        "review": (DAY, "the day the gag is to be reviewed"),
        "document": (FILE, "the digest of the scanned paper"),
        "scope": (DIGEST, "the digest of the scope; --sheet brings it"),
        "instrument": (FILE, "the digest of the instrument, as officers sign it"),
        "policy": (DIGEST, "the digest of the policy approvals are given under"),
        "breadth": (_some_of(list(Breadth)), "how the scope is over-broad"),
        "hold_hours": (COUNT, "hours of the provisional hold; counsel's setting"),
        "court_order": (FLAG, "counsel: it is a court's order"),
        "good_cause": (FLAG, "counsel: good cause was shown"),
        "specific_facts": (FLAG, "counsel: on specific facts"),
        "competent_jurisdiction": (FLAG, "counsel: by a court of competent jurisdiction"),
        "findings_required": (COUNT, "findings the statute asks the court to make"),
        "findings_shown": (COUNT, "findings counsel sees in the paper"),
        "accept_breadth": (FLAG, "counsel accepts the scope although it is broad"),
        "notice_required": (FLAG, "whether the statute gives the patron notice"),
        "notice_days": (COUNT, "working days to send the notice"),
        "wait_days": (COUNT, "days to wait after the notice"),
        "advises_requester": (FLAG, "whether counsel also advises the asker"),
        "provider": (FLAG, "counsel: the library is an electronic communication service (18 U.S.C. 2709(f))"),
        "defects": (_some_of(list(Defect)), "what is wrong"),
        "motion": (_one_of(["quash", "modify", "narrow", "demand_order", "protective_order"]), "what counsel asks"),
        "ruling": (_one_of(["upheld", "narrowed", "ordered"]), "what the court said"),
        "ended": (_one_of(["withdrawn", "quashed"]), "how the demand ended"),
        "sent": (DAY, "the day it was sent"),
        "worksheet": (FILE, "the digest of the search worksheet"),
        "places_not_searched": (COUNT, "places that were not searched"),
        "package": (DIGEST, "the digest of the sealed package"),
        "witness": (_one_of(["witnessed", "paper"]), "a witness's cosignature, or a paper checkpoint of two officers"),
        "checkpoint": (FILE, "the digest of the cosigned checkpoint"),
        "counsel_called": (_one_of(["reached", "unreachable"]), "whether counsel could be reached"),
        "waited": (_one_of(["agreed", "refused", "not_asked"]), "whether the officers waited for counsel"),
        "viewed": (COUNT, "things viewed"),
        "taken": (COUNT, "things taken"),
        "machines": (COUNT, "machines taken"),
        "inventory": (FILE, "the digest of the sealed inventory"),
        "receipt": (FILE, "the digest of the receipt, or of the note that it was refused"),
        "place": (FLAG, "whether a hold is placed"),
        "until": (DAY, "the last day of the hold"),
        "mode": (_one_of(["sealed_copy", "keep_in_place", "forward_running"]), "how the hold preserves"),
        "advice": (FILE, "the digest of counsel's signed advice"),
        "letter": (FILE, "the digest of the letter sent"),
        "minutes": (COUNT, "minutes of work"),
        "cents": (COUNT, "cost in cents"),
        "library_closed": (DAYS, "days the library is closed besides weekends and federal holidays"),
        "retention_days": (COUNT, "days a closed inquiry is kept"),
    }
)
"""Fact -> (its type, what it says). A step takes only facts named here, so no name can stand in one."""
