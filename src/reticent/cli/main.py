"""The command line: parses, calls an act, prints. People see tables; ``--json`` prints one document."""

from __future__ import annotations

import logging
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from reticent.errors import NotPermitted, ReticentError, UsageError

app = typer.Typer(
    name="reticent",
    help="Keeps a library's promise of confidentiality: finds, severs, guards and proves.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@dataclass
class Options:
    """The options that stand before the command."""

    site: Path | None = None
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False


OPTIONS = Options()


@app.callback()
def options(
    site: Annotated[
        Path | None,
        typer.Option("--site", help="The site file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON document.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say where Reticent itself failed.")] = False,
) -> None:
    """Options for every command."""
    OPTIONS.site, OPTIONS.as_json, OPTIONS.quiet, OPTIONS.verbose = site, as_json, quiet, verbose


def opened() -> Any:
    """Open the site the options name."""
    from reticent.acts.opening import open_site
    from reticent.site import find_file

    return open_site(find_file(OPTIONS.site))


def finish(document: dict[str, Any], show: Any, exit_code: int) -> None:
    """Print a result as people or programs want it, and end with its exit code."""
    if OPTIONS.as_json:
        from reticent.cli.output import print_json

        print_json(document)
    else:
        show()
    raise typer.Exit(exit_code)


@app.command()
def init(
    grants: Annotated[str, typer.Option("--grants", metavar="SYSTEM", help="Only print a system's grants again.")] = "",
    library: Annotated[str, typer.Option("--library", help="The library's name.")] = "",
    jurisdiction: Annotated[str, typer.Option("--jurisdiction", help="Its state, for example US-WI.")] = "",
    system: Annotated[str, typer.Option("--system", metavar="NAME=URL", help="A name, and its find account.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="What kind of system it is.")] = "",
    tenant: Annotated[str, typer.Option("--tenant", help="Whose schemas, where a system has tenants.")] = "",
    sever: Annotated[str, typer.Option("--sever", metavar="URL", help="Its sever account.")] = "",
    prove: Annotated[str, typer.Option("--prove", metavar="URL", help="Its prove account.")] = "",
    branches: Annotated[str, typer.Option("--branches", help="Your branches: codes with commas, or all.")] = "",
    state: Annotated[str, typer.Option("--state", help="Folder for Reticent's own records.")] = "",
    keys: Annotated[str, typer.Option("--keys", help="Folder for its keys.")] = "",
    last_borrower: Annotated[str, typer.Option("--last-borrower", help="0 to 7 days.")] = "",
    payment: Annotated[str, typer.Option("--payment", help="How long who paid is kept.")] = "",
    registration: Annotated[str, typer.Option("--registration", help="How long deleted accounts are kept.")] = "",
    schedule: Annotated[
        list[str] | None, typer.Option("--schedule", help='"none applies", or "CLASS=ITEM" for each class.')
    ] = None,
    decide: Annotated[list[str] | None, typer.Option("--decide", help="NAME=CHOICE, a question of the map.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; take the default of what is not given.")] = False,
) -> None:
    """Write reticent.toml by asking or from options, try each account, and print the exact grants."""
    from reticent.cli import asking, output

    if grants:
        from reticent.acts.grants import printed

        found = printed(opened().site, grants)
        finish(found.document(), lambda: output.show_grants(found), 0)
    from reticent.acts.init import init as act

    name, _, url = system.partition("=")
    given = {"library": library, "jurisdiction": jurisdiction, "name": name, "find": url, "kind": kind, "sever": sever,
             "prove": prove, "branches": branches, "state": state, "keys": keys, "last-borrower": last_borrower,
             "payment": payment, "registration": registration, "tenant": tenant}  # fmt: skip
    items = asking.pairs("schedule", schedule or [])
    if items and "schedule" not in items:
        items["schedule"] = "each"
    given |= items | asking.pairs("decide", decide or [])
    answers = {key: answer for key, answer in given.items() if answer}
    written = act(OPTIONS.site or Path("reticent.toml"), asking.Answering(answers, defaults=yes or OPTIONS.as_json))
    finish(written.document(), lambda: output.show_written(written), written.exit_code)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to build it.")] = Path("reticent-demo"),
    patrons: Annotated[int, typer.Option("--patrons", min=150, help="How many patrons.")] = 2500,
    years: Annotated[int, typer.Option("--years", min=1, max=20, help="How many years of lending.")] = 5,
    seed: Annotated[int, typer.Option("--seed", help="Another number makes another library.")] = 2026,
    no_sever: Annotated[bool, typer.Option("--no-sever", help="Stop after the plan.")] = False,
) -> None:
    """Build a made-up library and do the main job on it: find, plan, sever, check, and a page to read."""
    from datetime import datetime

    from reticent.acts.demo import demo as act
    from reticent.cli import output, pages

    today = datetime.now().astimezone().date()
    with output.progress(OPTIONS) as progress:
        done = act(folder, progress, patrons=patrons, years=years, seed=seed, today=today, stop_before_sever=no_sever)
    finish(done.document(), lambda: pages.show_demo(done), done.exit_code)


@app.command()
def find() -> None:
    """Find where readers are still tied to what they read, series by series."""
    from reticent.acts.find import find as act
    from reticent.cli import output

    with output.progress(OPTIONS) as progress:
        inventory = act(opened(), progress)
    finish(inventory.document(), lambda: output.show_inventory(inventory), inventory.exit_code)


@app.command()
def plan(out: Annotated[Path | None, typer.Option("--out", help="Write the plan to this file.")] = None) -> None:
    """The dry run: what a severing run would do, what it would hold back and what it would break."""
    from reticent.acts.plan import plan as act
    from reticent.cli import output

    with output.progress(OPTIONS) as progress:
        made = act(opened(), progress)
    if out is not None:
        output.write_json(out, made.document())
    finish(made.document(), lambda: output.show_plan(made, out), 0)


@app.command()
def sever(
    plan: Annotated[Path | None, typer.Option("--plan", help="The plan to apply.")] = None,
    armed: Annotated[bool, typer.Option("--armed", help="Unattended: only the series that are armed.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask; only with --plan, or to finish an interrupted run.")
    ] = False,
) -> None:
    """Sever what a plan names. Running it again after any crash finishes the work."""
    from reticent.acts import armed as armed_act
    from reticent.acts import plan as plan_act
    from reticent.acts import sever as act
    from reticent.cli import output
    from reticent.sever.plan import read_plan

    site = opened()
    with output.progress(OPTIONS) as progress:
        if armed:
            result = armed_act.sever_armed(site, progress)
        else:
            chosen = read_plan(output.read_json(plan), str(plan)) if plan else act.pending(site)
            if chosen is None:
                chosen = plan_act.plan(site, progress)
                output.pause(progress)
                _ask(chosen)
            result = act.sever(site, chosen, progress)
    finish(result.document(), lambda: output.show_run(result), result.exit_code)


def _ask(made: Any) -> None:
    from reticent.cli import output

    if not sys.stdin.isatty() or OPTIONS.as_json:
        raise NotPermitted(
            "Nothing is severed unattended that was not armed, and nobody has read a plan.",
            do="Run `reticent plan --out plan.json`, read it, then `reticent sever --plan plan.json`.",
        )
    output.show_plan(made, None)
    if not made.total:
        raise typer.Exit(0)
    answer = typer.prompt(f"To sever these {made.total} ties, type the number", err=True)
    if answer.strip() != str(made.total):
        raise UsageError("Nothing was severed.", do="Type exactly the number, or do nothing.")


@app.command()
def arm(
    step: Annotated[str, typer.Argument(help="The series, as `reticent plan` names it: system/series.")] = "",
    signature: Annotated[Path | None, typer.Option("--signature", help="The custodian's signature.")] = None,
) -> None:
    """Let a series run by itself: first a trial of 100 rows, then the custodian's signature. Alone: list them."""
    from reticent.acts import armed as act
    from reticent.cli import output

    site = opened()
    if not step:
        rows = [vars(arming) for arming in site.armings.all()]
        finish({"series": rows}, lambda: output.show_armings(site.armings.all()), 0)
    if signature is not None:
        act.arm(site, step, output.read_bytes(signature))
        finish({"armed": step}, lambda: output.say(f"{step} is armed: `reticent sever --armed` severs it."), 0)
    with output.progress(OPTIONS) as progress:
        statement = act.try_series(site, step, progress, lambda few: _confirm_trial(few, progress))
    document = {"tried": step, "severed": statement.trial.severed, "statement": str(statement.path)}
    finish(document, lambda: output.show_statement(statement), 0)


def _confirm_trial(few: Any, progress: Any) -> None:
    from reticent.cli import output

    output.pause(progress)
    if sys.stdin.isatty() and not OPTIONS.as_json:
        whole = "or a little more, in whole files, " if few.walk == "files" else ""
        asked = f"The trial severs {few.rows} ties {whole}of {few.name} for good. Type the number"
        answer = typer.prompt(asked, err=True)
        if answer.strip() != str(few.rows):
            raise UsageError("Nothing was severed.", do="Type exactly the number, or do nothing.")


@app.command()
def disarm(step: Annotated[str, typer.Argument(help="The series: system/series.")]) -> None:
    """Stop a series from running by itself."""
    from reticent.acts import armed as act
    from reticent.cli import output

    act.disarm(opened(), step, "asked for")
    finish({"disarmed": step}, lambda: output.say(f"{step} is disarmed."), 0)


@app.command()
def report(out: Annotated[Path, typer.Option("--out", help="Where to write the page.")] = Path("report.html")) -> None:
    """Write one self-contained page for a director."""
    from reticent.acts.report import report as act
    from reticent.cli import output, pages

    with output.progress(OPTIONS) as progress:
        made = act(opened(), out, progress)
    finish(made.document(), lambda: pages.show_report(made), made.exit_code)


@app.command()
def check() -> None:
    """Is the promise kept? Every question again, by other code and by the prover's own account."""
    from reticent.acts.check import check as act
    from reticent.cli import output

    with output.progress(OPTIONS) as progress:
        report = act(opened(), progress)
    finish(report.document(), lambda: output.show_check(report), report.exit_code)


@app.command()
def statistics(
    form: Annotated[str, typer.Option("--form", help="pls, acrl, iso2789 or logs.")],
    year: Annotated[int, typer.Option("--year", help="The year of the form.")],
) -> None:
    """The counts a library must report: what is there plus what severing tallied."""
    from reticent.acts.statistics import statistics as act
    from reticent.cli import output

    with output.progress(OPTIONS) as progress:
        answered = act(opened(), form, year, progress)
    finish(answered.document(), lambda: output.show_form(answered), answered.exit_code)


@app.command("filter")
def filter_(
    form: Annotated[str, typer.Option("--format", help="combined, nginx, sip2, ... or 'apache: LOGFORMAT'.")],
) -> None:
    """Sever a live log, from stdin to stdout, before it reaches the disk. If anything goes wrong: nothing raw."""
    from reticent.acts.live import filter_live

    raise typer.Exit(filter_live(form))


@app.command()
def share(
    file: Annotated[Path, typer.Argument(help="The log.")],
    form: Annotated[str, typer.Option("--format", help="combined, nginx, ezproxy, sip2, ...")],
    out: Annotated[Path | None, typer.Option("--out", help="The copy; FILE.shared if not given.")] = None,
) -> None:
    """Write a copy of a log that is safe to send to a vendor: no account, item, title, transaction or time."""
    from reticent.acts.live import share_copy
    from reticent.cli.output import say

    copy = out or file.with_name(file.name + ".shared")
    shared = share_copy(file, copy, form)
    document = {"copy": str(copy), "lines": shared.lines, "withheld": shared.withheld}
    text = f"{shared.lines} lines written to {copy}; {shared.withheld} withheld: they do not fit the format."
    text += "".join(f"\n  byte {offset} looks like {shape!r}" for offset, shape in shared.shown[:5])
    finish(document, lambda: say(text), 0)


@cache
def _add_groups() -> None:
    from reticent.cli import hold, inquiry, law, ledger, letters, officers, policy, release, subject
    from reticent.cli import map as maps

    inquiry.app.command()(letters.letter)
    inquiry.app.command()(officers.card)
    hold.app.command()(officers.drill)
    policy.app.command("officers")(officers.change)
    app.add_typer(ledger.app, name="ledger")
    app.add_typer(hold.app, name="hold")
    app.add_typer(inquiry.app, name="inquiry")
    app.add_typer(law.app, name="law")
    app.add_typer(maps.app, name="map")
    app.add_typer(policy.app, name="policy")
    app.add_typer(release.app, name="release")
    app.add_typer(subject.app, name="subject")


_INTERRUPTED = 130
"""What Typer returns for Ctrl-C; it keeps the exception to itself."""


def main() -> None:
    """Run the command line; every failure ends with a message that says what to do."""
    _add_groups()
    # A library's own log or warning can quote a row: nothing of theirs reaches the terminal.
    logging.lastResort = None
    warnings.simplefilter("ignore")
    try:
        code = app(_arranged(sys.argv[1:]), prog_name="reticent", standalone_mode=False)
        if code == _INTERRUPTED:
            _interrupted()
        sys.exit(code if isinstance(code, int) else 0)
    except ReticentError as error:
        _fail(error)
    except typer.Exit as end:
        sys.exit(end.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _interrupted()
    except BrokenPipeError:
        sys.exit(2)
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is not None:
            command = getattr(getattr(error, "ctx", None), "command_path", "reticent")
            _fail(UsageError(str(usage()), do=f"See `{command} --help`."))
        _fail(_unexpected(error))


def _arranged(arguments: list[str]) -> list[str]:
    """Return the arguments with ``--json`` in front: people write it behind the command as often as before it."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    rest = [one for one in arguments[:end] if one != "--json"] + arguments[end:]
    return ["--json"] * (len(rest) < len(arguments)) + rest


def _interrupted() -> None:
    _fail(UsageError("Interrupted. Nothing is half done; running again goes on."))


def _unexpected(error: Exception) -> ReticentError:
    # Foreign exception text can hold a row of the library's data, so only the place is told.
    trace = error.__traceback__
    places = []
    while trace is not None:
        places.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    shown = " > ".join(places if OPTIONS.verbose else places[-1:])
    return UsageError(
        f"Reticent itself failed ({type(error).__name__}). Nothing was passed through.",
        where=shown,
        do="Run again with -v and report the line above; it holds no data.",
    )


def _fail(error: ReticentError) -> None:
    if OPTIONS.as_json:
        from reticent.cli.output import print_json

        fields = {"what": error.what, "where": error.where, "do": error.do}
        print_json({"error": fields, "exit_code": error.exit_code})
    else:
        from reticent.cli.output import safe

        sys.stderr.write(safe(f"reticent: {error}") + "\n")
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
