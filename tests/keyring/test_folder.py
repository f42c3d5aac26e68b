from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reticent.errors import ConfigurationError, EvidenceBroken, ReticentError, SystemRefused
from reticent.keyring.folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.create(tmp_path / "keys", tmp_path / "state")


def put(folder: Folder, name: str, data: bytes) -> None:
    with folder.locked(name.split("@")[0]):
        folder.write(name, data)


def test_only_the_owner_can_reach_folder_and_files(folder: Folder) -> None:
    old = os.umask(0)
    try:
        put(folder, "period@x", b"secret")
    finally:
        os.umask(old)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.path.iterdir()} == {0o600}


@pytest.mark.parametrize("place", ["state", "state/keys", "state/a/../keys", "link/keys", "."])
def test_keys_are_refused_inside_the_state_folder_and_around_it(tmp_path: Path, place: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    with pytest.raises(ConfigurationError) as refused:
        Folder.create(tmp_path / place, tmp_path / "state")
    assert "backup" in str(refused.value)
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_folder_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(mode)
    with pytest.raises(ConfigurationError):
        Folder.create(tmp_path / "keys", tmp_path / "state")


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder away needs root")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    Folder.create(tmp_path / "keys", tmp_path / "state")
    os.chown(tmp_path / "keys", 12345, 12345)
    with pytest.raises(ConfigurationError):
        Folder(tmp_path / "keys", tmp_path / "state")


def test_a_missing_folder_or_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o600)
    for place in ("missing", "file", "file/keys"):
        with pytest.raises(ConfigurationError):
            Folder(tmp_path / place, tmp_path / "state")


def test_a_file_others_can_read_is_refused(folder: Folder) -> None:
    put(folder, "period@x", b"secret")
    (folder.path / "period@x").chmod(0o644)
    with pytest.raises(ConfigurationError) as refused:
        folder.read("period@x")
    assert "secret" not in str(refused.value)


def test_a_link_in_place_of_a_file_is_refused(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"x")
    (folder.path / "period@x").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError):
        folder.read("period@x")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", ".lock", "a\n", "a" * 300])
def test_other_names_are_refused(folder: Folder, name: str) -> None:
    with pytest.raises(EvidenceBroken):
        folder.read(name)


def test_what_is_doomed_is_overwritten_and_not_only_unlinked(folder: Folder, tmp_path: Path) -> None:
    """A second name of the same bytes, as a snapshot of names would keep it, reads zeros afterwards."""
    put(folder, "period@x", b"secret" * 9)
    os.link(folder.path / "period@x", tmp_path / "second")
    folder.doom(["period@x"], "mark")
    assert folder.doomed() == {"mark": ["period@x.mark.doomed"]}
    folder.bury("mark")
    assert (tmp_path / "second").read_bytes() == bytes(54)
    assert folder.doomed() == {}
    assert not any(name.startswith("period") for name in os.listdir(folder.path))


def test_a_draft_left_by_a_killed_process_is_overwritten(folder: Folder, tmp_path: Path) -> None:
    draft = folder.path / "period@x.draft"
    draft.write_bytes(b"half a secret")
    os.link(draft, tmp_path / "second")
    with folder.locked("salt"):
        assert draft.exists()
    with folder.locked("period"):
        assert not draft.exists()
    assert (tmp_path / "second").read_bytes() == bytes(13)


def test_a_full_disk_leaves_the_old_file(folder: Folder) -> None:
    put(folder, "ledger@x", b"old")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from reticent.errors import SystemRefused; from reticent.keyring.folder import Folder\n"
        "folder = Folder(Path(sys.argv[1]), Path(sys.argv[1] + '-state'))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5))\n"
        "try:\n"
        "    with folder.locked('ledger'): folder.write('ledger@x', b'a longer new one')\n"
        "except SystemRefused: print('refused')\n"
    )
    source = str(Path(__file__).parents[2] / "src")
    said = subprocess.run(
        [sys.executable, "-c", code, str(folder.path)],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "refused\n"
    assert folder.read("ledger@x") == b"old"


def test_a_lost_folder_is_said(folder: Folder) -> None:
    (folder.path / ".lock-period").unlink(missing_ok=True)
    folder.path.rmdir()
    with pytest.raises(SystemRefused), folder.locked("period"):
        pass


def test_one_process_at_a_time_and_other_parts_go_on(folder: Folder) -> None:
    code = (
        "import sys, time; from pathlib import Path; from reticent.keyring.folder import Folder\n"
        "with Folder(Path(sys.argv[1]), Path(sys.argv[1] + '-state')).locked('period'):\n"
        "    print('in', flush=True); time.sleep(0.4)\n"
    )
    source = str(Path(__file__).parents[2] / "src")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder.path)],
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        began = time.monotonic()
        with folder.locked("ledger"):
            assert time.monotonic() - began < 0.3
        with folder.locked("period"):
            assert time.monotonic() - began > 0.2


def test_every_refusal_says_what_to_do_or_where(tmp_path: Path) -> None:
    with pytest.raises(ReticentError) as refused:
        Folder(tmp_path / "missing", tmp_path / "state")
    assert refused.value.do
    assert refused.value.where
