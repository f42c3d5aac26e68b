"""`reticent ledger`: the log of what Reticent did, and how anybody checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reticent.cli.main import finish, opened

app = typer.Typer(help="The ledger: verify it, prove an entry, export it.", no_args_is_help=True)


@app.command()
def verify(
    kept: Annotated[list[Path] | None, typer.Option("--kept", help="A checkpoint kept by somebody outside.")] = None,
) -> None:
    """Rebuild the ledger from its entries and compare everything that was ever signed."""
    from reticent.acts.ledger import verify_ledger
    from reticent.cli.output import say

    report = verify_ledger(opened(), kept or [])
    document = {
        "sound": report.sound,
        "size": report.size,
        "root": report.root.hex(),
        "signed": report.signed,
        "unwitnessed": report.unwitnessed,
        "faults": [{"detector": f.detector, "place": f.place, "what": f.what} for f in report.faults],
    }
    finish(document, lambda: say("\n".join(report.sentences())), 0 if report.sound else 5)


@app.command()
def prove(
    index: Annotated[int, typer.Argument(help="The entry's number.")],
    out: Annotated[Path, typer.Option("--out", help="Write the proof to this file.")] = Path("entry.tlog-proof"),
) -> None:
    """Write a proof that one entry is in the ledger, for someone who has only a checkpoint."""
    from reticent.acts.files import write_text
    from reticent.acts.ledger import prove_entry
    from reticent.cli.output import say

    write_text(out, prove_entry(opened(), index))
    finish({"entry": index, "proof": str(out)}, lambda: say(f"Written to {out}."), 0)


@app.command()
def export(folder: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """Write the ledger as static tiles (C2SP tlog-tiles): any such tool can read it."""
    from reticent.acts.ledger import export_ledger
    from reticent.cli.output import say

    size = export_ledger(opened(), folder)
    finish({"folder": str(folder), "size": size}, lambda: say(f"{size} entries written to {folder}."), 0)
