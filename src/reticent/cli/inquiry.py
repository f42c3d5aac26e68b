"""`reticent inquiry`: the register of contacts by outside parties, from the first word to the closed case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reticent.cli.main import finish, opened
from reticent.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reticent.acts.casebook import Inquiry
    from reticent.acts.inquiry import Offer, Outcome
    from reticent.guard.words import Step

_OURS = {
    "law",
    "standing",
    "policy",
    "scope",
    "hold_hours",
    "findings_required",
    "emergency_clause",
    "pack_fields",
    "library_closed",
}
"""Facts that law, policy, site and sheet answer themselves: nobody types them."""

app = typer.Typer(help="Inquiries: record, advance, list, show, report.", no_args_is_help=True)

_FACT = Annotated[list[str] | None, typer.Option("--fact", metavar="NAME=VALUE", help="A fact of the step.")]
_ATTACH = Annotated[
    list[str] | None, typer.Option("--attach", metavar="NAME=FILE", help="A file to hash and seal, as a fact.")
]
_SHEET = Annotated[Path | None, typer.Option("--sheet", help="A TOML sheet, sealed to the officers at once.")]
_SIGNED = Annotated[list[str] | None, typer.Option("--signature", metavar="ROLE=FILE", help="An officer's signature.")]
_KEY = Annotated[
    list[str] | None, typer.Option("--key", metavar="ROLE=FILE", help="Sign here and now with an officer's SSH key.")
]
_IDENTITY = Annotated[Path | None, typer.Option("--identity", help="An officer's age key file.")]
_AGE = Annotated[int | None, typer.Option("--age", help="The minor's age, for a guardian's request only; not kept.")]


@app.command()
def new(
    channel: Annotated[str, typer.Option("--channel", help="visit, phone, mail, email, served ...")],
    party: Annotated[str, typer.Option("--party", help="lawEnforcement, attorney, press, relative ...")],
    level: Annotated[str, typer.Option("--level", help="federal, state, local, tribal, foreign or private.")],
    fact: _FACT = None,
    sheet: _SHEET = None,
) -> None:
    """Record a contact: who asked, and what for. Anyone may."""
    from reticent.acts.inquiry import record as act
    from reticent.cli.output import say

    facts = {"channel": channel, "party": party, "level": level, **_facts(fact)}
    made = act(opened(), _offer(facts, sheet=sheet))
    finish(
        {"inquiry": made.id, "state": str(made.case.state)},
        lambda: say(f"Inquiry {made.id} is recorded. Next: reticent inquiry advance {made.id} triage --fact kind=..."),
        0,
    )


@app.command()
def advance(
    name: Annotated[str, typer.Argument(metavar="INQUIRY", help="Its name.")],
    step: Annotated[str, typer.Argument(help="The step; `reticent inquiry show` lists those that are open.")],
    fact: _FACT = None,
    attach: _ATTACH = None,
    sheet: _SHEET = None,
    signature: _SIGNED = None,
    key: _KEY = None,
    identity: _IDENTITY = None,
    age: _AGE = None,
) -> None:
    """Take one step. Without signatures: check it, and write what the officers sign."""
    from reticent.acts import inquiry as acts

    site, wanted, who = opened(), _step(step), _text(identity)
    offer = _offer(_facts(fact), attach, sheet, _signatures(signature), age)
    act = acts.dispose if wanted == "dispose" else None

    def take(more: Any) -> Outcome:
        return act(site, name, more, who) if act else acts.advance(site, name, wanted, more, who)

    done = take(offer)
    if key and not done.taken:
        from dataclasses import replace

        from reticent.cli.entering import sign

        done = take(replace(offer, signed={**offer.signed, **sign(key, done.text)}))
    finish(_document(done), lambda: _show_outcome(done), 0)


@app.command("list")
def list_(identity: _IDENTITY = None) -> None:
    """List inquiries; sealed ones only to an officer's age key."""
    from reticent.acts.inquiry import listed as act

    found = act(opened(), _text(identity))
    finish({"inquiries": [_line(one) for one in found]}, lambda: _show_list(found), 0)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="INQUIRY", help="Its name.")],
    identity: _IDENTITY = None,
) -> None:
    """Show one inquiry: where it stands, which steps are open, what they need; with a key, what is sealed."""
    from reticent.acts.inquiry import refusals, sheets_of, visible
    from reticent.cli.output import say

    who, site = _text(identity), opened()
    found = visible(site, name, who)
    steps = _open(refusals(site, found))
    read = sheets_of(found, who) if who else []
    document = {
        **_line(found),
        "steps": [_taken(entry) for entry in found.entries],
        "open": steps,
        "sealed": [
            {"step": str(step), "sheet": sheet.model_dump(mode="json"), "scope": _signed_scope(found, sheet)}
            for step, sheet in read
        ],
    }

    def shown() -> None:
        if read:
            say("What follows names persons. It is confidential.\n", "bold")
        _show_case(found, steps)
        if found.case.state == "closed":
            until = (found.case.at + site.site.inquiries.retention).date()
            say(f"Kept until {until}; then: reticent inquiry advance {name} dispose")
        for step, sheet in read:
            say(f"\nSheet of {step}", "bold")
            say("\n".join(_written(sheet.model_dump(mode="json"))))
            if digest := _signed_scope(found, sheet):
                say(f"  The scope as officers sign it: {digest}")

    finish(document, shown, 0)


