"""Every named bad edit is refuted, with a story the real engine replays."""

from __future__ import annotations

import pytest
from tests.policy.helpers import EDITS, edited

from reticent.policy.engine import Engine
from reticent.policy.prover import Mark, Prover

NAMES = sorted(path.stem for path in EDITS.glob("*.toml"))


def test_there_are_enough_bad_edits() -> None:
    assert len(NAMES) >= 25


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_edit_is_refuted(name: str) -> None:
    bundle, edit = edited(name)
    prover, stories = Prover(bundle), []
    promises = {promise.id: promise for promise in bundle.promises}
    specials = {special.id: special for special in bundle.specials}
    for name_of_promise in edit["refutes"]:
        promise = promises.get(name_of_promise)
        line = prover.promise(promise) if promise else prover.special(specials[name_of_promise])
        assert line.mark is Mark.REFUTED
        found = line.counterexample
        assert found is not None
        assert found.replayed, f"{line.promise}: the engine did not answer as the solver foresaw"
        assert Engine(bundle).ask(found.request).unfit is False
        stories.append(found.story)
    assert any(str(edit["story"]) in story for story in stories), stories
