"""`reticent subject`: a patron's own right to see what is held about them, and to have it severed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reticent.cli.main import finish, opened

app = typer.Typer(
    help="A patron's own right: export what is held about them, sever what is over.", no_args_is_help=True
)


@app.command()
def export(
    identity: Annotated[Path, typer.Option("--identity", help="The age key file of the officer at the keyboard.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder for what is made.")],
    verified: Annotated[bool, typer.Option("--identity-verified", help="The patron showed who they are.")] = False,
    recipient: Annotated[str, typer.Option("--recipient", help="The patron's public age key; without: paper.")] = "",
) -> None:
    """Write what is held about one patron, for that patron. Accounts and card numbers are asked for, not kept.

    From a pipe: lines SYSTEM=URL for the accounts and card:SYSTEM=NUMBER for the numbers.
    """
    from reticent.acts.gate import open_gate
    from reticent.acts.gathering import searchable
    from reticent.acts.handling import role_of
    from reticent.acts.subject import export as act
    from reticent.cli import entering
    from reticent.cli.output import say
    from reticent.policy.gate import Asker

    site = opened()
    asker = Asker("officer", frozenset({role_of(site, entering.text_of(identity))}))
    if not recipient:
        entering.warn("What will be written names a person, in the clear. Hand it to them and to nobody else.")
    names = [*entering.needs_account(site), *(f"card:{name}" for name in searchable(site))]
    given = entering.entered(names, "Account, or number on the card")
    cards = {name.removeprefix("card:"): text for name, text in given.items() if name.startswith("card:")}
    accounts = {name: text for name, text in given.items() if not name.startswith("card:")}
    entering.new_folder(out)
    made = act(site, open_gate(site), asker, cards, accounts, identity_verified=verified, recipient=recipient)
    entering.write_out(out, made.files)

    def show() -> None:
        say(f"Written to {out}: {', '.join(sorted(made.files))}.")
        say("Where an inquiry was recorded:", "dim")
        facts = f"--fact identity=card_and_id --fact package={made.digest}"
        say(f"  reticent inquiry advance INQUIRY hand-to-subject {facts}")
        if not made.found.complete:
            say("A system was not searched to its end; the papers say so.", "bold")

    finish(made.document(), show, made.exit_code)


@app.command()
def sever(
    identity: Annotated[Path, typer.Option("--identity", help="The age key file of the officer at the keyboard.")],
    verified: Annotated[bool, typer.Option("--identity-verified", help="The patron showed who they are.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="A new folder for the patron's paper, with counts.")] = None,
) -> None:
    """Sever everything of one patron whose purpose is over, at their wish. Accounts and numbers as for `export`.

    How much it was stands only on the paper for the patron.
    """
    from reticent.acts.forgetting import forget as act
    from reticent.acts.gate import open_gate
    from reticent.acts.gathering import searchable
    from reticent.acts.handling import role_of
    from reticent.acts.subject import severed_paper
    from reticent.cli import entering, output
    from reticent.cli.main import OPTIONS
    from reticent.policy.gate import Asker

    site = opened()
    asker = Asker("officer", frozenset({role_of(site, entering.text_of(identity))}))
    names = [*entering.needs_account(site), *(f"card:{name}" for name in searchable(site))]
    given = entering.entered(names, "Account, or number on the card")
    cards = {name.removeprefix("card:"): text for name, text in given.items() if name.startswith("card:")}
    accounts = {name: text for name, text in given.items() if not name.startswith("card:")}
    if out is not None:
        entering.new_folder(out)
    with output.progress(OPTIONS) as progress:
        done = act(site, open_gate(site), asker, cards, accounts, progress, identity_verified=verified)
    if out is not None:
        entering.write_out(out, severed_paper(site, done))

    def show() -> None:
        output.say(f"Gone through: {', '.join(done.titles[name] for name in done.done) or 'nothing'}.")
        for why, what in done.stays.items():
            output.say(f"\nStays, because {why}:", "bold")
            for one in what:
                output.say(f"  {one}")
        if out is not None:
            output.say(
                f"\nThe patron's paper, which says how much it was, is in {out}. Hand it to them, then destroy it."
            )

    finish(done.document(), show, done.exit_code)
