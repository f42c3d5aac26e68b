"""Which places no map knows hold patrons: the evidence of values, keys and names weighed. Pure; no value comes in.

A value that nothing else is by chance (a card number, an address) needs no further evidence. Numbers do: the
numbers 1 to 200,000 are patrons' and items' alike. They count where they lie on the roster far more often than
chance would have it, or where the column's name or a key says so too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from reticent.find import words
from reticent.model import Overlap, Place
from reticent.systems.structure import Structure, TableInfo, family

LEAST_MET = 30
"""Distinct values that must be somebody's; counts are blurred by a few."""
_LEAST_TEXTS = 20
_HALF, _MOST = 0.5, 0.8
_BEYOND_CHANCE = 0.2
_DEVIATIONS = 6
_TELLING_KEY = 4
"""Letters of a key's name that tells whose key it is: "id" and "no" are anybody's."""


class Strength(StrEnum):
    """How sure it is that somebody stands there."""

    CERTAIN = "certain"
    STRONG = "strong"
    LIKELY = "likely"
    UNDECIDED = "undecided"
    """The values could be patrons' and could be anything else's: told, and no finding."""


@dataclass(frozen=True)
class Evidence:
    """Why one place holds patrons: what of theirs it ``holds``, and how much of it, in bands."""

    table: str
    column: str
    path: str
    holds: str
    strength: Strength
    why: str

    @property
    def place(self) -> str:
        """The column, and the path inside it."""
        return f"{self.column}{self.path}"


_KINDS = {"number": "patron numbers", "issued": "card numbers or user names", "personal": "addresses"}
_WHOLE, _PAIRED = "whole names", "surnames beside given names of the same person"
_IDENTIFIERS = {_KINDS["issued"], _KINDS["personal"]}
_OF_A_REGISTER = {*_IDENTIFIERS, _WHOLE, _PAIRED}


