"""`reticent map`: maps of a library's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reticent.cli.main import OPTIONS, finish, opened

app = typer.Typer(help="Maps of your own.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Maps of your own."""


@app.command()
def draft(
    system: Annotated[str, typer.Argument(help="The system, as reticent.toml names it.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write it; SYSTEM.toml if not given.")] = None,
) -> None:
    """Begin a map of places no map knows, for a person to finish: tables, likely persons, likely classes."""
    from reticent.acts.draft import draft_map
    from reticent.cli import output

    site = opened()
    with output.progress(OPTIONS) as progress:
        made = draft_map(site, system, out or Path(f"{system}.toml"), progress)
    finish(dict(made.document()), lambda: output.show_draft(made), 0)
