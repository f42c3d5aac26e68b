"""No network but what the site names: the system calls of whole commands, counted by strace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from sqlalchemy import make_url
from tests.acts import kit

SRC = str(Path(__file__).resolve().parents[2] / "src")


def _reached(lab: kit.Lab, *arguments: str) -> set[str]:
    """Run a command; return the addresses its processes asked the kernel for, ``host:port``."""
    trace = lab.folder / "trace"
    command = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=network",
        "-o",
        str(trace),
        sys.executable,
        "-m",
        "reticent.cli.main",
    ]
    done = subprocess.run(
        [*command, "--site", str(lab.folder / "reticent.toml"), *arguments],
        cwd=lab.folder, env={**os.environ, "PYTHONPATH": SRC}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    calls = [line for line in trace.read_text().splitlines() if "AF_INET" in line or "sin_" in line]
    found = (re.search(r"sin6?_port=htons\((\d+)\).*?\"([^\"]+)\"", line) for line in calls if "connect(" in line)
    assert not [line for line in calls if "sendto(" in line and "sin_" in line], "no datagram: no name is looked up"
    return {f"{match[2]}:{match[1]}" for match in found if match}


def test_a_library_in_one_file_reaches_nobody(sqlite_lab: kit.Lab) -> None:
    lab = sqlite_lab
    lab.write_site("search")
    plan = str(lab.folder / "plan.json")
    commands = (["find"], ["plan", "--out", plan], ["sever", "--plan", plan], ["check"],
                ["report", "--out", str(lab.folder / "report.html")], ["ledger", "verify"])  # fmt: skip
    assert [_reached(lab, *command) for command in commands] == [set()] * len(commands)


def test_a_database_server_is_all_that_is_reached(mariadb_lab: kit.Lab) -> None:
    at = make_url(mariadb_lab.url)
    assert _reached(mariadb_lab, "find") == {f"{at.host}:{at.port}"}
