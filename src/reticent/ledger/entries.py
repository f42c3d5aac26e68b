"""What may stand in the ledger: a closed schema without free text.

An entry is one run or act, never one patron. Its values are digests, commitments, counts, words
of closed lists, and names the site itself chose (systems, series, purposes). Everything else is
refused with the field's name and never with its value. The table is printed in
``docs/reference/ledger-entries.md``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import cast

from reticent.errors import EvidenceBroken, UsageError

VERSION = 1
MAX_ENTRY = 4096
"""Bytes of an entry."""
SMALL = 10
"""Counts of people's records from 1 to 9 are written as a band, so that no entry is about a few."""
BAND = "1-9"
MAX_COUNT = 2**53 - 1
"""The largest integer every JSON reader keeps exactly."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SLUG = re.compile(r"[a-z0-9_./-]{1,64}")
_HOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:00Z")
_PERIOD = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")
_ORIGIN = re.compile(r"[a-z0-9][a-z0-9./-]{0,99}/[0-9]{1,4}")


class Kind(StrEnum):
    """What happened."""

    LEDGER_OPENED = "ledger_opened"
    LEDGER_CLOSED = "ledger_closed"
    POLICY_ADOPTED = "policy_adopted"
    MAP_ADOPTED = "map_adopted"
    MAP_WITHDRAWN = "map_withdrawn"
    SCHEDULE_RECORDED = "schedule_recorded"
    OFFICER_CHANGED = "officer_changed"
    ARMED = "armed"
    DISARMED = "disarmed"
    FIND_RUN = "find_run"
    TRIAL_RUN = "trial_run"
    SEVER_RUN = "sever_run"
    CHECK_RUN = "check_run"
    STATISTICS_CLOSED = "statistics_closed"
    GATE_REFUSAL = "gate_refusal"
    GATE_PERMIT = "gate_permit"
    INQUIRY_DAY = "inquiry_day"
    HOLD_PLACED = "hold_placed"
    HOLD_RELEASED = "hold_released"
    RELEASE_SEALED = "release_sealed"
    KEY_CREATED = "key_created"
    KEY_DESTROYED = "key_destroyed"
    SALTS_DESTROYED = "salts_destroyed"
    RESTORE_SEEN = "restore_seen"


class Actor(StrEnum):
    """Who acted, as an office and never as a person."""

    CUSTODIAN = "custodian"
    COUNSEL = "counsel"
    ALTERNATE = "alternate"
    OFFICERS = "officers"
    OPERATOR = "operator"
    TIMER = "timer"
    GATE = "gate"


class Outcome(StrEnum):
    """How a run or act ended."""

    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    KEPT = "kept"
    NOT_KEPT = "not_kept"


class Cause(StrEnum):
    """Why something stopped or was disarmed (DESIGN rule 10 and the engine's stops)."""

    ASKED = "asked"
    MAP_CHANGED = "map_changed"
    MAP_WITHDRAWN = "map_withdrawn"
    SCHEMA_CHANGED = "schema_changed"
    POLICY_CHANGED = "policy_changed"
    VERSION_CHANGED = "version_changed"
    UNUSUAL_COUNT = "unusual_count"
    TRIPWIRE = "tripwire"
    LEGAL_HOLD = "legal_hold"
    TIME_WINDOW = "time_window"
    ROW_CEILING = "row_ceiling"
    FREE_SPACE = "free_space"
    REPLICA_LAG = "replica_lag"
    UPGRADE_RUNNING = "upgrade_running"
    UNREACHABLE = "unreachable"


def _matches(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _one_of(words: type[StrEnum]) -> Callable[[object], bool]:
    allowed = frozenset(word.value for word in words)
    return lambda value: isinstance(value, str) and value in allowed


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _is_people(value: object) -> bool:
    return value == BAND if isinstance(value, str) else _is_number(value) and not 0 < cast("int", value) < SMALL


def _is_hour(value: object) -> bool:
    if not (isinstance(value, str) and _HOUR.fullmatch(value)):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


TYPES: Mapping[str, tuple[Callable[[object], bool], str]] = MappingProxyType(
    {
        "version": (lambda value: type(value) is int and value == VERSION, f"the number {VERSION}"),
        "kind": (_one_of(Kind), "a kind of act"),
        "hour": (_is_hour, "a UTC hour such as 2026-03-01T14:00Z"),
        "actor": (_one_of(Actor), "an office"),
        "outcome": (_one_of(Outcome), "an outcome"),
        "cause": (_one_of(Cause), "a cause"),
        "digest": (_matches(_DIGEST), "a SHA-256 digest in lower-case hex"),
        "commitment": (_matches(_DIGEST), "a salted commitment in lower-case hex"),
        "name": (_matches(_SLUG), "a name of the site's own configuration"),
        "period": (_matches(_PERIOD), "a year, month or day such as 2026-03"),
        "origin": (_matches(_ORIGIN), "a ledger's origin such as library.example/ledger/2"),
        "count": (_is_number, "a whole number from 0"),
        "people": (_is_people, f"a whole number, 1 to {SMALL - 1} written as {BAND!r}"),
    }
)
"""Type of value -> (its test, what it is in words). ``people`` counts records of people."""

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "v": "version",
        **{word: word for word in ("kind", "hour", "actor", "outcome", "cause", "period")},
        **dict.fromkeys(("system", "series", "record_class", "purpose", "form", "rule"), "name"),
        **dict.fromkeys(("run", "plan", "site", "policy", "map", "schema", "receipts", "report"), "digest"),
        **dict.fromkeys(("statement", "key", "package", "certificate", "checkpoint", "schedule"), "digest"),
        **dict.fromkeys(("detail", "target", "instrument", "scope", "reason"), "commitment"),
        **dict.fromkeys(("ties", "due", "planned", "severed", "still_due", "held_back", "residue"), "people"),
        **dict.fromkeys(("refused", "released", "salts"), "people"),
        **dict.fromkeys(("systems", "places", "chunks", "findings", "not_looked_at"), "count"),
        **dict.fromkeys(("approvals", "size", "epoch"), "count"),
        "next": "origin",
    }
)
"""Field -> type of its value, the same in every kind."""

