"""How fast are logs severed? Against anonip (addresses only) and a careful per-line loop.

    PYTHONPATH=src python bench/log_kernel.py [--mb 250] [--runs 3]

Figures are MB per CPU-second of one process (time.process_time), so that a busy machine does not
decide them. The log is made up: 30,000 addresses (one in seven IPv6, skewed), 8,000 accounts,
45 % of requests with a query, 0.02 % lines that do not parse, escaped quotes, bytes that are no
UTF-8. The loop does the same work as the kernel with the same pure functions, line by line, and
makes the same bytes.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from statistics import median

from reticent.deidentify import addresses, measures, pseudonyms
from reticent.deidentify.times import strftime_form
from reticent.deidentify.urls import UrlPolicy
from reticent.stores.logs.atrest import FileJob, sever_file
from reticent.stores.logs.formats import NAMED, parse_format
from reticent.stores.logs.kernel import Kernel, marker
from reticent.stores.logs.sources import LogSource
from reticent.stores.logs.store import count_ties
from reticent.stores.logs.streams import treated
from reticent.stores.logs.treatments import treatments
from reticent.systems.urlpacks import load_packs

KEY = bytes(range(32))
PACKS = ("koha", "vufind", "ezproxy")
_MB = 1_000_000


def made_up_lines(seed: int = 7) -> Iterator[bytes]:
    """Yield lines of a combined log without end."""
    dice = random.Random(seed)
    hosts = [_host(dice, i) for i in range(30_000)]
    users = [f"u{dice.randrange(10**7):07d}" for _ in range(8_000)]
    agents = [
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{100 + i % 40}.0.{dice.randrange(9999)}.{dice.randrange(200)} Safari/537.36"
        for i in range(400)
    ] + ['Mozilla/5.0 (X11; \\"odd\\" Linux)', "curl/8.0"]
    second, i = 0, 0
    while True:
        i += 1
        second += dice.random() < 0.4
        if i % 5_000 == 0:
            yield b"\x16\x03\x01 garbage line %d\n" % i
            continue
        line = _line(dice, hosts, users, agents, second)
        yield line.replace(b"Mozilla", b"M\xff\xfezilla") if i % 997 == 0 else line


def _host(dice: random.Random, i: int) -> str:
    if i % 7 == 0:
        return f"2001:470:{dice.randrange(65536):x}::{dice.randrange(65536):x}"
    return ".".join(str(dice.randrange(1, 224)) for _ in range(4))


WORDS = ["history", "cancer", "divorce", "python", "war", "love", "caf\u00e9", "bankruptcy", "garden"]


def _line(dice: random.Random, hosts: list[str], users: list[str], agents: list[str], second: int) -> bytes:
    host = hosts[int(len(hosts) * dice.random() ** 3)]
    user = users[int(len(users) * dice.random() ** 2)] if dice.random() < 0.4 else "-"
    words = "+".join(dice.choice(WORDS) for _ in range(dice.randrange(1, 5)))
    kind = dice.random()
    if kind < 0.2:
        url = f"/cgi-bin/koha/opac-search.pl?idx=kw&q={words}+{dice.randrange(99999)}&limit=branch:MAIN"
    elif kind < 0.35:
        url = f"/cgi-bin/koha/opac-detail.pl?biblionumber={int(200_000 * dice.random() ** 2)}&query_desc={words}"
    elif kind < 0.45:
        url = f"/login?user={dice.choice(users)}&ticket={dice.randrange(10**12):012x}&url=http://www.jstor.org/stable/{dice.randrange(10**6)}"
    elif kind < 0.7:
        url = f"/Record/{int(200_000 * dice.random() ** 2)}"
    else:
        url = f"/images/{dice.randrange(300)}.png"
    refer = "-"
    if dice.random() > 0.3:
        page = (
            f"Search/Results?lookfor={words}&type=AllFields"
            if dice.random() < 0.4
            else f"Record/{dice.randrange(200_000)}"
        )
        refer = f"https://catalog.lakeside.example/{page}"
    size = int(dice.random() ** 3 * 900_000)
    day, rest = 1 + second // 86_400 % 28, second % 86_400
    clock = f"{day:02d}/Mar/2026:{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d} +0000"
    agent = agents[int(len(agents) * dice.random() ** 2)]
    status = dice.choice(["200", "200", "200", "304", "404"])
    return f'{host} - {user} [{clock}] "GET {url} HTTP/1.1" {status} {size} "{refer}" "{agent}"\n'.encode()


def write_log(path: Path, size: int) -> None:
    """Write a log of about ``size`` bytes."""
    with path.open("wb") as out:
        written = 0
        for line in made_up_lines():
            written += out.write(line)
            if written >= size:
                return


def kernel(path: Path) -> int:
    """Sever the whole file with the kernel; return the bytes written."""
    worker = Kernel(parse_format(*NAMED["combined"]), treatments(load_packs(PACKS), KEY))
    with path.open("rb") as source, Path(os.devnull).open("wb") as sink:
        return sum(sink.write(block) for block in treated(source, worker))


_LINE = re.compile(
    rb'([^ ]*) ([^ ]*) ([^ ]*) \[([^\]]*)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"\n'
)
_TELLING = re.compile(rb"[?&;#@%~\\]")
_POLICY = UrlPolicy(load_packs(PACKS))
_family = lru_cache(1 << 12)(measures.family)


@lru_cache(4)
def _day(day: bytes) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    instant = strftime_form("%d/%b/%Y").read(day)
    key = pseudonyms.day_key(KEY, instant.day if instant else b"")
    return lru_cache(1 << 16)(addresses.treatment(key)), lru_cache(1 << 16)(pseudonyms.tokens(key))


def _url(url: bytes) -> bytes:
    return _POLICY.treat(url) if _TELLING.search(url) else url


def _severed(line: bytes, withheld: bytes) -> bytes:
    found = _LINE.fullmatch(line)
    if found is None:
        return withheld
    host, ident, user, clock, request, status, size, refer, agent = found.groups()
    parts = request.split(b" ")
    if len(parts) != 3:
        return withheld
    address, token = _day(clock[:11])
    return b'%s %s %s [%s00:00%s] "%s %s %s" %s %s "%s" "%s"\n' % (
        address(host), token(ident), token(user), clock[:15], clock[20:], parts[0], _url(parts[1]), parts[2],
        status, measures.size(size), _url(refer), _family(agent),
    )  # fmt: skip


def careful_loop(path: Path) -> int:
    """Sever line by line: a compiled pattern, caches for addresses, accounts and agents of a day."""
    withheld = marker(parse_format(*NAMED["combined"]))
    with path.open("rb") as source, Path(os.devnull).open("wb") as sink:
        return sum(sink.write(_severed(line, withheld)) for line in source)


def same_bytes(path: Path) -> bool:
    """Tell whether the kernel and the loop make the same bytes of a log."""
    worker, withheld = (
        Kernel(parse_format(*NAMED["combined"]), treatments(load_packs(PACKS), KEY)),
        marker(parse_format(*NAMED["combined"])),
    )
    with path.open("rb") as one, path.open("rb") as other:
        return b"".join(treated(one, worker)) == b"".join(_severed(line, withheld) for line in other)


def anonip(path: Path) -> int:
    """Mask addresses only, with anonip's own command line program."""
    import anonip as peer  # the peer need not be installed for the rest

    with path.open(encoding="latin-1") as lines:
        sys.stdin, sys.argv = lines, ["anonip", "--output", os.devnull]
        peer.main()
    return path.stat().st_size


