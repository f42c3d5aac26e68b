"""Every setting and exposure of the Koha map, on a sample Koha: reported when it is risky, silent when it is not."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.stores import koha

from reticent.model import Setting
from reticent.site import read_site
from reticent.stores.sql.finder import SqlFinder
from reticent.systems.load import shipped
from reticent.systems.mapfile import SettingRule

KOHA = shipped("koha")
RULES = {rule.name: rule for rule in KOHA.settings}
SAFE = {
    "AnonymousPatron": "2", "AnonSuggestions": "1", "OPACPrivacy": "1", "HidePatronName": "1", "CheckPrevCheckout": "softno",
    "PatronRemovalDelay": "365",
}  # fmt: skip
"""What each preference says when nothing is wrong; "0" for the rest, which are switches."""

ISSUE = {
    "IssueLog", "ReturnLog", "HoldsLog", "EnableOpacSearchHistory", "StoreLastBorrower", "Pseudonymization",
    "PatronRemovalDelay", "staff who can write SQL reports", "staff who can run saved SQL reports",
    "saved reports that read who borrowed what", "attribute types that record citizenship or immigration status",
    "attribute types that record what a person is or an official number", "patrons whose sex is recorded",
}  # fmt: skip
"""What must be covered at least: logs, searches, last borrower, pseudonyms, retention, report rights, identity fields."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return koha.sample(tmp_path_factory.mktemp("library"))


@pytest.fixture
def found(library: Path, tmp_path: Path) -> Callable[..., dict[str, Setting]]:
    """Run statements on a copy of the sample; return what find says of its settings, by name."""
    path = tmp_path / "koha.db"
    shutil.copy(library, path)
    site = read_site(koha.write_site(tmp_path, dict.fromkeys(("find", "sever", "prove"), f"sqlite:///{path}")))

    def after(*statements: str) -> dict[str, Setting]:
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()
        return {setting.name: setting for setting in SqlFinder(site, "ils", KOHA).settings()}

    return after


def stored(name: str, value: str | None) -> tuple[str, ...]:
    """Statements that store a preference, or remove it."""
    delete = f"DELETE FROM systempreferences WHERE LOWER(variable) = LOWER('{name}')"
    if value is None:
        return (delete,)
    return delete, f"INSERT INTO systempreferences (variable, value) VALUES ('{name}', '{value}')"


def test_everything_the_promise_needs_is_covered() -> None:
    assert {*RULES, *(exposure.name for exposure in KOHA.exposures)} >= ISSUE


def test_every_risky_value_is_reported_and_every_safe_one_is_not(found: Callable[..., dict[str, Setting]]) -> None:
    for name, rule in RULES.items():
        # A stand-in patron that is not stored is told by the notes as well; the rule must say it all the same.
        for value in rule.risky or ("7",):
            setting = found(*stored(name, value or None)).get(name)
            assert setting is not None, (name, value)
            assert setting.value == (value or "not set")
            assert setting.why.endswith(".")
            assert setting.advice.endswith(".")
        for value in (SAFE.get(name, "" if rule.safe == ("",) else "0"),):
            assert name not in found(*stored(name, value)), (name, value)


def test_a_setting_is_found_whatever_its_case(found: Callable[..., dict[str, Setting]]) -> None:
    assert found(*stored("OpacPrivacy", "0"))["OPACPrivacy"].value == "0"
    assert "OPACPrivacy" not in found(*stored("opacprivacy", "1"))


def test_as_many_last_borrowers_as_a_newer_koha_is_told_to_keep(found: Callable[..., dict[str, Setting]]) -> None:
    assert found(*stored("StoreLastBorrower", "3"))["StoreLastBorrower"].value == "3"
    assert "StoreLastBorrower" not in found(*stored("StoreLastBorrower", None))


@pytest.mark.parametrize(
    ("exposure", "statement", "more"),
    [
        ("staff who can write SQL reports", "UPDATE borrowers SET flags = 1 WHERE borrowernumber = {n}", 1),
        ("staff who can write SQL reports", "UPDATE borrowers SET flags = 65536 WHERE borrowernumber = {n}", 1),
        ("staff who can write SQL reports", "UPDATE borrowers SET flags = 4 WHERE borrowernumber = {n}", 0),
        (
            "staff who can write SQL reports",
            "INSERT INTO user_permissions (borrowernumber, module_bit, code) VALUES ({n}, 16, 'create_reports')",
            1,
        ),
        (
            "staff who can run saved SQL reports",
            "INSERT INTO user_permissions (borrowernumber, module_bit, code) VALUES ({n}, 16, 'execute_reports')",
            1,
        ),
        (
            "attribute types that record citizenship or immigration status",
            "INSERT INTO borrower_attribute_types (code, description) VALUES ('X1', 'Citizenship')",
            1,
        ),
        (
            "attribute types that record citizenship or immigration status",
            "INSERT INTO borrower_attribute_types (code, description) VALUES ('VISA', 'Paper')",
            1,
        ),
        (
            "attribute types that record what a person is or an official number",
            "INSERT INTO borrower_attribute_types (code, description) VALUES ('X2', 'Driver''s licence no.')",
            1,
        ),
        (
            "attribute types that record what a person is or an official number",
            "INSERT INTO borrower_attribute_types (code, description) VALUES ('X3', 'Newsletter')",
            0,
        ),
        ("patrons whose sex is recorded", "UPDATE borrowers SET sex = 'X' WHERE borrowernumber = {n}", 1),
        (
            "saved reports that read who borrowed what",
            "INSERT INTO saved_sql (savedsql) VALUES ('SELECT borrowernumber FROM old_issues')",
            1,
        ),
    ],
)
def test_an_exposure_counts(found: Callable[..., dict[str, Setting]], exposure: str, statement: str, more: int) -> None:
    plain = "(SELECT MAX(borrowernumber) FROM borrowers)"
    before = found(f"UPDATE borrowers SET flags = NULL, sex = NULL WHERE borrowernumber = {plain}",
                   f"DELETE FROM user_permissions WHERE borrowernumber = {plain}")  # fmt: skip
    after = found(statement.replace("{n}", plain))
    counts = [int(said[exposure].value) if exposure in said else 0 for said in (before, after)]
    assert counts[1] - counts[0] == more


@pytest.mark.parametrize("values", [{}, {"risky": ("1",), "safe": ("0",)}])
def test_a_rule_names_its_risky_or_its_safe_values(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="needs risky or safe"):
        SettingRule(name="X", why="w", advice="a", **values)
