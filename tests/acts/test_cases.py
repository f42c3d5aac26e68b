"""The cases of ``cases.py``, run on the sample library: where each ends, what is refused, what is let out."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.acts import kit
from tests.acts.cases import CASES, MACROS, Row
from tests.acts.desk import NOW, PAPER, Desk, Signer, copy, trusting

from reticent.acts import days
from reticent.acts.casebook import Casebook, GateJournal
from reticent.acts.gate import open_gate
from reticent.acts.inquiry import task_of
from reticent.acts.release import release
from reticent.cli.inquiry import _facts
from reticent.errors import ReticentError
from reticent.guard.words import Departure, State, Step
from reticent.keyring.salts import Salts
from reticent.ledger.entries import Actor, Kind, decode
from reticent.ledger.log import Log

TODAY = date.today()


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("officers"))


@dataclass(frozen=True)
class Holdings:
    """The sample library's database, and a reader with loans in the last year."""

    engine: sa.Engine
    url: str
    card: str
    number: int


@pytest.fixture(scope="module")
def holdings(sample: kit.Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holdings]:
    lab = sample.sqlite(tmp_path_factory.mktemp("holdings"))
    number = lab.ask(
        "SELECT borrowernumber FROM old_issues WHERE borrowernumber IS NOT NULL AND issuedate >= :since"
        " GROUP BY borrowernumber ORDER BY COUNT(*) DESC, borrowernumber LIMIT 1",
        since=str(TODAY - timedelta(days=360)),
    )
    card = lab.ask("SELECT cardnumber FROM borrowers WHERE borrowernumber = :n", n=number)
    yield Holdings(lab.engine, lab.url, card, number)
    lab.close()


@pytest.fixture(scope="module")
def libraries(signer: Signer, holdings: Holdings, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Desk]:
    """A place such as "US-WI!" -> its library, made once: officers, confirmed law, a ledger with one entry."""

    @cache
    def made(place: str) -> Desk:
        folder = tmp_path_factory.mktemp("place") / "library"
        desk = Desk(folder, signer, place.rstrip("!"), confirmed=place.endswith("!"), url=holdings.url)
        desk.opened.record(Kind.FIND_RUN, "a find", systems=1)
        return desk

    return made


def sheets(card: str) -> Mapping[str, Mapping[str, object]]:
    """The papers of the cases."""
    since, before = (TODAY - timedelta(days=360)).isoformat(), (TODAY + timedelta(days=1)).isoformat()
    scope = {"patrons": [card], "classes": ["circulation"], "since": since, "before": before}
    order = PAPER | {"scope": scope}
    bare = {name: value for name, value in order.items() if name not in ("court", "court_name", "judge", "docket")}
    warrant = order | {"kind": "search_warrant", "issued": "2026-11-30"}
    return {
        "order": order,
        "nobody": order | {"scope": scope | {"patrons": ["no such card"]}},
        "foreign": order | {"court": "other_state"},
        "broad": order | {"scope": {"patrons": [card]}},
        "readers": order
        | {"scope": {"items": ["39999000001"], "classes": ["circulation"], "since": since, "before": before}},
        "court_subpoena": order | {"kind": "court_subpoena"},
        "at_vendor": order | {"served_on": "vendor", "served_how": "on_a_vendor"},
        "subpoena": bare | {"kind": "clerk_subpoena", "issuer": "Clerk of the Circuit Court"},
        "civil": bare | {"kind": "attorney_subpoena", "issuer": "Example & Example"},
        "letter": bare | {"kind": "national_security_letter", "gag": True},
        "fisa": order | {"kind": "fisa_order", "court": "intelligence", "gag": True},
        "preserve": bare | {"kind": "preservation_letter"},
        "agency": bare | {"kind": "search_warrant"},
        "warrant": warrant,
        "gagged": warrant | {"gag": True, "gag_until": (TODAY + timedelta(days=60)).isoformat()},
        "scope": {"notes": "As the paper says.", "scope": scope},
        "two": {"scope": scope | {"patrons": [card, "2"]}},
        "other": {"scope": scope | {"classes": ["notice"]}},
        "film": {"scope": scope | {"classes": ["surveillance"]}},
        "inventory": {
            "others_kept_unseen": True,
            "things": [
                {"what": "catalogue computer 3", "done": "machine_taken", "number": "PC-3"},
                {"what": "loan list", "done": "viewed"},
            ],
        },
    }


def steps(text: str) -> Iterator[str]:
    """Yield single steps; macros are unfolded."""
    for part in filter(None, (one.strip() for one in text.split(";"))):
        name, *words = part.split()
        if name in MACROS:
            yield from steps(MACROS[name].format(**dict(word.split("=") for word in words)))
        else:
            yield part


