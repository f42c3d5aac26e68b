"""Behind a permit a log answers who; by the account the library issued and by nothing else."""

from __future__ import annotations

import gzip
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.policy.conftest import Library
from tests.policy.helpers import Keys, order

from reticent.errors import NotPermitted
from reticent.model import RecordClass, SeriesFacts
from reticent.policy.gate import Asker
from reticent.policy.permits import Permit, Scope
from reticent.stores.logs.discloser import LogDiscloser
from reticent.stores.logs.sources import LogSource
from reticent.stores.logs.store import Keys as LogKeys
from reticent.stores.logs.store import LogStore

CUSTODIAN = Asker("s1", frozenset({"custodian"}))
LINES = (
    '10.0.0.1 - 23529000000017 [01/Mar/2026:10:00:00 +0100] "GET /login?url=https://journal.example/a HTTP/1.1" 200 5\n'
    '10.0.0.2 - 23529000000024 [01/Mar/2026:10:00:01 +0100] "GET /login?url=https://other.example/b HTTP/1.1" 200 5\n'
    '10.0.0.1 - - [01/Mar/2026:10:00:02 +0100] "GET /same-address HTTP/1.1" 200 5\n'
    "this line fits nothing\n"
    '10.0.0.3 - 23529000000017 [05/Apr/2026:23:59:59 +0100] "GET /late HTTP/1.1" 200 5\n'
)
FORM = "apache: %h %l %u %t \"%r\" %s %b"  # fmt: skip


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "keys").mkdir()
    return Library(Keys(tmp_path / "keys"))


def door(tmp_path: Path, library: Library, form: str = FORM) -> LogDiscloser:
    source = LogSource("proxy", (str(tmp_path / "ezproxy*.log*"),), form)
    keys = LogKeys(pseudonym=None, tally=os.urandom(32))
    store = LogStore("proxy", [source], tmp_path / "receipts", keys)
    series = [SeriesFacts("proxy", "EZproxy log", RecordClass.ACCESS, "access", "p", "e")]
    return LogDiscloser("proxy", store, series, library.gate.open)


def permit(library: Library, act: str = "release", **scope: Any) -> Permit:
    asked = order(scope=Scope(**({"classes": frozenset({"access"})} | scope)))
    by = ("counsel",) if act == "preview" else ("custodian", "counsel")
    approvals = library.sign(asked, *by, act=act)  # type: ignore[arg-type]
    return library.gate.prepare(asked, CUSTODIAN, approvals, ["proxy"], act).require().permits[0]  # type: ignore[arg-type]


CARD = frozenset({"23529000000017"})


def test_the_lines_of_the_account_come_out_and_no_other(tmp_path: Path, library: Library) -> None:
    (tmp_path / "ezproxy.log").write_text(LINES)
    (tmp_path / "ezproxy.log.1.gz").write_bytes(gzip.compress(LINES.replace("/late", "/old").encode()))
    there = door(tmp_path, library)
    ties = list(there.ties(permit(library, patrons=CARD)))
    journal = "/login?url=https://journal.example/a"
    assert sorted(tie["tells"]["url"] for tie in ties) == sorted([journal, "/late", journal, "/old"])  # type: ignore[index]
    assert {tie["patron"] for tie in ties} == set(CARD)
    assert len({tie["id"] for tie in ties}) == 4
    assert "10.0.0" not in str([tie["tells"] for tie in ties]), "an address is nobody's for certain"
    said = {place.why for place in there.left_out}
    assert "some of its lines do not fit its format" in said
    assert any("only an address" in why for why in said)


def test_days_and_classes_outside_the_scope_stay_inside(tmp_path: Path, library: Library) -> None:
    (tmp_path / "ezproxy.log").write_text(LINES)
    there = door(tmp_path, library)
    april = datetime(2026, 4, 1, tzinfo=UTC)
    assert [tie["used_at"] for tie in there.ties(permit(library, patrons=CARD, before=april))] == [
        datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
    ]
    assert list(there.ties(permit(library, patrons=CARD, classes=frozenset({"print"})))) == []
    assert list(there.ties(permit(library, items=CARD))) == []


def test_a_preview_counts_and_a_release_permit_does_not(tmp_path: Path, library: Library) -> None:
    (tmp_path / "ezproxy.log").write_text(LINES)
    there = door(tmp_path, library)
    assert there.counts(permit(library, "preview", patrons=CARD)) == {"proxy": 2}
    with pytest.raises(NotPermitted):
        there.counts(permit(library, patrons=CARD))
    with pytest.raises(NotPermitted):
        there.ties(permit(library, "preview", patrons=CARD))
    once = permit(library, patrons=CARD)
    assert len(list(there.ties(once))) == 2
    with pytest.raises(NotPermitted, match="used"):
        there.ties(once)


OTHER = "23529000000024"
BY_LINE = {
    "jsonl": '{"ts": "2026-03-01T09:00:00Z", "user": "CARD", "ip": "10.0.0.1", "uri": "/login?url=https://journal.example/a"}\n',
    "sip2": "2026-03-01 09:00:00 READ: 11YN20260301    090000                  AOMAIN|AACARD|ABitem-1|AC|AD4711|AJA title|\n",
    "radius-detail": 'Sun Mar  1 09:00:00 2026\n\tUser-Name = "CARD"\n\tReply-Message = "x"\n\n',
}
TOLD = {"jsonl": {"url": "/login?url=https://journal.example/a"}, "sip2": {"personal": "11 ABitem-1| AJA title|"}}


@pytest.mark.parametrize("form", BY_LINE)
def test_a_log_read_line_by_line_answers_too(tmp_path: Path, library: Library, form: str) -> None:
    [card] = CARD
    mine = BY_LINE[form].replace("CARD", card)
    undated = re.sub("2026(-?)03", r"2026\g<1>13", mine).replace("Sun Mar  1 09:00:00 2026", "")
    (tmp_path / "ezproxy.log").write_text(mine + BY_LINE[form].replace("CARD", OTHER) + "noise\n" + undated)
    there = door(tmp_path, library, form)
    [tie] = there.ties(permit(library, patrons=CARD))
    assert (tie["patron"], tie["tells"]) == (card, TOLD.get(form, {}))
    assert tie["used_at"] == datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
    said = {place.why for place in there.left_out}
    assert {"some of its lines do not fit its format", "some lines have no date, so none inside the scope"} <= said
    later = datetime(2026, 4, 1, tzinfo=UTC)
    assert list(door(tmp_path, library, form).ties(permit(library, patrons=CARD, since=later))) == []


def test_an_error_log_says_that_its_messages_cannot_answer(tmp_path: Path, library: Library) -> None:
    (tmp_path / "ezproxy.log").write_text("[Sun Mar 01 09:00:00 2026] [core:error] [pid 1:tid 2] user 23529000000017\n")
    there = door(tmp_path, library, "apache-error")
    assert list(there.ties(permit(library, patrons=CARD))) == []
    assert any("free text" in place.why for place in there.left_out)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, library: Library) -> None:
    (tmp_path / "ezproxy.log.2.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    there = door(tmp_path, library)
    assert list(there.ties(permit(library, patrons=CARD))) == []
    assert any("cannot be read" in place.why for place in there.left_out)
