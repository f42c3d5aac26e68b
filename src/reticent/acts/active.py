"""Active borrowers: flagged in the severing run, counted and forgotten when their year is over."""

from __future__ import annotations

from dataclasses import dataclass

from reticent.acts.casebook import Holds
from reticent.acts.opening import Opened
from reticent.acts.systems import OpenSystem
from reticent.keyring.periods import PeriodKeys
from reticent.model import RecordClass
from reticent.tallies.active import PURPOSE, flag

FACT = "active borrowers {system} {year}"


@dataclass
class ActiveBorrowers:
    """The flags of one system, under one key a year."""

    opened: Opened
    system: str

    @property
    def keys(self) -> PeriodKeys:
        """The period keys; making and destroying one is a ledger entry."""
        return PeriodKeys(self.opened.keys, self.opened.record_of_keys)

    def mark(self, year: int, patrons: set[str]) -> None:
        """Flag patrons with a loan of ``year``; called before their rows are severed, and repeatable."""
        if self.opened.book.fact(FACT.format(system=self.system, year=year)) is not None:
            return
        key = self.keys.period_key(f"{PURPOSE}/{self.system}", str(year))
        self.opened.flags.add(self.system, str(year), {flag(key, patron) for patron in patrons})

    def count(self, system: OpenSystem, year: int) -> int | None:
        """Return how many were active in a year: flags and rows still there; None if nobody kept count."""
        closed = self.opened.book.fact(FACT.format(system=self.system, year=year))
        if closed is not None:
            return int(closed)
        if str(year) not in self.opened.flags.periods(self.system):
            return None
        key = self.keys.period_key(f"{PURPOSE}/{self.system}", str(year))
        live = {flag(key, patron) for patron in system.active(year)}
        return len(live | self.opened.flags.all(self.system, str(year)))

    def _held(self) -> bool:
        """Whether a legal hold covers what the keys of this system tell: they are then not destroyed."""
        return Holds(self.opened).held(self.system, "", RecordClass.CIRCULATION) is not None

    def close_past_years(self, system: OpenSystem) -> None:
        """Count every year that is over, destroy its key, delete its flags; under a legal hold they wait."""
        this_year = self.opened.clock.now().year
        for period in self.opened.flags.periods(self.system):
            if int(period) < this_year and not self._held():
                count = self.count(system, int(period))
                self.opened.book.set_fact(FACT.format(system=self.system, year=period), str(count or 0))
                self.keys.destroy(f"{PURPOSE}/{self.system}", period, lambda _purpose, _period: self._held())
                self.opened.flags.drop(self.system, period)