def copy(path: Path) -> int:
    """Copy in blocks: what Python can do at most."""
    written = 0
    with path.open("rb") as source, Path(os.devnull).open("wb") as sink:
        while block := source.read(1 << 16):
            written += sink.write(b'"'.join(block.split(b'"')))
    return written


def job(path: Path, *, counted: bool) -> FileJob:
    """Return the job of a file at rest."""
    source = LogSource("access", (str(path),), "combined", PACKS)
    tally = KEY if counted else b""
    return FileJob(str(path), source, str(path.parent / "receipts"), "bench", "bench/access", KEY, tally)


def find(path: Path) -> int:
    """Count the ties of a file, as `reticent find` does."""
    return count_ties(job(path, counted=False)).total()


def at_rest(path: Path) -> int:
    """Sever a copy of a file in its place: treated, read back, proved, digests; nothing counted."""
    return _at_rest(path, counted=False)


def at_rest_counted(path: Path) -> int:
    """The same, with the COUNTER tallies."""
    return _at_rest(path, counted=True)


def _at_rest(path: Path, *, counted: bool) -> int:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        copied = Path(shutil.copy(path, Path(folder) / "copy.log"))
        return sever_file(job(copied, counted=counted)).lines


RUNNERS: dict[str, Callable[[Path], int]] = {
    "kernel": kernel,
    "find": find,
    "at rest": at_rest,
    "at rest, counted": at_rest_counted,
    "loop": careful_loop,
    "anonip": anonip,
    "copy": copy,
}