_ALWAYS = frozenset({"v", "kind", "hour", "actor"})
_RUN = "run site policy map schema outcome system series record_class systems places findings not_looked_at"
_ORDER = "detail target instrument scope reason statement policy approvals rule"

KINDS: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {
        kind: _ALWAYS | frozenset(fields.split())
        for kind, fields in {
            Kind.LEDGER_OPENED: "site checkpoint",
            Kind.LEDGER_CLOSED: "next detail",
            Kind.POLICY_ADOPTED: "policy site statement certificate approvals",
            Kind.MAP_ADOPTED: "system map statement approvals",
            Kind.MAP_WITHDRAWN: "system map",
            Kind.SCHEDULE_RECORDED: "system series record_class schedule statement detail",
            Kind.OFFICER_CHANGED: "statement key approvals detail",
            Kind.ARMED: "system series plan map schema policy run statement approvals",
            Kind.DISARMED: "system series map schema policy cause detail",
            Kind.FIND_RUN: f"{_RUN} report ties due",
            Kind.TRIAL_RUN: f"{_RUN} plan receipts planned severed still_due chunks",
            Kind.SEVER_RUN: f"{_RUN} plan receipts planned severed still_due held_back chunks epoch cause",
            Kind.CHECK_RUN: f"{_RUN} report ties due residue",
            Kind.STATISTICS_CLOSED: "form period report systems",
            Kind.GATE_REFUSAL: f"{_ORDER} refused",
            Kind.GATE_PERMIT: f"{_ORDER} purpose",
            Kind.INQUIRY_DAY: "period detail",
            Kind.HOLD_PLACED: f"{_ORDER} epoch",
            Kind.HOLD_RELEASED: f"{_ORDER} epoch",
            Kind.RELEASE_SEALED: f"{_ORDER} package released",
            Kind.KEY_CREATED: "purpose period key",
            Kind.KEY_DESTROYED: "purpose period key",
            Kind.SALTS_DESTROYED: "salts",
            Kind.RESTORE_SEEN: "system size checkpoint detail",
        }.items()
    }
)
"""Kind -> fields it may have. ``v``, ``kind``, ``hour`` and ``actor`` it must have."""


def hour(moment: datetime) -> str:
    """Return the UTC hour a moment falls in: finer times would tell what one person did."""
    if moment.tzinfo is None:
        raise UsageError("A ledger entry needs a time with a time zone.", where="hour")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:00Z")


def canonical(value: Mapping[str, object]) -> bytes:
    """Return the one JSON encoding of ``value``: sorted keys, no spaces, ASCII."""
    return _ENCODER.encode(value).encode("ascii")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False)


def encode(entry: Mapping[str, object], names: Collection[str] = ()) -> bytes:
    """Return an entry's bytes. ``names`` are the site's own systems, series, purposes and forms.

    ``v`` is added; small counts of people's records become a band. Raises UsageError naming the
    first field that may not stand in the ledger.
    """
    whole = {"v": VERSION, **entry}
    for field, value in entry.items():
        kind_of = FIELDS.get(field)
        if kind_of == "people" and type(value) is int and 0 < value < SMALL:
            whole[field] = BAND
        elif kind_of == "name" and not (isinstance(value, str) and value in names):
            raise UsageError(
                "A name in a ledger entry is not one of the site's own.",
                where=f"field {field}",
                do="Write only systems, series, purposes and forms that the site's configuration names.",
            )
    if fault := _fault(whole):
        raise UsageError(f"This may not stand in the ledger: {fault}.", do="See docs/reference/ledger-entries.md.")
    return canonical(whole)


def decode(body: bytes) -> dict[str, object]:
    """Return the entry of these bytes. Raises EvidenceBroken unless ``encode`` could have written them."""
    entry = _loads(body)
    fault = "it is not canonical JSON" if entry is None else _fault(entry)
    if entry is None or fault:
        raise EvidenceBroken(f"A ledger entry is not of the closed schema: {fault}.")
    return entry


def _loads(body: bytes) -> dict[str, object] | None:
    try:
        entry = json.loads(body.decode("ascii")) if len(body) <= MAX_ENTRY else None
        same = isinstance(entry, dict) and canonical(entry) == body
    except (ValueError, RecursionError):
        return None
    return entry if same else None


def _fault(entry: Mapping[str, object]) -> str:
    """Return what is wrong, by the field's name where the name is ours; never a value."""
    if missing := _ALWAYS - entry.keys():
        return f"{min(missing)} is missing"
    if not TYPES["kind"][0](entry["kind"]):
        return "kind is not a kind of act"
    allowed = KINDS[Kind(cast("str", entry["kind"]))]
    for field, value in entry.items():
        if field not in allowed:
            return f"{field} does not belong to {entry['kind']}" if field in FIELDS else "a field is unknown"
        test, words = TYPES[FIELDS[field]]
        if not test(value):
            return f"{field} is not {words}"
    return ""
