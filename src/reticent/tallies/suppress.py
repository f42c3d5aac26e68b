"""Small cells hidden wherever a margin is shown.

A cell that counts few uses can point at somebody who knows the place: the one person who asked for a
braille book at East in March. Hiding it is not enough, because the total minus the other cells gives
it back; so another cell is hidden with it, or the margin withheld, until no hidden value can be worked
out, even by somebody who knows this code.

The limit is 11: cells of 1 to 10 are hidden. Five is the older custom, and 11 the size used in the
United States for data that is made public (K. El Emam, Guide to the De-Identification of Personal
Health Information, chapter on cell size precedents). The larger one is taken because our cells count
uses, not people, so that five may all be one patron's, and because a report may become a public record.

Totals a library must report by law are not margins and are given exactly. Showing the same margin
again a day later gives the difference away: show closed periods only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reticent.errors import UsageError

LIMIT = 11


@dataclass(frozen=True)
class Shown:
    """What of a margin may be shown: None for a hidden value, no cells at all when the margin is withheld."""

    cells: Mapping[str, int | None]
    total: int | None

    @property
    def withheld(self) -> bool:
        """Whether not even the names of the cells may be shown."""
        return not self.cells


def suppress(cells: Mapping[str, int], limit: int = LIMIT) -> Shown:
    """Return a margin (cell -> uses) with small cells, and what would give them away, hidden.

    With the small cells the first other cell is hidden, in the order given: an order of the library's
    own (main branch first), never by count, or the choice itself would tell. Where that leaves too
    little room the margin is withheld, and under ``limit`` its total too. Empty cells are shown: they
    count nobody. Raises UsageError for a negative count or a limit under 3.
    """
    if limit < 3 or any(count < 0 for count in cells.values()):
        raise UsageError("A margin holds counts of 0 or more, and its limit is 3 or more.", do="Report this.")
    total = sum(cells.values())
    if 0 < total < limit:
        return Shown({}, None)
    hidden = _hidden(cells, limit)
    if hidden and _tight(hidden, cells, limit):
        return Shown({}, total)
    return Shown({name: None if name in hidden else count for name, count in cells.items()}, total)


def _hidden(cells: Mapping[str, int], limit: int) -> Sequence[str]:
    """Return the small cells and one that is not small. Which one depends on no count but smallness."""
    small = [name for name, count in cells.items() if 0 < count < limit]
    others = [name for name, count in cells.items() if count >= limit]
    return small + others[:1] if small else []


def _tight(hidden: Sequence[str], cells: Mapping[str, int], limit: int) -> bool:
    """Whether the sum of the hidden cells leaves a small one fewer values than ``limit`` to have been.

    The test reads that sum and how many are hidden, which are seen anyway, so its outcome tells nothing.
    """
    return sum(cells[name] for name in hidden) < 2 * limit + len(hidden) - 2
