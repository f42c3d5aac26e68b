"""The configuration in the how-to guides, run by the real servers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[3] / "docs" / "how-to"
PROGRAM = """import sys
sys.path[:0] = {path!r}
from reticent.stores.logs.live import run_filter
from reticent.stores.logs.sources import LogSource
form = sys.argv[sys.argv.index("--format") + 1]
sys.exit(run_filter(0, 1, LogSource("live", (), form, ("koha",)), errors=sys.stderr))
"""
REQUEST = "/cgi-bin/koha/opac-search.pl?idx=kw&q=plantedword&userid=plantedcard"


def blocks(guide: str, language: str) -> list[str]:
    text = (GUIDES / guide).read_text("utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def shim(folder: Path) -> Path:
    """A program that takes the arguments of ``reticent filter`` and does what it does."""
    (folder / "filter.py").write_text(PROGRAM.format(path=sys.path))
    path = folder / "reticent"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {folder}/filter.py "$@"\n')
    path.chmod(0o755)
    return path


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def ask(port: int) -> None:
    try:
        urllib.request.urlopen(
            urllib.request.Request(
                f"http://127.0.0.1:{port}{REQUEST}", headers={"User-Agent": "plantedagent"}
            ),
            timeout=5,
        ).close()
    except urllib.error.HTTPError as error:
        error.close()


def checked(text: str) -> None:
    assert "GET /cgi-bin/koha/opac-search.pl?idx=kw&q=&userid= HTTP/1.1" in text
    assert "2001:db8:" in text
    for planted in ("plantedword", "plantedcard", "plantedagent", "127.0.0.1"):
        assert planted not in text
    assert re.search(r":\d\d:00:00 ", text)


@contextmanager
def running(command: list[str], **more: object) -> Iterator[subprocess.Popen[bytes]]:
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)  # type: ignore[call-overload]
    try:
        yield server
    finally:
        server.terminate()
        server.wait(10)


def listening(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


MODULES = Path("/usr/lib/apache2/modules")


@pytest.mark.skipif(not shutil.which("apache2") or not MODULES.is_dir(), reason="no apache2 here")
def test_apache_with_the_guides_configuration_writes_severed_lines_only(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "access.log"
    (block,) = blocks("logs-apache.md", "apache")
    block = block.replace("/usr/bin/reticent", str(shim(tmp_path))).replace(
        "/var/log/apache2/access.log", str(log)
    )
    modules = "\n".join(
        f"LoadModule {name}_module {MODULES}/mod_{name}.so"
        for name in ("mpm_event", "authz_core")
        if (MODULES / f"mod_{name}.so").exists()
    )
    conf = tmp_path / "httpd.conf"
    conf.write_text(
        f"{modules}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {tmp_path}/pid\nDocumentRoot {tmp_path}\n"
        f"ErrorLog {tmp_path}/error.log\nUser www-data\nGroup www-data\n{block}"
    )
    with running(["apache2", "-DFOREGROUND", "-d", str(tmp_path), "-f", str(conf)]) as server:
        until(lambda: listening(port))
        ask(port)
        until(lambda: log.exists() and log.read_text().count("\n") == 1)
        checked(log.read_text())
        before = log.read_text()
        # a filter that dies is started again, and no raw line is written meanwhile
        for pid in descendants(server.pid, "filter.py"):
            os.kill(pid, signal.SIGKILL)
        time.sleep(1.5)
        ask(port)
        until(lambda: log.read_text().count("\n") >= 2)
        assert log.read_text().startswith(before)
        checked(log.read_text())


def descendants(root: int, word: str) -> list[int]:
    """Processes below ``root`` whose command line has ``word``; nobody else's are ever touched."""
    parents, out = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    for pid in parents:
        above = pid
        while above in parents and above != root:
            above = parents[above]
        try:
            if above == root and word in Path(f"/proc/{pid}/cmdline").read_text():
                out.append(pid)
        except OSError:
            continue
    return out


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx here")
def test_nginx_with_the_guides_configuration_writes_severed_lines_only(tmp_path: Path) -> None:
    port, log, fifo = free_port(), tmp_path / "access.log", tmp_path / "access.fifo"
    os.mkfifo(fifo)
    (block,) = blocks("logs-nginx.md", "nginx")
    block = block.replace("/run/reticent/access.fifo", str(fifo))
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ client_body_temp_path {tmp_path}; {block}\n server {{ listen 127.0.0.1:{port}; root {tmp_path}; }} }}\n"
    )
    unit = blocks("logs-nginx.md", "ini")[1]
    command = re.search(r"ExecStart=(.*)", unit)
    assert command is not None
    words = command[1].replace("/usr/bin/reticent", str(shim(tmp_path))).split()
    # systemd holds the pipe open for reading and writing; here this process does
    held = os.open(fifo, os.O_RDWR)
    try:
        with log.open("ab") as out:
            filtering = subprocess.Popen(words, stdin=held, stdout=out)
        with running(["nginx", "-c", str(conf), "-p", str(tmp_path)]):
            until(lambda: listening(port))
            ask(port)
            until(lambda: log.read_text().count("\n") == 1)
            checked(log.read_text())
        filtering.kill()
        filtering.wait()
    finally:
        os.close(held)


@pytest.mark.skipif(not shutil.which("logrotate"), reason="no logrotate here")
def test_logrotate_with_the_guides_configuration_severs_the_rotated_file(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(
        f'127.0.0.1 - plantedcard [01/Mar/2026:10:11:12 +0000] "GET {REQUEST} HTTP/1.1" 200 512 "-" "plantedagent"\n'
        * 50
    )
    os.chmod(tmp_path, 0o755)
    sever = tmp_path / "sever.py"
    sever.write_text(
        f"import sys; sys.path[:0]={sys.path!r}\nfrom pathlib import Path\nfrom reticent.stores.logs.atrest import *\n"
        f"for path in Path({str(tmp_path)!r}).glob('access.log.*'):\n"
        f"    sever_file(FileJob(str(path), LogSource('a', (), 'combined', ('koha',)), {str(tmp_path / 'r')!r}, 'run', 'web/a', bytes(32)))\n"
    )
    (block,) = (one for one in blocks("logs-logrotate.md", "") if "daily" in one)
    block = block.replace("/var/log/apache2/access.log", str(log)).replace("apachectl graceful", "true")
    block = block.replace("/usr/bin/reticent --quiet sever --armed", f"{sys.executable} {sever}")
    conf = tmp_path / "conf"
    conf.write_text(block)
    os.chmod(conf, 0o644)
    subprocess.run(
        ["logrotate", "--force", "--state", str(tmp_path / "state"), str(conf)],
        check=True,
        capture_output=True,
    )
    rotated = tmp_path / "access.log.1"
    checked(rotated.read_text())
