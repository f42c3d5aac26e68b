"""COUNTER's rules, and that cutting a log anywhere changes no count."""

from __future__ import annotations

import io
import os
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.logs.independent import surviving
from tests.stores.logs.made import ACCESS_FORMAT, clock, made

from reticent.deidentify.urls import CountRule
from reticent.stores.logs.atrest import FileJob, sever_file
from reticent.stores.logs.counting import LogTally
from reticent.stores.logs.formats import parse_format
from reticent.stores.logs.kernel import Columns, Kernel
from reticent.stores.logs.sources import LogSource
from reticent.stores.logs.streams import pump
from reticent.stores.logs.treatments import treatments

KEY = bytes(range(32))
RULES = (
    CountRule("searches", rb"/search\?"),
    CountRule("requests", rb"/pdf/(?P<title>\w+)"),
    CountRule("investigations", rb"/abs/(?P<title>\w+)"),
)
FORM = parse_format("apache", '%h %u %t "%r" %>s %b "%{User-Agent}i"')


def line(
    second: int,
    url: str = "/pdf/1",
    *,
    who: str = "jdoe",
    ip: str = "10.1.1.1",
    status: int = 200,
    agent: str = "Firefox/1",
) -> str:
    return f'{ip} {who} [{clock(second)}] "GET {url} HTTP/1.1" {status} 9 "{agent}"\n'


def tally(lines: list[str]) -> LogTally:
    counts = LogTally(RULES, KEY)
    kernel = Kernel(FORM, treatments((), KEY), watch=counts)
    pump(io.BytesIO("".join(lines).encode()), io.BytesIO(), kernel)
    return counts


def total(counts: LogTally, metric: str) -> int:
    return sum(
        sum(cells.values())
        for name, cells in counts.margins().items()
        if name.startswith(metric + "|") and name.endswith("|platform")
    )


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [([0, 29], 1), ([0, 30], 1), ([0, 35], 2), ([0, 20, 45], 1), ([0, 20, 45, 80], 2), ([5], 1)],
)
def test_of_two_clicks_within_30_seconds_the_later_counts(seconds: list[int], kept: int) -> None:
    assert total(tally([line(s) for s in seconds]), "total_item_requests") == kept


def test_the_later_click_is_the_one_that_stays() -> None:
    end = 31 * 86_400
    stamps = ["[31/Mar/2026:23:59:50 +0000]", "[01/Apr/2026:00:00:10 +0000]"]
    lines = [line(0).replace(f"[{clock(0)}]", stamp) for stamp in stamps]
    assert end
    margins = tally(lines).margins()
    assert "total_item_requests|2026-03|platform" not in margins
    assert margins["total_item_requests|2026-04|platform"] == {"-": 1}


def test_another_user_or_another_link_is_no_double_click() -> None:
    assert total(tally([line(0), line(5, who="other")]), "total_item_requests") == 2
    assert total(tally([line(0), line(5, "/pdf/2")]), "total_item_requests") == 2
    assert total(tally([line(0, who="-"), line(5, who="-", ip="10.9.9.9")]), "total_item_requests") == 2


def test_only_success_counts_and_no_robot() -> None:
    lines = [
        line(0, status=304),
        line(100, status=404),
        line(200, status=500),
        line(300, agent="Googlebot/2.1"),
    ]
    assert total(tally(lines), "total_item_requests") == 1


def test_a_request_is_an_investigation_too_and_searches_have_no_double_click() -> None:
    counts = tally([line(0), line(100, "/abs/1"), line(200, "/search?q=x"), line(201, "/search?q=x")])
    assert total(counts, "total_item_investigations") == 2
    assert total(counts, "total_item_requests") == 1
    assert total(counts, "searches") == 2


def test_a_unique_item_counts_once_an_hour_of_a_user() -> None:
    counts = tally([line(0), line(600), line(1200, "/pdf/2"), line(4000)])
    assert total(counts, "total_item_requests") == 4
    assert total(counts, "unique_item_requests") == 3, "two in the first clock hour, one in the second"


def test_a_surrogate_session_is_one_clock_hour() -> None:
    counts = tally([line(60 * n) for n in range(0, 180, 10)] + [line(60, who="-", ip="10.7.7.7")])
    assert sum(counts.margins()["sessions|2026-03|group"].values()) == 3 + 1


def _margins(parts: list[list[str]]) -> dict[str, dict[str, int]]:
    whole = tally(parts[0])
    for part in parts[1:]:
        whole.merge(tally(part))
    return {name: dict(cells) for name, cells in whole.margins().items()}


