"""Inquiries beside everything else: a hold while a run is going, and a register that is what the machine says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.acts import kit
from tests.acts.desk import Desk, Signer, trusting
from tests.guard import walk
from tests.policy.helpers import FixedClock

from reticent.acts import plan as planning
from reticent.acts.casebook import Casebook, Entry, Inquiry
from reticent.acts.sever import sever
from reticent.errors import NotPermitted, ReticentError
from reticent.guard.case import Case, Taken
from reticent.guard.inquiries import RULES, advance
from reticent.guard.words import Role, Step
from reticent.sever import engine
from reticent.sever.result import RunResult
from reticent.stores.sql.severer import SqlSeverer


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("officers"))


# ---- a hold placed at every step of a running chunk ---------------------------------------------


@pytest.fixture
def running(sample: kit.Sample, tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A library whose loans are severed in chunks of a hundred."""
    trusting(monkeypatch)
    for name in ("FIRST", "LARGEST"):
        monkeypatch.setattr(engine, name, 100)
    lab = sample.sqlite(tmp_path)
    more = '[schedule]\ncirculation = "none applies"\n'
    yield Desk(tmp_path, signer, clock=FixedClock(datetime.now(UTC)), more=more, url=lab.url)
    lab.close()


@pytest.mark.parametrize(
    "moment", ["before the chunk", "inside its transaction", "after its commit", "between two series"]
)
def test_a_contact_in_mid_run_is_in_force_after_the_running_chunk(
    running: Desk, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, seen = running.opened, list[str]()
    made = planning.plan(opened, lambda *_: None)

    def contact() -> None:
        if not seen:
            seen.append(moment)
            name = running.record(classes=["circulation"]).id
            running.take(name, "triage", facts={"kind": "informal_request"})

    real_apply, real_inside = SqlSeverer.apply, SqlSeverer._apply

    def apply(self: SqlSeverer, chunk: object, epoch: int) -> object:
        if moment == "before the chunk":
            contact()
        receipt = real_apply(self, chunk, epoch)  # type: ignore[arg-type]
        if moment == "after its commit":
            contact()
        return receipt

    def inside(self: SqlSeverer, *arguments: object) -> object:
        if moment == "inside its transaction":
            contact()
        return real_inside(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SqlSeverer, "apply", apply)
    monkeypatch.setattr(SqlSeverer, "_apply", inside)
    first: list[str] = []

    def progress(what: str, done: int, of: int) -> None:
        if moment == "between two series" and done and first and what != first[0]:
            contact()
        if done and not first:
            first.append(what)

    result: RunResult = sever(opened, made, progress)
    assert seen
    assert result.held
    chunks = [step.severed for step in result.steps if step.severed]
    if moment != "between two series":
        assert sum(chunks) <= 100, "the chunk that was running, and none after it"
    assert sum(step.still_due or 0 for step in result.steps) > 500


# ---- the stored register is the machine ---------------------------------------------------------


class Stored(RuleBasedStateMachine):
    """Steps right and wrong, in any order: the stored case is always what the pure machine makes of them."""

    desk: Callable[[], Desk]

    @initialize(kind=st.sampled_from(walk.KINDS), law=st.sampled_from(walk._LAW))
    def begin(self, kind: str, law: dict[str, str]) -> None:
        """A contact, triaged."""
        self.library = type(self).desk()
        self.book = Casebook(self.library.opened)
        self.now, self.case = walk.DAY, Case()
        self.inquiry: Inquiry = self.book.new()
        self.step(Taken(Step.RECORD, self.now, walk.F, "Stat. 1", walk.FACTS[Step.RECORD][0]))
        facts = {"kind": kind, **law}
        self.step(Taken(Step.TRIAGE, self.now, walk.F, "Stat. 1", facts))

    def step(self, taken: Taken) -> None:
        """Take a step in both; they agree."""
        try:
            expected: Case | None = advance(self.case, taken)
        except NotPermitted:
            expected = None
        try:
            self.inquiry = self.book.add(self.inquiry, Entry(taken))
            assert expected is not None
            self.case = expected
        except ReticentError:
            assert expected is None

    @rule(data=st.data(), by=st.sampled_from((*walk.GROUPS, walk.C | walk.L | walk.ALT)), wait=st.integers(-1, 4))
    def any_step(self, data: st.DataObject, by: frozenset[tuple[Role, str]], wait: int) -> None:
        """Try a step that starts here (or, now and then, one that does not)."""
        self.now = max(self.now, self.now + timedelta(days=wait)) if wait >= 0 else self.now
        at = self.now + timedelta(days=min(wait, 0))
        here = [step for step, one in RULES.items() if self.case.state in one.sources] or list(RULES)
        step = data.draw(st.sampled_from(here))
        facts = data.draw(st.sampled_from(walk.FACTS.get(step, [{}])))
        self.step(Taken(step, at, by, "Stat. 1", facts))

    @rule()
    def another_process_looks(self) -> None:
        """Another process reads the register."""
        assert Casebook(self.library.opened).load(self.inquiry.id) == self.inquiry

    @invariant()
    def what_is_stored_is_the_case(self) -> None:
        """Read back and taken anew, it is the same case."""
        if hasattr(self, "inquiry") and self.inquiry.entries:
            assert self.book.load(self.inquiry.id).case == self.case


@pytest.mark.parametrize("examples", [12, pytest.param(400, marks=pytest.mark.soak)])
def test_the_stored_register_is_what_the_machine_says(tmp_path: Path, signer: Signer, examples: int) -> None:
    made = Desk(tmp_path / "library", signer)
    Stored.desk = staticmethod(lambda: made)
    quick = settings(
        max_examples=examples,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(Stored, settings=quick)
