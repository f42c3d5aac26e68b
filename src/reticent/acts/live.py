"""The acts on a single log: in front of it while it is written, and a copy that may leave the house."""

from __future__ import annotations

import sys
from pathlib import Path

from reticent.stores.logs.discover import PROXY, WEB
from reticent.stores.logs.live import run_filter
from reticent.stores.logs.share import Shared, share
from reticent.stores.logs.sources import LogSource


def filter_live(form: str) -> int:
    """Sever stdin to stdout until it ends; return the exit code. Needs no site: keys live in memory only."""
    source = LogSource("live", (), form, (*WEB, *PROXY))
    return run_filter(sys.stdin.fileno(), sys.stdout.fileno(), source, errors=sys.stderr)


def share_copy(path: Path, out: Path, form: str) -> Shared:
    """Write a copy of a log without anything that names a person or a use."""
    return share(path, out, LogSource("shared", (str(path),), form, (*WEB, *PROXY)))
