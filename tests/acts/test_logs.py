"""Logs through every act: find, plan, sever, check, hold, and the two commands that need no site."""

from __future__ import annotations

import contextlib
import gzip
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.acts import kit

from reticent.acts.log_keys import LogKeys
from reticent.acts.opening import Opened, open_site
from reticent.acts.plan import plan
from reticent.acts.sever import sever as sever_act
from reticent.errors import EvidenceBroken, ReticentError
from reticent.sever.result import RunResult

SITE = """
[library]
name = "Lakeside Public Library"
branches = "all"
[state]
path = "state"
keys = "keys"
[schedule]
"*" = "none applies"
[systems.proxy]
kind = "ezproxy"
paths = ["logs/ezproxy*.log*"]
[systems.selfcheck]
kind = "log"
format = "sip2"
paths = ["logs/sip*.log"]
classes = ["circulation"]
"""
PLANTED = (b"p21234", b"192.0.2.17", b"sAbCdEf", b"hiv+test", b"21234000000001", b"4321", b"Person Name")


def line(when: datetime, what: str) -> bytes:
    return f'192.0.2.17 - p21234 [{when:%d/%b/%Y:%H:%M:%S} +0000] "GET {what} HTTP/1.1" 200 5123\n'.encode()


@pytest.fixture
def lab(tmp_path: Path) -> kit.Lab:
    logs = tmp_path / "logs"
    logs.mkdir()
    old, new = (datetime.now() - timedelta(days=30)).replace(minute=10), datetime.now() - timedelta(hours=2)
    searches = line(old, what := "http://www.jstor.org/x?q=hiv+test&user=p21234") * 3
    (logs / "ezproxy1.log").write_bytes(searches + line(old, "http://proxy/connect?session=sAbCdEf"))
    (logs / "ezproxy2.log.gz").write_bytes(gzip.compress(line(old + timedelta(minutes=1), what) * 3))
    (logs / "ezproxy3.log").write_bytes(line(old, "http://www.jstor.org/y") + line(new, "http://www.jstor.org/z"))
    at = f"{old:%Y-%m-%d %H:%M:%S}"
    asked = f"{at} INPUT MSG: 23001{old:%Y%m%d}    100000AOL|AA21234000000001|AC|AD4321|AY1AZEB80\n"
    told = f"{at} READ: 24{'':14}001{old:%Y%m%d}    100000AOL|AEPerson Name|AA21234000000001|AY1AZ0000\n"
    sip = asked + told
    (logs / "sip.log").write_bytes(sip.encode())
    for file in logs.iterdir():
        stamp = new.timestamp() if file.name == "ezproxy3.log" else old.timestamp()
        os.utime(file, (stamp, stamp))
    (tmp_path / "reticent.toml").write_text(SITE)
    return kit.Lab(tmp_path, "sqlite://")


def sever(lab: kit.Lab) -> kit.Done:
    lab.run("plan", "--out", str(lab.folder / "plan.json"))
    return lab.run("--json", "sever", "--plan", str(lab.folder / "plan.json"))


def due(lab: kit.Lab) -> dict[str, int]:
    return {s["system"]: s["due"] for s in lab.run("--json", "find").json["series"]}


def test_logs_are_found_planned_severed_and_checked_like_databases(lab: kit.Lab) -> None:
    assert due(lab) == {"proxy": 7, "selfcheck": 2}
    before = lab.run("--json", "check").json
    assert {f["kind"] for f in before["findings"]} == {"due ties"}
    done = sever(lab)
    assert done.code == 0
    assert done.json["severed"] == 9
    assert due(lab) == {"proxy": 0, "selfcheck": 0}
    after = lab.run("--json", "check")
    assert after.json["findings"] == []
    assert after.json["promise_kept"] is True


def test_nobody_is_left_in_what_was_severed_nor_in_what_reticent_wrote(lab: kit.Lab) -> None:
    done = sever(lab)
    for file in lab.folder.rglob("*"):
        if file.is_file() and file.name != "ezproxy3.log":
            data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            assert not [word for word in PLANTED if word in data], file.name
    assert not [word for word in PLANTED if word.decode() in done.out + done.err]


