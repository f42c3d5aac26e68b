"""When do two texts count as equal? As the library's own database says, or the prover would ask another question."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# Named by the Unicode collation algorithm as ignored altogether: controls but for white space, and formats.
_KEPT_CONTROLS = "\t\n\v\f\r"


@lru_cache(maxsize=16384)
def fold(text: str) -> str:
    """Return the form under which MariaDB's ``utf8mb4_unicode_ci``, Koha's collation, calls two texts equal.

    Without case, accents and trailing spaces. Exact for what codes are written in; an approximation of the
    Unicode collation algorithm for everything else.
    """
    if not (text.isascii() and text.isprintable()):
        plain = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in plain if c in _KEPT_CONTROLS or unicodedata.category(c) not in ("Mn", "Cc", "Cf"))
    return text.casefold().rstrip(" ")