@app.command()
def due(identity: _IDENTITY = None) -> None:
    """Say what is due within two weeks, and what is overdue (then the exit code is 1)."""
    from reticent.acts.inquiry import due as act
    from reticent.cli.output import say

    found = act(opened(), _text(identity))
    rows = [
        {"inquiry": name, "by": alarm.by and alarm.by.isoformat(), "overdue": alarm.overdue, "what": alarm.says}
        for name, alarm in found
    ]

    def shown() -> None:
        for row in rows:
            say(f"{row['inquiry']}  {row['by'] or 'soon'}  {row['what']}", "bold" if row["overdue"] else "")
        if not rows:
            say("Nothing is due.")

    finish({"due": rows}, shown, int(any(row["overdue"] for row in rows)))


@app.command()
def report(
    year: Annotated[int | None, typer.Option("--year", help="The year; this year if not given.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write an HTML page too.")] = None,
) -> None:
    """Report a year's inquiries for board, public and ALA: level, kind, outcome, in bands; nothing sealed."""
    from reticent.acts.files import write_text
    from reticent.acts.inquiry import transparency as act
    from reticent.cli.output import say
    from reticent.report.page import transparency_page

    site = opened()
    made = act(site, year or site.clock.now().year)
    if out is not None:
        write_text(out, transparency_page(made, site.site.library.name))

    def shown() -> None:
        say(f"Inquiries in {made.year}: {made.total}", "bold")
        for figure in made.figures:
            say(f"  {figure.level:<8} {figure.kind:<26} {figure.ending:<18} {figure.band}")
        for code, band in made.departures:
            say(f"  departure: {code}: {band}")
        say(str(made.document()["says"]))

    finish({**made.document(), "written": str(out) if out else None}, shown, 0)


# ---- reading what was typed -------------------------------------------------------------------


def _pairs(values: list[str] | None, option: str) -> dict[str, str]:
    found = {}
    for value in values or []:
        name, equals, rest = value.partition("=")
        if not equals:
            raise UsageError(f"{option} is given as NAME=VALUE.", do="For example: --fact kind=court_order.")
        found[name.strip()] = rest.strip()
    return found


def _facts(values: list[str] | None) -> dict[str, object]:
    """Read facts as the vocabulary types them: true and false, whole numbers, lists with commas, words."""
    from reticent.guard import words

    read: dict[str, object] = {}
    for name, text in _pairs(values, "--fact").items():
        kind = words.FACTS[name][0] if name in words.FACTS else None
        if kind is words.FLAG and text in ("true", "false"):
            read[name] = text == "true"
        elif kind is words.COUNT and text.isdecimal():
            read[name] = int(text)
        elif kind is not None and kind.words.startswith("a list"):
            read[name] = [one.strip() for one in text.split(",") if one.strip()]
        else:
            read[name] = text
    return read


