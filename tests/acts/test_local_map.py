"""A library's own map: nothing without two officers' signatures, and `check` ignores what it excuses."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.acts import kit

from reticent.keyring.officers import statement
from reticent.systems.load import MAPS, load_map

OFFICERS = (
    '[officers]\ncustodian = {{ name = "Director", sign = "{}" }}\ncounsel = {{ name = "Counsel", sign = "{}" }}\n'
)


@pytest.fixture
def own(sqlite_lab: kit.Lab) -> kit.Lab:
    """A library whose map calls a table of patrons harmless and holds every finished hold back."""
    text = (MAPS / "koha.toml").read_text(encoding="utf-8")
    text = text.replace("[harmless]\n", '[harmless]\npatron_scores = "nobody looks at it"\n')
    text = text.replace(
        'table = "old_reserves"\nclass',
        'table = "old_reserves"\nheld = [{ reason = "we like them", when = "TRUE" }]\nclass',
    )
    (sqlite_lab.folder / "own.toml").write_text(text, encoding="utf-8")
    shutil.copy(MAPS / "koha.columns.csv", sqlite_lab.folder)
    with sqlite_lab.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE patron_scores (borrowernumber INTEGER, score INTEGER)")
    for name in ("custodian", "counsel"):
        key = str(sqlite_lab.folder / name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = [" ".join((sqlite_lab.folder / f"{n}.pub").read_text().split()[:2]) for n in ("custodian", "counsel")]
    sqlite_lab.write_site(more=OFFICERS.format(*public), system='map = "own.toml"')
    return sqlite_lab


def sign(folder: Path, role: str) -> None:
    message = folder / f"{role}.statement"
    message.write_bytes(statement("map", {"map": load_map(folder / "own.toml").digest}))
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", "reticent", "-f", str(folder / role), str(message)], check=True
    )
    shutil.move(f"{message}.sig", folder / f"own.toml.{role}.sig")


def test_an_own_map_needs_two_officers(own: kit.Lab) -> None:
    refused = own.run("--json", "find")
    assert refused.code == 3
    assert "two officers" in refused.said
    sign(own.folder, "custodian")
    assert own.run("find").code == 3
    sign(own.folder, "counsel")
    found = own.run("--json", "find").json
    held = next(series for series in found["series"] if series["series"] == "old_reserves")
    assert held["due"] == 0
    assert held["withheld"]["we like them"] > 0
    assert "patron_scores" not in {place["place"] for place in found["unmapped"]}


def test_check_ignores_what_an_own_map_excuses(own: kit.Lab) -> None:
    sign(own.folder, "custodian")
    sign(own.folder, "counsel")
    findings = {(f["kind"], f["place"]) for f in own.run("--json", "check").json["findings"]}
    assert ("due ties", "old_reserves") in findings
    assert ("unmapped place", "patron_scores") in findings


def test_an_edited_map_loses_its_signatures(own: kit.Lab) -> None:
    sign(own.folder, "custodian")
    sign(own.folder, "counsel")
    with (own.folder / "own.toml").open("a", encoding="utf-8") as handle:
        handle.write("# one more line\n")
    assert own.run("find").code == 3


def test_officers_somebody_wrote_into_the_file_sign_no_map(own: kit.Lab) -> None:
    sign(own.folder, "custodian")
    sign(own.folder, "counsel")
    assert own.run("find").code == 1
    site = own.folder / "reticent.toml"
    text = site.read_text(encoding="utf-8")
    for name in ("custodian", "counsel"):
        before = " ".join((own.folder / f"{name}.pub").read_text().split()[:2])
        for path in (own.folder / name, own.folder / f"{name}.pub"):
            path.unlink()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(own.folder / name)], check=True)
        text = text.replace(before, " ".join((own.folder / f"{name}.pub").read_text().split()[:2]))
        sign(own.folder, name)
    site.write_text(text, encoding="utf-8")
    refused = own.run("find")
    assert refused.code == 3
    assert "not those who sit" in refused.said


def test_a_system_that_does_not_answer_is_never_called_kept(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.write_site()
    site = sqlite_lab.folder / "reticent.toml"
    site.write_text(site.read_text().replace("prove =", "# prove ="))
    said = sqlite_lab.run("--json", "check")
    assert said.code == 3
    assert said.json["verdict"].startswith("Nobody can say: ils could not be asked")
    assert said.json["promise_kept"] is False
