"""A library with officers: a lab whose three officers have SSH and age keys, a gate, orders they sign."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.acts import kit
from tests.policy.helpers import Book, Keys

from reticent.acts.gate import open_gate
from reticent.acts.opening import Opened, open_site
from reticent.acts.release import Task
from reticent.model import RecordClass
from reticent.policy.gate import Asker, Gate
from reticent.policy.orders import Act, Order, Paper
from reticent.policy.permits import Scope
from reticent.ports import Clock

ROLES = ("custodian", "counsel", "alternate")
CUSTODIAN = Asker("staff-1", frozenset({"custodian"}))
EVERY = frozenset(RecordClass)
PAPER = "order no. 12-CV-334 of the Circuit Court of Lake County"


@dataclass
class Office:
    """Officers with real keys, around a lab. ``clock`` moves the gate's and the state's time."""

    lab: kit.Lab
    keys: Path
    clock: Clock | None = None
    more: str = ""
    book: Book = field(default_factory=Book)
    scope: Scope = field(default_factory=Scope)

    def __post_init__(self) -> None:
        self.ssh = Keys(self.keys)
        self.write_site()

    def write_site(self, swapped: Mapping[str, str] | None = None) -> None:
        """Write reticent.toml; ``swapped`` gives a role the age key of another file."""
        lines = []
        for role in ROLES:
            key = self.ssh.officer(role).sign
            age = public(self.age_key((swapped or {}).get(role, role)))
            lines.append(f'{role} = {{ name = "The {role}", sign = "{key}", age = "{age}" }}')
        officers = "[officers]\n" + "\n".join(lines)
        self.lab.write_site(more=f"{officers}\n{self.more}")

    def age_key(self, role: str) -> Path:
        """Return an officer's own age key file."""
        path = self.keys / f"{role}.age-key"
        if not path.exists():
            subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
        return path

    def open(self) -> tuple[Opened, Gate]:
        """Open the site and its gate, as a command would."""
        opened = open_site(self.lab.folder / "reticent.toml", self.clock)
        return opened, open_gate(opened, self.book)

    def signed(self, text: bytes, *roles: str) -> dict[str, bytes]:
        """Return role -> the armoured signature of a statement."""
        return {role: str.encode(_text(self.ssh.sign(role, text).signature)) for role in roles}

    def card(self, few: int = 0) -> tuple[int, str]:
        """Return (number, card) of the reader with the most returned loans, or of the ``few``-th next."""
        number = self.lab.ask(
            "SELECT o.borrowernumber FROM old_issues o JOIN borrowers USING (borrowernumber)"
            " WHERE cardnumber <> 'ANONYMOUS' GROUP BY o.borrowernumber"
            f" ORDER BY COUNT(*) DESC, o.borrowernumber LIMIT 1 OFFSET {few}"
        )
        return number, self.lab.ask("SELECT cardnumber FROM borrowers WHERE borrowernumber = :n", n=number)

    def order(self, scope: Scope, **paper: object) -> Order:
        """A good court order for a scope, of today."""
        now = self.clock.now() if self.clock else datetime.now(UTC)
        values: dict[str, object] = {
            "kind": "court_order",
            "recipient_kind": "lawEnforcement",
            "recipient": "agency-7",
            "valid_from": now - timedelta(days=3),
            "valid_until": now + timedelta(days=90),
            "good_cause": True,
            "specific_facts": True,
            "competent_jurisdiction": True,
            "document": "d" * 64,
        }
        return Order("2026-014", "n" * 32, Paper(**(values | paper)), scope, "MAY")  # type: ignore[arg-type]

    def task(
        self,
        gate: Gate,
        order: Order,
        act: Act = "release",
        by: Sequence[str] = ("custodian", "counsel"),
        accounts: Mapping[str, str] | None = None,
    ) -> Task:
        """The task of an order these officers signed for one act."""
        message = order.statement(act, gate.digest)
        approvals = [self.ssh.sign(role, message) for role in by]
        urls = {"ils": self.lab.url} if accounts is None else accounts
        return Task(order, approvals, CUSTODIAN, urls, PAPER, "Wis. Stat. 43.30", confirmed=True)


def _text(armour: str | bytes) -> str:
    return armour if isinstance(armour, str) else armour.decode()


def public(key: Path) -> str:
    """Return the public half of an age key file."""
    return subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True).stdout.strip()


def age_open(sealed: bytes, key: Path) -> bytes:
    """Decrypt with the stock program."""
    return subprocess.run(["age", "-d", "-i", key], input=sealed, check=True, capture_output=True).stdout


def unzipped(data: bytes) -> dict[str, bytes]:
    """Unpack without our reader."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def whole(*cards: str, **more: object) -> Scope:
    """The scope of some cards: every class, all time."""
    return Scope(**({"patrons": frozenset(cards), "classes": EVERY} | more))  # type: ignore[arg-type]
