"""A permit cannot be forged, reused, widened or outlived."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.policy.conftest import Library
from tests.policy.helpers import order

from reticent.errors import NotPermitted
from reticent.policy.gate import Asker
from reticent.policy.permits import LIFETIME, Grant, Mint, Permit, Scope

CUSTODIAN = Asker("s1", frozenset({"custodian"}))


@pytest.fixture
def permit(library: Library) -> Permit:
    good = order()
    decision = library.gate.prepare(good, CUSTODIAN, library.sign(good, "custodian", "counsel"), ["ils"])
    return decision.permits[0]


def widened(permit: Permit, **changes: object) -> Permit:
    body = json.loads(permit.body)
    for name, value in changes.items():
        (body["scope"] if name in body["scope"] else body)[name] = value
    return replace(permit, body=json.dumps(body).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"patrons": ["51", "52"]},
        {"classes": ["search"]},
        {"before": "2999-01-01T00:00:00+00:00"},
        {"until": "2999-01-01T00:00:00+00:00"},
        {"system": "proxy"},
        {"action": "readRoster"},
        {"serial": "0" * 32},
        {"bundle": "0" * 64},
    ],
)
def test_a_widened_permit_is_refused(library: Library, permit: Permit, change: dict[str, object]) -> None:
    system = str(change.get("system", "ils"))
    for verb in ("ties", "roster"):
        with pytest.raises(NotPermitted, match="did not make it"):
            library.gate.open(widened(permit, **change), verb, system)


@pytest.mark.parametrize("seal", [b"", b"\x00" * 32, "text", None, 7])
def test_a_forged_seal_is_refused(library: Library, permit: Permit, seal: object) -> None:
    with pytest.raises(NotPermitted):
        library.gate.open(Permit(permit.body, seal), "ties", "ils")  # type: ignore[arg-type]


def test_what_is_no_permit_is_refused(library: Library, permit: Permit) -> None:
    class Fake(Permit):
        """A subclass that answers for itself."""

    grant = Grant("ils", "prepareRelease", "courtOrder", Scope(), library.gate.digest, "x")
    for fake in (None, "permit", permit.body, {"body": permit.body}, grant, Fake(permit.body, permit.seal)):
        with pytest.raises(NotPermitted, match="no permit"):
            library.gate.open(fake, "ties", "ils")


def test_another_mint_of_the_same_process_makes_nothing_this_gate_opens(library: Library) -> None:
    mint = Mint(library.clock, library.register)
    [forged] = mint.strike("prepareRelease", "courtOrder", "x", library.gate.digest, order().scope, ["ils"])
    with pytest.raises(NotPermitted, match="did not make it"):
        library.gate.open(forged, "ties", "ils")
    with pytest.raises(NotPermitted, match="did not make it"):
        library.new_gate().open(forged, "ties", "ils")


def test_a_permit_is_used_once_however_it_is_copied(library: Library, permit: Permit) -> None:
    twin = copy.deepcopy(permit)
    pickled = pickle.loads(pickle.dumps(permit))
    library.gate.open(permit, "ties", "ils")
    for again in (permit, twin, pickled, Permit(bytes(permit.body), bytes(permit.seal))):
        with pytest.raises(NotPermitted, match="has been used"):
            library.gate.open(again, "ties", "ils")


def test_a_permit_is_not_outlived(library: Library, permit: Permit) -> None:
    library.clock.moment += LIFETIME
    with pytest.raises(NotPermitted, match="expired"):
        library.gate.open(permit, "ties", "ils")
    library.clock.moment -= LIFETIME + timedelta(seconds=1)
    with pytest.raises(NotPermitted, match="expired"):
        library.gate.open(permit, "ties", "ils")
    library.clock.moment += timedelta(seconds=1)
    assert library.gate.open(permit, "ties", "ils").system == "ils"


def test_a_permit_opens_its_own_door_of_its_own_system(library: Library, permit: Permit) -> None:
    with pytest.raises(NotPermitted, match="another system"):
        library.gate.open(permit, "ties", "proxy")
    with pytest.raises(NotPermitted, match="does not open roster"):
        library.gate.open(permit, "roster", "ils")
    [roster] = library.gate.roster(5000, ["ils"]).permits
    with pytest.raises(NotPermitted, match="does not open ties"):
        library.gate.open(roster, "ties", "ils")
    assert library.gate.open(roster, "roster", "ils").scope.patrons == frozenset()


def test_a_permit_says_nothing_when_printed(permit: Permit) -> None:
    assert repr(permit) == "Permit()"
    assert "51" not in repr(order().scope)


def test_changing_the_object_after_minting_changes_nothing(library: Library, permit: Permit) -> None:
    good = order()
    forced = Permit(permit.body, permit.seal)
    object.__setattr__(forced, "body", widened(permit, patrons=["52"]).body)
    with pytest.raises(NotPermitted, match="did not make it"):
        library.gate.open(forced, "ties", "ils")
    assert library.gate.open(permit, "ties", "ils").scope == good.scope


def test_an_action_that_opens_no_door_is_never_minted(library: Library) -> None:
    mint = Mint(library.clock, library.register)
    with pytest.raises(NotPermitted, match="no door"):
        mint.strike("viewTie", "serveThePatron", "", "0" * 64, Scope(), ["ils"])
