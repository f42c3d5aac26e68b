"""What people see in the terminal: tables, progress, and text in which nothing can move the cursor."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from reticent.acts.files import write_text
from reticent.cli.entering import signing
from reticent.errors import EvidenceBroken, UsageError

if TYPE_CHECKING:
    from reticent.acts.armed import Statement
    from reticent.acts.check import CheckReport
    from reticent.acts.draft import Drafted
    from reticent.acts.find import Inventory
    from reticent.acts.grants import Grants
    from reticent.acts.init import Written
    from reticent.acts.statistics import Form
    from reticent.sever.plan import Plan
    from reticent.sever.result import RunResult
    from reticent.state.armings import Arming
    from reticent.state.hold_book import Hold


def safe(text: str) -> str:
    """Return text in which control and direction characters are shown, not obeyed."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf") else f"\\u{ord(c):04x}" for c in text)


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document; every byte ASCII, so that no terminal obeys it."""
    sys.stdout.write(json.dumps(document, indent=2, sort_keys=False) + "\n")


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document whole or not at all."""
    write_text(path, json.dumps(document, indent=2) + "\n")


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a JSON document. Raises EvidenceBroken if it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise EvidenceBroken("This is not a plan.", where=str(path), do="Make one with `reticent plan --out`.")
    return found


Show = Callable[[str, int, int], None]


@contextmanager
def progress(options: Any) -> Iterator[Show]:
    """Yield a function that shows what is being done; on a terminal only, and not with -q or --json."""
    if options.quiet or options.as_json or not sys.stderr.isatty():
        yield lambda _what, _done, _of: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("opening", total=None)

        def show(what: str, done: int, of: int) -> None:
            bar.update(task, description=safe(what), completed=done, total=of or None)

        show.bar = bar  # type: ignore[attr-defined]
        yield show


def pause(show: Show) -> None:
    """Take the progress bar away before a question."""
    if bar := getattr(show, "bar", None):
        bar.stop()


