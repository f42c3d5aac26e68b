"""One pass over each table, however many questions are asked of its rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from reticent.ports import Reader

Row = tuple[Any, ...]
Read = tuple[str, bool]
"""A field, and whether its value is needed (False: only whether it holds anything)."""


@dataclass(frozen=True)
class Layout:
    """Which fields of a table are streamed, and where each stands in a row."""

    fields: tuple[str, ...]
    present: tuple[str, ...]

    @classmethod
    def of(cls, reads: Iterable[Read]) -> Layout:
        """Return the least that serves every read: free text that is only tested for NULL stays where it is."""
        wanted: dict[str, bool] = {}
        for name, value in reads:
            wanted[name] = wanted.get(name, False) or value
        return cls(
            tuple(name for name, value in wanted.items() if value),
            tuple(name for name, value in wanted.items() if not value),
        )

    @property
    def positions(self) -> Mapping[str, int]:
        """Field -> index in a row."""
        return {name: index for index, name in enumerate((*self.fields, *self.present))}

    def rows(self, reader: Reader, table: str) -> Iterator[Row]:
        """Stream these fields of every row of a table."""
        return reader.rows(table, self.fields, self.present)


class Question(Protocol):
    """Something asked of every row of one table."""

    @property
    def table(self) -> str:
        """The table it is asked of."""
        ...

    def reads(self) -> Iterable[Read]:
        """Return the fields it needs."""
        ...

    def bind(self, positions: Mapping[str, int]) -> Callable[[Row], None]:
        """Return what is to be called with every row."""
        ...


def sweep(reader: Reader, questions: Iterable[Question]) -> None:
    """Ask every question, streaming each table once."""
    by_table: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        by_table[question.table].append(question)
    for table, asked in by_table.items():
        layout = Layout.of(read for question in asked for read in question.reads())
        asks = [question.bind(layout.positions) for question in asked]
        for row in layout.rows(reader, table):
            for ask in asks:
                ask(row)
