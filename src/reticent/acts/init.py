"""The act of writing reticent.toml: asks, tries each account, reads the settings that matter, prints the grants.

It writes nothing until everything is answered, never overwrites, and never writes a password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reticent.acts.grants import Grants, first_statements, grants
from reticent.acts.opening import map_of
from reticent.acts.questions import (
    LATER,
    OTHER_ITEM,
    Asker,
    Question,
    anything,
    branches_of,
    database_url,
    derived,
    item_of,
    last_borrower,
    length_or_nothing,
    not_empty,
    one_of,
    system_name,
    tenant_name,
)
from reticent.acts.sitefile import Answers, text, without_password
from reticent.errors import ReticentError, UsageError
from reticent.law import packs, schedules
from reticent.model import Setting
from reticent.site import Site, read_site
from reticent.stores.sql.connect import open_engine, reading
from reticent.stores.sql.database import branches_there
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.grants import ACCOUNTS, Account
from reticent.systems.load import kinds, shipped
from reticent.systems.mapfile import Decision, Map

_DO = "Nothing was written."


@dataclass
class Written:
    """What `init` did."""

    path: Path
    connections: dict[str, str] = field(default_factory=dict)
    """Account -> "works", or what keeps it from working."""
    grants: Grants | None = None
    first: list[str] = field(default_factory=list)
    """What an administrator must run before grants can be reckoned; empty once they were."""
    settings: list[Setting] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    """The variables the passwords will be read from."""

    @property
    def exit_code(self) -> int:
        """0, or 3 if an account does not work yet."""
        return 0 if all(said == "works" for said in self.connections.values()) else 3

    def document(self) -> dict[str, Any]:
        """Return this as JSON content."""
        return {
            "written": str(self.path),
            "connections": self.connections,
            "first": self.first,
            "grants": self.grants.document() if self.grants else None,
            "settings": [asdict(setting) for setting in self.settings],
            "passwords": self.passwords,
        }


def init(path: Path, asker: Asker) -> Written:
    """Ask, try, and write a new site file. Raises UsageError or ConfigurationError; then nothing was written."""
    if path.exists():
        raise UsageError(
            "There is a site file already; init never overwrites one.",
            where=str(path),
            do="Edit it, or write another with --site; `reticent init --grants SYSTEM` prints the grants again.",
        )
    run = _Init(path, asker)
    run.ask_library()
    run.ask_accounts()
    run.connect()
    run.ask_rest()
    _write(path, text(run.answers, run.loaded))
    run.read_settings()
    return run.written


class _Init:
    """One run of the questions."""

    def __init__(self, path: Path, asker: Asker) -> None:
        self.answers, self.written = Answers(), Written(path)
        self._path, self._asker = path, asker
        self._branches: set[str] = set()

    @property
    def loaded(self) -> Map:
        """The map of the kind of system that was named."""
        return shipped(self.answers.kind, self.answers.tenant)

    def _ask(self, key: str, question: str, default: str | None = "", check: Callable[[str], str] = anything) -> str:
        return self._asker.ask(Question(key, question, default, check))

    def ask_library(self) -> None:
        """Who the library is."""
        a = self.answers
        a.library = self._ask("library", "The library's name", None, not_empty)
        known = packs.jurisdictions()
        a.jurisdiction = self._ask(
            "jurisdiction", f"Its state, for law and records schedules ({known[0]} ... {known[-1]}; empty: none)", "",
            one_of(["", *known]),
        )  # fmt: skip
        a.state = self._ask("state", "Folder for Reticent's own records", "state")
        a.keys = self._ask("keys", "Folder for its keys, never inside the other", "/etc/reticent/keys")

    def ask_accounts(self) -> None:
        """Which system, and by which accounts."""
        a = self.answers
        a.kind = self._ask("kind", f"What kind of system is it ({', '.join(kinds())})", "koha", one_of(kinds()))
        if self.loaded.tenant:
            text = 'Its tenant: the name before "_mod_users" in its schemas'
            a.tenant = self._ask("tenant", text, None, tenant_name)
        a.system = self._ask("name", "A short name for it", "ils", system_name)
        for right in ACCOUNTS:
            default = derived(a.accounts["find"], right) if right != "find" else None
            url = self._ask(right, f"URL of its {right} account", default, database_url)
            name = f"RETICENT_{a.system}_{right}_PASSWORD".upper()
            a.accounts[right], password = without_password(url, name)
            self._password(a.accounts[right], password)

    def _password(self, url: str, password: str | None) -> None:
        found = re.search(r"\$\{(\w+)\}", url)
        if found is None:
            return
        name = found[1]
        self.written.passwords.append(name)
        if password is not None:
            os.environ[name] = password
        elif name not in os.environ and (typed := self._asker.secret(name)):
            os.environ[name] = typed

    def _draft(self) -> Site:
        a = self.answers
        system = {"kind": a.kind, "tenant": a.tenant, "accounts": a.accounts, "decisions": a.decisions}
        return Site.model_validate(
            {
                "library": {"name": a.library, "jurisdiction": a.jurisdiction, "branches": a.branches or "all"},
                "systems": {a.system: system},
                "folder": self._path.resolve().parent,
                "file": self._path,
            }
        )

    def connect(self) -> None:
        """Reckon the grants as soon as the find account sees the structure, then try each account."""
        while True:
            try:
                granted = grants(self._draft(), self.answers.system)
                break
            except ReticentError as error:
                self.written.first = first_statements(self._draft(), self.answers.system)
                self.written.connections["find"] = error.what
                self._asker.tell(f"{error}\n\n" + _script(self._first()))
                if not self._asker.again("Run that, then Enter to try again"):
                    return
        self.written.first, self.written.grants = [], granted
        if granted.accounts:
            self._asker.tell(_script(granted.lines()))
        while (failed := self._try_accounts()) is not None:
            self._asker.tell(str(failed))
            if not self._asker.again("Run the statements above, then Enter to try again"):
                return

    def _first(self) -> list[str]:
        first = self.written.first
        return ["-- The database's administrator may have to run first:", *first] if first else []

    def _try_accounts(self) -> ReticentError | None:
        failed = None
        for right in ACCOUNTS:
            try:
                self._try(right)
                self.written.connections[right] = "works"
            except ReticentError as error:
                failed = failed or error
                self.written.connections[right] = error.what
        return failed

    def _try(self, right: Account) -> None:
        site, name = self._draft(), self.answers.system
        engine = open_engine(site.account(name, right), name)
        try:
            with reading(engine, name) as connection:
                if right == "find":
                    self._branches = set(branches_there(connection, self.loaded))
                else:
                    connection.exec_driver_sql("SELECT 1")
        finally:
            engine.dispose()

    def ask_rest(self) -> None:
        """What only the library can answer."""
        self._ask_branches()
        self._ask_retention()
        self._ask_schedule()
        for name, decision in self.loaded.decisions.items():
            self._ask_decision(name, decision)

    def _ask_branches(self) -> None:
        there = sorted(self._branches)
        if (len(there) == 1 or self.loaded.branches_in is None) and not self._given("branches"):
            return
        shown = f"It has {len(there)}: {', '.join(there[:20])}. " if there else ""
        answer = self._ask("branches", f"{shown}Which are yours (codes with commas, or all)", None, branches_of(there))
        self.answers.branches = "all" if answer == "all" else tuple(answer.split(","))
        if answer != "all" and self.written.grants is not None:
            # Telling whose a row is takes a few columns more.
            self.written.grants = grants(self._draft(), self.answers.system)
            self._asker.tell(_script(self.written.grants.lines()))

    def _given(self, key: str) -> bool:
        return key in getattr(self._asker, "given", ())

    def _ask_retention(self) -> None:
        kept, governed = self.answers.retention, {series.retention_key for series in self.loaded.series}
        if "last_borrower" in governed:
            kept["last_borrower"] = self._ask(
                "last-borrower",
                "How long may the last borrower of an item be asked about damage (0 to 7 days)",
                "0 days",
                last_borrower,
            )
        for key, question in _RETENTION.items():
            if key in governed:
                kept[key] = self._ask(key, question, "", length_or_nothing)

    def _ask_schedule(self) -> None:
        classes = sorted({s.record_class.value for s in self.loaded.series if s.sever != "nothing"})
        rows = schedules.rows(self.answers.jurisdiction)
        read = f"{len(rows)} items were read for {self.answers.jurisdiction}" if rows else "none was read for it"
        how = self._ask(
            "schedule",
            f"Records schedule ({read}): has the custodian found that none applies, will you name an item for each "
            f"class, or later (none applies / each / {LATER})",
            LATER,
            one_of([schedules.NONE_APPLIES, "each", LATER]),
        )
        if how == schedules.NONE_APPLIES:
            self.answers.schedule["*"] = how
        for name in classes if how == "each" else ():
            self._ask_item(name)

    def _ask_item(self, name: str) -> None:
        rows = [row for row in schedules.rows(self.answers.jurisdiction) if row.record_class == name]
        items = [row.item for row in rows]
        offered = "".join(f"\n    {row.item}: {row.instrument}, {row.series_title}" for row in rows)
        question = f"Item for {name}{offered}\n  ({schedules.NONE_APPLIES}, {OTHER_ITEM}..., or {LATER})"
        answer = self._ask(f"schedule.{name}", question, LATER, item_of(items))
        if answer != LATER:
            keys = {s.retention_key for s in self.loaded.series if s.record_class == name and s.sever != "nothing"}
            self.answers.schedule |= dict.fromkeys(sorted(keys), answer)

    def _ask_decision(self, name: str, decision: Decision) -> None:
        offered = "".join(f"\n    {word}: {what}" for word, what in decision.choices.items())
        question = f"{decision.question}{offered}\n  ({', '.join(decision.choices)}, or {LATER})"
        answer = self._ask(f"decide.{name}", question, LATER, one_of([*decision.choices, LATER]))
        if answer != LATER:
            self.answers.decisions[name] = answer

    def read_settings(self) -> None:
        """Read the settings that create or show ties, if the find account works."""
        if self.written.connections.get("find") != "works":
            return
        site = read_site(self._path)
        try:
            self.written.settings = list(
                SqlFinder(site, self.answers.system, map_of(site, self.answers.system)).settings()
            )
        except ReticentError as error:
            self.written.connections["find"] = error.what


_RETENTION = {
    "payment": "How long does your auditor need to see who paid a settled fee (1 year; empty: not decided)",
    "registration": "How long are deleted accounts kept (30 days; empty: not decided)",
}


def _script(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _write(path: Path, content: str) -> None:
    """Write a file that reads back as a site, whole or not at all, never over another."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(content, encoding="utf-8")
        read_site(part)
        os.link(part, path)
    except FileExistsError:
        raise UsageError("There is a site file already.", where=str(path), do=_DO) from None
    except OSError:
        raise UsageError("The site file cannot be written.", where=str(path), do=f"Check the folder. {_DO}") from None
    finally:
        part.unlink(missing_ok=True)