def read_bytes(path: Path) -> bytes:
    """Read a small file. Raises UsageError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        raise UsageError("The file cannot be read.", where=str(path), do="Check its name and rights.") from None


def _console() -> Console:
    width = None if sys.stdout.isatty() else 132
    return Console(highlight=False, width=width)


def say(text: str = "", style: str = "") -> None:
    """Print text in which nothing is markup. A line with a command in it is not broken, so that it can be copied."""
    for line in safe(text).split("\n"):
        _console().print(Text(line, style=style), soft_wrap=" --" in line or "ssh-keygen" in line)


def _table(*columns: str, numbers: tuple[int, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index in numbers else "left", overflow="fold")
    return table


def _row(table: Table, *cells: object, style: str = "") -> None:
    shown = [f"{cell:,}" if isinstance(cell, int) else safe(str(cell)) for cell in cells]
    table.add_row(*(Text(cell) for cell in shown), style=style)


def show_inventory(inventory: Inventory) -> None:
    """Print the inventory."""
    say(f"{inventory.library}: where readers are still tied to what they read\n", "bold")
    table = _table("system", "series", "ties", "open", "within", "due", "withheld", "oldest", numbers=(2, 3, 4, 5, 6))
    for found in sorted(inventory.found, key=lambda f: (-f.survey.due, -f.survey.ties)):
        s = found.survey
        if s.ties:
            oldest = s.oldest.date() if s.oldest else ""
            style = "" if s.due else "dim"
            cells = (s.ties, s.open, s.within_retention, s.due, sum(s.withheld.values()), oldest)
            _row(table, found.system, found.series.title, *cells, style=style)
    _console().print(table)
    empty = sum(1 for found in inventory.found if not found.survey.ties)
    say(f"\n{empty} more series hold no tie.")
    _withheld(inventory)
    _list(
        "Settings that create or show ties", [f"{s.name} = {s.value}: {s.why} {s.advice}" for s in inventory.settings]
    )
    _list("Places no map knows", [f"{system}: {p.name}: {p.why}" for system, p in inventory.unmapped])
    weak = [f"{w.system}: {w.place}: {w.series.weak}" for w in inventory.weak]
    weak += [f"{u.system}: {u.place}: {u.why}. {u.advice}" for u in inventory.undone]
    _list("Pseudonyms that can be undone", weak)
    kept = [
        f"{c.system}: {c.medium}: {c.keeps}; expires: {c.expires}{', and is OVERDUE' if c.overdue else ''}; {c.said}"
        for c in inventory.copies
    ]
    _list("Copies and media: severed is not purged", kept)
    _list("Series not touched", [f"{system}: {series}: {why}" for system, series, why in inventory.refused])
    _list("Notes", [f"{system}: {note}" for system, note in inventory.notes])
    _list("Not looked at", [f"{n.system}: {n.place}: {n.why}" for n in inventory.not_looked_at])
    due = sum(found.survey.due for found in inventory.found)
    if due:
        say(f"\n{due:,} ties are due: their purpose and their retention are over. Next: reticent plan", "bold")
    elif not inventory.exit_code:
        say(f"\nNo tie is due anywhere it was looked for; {inventory.unseen} places were not looked at.")


def _withheld(inventory: Inventory) -> None:
    reasons: dict[str, int] = {}
    for found in inventory.found:
        for reason, rows in found.survey.withheld.items():
            reasons[reason] = reasons.get(reason, 0) + rows
    _list("Withheld, and why", [f"{n:,}: {why}" for why, n in reasons.items()])


def _list(title: str, lines: list[str]) -> None:
    if lines:
        say(f"\n{title}", "bold")
        for line in lines:
            say(f"  - {line}")


def show_plan(plan: Plan, out: Path | None) -> None:
    """Print a plan."""
    say(f"{plan.library}: what a run would sever\n", "bold")
    table = _table("step", "disposition", "ended before", "rows", "held back", numbers=(3, 4))
    for step in plan.steps:
        cutoff = plan.cutoffs.get(step.name, "not set")[:16].replace("T", " ")
        _row(table, step.name, step.disposition, cutoff, step.rows, sum(step.held_back.values()))
    _console().print(table)
    held: dict[str, int] = {}
    for step in plan.steps:
        for reason, rows in step.held_back.items():
            held[reason] = held.get(reason, 0) + rows
    _list("Held back", [f"{rows:,}: {why}" for why, rows in held.items()])
    _list("What would change for you", list(plan.breaks))
    _list("Not touched", [f"{name}: {why}" for name, why in plan.not_planned.items()])
    estimates = plan.document()["estimates"]
    say(
        f"\n{plan.total:,} ties, about {estimates['seconds']:,} s, {estimates['undo_bytes'] // 10**6:,} MB of undo and "
        f"{estimates['binlog_bytes'] // 10**6:,} MB of binary log (estimates). Digest {plan.digest[:16]}."
    )
    if out is not None:
        say(f"Written to {out}. Read it, then: reticent sever --plan {out}")


def show_run(result: RunResult) -> None:
    """Print a run."""
    table = _table("system", "series", "planned", "severed", "still due", numbers=(2, 3, 4))
    for step in result.steps:
        _row(table, step.system, step.series, step.planned, step.severed, step.still_due)
    _console().print(table)
    for note in result.notes:
        say(note)
    if result.stopped:
        say(f"\nStopped: {result.stopped}. Nothing is half severed; a new plan goes on.", "bold")
    say(f"\n{result.severed:,} ties severed.")
    if result.gone:
        say(f"{result.gone:,} more were gone when their turn came: their rows went with an earlier step, or otherwise.")
    say(
        "Severed is not purged: logs, replicas and backups of the systems keep old values until they expire.\n"
        f"Ledger entry {result.ledger.get('index')}, {result.ledger.get('size')} entries, "
        f"root {str(result.ledger.get('root'))[:16]}. Next: reticent check"
    )


def show_draft(drafted: Drafted) -> None:
    """Print what a draft holds, and what a person must still do."""
    say(f"{drafted.made.tables} tables are drafted in {drafted.path}; it severs nothing.", "bold")
    say(f"{drafted.made.marks} places say FINISH: only somebody who knows the system can.")
    _list("Not in the draft", list(drafted.made.left_out))
    _list("Not looked at", [f"{n.system}: {n.place}: {n.why}" for n in drafted.not_looked_at])
    say("\nThen name it as map in reticent.toml and have two officers sign it: docs/reference/maps.md")


def show_statement(statement: Statement) -> None:
    """Print what to do after a trial."""
    say(f"{statement.trial.severed} ties of {statement.step} were severed. Look at them in the system itself:")
    say("does check-in, a refund, a fine, a hold still work? docs/how-to/rehearse-on-a-test-koha.md has the list.")
    say("\nThen the custodian signs:")
    say(f"  {signing(statement.path, 'custodian')}")
    say(f"  reticent arm {statement.step} --signature custodian.sig")


def show_armings(armings: Sequence[Arming]) -> None:
    """Print which series run by themselves."""
    table = _table("step", "state", "usual", "since", "why", numbers=(2,))
    for arming in armings:
        _row(table, arming.step, arming.state, arming.usual, arming.changed[:16], arming.why)
    _console().print(table)


def show_grants(grants: Grants) -> None:
    """Print statements exactly as they are to be run."""
    sys.stdout.write(safe("\n".join(grants.lines())) + "\n")


def show_written(written: Written) -> None:
    """Print what `init` wrote, what the accounts still need, and what to do next."""
    if written.first:
        sys.stdout.write(safe("\n".join(written.first)) + "\n\n")
    if written.grants is not None:
        show_grants(written.grants)
    _list("Accounts", [f"{right}: {said}" for right, said in written.connections.items()])
    _list("Settings that create or show ties", [f"{s.name} = {s.value}: {s.why} {s.advice}" for s in written.settings])
    say(f"\n{written.path} is written; read it.", "bold")
    if written.passwords:
        say("Passwords are read from the environment, never from the file. For a service, a file only it can read:")
        for name in written.passwords:
            say(f"  {name}=...")
    say("Next: " + ("reticent find" if written.exit_code == 0 else "run the statements above, then reticent find"))


def show_form(answered: Form) -> None:
    """Print an answered form."""
    say(f"{answered.programme.title}, {answered.year}\n", "bold")
    table = _table("no.", "field", "value", "from", numbers=(2,))
    for line in answered.document()["fields"]:
        value = "" if line["value"] is None else line["value"]
        _row(table, line["number"], line["title"], value, line["why_not"] or "; ".join(line["source"]))
    _console().print(table)
    _list("Not looked at", [f"{n.system}: {n.place}: {n.why}" for n in answered.not_looked_at])


def show_holds(holds: Sequence[Hold]) -> None:
    """Print the holds that were placed by hand; those of inquiries stand in the register."""
    table = _table("no.", "scope", "placed", "until", "released", numbers=(0,))
    for hold in holds:
        _row(table, hold.id, hold.scope, hold.placed[:10], hold.until[:10], (hold.released or "")[:10])
    if holds:
        _console().print(table)
    else:
        say("No hold was placed by `reticent hold place`.")
    say("Those of inquiries: reticent inquiry list")


def show_check(report: CheckReport) -> None:
    """Print a check."""
    table = _table("finding", "system", "place", "count", "what to do", numbers=(3,))
    for finding in report.findings:
        _row(table, finding.kind, finding.system, finding.place, finding.count, finding.advice)
    if report.findings:
        _console().print(table)
    say(f"\n{len(report.checked)} questions were asked again by other code.")
    _list("Not looked at", [f"{n.system}: {n.place}: {n.why}" for n in report.not_looked_at])
    for name, error in report.unreachable:
        say(f"\n{name}: {error}")
    say(f"\n{report.verdict()}", "bold")
