"""Writes the generated pages of docs/: ``make docs``. A test fails while one of them is out of date."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command

from reticent.cli import main
from reticent.guard import inquiries as machine
from reticent.guard import words
from reticent.model import RecordClass
from reticent.systems.load import shipped
from reticent.systems.mapfile import Action, Map, Series

REFERENCE = Path(__file__).parent / "reference"
_BY_HAND = "<!-- Written by `make docs`; change {source}, not this page. -->"


def commands() -> str:
    """Return the page of every command, from the command line's own help."""
    main._add_groups()
    root: Any = get_command(main.app)
    lines = [
        "# Commands",
        "",
        _BY_HAND.format(source="the commands' own help"),
        "",
        "    reticent [--site FILE] [--json] [-q|-v] COMMAND",
        "",
        "People see tables, colour and progress; `--json` prints exactly one JSON document. What a number at the end",
        "means is in [exit codes](exit-codes.md); the words are in [words](words.md).",
        "",
        *_options(root),
    ]
    for name, command in root.commands.items():
        lines += _command(f"reticent {name}", command)
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    if inner := getattr(command, "commands", None):
        for each, sub in inner.items():
            yield from _command(f"{name} {each}", sub)
        return
    arguments = [_shown(p) for p in command.params if p.param_type_name == "argument"]
    yield from ["", f"## {name}", "", str(command.help or "").strip()]
    yield from ["", "    " + " ".join([name, *arguments])]
    yield from _options(command)


def _options(command: Any) -> Iterator[str]:
    shown = [parameter for parameter in command.params if parameter.name != "help"]
    if shown:
        yield from ["", "| option | meaning |", "| --- | --- |"]
    for parameter in shown:
        yield f"| `{_shown(parameter)}` | {_cell(str(parameter.help or ''))}{_default(parameter)} |"


