"""What the prover knows of one system before it reads a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from reticent.ports import Reader
from reticent.prove.text import fold
from reticent.systems.fit import Fit
from reticent.systems.mapfile import Map, Series, Table


@dataclass(frozen=True)
class View:
    """One system as the prover sees it.

    ``now`` in the system's own local time; ``sentinel`` the stand-in patron, None where there is none;
    ``branches`` None where every row is the site's own; ``decided`` the questions of the map that the site
    has answered.
    """

    system: str
    reader: Reader
    loaded: Map
    fit: Fit
    now: datetime
    sentinel: int | str | None = None
    branches: tuple[str | int, ...] | None = None
    decided: frozenset[str] = frozenset()

    @property
    def alike(self) -> Callable[[str], str]:
        """Text -> the form under which this database calls two texts equal."""
        return fold if self.reader.folds_case else str

    def table(self, name: str) -> Table:
        """Return a table of the map."""
        return self.loaded.tables[name]

    def branch_path(self, series: Series) -> str:
        """Return where a row says whose it is: its own branch, else its patron's; "" if nowhere."""
        if series.branch:
            return series.branch
        table = self.table(series.table)
        if "branch" in table.fields:
            return "branch"
        return "account.branch" if "account" in table.links else ""
