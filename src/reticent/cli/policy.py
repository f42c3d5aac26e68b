"""`reticent policy`: the rules of the gate, proved, explained, compared, published and adopted."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reticent.cli.main import finish, opened
from reticent.errors import UsageError

if TYPE_CHECKING:
    from reticent.policy.bundle import Rule
    from reticent.policy.certificate import Attested
    from reticent.policy.impact import Impact
    from reticent.policy.prove import CheckResult
    from reticent.policy.situations import Situation

app = typer.Typer(help="The policy: check, prove, explain, compare, publish and adopt it.", no_args_is_help=True)


@app.command()
def check() -> None:
    """Look for slips, prove every promise, and say what would change. 0 only if every promise is kept."""
    from reticent.acts.policy import check as act

    result = act(opened())
    document = {
        "policy": result.bundle,
        "kept": result.kept,
        "problems": [asdict(problem) for problem in result.problems],
        "promises": [_line(line) for line in result.lines],
        "changes": _impact(result.impact) if result.impact else None,
    }
    finish(document, lambda: _show_check(result), 0 if result.kept else 1)


def _line(line: Any) -> dict[str, Any]:
    return {
        "promise": line.promise,
        "mark": str(line.mark.value),
        "says": line.says,
        "clause": line.clause,
        "kinds": line.kinds,
        "why": line.why,
        "story": line.counterexample.story if line.counterexample else "",
    }


def _impact(impact: Impact) -> dict[str, Any]:
    return {
        "from": impact.old,
        "to": impact.new,
        "loosens": impact.loosens,
        "answers": [
            {"kind": str(change.kind), "direction": change.direction, "example": change.story}
            for change in impact.changes
        ],
        "promises": list(impact.promises),
        "vocabulary": impact.vocabulary,
        "undecided": [str(kind) for kind in impact.undecided],
    }


def _show_check(result: CheckResult) -> None:
    from reticent.cli.output import say

    for problem in result.problems:
        say(f"{problem.where or problem.rule}: rule {problem.rule} {problem.why}", "bold")
    for line in map(_line, result.lines):
        _show_promise(line["mark"], line["says"], line["why"], line["story"])
    if result.impact is not None:
        say("\nAgainst the policy in force:", "bold")
        _show_impact(result.impact)
    kept = sum(line.mark.value.startswith("proved") for line in result.lines)
    say(f"\n{kept} of {len(result.lines)} promises hold for every possible request; {len(result.problems)} problems.")


def _show_promise(mark: str, says: str, why: str, story: str) -> None:
    from reticent.cli.output import say

    sign = {"proved": "✔", "proved except under a cited statute": "§", "refuted": "✘"}.get(mark, "?")
    say(f"{sign} {mark}: {says}", "" if sign in "✔§" else "bold")
    for more in filter(None, (why, story)):
        say(f"    {more}")


def _show_impact(impact: Impact) -> None:
    from reticent.cli.output import say

    if impact.none:
        say("No answer changes.")
    for change in impact.changes:
        say(f"  {change.direction}: {change.kind}\n    For example: {change.story}")
    for promise in impact.promises:
        say(f"  the promise or exception {promise} is added, dropped or changed")
    if impact.vocabulary:
        say("  the vocabulary differs: old and new cannot be compared rule by rule")
    for kind in impact.undecided:
        say(f"  not known: {kind}; it counts as changed")


@app.command()
def prove() -> None:
    """Prove the policy and write its certificate beside it (policy/certificate.json)."""
    from reticent.acts.policy import certify as act
    from reticent.cli.output import say

    certificate, path = act(opened())
    kept = path is not None
    document = {
        "policy": certificate.bundle,
        "kept": kept,
        "certificate": certificate.digest if kept else None,
        "written": str(path) if path else None,
        "problems": list(certificate.problems),
        "promises": [asdict(line) for line in certificate.lines],
    }

    def show() -> None:
        broken = [line for line in certificate.lines if not line.mark.startswith("proved")]
        _show_broken(certificate.problems, broken)
        said = f"{len(certificate.lines) - len(broken)} of {len(certificate.lines)} promises are proved"
        said += f", {certificate.fuzz} random decisions agree with the engine"
        say(f"{said}. {f'Written to {path}.' if path else 'No certificate was written.'}")

    finish(document, show, 0 if kept else 1)


def _show_broken(problems: tuple[str, ...], broken: list[Attested]) -> None:
    from reticent.cli.output import say

    for problem in problems:
        say(problem, "bold")
    for line in broken:
        _show_promise(line.mark, line.says, line.why, line.story)


@app.command()
def explain(
    situation: Annotated[Path | None, typer.Argument(help="A situation as TOML or JSON, instead of options.")] = None,
    asker: Annotated[str, typer.Option("--asker", help='"OutsideParty lawEnforcement", "Staff circulation" ...')] = "",
    action: Annotated[str, typer.Option("--action", help="release, viewTie, prepareRelease ...")] = "",
    resource: Annotated[str, typer.Option("--of", help="Tie, Inquiry, Patron ...")] = "",
    record_class: Annotated[str, typer.Option("--class", help="circulation, search ...")] = "",
    state: Annotated[str, typer.Option("--state", help="open, withinRetention, due or severed.")] = "",
    purpose: Annotated[str, typer.Option("--purpose", help="courtOrder, serveThePatron ...")] = "",
    paper: Annotated[str, typer.Option("--paper", help="court_order, attorney_subpoena ...")] = "",
    signed: Annotated[str, typer.Option("--signed", help='"nobody", "the custodian", "two officers" ...')] = "",
    unsound: Annotated[bool, typer.Option("--unsound", help="The paper shows no cause, facts or court.")] = False,
    others: Annotated[bool, typer.Option("--others", help="A patron or guardian asks about somebody else's.")] = False,
    draft: Annotated[bool, typer.Option("--draft", help="By the policy in policy/, not the one in force.")] = False,
) -> None:
    """Say what the gate answers to a situation, by which rule, and on what authority."""
    from reticent.acts.policy import explain as act
    from reticent.cli.output import say

    words: dict[str, object] = {
        "asker": asker,
        "action": action,
        "resource": resource,
        "record_class": record_class,
        "state": state,
        "purpose": purpose,
        "paper": paper,
        "signed": signed,
    }
    said = {name: value for name, value in words.items() if value}
    said |= ({"sound": False} if unsound else {}) | ({"own": False} if others else {})
    told = _situation({**(_read(situation) if situation else {}), **said})
    bundle, answer = act(opened(), told, of_draft=draft)
    document = {
        "allowed": answer.allowed,
        "sentence": answer.sentence,
        "story": answer.story,
        "rules": [_rule(rule) for rule in answer.rules],
        "policy": bundle.digest,
        "situation": asdict(told),
    }

    def show() -> None:
        say(answer.story)
        say(f"\n{answer.sentence}", "bold")
        for rule in answer.rules:
            say(f"  rule {rule.id} ({rule.where}): {rule.cite}")

    finish(document, show, 0)


def _rule(rule: Rule) -> dict[str, str]:
    return {"id": rule.id, "cite": rule.cite, "says": rule.says, "where": rule.where}


def _read(path: Path) -> dict[str, object]:
    import tomllib

    from reticent.cli.output import read_bytes

    text = read_bytes(path).decode("utf-8", "replace")
    try:
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UsageError("This is no situation.", where=str(path), do="Write it as TOML, or as JSON in a .json file.")
    return found


def _situation(words: dict[str, object]) -> Situation:
    from reticent.policy.situations import Situation
    from reticent.tomlfile import nearest

    known = {field.name: field for field in fields(Situation)}
    for name, value in words.items():
        if name not in known:
            raise UsageError(f"A situation has no {name!r}{nearest(name, known)}.", do=f"Known: {', '.join(known)}.")
        wanted = {"sound": bool, "own": bool, "persons": int}.get(name, str)
        if type(value) is not wanted:
            what = {bool: "true or false", int: "a whole number"}.get(wanted, "text")
            raise UsageError(f"{name} of a situation is {what}.", do='For example: paper = "court_order".')
    if not {"asker", "action"} <= words.keys():
        raise UsageError(
            "A situation says who asks and what.",
            do='For example: --asker "OutsideParty lawEnforcement" --action release --paper attorney_subpoena.',
        )
    return Situation(**words)  # type: ignore[arg-type]


@app.command()
def diff() -> None:
    """Compare the policy in policy/ with the one in force: what is newly allowed or refused, with an example."""
    from reticent.acts.policy import compare

    impact = compare(opened())
    finish(_impact(impact), lambda: _show_impact(impact), 0)


@app.command()
def sign(
    signature: Annotated[
        list[str] | None, typer.Option("--signature", metavar="ROLE=FILE", help="An officer's signature.")
    ] = None,
    vote: Annotated[Path | None, typer.Option("--vote", help="The minutes with the governing body's vote.")] = None,
) -> None:
    """Adopt the policy: write the statement officers sign, take their signatures, and put it in force."""
    from reticent.acts.adopting import sign as act
    from reticent.cli.entering import signing
    from reticent.cli.output import read_bytes, say

    given = {}
    for one in signature or []:
        role, _, file = one.partition("=")
        if not file:
            raise UsageError("A signature is given as ROLE=FILE.", do="For example: custodian=adopt-policy.txt.sig.")
        given[role] = read_bytes(Path(file))
    done = act(opened(), given, read_bytes(vote) if vote else None)
    document = {
        "policy": done.adoption.bundle,
        "in_force": done.in_force,
        "statement": str(done.statement),
        "text": done.adoption.statement().decode("ascii"),
        "signed": list(done.signed),
        "needed": done.needed,
        "changes": done.adoption.changes,
        "loosenings": list(done.loosenings),
    }

    def show() -> None:
        say(done.adoption.statement().decode("ascii"))
        for one in done.loosenings:
            say(f"Loosened: {one}", "bold")
        say(f"Signed by {', '.join(done.signed) or 'nobody'}; it needs {done.needed} officer{'s' * (done.needed > 1)}.")
        if done.in_force:
            say(f"Policy {done.adoption.bundle[:12]} is in force. Armed series must be armed again.", "bold")
            return
        say("\nThe policy in force keeps deciding until then. Each officer signs:")
        say(f"  {signing(done.statement)}")
        say("  reticent policy sign --signature ROLE=ROLE.sig")

    finish(document, show, 0)


@app.command()
def publish(
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")] = Path("policy-pages"),
) -> None:
    """Write the policy people read, the promises, and what a changed policy would strike and insert."""
    from reticent.acts.policy import publish_pages
    from reticent.cli.output import say

    pages, found = publish_pages(opened(), out)
    loosenings = found.published.loosenings if found.changed else ()
    document = {
        "pages": [str(path) for path in pages.paths],
        "no_pdf": pages.lacking or None,
        "changed": found.changed,
        "loosenings": list(loosenings),
    }

    def show() -> None:
        for one in loosenings:
            say(f"Loosened: {one}", "bold")
        say(f"Written: {', '.join(map(str, pages.paths))}.")
        if pages.lacking:
            say(pages.lacking)

    finish(document, show, 0)