def _signatures(values: list[str] | None) -> dict[str, bytes]:
    from reticent.cli.output import read_bytes

    return {role: read_bytes(Path(file)) for role, file in _pairs(values, "--signature").items()}


def _offer(
    facts: dict[str, object],
    attach: list[str] | None = None,
    sheet: Path | None = None,
    signed: dict[str, bytes] | None = None,
    age: int | None = None,
) -> Offer:
    from reticent.acts.inquiry import Offer

    files = {name: Path(file) for name, file in _pairs(attach, "--attach").items()}
    return Offer(facts, files, sheet, signed or {}, age)


def _text(path: Path | None) -> str:
    from reticent.cli.output import read_bytes

    return read_bytes(path).decode("utf-8", "replace") if path else ""


def _step(text: str) -> Any:
    from reticent.guard.words import Step
    from reticent.tomlfile import nearest

    word = text.replace("-", "_")
    if word not in set(Step):
        raise UsageError(f"There is no such step{nearest(word, Step)}.", do="See docs/reference/inquiries.md.")
    return Step(word)


# ---- showing ----------------------------------------------------------------------------------


def _line(inquiry: Inquiry) -> dict[str, Any]:
    case = inquiry.case
    return {
        "inquiry": inquiry.id,
        "state": str(case.state),
        "kind": str(case.kind) if case.kind else None,
        "party": str(case.party),
        "law": str(case.law),
        "standing": str(case.standing),
        "hold": str(case.hold.kind),
        "hold_until": case.hold.until.isoformat() if case.hold.until else None,
        "holds": [_hold(one) for one in case.holds if one.until],
        "sealed": case.sealed,
        "defects": sorted(case.defects),
        "owed": sorted(case.duties),
        "departures": sorted(case.departures),
        "ending": str(case.ending) if case.ending else None,
        "last": case.at.isoformat(),
    }


def _hold(one: Any) -> dict[str, Any]:
    return {
        "hold": str(one.kind),
        "until": one.until.isoformat(),
        "classes": sorted(one.classes),
        "copied": one.copied,
        "scope": one.scope,
    }


def _taken(entry: Any) -> dict[str, Any]:
    from reticent.guard.inquiries import RULES

    taken = entry.taken
    return {
        "step": str(taken.step),
        "at": taken.at.isoformat(),
        "by": sorted(str(role) for role, _ in taken.by),
        "clause": RULES[taken.step].clause,
        "statute": taken.statute,
        "facts": dict(taken.facts),
    }


def _open(refused: Mapping[Step, list[str]]) -> list[dict[str, Any]]:
    from reticent.guard.inquiries import RULES

    found = []
    for step, why in refused.items():
        rule, said = RULES[step], {"step": str(step), "what": RULES[step].title, "refused": why}
        who = [" and ".join(sorted(group)) for group in rule.who]
        found.append({**said, "who": who, "facts": rule.facts, "may": rule.may})
    return found


def _document(done: Outcome) -> dict[str, Any]:
    says = done.says
    return {
        **_line(done.inquiry),
        "step": str(done.step),
        "taken": done.taken,
        "statement": str(done.statement) if done.statement else None,
        "text": done.text.decode("ascii"),
        "says": {
            "law": str(says.answer),
            "cite": says.cite,
            "standing": str(says.standing),
            "findings": list(says.findings),
            "conditions": list(says.conditions),
            "fields": list(says.fields),
            "challenge": list(says.challenge),
            "age_exception": says.age_exception,
        }
        if says
        else None,
    }


