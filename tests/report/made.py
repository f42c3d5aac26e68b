"""Results made by hand: every section of the page filled, every text from one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from reticent.report.results import Evidence, Purpose, Question, Results, Statistics

Say = Callable[[str], str]
MADE = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def plain(text: str) -> str:
    return text


def series(say: Say, name: str, record_class: str, ties: int, **counts: Any) -> dict[str, Any]:
    empty = {"open": 0, "within_retention": 0, "due": 0, "withheld": {}, "oldest": None, "newest": None}
    head = {"system": say("ils"), "series": say(name), "title": say(f"title of {name}"), "record_class": record_class}
    return {**head, "place": say(name), "ties": ties, **empty, **counts}


def inventory(say: Say, rows: list[dict[str, Any]]) -> dict[str, Any]:
    system = say("ils")
    return {
        "library": say("library"),
        "generated": MADE.isoformat(),
        "series": rows,
        "settings": [
            {"system": system, "name": say("IssueLog"), "value": say("1"), "why": say("why"), "advice": say("advice")}
        ],
        "unmapped": [{"system": system, "place": say("koha_plugin_x"), "columns": [say("owner")], "why": say("new")}],
        "weak_pseudonyms": [
            {"system": system, "place": say("pseudonyms"), "rows": 40, "why": say("one key")},
            {
                "system": system,
                "place": say("visits(token)"),
                "reversed": 4900,
                "of": 5000,
                "why": say("MD5"),
                "advice": say("null it"),
            },
        ],
        "copies": [
            {
                "system": system,
                "kind": "wal",
                "medium": say("write-ahead log"),
                "keeps": say("rows"),
                "expires": say("unknown"),
                "said": say("not looked at"),
                "looked_at": False,
                "overdue": False,
            },
            {
                "system": system,
                "kind": "dump",
                "medium": say("nightly: old.sql"),
                "keeps": say("its day"),
                "expires": say("30 days"),
                "said": say("identifiers stand in it"),
                "looked_at": True,
                "overdue": True,
            },
        ],
        "refused": [{"system": system, "series": say("tickets"), "why": say("a trigger")}],
        "notes": [],
        "not_looked_at": [{"system": system, "place": say("backups"), "why": say("they expire")}],
    }


def results(say: Say = plain, **changes: Any) -> Results:
    """Return results that fill the whole page; ``say`` makes every text that comes from outside."""
    held = {say("a reason"): 30, "the site has not set retention.payment": 12}
    before = [
        series(say, "old_issues", "circulation", 1200, due=1100, open=58, withheld=held),
        series(say, "search_history", "search", 300, due=300),
        series(say, "issues", "circulation", 70, open=50, within_retention=20),
    ]
    after = [
        series(say, "old_issues", "circulation", 100, open=58, withheld=held),
        series(say, "search_history", "search", 0),
        series(say, "issues", "circulation", 70, open=50, within_retention=20),
    ]
    step = {"place": say("old_issues"), "chunks": 1, "order": 20, "walk": "key"}
    steps = [("old_issues", 1100, "null, sentinel"), ("search_history", 300, "delete")]
    planned = [
        {**step, "system": say("ils"), "series": say(name), "disposition": how, "rows": rows, "held_back": {}}
        for name, rows, how in steps
    ]
    run = [
        {"system": say("ils"), "series": say("old_issues"), "planned": 1100, "severed": 1100, "still_due": 0},
        {"system": say("ils"), "series": say("search_history"), "planned": 300, "severed": 290, "still_due": 0},
    ]
    name = f"{say('ils')}/{say('issues')}"
    made = Results(
        library=say("Lakeside"),
        made=MADE,
        before=inventory(say, before),
        plan={
            "digest": say("d1"),
            "made": MADE.isoformat(),
            "steps": planned,
            "total": 1400,
            "breaks": [say("reports")],
            "not_planned": {say("ils/x"): say("refused")},
        },
        run={"steps": run, "gone": 10, "stopped": None, "notes": [say("a note")], "ledger": {}},
        after=inventory(say, after),
        check=check(say, [finding(say, "residue", 3)]),
        statistics=Statistics(
            {"loans": say("Loans"), "renewals": say("Renewals")},
            {"loans|2024-03|": {"": 480}, "loans|2025-03|": {"": 510}, "renewals|2025-03|": {"": 90}},
        ),
        evidence=Evidence(say("head"), say("key"), 7),
        purposes={name: Purpose(say("lend it"), say("it is back"))},
        questions={(say("ils"), say("a reason")): Question(say("history"), say("what?"), {say("sever"): say("so")})},
        sample=True,
    )
    return replace(made, **changes)


def finding(say: Say, kind: str, count: int) -> dict[str, Any]:
    return {"kind": kind, "system": say("ils"), "place": say("place"), "count": count, "advice": say("mend it")}


def check(say: Say, findings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a check's document."""
    not_looked_at = [{"system": say("ils"), "place": say("replicas"), "why": say("not named")}]
    kept = not findings
    return {"promise_kept": kept, "findings": findings, "checked": [say("one")], "not_looked_at": not_looked_at}
