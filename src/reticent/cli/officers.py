"""Officers: `reticent policy officers` changes them, `hold drill` exercises them, `inquiry card` tells the desk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reticent.cli.main import finish, opened


def change(
    signature: Annotated[
        list[str] | None, typer.Option("--signature", metavar="ROLE=FILE", help="A sitting officer's signature.")
    ] = None,
) -> None:
    """Put a changed [officers] in force: two who sat before sign it. Without signatures: write what they sign."""
    from reticent.acts.officers import change as act
    from reticent.cli import entering
    from reticent.cli.output import say

    done = act(opened(), entering.signatures(signature))

    def show() -> None:
        say(f"Changed: {', '.join(done.roles)}.")
        if not done.done:
            say(f"To be signed by two who sit now: {entering.signing(done.statement)}")
            say("Then: reticent policy officers --signature ROLE=ROLE.sig, for both")
            return
        say("In force. What the former officer signed is to be signed again: reticent policy sign, law confirm.")
        say("Seal every copy anew, so that the former officer's key helps nobody: reticent hold copies, hold reseal.")

    finish({"changed": list(done.roles), "done": done.done, "statement": str(done.statement)}, show, 0)


def drill(folder: Annotated[Path, typer.Argument(help="A new folder for the dummy seal.")]) -> None:
    """Write a dummy seal for the yearly exercise: open it with two keys, as its HOW-TO-OPEN.txt says."""
    from reticent.acts.preserving import drill as act
    from reticent.cli.output import say

    act(opened(), folder)
    text = f"Open {folder} with a pair that did not open the last one; docs/how-to/key-ceremony.md says how."
    finish({"drill": str(folder)}, lambda: say(text), 0)


def card(out: Annotated[Path, typer.Option("--out", help="card.pdf or card.txt.")]) -> None:
    """Write the one-page card for the desk: what to say, whom to call."""
    from reticent.acts.handling import desk_card
    from reticent.cli.letters import write
    from reticent.cli.output import say
    from reticent.guard.letters import card_pdf, card_text

    site = opened()
    made = desk_card(site)
    today = site.clock.now().date()
    write(out, lambda: card_pdf(made, today), lambda: card_text(made))
    finish({"card": str(out)}, lambda: say(f"The card is in {out}. Print it and lay it at every desk."), 0)
