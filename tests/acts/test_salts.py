"""What a ledger entry commits to can be guessed by nobody once its salt's day has come: `check` destroys it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.acts import kit

from reticent.acts.opening import open_site
from reticent.errors import NotPermitted
from reticent.keyring.salts import Salts


def test_check_destroys_the_salts_whose_day_has_come_and_a_hold_on_everything_keeps_them(sqlite_lab: kit.Lab) -> None:
    lab, today = sqlite_lab, datetime.now(UTC).date()
    site = open_site(lab.folder / "reticent.toml")
    salts = Salts(site.keys, site.record_of_keys)
    due = salts.commit({"case": "ab" * 32}, today - timedelta(days=1))
    later = salts.commit({"case": "cd" * 32}, today + timedelta(days=30))
    hold = site.holds.place("*", datetime.now(UTC) + timedelta(days=1))
    assert lab.run("check").code in (0, 1)
    assert salts.reveal(due)
    site.holds.release(hold)
    assert lab.run("check").code in (0, 1)
    with pytest.raises(NotPermitted, match="destroyed when its time came"):
        salts.reveal(due)
    assert salts.reveal(later)
    assert not [name for name in (lab.folder / "keys").iterdir() if due in name.name]
    assert lab.run("ledger", "verify").code == 0