def _shown(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    return ", ".join(parameter.opts) + (f" {parameter.metavar}" if parameter.metavar else "")


def _default(parameter: Any) -> str:
    value = parameter.default
    plain = isinstance(value, str | int | Path) and not isinstance(value, bool) and str(value)
    return f" Default: `{value}`." if plain else ""


def map_page(kind: str, release: str) -> str:
    """Return the page of one map: every series, every setting, and what it does not cover."""
    loaded = shipped(kind)
    title = loaded.title
    lines = [
        f"# What a {title} keeps, and what happens to it",
        "",
        _BY_HAND.format(source=f"`systems/{kind}.toml`"),
        "",
        f"{len(loaded.series)} series in {len({s.table for s in loaded.series})} tables, read in {release}. The map",
        "fits a database by the columns that are there, never by its version number; what it cannot vouch for is",
        "refused, series by series, and listed by `reticent find`. How the map is written: [maps](maps.md).",
        "",
        "**Ends** is the event that ends the purpose; the [retention](../explanation/retention.md) of the record class",
        "counts from it, unless another setting is named. **Not while**: a tie that is finished and still left alone.",
        f"**{title} itself** is what its own features do about it.",
    ]
    for record_class in RecordClass:
        found = [series for series in loaded.series if series.record_class is record_class]
        if found:
            lines += [
                "",
                f"## {record_class}",
                "",
                f"| series | place | purpose | ends | happens | not while | {title} itself |",
            ]
            lines += ["| --- | --- | --- | --- | --- | --- | --- |", *(_series(loaded, series) for series in found)]
    return "\n".join([*lines, *_rest(loaded)]) + "\n"


def _series(loaded: Map, series: Series) -> str:
    ends = series.purpose_end + (f" (retention: `{series.retention}`)" if series.retention else "")
    reasons = [*series.open, *(held.reason + (f" (`{held.until}`)" if held.until else "") for held in series.held)]
    own = series.own + (f"; weak: {series.weak}" if series.weak else "")
    name, place = f"{series.title} (`{series.id}`)", _place(loaded, series)
    cells = [name, place, series.purpose, ends, _happens(loaded, series), "; ".join(reasons), own]
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _place(loaded: Map, series: Series) -> str:
    columns = [loaded.tables[series.table].fields[name].column for name in series.persons]
    return f"`{series.table}`" + (f" ({', '.join(f'`{column}`' for column in columns)})" if columns else "")


def _happens(loaded: Map, series: Series) -> str:
    if isinstance(series.sever, str):
        return _WHOLE[series.sever] + _tallied(series) + _also(loaded, series)
    fields = loaded.tables[series.table].fields
    changed = "; ".join(f"`{fields[name].column}` {_word(action)}" for name, action in series.sever.items())
    return changed + _tallied(series) + _also(loaded, series)


_WHOLE = {
    "delete": "the row is deleted",
    "age": "the row is moved to the system's old ones, without the patron",
    "nothing": "counted and reported only",
}


def _also(loaded: Map, series: Series) -> str:
    if not series.also:
        return ""
    tables = [also.written or loaded.end(series.table, also.link) for also in series.also]
    return "; with it: " + ", ".join(f"`{table}`" for table in dict.fromkeys(tables))


_WORDS: Mapping[str, str] = {"null": "emptied (NULL)", "remove path": "removed", "remove element": "elements removed",
                             "sentinel": "names the stand-in patron, else NULL", "renumber": "given a new number",
                             "overwrite": "overwritten", "generalise": "cut to the"}  # fmt: skip


def _word(action: Action) -> str:
    argument = f" {action.argument}" if action.disposition == "generalise" else ""
    return _WORDS[action.disposition] + argument + (" in some rows" if action.condition is not None else "")


def _tallied(series: Series) -> str:
    return f"; counted first: {', '.join(series.tally)}" if series.tally else ""


def _rest(loaded: Map) -> Iterator[str]:
    yield from ["", "## Questions only the library can answer", ""]
    if not loaded.decisions:
        yield "None."
    for name, decision in loaded.decisions.items():
        choices = "; ".join(f"`{word}`: {what}" for word, what in decision.choices.items())
        yield f"- `{name}`: {decision.question} {choices}."
    yield from ["", "## Settings that create or show ties", "", "| setting | reported when | why | what to do |"]
    yield "| --- | --- | --- | --- |"
    for rule in loaded.settings:
        when = (
            ", ".join(value or "not set" for value in rule.risky)
            or f"not {' or '.join(v or 'empty' for v in rule.safe)}"
        )
        yield f"| {rule.name} | {_cell(when)} | {_cell(rule.why)} | {_cell(rule.advice)} |"
    for exposure in loaded.exposures:
        yield f"| {_cell(exposure.name)} | more than none | {_cell(exposure.why)} | {_cell(exposure.advice)} |"
    yield from _lists(loaded)


def _lists(loaded: Map) -> Iterator[str]:
    yield from [
        "",
        "## Asked again by `reticent check`",
        "",
        "Can a severed tie be joined back to a patron? Each must be zero.",
        "",
    ]
    yield from (f"- {relink.name}" for relink in loaded.relinks)
    yield from [
        "",
        "## Never moved by severing",
        "",
        "A run stops if one of these totals moves more than a live library moves it.",
        "",
    ]
    yield from (f"- {wire.name}" for wire in loaded.tripwires)
    yield from ["", "## Not covered", ""]
    yield from (f"- {place.place}: {place.why}" for place in loaded.elsewhere)
    copies = "[name your copies](../how-to/name-your-copies.md)"
    yield f"- backups, dumps, replicas and what the database server keeps itself: {copies}"
    yield from ["", "Tables, or single columns, that look like a person and hold no use and no act at a time:", ""]
    yield from [f"- `{table}`: {why}" for table, why in loaded.harmless.items()] or ["- none"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def inquiries() -> str:
    """Return the page of the workflow: every state, every step with who, whence, whither, on what; every fact."""
    lines = [
        "# Inquiries: states, steps and facts",
        "",
        _BY_HAND.format(source="`guard/steps/` and `guard/words.py`"),
        "",
        "A step is taken from one of its states, by one of its groups of officers (each a person of their own), on its",
        "facts, and rests on a clause of the [policy map](../policy-map.md) and the statute of the place. How to:",
        "[handle an inquiry](../how-to/handle-an-inquiry.md).",
        "",
        "## The rules",
        "",
        *_numbered(str(machine.__doc__)),
        "",
        "## Steps",
        "",
        "| step | what | from | to | by | clause | facts | and, if known | what it says when it is refused |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_step(step, rule) for step, rule in machine.RULES.items()),
        "",
        "*Counsel's* steps may be taken by custodian and alternate together, with the fact `advice`: the digest of",
        "counsel's signed advice.",
        "",
        "## Facts",
        "",
        "| fact | what | is |",
        "| --- | --- | --- |",
        *(f"| `{name}` | {_cell(what)} | {_cell(kind.words)} |" for name, (kind, what) in words.FACTS.items()),
        "",
        "## Other words",
        "",
        *(
            _words(one)
            for one in (words.State, words.Ending, words.Duty, words.Departure, words.HoldKind, words.Notice)
        ),
    ]
    return "\n".join(lines) + "\n"


def _numbered(text: str) -> list[str]:
    """Return the numbered rules of the machine's own description, one a line."""
    listed = text[text.index("1. ") :].strip()
    return [" ".join(rule.split()) for rule in re.split(r"\n(?=\d+\. )", listed)]


def _step(step: words.Step, rule: machine.Rule) -> str:
    past = [state for state in words.State if state not in ("idle", "contact", "closed", "disposed")]
    sources = "any past triage, not closed" if set(past) == rule.sources else ", ".join(sorted(rule.sources))
    who = " or ".join(" with ".join(sorted(group)) for group in rule.who)
    if rule.who == machine.ANYONE:
        who = "anyone"
    only = " ".join(says for _, says in rule.needs)
    facts, more = (", ".join(f"`{name}`" for name in names) for names in (rule.facts, rule.may))
    cells = [f"`{step}`", rule.title, sources, rule.target or "stays", who, rule.clause, facts, more, only]
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _words(kind: Any) -> str:
    return f"- {kind.__doc__.splitlines()[0]} " + ", ".join(f"`{word}`" for word in kind)


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands,
    "inquiries.md": inquiries,
    "koha.md": lambda: map_page("koha", "the schemas of Koha 19.06, 23.05 and the line after 25.11"),
    "blacklight.md": lambda: map_page(
        "blacklight", "what Blacklight 6 to 9, Devise, devise-guests and the authentication of Rails 8 make"
    ),
    "vufind.md": lambda: map_page(
        "vufind", "the schemas of VuFind 9.0, 10.0 and 11.0 to 12.0 for MariaDB and PostgreSQL"
    ),
    "folio.md": lambda: map_page("folio", "the schemas of FOLIO's modules as they stood in 2026"),
    "ldp.md": lambda: map_page("ldp", "the source of LDP 1"),
    "metadb.md": lambda: map_page("metadb", "Metadb's source, and FOLIO's schemas for the documents"),
    "reshare.md": lambda: map_page("reshare", "the migrations of mod-rs up to 2.19"),
    "evergreen.md": lambda: map_page("evergreen", "the schema of Evergreen 3.17"),
    "libki.md": lambda: map_page("libki", "the schemas of Libki r23.04 and r26.05"),
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