@dataclass
class _Judge:
    structure: Structure
    registers: dict[str, str] = field(default_factory=dict)
    """Table -> the column by which others name its persons."""

    def values(self, overlap: Overlap) -> Iterator[Evidence]:
        """Yield what the values of one place tell."""
        for kind, met in overlap.identifiers.items():
            if met >= LEAST_MET and met * 50 >= overlap.distinct:
                yield _evidence(overlap, _KINDS[kind], met)
        if overlap.full >= LEAST_MET and overlap.full >= _HALF * overlap.distinct:
            yield _evidence(overlap, _WHOLE, overlap.full)
        elif overlap.pairs >= LEAST_MET and overlap.pairs >= _HALF * overlap.distinct:
            yield _evidence(overlap, _PAIRED, overlap.pairs)
        elif words.a_name(_last(overlap)):
            met = max(overlap.family, overlap.given)
            if met >= LEAST_MET and met >= _HALF * overlap.distinct:
                yield _evidence(overlap, "names", met, Strength.LIKELY)
        yield from self._texts(overlap)
        yield from self._numbers(overlap)

    def _texts(self, overlap: Overlap) -> Iterator[Evidence]:
        if overlap.with_identifier >= _LEAST_TEXTS:
            share = _share(overlap.with_identifier, overlap.texts)
            why = f"somebody's identifier stands in {share} of the texts, each counted once"
            yield Evidence(overlap.table, overlap.column, overlap.path, "identifiers in text", Strength.STRONG, why)
        elif overlap.with_name >= max(_LEAST_TEXTS, _HALF * overlap.texts) and not (
            words.bibliographic(overlap.place) or words.bibliographic(overlap.table)
        ):
            share = _share(overlap.with_name, overlap.texts)
            why = f"somebody's whole name stands in {share} of the texts, each counted once"
            yield Evidence(overlap.table, overlap.column, overlap.path, "names in text", Strength.LIKELY, why)

    def _numbers(self, overlap: Overlap) -> Iterator[Evidence]:
        table = self.structure.tables[overlap.table]
        column = overlap.column
        if self._refers_elsewhere(table, column):
            return
        for kind, (met, expected, deviation) in overlap.numbers.items():
            share = met / overlap.distinct
            another = self._named_after_another(column)
            named = words.person(_last(overlap)) and not another
            if met < LEAST_MET or share < _HALF:
                continue
            own_key = table.primary_key == (column,)
            beyond = met - expected
            if named and not own_key:
                yield _evidence(overlap, f"{_KINDS[kind]}, as its name says", met)
            elif share >= _MOST and beyond >= max(_BEYOND_CHANCE * overlap.distinct, _DEVIATIONS * deviation):
                yield _evidence(overlap, f"{_KINDS[kind]}, far more than by chance", met)
            elif share >= _MOST and not own_key and not another:
                yield _evidence(overlap, f"{_KINDS[kind]} or any other numbers", met, Strength.UNDECIDED)

    def _refers_elsewhere(self, table: TableInfo, column: str) -> bool:
        return any(key.column == column and key.table not in self.registers for key in table.foreign_keys)

    def _named_after_another(self, column: str) -> bool:
        """Whether a column is named after the key of a table that is no register: itemnumber, biblio_id."""
        return any(table not in self.registers for table in self._called.get(column.lower(), ()))

    @cached_property
    def _called(self) -> Mapping[str, list[str]]:
        """Name of a key -> the tables whose key may be called so."""
        found: dict[str, list[str]] = defaultdict(list)
        for table in self.structure.tables.values():
            for name in _names_for(table):
                found[name].append(table.name)
        return found

    def keys(self) -> Iterator[Evidence]:
        """Yield the registers' own keys, and every key to one, declared or named after it."""
        for name, key in self.registers.items():
            yield Evidence(name, key, "", "patron numbers", Strength.STRONG, "its table names patrons, one a row")
        persons = set(self.registers.items())
        for table in self._parents_first():
            declared = {key.column: (key.table, key.target) for key in table.foreign_keys}
            if not table.keeps_rows:
                continue
            for column in table.columns.values():
                target = declared.get(column.name)
                if target in persons:
                    persons.add((table.name, column.name))
                    why = f"a key to {target[0]}, which names patrons" if target else ""
                    yield Evidence(table.name, column.name, "", "keys to patrons", Strength.CERTAIN, why)
                elif target is None:
                    yield from self._named(table, column.name, column.type)

    def _parents_first(self) -> list[TableInfo]:
        """Return tables so that those keyed by a register's key come before what refers to them."""
        own = {key.table for table in self.structure.tables.values() for key in table.foreign_keys}
        return sorted(self.structure.tables.values(), key=lambda table: table.name not in own)

    def _named(self, table: TableInfo, column: str, kind: str) -> Iterator[Evidence]:
        for register in self._called.get(column.lower(), ()):
            if register in self.registers and register != table.name:
                key = self.structure.tables[register].columns[self.registers[register]]
                if family(key.type) == family(kind):
                    why = f"named after {register}, which names patrons"
                    yield Evidence(table.name, column, "", "keys to patrons", Strength.LIKELY, why)
                    return


def judge(structure: Structure, overlaps: Iterable[Overlap], persons: Iterable[str] = ()) -> list[Evidence]:
    """Return every place with a patron in it, the surest evidence first for each.

    ``persons``: tables known to hold the patrons, by their maps.
    """
    found = list(overlaps)
    judged = _Judge(structure, {name: key for name in persons if (key := _own_key(structure, name))})
    told = [each for overlap in found for each in judged.values(overlap)]
    judged.registers |= _registers(structure, found, told)
    told = [each for overlap in found for each in judged.values(overlap)]
    best: dict[tuple[str, str], Evidence] = {}
    order = list(Strength)
    for each in (*judged.keys(), *told):
        known = best.get((each.table, each.place))
        if known is None or order.index(each.strength) < order.index(known.strength):
            best[each.table, each.place] = each
    return list(best.values())


