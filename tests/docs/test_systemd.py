"""The shipped unit files: valid, shut in, and a finding is not a failure."""

from __future__ import annotations

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

import reticent

UNITS = Path(reticent.__path__[0]) / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
SHUT = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "LimitCORE": "0",
    "UMask": "0077", "CapabilityBoundingSet": "", "PrivateDevices": "yes",
    "ReadWritePaths": "/var/lib/reticent /etc/reticent/keys",
}  # fmt: skip


def read(path: Path) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(path)
    return parser


def test_each_service_has_its_timer() -> None:
    assert [path.stem for path in SERVICES] == ["reticent-check", "reticent-due", "reticent-sever"]
    assert {path.stem for path in UNITS.glob("*.timer")} == {path.stem for path in SERVICES}


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_service_is_shut_in_and_a_finding_is_no_failure(path: Path) -> None:
    service = read(path)["Service"]
    assert SHUT.items() <= dict(service).items()
    overdue = path.stem == "reticent-due"
    assert service.get("SuccessExitStatus") == (None if overdue else "1"), "what is overdue must reach somebody"
    assert service["User"] == "reticent"
    assert "password" not in service["ExecStart"].lower()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    for path in UNITS.iterdir():
        # The program is elsewhere on this machine; everything else is as shipped.
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/reticent/bin/reticent", "/bin/true"))
    units = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
