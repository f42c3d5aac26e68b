"""The act of releasing: what two officers approved is gathered, decided row by row, packed and sealed to one recipient.

Gate, permit, ties over every system, intersection, package, ledger: in this order and no other. What is
written to the disk is sealed, or is the paper that two officers asked for.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from reticent.acts.gathering import Accounts, asked, count, gather, searchable
from reticent.acts.law import limits
from reticent.acts.opening import Opened
from reticent.errors import SystemRefused
from reticent.guard import handover, letters, package
from reticent.guard.handover import Gathered, Tie
from reticent.guard.limits import Limit, counted, limited
from reticent.keyring import sealing
from reticent.ledger.entries import hour
from reticent.policy.gate import Asker, Gate, Outgoing, Row
from reticent.policy.orders import Act, Approval, Order
from reticent.ports import Journal

SEALED = "release.zip.age"


@dataclass(frozen=True)
class Task:
    """One order to be carried out: by whom, under which signatures, on what paper, under which law.

    ``paper`` is the paper in words, ``citation`` the statute's, ``confirmed`` whether counsel stands by it; ``fields``
    what counsel opens of a record in this case instead of the pack, None where counsel said nothing.
    """

    order: Order
    approvals: Sequence[Approval]
    asker: Asker
    accounts: Accounts = field(repr=False)
    paper: str
    citation: str
    confirmed: bool = False
    witness: str = ""
    fields: frozenset[str] | None = None


@dataclass(frozen=True)
class Released:
    """What came of it. ``files`` are written by the caller; ``digest`` is of the sealed file, or of the nil return."""

    files: Mapping[str, bytes] = field(repr=False)
    digest: str
    worksheet: str
    found: Gathered
    nil: bool

    @property
    def exit_code(self) -> int:
        """0 when every system that can be searched was; 3 when one failed and the package says so."""
        return 0 if self.found.complete else 3

    def document(self) -> dict[str, object]:
        """Return what ``--json`` prints; nobody is named."""
        return {
            "nil": self.nil,
            "complete": self.found.complete,
            "records": len(self.found.ties),
            "withheld": dict(self.found.withheld),
            "withheld_by_law": list(self.found.limits),
            "searched": [vars(one) for one in self.found.searched],
            "not_searched": [vars(one) for one in self.found.not_searched],
            "package": self.digest,
            "worksheet": hashlib.sha256(self.worksheet.encode()).hexdigest(),
            "files": sorted(self.files),
        }


def preview(opened: Opened, gate: Gate, task: Task) -> tuple[dict[str, int], Gathered]:
    """Count what of an order's scope a release could let out, series by series, under the same limits of the law.

    Raises NotPermitted before counsel has approved the question.
    """
    decision = gate.prepare(task.order, task.asker, task.approvals, searchable(opened), "preview").require()
    counts, found = count(opened, gate, asked(opened, decision.permits, task.order.scope), task.accounts)
    preview_path(opened, task.order.case).unlink(missing_ok=True)
    return counted(counts, found, _limits(opened, task))


def preview_path(opened: Opened, inquiry: str) -> Path:
    """Return where the question stands that counsel signs before a scope is counted."""
    return opened.site.state_path / f"preview-{inquiry}.txt"


def _limits(opened: Opened, task: Task) -> dict[str, Limit | None]:
    return limits(opened, task.order.paper, task.order.scope.classes, task.fields)


def release(
    opened: Opened, gate: Gate, inquiries: Journal, task: Task, *, recipient: str = "", warrant: bool = False
) -> Released:
    """Gather, decide, pack and record. ``recipient``: an age key; without one, paper (PDF and text) is made.

    Raises NotPermitted for anything less than a good order, ConfigurationError for a recipient that is none.
    A system that cannot be reached does not stop the others; the package then says that it is not complete.
    """
    act: Act = "warrant" if warrant else "release"
    if recipient:
        sealing.close_to(b"", recipient)
    decision = gate.prepare(task.order, task.asker, task.approvals, searchable(opened), act).require()
    found = gather(opened, gate, asked(opened, decision.permits, task.order.scope), task.accounts)
    found = _decided(found, gate.outgoing(task.order, task.approvals, act))
    found = limited(found, _limits(opened, task))
    facts = facts_of(opened, gate, task)
    sheet = handover.worksheet(found, facts)
    if not found.ties:
        files = _nil_return(opened, task, found)
        return Released(files, hashlib.sha256(files["nil-return.txt"]).hexdigest(), sheet, found, nil=True)
    files = _payload(opened, task, found, facts)
    if recipient:
        files = {SEALED: sealing.close_to(packed(opened, "release", files), recipient)}
    digest = digest_of(files)
    inquiries.append(
        {
            "kind": "release_sealed",
            "actor": "officers",
            "hour": hour(opened.clock.now()),
            "policy": gate.digest,
            "package": digest,
            "released": len(found.ties),
        },
        once=f"release {digest}",
    )
    return Released(files, digest, sheet, found, nil=False)


def _decided(found: Gathered, door: Outgoing) -> Gathered:
    """Ask the gate about every row once more; what it refuses stays, with the rule's words."""
    kept: list[Tie] = []
    refused: Counter[str] = Counter(found.withheld)
    for tie in found.ties:
        if not isinstance(tie["used_at"], datetime):
            refused["its record has no date"] += 1
            continue
        decision = door.decide(_row(tie))
        if decision.allowed:
            kept.append(tie)
        else:
            refused[decision.sentence] += 1
    return replace(found, ties=kept, withheld=dict(refused))


