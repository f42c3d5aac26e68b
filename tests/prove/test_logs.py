"""The prover's own eye for logs: what it takes for somebody, and what it does not."""

from __future__ import annotations

import io
import time
from datetime import datetime

import pytest

from reticent.prove.logs import check_log

CUTOFF = datetime(2026, 10, 20)
STAMP = "[01/Oct/2026:10:12:13 +0000]"


@pytest.mark.parametrize(
    ("line", "somebody"),
    [
        (f'192.0.2.17 - - {STAMP} "GET / HTTP/1.1" 200 5', True),
        (f'192.0.0.0 - - {STAMP} "GET / HTTP/1.1" 200 5', False),
        (f'0.0.0.0 - - {STAMP} "GET / HTTP/1.1" 200 5', False),
        (f'2a02:1::17 - - {STAMP} "GET / HTTP/1.1" 200 5', True),
        (f'2a02:1:2:3:4:5:6:7 - - {STAMP} "GET / HTTP/1.1" 200 5', True),
        (f'2a02:1:: - - {STAMP} "GET / HTTP/1.1" 200 5', False),
        (f'2001:db8:b025:f6a8:8143:a7e0:4b0:7e9c - - {STAMP} "GET / HTTP/1.1" 200 5', False),
        (f'- - - {STAMP} "GET /login?user=p212&x=1 HTTP/1.1" 200 5', True),
        (f'- - - {STAMP} "GET /login?user=&ticket=- HTTP/1.1" 200 5', False),
        (f'- - - {STAMP} "GET /x?mail=a.b@example.org HTTP/1.1" 200 5', True),
        ("2026-10-01 10:00:00 READ: 64|AAcard|AEPerson Name|AO", True),
        ("2026-10-01 10:00:00 READ: 64|AA|AE|AO", False),
    ],
)
def test_who_is_somebody(line: str, somebody: bool) -> None:
    found = check_log("proxy", "access", "a.log", io.BytesIO(line.encode() + b"\n"), CUTOFF, CUTOFF)
    assert bool(found.findings) is somebody


def test_a_file_with_a_recent_line_is_within_retention() -> None:
    text = f'192.0.2.17 - - {STAMP} "GET /" 200 5\n192.0.2.17 - - [25/Oct/2026:10:00:00 +0000] "GET /" 200 5\n'
    assert not check_log("proxy", "access", "a.log", io.BytesIO(text.encode()), CUTOFF, CUTOFF).findings
    assert not check_log(
        "proxy", "access", "a.log", io.BytesIO(text.encode()), "the site has not set it", CUTOFF
    ).findings


def test_a_line_without_end_is_read_in_pieces() -> None:
    text = b"x" * (3 << 20) + b" 192.0.2.17 " + b"y" * (2 << 20)
    started = time.process_time()
    found = check_log("proxy", "access", "a.log", io.BytesIO(text), CUTOFF, CUTOFF)
    assert time.process_time() - started < 10, "time must grow with the length of a line, not with its square"
    assert sum(finding.count for finding in found.findings) <= 1
