"""What the tests of the gate share: a clock, journals, a register, officers with real keys."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from reticent.keyring.officers import Officer
from reticent.policy import bundle
from reticent.policy.bundle import Bundle, statements
from reticent.policy.orders import Approval, Order, Paper
from reticent.policy.permits import Scope

EDITS = Path(__file__).parent / "edits"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
NOTES = '@cite("c") @since("s") @says("s.") '


@dataclass
class FixedClock:
    """A clock the test moves."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def wait(self, **how: int) -> None:
        self.moment += timedelta(**how)


@dataclass
class Book:
    """A journal that keeps its entries in memory."""

    entries: list[Mapping[str, object]] = field(default_factory=list)

    def append(self, entry: Mapping[str, object], *, once: str) -> int:
        self.entries.append(entry)
        return len(self.entries) - 1


@dataclass
class Register:
    """Serials of used permits."""

    used: set[str] = field(default_factory=set)

    def take(self, serial: str, expires: datetime) -> bool:
        if serial in self.used:
            return False
        self.used.add(serial)
        return True


@cache
def shipped() -> Bundle:
    """The shipped bundle, read once."""
    return bundle.load()


def with_rule(rule: str, base: Bundle | None = None) -> Bundle:
    """The shipped bundle with one local rule, annotated."""
    return (base or shipped()).replaced("rules/local.cedar", f'@id("local") {NOTES}{rule}\n')


def edited(name: str) -> tuple[Bundle, dict[str, str | list[str]]]:
    """Apply one named bad edit to the shipped bundle."""
    edit = tomllib.loads((EDITS / f"{name}.toml").read_text(encoding="utf-8"))
    base = shipped()
    text = base.files["rules/base.cedar"]
    if "add" in edit:
        return base.replaced("rules/local.cedar", edit["add"]), edit
    if "drop" in edit:
        [dropped] = [part for _, part in statements(text) if f'@id("{edit["drop"]}")' in part]
        return base.replaced("rules/base.cedar", text.replace(dropped, "")), edit
    assert text.count(edit["old"]) == 1, "the edit must fit exactly one place"
    return base.replaced("rules/base.cedar", text.replace(edit["old"], edit["new"])), edit


@dataclass
class Keys:
    """Officers' private keys in a folder, made and used by the stock ssh-keygen."""

    folder: Path

    def officer(self, role: str, name: str | None = None, key: str | None = None) -> Officer:
        path = self.folder / (key or role)
        if not path.exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
            subprocess.run(command, check=True, capture_output=True)
        return Officer(role, name or role.title(), path.with_suffix(".pub").read_text().strip())

    def sign(self, role: str, message: bytes, key: str | None = None) -> Approval:
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(self.folder / (key or role)), "-n", "reticent"]
        done = subprocess.run(command, input=message, capture_output=True, check=True)
        return Approval(role, done.stdout)


def order(**changes: object) -> Order:
    """A good court order for one patron's circulation and holds in 2026."""
    paper = {
        "kind": "court_order",
        "recipient_kind": "lawEnforcement",
        "recipient": "agency-7",
        "valid_from": NOW - timedelta(days=3),
        "valid_until": NOW + timedelta(days=30),
        "good_cause": True,
        "specific_facts": True,
        "competent_jurisdiction": True,
    }
    whole = {"case": "2026-014", "nonce": "n" * 32, "law": "MUST", "scope": scope(), "sealed": False}
    paper |= {name: value for name, value in changes.items() if name in Paper.__dataclass_fields__}
    whole |= {name: value for name, value in changes.items() if name in whole}
    return Order(paper=Paper(**paper), **whole)  # type: ignore[arg-type]


def scope(**changes: object) -> Scope:
    """Patron 51, circulation and holds, 2026."""
    values: dict[str, object] = {
        "patrons": frozenset({"51"}),
        "classes": frozenset({"circulation", "hold_request"}),
        "since": datetime(2026, 1, 1, tzinfo=UTC),
        "before": datetime(2027, 1, 1, tzinfo=UTC),
    }
    return Scope(**(values | changes))  # type: ignore[arg-type]