def places(structure: Structure, evidence: Iterable[Evidence], known: Iterable[Place] = ()) -> list[Place]:
    """Return evidence as places, a table each, joined with what is ``known`` of unmapped places by their names."""
    by_table: dict[str, list[Evidence]] = defaultdict(list)
    for each in evidence:
        if each.strength is not Strength.UNDECIDED:
            by_table[each.table].append(each)
    named: Mapping[str, Place] = {place.name: place for place in known}
    found = [_place(structure.tables[name], told, named.get(name)) for name, told in by_table.items()]
    found += [place for place in named.values() if place.name not in by_table]
    return sorted(found, key=lambda place: place.name)


def _place(table: TableInfo, told: list[Evidence], known: Place | None) -> Place:
    beside = [name for name in table.columns if words.used(name) and name not in {each.column for each in told}][:3]
    why = "; ".join(f"{each.place} holds {each.holds} ({each.why})" for each in told)
    if beside:
        why += f"; beside {', '.join(beside)}"
    columns = dict.fromkeys([*(each.place for each in told), *(known.columns if known else ())])
    strength = min((each.strength for each in told), key=list(Strength).index)
    kind = words.record_class(table.name)
    return Place(table.name, tuple(columns), mapped=False, why=why, strength=strength.value, record_class=kind)


def _registers(structure: Structure, overlaps: Iterable[Overlap], told: Iterable[Evidence]) -> dict[str, str]:
    """Return tables that name persons themselves: two kinds of things of theirs in every row, an own key, each once."""
    once = {(each.table, each.place) for each in overlaps if each.once}
    kinds: dict[str, set[str]] = defaultdict(set)
    for each in told:
        if not each.path and each.holds in _OF_A_REGISTER:
            kinds[each.table].add(each.holds)
    unique = {each.table for each in told if each.holds in _IDENTIFIERS and (each.table, each.place) in once}
    keys = {name: key for name in unique if len(kinds[name]) > 1 and (key := _own_key(structure, name))}
    referred = {key.table for table in structure.tables.values() for key in table.foreign_keys}
    others = {table.primary_key for table in structure.tables.values() if table.name not in keys}
    # A queue of items, keyed by the item and referred to by nothing, names patrons too; its key does not.
    return {n: key for n, key in keys.items() if n in referred or len(key) < _TELLING_KEY or (key,) not in others}


def _own_key(structure: Structure, name: str) -> str:
    """Return the one column by which others name a table's rows; "" if there is none of its own."""
    table = structure.tables.get(name)
    if table is None or len(table.primary_key) != 1:
        return ""
    key = table.primary_key[0]
    return "" if any(foreign.column == key for foreign in table.foreign_keys) else key


def _names_for(table: TableInfo) -> set[str]:
    """Return how other tables call a key to this one."""
    if len(table.primary_key) != 1:
        return set()
    key, name = table.primary_key[0].lower(), table.name.rpartition(".")[2].lower()
    singular = name.removesuffix("s")
    joined = {f"{each}{joint}{key}" for each in (name, singular) for joint in ("", "_")}
    return {singular, name} | (joined if len(key) < _TELLING_KEY else {key})


def _evidence(overlap: Overlap, holds: str, met: int, strength: Strength = Strength.STRONG) -> Evidence:
    why = f"{_share(met, overlap.distinct)} of {_band(overlap.distinct)} distinct values are on the roster"
    return Evidence(overlap.table, overlap.column, overlap.path, holds, strength, why)


def _share(met: int, of: int) -> str:
    share = met / max(of, 1)
    bounds = ((0.1, "under 10 %"), (_HALF, "10 to 50 %"), (0.9, "50 to 90 %"))
    return next((said for bound, said in bounds if share < bound), "over 90 %")


def _band(count: int) -> str:
    bounds = ((100, "50 to 99"), (1000, "100 to 999"))
    return next((said for bound, said in bounds if count < bound), "1,000 or more")


def _last(overlap: Overlap) -> str:
    """Return the name that tells most: of a JSON path its end, with what stands before an "id", else the column."""
    parts = [part.removesuffix("[]") for part in overlap.path.split(".")[1:]] or [overlap.column]
    return "_".join(parts[-2:]) if parts[-1].lower() in _TELLS_NOTHING else parts[-1]


_TELLS_NOTHING = ("id", "uuid", "number", "no", "code", "key", "value", "ref", "*", "")
