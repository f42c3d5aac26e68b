"""`reticent hold`: pauses severing while a duty to preserve is in force."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from reticent.cli.main import finish, opened

app = typer.Typer(help="Legal holds: place, list, release.", no_args_is_help=True)


@app.command()
def place(
    scope: Annotated[str, typer.Argument(help='A record class, a system, system/series, or "*".')],
    until: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="The day it ends.")],
) -> None:
    """Pause the severing of whole series. In force once the running chunk is done."""
    from reticent.acts.holds import place as act
    from reticent.cli.output import say

    number = act(opened(), scope, until)
    finish({"hold": number}, lambda: say(f"Hold {number} is placed on {scope} until {until:%Y-%m-%d}."), 0)


@app.command("list")
def show() -> None:
    """List every hold."""
    from reticent.cli.output import show_holds

    holds = opened().holds.all()
    finish({"holds": [vars(hold) for hold in holds]}, lambda: show_holds(holds), 0)


@app.command()
def release(number: Annotated[int, typer.Argument(help="The hold's number.")]) -> None:
    """Release a hold: severing goes on with the next run."""
    from reticent.acts.holds import release as act
    from reticent.cli.output import say

    act(opened(), number)
    finish({"released": number}, lambda: say(f"Hold {number} is released."), 0)
