"""``reticent`` with small chunks, so that a kill has many moments to hit: SIZE STARTED-FILE ARGUMENTS."""

from __future__ import annotations

import sys
from pathlib import Path

from reticent.acts import sever
from reticent.cli import main
from reticent.sever import engine

engine.FIRST = engine.LARGEST = int(sys.argv[1])
engine.COLLECT_EVERY = 7
started, steps = Path(sys.argv[2]), sever._Run.steps


def _steps(run: sever._Run) -> None:
    started.touch()
    steps(run)


sever._Run.steps = _steps  # type: ignore[method-assign]
sys.argv[1:3] = []
main.main()
