"""What programs read: exactly one document, with every key that was promised, and its exit code."""

from __future__ import annotations

from typing import Any

from tests.acts import kit


def _keys(document: dict[str, Any], *names: str) -> None:
    assert set(names) <= set(document)


def test_find_plan_sever_and_check_print_the_promised_documents(sqlite_lab: kit.Lab) -> None:
    lab = sqlite_lab
    lab.do("CREATE TABLE koha_plugin_com_x_readers (id INTEGER, borrowernumber INTEGER)")
    lab.write_site("search", "circulation")
    found = lab.run("--json", "find")
    assert (found.code, found.err) == (1, "")
    _keys(found.json, "library", "generated", "series", "settings", "unmapped", "weak_pseudonyms", "not_looked_at")
    for series in found.json["series"]:
        _keys(series, "system", "series", "record_class", "place", "ties", "open", "within_retention", "due")
        _keys(series, "oldest", "newest")
        counted = series["open"] + series["within_retention"] + series["due"] + sum(series["withheld"].values())
        assert series["ties"] == counted
    for setting in found.json["settings"]:
        _keys(setting, "system", "name", "value", "why", "advice")
    assert found.json["unmapped"]
    assert found.json["weak_pseudonyms"]
    _keys(found.json["not_looked_at"][0], "system", "place", "why")

    plan = lab.plan()
    _keys(plan, "digest", "cutoffs", "steps", "breaks", "total")
    for step in plan["steps"]:
        _keys(step, "system", "series", "place", "disposition", "rows", "chunks", "held_back")
    assert plan["total"] == sum(step["rows"] for step in plan["steps"])

    done = lab.sever()
    assert (done.code, done.err) == (0, "")
    _keys(done.json, "plan", "run", "severed", "steps", "ledger")
    assert done.json["plan"] == plan["digest"]
    for step in done.json["steps"]:
        _keys(step, "system", "series", "planned", "severed", "still_due")
    _keys(done.json["ledger"], "index", "size", "root")

    checked = lab.run("--json", "check")
    assert (checked.code, checked.err) == (1, "")
    _keys(checked.json, "promise_kept", "findings", "checked", "not_looked_at")
    for finding in checked.json["findings"]:
        _keys(finding, "kind", "system", "place", "count", "advice")
    assert checked.json["promise_kept"] is False


def test_json_may_be_asked_for_behind_the_command_too(sqlite_lab: kit.Lab) -> None:
    behind, before = sqlite_lab.run("law", "show", "US-DC", "--json"), sqlite_lab.run("--json", "law", "show", "US-DC")
    assert behind.json == before.json
    assert sqlite_lab.run("law", "show", "--", "--json").code == 2


def test_a_row_that_ties_two_is_severed_once_and_the_run_says_so(sqlite_lab: kit.Lab) -> None:
    """A log line ties a reader and a member of staff; deleted for the one, it is gone for the other."""
    lab = sqlite_lab
    lab.do("UPDATE action_logs SET timestamp = '2020-01-01 00:00:00'")
    lab.write_site("circulation", "staff_action")
    lab.plan()
    done = lab.sever().json
    steps = {step["series"]: step for step in done["steps"]}
    staff = steps["action_logs.staff"]
    assert staff["severed"] < staff["planned"]
    assert done["gone"] == sum(step["planned"] - step["severed"] - step["still_due"] for step in done["steps"]) > 0
    assert lab.run("--json", "find").json["series"]
    lab.write_site("search", "circulation", "staff_action")
    lab.plan()
    said = lab.run("sever", "--plan", str(lab.folder / "plan.json")).said
    assert "gone when their turn came" not in said, "nothing of the kind is left"
