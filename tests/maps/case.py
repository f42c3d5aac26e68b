"""One kind of system in one release's shape: the few things that do not follow from its map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tests.maps import tables
from tests.maps.planting import Row

from reticent.systems.load import shipped
from reticent.systems.mapfile import Map, Series


@dataclass(frozen=True)
class Case:
    """One kind of system in one release's shape."""

    kind: str
    release: str = ""
    tenant: str = field(default="", kw_only=True)
    """A column ``in_RELEASE`` of the map's CSV; "" is the shape the CSV's own columns describe."""
    values: Row = field(default_factory=dict)
    """"table.column" or "*.column" -> what is planted there for everyone, or a function from the Person to it."""
    due: Mapping[str, Row] = field(default_factory=dict)
    """Series -> the columns that make a row due; a past date and a named person need not be said."""
    alive: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    """Table -> columns of rows whose purpose is open: severing must leave every byte of them."""
    stays: Mapping[str, str] = field(default_factory=dict)
    """"table" or "table.column" that still names a marked person after everything due was severed -> why."""
    unmarked: Mapping[str, str] = field(default_factory=dict)
    """"series: column" that says who, or is severed, and in which no marked person was planted -> why."""
    nobodys: Mapping[str, str] = field(default_factory=dict)
    """Series -> why what was written in a row stays when the system has taken its person out."""
    never_due: frozenset[str] = frozenset()
    """Series of which no row can be due in this release: the server's own keys see to it."""
    counted_up: frozenset[str] = frozenset()
    """"table.column" that the system counts up at every change of a row."""
    retention: Mapping[str, str] = field(default_factory=dict)
    """Retention other than a week."""
    before: tuple[str, ...] = ()
    """Statements to run once everything is planted: settings, for instance."""

    @property
    def loaded(self) -> Map:
        return shipped(self.kind, self.tenant)

    @cached_property
    def tables(self) -> dict[str, list[tables.Column]]:
        return tables.read(self.loaded, self.release)

    def has_persons(self, series: Series) -> bool:
        """Whether this release has a column for one of the series' persons, or the series has none."""
        columns = {column.name for column in self.tables[series.table]}
        persons = {self.loaded.tables[series.table].fields[name].column for name in series.persons}
        return not persons or bool(persons & columns)
