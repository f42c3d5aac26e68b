"""A gate over the shipped bundle with real officers' keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.policy.helpers import Book, FixedClock, Keys, Register

from reticent.policy.adoption import Adopted, shipped
from reticent.policy.gate import Gate
from reticent.policy.orders import Act, Approval, Order


@dataclass
class Library:
    """A gate and everything around it, in reach of a test."""

    keys: Keys
    adopted: Adopted = field(default_factory=shipped)
    clock: FixedClock = field(default_factory=FixedClock)
    journal: Book = field(default_factory=Book)
    inquiries: Book = field(default_factory=Book)
    register: Register = field(default_factory=Register)

    def __post_init__(self) -> None:
        self.officers = tuple(self.keys.officer(role) for role in ("custodian", "counsel", "alternate"))
        self.gate = self.new_gate()

    def new_gate(self) -> Gate:
        return Gate(
            self.adopted,
            clock=self.clock,
            journal=self.journal,
            inquiries=self.inquiries,
            register=self.register,
            officers=self.officers,
        )

    def sign(self, order: Order, *roles: str, act: Act = "release", bundle: str | None = None) -> list[Approval]:
        message = order.statement(act, bundle or self.gate.digest)
        return [self.keys.sign(role, message) for role in roles]


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def library(key_folder: Path) -> Library:
    return Library(Keys(key_folder))
