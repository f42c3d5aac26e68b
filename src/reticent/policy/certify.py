"""Prove the shipped bundle and write its certificate beside it: ``python -m reticent.policy.certify``.

Run after every change of a shipped rule, promise or of the prover; a test holds the two together.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reticent.policy import bundle, prove

DECISIONS = 1000


def main() -> int:
    """Write ``certificate.json``; return 0 when every promise is kept, 1 otherwise."""
    certificate = prove.prove_bundle(bundle.load(), DECISIONS)
    if not certificate.kept:
        sys.stderr.write("The shipped policy does not keep its promises; no certificate was written.\n")
        return 1
    Path(__file__).with_name("certificate.json").write_text(certificate.text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
