"""One self-contained page for a director: no script, nothing foreign, a content policy for our own style alone."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reticent import __version__
from reticent.guard.reporting import NOTE, Transparency
from reticent.pdf import pdf
from reticent.policy.director import DirectorPage
from reticent.policy.publish import Published
from reticent.report import classes, figures, tables, verdict, waiting
from reticent.report.results import Results
from reticent.report.words import shown

_CONSERVATION = "conservation"
"""How `check` names the recount of the library's totals."""
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Tile:
    """One key figure; None where nobody counted."""

    label: str
    count: int | None
    note: str


def render(results: Results) -> str:
    """Return the page as HTML. Every text in ``results`` is shown as text, whatever it holds."""
    rows = classes.by_class(results)
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    content = {
        "results": results,
        "version": __version__,
        "style": Markup(style),  # noqa: S704 our own file
        "style_hash": base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        "verdict": verdict.verdict(results),
        "tiles": tiles(results),
        "classes": rows,
        "bars": {when: classes.bars(rows, when) for when in ("before", "after")},
        "elsewhere": results.run["gone"] if results.run else 0,
        "tables": tables,
        "held": waiting.held_back(results),
        "open": waiting.staying_open(results),
        "conserved": _conserved(results),
        "kept": figures.kept(results.statistics, results.made.year),
    }
    return str(_environment().get_template("report.html").render(content))


def published_page(published: Published, *, marked: bool) -> str:
    """Return the policy people read as HTML, or its marked-up version."""
    return str(_environment().get_template("published.html").render(published=published, marked=marked, nonce=""))


def published_pdf(published: Published, made: datetime, *, marked: bool) -> bytes:
    """Return the same as a tagged PDF. Raises SystemRefused where typst is not installed."""
    policy = published.policy
    before: list[str] = []
    plain = [{"heading": s.heading, "sentences": [[("same", one)] for one in s.sentences]} for s in policy.sections]
    changed: list[dict[str, object]] = [{"heading": s.heading, "sentences": s.sentences} for s in published.marked]
    if marked:
        before = ["This version shows what would change: [inserted: words] and [struck: words]."]
    if marked and published.loosenings:
        said = "Each of these protects less than the policy adopted last. They need the vote of the governing body."
        sentences = [[("same", one)] for one in published.loosenings]
        changed = [{"heading": "What would be loosened", "lead": said, "sentences": sentences}, *changed]
    data = {
        "library": policy.library,
        "title": f"Confidentiality policy of {policy.library}",
        "before": before,
        "sections": changed if marked else plain,
        "foot": f"Text {policy.digest[:12]}, rules {policy.bundle[:12]}.",
    }
    return pdf(TEMPLATES / "published.typ", data, made)


def promises_page(page: DirectorPage, library: str) -> str:
    """Return the promises and "try to break it" as an HTML page of its own."""
    style = Markup((TEMPLATES / "page.css").read_text(encoding="utf-8"))  # noqa: S704 our own file
    return str(_environment().get_template("promises.html").render(page=page, library=library, style=style, nonce=""))


def transparency_page(report: Transparency, library: str) -> str:
    """Return a year's inquiries, in bands, as an HTML page of its own."""
    style = Markup((TEMPLATES / "page.css").read_text(encoding="utf-8"))  # noqa: S704 our own file
    page = _environment().get_template("transparency.html")
    return str(page.render(report=report, library=library, note=NOTE, style=style))


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.filters |= {"number": _number, "day": _day, "moment": _moment}
    return made


def _finalize(value: object) -> object:
    # What the templates make is Markup and passes; what comes from a system is a plain str.
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def tiles(results: Results) -> list[Tile]:
    """Return the four figures a director asks for first."""
    before, after, run = results.before, results.after, results.run
    due = sum(series["due"] for series in before["series"]) if before else None
    left = sum(series["due"] for series in after["series"]) if after else None
    held = sum(each.ties for each in waiting.held_back(results)) if results.now or results.plan else None
    return [
        Tile("due before", due, "ties whose purpose and retention were over"),
        Tile(
            "severed", sum(step["severed"] for step in run["steps"]) if run else None, "the system no longer says who"
        ),
        Tile("due now", left, "counted again afterwards"),
        Tile("held back", held, "with a reason; some wait for a decision"),
    ]


def _conserved(results: Results) -> bool | None:
    """Return whether `check` found every total again; None if it did not count them."""
    if results.check is None or not any(each.startswith(_CONSERVATION) for each in results.check["checked"]):
        return None
    return all(each["kind"] != _CONSERVATION for each in results.check["findings"])


def _number(value: int | None) -> str:
    return "not counted" if value is None else f"{value:,}"


def _day(value: str | None) -> str:
    return f"{datetime.fromisoformat(value):%-d %B %Y}" if value else ""


def _moment(value: datetime) -> str:
    return f"{value.astimezone(UTC):%-d %B %Y, %H:%M} UTC"