def _row(tie: Tie) -> Row:
    used_at = tie["used_at"]
    assert isinstance(used_at, datetime)  # noqa: S101 - ``inside`` has let through no other
    item = tie["item"]
    state = "open" if tie["open"] else "due"
    return Row(
        str(tie["id"]),
        str(tie["record_class"]),
        state,
        used_at,
        str(tie["patron"]),
        None if item is None else str(item),
    )


def packed(opened: Opened, name: str, payload: Mapping[str, bytes]) -> bytes:
    """Return the package of these files, signed with the ledger's key."""
    made = opened.clock.now().astimezone(UTC).date().isoformat()
    info = [("Source-Organization", opened.site.library.name), ("Bagging-Date", made)]
    return package.build(name, payload, info, opened.ledger_key())


def facts_of(opened: Opened, gate: Gate, task: Task) -> dict[str, str]:
    """Return what every paper about an order says of it: by digests and offices, nobody by name."""
    digests = task.order.digests(gate.digest)
    return {
        "Library": opened.site.library.name,
        "Case": task.order.case,
        "Made (UTC)": opened.clock.now().astimezone(UTC).strftime("%Y-%m-%d %H:%M"),
        "By": ", ".join(sorted(task.asker.roles)),
        "Approved by": ", ".join(sorted(one.role for one in task.approvals)),
        "Witness": task.witness or "____________________",
        "Paper (SHA-256)": task.order.paper.document or "not scanned",
        "Instrument as approved": digests["instrument"],
        "Scope as approved": digests["scope"],
        "Policy": digests["bundle"],
    }


def _nil_return(opened: Opened, task: Task, found: Gathered) -> dict[str, bytes]:
    head = _head(opened, task)
    made = letters.Letter(
        title="Nothing was found where we searched",
        library=head.library,
        date=letters.day(head.on),
        reference=head.reference,
        to=(),
        parts=handover.nil_return(found, task.paper),
        signer=head.signer,
    )
    return {"nil-return.txt": letters.as_text(made).encode()} | pdfs({"nil-return.pdf": made})


def _payload(opened: Opened, task: Task, found: Gathered, facts: Mapping[str, str]) -> dict[str, bytes]:
    head = _head(opened, task)
    values = {"paper": task.paper, "citation": task.citation}
    notice = letters.compose(letters.Kind.REDISCLOSURE, head, values, confirmed=task.confirmed)
    listing = letters.Letter(
        title="Records released",
        library=opened.site.library.name,
        date=notice.date,
        reference=head.reference,
        to=(),
        parts=(f"Released under {letters.visible(task.paper)}:", handover.as_listing(found.ties), _END),
        signer=notice.signer,
    )
    files = records(found, facts) | {
        "records.txt": letters.as_text(listing).encode(),
        "notice.txt": letters.as_text(notice).encode(),
    }
    files |= pdfs({"records.pdf": listing, "notice.pdf": notice})
    return files | {"custody.txt": handover.custody(files, facts).encode()}


_END = "Here the list ends. Nothing else was released under it."


def _head(opened: Opened, task: Task) -> letters.Head:
    today = opened.clock.now().date()
    return letters.Head(opened.site.library.name, _custodian(opened), today, f"Inquiry {task.order.case}")


def records(found: Gathered, facts: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files every copy of gathered ties has, released or sealed."""
    about = "\n".join([handover.where_searched(found), handover.withheld(found), handover.explained(found)]) + _ABOUT
    return {
        "ties.csv": handover.as_csv(found.ties),
        "about.txt": about.encode(),
        "order.txt": "".join(f"{name}: {value}\n" for name, value in facts.items()).encode(),
    }


_ABOUT = """
ties.csv is UTF-8; times are UTC. A cell that a spreadsheet would take for a formula has an apostrophe
before it. To check the files, unpack and run
  sha512sum -c manifest-sha512.txt && sha512sum -c tagmanifest-sha512.txt
"""


def pdfs(made: Mapping[str, letters.Letter]) -> dict[str, bytes]:
    """Return what can be set as PDF, each for itself; the text says the same."""
    found: dict[str, bytes] = {}
    for name, letter in made.items():
        with suppress(SystemRefused):
            found[name] = letters.as_pdf(letter)
    return found


def _custodian(opened: Opened) -> str:
    officer = opened.site.officers.get("custodian")
    return officer.name if officer else ""


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return the digest of the one sealed file, or of the digests of the papers."""
    if len(files) == 1:
        return hashlib.sha256(next(iter(files.values()))).hexdigest()
    lines = "".join(f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