@dataclass
class Run:
    """One case on its way."""

    desk: Desk
    holdings: Holdings
    name: str = ""
    package: str = ""
    released: list[bytes] = field(default_factory=list)

    def do(self, text: str) -> None:
        step, *words = text.split()
        if step == "wait":
            self.desk.clock.moment += timedelta(days=int(words[0].rstrip("d")))
        elif step in ("carry_out", "hand_over"):
            self.carry_out(warrant=step == "hand_over")
        else:
            self.take(step, words)

    def take(self, step: str, words: list[str]) -> None:
        typed = [word.replace("$", self.package) for word in words if "=" in word]
        files = [word[1:] for word in words if word.startswith("%")]
        sheet = next((sheets(self.holdings.card)[word[1:]] for word in words if word.startswith("+")), None)
        age = next((int(word[4:]) for word in words if word.startswith("age:")), None)
        by = next((word[1:].split("+") for word in words if word.startswith("@")), [])
        if step == "record":
            target = {"agency": "An agency", "agent": "Jane Marked", "targets": [self.holdings.card]}
            self.name = self.desk.record(target, **_facts(typed)).id
            return
        done = self.desk.take(self.name, step, *by, facts=_facts(typed), files=files, sheet=sheet, age=age)
        assert done.taken, "an officer signs"

    def carry_out(self, *, warrant: bool) -> None:
        """Gather and pack what officers approved; count the rows by our own SQL."""
        opened = self.desk.opened
        book = Casebook(opened)
        gate, inquiry = open_gate(opened, GateJournal(book)), book.load(self.name)
        task = task_of(
            opened,
            inquiry,
            self.desk.identities["counsel"],
            {"ils": self.holdings.url},
            "warrant" if warrant else "release",
        )
        done = release(opened, gate, GateJournal(book), task, warrant=warrant)
        self.package = done.digest
        if not done.nil:
            self.released.append(done.files["ties.csv"])


def check_subset(run: Run) -> None:
    """Everything that was let out lies in the scope: read back by the standard library, counted by SQL of our own."""
    for table in run.released:
        rows = list(csv.DictReader(io.StringIO(table.decode())))
        assert rows
        assert {row["patron"] for row in rows} == {run.holdings.card}
        assert {row["record_class"] for row in rows} == {"circulation"}
        since = str(TODAY - timedelta(days=360))
        assert all(row["used_at"][:10] >= str(TODAY - timedelta(days=361)) for row in rows)
        with run.holdings.engine.connect() as connection:
            query = sa.text("SELECT COUNT(*) FROM old_issues WHERE borrowernumber = :n AND issuedate >= :since")
            loans = connection.execute(query, {"n": run.holdings.number, "since": since}).scalar()
        assert sum(row["record"].startswith("old_issues") for row in rows) == loans, Counter(
            row["record"] for row in rows
        )


def check_ledger(run: Run) -> None:
    """The next act of another kind commits to every step of the case, and says nothing of it."""
    opened = run.desk.opened
    run.desk.clock.moment += timedelta(days=1)
    opened.record(Kind.FIND_RUN, "another find", systems=1)
    with Log.open(opened.ledger_path, opened.origin) as log:
        entries = [decode(log.entry(index)) for index in range(log.size)]
    every = [entry for entry in entries if entry["kind"] == Kind.INQUIRY_DAY]
    assert len(every) == min((run.desk.clock.moment.date() - NOW.date()).days, days.MOST)
    day = every[-1]
    assert set(day) == {"v", "kind", "hour", "actor", "period", "detail"}
    assert day["actor"] == Actor.OPERATOR
    _, detail = Salts(opened.keys, lambda *_: None).reveal(str(day["detail"]))
    assert detail == days.committed(opened.register)
    assert detail["places"][run.name] == len(run.desk.load(run.name).entries)  # type: ignore[index]
    assert {entry["kind"] for entry in entries} <= {Kind.FIND_RUN, Kind.INQUIRY_DAY}


@pytest.mark.parametrize("row", CASES, ids=[re.sub(r"\W+", "-", row.situation) for row in CASES])
def test_case(
    row: Row,
    tmp_path: Path,
    libraries: Callable[[str], Desk],
    holdings: Holdings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trusting(monkeypatch)
    run = Run(copy(libraries(row.place), tmp_path / "library"), holdings)
    *before, last = steps(row.steps)
    for step in before:
        run.do(step)
    if row.error:
        with pytest.raises((ReticentError, AssertionError), match="(?i)" + re.escape(row.error)):
            run.do(last)
    else:
        run.do(last)
    if "clock" not in row.error:
        assert run.desk.load(run.name).case.state == State(row.state)
        assert run.desk.load(run.name).case.departures == DEPARTS.get(row.situation, frozenset())
        check_subset(run)
        check_ledger(run)


DEPARTS = {
    "a clerk's subpoena in a permissive state: counsel complies": {Departure.COMPLIED_UNDER_COMPULSION},
    "Illinois: nobody confirmed the pack, counsel takes it on": {Departure.DUTY_DESPITE_PACK},
    "Illinois: counsel reviews the emergency afterwards": {Departure.DUTY_DESPITE_PACK},
    "a warrant at closing time, counsel unreachable": {Departure.COUNSEL_UNREACHABLE},
    "whoever handed over cannot countersign": {Departure.COUNSEL_UNREACHABLE},
    "counsel advises the asker too": {Departure.COUNSEL_ADVISES_REQUESTER},
    "counsel answers for a finding": {Departure.FINDING_NOT_SHOWN},
    "D.C.: the notice was late": {Departure.LATE_NOTICE},
    "no witness can be reached": {Departure.NO_WITNESS},
    "the countersignature is late": {Departure.LATE_COUNTERSIGN, Departure.COUNSEL_UNREACHABLE},
    "Wisconsin: a year later counsel discloses by duty": {Departure.DUTY_DESPITE_PACK},
}


def test_there_are_fifty_cases_of_every_path() -> None:
    assert len(CASES) >= 50
    assert len({row.situation for row in CASES}) == len(CASES)
    taken = {text.split()[0] for row in CASES for text in steps(row.steps)}
    assert {str(step) for step in Step} - taken <= {
        "seal", "review_gag", "place_hold", "record_copy", "reseal", "dispose",
    }  # fmt: skip