def _show_outcome(done: Outcome) -> None:
    from reticent.cli.entering import signing
    from reticent.cli.output import say
    from reticent.guard.inquiries import RULES

    if done.statement is not None:
        say(done.text.decode("ascii"))
        say("Nothing is taken yet. Each officer signs this text and the command is given again with the signatures:")
        say(f"  {signing(done.statement)}")
        say("  ... --signature ROLE=ROLE.sig   (or sign here and now: --key ROLE=KEY)")
        say("Who was only handed it gives the same command first: the same step and facts make the same text.")
        if b"\nscope: " in done.text:
            say(f"`reticent inquiry show {done.inquiry.id} --identity KEY` prints the scope's digest beside its sheet.")
        return
    case = done.inquiry.case
    say(f"Inquiry {done.inquiry.id}: {done.step} is taken; it stands at {case.state}.", "bold")
    if broad := done.inquiry.entries[-1].taken.some("breadth"):
        say(f"The scope is over-broad: {', '.join(sorted(broad))}. Counsel has it narrowed, or answers for it:")
        say("  examine ... --fact accept_breadth=true")
    rule = RULES[done.step]
    if (says := done.says) is not None and "law" in (*rule.facts, *rule.may):
        say(f"The law's answer: {says.answer} ({says.cite}; the pack is {says.standing}).")
        for title, lines in (
            ("The court must find", says.findings),
            ("Unless counsel finds" if says.answer == "MUST_NOT" else "Only on condition", says.conditions),
            ("Ground to challenge", says.challenge),
        ):
            for line in lines:
                say(f"  {title}: {line}.")
        if says.age_exception:
            say("  The age of a minor made a difference here, under the statute cited.")


def _written(values: dict[str, Any], indent: str = "  ") -> list[str]:
    """Return a sheet as lines for reading; what was left empty is left out."""
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", *_written(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines += [line for one in value for line in (f"{indent}{name}:", *_written(one, indent + "  "))]
        elif value not in (None, "", []):
            shown = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
            lines.append(f"{indent}{name}: {', '.join(map(str, shown)) if isinstance(shown, list) else shown}")
    return lines


def _signed_scope(inquiry: Inquiry, sheet: Any) -> str:
    """Return the digest officers sign for the scope a sheet names; "" if it names none."""
    scope = getattr(sheet, "scope", None)
    return inquiry.scope_digest(scope.scope()) if scope is not None else ""


def _groups(who: list[str]) -> str:
    return (", or " if any(" and " in one for one in who) else " or ").join(who)


def _moment(iso: str) -> str:
    return f"{iso[:10]} {iso[11:16]} UTC"


def _show_list(found: list[Inquiry]) -> None:
    from reticent.cli.output import say

    for line in map(_line, found):
        say(f"{line['inquiry']}  {line['state']:<20} {line['kind'] or '-':<26} hold: {line['hold']}")
    if not found:
        say("No inquiry that you may know of.")


def _show_case(inquiry: Inquiry, steps: list[dict[str, Any]]) -> None:
    from reticent.cli.output import say

    line = _line(inquiry)
    for one in line.pop("holds"):
        about = ", ".join(one["classes"]) or "every class"
        say(f"holds: {one['hold']} until {one['until'][:10]}: {about}; scope {one['scope'] or 'as asked'}")
    for name, value in line.items():
        if value not in (None, [], False):
            shown = _moment(value) if name in ("hold_until", "last") else value
            say(f"{name}: {', '.join(shown) if isinstance(shown, list) else shown}")
    say("\nTaken", "bold")
    for taken in map(_taken, inquiry.entries):
        ground = f"{taken['clause']}; {taken['statute']}"
        say(f"  {_moment(taken['at'])}: {taken['step']} by {' and '.join(taken['by'])} ({ground})")
    say("\nOpen from here", "bold")
    for one in steps:
        if one["refused"]:
            continue
        facts = ", ".join(name for name in one["facts"] if name not in _OURS) or "none"
        also = f"; also: {', '.join(may)}" if (may := [name for name in one["may"] if name not in _OURS]) else ""
        say(f"  {one['step']}: {one['what']}; by {_groups(one['who'])}; facts: {facts}{also}")
    if later := [one for one in steps if one["refused"]]:
        say("\nRefused as it stands", "bold")
        for one in later:
            say(f"  {one['step']}: {one['what']}. {' '.join(one['refused'])}")
    say("Facts of a paper come from its sheet (--sheet), digests of files from --attach.")