def test_a_file_that_still_holds_new_lines_waits_whole(lab: kit.Lab) -> None:
    kept = (lab.folder / "logs" / "ezproxy3.log").read_bytes()
    sever(lab)
    assert (lab.folder / "logs" / "ezproxy3.log").read_bytes() == kept
    found = next(s for s in lab.run("--json", "find").json["series"] if s["system"] == "proxy")
    assert (found["ties"], found["within_retention"], found["due"]) == (2, 2, 0)


def test_a_second_run_changes_nothing(lab: kit.Lab) -> None:
    sever(lab)
    bytes_now = {file: file.read_bytes() for file in (lab.folder / "logs").iterdir()}
    assert sever(lab).json["severed"] == 0
    assert {file: file.read_bytes() for file in (lab.folder / "logs").iterdir()} == bytes_now


def test_a_hold_on_a_record_class_pauses_its_log(lab: kit.Lab) -> None:
    open_site(lab.folder / "reticent.toml").holds.place("access", datetime.now(UTC) + timedelta(days=5))
    done = sever(lab)
    assert done.code == 4
    assert due(lab) == {"proxy": 7, "selfcheck": 0}


def test_the_tally_survives_as_margins(lab: kit.Lab) -> None:
    sever(lab)
    tallies = open_site(lab.folder / "reticent.toml").book.tallies("proxy")
    assert tallies
    assert not [key for key in tallies if "21234" in key or "192.0.2" in key]


def test_a_log_nobody_described_is_refused_with_what_to_write(lab: kit.Lab) -> None:
    site = lab.folder / "reticent.toml"
    site.write_text(site.read_text().replace('format = "sip2"\n', ""))
    refused = lab.run("find")
    assert refused.code == 2
    assert "Add format" in refused.said


def test_share_writes_a_copy_without_anybody(lab: kit.Lab) -> None:
    log = lab.folder / "logs" / "ezproxy1.log"
    done = lab.run("--json", "share", str(log), "--format", "ezproxy")
    copy = Path(done.json["copy"]).read_bytes()
    assert done.json["lines"] == 4
    assert not [word for word in PLANTED if word in copy]


def test_filter_lets_nothing_raw_through(lab: kit.Lab) -> None:
    raw = (lab.folder / "logs" / "ezproxy1.log").read_bytes() + b"rubbish p21234\n"
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "reticent.cli.main", "filter", "--format", "ezproxy"]
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    done = subprocess.run(command, input=raw, capture_output=True, env=environment, check=True)
    assert done.stdout.count(b"\n") == raw.count(b"\n")
    assert not [word for word in PLANTED if word in done.stdout]


def later(lab: kit.Lab, days: float) -> Opened:
    class Later:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(days=days)

    return open_site(lab.folder / "reticent.toml", Later())


def run(opened: Opened) -> RunResult:
    return sever_act(opened, plan(opened, lambda *_: None), lambda *_: None)


def kinds(lab: kit.Lab) -> list[str]:
    with contextlib.closing(sqlite3.connect(lab.folder / "state" / "ledger.sqlite")) as ledger:
        text = "".join(ledger.iterdump())
    return [word for word in ("key_created", "key_destroyed") if word in text or word.encode().hex() in text.lower()]


def pseudonymous(lab: kit.Lab) -> kit.Lab:
    site = lab.folder / "reticent.toml"
    site.write_text(site.read_text().replace('kind = "ezproxy"\n', 'kind = "ezproxy"\npseudonyms = true\n'))
    return lab


def test_pseudonyms_are_ties_until_the_next_day_destroys_their_key(lab: kit.Lab) -> None:
    run(later(pseudonymous(lab), 0))
    text = (lab.folder / "logs" / "ezproxy1.log").read_bytes()
    assert len({line.split()[0] for line in text.splitlines()}) == 1, "one reader of a day has one pseudonym"
    assert text.startswith(b"2001:db8:")
    packed = gzip.decompress((lab.folder / "logs" / "ezproxy2.log.gz").read_bytes())
    assert packed.split()[0] == text.split()[0], "and the same in every log of the bundle"
    assert kinds(lab) == ["key_created"]
    proxy = next(s for s in lab.run("--json", "find").json["series"] if s["system"] == "proxy")
    assert proxy["withheld"] == {"pseudonyms whose key still exists": 7}
    tomorrow = later(lab, 1.1)
    assert [finding.kind for finding in LogKeys(tomorrow).findings()] == ["live key"]
    run(tomorrow)
    assert kinds(lab) == ["key_created", "key_destroyed"]
    assert list(LogKeys(tomorrow).findings()) == []
    assert not list((lab.folder / "keys").glob("period@logs*.key"))


