"""What a change of rules changes: which kinds of request become allowed or refused, with an example."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from reticent.policy.bundle import Bundle
from reticent.policy.decode import Decoder, fewer
from reticent.policy.engine import Engine
from reticent.policy.explain import story
from reticent.policy.prover import MILLISECONDS, Formula
from reticent.policy.request import Request
from reticent.policy.schema import Kind
from reticent.policy.solver import check

Direction = Literal["newly allowed", "newly refused"]


@dataclass(frozen=True)
class Change:
    """One kind of request whose answer changes for some request; ``story`` tells one."""

    kind: Kind
    direction: Direction
    story: str
    request: Request = field(repr=False)


@dataclass(frozen=True)
class Impact:
    """Everything a new bundle changes. ``undecided`` names what the solver gave up on: it counts as change.

    ``vocabulary`` is true when the schemas differ: old and new cannot be compared rule by rule.
    """

    old: str
    new: str
    changes: tuple[Change, ...]
    undecided: tuple[Kind, ...] = ()
    vocabulary: bool = False
    promises: tuple[str, ...] = ()
    """Promises or exceptions whose text was added, dropped or changed, by id."""

    @property
    def none(self) -> bool:
        """Whether no decision and no promise changes."""
        return not (self.changes or self.undecided or self.vocabulary or self.promises)

    @property
    def loosens(self) -> bool:
        """Whether anything is newly allowed, or cannot be shown not to be."""
        return bool(self.undecided or self.vocabulary or self.promises) or any(
            change.direction == "newly allowed" for change in self.changes
        )


def diff(old: Bundle, new: Bundle) -> Impact:
    """Compare two bundles over every possible request whose facts are complete.

    Raises Unmodelled when a rule of either uses what the prover does not model.
    """
    promises = _promises(old, new)
    if old.files["schema.json"] != new.files["schema.json"]:
        return Impact(old.digest, new.digest, (), (), vocabulary=True, promises=promises)
    changes: list[Change] = []
    undecided: list[Kind] = []
    engines = Engine(old), Engine(new)
    for kind in old.schema.kinds:
        before, after = Formula(old, old.rules, kind), Formula(new, new.rules, kind)
        directions: tuple[tuple[Direction, Formula, Formula], ...] = (
            ("newly allowed", before, after),
            ("newly refused", after, before),
        )
        for direction, first, second in directions:
            wanted = [second.allow, second.terms.negate(first.allow)]
            if any(part is False for part in wanted):
                continue
            facts = [f for one in (before, after) for f in (*one.terms.facts(), *one.complete())]
            answer, model = check([*wanted, *facts], MILLISECONDS)
            if answer == "unknown":
                undecided.append(kind)
            elif answer == "sat":
                leaves = {**before.terms.leaves, **after.terms.leaves}.values()
                found = Decoder(new.schema, model, leaves, {}).request(kind)
                request = _tidy(found, engines)
                told = story(new, request, engines[1].ask(request))
                changes.append(Change(kind, direction, told, request))
    return Impact(old.digest, new.digest, tuple(changes), tuple(undecided), promises=promises)


def _tidy(request: Request, engines: tuple[Engine, Engine]) -> Request:
    """Drop what the example does not need, both answers staying as they are."""
    answers = [engine.ask(request).strict for engine in engines]
    return fewer(request, lambda less: [engine.ask(less).strict for engine in engines] == answers)


def _promises(old: Bundle, new: Bundle) -> tuple[str, ...]:
    before, after = _stated(old), _stated(new)
    return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))


def _stated(bundle: Bundle) -> dict[str, object]:
    stated: dict[str, object] = {p.id: (replace(p.tree, id="", annotations={}), p.says) for p in bundle.promises}
    stated |= {p.id: p for p in bundle.specials}
    return stated | {f"exception to {w.promise}": w for w in bundle.exceptions}
