"""Real, private database servers for tests and benchmarks.

``with mariadb() as server:`` initialises a throw-away data directory, starts the stock server on a
free loopback port, and removes everything afterwards. Neither server may run as root, so when the
caller is root the server runs as Debian's own account for it. The server dies with its caller.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pymysql
from sqlalchemy import URL

START_SECONDS = 60
FOLDER = "/tmp"


class ServersMissing(Exception):
    """Something a real server needs is not installed; the message lists all of it."""


@dataclass
class Server:
    """One private server. Its superuser (``root`` or ``postgres``) has no password."""

    kind: str
    port: int
    home: Path
    command: list[str]
    account: str | None
    general_log: Path | None = None
    slow_log: Path | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def url(self, user: str = "", database: str = "", password: str | None = None) -> str:
        """Return an SQLAlchemy URL for a user (the superuser by default) and database."""
        drivers = {"mariadb": ("mysql+pymysql", "root"), "postgresql": ("postgresql+psycopg", "postgres")}
        driver, superuser = drivers[self.kind]
        query = {"charset": "utf8mb4"} if self.kind == "mariadb" else {}
        url = URL.create(driver, user or superuser, password, "127.0.0.1", self.port, database or None, query)
        return url.render_as_string(hide_password=False)

    def execute(self, *statements: str) -> None:
        """Run statements as the superuser, each in a transaction of its own."""
        connection: pymysql.Connection | psycopg.Connection = self._connect()
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def start(self) -> None:
        """Start the server on its directory (again, after ``kill``) and wait until it answers."""
        signal_with_us = "SIGTERM" if self.kind == "mariadb" else "SIGINT"
        command = ["setpriv", *_as(self.account), "--pdeathsig", signal_with_us, *self.command]
        with (self.home / "server.out").open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, cwd=self.home, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = (self.home / "server.out").read_text(errors="replace")[-3000:]
                self.kill()
                raise RuntimeError(f"{self.kind} did not start on port {self.port}:\n{tail}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop cleanly, rolling back what is open, and wait."""
        self._end(signal.SIGTERM if self.kind == "mariadb" else signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL the server, as a power cut of the process would; ``start`` recovers it."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)
        self.process = None

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except (pymysql.OperationalError, psycopg.OperationalError):
            return False
        return True

    def _connect(self) -> pymysql.Connection | psycopg.Connection:
        if self.kind == "mariadb":
            return pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True)
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres", autocommit=True)


@contextmanager
def mariadb(*, general_log: bool = False, slow_log: bool = False, options: Sequence[str] = ()) -> Iterator[Server]:
    """Start a private MariaDB, with logs of every statement when asked (paths on the Server).

    ``options`` are further ``mariadbd`` arguments; they win over the small defaults. Commits are
    handed to the operating system at once but not forced to the disk: a killed server loses
    nothing, a machine losing power might (benchmarks pass ``--innodb-flush-log-at-trx-commit=1``).
    """
    account = _account("mysql")
    programs = _programs(
        {"mariadbd": "mariadb-server", "mariadb-install-db": "mariadb-server", "setpriv": "util-linux"},
        account,
        "mysql",
    )
    with _home(account) as home:
        data, general, slow = home / "data", home / "general.log", home / "slow.log"
        # A temporary folder of its own: a server that starts deletes what others left in a shared one.
        own = [f"--datadir={data}", f"--tmpdir={home}"]
        install = [programs["mariadb-install-db"], "--no-defaults", *own, "--skip-test-db"]
        _run([*install, "--auth-root-authentication-method=normal"], account, home)
        port = _free_port()
        command = [
            programs["mariadbd"], "--no-defaults", *own, f"--port={port}",
            "--bind-address=127.0.0.1", f"--socket={home}/s", f"--pid-file={home}/pid", "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=64M", "--performance-schema=OFF",
            "--innodb-flush-log-at-trx-commit=2", "--key-buffer-size=1M", "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_ci", "--local-infile=1", "--secure-file-priv=",
        ]  # fmt: skip
        if general_log:
            command += ["--general-log=1", f"--general-log-file={general}"]
        if slow_log:
            command += ["--slow-query-log=1", f"--slow-query-log-file={slow}", "--long-query-time=0"]
        server = Server("mariadb", port, home, [*command, *options], account)
        server.general_log, server.slow_log = general if general_log else None, slow if slow_log else None
        yield from _running(server)


@contextmanager
def postgresql(*, general_log: bool = False, slow_log: bool = False, options: Sequence[str] = ()) -> Iterator[Server]:
    """Start a private PostgreSQL; ``options`` are ``name=value`` settings.

    PostgreSQL has one log: ``general_log`` writes every statement to it, ``slow_log`` every statement
    with its duration.
    """
    account = _account("postgres")
    programs = _programs(
        {"postgres": "postgresql", "initdb": "postgresql", "setpriv": "util-linux"}, account, "postgres"
    )
    with _home(account) as home:
        data, log = home / "data", home / "server.out"
        initialise = [programs["initdb"], "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync"]
        _run([*initialise, "--encoding=UTF8", "--locale=C.UTF-8"], account, home)
        port = _free_port()
        settings = [
            "listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={home}",
            "shared_buffers=32MB", "max_connections=40", "fsync=off",
        ]  # fmt: skip
        settings += ["log_statement=all"] * general_log + ["log_min_duration_statement=0"] * slow_log
        command = [programs["postgres"], "-D", str(data)]
        command += [part for setting in (*settings, *options) for part in ("-c", setting)]
        server = Server("postgresql", port, home, command, account)
        server.general_log, server.slow_log = log if general_log else None, log if slow_log else None
        yield from _running(server)


def _running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def _home(account: str | None) -> Iterator[Path]:
    """A short path: a Unix socket's may not exceed 107 bytes."""
    home = Path(tempfile.mkdtemp(prefix="rt-", dir=FOLDER))
    if account:
        entry = pwd.getpwnam(account)
        os.chown(home, entry.pw_uid, entry.pw_gid)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _account(name: str) -> str | None:
    return name if os.geteuid() == 0 else None


def _as(account: str | None) -> list[str]:
    if account is None:
        return []
    entry = pwd.getpwnam(account)
    return [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


def _programs(needed: dict[str, str], account: str | None, expected: str) -> dict[str, str]:
    """Find every program, or say in one message which packages bring the missing ones."""
    places = ["/usr/sbin", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)]
    path = os.pathsep.join([os.environ.get("PATH", ""), *places])
    found = {name: shutil.which(name, path=path) for name in needed}
    missing = [f"{name} (package {needed[name]})" for name, place in found.items() if place is None]
    if account and account not in {entry.pw_name for entry in pwd.getpwall()}:
        missing.append(f"the account {expected}, which a server started by root runs as")
    if missing:
        raise ServersMissing("This machine lacks: " + "; ".join(missing))
    return {name: place for name, place in found.items() if place}


def _run(command: list[str], account: str | None, home: Path) -> None:
    prefix = ["setpriv", *_as(account)] if account else []
    done = subprocess.run([*prefix, *command], cwd=home, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
