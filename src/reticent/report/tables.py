"""The tables of the page: the same numbers as the charts, and everything that is listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reticent.policy.director import DirectorPage
from reticent.report.classes import ClassRow, step_name
from reticent.report.figures import Kept
from reticent.report.results import Document, Results
from reticent.report.verdict import Verdict
from reticent.report.waiting import Open

Cell = str | int | tuple[str, str] | None
"""A text, a number, a text with a name under it, or None: a number that is hidden."""


@dataclass(frozen=True)
class Table:
    """A caption, the names of the columns, and rows. ``head`` is the column that names the row."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    head: int = 0
    wide: bool = False
    left_out: int = 0
    """How many more rows there are."""

    @property
    def numbers(self) -> frozenset[int]:
        """The columns of numbers; they stand to the right."""
        return frozenset(i for i in range(len(self.columns)) if self.rows and all(_number(row[i]) for row in self.rows))


def _number(cell: Cell) -> bool:
    return cell is None or isinstance(cell, int)


def _cut(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], most: int) -> Table:
    return Table(caption, columns, rows[:most], left_out=max(0, len(rows) - most))


def against(verdict: Verdict) -> Table:
    """Return the findings that stand against the promise."""
    rows = [
        (each["kind"].capitalize(), f"{each['system']}: {each['place']}", each["count"], each["advice"])
        for each in verdict.against
    ]
    return _cut("What stands against it", ("Finding", "Where", "Count", "What to do"), rows, 20)


def kinds(results: Results, classes: Iterable[ClassRow]) -> Table:
    """Return the ties by kind of record, of each moment that was counted."""
    columns = ["Kind of record"]
    columns += ["Ties before", "Due before"] if results.before else []
    columns += ["Ties now", "Due now"] if results.after else []
    rows: list[list[Cell]] = []
    for each in classes:
        before = [each.ties_before, each.due_before] if results.before else []
        rows.append([each.title, *before, *([each.ties_after, each.due_after] if results.after else [])])
    return Table("The same numbers, and every other kind of record", columns, rows)


def severed(classes: Iterable[ClassRow]) -> Table:
    """Return what a run severed, by kind of record."""
    rows = [(each.title, each.severed, "; ".join(each.how)) for each in classes if each.severed]
    return Table("Severed, by kind of record", ("Kind of record", "Severed", "How"), rows)


def settings(inventory: Document) -> Table:
    """Return the settings that create or show ties."""
    rows = [(each["name"], each["value"], each["why"], each["advice"]) for each in inventory["settings"]]
    return Table("Settings that create or show ties", ("Setting", "Now", "Why it matters", "What to do"), rows)


def weak(inventory: Document) -> Table:
    """Return the pseudonyms that can be undone, and how far they were."""
    rows = [
        (f"{each['system']}: {each['place']}", _undone(each), each["why"], each.get("advice", ""))
        for each in inventory["weak_pseudonyms"]
    ]
    return _cut("Pseudonyms that can be undone", ("Place", "Undone", "How, and why it can be", "What to do"), rows, 40)


def _undone(each: Document) -> str:
    of = each.get("of")
    return f"{each['reversed']:,} of {of:,} values of a sample" if of else f"all {each['rows']:,} rows"


def copies(inventory: Document) -> Table:
    """Return the copies and media where severed values may still stand, the overdue first."""
    rows = [
        (
            (each["medium"], each["system"]),
            each["keeps"],
            f"{each['expires']}{': overdue' if each['overdue'] else ''}",
            each["said"],
        )
        for each in sorted(inventory["copies"], key=lambda each: not each["overdue"])
    ]
    return _cut("Copies and media", ("Where", "What it keeps", "Gone after", "What was met there"), rows, 60)


def staying(rows: Sequence[Open]) -> Table:
    """Return the ties that may stay for now."""
    cells = [(each.title, each.open, each.within, each.why, each.ends) for each in rows]
    return Table("Ties that may stay for now", ("Place", "Open", "Within retention", "Purpose", "Until"), cells)


def statistics(found: Kept) -> Table:
    """Return the totals by closed year."""
    rows = [[title, *(cells.get(year, 0) for year in found.years)] for title, cells in found.rows.items()]
    return Table("The same numbers, and what else is counted", ("What is counted", *found.years), rows)


def unseen(places: Sequence[Mapping[str, str]], inventory: Document | None) -> Table:
    """Return what was not looked at; the copies have a table of their own."""
    copied = {(each["system"], each["medium"]) for each in (inventory or {}).get("copies", ())}
    rows = [(p["place"], p["system"], p["why"]) for p in places if (p["system"], p["place"]) not in copied]
    return Table("Not looked at", ("Place", "System", "Why"), rows)


def promises(page: DirectorPage) -> Table:
    """Return a line a promise: its mark, its sentence, the clause it keeps, and why where it is not kept."""
    rows = [(line.says, f"{line.sign} {line.mark}", line.clause, line.why or line.story) for line in page.lines]
    told = 4 if any(row[3] for row in rows) else 3
    columns = ("Promise", "Mark", "Clause", "Why")[:told]
    return Table("What the policy promises", columns, [row[:told] for row in rows])


def situations(page: DirectorPage) -> Table:
    """Return every situation that is worth trying, with its answer and the rule."""
    rows = [
        (f"{one.asker}: {one.question}", one.state, one.paper, one.signed, one.sentence, "; ".join(one.rules))
        for one in page.answers
    ]
    columns = ("Who asks what", "Of a tie that is", "On what paper", "Signed by", "Answer", "Rule")
    return Table("Situations and answers", columns, rows)


def series(results: Results) -> Table:
    """Return every series that holds or held a tie, the largest first."""
    done = {step_name(step): step["severed"] for step in (results.run["steps"] if results.run else ())}
    rows: list[tuple[Cell, ...]] = []
    found = results.now["series"] if results.now else ()
    for each in sorted(found, key=lambda each: -(each["ties"] + done.get(step_name(each), 0))):
        name = step_name(each)
        if not each["ties"] and not done.get(name):
            continue
        purpose = results.purposes.get(name)
        kept = f"{purpose.why} (until {purpose.ends})" if purpose else ""
        counts = (each["ties"], each["open"], each["within_retention"], each["due"], sum(each["withheld"].values()))
        rows.append(((each["title"], name), done.get(name, 0), *counts, kept))
    columns = ("Series", "Severed", "Ties now", "Open", "Within retention", "Due", "Withheld", "Purpose")
    return Table("Every series that holds or held a tie", columns, rows, wide=True)
