"""The act of drafting a map: what `find` sees of a database, begun as a map for a person to finish."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reticent.acts.files import write_text
from reticent.acts.opening import Opened, Progress, map_of
from reticent.acts.probe import probe
from reticent.acts.systems import SqlSystem
from reticent.errors import UsageError
from reticent.find.draft import Draft, draft
from reticent.model import NotLookedAt


@dataclass(frozen=True)
class Drafted:
    """The two files that were written, and what the draft could not be told."""

    path: Path
    made: Draft
    not_looked_at: tuple[NotLookedAt, ...]

    def document(self) -> Mapping[str, Any]:
        """Return it as JSON content."""
        return {
            "map": str(self.path),
            "columns": str(columns_of(self.path)),
            "tables": self.made.tables,
            "to_finish": self.made.marks,
            "left_out": list(self.made.left_out),
            "not_looked_at": [vars(place) for place in self.not_looked_at],
        }


def columns_of(path: Path) -> Path:
    """Return the file of columns beside a map."""
    return path.with_name(f"{path.stem}.columns.csv")


def draft_map(opened: Opened, name: str, out: Path, progress: Progress) -> Drafted:
    """Probe one system and write the draft and its list of columns beside it.

    Raises UsageError for an unknown system, and rather than write over a file.
    """
    _free(out)
    if name not in opened.site.systems or not opened.site.systems[name].accounts.find:
        known = ", ".join(each for each, system in opened.site.systems.items() if system.accounts.find)
        raise UsageError(
            f'There is no system "{name}" with a database.', where=str(opened.site.file), do=f"Name: {known}."
        )
    progress(f"{name}: comparing with the roster", 0, 0)
    with closing(SqlSystem(name, map_of(opened.site, name), opened.site)) as system:
        found = probe(opened, system)
        database = system.finder.database
        made = draft(out.stem, database.structure, found.evidence, documents=database.dialect == "postgresql")
    write_text(columns_of(out), made.columns)
    write_text(out, made.toml)
    return Drafted(out, made, tuple(found.not_looked_at))


def _free(out: Path) -> None:
    for file in (out, columns_of(out)):
        if file.exists():
            raise UsageError(f"{file.name} is there already.", where=str(file), do="Name another file with --out.")
