"""What the commands that write a page print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reticent.cli.output import say

if TYPE_CHECKING:
    from reticent.acts.demo import Demo
    from reticent.acts.report import Report


def show_demo(demo: Demo) -> None:
    """Print what the demo did, and what to try next."""
    found = demo.before.document()["series"]
    ties, due = sum(s["ties"] for s in found), sum(s["due"] for s in found)
    held = sum(sum(step.held_back.values()) for step in demo.plan.steps)
    say(f"{demo.before.library}, a made-up library, is in {demo.folder}/\n", "bold")
    say(f"  find    {ties:,} ties between patrons and what they used, in {len(found)} places; {due:,} are due")
    say(f"  plan    {demo.plan.total:,} ties to sever; {held:,} held back, each with a reason")
    if demo.run is not None and demo.after is not None and demo.check is not None:
        left = sum(found.survey.due for found in demo.after.found)
        gone = f"; {demo.run.gone:,} more went with the same rows" if demo.run.gone else ""
        say(f"  sever   {demo.run.severed:,} ties severed{gone}; the statistics were counted first")
        say(f"  find    {left:,} due now")
        asked, found_wrong = len(demo.check.checked), len(demo.check.findings)
        say(f"  check   {asked} questions asked again by other code; {found_wrong} findings")
    say(f"  report  {demo.page}: open it in a browser; it needs no network")
    say(f"\n{demo.answer.said}; {len(demo.answer.not_looked_at)} places were not looked at (the report names them).")
    say("\nNext:", "bold")
    say(f"  cd {demo.folder}")
    for command, what in _NEXT if demo.run else _NEXT_UNSEVERED:
        say(f"  {command:34}{what}")


_NEXT = (
    ("reticent find", "what is left, place by place, and why it may be"),
    ("$EDITOR reticent.toml", "answer a question: history, or retention.payment"),
    ("reticent plan --out plan.json", "what your answer would sever"),
    ("reticent sever --plan plan.json", "do it"),
    ("reticent check", "ask every question again, by other code"),
    ("reticent report", "write the page again"),
)
_NEXT_UNSEVERED = (
    ("reticent plan", "read what would be severed"),
    ("reticent sever --plan plan.json", "do it"),
    ("reticent check", "ask every question again, by other code"),
    ("reticent report", "write the page again"),
)


def show_report(report: Report) -> None:
    """Print where the page is, and what it answers."""
    answer = report.document()
    say(f"{answer['said']}; {len(answer['not_looked_at'])} places were not looked at (the page names them).")
    say(f"\nWritten to {report.path}. It holds everything it shows and needs no network.", "bold")
