"""What compressing a severed log costs: the library Reticent uses against Python's own.

    PYTHONPATH=src python bench/log_archives.py [--mb 50] [--runs 3]

MB of text per CPU-second, one process. The text is what ``bench/log_kernel.py`` makes.
"""

from __future__ import annotations

import argparse
import gzip
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.log_kernel import write_log

from reticent.stores.logs.archives import reading, writing

_MB = 1_000_000


def ours(text: bytes) -> bytes:
    """Compress as Reticent does."""
    raw = io.BytesIO()
    with writing(raw, "gzip", mtime=0) as out:
        for at in range(0, len(text), 1 << 16):
            out.write(text[at : at + (1 << 16)])
    return raw.getvalue()


def stock(text: bytes) -> bytes:
    """Compress as ``gzip -6`` and Python's gzip module do by default on most systems."""
    return gzip.compress(text, 6)


def ours_read(packed: bytes) -> int:
    """Decompress as Reticent does."""
    with reading(io.BytesIO(packed), "gzip") as text:
        return sum(len(block) for block in iter(lambda: text.read(1 << 16), b""))


def stock_read(packed: bytes) -> int:
    """Decompress with Python's gzip module."""
    return len(gzip.decompress(packed))


def best(work: Callable[[bytes], object], data: bytes, runs: int) -> float:
    """Return the least CPU seconds of several runs."""
    took = []
    for _ in range(runs):
        start = time.process_time()
        work(data)
        took.append(time.process_time() - start)
    return min(took)


def main() -> None:
    """Print speeds, sizes and the ratio the project promises (at least 5)."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--mb", type=int, default=50)
    ask.add_argument("--runs", type=int, default=3)
    told = ask.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        write_log(path, told.mb * _MB)
        text = path.read_bytes()
    size = len(text) / _MB
    mine, theirs = best(ours, text, told.runs), best(stock, text, told.runs)
    packed, plain = ours(text), stock(text)
    print(
        f"compress:   {size / mine:.0f} against {size / theirs:.0f} MB per CPU-second: {theirs / mine:.1f} times"
    )
    print(f"size:       {len(packed) / len(text):.3f} against {len(plain) / len(text):.3f} of the text")
    mine, theirs = best(ours_read, packed, told.runs), best(stock_read, plain, told.runs)
    print(
        f"decompress: {size / mine:.0f} against {size / theirs:.0f} MB per CPU-second: {theirs / mine:.1f} times"
    )


if __name__ == "__main__":
    main()
