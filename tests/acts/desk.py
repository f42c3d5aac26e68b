"""A library with a desk: officers with real SSH and age keys, a clock the test moves, and the acts on inquiries."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage
from tests.keyring.ssh import sign
from tests.policy.helpers import FixedClock, Keys

from reticent.acts import inquiry as acts
from reticent.acts import law
from reticent.acts.casebook import Casebook, Inquiry
from reticent.acts.inquiry import Offer, Outcome
from reticent.acts.opening import Opened, open_site
from reticent.guard.words import Step
from reticent.keyring import officers as signatures

NOW = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
ROLES = ("custodian", "counsel", "alternate")
SITE = """
[library]
name = "Lakeside Public Library"
branches = "all"
{jurisdiction}
[officers]
{officers}
[state]
path = "state"
keys = "keys"
{more}
[systems.ils]
kind = "koha"
{accounts}
"""
ACCOUNTS = """
[systems.ils.accounts]
find = "{url}"
sever = "{url}"
prove = "{url}"
[systems.ils.decisions]
history = "sever"
sessions = "sever"
"""
SCOPE: dict[str, object] = {
    "patrons": ["51"],
    "classes": ["circulation"],
    "since": "2026-01-01",
    "before": "2026-11-01",
}
PAPER: dict[str, object] = {
    "kind": "court_order",
    "court": "own_state",
    "court_name": "Circuit Court of Lake County",
    "judge": "Hon. Pat Example",
    "docket": "12-CV-334",
    "issued": "2026-11-25",
    "served": "2026-11-30",
    "served_on": "custodian",
    "returns": "2026-12-21",
    "valid_until": "2027-01-31",
    "scope": SCOPE,
}


def toml(values: Mapping[str, object]) -> str:
    """Write a sheet; ISO days become TOML dates."""
    lines, tables = [], []
    for name, value in values.items():
        if isinstance(value, Mapping):
            tables.append(f"[{name}]\n{toml(value)}")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            tables += [f"[[{name}]]\n{toml(one)}" for one in value]
        elif isinstance(value, str) and len(value) == 10 and value[4:5] == value[7:8] == "-":
            lines.append(f"{name} = {value}")
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join([*lines, *tables]) + "\n"


class Signer:
    """Signs with stock keys, and remembers signatures: the same statement is signed once."""

    def __init__(self, folder: Path) -> None:
        self.keys, self._made = Keys(folder), dict[tuple[str, bytes], bytes]()

    def __call__(self, role: str, text: bytes) -> bytes:
        if (role, text) not in self._made:
            self._made[role, text] = sign(self.keys.folder / role, text).encode()
        return self._made[role, text]


@dataclass
class Desk:
    """One library. ``more`` stands in reticent.toml before the systems."""

    folder: Path
    signer: Signer
    jurisdiction: str = "US-WI"
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    more: str = ""
    confirmed: bool = False
    url: str = ""
    _opened: Opened | None = None

    def __post_init__(self) -> None:
        self.identities = {role: self._age(role) for role in ROLES}
        self.write_site()
        if self.confirmed:
            self.confirm_law()

    def _age(self, role: str) -> str:
        path = self.signer.keys.folder / f"{role}.age"
        if not path.exists():
            path.write_text(str(pyrage.x25519.Identity.generate()) + "\n")
        return path.read_text()

    def write_site(self, **instead: str) -> None:
        """Write reticent.toml; ``instead`` gives a role another person's keys."""
        self.folder.mkdir(exist_ok=True)
        self.changed()
        lines = []
        for role in ROLES:
            who = instead.get(role, role)
            key = self.signer.keys.officer(who).sign
            identity = pyrage.x25519.Identity.from_str(self._age(who).strip())
            lines.append(f'{role} = {{ name = "The {who}", sign = "{key}", age = "{identity.to_public()}" }}')
        place = f'jurisdiction = "{self.jurisdiction}"' if self.jurisdiction else ""
        accounts = ACCOUNTS.format(url=self.url) if self.url else ""
        text = SITE.format(jurisdiction=place, officers="\n".join(lines), more=self.more, accounts=accounts)
        (self.folder / "reticent.toml").write_text(text)

    def changed(self) -> None:
        """The site file is another: it is opened anew, as if sitting officers had signed any change of officers."""
        if self._opened is not None:
            self._opened._engine.dispose()  # type: ignore[attr-defined]
        self._opened = None
        state = self.folder / "state" / "state.sqlite"
        if state.exists():
            with contextlib.closing(sqlite3.connect(state)) as connection:
                connection.execute("DELETE FROM facts WHERE name = 'officers'")
                connection.commit()

    @property
    def opened(self) -> Opened:
        """The site, opened once for as long as its file stands."""
        if self._opened is None:
            self._opened = open_site(self.folder / "reticent.toml", self.clock)
        return self._opened

    def confirm_law(self) -> None:
        """Counsel confirms the pack."""
        law.confirm(self.opened, self.jurisdiction, None)
        text = (self.folder / "state" / f"law-{self.jurisdiction}.txt").read_bytes()
        law.confirm(self.opened, self.jurisdiction, self.signer("counsel", text))

    def file(self, name: str = "paper.txt", content: bytes = b"A paper.\n") -> Path:
        """Write a file to attach."""
        path = self.folder / name
        path.write_bytes(content)
        return path

    def sheet(self, values: Mapping[str, object]) -> Path:
        """Write a sheet."""
        return self.file("sheet.toml", toml(values).encode())

    def record(self, sheet: Mapping[str, object] | None = None, **facts: object) -> Inquiry:
        """Record a contact."""
        said = {"channel": "visit", "party": "lawEnforcement", "level": "local"} | facts
        return acts.record(self.opened, Offer(said, sheet=self.sheet(sheet) if sheet else None))

    def offer(
        self,
        inquiry: str,
        step: str,
        facts: Mapping[str, object] | None = None,
        files: Sequence[str] = (),
        sheet: Mapping[str, object] | None = None,
        age: int | None = None,
    ) -> Offer:
        """What comes with a step, unsigned."""
        paths = {name: self.file(f"{name}.txt", f"{name}\n".encode()) for name in files}
        return Offer(dict(facts or {}), paths, self.sheet(sheet) if sheet else None, {}, age)

    def take(self, inquiry: str, step: str, *by: str, identity: str = "custodian", **more: Any) -> Outcome:
        """Take a step, signed by these officers; the front line signs nothing."""
        offer = self.offer(inquiry, step, **more)
        act = acts.dispose if step == "dispose" else None
        who = self.identities.get(identity, "")

        def go(what: Offer) -> Outcome:
            return (
                act(self.opened, inquiry, what, who)
                if act
                else acts.advance(self.opened, inquiry, Step(step), what, who)
            )

        done = go(offer)
        if done.taken:
            return done
        signed = {role: self.signer(role, done.text) for role in by}
        return go(Offer(offer.facts, offer.files, offer.sheet, signed, offer.age))

    def load(self, inquiry: str) -> Inquiry:
        """Read an inquiry back from the register."""
        return Casebook(self.opened).load(inquiry)


def trusting(monkeypatch: Any) -> None:
    """Verify each signature once: the stock program is slow, and the same signatures are checked again and again."""
    real, known = signatures.verify, set[tuple[str, bytes, bytes]]()

    def verify(key: str, message: bytes, armour: str | bytes) -> None:
        asked = (key, message, armour.encode() if isinstance(armour, str) else armour)
        if asked not in known:
            real(*asked)
            known.add(asked)

    monkeypatch.setattr(signatures, "verify", verify)


def copy(desk: Desk, folder: Path) -> Desk:
    """The same library as it is now, in another folder, with a clock of its own."""
    if desk._opened is not None:
        desk._opened._engine.dispose()  # type: ignore[attr-defined]
        desk._opened = None
    shutil.copytree(desk.folder, folder)
    return Desk(folder, desk.signer, desk.jurisdiction, FixedClock(desk.clock.moment), desk.more, url=desk.url)
