"""`reticent law`: what the state's law says about library records, and counsel's word that it does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reticent.cli.main import finish, opened

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
        say(
            f"{found.standing}; read: {pack.reading}; text as of {pack.as_of or 'no date'}; review by {pack.review_by}."
        )
        say(pack.summary)
        for rule in pack.rule:
            to = ", ".join(rule.to) or "anyone"
            say(f"\n  {rule.effect} to {to} on {', '.join(rule.instruments)} ({rule.cite}; {rule.reading})")
            for title, lines in (("finding", rule.findings), ("condition", rule.conditions), ("only", rule.fields)):
                for line in lines:
                    say(f"    {title}: {line}")
            if rule.clock:
                say(f"    notice: {rule.clock.model_dump_json()}")
        for line in pack.not_read:
            say(f"\n  Never read: {line}.")
        say("\nA draft for the library's counsel; not legal advice.")

    finish(document, shown, 0)


@app.command()
def confirm(
    place: _PLACE = "",
    signature: Annotated[Path | None, typer.Option("--signature", help="Counsel's signature.")] = None,
) -> None:
    """Have counsel confirm a pack: write the statement counsel signs, then take the signature. Good for a year."""
    from reticent.acts.law import confirm as act
    from reticent.acts.law import jurisdiction
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
        say(f"  ssh-keygen -Y sign -n reticent -f KEY {path}")
        say(f"  reticent law confirm {found.pack.jurisdiction} --signature {path}.sig")

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
