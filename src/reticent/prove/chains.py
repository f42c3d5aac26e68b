"""Which rows follow one another, read from the rows themselves: a chain is judged as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reticent.ports import Reader

CIRCULAR = "rows that follow one another in a circle"


class Chains:
    """The heads of the chains of one table, and the states of their rows until all are known.

    Kept in memory: the rows that follow another and what they follow, no row that stands alone.
    """

    def __init__(self, reader: Reader, table: str, key: str, parent: str, order: Callable[[str], int]) -> None:
        self._order = order
        follows = {row[0]: row[1] for row in reader.rows(table, [key, parent]) if row[1] is not None}
        before = set(follows.values())
        there = {row[0] for row in reader.rows(table, [key]) if row[0] in before}
        self._head: dict[Any, Any] = {}
        for row in follows:
            self._find(row, follows, there)
        self._head |= {row: row for row in there if row not in self._head}
        self._rows: dict[Any, Counter[str]] = {}
        self._worst: dict[Any, str] = {}

    def _find(self, row: Any, follows: Mapping[Any, Any], there: set[Any]) -> None:
        """Note the head of a row and of all it follows; None for those in a circle or behind one."""
        way: list[Any] = []
        seen: set[Any] = set()
        while row not in self._head and row not in seen and row in follows and follows[row] in there:
            way.append(row)
            seen.add(row)
            row = follows[row]
        head = self._head.get(row, None if row in seen else row)
        self._head |= dict.fromkeys(way, head)
        self._head.setdefault(row, head)

    def add(self, key: Any, state: str | None, otherwise: str) -> str | None:
        """Take a row of a chain; return the state of one that stands alone. ``otherwise`` of what is not counted."""
        if key not in self._head:
            return state
        head = self._head[key]
        if head is None:
            return None if state is None else state if self._order(state) == 0 else CIRCULAR
        counted, state = state is not None, state or otherwise
        rows = self._rows.setdefault(head, Counter())
        rows["rows"] += counted
        if head not in self._worst or self._order(state) < self._order(self._worst[head]):
            self._worst[head] = state
        return None

    def states(self) -> Iterator[tuple[str, int]]:
        """Yield the state of every chain, and how many of its rows are counted."""
        for head, rows in self._rows.items():
            yield self._worst[head], rows["rows"]
