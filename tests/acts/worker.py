"""``reticent`` with small chunks, so that a kill has many moments to hit: SIZE STARTED-FILE ARGUMENTS."""

from __future__ import annotations

import sys
from pathlib import Path

from reticent.acts import sever
from reticent.cli import main
from reticent.sever import engine

engine.FIRST = engine.LARGEST = int(sys.argv[1])
engine.COLLECT_EVERY = 7
started, begin = Path(sys.argv[2]), sever._Run.start


def _start(self: sever._Run) -> None:
    begin(self)
    started.touch()


sever._Run.start = _start  # type: ignore[method-assign]
sys.argv[1:3] = []
main.main()
