"""The policy map and the threat model name only what exists, and every requirement once."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from reticent.model import RecordClass

ROOT = Path(__file__).parents[2]
STATES = {"kept", "partly", "not yet", "for people"}
AUTHORITIES = {"policy text", "guidelines and procedures", "checklists", "statute", "ours"}
CODE = re.compile(r"`([^`]+)`")


class Row(NamedTuple):
    id: str
    clause: str
    authority: str
    promise: str
    module: str
    test: str
    state: str


def table(name: str, letter: str) -> list[list[str]]:
    """Return the cells of every table row whose first cell is a letter and a number."""
    lines = (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in rows if re.fullmatch(rf"{letter}\d+", row[0])]


ROWS = [Row(*cells) for cells in table("policy-map.md", "R")]
GUARANTEES = table("threat-model.md", "G")


def fault(test: str) -> str:
    """Say what is wrong with a test's name; nothing when the test exists."""
    path, _, function = test.partition("::")
    if not (ROOT / path).is_file():
        return f"{path} is not there"
    found = re.search(rf"^\s*def {re.escape(function)}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    return "" if not function or found else f"{function} is not in {path}"


def test_every_requirement_is_there_exactly_once() -> None:
    assert [row.id for row in ROWS] == [f"R{number}" for number in range(1, 51)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row_names_only_what_exists(row: Row) -> None:
    assert row.clause
    assert set(row.authority.split(", ")) <= AUTHORITIES
    assert re.match(r"\*\*(rule|promise)\*\*: ", row.promise)
    assert row.state in STATES
    for module in CODE.findall(row.module):
        assert (ROOT / "src" / "reticent" / module).exists(), module
    for test in CODE.findall(row.test):
        assert not fault(test)


@pytest.mark.parametrize("row", [row for row in ROWS if row.state in ("kept", "partly")], ids=lambda row: row.id)
def test_what_is_called_kept_names_module_and_test(row: Row) -> None:
    assert any((ROOT / "src" / "reticent" / module).is_file() for module in CODE.findall(row.module))
    assert CODE.findall(row.test)


def test_guarantees_are_numbered_and_name_tests_that_exist() -> None:
    assert [row[0] for row in GUARANTEES] == [f"G{number}" for number in range(1, len(GUARANTEES) + 1)]
    assert GUARANTEES
    for row in GUARANTEES:
        tests = CODE.findall(row[2])
        assert tests or row[2] == "not yet", row[0]
        assert not [fault(test) for test in tests if fault(test)], row[0]


@pytest.mark.parametrize(
    ("way", "classes"),
    [
        ("sought", "search reference hold_request suggestion"),  # R5
        ("consulted", "access activity_log"),  # R6, and the three below
        ("borrowed", "circulation interlibrary_loan digital_lending"),
        ("acquired", "print"),
        ("transmitted", "network notice"),
        ("facilities", "computer_session network print facility program surveillance"),  # R12
        ("anything else", "unclassified"),  # R11
    ],
)
def test_every_way_of_using_has_a_record_class(way: str, classes: str) -> None:
    assert set(classes.split()) <= set(RecordClass), way


def test_non_guarantees_are_numbered() -> None:
    rows = table("threat-model.md", "N")
    assert rows
    assert [row[0] for row in rows] == [f"N{number}" for number in range(1, len(rows) + 1)]


@pytest.mark.parametrize(
    ("test", "says"),
    [
        ("tests/docs/test_policy_map.py::test_non_guarantees_are_numbered", ""),
        ("tests/docs/test_policy_map.py::test_nothing", "test_nothing is not in"),
        ("tests/docs/test_absent.py::test_x", "is not there"),
    ],
)
def test_a_name_that_does_not_exist_is_noticed(test: str, says: str) -> None:
    assert says in fault(test)
    assert bool(says) == bool(fault(test))
