"""Every error Reticent shows to people: what happened, where, what to do now.

Each class owns its exit code (see ``docs/reference/exit-codes.md``). Nothing in a
message may come from foreign exception text or from a row of a library's data:
both can carry a name.
"""

from __future__ import annotations


class ReticentError(Exception):
    """An error a person can act on.

    ``what`` says what happened, ``where`` names the system, table, file or line,
    ``do`` says what to do now.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.do = what, where, do

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.do:
            lines.append(f"  do:    {self.do}")
        return "\n".join(lines)

    def on_one_line(self) -> str:
        """Return all three for a list: "what (where) do"."""
        return " ".join(filter(None, (self.what, self.where and f"({self.where})", self.do)))


class UsageError(ReticentError):
    """The command was used wrongly."""


class ConfigurationError(ReticentError):
    """reticent.toml, a map or another file a person wrote does not hold together."""


class SystemUnreachable(ReticentError):
    """A library system could not be reached."""

    exit_code = 3


class SystemRefused(ReticentError):
    """A system was reached, and Reticent or the system refused: unknown schema, missing right."""

    exit_code = 3


class NotPermitted(ReticentError):
    """Refused by policy, a hold, a missing approval, or because nothing armed it."""

    exit_code = 4


class EvidenceBroken(ReticentError):
    """Evidence (ledger, plan, signature, receipt) does not verify."""

    exit_code = 5


class SystemBusy(SystemRefused):
    """The live system wanted its rows: a lock time-out or a deadlock. Reticent gives way and retries."""


class OutcomeUnknown(SystemUnreachable):
    """The connection broke while a chunk was being committed; its receipt must be looked for."""