def _one_by_one(parts: list[list[str]]) -> dict[str, dict[str, int]]:
    """Count files as they are severed: each leaves what goes on to those behind it."""
    out = dict[str, dict[str, int]]()
    for n, part in enumerate(parts):
        counts = tally(part)
        for behind in parts[n + 1 :]:
            counts.leave(tally(behind))
        for name, cells in counts.margins().items():
            for value, many in cells.items():
                out.setdefault(name, {})[value] = out.setdefault(name, {}).get(value, 0) + many
    return out


events = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from(["/pdf/1", "/pdf/2", "/abs/1", "/search?q=x"]), st.sampled_from(["a", "b", "-"])),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(events, st.data())
def test_a_log_cut_anywhere_gives_the_same_counts(steps: list[tuple[int, str, str]], data: st.DataObject) -> None:
    second, lines = 3_000, []
    for step, url, who in steps:
        second += step
        lines.append(line(second, url, who=who))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=3)))
    parts = [lines[a:b] for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    whole = {name: dict(cells) for name, cells in tally(lines).margins().items()}
    assert _margins(parts) == whole, "ranges of one file"
    assert _one_by_one(parts) == whole, "one file after the other"


STRADDLING = {
    "a.log": [3000, 3010],  # with the first of the next file one chain of double clicks
    "b.log": [3020],
    "b.log~": [3020],  # a copy
    "c.log": [3500, 4000],  # still the same session; 4000 is in the next hour
    "d.log": [90_000],
}


def test_a_session_that_straddles_files_counts_once_whichever_run_severs_them(tmp_path: Path) -> None:
    form = 'apache: %h %u %t "%r" %>s %b "%{User-Agent}i"'
    source = LogSource("access", (f"{tmp_path}/?.log*",), form, ("publishers",))
    for n, (name, seconds) in enumerate(STRADDLING.items()):
        path = tmp_path / name
        path.write_text("".join(line(s, "/stable/pdf/77") for s in seconds))
        os.utime(path, (1_772_400_000 + n, 1_772_400_000 + n))
    found: Counter[str] = Counter()
    for name in STRADDLING:
        key = os.urandom(32)  # another run, which knows nothing of the one before
        receipt = sever_file(FileJob(str(tmp_path / name), source, str(tmp_path / "r"), name, "web/access", KEY, key))
        for margin, cells in receipt.tally.items():
            found[margin.partition("|")[0] if margin.endswith("|") else ""] += sum(cells.values())
    assert found["sessions"] == 3
    assert found["unique_item_requests"] == 3
    assert found["total_item_requests"] == 4, "3020, 3500, 4000 and the day after"
    receipts = "".join(path.read_text() for path in (tmp_path / "r").glob("*.json"))
    assert "carry" not in receipts, "nothing of a session is kept"


def test_sessions_and_items_of_past_days_do_not_fill_memory_and_count_the_same() -> None:
    dice = random.Random(2)
    lines = [line(n * 700, f"/pdf/{dice.randrange(50)}", who=f"u{dice.randrange(9)}") for n in range(2000)]
    one = tally(lines)
    many = tally(lines[:1])
    for n in range(1, len(lines), 100):
        many.merge(tally(lines[n : n + 100]))
    assert one.late == many.late == 0
    assert one.margins() == many.margins()


class Counts(LogTally):
    """Counts the lines it sees, too."""

    lines = 0

    def see(self, columns: Columns) -> None:
        self.lines += columns.rows
        super().see(columns)


def test_every_line_that_parsed_was_seen_and_no_margin_names_anyone() -> None:
    bundle = made()
    counts = Counts(RULES, KEY)
    kernel = Kernel(parse_format("ezproxy", ACCESS_FORMAT.removeprefix("ezproxy: ")), treatments((), KEY), watch=counts)
    kernel.treat(bundle.access + b"noise\n", 0)
    assert counts.lines == kernel.outcome.lines - kernel.outcome.withheld
    assert surviving(repr(counts.margins()).encode(), bundle.marks) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://jdoe:pw@h.example/pdf/7", "http://h.example/abs/jdoe", "http://h.example/abs/7?jdoe",
    ],
)  # fmt: skip
def test_an_account_in_a_url_is_neither_a_platform_nor_a_title(url: str) -> None:
    margins = tally([line(0, url)]).margins()
    assert "jdoe" not in repr(margins)
    assert margins["total_item_investigations|2026-03|platform"] == {"h.example": 1}
