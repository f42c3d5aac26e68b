"""Copies and media: asked of the server, looked through where they can be, else listed with their expiry."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests import servers
from tests.acts import kit
from tests.acts.test_probe import cards
from tests.acts.test_residue import site

from reticent.stores.sql import prober
from reticent.stores.sql.media import media
from reticent.systems.load import kinds, shipped


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "ATTACK_SECONDS", 0.5)


def by_medium(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["medium"]: each for each in document["copies"]}


COPIES = """
[systems.ils.copies.nightly]
kind = "dump"
paths = ["dumps/*.sql"]
expires = "30 days"
[systems.ils.copies.index]
kind = "search_index"
contact = "search@example.org"
[systems.ils.copies.disks]
kind = "snapshot"
expires = "7 days"
"""


def test_dumps_are_looked_through_and_an_overdue_one_is_a_finding(sqlite_lab: kit.Lab) -> None:
    known = cards(sqlite_lab)
    folder = sqlite_lab.folder / "dumps"
    folder.mkdir()
    (folder / "old.sql").write_text("\n".join(known))
    (folder / "new.sql").write_text("CREATE TABLE t (a int);\n")
    long_ago = time.time() - 40 * 86_400
    os.utime(folder / "old.sql", (long_ago, long_ago))
    site(sqlite_lab)
    file = sqlite_lab.folder / "reticent.toml"
    file.write_text(file.read_text() + COPIES)
    done = sqlite_lab.run("--json", "find")
    found = by_medium(done.json)
    assert found["nightly: old.sql"]["said"] == "30 to 999 persons of the roster stand in it"
    assert found["nightly: old.sql"]["overdue"]
    assert found["nightly: new.sql"]["looked_at"]
    assert "nobody" in found["nightly: new.sql"]["said"]
    assert not found["nightly: new.sql"]["overdue"]
    assert found["index"]["said"] == "not looked at: it names no files; ask search@example.org"
    assert found["disks"]["expires"] == "7 days"
    assert found["backups"] == {**found["backups"], "expires": "unknown", "looked_at": False}
    assert "snapshots of the disks" not in found, "they are declared"
    assert "dumps and exports" not in found, "one is declared"
    checked = sqlite_lab.run("--json", "check").json
    assert [each["place"] for each in checked["findings"] if each["kind"] == "overdue copy"] == ["nightly: old.sql"]
    unseen = {each["place"]: each["why"] for each in checked["not_looked_at"]}
    assert "severed is not purged; expires: 30 days" in unseen["nightly: new.sql"]
    assert "disks" in unseen
    shown = sqlite_lab.run("find").said
    assert "Copies and media: severed is not purged" in shown
    assert known[0] not in shown


OF_THE_SERVER = """
[systems.ils.copies.reporting]
kind = "replica"
expires = "7 days"
contact = "dba@example.org"
[systems.ils.copies.vendor]
kind = "replica"
contact = "vendor@example.org"
[systems.ils.copies.redo]
kind = "redo_log"
expires = "3 days"
contact = "dba@example.org"
[systems.ils.copies.errors]
kind = "server_log"
expires = "30 days"
"""


def test_what_is_named_keeps_its_name_expiry_and_contact(mariadb_lab: kit.Lab) -> None:
    """Replicas are machines of their own, besides what the server says follows it; its redo log is the server's."""
    file = mariadb_lab.folder / "reticent.toml"
    mariadb_lab.write_site("search")
    file.write_text(file.read_text() + OF_THE_SERVER)
    listed = mariadb_lab.run("--json", "find").json["copies"]
    found = {each["medium"]: each for each in listed}
    assert len(found) == len(listed)
    assert (found["reporting"]["expires"], found["vendor"]["expires"]) == ("7 days", "unknown")
    assert found["reporting"]["said"] == "not looked at: it names no files; ask dba@example.org"
    assert found["vendor"]["said"].endswith("ask vendor@example.org")
    assert found["replicas"]["expires"] == "unknown", "what the server knows of is not what was named"
    assert found["redo: redo log"]["expires"] == "3 days"
    assert found["redo: redo log"]["said"].endswith("ask dba@example.org")
    assert found["errors"]["expires"] == "30 days"
    assert "30 days" not in {each["expires"] for medium, each in found.items() if medium != "errors"}


@pytest.mark.parametrize("declared", ["", COPIES, OF_THE_SERVER])
def test_each_copy_and_place_that_was_not_looked_at_is_said_once(sqlite_lab: kit.Lab, declared: str) -> None:
    site(sqlite_lab)
    file = sqlite_lab.folder / "reticent.toml"
    file.write_text(file.read_text() + declared)
    found, checked = (sqlite_lab.run("--json", command).json for command in ("find", "check"))
    for said in (
        [each["place"] for each in found["not_looked_at"]] + [each["medium"] for each in found["copies"]],
        [each["place"] for each in checked["not_looked_at"] if each["system"] == "ils"],
    ):
        for word in ("backup", "dump", "snapshot", "binary log", "write-ahead", "undo", "replica"):
            naming = [place for place in said if word in place]
            assert len(naming) <= 1, naming


@pytest.mark.parametrize("kind", kinds())
def test_no_map_names_what_is_listed_as_a_copy(kind: str) -> None:
    """What a server keeps and what is copied from it is asked, or declared: a map that said it again said it twice."""
    loaded = shipped(kind, "diku" if kind in ("folio", "reshare") else "")
    for place in loaded.elsewhere:
        assert not re.search("backup|dump|snapshot|binary log|write-ahead|undo|dead rows|replica", place.place), place


def test_what_a_mariadb_keeps_with_the_expiry_it_is_set_to(tmp_path: Path) -> None:
    options = [
        f"--log-bin={tmp_path.name}",
        "--server-id=1",
        "--binlog-expire-logs-seconds=864000",
        "--binlog-format=ROW",
    ]
    with servers.mariadb(slow_log=True, options=options) as server:
        server.execute("CREATE DATABASE d", "CREATE USER least", "GRANT REFERENCES ON d.* TO least")
        found = asked(server.url("least", "d"))
        assert found["binary_log"] == ("binary log", "10 days, as the server is set")
        assert found["slow_log"] == ("slow log", "unknown")
        assert found["redo_log"][1].startswith("until it is written over")
        assert "general_log" not in found
        assert found["replica"] == ("replicas", "unknown")
        server.execute("SET GLOBAL binlog_expire_logs_seconds = 0", "SET GLOBAL general_log = 1")
        found = asked(server.url("least", "d"))
        assert found["binary_log"][1] == "never, as the server is set"
        assert "general_log" in found


def test_what_a_postgresql_keeps_and_who_follows_it(tmp_path: Path) -> None:
    options = ["wal_level=logical", "archive_mode=on", "archive_command=true", "log_min_duration_statement=100"]
    with servers.postgresql(options=options) as server:
        server.execute(
            "CREATE ROLE least LOGIN",
            "CREATE PUBLICATION loans FOR ALL TABLES",
            "SELECT pg_create_logical_replication_slot('reports', 'pgoutput')",
            "SELECT pg_create_physical_replication_slot('standby')",
        )
        found = asked(server.url("least", "postgres"))
    assert found.keys() == {"wal", "wal_archive", "dead_rows", "server_log", "replica", "subscription"}
    assert found["wal_archive"] == ("archive of the write-ahead log", "unknown")
    assert found["dead_rows"][1] == "the next vacuum"


def asked(url: str) -> dict[str, tuple[str, str]]:
    engine = sa.create_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        found = {each.kind: (each.medium, each.expires) for each in media(connection, "ils", ())}
    engine.dispose()
    return found
