"""Where a field stands inside a JSON document: ``jsonb.status.name``, or ``jsonb.items[].loanId`` in every element."""

from __future__ import annotations

import re
from dataclasses import dataclass

WRITTEN = re.compile(r"\w+(?:\.\w+(?:\[\])?(?=\.|$))*")
"""A column, or a column and the path into it."""


@dataclass(frozen=True)
class Place:
    """A column, and the path into its document: ``array`` first, then ``steps`` in each of its elements.

    ``steps`` is empty for a plain column, ``array`` for a path that leads to one value.
    """

    column: str
    array: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()

    @property
    def written(self) -> str:
        """The place as a map writes it."""
        last = (*self.array[:-1], f"{self.array[-1]}[]") if self.array else ()
        return ".".join((self.column, *last, *self.steps))

    @property
    def path(self) -> tuple[str, ...]:
        """The whole way from the document to its value or, in an array, to that array."""
        return self.array or self.steps


def place(written: str) -> Place:
    """Return where a column of a map stands. Only the last ``[]`` of a path can be one, and no path ends in it."""
    column, *steps = written.split(".")
    for index, step in enumerate(steps):
        if step.endswith("[]"):
            return Place(column, (*steps[:index], step[:-2]), tuple(steps[index + 1 :]))
    return Place(column, (), tuple(steps))


def is_place(written: str) -> bool:
    """Whether a text names a column or a path: at most one array, and never at its end."""
    return WRITTEN.fullmatch(written) is not None and written.count("[]") <= 1 and not written.endswith("[]")
