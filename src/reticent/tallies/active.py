"""Counting active borrowers without keeping who they are.

ISO 2789 counts registered users with at least one loan in the reporting period (facts: read in a
FOLIO ticket that quotes the German national statistics). That takes no link from a patron to an item:
a keyed flag a patron and year is enough, and the year's key is destroyed when the year is counted.
"""

from __future__ import annotations

import hmac

PURPOSE = "active_borrowers"
"""The purpose of the period keys, followed by ``/system``."""


def flag(key: bytes, patron: object) -> str:
    """Return the flag of one patron under the key of one year: 128 bits of an HMAC, in hex."""
    return hmac.digest(key, str(patron).encode(), "sha256")[:16].hex()
