"""What is held back and why, what the library must decide, and what stays open because it may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from reticent.report.classes import step_name
from reticent.report.results import Document, Question, Results
from reticent.report.words import MEND, NO_ITEM, NOT_SET


@dataclass
class Held:
    """One reason for holding ties of a system back. ``write`` is what to put into reticent.toml, if that ends it."""

    system: str
    reason: str
    ties: int = 0
    series: list[str] = field(default_factory=list)
    todo: str = ""
    write: str = ""


@dataclass(frozen=True)
class Open:
    """Ties of one series whose purpose is live, or over but within retention."""

    title: str
    open: int
    within: int
    why: str
    ends: str


def held_back(results: Results) -> list[Held]:
    """Return every reason that keeps finished ties, the largest first."""
    reasons: dict[tuple[str, str], Held] = {}
    for series, title, withheld in _withheld(results):
        for reason, ties in withheld.items():
            name = (series["system"], reason)
            here = reasons.setdefault(name, Held(*name))
            here.ties += ties
            here.series.append(title)
            _advise(here, results.questions.get(name), series)
    return sorted(reasons.values(), key=lambda each: (not each.todo, -each.ties))


def _withheld(results: Results) -> Iterator[tuple[Document, str, Document]]:
    """Yield each series with its withheld ties; a reason only the plan knows (the records schedule) too."""
    titles, seen = {}, set()
    for found in results.now["series"] if results.now else ():
        titles[step_name(found)] = found["title"]
        seen |= set(found["withheld"])
        yield found, found["title"], found["withheld"]
    for step in results.plan["steps"] if results.plan else ():
        only = {reason: ties for reason, ties in step["held_back"].items() if reason not in seen and results.now}
        if only or not results.now:
            yield step, titles.get(step_name(step), step_name(step)), only or step["held_back"]


def _advise(held: Held, question: Question | None, series: Document) -> None:
    if question is not None:
        held.todo = question.text
        answers = [f'{question.name} = "{word}"   # {meaning}' for word, meaning in question.answers.items()]
        held.write = "\n".join([f"[systems.{held.system}.decisions]", *answers])
    elif held.reason.startswith(NOT_SET):
        key = held.reason.removeprefix(NOT_SET)
        held.todo = f"Decide how long these must be kept once their purpose has ended, and write it under {key}."
        held.write = f'[retention]\n{key} = "..."   # for example "90 days"'
    elif held.reason.startswith(NO_ITEM):
        held.todo = "The custodian records which item of the records schedule governs these, or that none applies."
        lines = (held.write.splitlines() or ["[schedule]"]) + [f'"{step_name(series)}" = "..."'.replace("/", ".")]
        held.write = "\n".join(lines[:6])
    else:
        held.todo = MEND.get(held.reason, "")


def staying_open(results: Results) -> list[Open]:
    """Return the series whose ties may stay for now, the largest first."""
    rows = []
    for found in results.now["series"] if results.now else ():
        if found["open"] or found["within_retention"]:
            purpose = results.purposes.get(step_name(found))
            why, ends = (purpose.why, purpose.ends) if purpose else ("", "")
            only = " (only reported)" if purpose and not purpose.severed else ""
            rows.append(Open(found["title"], found["open"], found["within_retention"], why, ends + only))
    return sorted(rows, key=lambda row: -(row.open + row.within))
