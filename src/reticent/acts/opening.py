"""Opens what an act needs: site, state, ledger, and each system by its own accounts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from reticent.acts import days
from reticent.acts.log_system import KINDS as LOGS
from reticent.acts.log_system import LogSystem, purpose_of, sources
from reticent.acts.officers import seated
from reticent.acts.systems import OpenSystem, SqlSystem
from reticent.errors import ConfigurationError, NotPermitted, ReticentError, SystemRefused
from reticent.keyring import officers
from reticent.keyring.folder import Folder
from reticent.keyring.salts import Salts
from reticent.keyring.signing import LedgerKey
from reticent.ledger.entries import Actor, Kind, hour
from reticent.ledger.log import Log
from reticent.model import NotLookedAt
from reticent.ports import Clock
from reticent.site import Site, System, read_site
from reticent.state.armings import Armings
from reticent.state.book import Book
from reticent.state.database import open_state
from reticent.state.flags import ActiveFlags
from reticent.state.hold_book import StoredHolds
from reticent.state.permits import StoredPermits
from reticent.state.register import StoredRegister
from reticent.systems.load import kinds, load_map, shipped, withdrawn
from reticent.systems.mapfile import Map
from reticent.tallies.active import PURPOSE

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how far it is, and how far it goes (0: not known)."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time now, in UTC."""
        return datetime.now(UTC)


@dataclass
class Opened:
    """A site with its state and its ledger, for one act."""

    site: Site
    clock: Clock
    rules: frozenset[str] = frozenset()
    """The ids of the rules in force: with the site's own names, what a ledger entry may name."""

    @cached_property
    def _engine(self) -> object:
        return open_state(self.site)

    @cached_property
    def book(self) -> Book:
        """What Reticent remembers."""
        book = Book(self._engine)  # type: ignore[arg-type]
        book.watch_clock(self.clock.now())
        return book

    @cached_property
    def armings(self) -> Armings:
        """Which series are armed."""
        return Armings(self._engine)  # type: ignore[arg-type]

    @cached_property
    def holds(self) -> StoredHolds:
        """The holds in force."""
        return StoredHolds(self._engine, self.clock)  # type: ignore[arg-type]

    @cached_property
    def permits(self) -> StoredPermits:
        """Which permits were used."""
        return StoredPermits(self._engine)  # type: ignore[arg-type]

    @cached_property
    def flags(self) -> ActiveFlags:
        """The flags of active borrowers."""
        return ActiveFlags(self._engine)  # type: ignore[arg-type]

    @cached_property
    def register(self) -> StoredRegister:
        """The register of inquiries, sealed."""
        return StoredRegister(self._engine)  # type: ignore[arg-type]

    @property
    def origin(self) -> str:
        """The ledger's name."""
        return f"{re.sub(r'[^a-z0-9]+', '-', self.site.library.name.lower()).strip('-') or 'library'}/ledger/1"

    @property
    def ledger_path(self) -> Path:
        """The ledger's file."""
        return self.site.state_path / "ledger.sqlite"

    @cached_property
    def keys(self) -> Folder:
        """The key folder, made on first use."""
        return Folder.create(self.site.keys_path, self.site.state_path)

    def ledger_key(self) -> LedgerKey:
        """Return the ledger's signing key, made before the ledger.

        A key without a ledger is what a kill in the first act leaves. If instead the ledger was lost,
        the checkpoint beside the key keeps a new one from being signed.
        """
        if not self.ledger_path.exists() and not LedgerKey.exists(self.keys, self.origin):
            return LedgerKey.create(self.keys, self.origin)
        return LedgerKey.load(self.keys, self.origin)

    def record(self, kind: Kind, once: str, actor: Actor = Actor.OPERATOR, **fields: object) -> Mapping[str, object]:
        """Append one act to the ledger, once per id, and sign the new head; return index, size, root."""
        _ = self.book
        key = self.ledger_key()
        names = {*self.rules, *self.site.systems, *(f"{PURPOSE}/{name}" for name in self.site.systems)}
        names |= {purpose_of(self.site, name) for name in self.site.systems}
        names |= {s for name in self.site.systems for s in _series_names(self.site, name)}
        make = Log.open if self.ledger_path.exists() else Log.create
        with make(self.ledger_path, self.origin, names=names) as log:
            days.fill(log, self.register, self.keys, self.clock.now())
            entry = {"kind": kind, "hour": hour(self.clock.now()), "actor": actor, **fields}
            index = log.append([entry], once=once)[0]
            log.checkpoint(key)
            return {"index": index, "size": log.size, "root": log.root(log.size).hex()}

    def record_of_keys(self, entry: Mapping[str, object], once: str) -> None:
        """Append what a key folder did: a key or a salt was made or destroyed."""
        fields = {name: value for name, value in entry.items() if name != "kind"}
        self.record(Kind(str(entry["kind"])), once, Actor.OPERATOR, **fields)

    def destroy_salts(self) -> int:
        """Destroy the salts of commitments whose day has come, but not under a hold on everything; return how many."""
        held = self.holds.held("", "", "") is not None
        return Salts(self.keys, self.record_of_keys).destroy_due(self.clock.now().date(), lambda _: held)


