"""The act of probing: places no map knows and hashes that can be undone, judged against whole rosters.

Part of `find` and `check` where a system of the site gives a roster account. Rosters are read by that account
for a permit of the gate, samples by the prove account; every probe is an entry in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace

from reticent.acts.gate import open_gate
from reticent.acts.opening import Opened, map_of
from reticent.acts.systems import SqlSystem
from reticent.errors import EvidenceBroken, NotPermitted, ReticentError
from reticent.find import evidence
from reticent.find.evidence import Evidence, Strength
from reticent.model import Finding, NotLookedAt, Place, Probed, Reversed
from reticent.policy.gate import Gate
from reticent.prove.check import CheckResult
from reticent.stores.sql.discloser import SqlDiscloser
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.prober import SqlProber

VALUES = "values of places no map knows"
_MOST_NAMED = 20


@dataclass
class Rosters:
    """The rosters of a site, opened for one act; each use of one takes a new permit."""

    gate: Gate
    disclosers: list[SqlDiscloser]

    def permits(self) -> dict[str, object]:
        """Return a roster permit for each. Raises NotPermitted."""
        asked = {each.system: self.gate.roster(each.persons(), [each.system]) for each in self.disclosers}
        return {system: decision.require().permits[0] for system, decision in asked.items()}


@dataclass
class Found:
    """What probing one system told."""

    evidence: list[Evidence] = field(default_factory=list)
    undone: list[Reversed] = field(default_factory=list)
    not_looked_at: list[NotLookedAt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    judged: int = 0

    @property
    def weak(self) -> list[Reversed]:
        """Columns of hashes that were undone, or made so that anybody who knows how can undo them."""
        return [each for each in self.undone if each.how or each.one_setting]


def has_roster(opened: Opened) -> list[str]:
    """Return the systems that give a roster."""
    return [name for name, system in opened.site.systems.items() if system.accounts.roster]


def open_rosters(opened: Opened, stack: ExitStack) -> Rosters:
    """Open every roster of the site, closed with ``stack``. Raises EvidenceBroken, NotPermitted, SystemUnreachable."""
    gate, found = open_gate(opened), []
    for name in has_roster(opened):
        with closing(SqlFinder(opened.site, name, map_of(opened.site, name))) as finder:
            database = finder.database
        found.append(SqlDiscloser(opened.site.account(name, "roster"), database, gate.open))
        stack.callback(found[-1].close)
    return Rosters(gate, found)


def probe(opened: Opened, system: SqlSystem) -> Found:
    """Probe one system; what keeps it from being probed is said, never raised."""
    if not has_roster(opened):
        why = "no system of the site gives a roster account; names and keys alone were judged"
        return Found(not_looked_at=[NotLookedAt(system.name, VALUES, why)])
    if not opened.site.systems[system.name].accounts.prove:
        why = "the system has no prove account, which would read samples of them"
        return Found(not_looked_at=[NotLookedAt(system.name, VALUES, why)])
    try:
        return _found(system, _probed(opened, system))
    except (NotPermitted, EvidenceBroken) as refused:
        return Found(not_looked_at=[NotLookedAt(system.name, VALUES, refused.what)])
    except ReticentError as error:
        return Found(not_looked_at=[NotLookedAt(system.name, VALUES, error.on_one_line())])


def _probed(opened: Opened, system: SqlSystem) -> Probed:
    site = opened.site
    with ExitStack() as stack:
        rosters = open_rosters(opened, stack)
        url, keys = site.account(system.name, "prove"), site.pseudonym_keys(system.name)
        prober = SqlProber(url, system.finder.database, rosters.disclosers, keys)
        stack.callback(prober.close)
        return prober.probe(rosters.permits())


def _found(system: SqlSystem, probed: Probed) -> Found:
    loaded, structure = system.loaded, system.finder.database.structure
    persons = [loaded.roster.table] if loaded.roster else []
    told = evidence.judge(structure, probed.overlaps, persons)
    told = [each for each in told if each.path or not _read_before(system, each)]
    return Found(
        told,
        list(probed.reversed),
        list(_not_looked_at(system.name, probed, told)),
        list(_notes(probed)),
        judged=probed.places - probed.few,
    )


def _read_before(system: SqlSystem, each: Evidence) -> bool:
    """Whether the map's maker read this column or called it or its table harmless."""
    known = {name.lower() for name in system.loaded.known.get(each.table, {})}
    if each.table in system.loaded.tables:
        known |= {spec.column.lower() for spec in system.loaded.tables[each.table].fields.values()}
    return system.loaded.is_harmless(each.table, each.column) or each.column.lower() in known


