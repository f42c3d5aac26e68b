"""Find, plan and sever the sample library: every count and every byte of the outcome by literal SQL."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.acts import kit, literal

ALL = '[retention]\nregistration = "0 days"\npayment = "0 days"'


@pytest.fixture
def reference(sample: kit.Sample, tmp_path: Path) -> Path:
    """A second copy of the sample, to be severed by literal SQL."""
    file = tmp_path / "reference.db"
    shutil.copy(sample.file, file)
    return file


def _rows(file: Path, table: str, columns: set[str]) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        there = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
    return literal.plain([{name: row[name] for name in columns} for row in there])


def _same(rows: list[dict[str, Any]], file: Path, table: str, columns: set[str]) -> bool:
    ours = literal.plain([{name: row[name] for name in columns} for row in rows])
    return ours == _rows(file, table, columns)


def _columns(file: Path, table: str) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _lost_in_copying(lab: kit.Lab, file: Path) -> set[str]:
    """An older release has shorter columns and fewer words in its enumerations; those cannot be compared."""
    return {
        f"{table}.{name}"
        for table in lab.tables()
        if (rows := lab.table(table)) and not _same(rows, file, table, _columns(file, table) & set(rows[0]))
        for name in _columns(file, table) & set(rows[0])
        if not _same(rows, file, table, {name})
    }


def _forget_what_came_later(lab: kit.Lab, file: Path) -> None:
    """Empty what an older release has no table or column for."""
    there = {table: {c["name"] for c in sa.inspect(lab.engine).get_columns(table)} for table in lab.tables()}
    with closing(sqlite3.connect(file)) as connection:
        for table in {line[1] for line in literal.STATEMENTS} | {"return_claims"}:
            if table not in there:
                connection.execute(f"DELETE FROM {table}")
                continue
            for _, name, _, required, _, key in connection.execute(f"PRAGMA table_info({table})").fetchall():
                if name not in there[table] and not required and not key:
                    connection.execute(f"UPDATE {table} SET {name} = NULL")
        connection.commit()


def _same_tables(lab: kit.Lab, file: Path, lost: set[str]) -> None:
    for table in lab.tables():
        rows = lab.table(table)
        both = _columns(file, table) & set(rows[0] if rows else ())
        both = {name for name in both if f"{table}.{name}" not in lost}
        assert _same(rows, file, table, both), f"{table} differs from what literal SQL leaves"


def test_severs_exactly_what_literal_sql_severs_and_touches_nothing_else(lab: kit.Lab, reference: Path) -> None:
    lab.write_site(more=ALL)
    lost = _lost_in_copying(lab, reference)
    assert len(lost) < (10 if lab.old else 1), lost
    if lab.old:
        _forget_what_came_later(lab, reference)
    now = datetime.now()
    found = lab.run("--json", "find")
    assert found.code == 1, found.said
    expected = literal.due(reference, now)
    due = kit.due_of(found.json)
    assert {name: rows for name, rows in due.items() if rows} == {
        name: rows for name, rows in expected.items() if rows and name in due
    }
    plan = lab.plan()
    assert plan["not_planned"] == {}
    planned = {step["series"]: step["rows"] for step in plan["steps"] if step["rows"]}
    assert planned == {name: rows for name, rows in due.items() if rows}
    assert len(planned) > (30 if lab.old else 45)
    changed = literal.severed(reference, now, set(planned))
    done = lab.sever()
    assert done.code == 0, done.said
    assert {step["series"]: step["severed"] for step in done.json["steps"]} == changed
    assert all(step["still_due"] == 0 for step in done.json["steps"])
    _same_tables(lab, reference, lost)
    assert lab.ask("SELECT COUNT(*) FROM reticent_receipts WHERE run <> 'mark'") == 0
    again = lab.run("--json", "find")
    assert sum(kit.due_of(again.json).values()) == 0


def test_every_severed_series_of_the_map_has_its_literal_sql(sqlite_lab: kit.Lab) -> None:
    text = (Path(__file__).parents[2] / "src/reticent/systems/koha.toml").read_text()
    parts = text.split("[[series]]")[1:]
    severed = {
        re.search(r'^id = "(.+)"$', part, re.M)[1]  # type: ignore[index]
        for part in parts
        if 'sever = "nothing"' not in part
    }
    assert severed == {line[0] for line in literal.STATEMENTS} | literal.GONE_WITH_ACCOUNT


def test_the_counts_are_those_the_library_was_built_with(sample: kit.Sample, sqlite_lab: kit.Lab) -> None:
    """Where the map's rule is the one Truth states."""
    found = kit.due_of(sqlite_lab.run("--json", "find").json)
    same = [
        "items_last_borrower", "old_reserves", "hold_cancellation_requests", "club_holds_to_patron_holds",
        "article_requests", "recalls", "return_claims", "bookings", "curbside_pickups", "suggestions",
        "linktracker", "message_queue", "problem_reports", "tickets", "course_instructors",
    ]  # fmt: skip
    assert {name: found[name] for name in same} == {name: sample.truth.due[name] for name in same}
    notes = "SELECT COUNT(*) FROM illrequests WHERE borrowernumber IS NULL AND COALESCE(notesopac, notesstaff) <> ''"
    left = sqlite_lab.ask(notes)  # Koha clears a deleted patron's number and leaves what was noted about them
    assert found["illrequests"] == sample.truth.due["illrequests"] + left
    jobs = sample.truth.due["background_jobs"]
    assert found["background_jobs.statistics"] == jobs > 0
    histories = sample.truth.loans_forever_by_category + sample.truth.loans_forever_by_choice
    sqlite_lab.write_site()
    site = sqlite_lab.folder / "reticent.toml"
    site.write_text(site.read_text().replace('history = "sever"', ""))
    held = kit.due_of(sqlite_lab.run("--json", "find").json)
    assert held["old_issues"] == sample.truth.due["old_issues"] < found["old_issues"] <= held["old_issues"] + histories


