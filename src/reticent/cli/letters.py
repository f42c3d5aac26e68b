"""`reticent inquiry letter`: letters in the library's name, as PDF or plain text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from reticent.cli.main import finish, opened
from reticent.errors import SystemRefused, UsageError


def letter(
    kind: Annotated[
        str,
        typer.Argument(
            help="acknowledgement, refusal, defect_notice, challenge, patron_notice, released_notice, "
            "receipt, redisclosure, paper_checkpoint."
        ),
    ],
    inquiry: Annotated[str, typer.Option("--inquiry", help="The inquiry it is about.")],
    out: Annotated[Path, typer.Option("--out", help="letter.pdf or letter.txt.")],
    identity: Annotated[Path | None, typer.Option("--identity", help="An officer's age key: names the paper.")] = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="One line of the address; repeat it.")] = None,
    value: Annotated[list[str] | None, typer.Option("--value", metavar="NAME=TEXT", help="What it lacks.")] = None,
    item: Annotated[list[str] | None, typer.Option("--item", help="One item of its list; repeat it.")] = None,
) -> None:
    """Write a letter about an inquiry, with the state's citation; counsel reads it before it is sent."""
    from reticent.acts.handling import write_letter
    from reticent.cli import entering
    from reticent.cli.output import say
    from reticent.guard.letters import Kind, as_pdf, as_text
    from reticent.tomlfile import nearest

    if kind not in set(Kind):
        raise UsageError(f"There is no such letter{nearest(kind, Kind)}.", do=f"One of: {', '.join(Kind)}.")
    key = entering.text_of(identity) if identity else ""
    values = entering.pairs(value, "--value")
    made = write_letter(opened(), Kind(kind), inquiry, key, values, to or [], item or [])
    write(out, lambda: as_pdf(made), lambda: as_text(made))

    def show() -> None:
        say(
            f"The letter is in {out}."
            + (" It is a draft: counsel has not confirmed the law it cites." * bool(made.draft))
        )

    finish({"letter": str(out), "draft": bool(made.draft)}, show, 0)


def write(out: Path, pdf: Callable[[], bytes], text: Callable[[], str]) -> None:
    """Write what the file's ending asks for. Raises SystemRefused."""
    data = pdf() if out.suffix.lower() == ".pdf" else text().encode()
    try:
        out.write_bytes(data)
    except OSError:
        raise SystemRefused(
            "The file cannot be written.", where=str(out), do="Check the folder and the disk."
        ) from None
