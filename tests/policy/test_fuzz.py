"""Engine, plain Python, Z3 and SQL agree on random decisions, and the fuzzer has teeth."""

from __future__ import annotations

import pytest
from tests.policy.helpers import shipped
from tests.policy.mutants import MUTANTS

from reticent.policy.compiler import Compiler
from reticent.policy.fuzz import fuzz


def test_random_decisions_without_a_disagreement() -> None:
    """The thousand of the certificate are decided again by its own test."""
    run = fuzz(shipped(), 500, seed=11)
    assert [found.between for found in run.disagreements] == []
    assert run.decisions == 500
    assert run.allowed > 37, "the fuzzer must meet more than refusals"
    assert run.erred > 75
    assert run.rows > 250


@pytest.mark.soak
def test_twenty_thousand_random_decisions_without_a_disagreement() -> None:
    for seed in range(10):
        run = fuzz(shipped(), 2000, seed=100 + seed)
        assert [found.between for found in run.disagreements] == [], f"seed {100 + seed}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_every_mutant_is_caught(mutant: type[Compiler]) -> None:
    seeds = (3, 4, 5)
    assert any(fuzz(shipped(), 1000, seed, mutant, enough=1).disagreements for seed in seeds)