def _not_looked_at(system: str, probed: Probed, told: list[Evidence]) -> Iterator[NotLookedAt]:
    if probed.unread:
        why = f"{_named(probed.unread)}: {next(iter(probed.unread.values()))}"
        yield NotLookedAt(system, f"values of {len(probed.unread)} tables no map knows", why)
    undecided = [f"{each.table}.{each.place}" for each in told if each.strength is Strength.UNDECIDED]
    if undecided:
        why = f"they could be patron numbers or any other numbers, and neither name nor key tells: {_named(undecided)}"
        yield NotLookedAt(system, f"{len(undecided)} columns of numbers", why)
    if probed.few:
        why = "they have fewer than 50 distinct values: so few cannot be judged without judging each"
        yield NotLookedAt(system, f"values of {probed.few} columns", why)
    if probed.beginnings:
        why = f"there is no key to find the others by: {_named(probed.beginnings)}"
        yield NotLookedAt(system, f"all but the first rows of {len(probed.beginnings)} tables", why)


def _named(names: object) -> str:
    found = sorted(map(str, names))  # type: ignore[call-overload]
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(found[:_MOST_NAMED]) + more


def _notes(probed: Probed) -> Iterator[str]:
    for each in probed.reversed:
        if not each.how and not each.one_setting:
            left = f"; not tried to the end: {'; '.join(each.left_out)}" if each.left_out else ""
            yield f"{each.table}.{each.place} looks like hashes ({each.shape}); none of what was tried undid it{left}"


def why_weak(each: Reversed) -> str:
    """Return what an attack did, in words."""
    share = f"about {_about(each.reversed)} of {each.distinct:,} distinct values"
    said = [f"{share} were undone, each identifier counted once, by {', '.join(each.how)}"]
    if not each.how:
        said = ["every value was made with the same setting: whoever has the identifiers can try each"]
    if each.left_out:
        said.append(f"not tried to the end: {'; '.join(each.left_out)}")
    return "; ".join(said)


def _about(count: int) -> str:
    """Return a count by its first two digits."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return f"{count // unit * unit:,}"


def remedy(system: SqlSystem, each: Reversed) -> str:
    """Return the disposition that replaces what was undone."""
    column = system.finder.database.structure.tables[each.table].columns[each.column]
    instead = "remove path" if each.path else "null" if column.nullable else "delete, or overwrite with a constant"
    return f"It is a tie. Replace it: {instead}; or pseudonymise under a key of the period that is destroyed with it."


def with_probe(opened: Opened, system: SqlSystem, checked: CheckResult) -> CheckResult:
    """Return a system's check with what probing it tells."""
    found = probe(opened, system)
    known = {finding.place for finding in checked.findings if finding.kind == "unmapped place"}
    structure = system.finder.database.structure
    advice = "Have someone read what it keeps; `reticent map draft` begins a local map."
    unmapped = [place for place in evidence.places(structure, found.evidence) if place.name not in known]
    findings = [Finding("unmapped place", system.name, place.name, 1, f"{place.why}. {advice}") for place in unmapped]
    findings += [
        Finding("weak pseudonym", system.name, f"{each.table}.{each.place}", each.reversed or each.distinct,
                f"{why_weak(each)}. {remedy(system, each)}")
        for each in found.weak
    ]  # fmt: skip
    said = f"places no map knows: {found.judged} columns compared with the roster" if found.judged else ""
    return replace(
        checked,
        findings=(*checked.findings, *findings),
        checked=(*checked.checked, *filter(None, [said])),
        not_looked_at=(*checked.not_looked_at, *found.not_looked_at),
    )


def unmapped(system: SqlSystem, found: Found) -> list[Place]:
    """Return the places no map knows: by their values, and by names and keys alone."""
    return evidence.places(system.finder.database.structure, found.evidence, system.unmapped())