def test_a_hold_keeps_the_key_of_what_it_covers(lab: kit.Lab) -> None:
    run(later(pseudonymous(lab), 0))
    open_site(lab.folder / "reticent.toml").holds.place("access", datetime.now(UTC) + timedelta(days=5))
    result = run(later(lab, 1.1))
    assert "is not destroyed" in " ".join(result.notes)
    assert kinds(lab) == ["key_created"]


def test_a_damaged_key_stops_the_run_before_anything_is_touched(lab: kit.Lab) -> None:
    run(later(pseudonymous(lab), 0))
    (lab.folder / "logs" / "ezproxy4.log").write_bytes(raw := line(datetime.now() - timedelta(days=30), "http://h/x"))
    [key] = (lab.folder / "keys").glob("period@logs*.key")
    key.write_bytes(b"short")
    with pytest.raises(EvidenceBroken, match="damaged"):
        run(later(lab, 0))
    assert (lab.folder / "logs" / "ezproxy4.log").read_bytes() == raw


def test_a_lost_key_is_made_anew_and_joins_nothing(lab: kit.Lab) -> None:
    run(later(pseudonymous(lab), 0))
    [key] = (lab.folder / "keys").glob("period@logs*.key")
    key.unlink()
    (lab.folder / "logs" / "ezproxy4.log").write_bytes(line(datetime.now() - timedelta(days=30), "http://h/x"))
    run(later(lab, 0))
    one, other = (lab.folder / "logs" / f"ezproxy{n}.log" for n in (1, 4))
    assert one.read_bytes().split()[0] != other.read_bytes().split()[0]


def test_a_clock_before_the_keys_day_is_refused(lab: kit.Lab) -> None:
    run(later(pseudonymous(lab), 1.1))
    with pytest.raises(ReticentError, match="clock"):
        run(later(lab, 0))


def test_a_file_that_may_not_be_touched_is_named_and_the_others_go_on(lab: kit.Lab) -> None:
    logs = lab.folder / "logs"
    os.link(logs / "ezproxy1.log", logs / "second-name")
    assert due(lab) == {"proxy": 3, "selfcheck": 2}
    found = lab.run("--json", "find").json
    assert any("hard links" in note["note"] and "ezproxy1.log" in note["note"] for note in found["notes"])
    done = sever(lab)
    assert done.json["severed"] == 5
    assert b"p21234" in (logs / "ezproxy1.log").read_bytes()


def test_a_file_that_is_opened_between_plan_and_run_is_left_with_a_note(lab: kit.Lab) -> None:
    lab.plan()
    with (lab.folder / "logs" / "ezproxy1.log").open("ab"):
        done = lab.sever()
    assert done.json["severed"] == 5
    assert done.code == 0, "what may not be touched now is withheld, not due"
    assert sever(lab).json["severed"] == 4


def test_a_symbolic_link_to_a_log_is_that_log(lab: kit.Lab) -> None:
    (lab.folder / "logs" / "ezproxy-now.log").symlink_to("ezproxy1.log")
    assert due(lab) == {"proxy": 7, "selfcheck": 2}
    assert sever(lab).json["severed"] == 9
    assert (lab.folder / "logs" / "ezproxy-now.log").is_symlink()


def test_lines_nobody_understands_are_shown_by_shape_and_offset_only(lab: kit.Lab) -> None:
    log = lab.folder / "logs" / "ezproxy1.log"
    raw, stamp = log.read_bytes(), log.stat().st_mtime
    log.write_bytes(raw + b"\x1b[2Jp21234 asked for <b>abortion</b> at 10\n")
    os.utime(log, (stamp, stamp))
    done = sever(lab)
    [note] = done.json["notes"]
    assert "1 of 5 lines" in note
    assert f"byte {len(raw)}" in note
    assert "21234" not in note + done.err
    assert "abortion" not in note + done.err
    assert "\x1b" not in note + done.err
    assert done.json["severed"] == 10, "a line nobody understands may name somebody: it is counted with its file"


def test_a_log_without_dates_of_its_own_is_as_old_as_its_newest_line_says(lab: kit.Lab) -> None:
    os.utime(lab.folder / "logs" / "sip.log")  # copied just now: its lines still tell that they are old
    assert due(lab)["selfcheck"] == 2
    assert sever(lab).code == 0
    assert lab.run("--json", "check").json["findings"] == []


