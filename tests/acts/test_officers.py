"""Editing reticent.toml makes nobody an officer; two who sit do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acts import kit
from tests.acts.office import Office

from reticent.acts.officers import change, sitting
from reticent.acts.opening import Opened, open_site
from reticent.errors import EvidenceBroken, NotPermitted, UsageError


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    (tmp_path / "lab").mkdir()
    (tmp_path / "keys").mkdir()
    lab = kit.Lab(tmp_path / "lab", f"sqlite:///{tmp_path}/none.db")
    yield Office(lab, tmp_path / "keys")
    lab.close()


def site(office: Office) -> Opened:
    return open_site(office.lab.folder / "reticent.toml")


def swap(office: Office, role: str, other: str) -> None:
    """Put another person's signing key into reticent.toml."""
    file = office.lab.folder / "reticent.toml"
    mine, theirs = office.ssh.officer(role).sign, office.ssh.officer(role, key=other).sign
    file.write_text(file.read_text().replace(mine, theirs))


def test_the_first_officers_are_taken_as_given_and_the_ledger_says_nothing(office: Office) -> None:
    assert [one.role for one in sitting(site(office))] == ["alternate", "counsel", "custodian"]
    assert not site(office).ledger_path.exists()


def test_whoever_edits_the_file_is_no_officer(office: Office) -> None:
    sitting(site(office))
    swap(office, "counsel", "stranger")
    with pytest.raises(NotPermitted, match="changed: counsel"):
        sitting(site(office))


def test_two_who_sit_change_them_and_the_new_one_sits(office: Office) -> None:
    sitting(site(office))
    swap(office, "counsel", "stranger")
    text = change(site(office), {}).statement.read_bytes()
    assert not change(site(office), {}).done
    with pytest.raises(NotPermitted):
        change(site(office), office.signed(text, "custodian"))
    assert change(site(office), office.signed(text, "custodian", "alternate")).done
    assert office.lab.run("--json", "ledger", "verify").code == 0
    assert sitting(site(office))[1].sign == office.ssh.officer("counsel", key="stranger").sign


def test_a_newcomer_does_not_sign_themselves_in(office: Office) -> None:
    sitting(site(office))
    swap(office, "counsel", "stranger")
    text = change(site(office), {}).statement.read_bytes()
    both = office.signed(text, "custodian") | {"counsel": office.signed(text, "stranger")["stranger"]}
    with pytest.raises(NotPermitted):
        change(site(office), both)
    with pytest.raises(NotPermitted):
        sitting(site(office))


def test_signatures_for_one_change_do_not_fit_another(office: Office) -> None:
    sitting(site(office))
    swap(office, "counsel", "stranger")
    text = change(site(office), {}).statement.read_bytes()
    swap(office, "alternate", "accomplice")
    with pytest.raises(EvidenceBroken):
        change(site(office), office.signed(text, "custodian", "counsel"))


def test_where_nothing_changed_nothing_is_signed(office: Office) -> None:
    with pytest.raises(UsageError):
        change(site(office), {})
    sitting(site(office))
    with pytest.raises(UsageError):
        change(site(office), {})


def test_the_file_put_back_is_good_again(office: Office) -> None:
    sitting(site(office))
    before = (office.lab.folder / "reticent.toml").read_text()
    swap(office, "counsel", "stranger")
    (office.lab.folder / "reticent.toml").write_text(before)
    assert sitting(site(office))
