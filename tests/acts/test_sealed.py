"""A sealed case and its hold show nowhere: every ordinary output is the same with and without them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.acts import kit
from tests.acts.desk import PAPER, Desk, Signer, trusting
from tests.policy.helpers import FixedClock

from reticent.acts.casebook import Casebook, GateJournal
from reticent.acts.gate import open_gate
from reticent.acts.inquiry import task_of
from reticent.acts.preserving import copy as preserve
from reticent.ledger.entries import Kind, decode
from reticent.ledger.log import Log

TODAY = date.today()
SCHEDULE = '[schedule]\ncirculation = "none applies"\nsearch = "none applies"\n'
COMMANDS = [
    ("find",), ("plan", "--out", "plan.json"), ("sever", "--plan", "plan.json"), ("check",), ("plan",),
    ("statistics", "--form", "pls", "--year", str(TODAY.year)), ("report", "--out", "report.html"), ("hold", "list"),
    ("inquiry", "list"), ("inquiry", "due"), ("inquiry", "report"), ("inquiry", "show", "0123abcd"), ("ledger", "verify"),
]  # fmt: skip
_RANDOM = re.compile(
    r"[0-9a-f]{12,64}|[A-Za-z0-9+/]{43}=|/ledger/1 [A-Za-z0-9+/=]{40,}|\d{2}:\d{2}(:\d{2}(\.\d+)?)?|\d+(\.\d+)? s\b|\"seconds\": [\d.]+"
)
"""What two runs of the very same library differ in: digests, signatures, times of day, durations."""


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("officers"))


@pytest.fixture
def desk(sample: kit.Sample, tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    trusting(monkeypatch)
    lab = sample.sqlite(tmp_path)
    yield Desk(tmp_path, signer, clock=FixedClock(datetime.now(UTC)), more=SCHEDULE, url=lab.url)
    lab.close()


def outputs(desk: Desk) -> dict[str, str]:
    """Every ordinary output, as people and as programs see it, and the ledger as anybody may have it."""
    lab = kit.Lab(desk.folder, desk.url)
    found = {}
    for command in COMMANDS:
        done = lab.run(*command) if command[0] in ("hold", "inquiry") else lab.run("--json", *command)
        found[" ".join(command)] = f"{done.code}\n{done.out}\n{done.err}"
    for name in ("plan.json", "report.html"):
        path = Path(name)
        found[name] = path.read_text()
        path.unlink()
    opened = desk.opened
    with Log.open(opened.ledger_path, opened.origin) as log:
        entries = [decode(log.entry(index)) for index in range(log.size)]
    found["ledger"] = json.dumps(entries, sort_keys=True, indent=1)
    lab.close()
    return {name: _RANDOM.sub("~", text) for name, text in found.items()}


def sealed_case(desk: Desk) -> str:
    """A gagged order for the reader with the most loans, its hold confirmed and copied."""
    with kit.Lab(desk.folder, desk.url).engine.connect() as connection:
        query = (
            "SELECT cardnumber FROM borrowers WHERE borrowernumber = (SELECT borrowernumber FROM old_issues"
            " WHERE borrowernumber IS NOT NULL GROUP BY borrowernumber ORDER BY COUNT(*) DESC LIMIT 1)"
        )
        card = connection.exec_driver_sql(query).scalar()
    days = {"issued": -3, "served": 0, "returns": 20, "valid_until": 60}
    paper = PAPER | {name: str(TODAY + timedelta(days=n)) for name, n in days.items()} | {"gag": True}
    scope = {
        "patrons": [card],
        "classes": ["circulation"],
        "since": str(TODAY - timedelta(days=300)),
        "before": str(TODAY),
    }
    name = desk.record({"agency": "An agency", "targets": [card]}, party="nationalSecurityAgency", level="federal").id
    desk.take(name, "triage", facts={"kind": "court_order"})
    desk.take(name, "register_instrument", "custodian", files=["document"], sheet=paper | {"scope": scope})
    desk.take(name, "confirm_hold", "custodian", "counsel", facts={"until": str(TODAY + timedelta(days=90))})
    opened = desk.opened
    book = Casebook(opened)
    gate = open_gate(opened, GateJournal(book))
    task = task_of(opened, book.load(name), desk.identities["counsel"], {"ils": desk.url}, "hold")
    done = preserve(opened, gate, GateJournal(book), task, TODAY + timedelta(days=90))
    assert done.exit_code == 0
    desk.take(name, "record_copy", "custodian", facts={"package": done.digest})
    return name


def test_every_ordinary_output_is_the_same_with_and_without_a_sealed_case(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    desk.opened.record(Kind.FIND_RUN, "begin", systems=1)
    desk.opened._engine.dispose()  # type: ignore[attr-defined]
    desk._opened = None
    kept = tmp_path.with_name(tmp_path.name + "-kept")
    shutil.copytree(tmp_path, kept)
    without = outputs(desk)
    assert '"severed": 0' not in without["sever --plan plan.json"]
    shutil.rmtree(tmp_path)
    shutil.copytree(kept, tmp_path)
    monkeypatch.chdir(tmp_path)
    desk._opened = None
    name = sealed_case(desk)
    desk._opened = None
    after = outputs(desk)
    assert after.keys() == without.keys()
    for output, text in without.items():
        assert after[output].splitlines() == text.splitlines(), output
    assert desk.load(name).case.hold.copied