def test_tallies_and_live_rows_add_up_to_what_was_there(sqlite_lab: kit.Lab) -> None:
    lab = sqlite_lab
    lab.write_site("search", "circulation")
    before = lab.ask("SELECT COUNT(*) FROM search_history")
    by_type = lab.ask("SELECT COUNT(*) FROM search_history WHERE type = 'biblio'")
    lab.do("UPDATE search_history SET time = '2099-01-01 00:00:00' WHERE id % 7 = 0")
    left = lab.ask("SELECT COUNT(*) FROM search_history WHERE id % 7 = 0")
    loans = lab.ask("SELECT COUNT(*) FROM statistics WHERE type IN ('issue', 'onsite_checkout')")
    lab.plan()
    assert lab.sever().code == 0
    assert lab.tally() == before - left
    assert lab.ask("SELECT COUNT(*) FROM search_history") == left
    kept = lab.ask("SELECT COUNT(*) FROM search_history WHERE type = 'biblio'")
    rows = lab.state("SELECT SUM(rows_counted) FROM tallies WHERE margin = 'type' AND value = 'biblio'")
    assert rows[0][0] == by_type - kept
    totals = "SELECT SUM(rows_counted) FROM totals WHERE measure = '{}' AND margin = ''"
    assert lab.state(totals.format("searches"))[0][0] == before
    assert lab.state(totals.format("loans"))[0][0] == loans
    assert lab.ask("SELECT COUNT(*) FROM statistics WHERE type IN ('issue', 'onsite_checkout')") == loans
    assert {margin for (margin,) in lab.state("SELECT DISTINCT margin FROM tallies")} == {"", "type"}, "never a joint"
    assert lab.state("SELECT COUNT(*) FROM receipts") == [(0,)], "nothing per chunk survives"
