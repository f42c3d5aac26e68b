"""Logs through every act: find, plan, sever, check, hold, and the two commands that need no site."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.acts import kit

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
    old, new = datetime.now() - timedelta(days=30), datetime.now() - timedelta(hours=2)
    searches = line(old, "http://www.jstor.org/x?q=hiv+test&user=p21234") * 3
    (logs / "ezproxy1.log").write_bytes(searches + line(old, "http://proxy/connect?session=sAbCdEf"))
    (logs / "ezproxy2.log.gz").write_bytes(gzip.compress(searches))
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
    until = f"{datetime.now() + timedelta(days=5):%Y-%m-%d}"
    assert lab.run("hold", "place", "access", "--until", until).code == 0
    done = sever(lab)
    assert done.code == 4
    assert due(lab) == {"proxy": 7, "selfcheck": 0}


def test_the_tally_survives_as_margins(lab: kit.Lab) -> None:
    sever(lab)
    from reticent.acts.opening import open_site

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
