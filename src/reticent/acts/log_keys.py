"""The keys of pseudonyms in logs: one a bundle and day, destroyed by the first run of a later day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reticent.acts.log_system import KINDS, PURPOSE, LogSeverer, purpose_of, series_of, sources
from reticent.acts.opening import Opened
from reticent.keyring.folder import Folder
from reticent.keyring.periods import PeriodKeys
from reticent.model import Finding


@dataclass(frozen=True)
class LogKeys:
    """The period keys of a site's logs; making and destroying one is a ledger entry."""

    opened: Opened

    def _keys(self) -> PeriodKeys:
        return PeriodKeys(self.opened.keys, self.opened.record_of_keys)

    @property
    def today(self) -> str:
        """The period that runs now."""
        return f"{self.opened.clock.now():%Y-%m-%d}"

    def lend(self, name: str, severer: object) -> None:
        """Give the severer of a system the bundle's key of today, if its site asks for pseudonyms."""
        if isinstance(severer, LogSeverer) and self.opened.site.systems[name].pseudonyms:
            severer.use_key(self.today, self._keys().period_key(purpose_of(self.opened.site, name), self.today))

    def over(self) -> list[tuple[str, str]]:
        """Return (purpose, period) of the keys whose day is over and that still exist."""
        site = self.opened.site
        if not site.keys_path.is_dir():
            return []
        live = PeriodKeys(Folder(site.keys_path, site.state_path), self.opened.record_of_keys).live()
        return [one for one in live if one[0].startswith(f"{PURPOSE}/") and one[1] < self.today]

    def destroy_past(self) -> Iterator[str]:
        """Destroy the keys whose day is over; yield what a hold kept from it."""
        for purpose, period in self.over():
            if why := self._held(purpose):
                yield f"the key of {purpose} {period} is not destroyed: {why}"
            else:
                self._keys().destroy(purpose, period, lambda _purpose, _period: False)

    def _held(self, purpose: str) -> str | None:
        site, holds = self.opened.site, self.opened.holds
        for name in site.systems:
            if site.systems[name].kind in KINDS and purpose_of(site, name) == purpose:
                for series in series_of(site, name, sources(site, name)):
                    if why := holds.held(name, series.id, series.record_class):
                        return why
        return None

    def findings(self) -> Iterator[Finding]:
        """Yield keys that should be gone: what they made is still a tie."""
        for purpose, period in self.over():
            advice = "Its pseudonyms can still be undone: run `reticent sever`, which destroys the key."
            yield Finding("live key", "reticent", f"{purpose} {period}", 1, advice)
