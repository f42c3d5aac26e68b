"""What every shipped map must keep, asked of a real server with planted people: ``promise(staged(case, ...))``."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.maps import tables
from tests.maps.case import Case
from tests.maps.due import Reading, Snapshot
from tests.maps.expected import Expected, differences, documents
from tests.maps.marks import marks, names_in, needles, statements_of
from tests.maps.planting import PATRONS
from tests.maps.stage import Stage


def promise(stage: Stage) -> None:
    """Find, plan, sever and check; then assert everything a map must keep."""
    case = stage.case
    before = stage.snapshot()
    _everything_planted(case, before)
    expected = expect(stage, before)
    stage.said.clear()
    with statements_of(stage.server) as statement_log:
        _due(stage, expected.due)
        severed = _severed(stage)
        assert severed == {name: rows for name, rows in expected.severed.items() if rows}
        hashed = _hashed(expected)
        checked = stage.run("check", code=1 if hashed else 0)
        assert {each["place"] for each in checked["findings"]} == hashed, checked["findings"]
        assert _attacks(case) <= set(checked["checked"]), checked["not_looked_at"]
        after = stage.snapshot()
        stage.lab.close()
    _nothing_left(case, after)
    as_the_map_says(stage, expected, before, after)
    _statistics_whole(stage, before, after)
    _no_byte_names_anybody(stage, bytes(statement_log))
    _a_second_run_changes_nothing(stage, after, hashed)
    _an_unmapped_table_is_reported(stage)
    _a_missing_right_is_named(stage)


def _everything_planted(case: Case, before: Snapshot) -> None:
    """Every field that says who, and every field that severing changes, holds something before it."""
    asked, empty = set(), set()
    for series in case.loaded.series:
        fields = case.loaded.tables[series.table].fields
        if series.table not in case.tables:
            continue
        here = {column.name for column in case.tables[series.table]}
        severed = () if isinstance(series.sever, str) else series.sever
        for name in {*series.persons, *severed}:
            column = fields[name].column
            if column not in here:
                continue
            asked.add(f"{series.id}: {column}")
            values = [value for row in before[series.table] for value in _at(row, column.split("."))]
            if name in series.persons and not any(map(marks, values)):
                empty.add(f"{series.id}: {column}")
            if not any(value not in (None, "", b"", 0) for value in values):
                empty.add(f"{series.id}: {column}")
    excused = asked & set(case.unmarked)
    assert empty == excused, f"planted nobody in {sorted(empty - excused)}; somebody in {sorted(excused - empty)}"


def _at(found: Any, steps: list[str]) -> list[Any]:
    """Return what stands at a path of a row."""
    if isinstance(found, str) and found.startswith("{"):
        found = json.loads(found)
    if not steps:
        return [found]
    way, rest = steps[0].removesuffix("[]"), steps[1:]
    inner = found.get(way) if isinstance(found, dict) else None
    each = inner if steps[0].endswith("[]") and isinstance(inner, list) else [inner]
    return [value for one in each for value in _at(one, rest)]


def _hashed(expected: Expected) -> set[str]:
    """Return the series of weak pseudonyms of which what is within its retention is left: each is a finding."""
    reading = expected.reading
    weak = [series for series in reading.loaded.series if series.weak]
    return {
        series.id
        for series in weak
        if any(reading.truth(series.table, row, series.is_tied()) for row in reading.rows.get(series.table, ()))
    }


def _attacks(case: Case) -> set[str]:
    """Return the re-link attacks this release has the columns for: each must have been run."""
    there = {f"{table}.{column.name}" for table, columns in case.tables.items() for column in columns}
    return {f"re-link: {attack.name}" for attack in case.loaded.relinks if set(attack.needs) <= there}


def expect(stage: Stage, before: Snapshot) -> Expected:
    """Return what severing must leave of a snapshot, by other code than the code that severs or proves."""
    rows = {name: documents(each) for name, each in {**before, **stage.views()}.items()}
    reading = Reading(stage.case.loaded, rows, stage.case.retention)
    expected = Expected(reading, stage.case.tables, stage.case.counted_up)
    expected.sever()
    return expected


def _due(stage: Stage, expected: Mapping[str, int]) -> None:
    stage.said.append(stage.lab.run("find").said)
    found = stage.run("find", code=1)
    assert not found["refused"], found["refused"]
    assert not found["unmapped"], found["unmapped"]
    withheld = {series["series"]: series["withheld"] for series in found["series"] if series["withheld"]}
    assert not withheld, withheld
    due = {series["series"]: series["due"] for series in found["series"]}
    assert due == expected, "every series that is here is counted"
    assert any(series["within_retention"] for series in found["series"]), "what was lately is kept"
    here = [series for series in stage.case.loaded.series if series.id in due]
    severed = {s.id for s in here if s.sever != "nothing" and stage.case.has_persons(s)} - stage.case.never_due
    missing = [name for name in sorted(severed) if due[name] < PATRONS]
    assert not missing, f"every series that severs needs planted rows that are due: {missing}"
    due_after_all = [name for name in sorted(stage.case.never_due) if due[name]]
    assert not due_after_all, f"rows of {due_after_all} can be due"


def _severed(stage: Stage) -> dict[str, int]:
    """Sever by a plan; return series -> rows."""
    plan = str(stage.lab.folder / "plan.json")
    planned = stage.run("plan", "--out", plan, code=0)
    assert not planned["not_planned"], planned["not_planned"]
    done = stage.run("-v", "sever", "--plan", plan, code=0)
    assert all(step["still_due"] == 0 for step in done["steps"])
    return {step["series"]: int(step["severed"]) for step in done["steps"] if step["severed"]}


def _nothing_left(case: Case, after: Snapshot) -> None:
    left = names_in(after)
    stays = {place for place in left if place in case.stays or place.rpartition(".")[0] in case.stays}
    assert left == stays, f"a marked person is left in {sorted(left - stays)}"
    named = {place if place in case.stays else place.rpartition(".")[0] for place in stays}
    assert set(case.stays) == named, f"nobody is named in {sorted(set(case.stays) - named)}: the reason is out of date"


def as_the_map_says(stage: Stage, expected: Expected, before: Snapshot, after: Snapshot) -> None:
    """Every cell of every row: what is severed holds what the map says, and everything else what it held."""
    assert set(after) == set(before)
    for table, rows in before.items():
        wrong = differences(expected.reading.rows[table], documents(after[table]), documents(rows))
        assert not wrong, f"{table} is not what the map says: {wrong[:4]}"
    for table, rows in stage.bystanders.items():
        kept = Counter(map(repr, after[table]))
        touched = [row for row in rows if not kept[repr(row)]]
        assert not touched, f"{table}: an open row was touched: {touched}"


def _statistics_whole(stage: Stage, before: Snapshot, after: Snapshot) -> None:
    """What was counted before is counted still: in the live rows, or in the tallies of the deleted ones."""
    loaded = stage.case.loaded
    for measure in loaded.measures:
        if measure.table not in stage.case.tables or not measure.date:
            continue  # without a date it says how many there are today
        total = f"SELECT SUM(rows_counted) FROM totals WHERE measure = '{measure.id}' AND margin = ''"
        counted = stage.lab.state(total)[0][0]
        assert counted, f"{measure.id}: nothing was planted that is counted"
        if measure.when is None:
            assert counted == len(before[measure.table]), measure.id
            assert stage.lab.tally(measure.id) == len(before[measure.table]) - len(after[measure.table]), measure.id
        for margin in measure.by:
            by = f"SELECT SUM(rows_counted) FROM totals WHERE measure = '{measure.id}' AND margin = '{margin}'"
            assert stage.lab.state(by)[0][0] == counted, (measure.id, margin)


def _no_byte_names_anybody(stage: Stage, statement_log: bytes) -> None:
    said = "".join(stage.said).encode()
    read = 0
    database = Path(sa.make_url(stage.lab.url).database or "") if stage.server is None else None
    for path in sorted(path for path in stage.lab.folder.rglob("*") if path.is_file() and path != database):
        raw = path.read_bytes()
        read += len(raw)
        assert [needle for needle in needles() if needle in raw] == [], path
    assert read > 50_000
    for line in (said + bytes(statement_log)).splitlines():
        assert not any(needle in line for needle in needles()), line
    assert stage.server is None or b"reticent_receipts" in statement_log


def _a_second_run_changes_nothing(stage: Stage, after: Snapshot, hashed: set[str]) -> None:
    plan = str(stage.lab.folder / "again.json")
    assert not any(step["rows"] for step in stage.run("plan", "--out", plan, code=0)["steps"])
    assert not any(step["severed"] for step in stage.run("sever", "--plan", plan, code=0)["steps"])
    now = stage.snapshot()
    assert {name for name in after if Counter(map(repr, now[name])) != Counter(map(repr, after[name]))} == set()
    assert sum(series["due"] for series in stage.run("find", code=1 if hashed else 0)["series"]) == 0


def _an_unmapped_table_is_reported(stage: Stage) -> None:
    """One by the name of a column, one by a key to the people; the map knows neither."""
    roster = stage.case.loaded.roster
    assert roster is not None
    column = stage.case.loaded.tables[roster.table].fields[roster.number].column
    dialect = stage.lab.engine.dialect
    kind = next(part for part in tables.statements(dialect, {"x": [
        c for c in stage.case.tables[roster.table] if c.name == column
    ]}) if part.startswith("CREATE TABLE"))  # fmt: skip
    kind = kind.partition("(")[2].split(" ", 2)[1]
    people, key = tables.quoted(dialect, roster.table), tables.quoted(dialect, column)
    schema = "".join(roster.table.rpartition(".")[:2])
    keyed = bool(stage.case.loaded.drift.person_tables)  # a copy for reports has no keys
    stage.lab.do(f"CREATE TABLE {schema}local_visits (id integer PRIMARY KEY, email varchar(100), seen date)")
    if keyed:
        key_of = f"FOREIGN KEY (whose) REFERENCES {people} ({key})"
        stage.lab.do(f"CREATE TABLE {schema}local_lockers (id integer PRIMARY KEY, whose {kind}, {key_of})")
    found = {place["place"] for place in stage.run("find", code=1)["unmapped"]}
    assert found == {f"{schema}local_visits", f"{schema}local_lockers"} if keyed else {f"{schema}local_visits"}


def _a_missing_right_is_named(stage: Stage) -> None:
    """Each tenth grant of the find account is taken away; what is said names the table and what mends it."""
    for grant in stage.granted[::10]:
        table = re.findall(r"\w+", grant.partition(" ON ")[2].partition(" TO ")[0])[-1]
        stage.administer(grant.replace("GRANT", "REVOKE", 1).replace(" TO ", " FROM "))
        said = json.dumps(stage.run("find", code=3))
        stage.administer(grant)
        assert table in said, (table, said)
        assert "GRANT SELECT" in said or "--grants" in said, said
