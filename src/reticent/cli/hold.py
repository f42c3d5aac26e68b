"""`reticent hold`: pauses severing while a duty to preserve is in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reticent.cli.main import finish, opened

if TYPE_CHECKING:
    from reticent.acts.holds import Done

app = typer.Typer(
    help="Legal holds: place, list, release; sealed copies: copy, copies, reseal, lift.", no_args_is_help=True
)


_SIGNED = Annotated[list[str] | None, typer.Option("--signature", metavar="ROLE=FILE", help="An officer's signature.")]
_KEY = Annotated[
    list[str] | None, typer.Option("--key", metavar="ROLE=FILE", help="Sign here and now with an officer's SSH key.")
]


@app.command()
def place(
    scope: Annotated[str, typer.Argument(help='A record class, a system, system/series, or "*".')],
    until: Annotated[
        datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="The day it ends: at most the tenth working day.")
    ],
    signature: _SIGNED = None,
    key: _KEY = None,
) -> None:
    """Pause the severing of whole series: custodian or alternate signs alone. In force once the running chunk is done.

    For longer, and to prolong it, two officers confirm a hold: `reticent inquiry`.
    """
    from reticent.acts.holds import place as act

    site = opened()
    said = f"is placed on {scope} until {until:%Y-%m-%d}"
    _signed(lambda given: act(site, scope, until, given), signature, key, "hold", said)


def _signed(
    act: Callable[[Mapping[str, bytes]], Done], signature: list[str] | None, key: list[str] | None, name: str, said: str
) -> None:
    """Do what an officer signs; without a signature, say where the text to be signed is."""
    from reticent.cli import entering
    from reticent.cli.output import say

    done = act(entering.signatures(signature))
    if key and done.statement is not None:
        done = act(entering.sign(key, done.statement.read_bytes()))

    def show() -> None:
        if done.statement is None:
            say(f"Hold {done.number} {said}.")
            return
        say(f"Nothing is done yet. An officer signs: {entering.signing(done.statement)}")
        say("Then the same command with --signature ROLE=ROLE.sig (or sign here and now: --key ROLE=KEY).")

    statement = str(done.statement) if done.statement else None
    finish({name: done.number or None, "statement": statement}, show, 0)


@app.command("list")
def show() -> None:
    """List the holds placed by hand; `inquiry list` tells those of inquiries."""
    from reticent.cli.output import show_holds

    holds = opened().holds.all()
    finish({"holds": [vars(hold) for hold in holds]}, lambda: show_holds(holds), 0)


@app.command()
def release(
    number: Annotated[int, typer.Argument(help="The hold's number.")], signature: _SIGNED = None, key: _KEY = None
) -> None:
    """Release a hold, signed by an officer: severing goes on with the next run."""
    from reticent.acts.holds import release as act

    site = opened()
    _signed(lambda given: act(site, number, given), signature, key, "released", "is released")


_IDENTITY = Annotated[Path, typer.Option("--identity", help="The age key file of the officer at the keyboard.")]
_COPY = Annotated[str, typer.Argument(metavar="COPY", help="Its name: `reticent hold copies` lists them.")]


@app.command("copy")
def copy_(
    name: Annotated[str, typer.Argument(metavar="INQUIRY", help="The inquiry whose hold two officers confirmed.")],
    identity: _IDENTITY,
    ends: Annotated[
        list[int] | None, typer.Option("--ends", help="A hold by number that waited for this copy.")
    ] = None,
) -> None:
    """Make the verified sealed copy of a confirmed hold; the live ties are then severed like everyone's."""
    from reticent.acts.handling import open_inquiry
    from reticent.acts.preserving import copy as act
    from reticent.cli import entering
    from reticent.cli.output import say

    site = opened()
    accounts = entering.entered(entering.needs_account(site), "Account (a database URL that may read names)")
    handled = open_inquiry(site, name, entering.text_of(identity), "hold", accounts)
    # The hold ends at the midnight after its last day; the copy is kept until that day, not one more.
    hold = handled.inquiry.case.to_copy
    until = ((hold and hold.until) or site.clock.now()) - timedelta(seconds=1)
    made = act(site, handled.gate, handled.journal, handled.task, until.date(), ends or [])

    def show() -> None:
        say(f"The sealed copy is in {made.folder} and reads back. Print its HOW-TO-OPEN.txt.")
        if made.found.complete:
            who = f" --identity {identity}" * handled.inquiry.case.sealed
            say(f"Next: reticent inquiry advance {name}{who} record-copy --fact package={made.digest}")
        else:
            say("A system was not copied to its end: its series go on waiting. Make the copy again.", "bold")

    finish(made.document(), show, made.exit_code)


@app.command()
def copies(identity: _IDENTITY) -> None:
    """List the sealed copies, to an officer: when made, until when kept, whether the sitting officers open them."""
    from reticent.acts.handling import role_of
    from reticent.acts.preserving import copies as act
    from reticent.cli import entering
    from reticent.cli.output import say

    site = opened()
    role_of(site, entering.text_of(identity))
    found = act(site)

    def show() -> None:
        for one in found:
            say(f"{one.name}  made {one.made}, until {one.until}" + ("" if one.current else "  SEAL ANEW"))
        if not found:
            say("There is none.")

    finish({"copies": [vars(one) for one in found]}, show, 0)


@app.command()
def reseal(
    name: _COPY, key: Annotated[Path, typer.Option("--key", help="seal.key, as two officers unwrapped it.")]
) -> None:
    """Seal a copy anew to the sitting officers, after a change of officers."""
    from reticent.acts.handling import register_gate
    from reticent.acts.preserving import reseal as act
    from reticent.cli import entering
    from reticent.cli.output import say

    site = opened()
    gate, journal = register_gate(site)
    digest = act(site, journal, gate, name, entering.text_of(key))
    finish({"copy": name, "digest": digest}, lambda: say(f"{name} is sealed anew. Destroy seal.key: shred -u."), 0)


@app.command()
def lift(
    name: _COPY,
    signature: _SIGNED = None,
) -> None:
    """Destroy a sealed copy whose hold has ended; before its day two officers sign for it."""
    from reticent.acts.handling import register_gate
    from reticent.acts.preserving import lift as act
    from reticent.cli import entering
    from reticent.cli.output import say

    site = opened()
    gate, journal = register_gate(site)
    statement = act(site, journal, gate, name, entering.signatures(signature))
    text = f"{name} is destroyed. Disks may remember; without a wrap nobody can read it."
    if statement is not None:
        text = (
            f"Its day has not come. Two officers sign: {entering.signing(statement)}\n"
            f"Then: reticent hold lift {name} --signature ROLE=ROLE.sig, for both"
        )
    finish({"copy": name, "lifted": statement is None, "statement": str(statement or "")}, lambda: say(text), 0)