def test_what_severing_counted_is_answered_as_a_form(lab: kit.Lab) -> None:
    year = str((datetime.now() - timedelta(days=30)).year)
    (lab.folder / "logs" / "ezproxy3.log").unlink()

    def form() -> dict[str, Any]:
        fields = lab.run("--json", "statistics", "--form", "logs", "--year", year).json["fields"]
        return {field["id"]: field["value"] for field in fields}

    before = form()
    assert before["SESSIONS"] == 1
    sever(lab)
    assert form() == before


def test_check_says_when_what_was_counted_is_gone_or_is_there_twice(lab: kit.Lab) -> None:
    """Totals of a month that is over, recorded before severing, against lines and tallies now."""
    month_before = datetime.now().replace(day=1, hour=12) - timedelta(days=12)
    logs = lab.folder / "logs"
    for name, minute in (("ezproxy4.log", 1), ("ezproxy5.log", 2), ("ezproxy6.log", 3)):
        (logs / name).write_bytes(line(month_before.replace(minute=minute), "http://www.jstor.org/stable/pdf/77") * 2)
        os.utime(logs / name, (month_before.timestamp() + minute, month_before.timestamp() + minute))
    raw = (logs / "ezproxy4.log").read_bytes()

    def conserved() -> list[str]:
        found = lab.run("--json", "check").json
        assert "conservation: what the logs count" in found["checked"]
        return [one["advice"] for one in found["findings"] if one["kind"] == "conservation"]

    (logs / "busy").mkdir()
    os.link(logs / "ezproxy6.log", logs / "busy" / "second-name")
    assert sever(lab).code == 0
    assert b"p21234" in (logs / "ezproxy6.log").read_bytes(), "it may not be touched, and is counted as a line"
    assert conserved() == []
    (logs / "ezproxy4.log").write_bytes(raw)
    assert conserved() == [], "a file that came back is not counted again"
    with contextlib.closing(sqlite3.connect(lab.folder / "state" / "state.sqlite")) as state, state:
        state.execute("UPDATE tallies SET rows_counted = rows_counted + 1 WHERE measure = 'sessions' AND margin = ''")
    assert len(conserved()) == 1
    assert "are back" in conserved()[0]
    with contextlib.closing(sqlite3.connect(lab.folder / "state" / "state.sqlite")) as state, state:
        state.execute("DELETE FROM tallies WHERE measure = 'sessions'")
    assert all("Fewer" in advice for advice in conserved())
    (logs / "ezproxy6.log").unlink()
    assert len(conserved()) > 2, "lines nobody tallied are gone"


def test_the_published_policy_names_the_logs(lab: kit.Lab) -> None:
    assert lab.run("policy", "publish", "--out", str(lab.folder / "pages")).code == 0
    page = (lab.folder / "pages" / "policy.html").read_text()
    assert "EZproxy access log" in page
    assert "7 days more" in page
    assert (lab.folder / "pages" / "policy.pdf").read_bytes().startswith(b"%PDF")


def test_a_trial_severs_whole_files_up_to_a_hundred_ties(lab: kit.Lab) -> None:
    log = lab.folder / "logs" / "ezproxy1.log"
    stamp = log.stat().st_mtime
    log.write_bytes(log.read_bytes() * 40)
    os.utime(log, (stamp, stamp))
    done = lab.run("--json", "arm", "proxy/access")
    assert done.code == 0, done.said
    assert done.json["severed"] == 160
    assert due(lab) == {"proxy": 3, "selfcheck": 2}


def test_a_cluster_severs_the_same(lab: kit.Lab, dask_cluster: str) -> None:
    site = lab.folder / "reticent.toml"
    site.write_text(f'{site.read_text()}\n[cluster]\nscheduler = "{dask_cluster}"\n')
    assert due(lab) == {"proxy": 7, "selfcheck": 2}
    assert sever(lab).json["severed"] == 9
    assert due(lab) == {"proxy": 0, "selfcheck": 0}


def test_a_scheduler_that_does_not_answer_is_said(lab: kit.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reticent.stores.logs.workers.PATIENCE", 1)
    site = lab.folder / "reticent.toml"
    site.write_text(f'{site.read_text()}\n[cluster]\nscheduler = "tcp://127.0.0.1:1"\n')
    done = lab.run("find")
    assert done.code == 3
    assert "scheduler does not answer" in done.said
