"""What a severing run did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class SeveredStep:
    """One step of a run: the plan's ceiling, the rows severed, and the rows still due at its cutoff."""

    system: str
    series: str
    planned: int
    severed: int
    still_due: int

    @property
    def gone(self) -> int:
        """Planned rows that stood no more when their turn came: deleted by an earlier step, or by somebody else."""
        return max(0, self.planned - self.severed - self.still_due)


@dataclass
class RunResult:
    """A run. ``stopped`` says why it ended early; ``held`` if a legal hold did."""

    plan: str
    run: str
    steps: list[SeveredStep] = field(default_factory=list)
    stopped: str = ""
    held: bool = False
    notes: list[str] = field(default_factory=list)
    ledger: Mapping[str, Any] = field(default_factory=dict)

    @property
    def severed(self) -> int:
        """Rows severed, earlier parts of a resumed run included."""
        return sum(step.severed for step in self.steps)

    @property
    def gone(self) -> int:
        """Planned ties that were gone when their turn came; not known of a run that ended early."""
        return 0 if self.stopped or self.held else sum(step.gone for step in self.steps)

    @property
    def exit_code(self) -> int:
        """0: the whole plan is done; 1: it ended early or rows are still due; 4: a hold stopped it."""
        if self.held:
            return 4
        return int(bool(self.stopped) or any(step.still_due for step in self.steps))

    def document(self) -> dict[str, Any]:
        """Return the run as JSON content."""
        return {
            "plan": self.plan,
            "run": self.run,
            "severed": self.severed,
            "gone": self.gone,
            "steps": [asdict(step) for step in self.steps],
            "stopped": self.stopped or None,
            "notes": self.notes,
            "ledger": dict(self.ledger),
        }
