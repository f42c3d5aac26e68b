"""What is written about an inquiry and sealed to the officers at once: contact, notes, inventory.

Each is a TOML file a person fills in; the workflow keeps of it only what ``facts()`` returns.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from reticent.guard.instruments import InstrumentSheet, Name, ScopeSheet
from reticent.guard.words import Step

Long = Annotated[str, Field(max_length=4000)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ContactSheet(_Data):
    """A contact or visit (F1)."""

    agency: Name = ""
    agent: Name = ""
    agent_number: Name = ""
    verified_with_agency: bool = False
    place: Name = ""
    purpose_stated: Long = ""
    asked: Long = ""
    said: Long = ""
    targets: tuple[Name, ...] = ()
    """Whom it was about; sealed, and otherwise known only by a keyed mark."""

    def facts(self) -> dict[str, object]:
        """Return nothing: everything on it may name a person."""
        return {}


class NotesSheet(_Data):
    """Notes to any other step; where the step needs one, with the scope it is about."""

    notes: Long = ""
    names: tuple[Name, ...] = ()
    scope: ScopeSheet | None = None

    def facts(self) -> dict[str, object]:
        """Return how broad the scope is and which classes it names, if there is one."""
        if self.scope is None:
            return {}
        classes = sorted({str(name) for name in self.scope.classes})
        return {"breadth": [str(one) for one in self.scope.breadth()], "classes": classes}


class Thing(_Data):
    """One thing of a warrant's inventory (F9)."""

    what: Name
    where: Name = ""
    number: Name = ""
    at: Annotated[Name, BeforeValidator(str)] = ""
    """When; a TOML time or date will do."""
    done: Literal["viewed", "taken", "machine_taken"]


class InventorySheet(_Data):
    """What was viewed and taken while a warrant was executed (F9)."""

    present: tuple[Name, ...] = ()
    others_kept_unseen: bool
    """Whether no other user's record was seen."""
    things: tuple[Thing, ...] = ()

    def facts(self) -> dict[str, object]:
        """Return the counts."""
        done = [thing.done for thing in self.things]
        return {
            "viewed": done.count("viewed"),
            "taken": done.count("taken") + done.count("machine_taken"),
            "machines": done.count("machine_taken"),
        }


Sheet = ContactSheet | InstrumentSheet | InventorySheet | NotesSheet
PAPERS = (Step.REGISTER_INSTRUMENT, Step.BEGIN_WARRANT)


def model_of(step: Step) -> type[Sheet]:
    """Return which sheet belongs to a step."""
    if step in PAPERS:
        return InstrumentSheet
    if step is Step.RECORD:
        return ContactSheet
    return InventorySheet if step is Step.LIST_INVENTORY else NotesSheet


def targets(sheet: Sheet) -> tuple[str, ...]:
    """Return whom and what a sheet is about, to be marked with the case's key."""
    if isinstance(sheet, ContactSheet):
        return sheet.targets
    scope = sheet.scope if isinstance(sheet, InstrumentSheet | NotesSheet) else None
    return (*scope.patrons, *scope.items) if scope else ()
