"""What the ledger says of inquiries: one entry a day, on empty days too, of one size, without kind, time or count.

Each entry commits to every row of the register as it stood at the first act after that day. The salt and
what was committed to lie in the key folder, for a court or an auditor; the entry itself tells nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from reticent.keyring.folder import Folder
from reticent.keyring.salts import Salts
from reticent.ledger.entries import Actor, Kind, decode
from reticent.ledger.log import Log
from reticent.state.register import StoredRegister

KEPT = timedelta(days=3 * 365)
"""How long a day's salt is kept before it is due to be destroyed."""
MOST = 400
"""Days filled in at once; a longer pause is filled in over several acts."""


def fill(log: Log, register: StoredRegister, folder: Folder, now: datetime) -> int:
    """Append the entries of all whole days since the last; return how many."""
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    last = _last(log)
    if last is None or last >= yesterday:
        return 0
    days = [last + timedelta(days=n + 1) for n in range(min((yesterday - last).days, MOST))]
    # One commitment for all days of a pause: the register did not change between them.
    detail = Salts(folder, _unused).commit(committed(register), days[-1] + KEPT)
    for day in days:
        entry = {
            "kind": Kind.INQUIRY_DAY,
            "hour": (day + timedelta(days=1)).strftime("%Y-%m-%dT00:00Z"),
            "actor": Actor.OPERATOR,
            "period": day.isoformat(),
            "detail": detail,
        }
        log.append([entry], once=f"inquiry day {day}")
    return len(days)


def committed(register: StoredRegister) -> dict[str, object]:
    """Return what a day commits to: how many steps each case had, and one digest over all their sealed rows."""
    places: dict[str, int] = {}
    whole = hashlib.sha256()
    for case in register.cases():
        bodies = register.bodies(case)
        places[case] = len(bodies)
        for body in bodies:
            whole.update(hashlib.sha256(body).digest())
    return {"places": places, "digest": whole.hexdigest()}


def _last(log: Log) -> date | None:
    """Return the last day that has its entry; before the first, the day before the ledger's first entry."""
    for index in reversed(range(log.size)):
        body = log.entry(index)
        if Kind.INQUIRY_DAY.encode() in body and (entry := decode(body))["kind"] == Kind.INQUIRY_DAY:
            return date.fromisoformat(str(entry["period"]))
    if not log.size:
        return None
    return date.fromisoformat(str(decode(log.entry(0))["hour"])[:10]) - timedelta(days=1)


def _unused(entry: Mapping[str, object], once: str) -> None:
    """Committing destroys nothing, so nothing is recorded."""
