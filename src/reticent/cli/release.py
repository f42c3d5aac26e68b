"""`reticent release`: what two officers approved, gathered, packed and sealed. Steps stay in `reticent inquiry`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reticent.cli.main import finish, opened

app = typer.Typer(help="Release: preview a scope, gather an approved order, read a package.", no_args_is_help=True)

INQUIRY = Annotated[str, typer.Argument(metavar="INQUIRY", help="Its name in the register.")]
IDENTITY = Annotated[Path, typer.Option("--identity", help="The age key file of the officer at the keyboard.")]
SIGNED = Annotated[list[str] | None, typer.Option("--signature", metavar="ROLE=FILE", help="An officer's signature.")]


@app.command()
def preview(name: INQUIRY, identity: IDENTITY, signature: SIGNED = None) -> None:
    """Count what an order covers; first counsel signs the question. Accounts are asked for and not kept."""
    from reticent.acts.handling import open_preview, preview_statement
    from reticent.acts.release import preview as act
    from reticent.cli import entering
    from reticent.cli.output import say

    site, key = opened(), entering.text_of(identity)
    if not signature:
        path = preview_statement(site, name, key)
        then = f"Then: reticent release preview {name} --identity AGE-KEY --signature counsel=counsel.sig"
        signs = f"Counsel signs the question first: {entering.signing(path, 'counsel')}\n{then}"
        finish({"statement": str(path)}, lambda: say(signs), 0)
    accounts = entering.entered(entering.needs_account(site), "Account (a database URL that may read names)")
    handled = open_preview(site, name, key, entering.signatures(signature), accounts)
    counts, found = act(site, handled.gate, handled.task)
    document = {
        "counts": counts,
        "withheld_by_law": list(found.limits),
        "complete": found.complete,
        "stopped": {one.system: one.stopped for one in found.searched if one.stopped},
        "not_searched": [vars(one) for one in found.not_searched],
    }

    def show() -> None:
        for series, rows in counts.items():
            say(f"{rows:8}  {series}: {found.series[series].title}")
        if not counts:
            say("Nothing counted.")
        for line in found.limits:
            say(f"Withheld by law, and not counted: {line}")
        for one in found.searched:
            if one.stopped:
                say(f"{one.system} was not counted to its end: {one.stopped}")
        say("Not counted:")
        for away in found.not_searched:
            say(f"  {away.system}: {away.place} ({away.why})")

    finish(document, show, 0 if found.complete else 3)


@app.command()
def gather(
    name: INQUIRY,
    identity: IDENTITY,
    out: Annotated[Path, typer.Option("--out", help="A new folder for what is made.")],
    recipient: Annotated[str, typer.Option("--recipient", help="The recipient's public age key; without: paper.")] = "",
    witness: Annotated[str, typer.Option("--witness", help="The witness's office, for the worksheet.")] = "",
    warrant: Annotated[bool, typer.Option("--warrant", help="A search warrant is being executed.")] = False,
) -> None:
    """Gather what an approved inquiry covers and nothing else; accounts are asked for and not kept.

    Without --recipient the files are in the clear, for print: they name persons.
    """
    from reticent.acts.handling import open_inquiry
    from reticent.acts.release import release as act
    from reticent.cli import entering
    from reticent.cli.output import say

    site, key = opened(), entering.text_of(identity)
    if not recipient:
        entering.warn("What will be written names persons, in the clear. Print it, then destroy it.")
    accounts = entering.entered(entering.needs_account(site), "Account (a database URL that may read names)")
    handled = open_inquiry(site, name, key, "warrant" if warrant else "release", accounts, witness)
    entering.new_folder(out)
    made = act(site, handled.gate, handled.journal, handled.task, recipient=recipient, warrant=warrant)
    entering.write_out(out, {**made.files, "worksheet.txt": made.worksheet.encode()})

    def show() -> None:
        say(f"Written to {out}: {', '.join(sorted(made.files))}; the worksheet stays here.")
        if not made.found.complete:
            say("A system was not searched to its end. The papers say so; do not call this complete.", "bold")
        away, who = len(made.found.not_searched), f" --identity {identity}" * handled.inquiry.case.sealed
        do = f"reticent inquiry advance {name}{who}"
        if warrant:
            say("Hand over exactly this, and list it with what else was viewed or taken. When they have left:")
            say(f"  {do} list-inventory --sheet inventory.toml --attach inventory=inventory.txt")
            say(f"  {do} end-warrant --attach receipt=receipt.pdf")
            say(f"Another officer, by the end of the next working day: {do} countersign")
            return
        if made.nil and not made.found.complete:
            say("Nothing was found, but not all was searched: do not return nil on this. Mend it, then gather again.")
            return
        say(f"Next: {do} search --attach worksheet={out}/worksheet.txt")
        if made.nil:
            say(f"Then: {do} return-nil --fact places_not_searched={away} --attach letter={out}/nil-return.txt")
            return
        say(f"Then: {do} prepare --fact package={made.digest} --fact places_not_searched={away}")
        say(f"And:  {do} release --fact package={made.digest} --fact witness=witnessed")
        say("No witness can be reached: print the sheet two officers sign, and attach it as it was signed:")
        sheet = f"paper_checkpoint --inquiry {name}{who} --value package={made.digest}"
        say(f"  reticent inquiry letter {sheet} --out sheet.pdf")
        say(f"  {do} release --fact package={made.digest} --fact witness=paper --attach checkpoint=scan.pdf")

    finish(made.document(), show, made.exit_code)


@app.command()
def read(
    file: Annotated[Path, typer.Argument(help="A package, decrypted: release.zip.")],
    key: Annotated[str, typer.Option("--key", help="The library's verifier key (NAME+ID+KEY); without: ours.")] = "",
) -> None:
    """Check a package: its profile, every byte and who signed it. Names what is inside, shows nothing of it."""
    from reticent.cli.output import read_bytes, say
    from reticent.guard.package import read as act
    from reticent.ledger.note import Verifier

    verifier = Verifier.parse(key) if key else opened().ledger_key().verifier
    package = act(read_bytes(file), verifier)
    document = {"package": package.name, "files": sorted(package.files), "signed_by": verifier.name}
    finish(document, lambda: say(f"Whole and signed by {verifier.name}: {', '.join(sorted(package.files))}"), 0)
