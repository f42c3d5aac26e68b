"""The act of showing: builds the sample library in a folder and does the main job on it, end to end."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tomllib
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from reticent.acts import check, find, plan, report, sever
from reticent.acts.check import CheckReport
from reticent.acts.files import write_text
from reticent.acts.find import Inventory
from reticent.acts.opening import Progress, open_site
from reticent.errors import NotPermitted, SystemRefused, UsageError
from reticent.report.page import render
from reticent.report.verdict import Verdict, verdict
from reticent.sample import library, logs
from reticent.sever.plan import Plan
from reticent.sever.result import RunResult

MARKER = "# reticent demo: "
DATABASE, SITE, PLAN, PAGE, LOGS = "koha.sqlite", "reticent.toml", "plan.json", "report.html", "logs"
_ACCOUNT = f"sqlite:///{DATABASE}"


@dataclass(frozen=True)
class Demo:
    """What the demo did. ``run``, ``after`` and ``check`` are None with ``--no-sever``."""

    folder: Path
    before: Inventory
    plan: Plan
    run: RunResult | None
    after: Inventory | None
    check: CheckReport | None
    answer: Verdict

    @property
    def page(self) -> Path:
        """The report."""
        return self.folder / PAGE

    @property
    def exit_code(self) -> int:
        """0 unless the run ended early; what the sample library leaves to decide is no failure of the demo."""
        return self.run.exit_code if self.run else 0

    def document(self) -> dict[str, Any]:
        """Return every act's own document, and where the page is."""
        return {
            "folder": str(self.folder),
            "report": str(self.page),
            "find": self.before.document(),
            "plan": self.plan.document(),
            "sever": self.run.document() if self.run else None,
            "after": self.after.document() if self.after else None,
            "check": self.check.document() if self.check else None,
        }


def demo(
    folder: Path, progress: Progress, *, patrons: int, years: int, seed: int, today: date, stop_before_sever: bool
) -> Demo:
    """Build the sample library in ``folder``, then find, plan, sever, find again and check, and write the page.

    Raises UsageError where the folder holds something that is not a demo, or the size is too small.
    """
    make_room(folder)
    progress("building a made-up library", 0, 0)
    _build(folder, patrons, years, seed, today)
    opened = open_site(folder / SITE)
    before = find.find(opened, _named("find", progress))
    planned = plan.plan(opened, _named("plan", progress))
    write_text(folder / PLAN, json.dumps(planned.document(), indent=2) + "\n")
    run, after, checked = None, None, None
    if not stop_before_sever:
        run = sever.sever(opened, planned, _named("sever", progress))
        after = find.find(opened, _named("find again", progress))
        checked = check.check(opened, _named("check", progress))
    done = report.Done(before, planned.document(), run, after, checked)
    results = report.gather(opened, done, sample=True)
    write_text(folder / PAGE, render(results))
    return Demo(folder, before, planned, run, after, checked, verdict(results))


def _named(act: str, progress: Progress) -> Progress:
    return lambda what, done, of: progress(f"{act}: {what}", done, of)


def make_room(folder: Path) -> None:
    """Make the folder, or empty a former demo of what a demo made. Raises UsageError for any other folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            _require_demo(folder)
            _clear(folder)
    except FileExistsError:
        raise UsageError("This is a file, not a folder.", where=str(folder), do="Name another folder.") from None
    except OSError:
        raise SystemRefused(
            "The folder cannot be used.", where=str(folder), do="Check its rights, or name another folder."
        ) from None


def _require_demo(folder: Path) -> None:
    try:
        text = (folder / SITE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text.startswith(MARKER):
        raise UsageError(
            "The folder is not empty, and what is in it is not a demo.",
            where=str(folder),
            do="Name a new folder: `reticent demo another-folder`.",
        )
    if not _only_the_sample(text):
        raise NotPermitted(
            "This was a demo, but its reticent.toml now names something else than the sample library.",
            where=str(folder / SITE),
            do="Name a new folder, so that nothing of yours is replaced: `reticent demo another-folder`.",
        )


def _only_the_sample(text: str) -> bool:
    """Whether a site file still speaks of the sample library alone: its ledger may then be thrown away."""
    try:
        site = tomllib.loads(text)
        state = site["state"]
        accounts = {url for system in site["systems"].values() for url in system.get("accounts", {}).values()}
        places = [
            one for system in site["systems"].values() for one in (*system.get("paths", ()), system.get("config"))
        ]
        ours = all(place is None or (place.startswith(f"{LOGS}/") and ".." not in place) for place in places)
    except (tomllib.TOMLDecodeError, KeyError, AttributeError, TypeError):
        return False
    return ours and accounts == {_ACCOUNT} and state == {"path": "state", "keys": "keys"}


def _clear(folder: Path) -> None:
    for name in (DATABASE, f"{DATABASE}-journal", f"{DATABASE}-wal", f"{DATABASE}-shm", PLAN, PAGE):
        (folder / name).unlink(missing_ok=True)
    for name in ("state", "keys", LOGS):
        found = folder / name
        if found.is_symlink():
            found.unlink()
        elif found.is_dir():
            shutil.rmtree(found)


def _build(folder: Path, patrons: int, years: int, seed: int, today: date) -> None:
    site = files("reticent.sample").joinpath("demo.toml").read_text(encoding="utf-8")
    # The site file first: a demo that was interrupted is then still known as one.
    write_text(folder / SITE, site.replace("{today}", today.isoformat()))
    try:
        library.build(folder / DATABASE, patrons=patrons, years=years, seed=seed, today=today)
        logs.write(folder / LOGS, _cards(folder / DATABASE), seed=seed, today=today)
    except (sqlite3.Error, OSError):
        raise SystemRefused(
            "The sample library could not be written.",
            where=str(folder),
            do="Check that the disk has room (about 40 MB for each thousand patrons), or ask for fewer patrons.",
        ) from None


def _cards(database: Path) -> list[str]:
    """Return the card numbers of the made-up readers who also use the proxy."""
    with closing(sqlite3.connect(database)) as koha:
        found = koha.execute("SELECT cardnumber FROM borrowers WHERE cardnumber IS NOT NULL ORDER BY borrowernumber")
        return [str(card) for (card,) in found if str(card).isdigit()][:60]