def _series_names(site: Site, name: str) -> Iterator[str]:
    kind = site.systems[name].kind
    if kind in LOGS:
        yield from (source.name for source in sources(site, name).sources)
    elif kind in kinds():
        yield from (series.id for series in shipped(kind).series)


def open_site(file: Path, clock: Clock | None = None) -> Opened:
    """Read a site file; nothing is opened until an act asks for it."""
    return Opened(read_site(file), clock or SystemClock())


def map_of(site: Site, name: str) -> Map:
    """Return the map of a system. Raises SystemRefused if it was withdrawn."""
    system = site.systems[name]
    if system.map:
        loaded = _local(site, site.folder / system.map, system.tenant)
    else:
        loaded = shipped(system.kind, system.tenant)
    _require_tenant(site, name, loaded)
    if why := withdrawn().get(loaded.digest):
        raise SystemRefused(
            f"The map of {name} was withdrawn: {why}",
            where=f"map digest {loaded.digest}",
            do="Install a newer Reticent; docs/how-to/rehearse-on-a-test-koha.md says what to do about past runs.",
        )
    return loaded


def _require_tenant(site: Site, name: str, loaded: Map) -> None:
    if bool(site.systems[name].tenant) == bool(loaded.tenant):
        return
    wanted = "serves several libraries from one database" if loaded.tenant else "has no tenants"
    do = 'Add tenant = "...", the name before "_mod_users" in its schemas.' if loaded.tenant else "Take tenant out."
    raise ConfigurationError(f"A {loaded.title} {wanted}.", where=f"{site.file} [systems.{name}] tenant", do=do)


def _local(site: Site, path: Path, tenant: str) -> Map:
    """Load a map the library wrote itself: two officers who sit must have signed exactly this file.

    Raises NotPermitted where they did not, and while the officers of reticent.toml are not those who sit.
    """
    loaded = load_map(path, tenant)
    message = officers.statement("map", {"map": loaded.digest})
    engine = open_state(site)
    sitting = seated(site, Book(engine))
    engine.dispose()
    files = {officer.role: path.with_name(f"{path.name}.{officer.role}.sig") for officer in sitting}
    signatures = {role: file.read_text(encoding="utf-8") for role, file in files.items() if file.is_file()}
    try:
        officers.require_two(sitting, message, signatures)
    except NotPermitted as refused:
        signed = "".join(f"\n         {line}" for line in message.decode().splitlines())
        raise NotPermitted(
            f"The map {path.name} counts only with two officers' signatures: {refused.what}",
            where=str(path),
            do=f"Two officers sign this text with `ssh-keygen -Y sign -n reticent -f KEY FILE` and put the signatures "
            f"beside the map as {path.name}.ROLE.sig:{signed}",
        ) from None
    return loaded


def open_systems(site: Site) -> Iterator[OpenSystem | NotLookedAt | tuple[str, ReticentError]]:
    """Yield every system of the site: opened, declared (not looked at), or with what kept it shut."""
    for name, system in site.systems.items():
        if system.kind == "declared":
            yield declared(name, system)
            continue
        try:
            yield LogSystem(name, site) if system.kind in LOGS else SqlSystem(name, map_of(site, name), site)
        except ConfigurationError:
            raise
        except ReticentError as error:
            yield (name, error)


def declared(name: str, system: System) -> NotLookedAt:
    """Return what is said of a system that is only declared."""
    classes = ", ".join(system.classes) or "its records"
    said = f"; declared: {system.retention}" if system.retention else ""
    attested = f", attested {system.attested}" if system.attested else ", not attested"
    ask = f"; to be asked: {system.contact}" if system.contact else ""
    return NotLookedAt(name, classes, f"cannot be reached{said}{attested}{ask}")