def child(name: str, path: Path) -> None:
    """Run one contestant in this process; print its CPU seconds and its peak memory in MB."""
    start = time.process_time()
    RUNNERS[name](path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.process_time() - start, peak)


def measure(name: str, path: Path) -> tuple[float, float]:
    """Run one contestant in a process of its own; return CPU seconds and peak memory in MB."""
    out = subprocess.run(
        [sys.executable, __file__, "--child", name, str(path)], check=True, capture_output=True, text=True
    )
    cpu, peak = out.stdout.split()
    return float(cpu), float(peak)


def two_processes(path: Path) -> tuple[float, float]:
    """Return what two processes at a time gain over one: by the clock, and by CPU-seconds a file.

    The clock says it on an idle machine only. CPU-seconds say what working side by side costs: at 1.0
    two idle processors would do twice the work.
    """
    one = _timed(path, 1)
    two = _timed(path, 2)
    return one[0] / two[0], one[1] / two[1]


def _timed(path: Path, processes: int) -> tuple[float, float]:
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(len, [b"", b""]))
        start = time.perf_counter()
        cpu = sum(pool.map(_cpu, [path, path]))
        return time.perf_counter() - start, cpu


def _cpu(path: Path) -> float:
    start = time.process_time()
    kernel(path)
    return time.process_time() - start


def main() -> None:
    """Print one line a contestant, and the ratios the project promises: medians of runs in turn."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--mb", type=int, default=250)
    ask.add_argument("--runs", type=int, default=3)
    ask.add_argument("--child", nargs=2)
    told = ask.parse_args()
    if told.child:
        child(told.child[0], Path(told.child[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder) / "access.log"
        write_log(full, told.mb * _MB)
        part = Path(folder) / "part.log"
        write_log(part, 10 * _MB)
        print("kernel and loop make the same bytes:", same_bytes(part))
        speeds: dict[str, list[float]] = {name: [] for name in RUNNERS}
        for _ in range(told.runs):  # in turn, so that a busy minute hits everyone
            for name in RUNNERS:
                cpu, peak = measure(name, full)
                speeds[name].append(full.stat().st_size / _MB / cpu)
                print(f"{name:16} {speeds[name][-1]:7.1f} MB per CPU-second, peak {peak:.0f} MB", flush=True)
        for name in RUNNERS:
            print(f"{name:16} {median(speeds[name]):7.1f} median, {max(speeds[name]):.1f} best")
        for peer in ("loop", "anonip", "copy"):
            ratios = [ours / theirs for ours, theirs in zip(speeds["kernel"], speeds[peer], strict=True)]
            print(f"kernel to {peer}: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        wall, cpu = two_processes(full)
        print(f"two processes: {wall:.2f} times one by the clock, {cpu:.2f} by CPU-seconds a file")


if __name__ == "__main__":
    main()
