"""`reticent law`: what the state's law says about library records, and counsel's word that it does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reticent.cli.main import finish, opened

if TYPE_CHECKING:
    from reticent.law.packs import Clock, Rule

app = typer.Typer(help="The law of the place: show it, confirm it, compare it.", no_args_is_help=True)
_PLACE = Annotated[str, typer.Argument(metavar="[PLACE]", help="Such as US-DC; the site's own if not given.")]


@app.command()
def show(place: _PLACE = "") -> None:
    """Show a pack: its rules, how far they were read, and whether counsel stands by it."""
    from reticent.acts.law import jurisdiction, pack_of
    from reticent.cli.output import say

    site = opened()
    found = pack_of(site, jurisdiction(site, place))
    pack = found.pack
    document = {
        "standing": str(found.standing),
        "confirmed": found.on.isoformat() if found.on else None,
        "file": str(found.path),
        **pack.model_dump(mode="json"),
    }

    def shown() -> None:
        say(f"{pack.name} ({pack.jurisdiction}): {'; '.join(pack.citations)}", "bold")
        dated = f", as of {pack.as_of}" if pack.as_of else ""
        say(f"{found.standing}; {_READ[pack.reading]}{dated}; review by {pack.review_by}.")
        say(pack.summary)
        for rule in pack.rule:
            _show_rule(rule)
        for line in pack.not_read:
            say(f"\n  Never read: {line}.")
        say("\nA draft for the library's counsel; not legal advice.")

    finish(document, shown, 0)


_READ = {
    "read": "the statute's text was read",
    "secondary": "from secondary sources; the statute's text was not read",
    "memory": "from memory; the statute's text was not read",
}


def _show_rule(rule: Rule) -> None:
    from reticent.cli.output import say

    def words(values: Sequence[str]) -> str:
        return ", ".join(values).replace("_", " ")

    to = words(rule.to).replace("consented", "whoever the patron authorised") or "anyone"
    say(f"\n  {words([rule.effect])} be given to {to} on {words(rule.instruments)}")
    say(f"    {rule.cite}; {_READ[rule.reading]}")
    below = (f"patrons under {rule.age_below}",) if rule.age_below else ()
    for title, lines in (
        ("whose", below),
        ("records", rule.record_classes),
        ("libraries", rule.library_types),
        ("only these fields", rule.fields),
    ):
        if lines:
            say(f"    {title}: {words(lines)}")
    for title, lines in (("finding", rule.findings), ("condition", rule.conditions)):
        for line in lines:
            say(f"    {title}: {line}")
    if rule.clock:
        _show_clock(rule.clock)


def _show_clock(clock: Clock) -> None:
    from reticent.cli.output import say

    within, wait = clock.notice_within_working_days, clock.wait_days
    parts = [
        f"sent within {within} working days" if within else "",
        f"by {clock.channel.replace('_', ' ')}" if clock.channel else "",
        f"then {wait} days before anything is given" if wait else "",
        "a court may waive it" if clock.waivable_by_court else "",
        clock.hearing,
    ]
    say(f"    notice: {'; '.join(part for part in parts if part)}")


@app.command()
def confirm(
    place: _PLACE = "",
    signature: Annotated[Path | None, typer.Option("--signature", help="Counsel's signature.")] = None,
) -> None:
    """Have counsel confirm a pack: write the statement counsel signs, then take the signature. Good for a year."""
    from reticent.acts.law import confirm as act
    from reticent.acts.law import jurisdiction
    from reticent.cli.entering import signing
    from reticent.cli.output import read_bytes, say

    site = opened()
    found, path = act(site, jurisdiction(site, place), read_bytes(signature) if signature else None)
    document = {
        "pack": found.pack.jurisdiction,
        "digest": found.pack.digest,
        "standing": str(found.standing),
        "statement": None if signature else str(path),
    }

    def shown() -> None:
        if signature:
            say(f"{found.pack.name} is {found.standing} by counsel as of {found.on}.", "bold")
            return
        say(f"Counsel reads `reticent law show {found.pack.jurisdiction}` and {found.path}, and signs today:")
        say(f"  {signing(path, 'counsel')}")
        say(f"  reticent law confirm {found.pack.jurisdiction} --signature counsel.sig")

    finish(document, shown, 0)


@app.command()
def diff(place: _PLACE = "") -> None:
    """Compare a pack as it stands with the text counsel confirmed, or with the shipped draft."""
    from reticent.acts.law import diff as act
    from reticent.acts.law import jurisdiction
    from reticent.cli.output import say

    site = opened()
    lines = act(site, jurisdiction(site, place))
    finish({"diff": lines}, lambda: say("\n".join(lines) if lines else "Nothing differs."), int(bool(lines)))
