"""The acts on inquiries: record a contact, take a step, show, list, say what is due.

A step past the front line is signed by the officers who take it, over the case, the step with its facts,
and everything before it. What people write goes into sheets and files, sealed to the officers at once.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from pathlib import Path

from reticent.acts import law, papers
from reticent.acts.casebook import APPROVING, Casebook, Entry, Inquiry, unknown
from reticent.acts.gate import in_force, officers
from reticent.acts.holds import require_first
from reticent.acts.opening import Opened
from reticent.acts.preserving import stands
from reticent.acts.release import Task
from reticent.errors import ConfigurationError, NotPermitted, ReticentError, UsageError
from reticent.guard import reporting, sheets
from reticent.guard.alarms import Alarm, alarms, playbook
from reticent.guard.case import Case, Taken
from reticent.guard.inquiries import ANYONE, RULES, missing, open_steps, refused
from reticent.guard.instruments import InstrumentSheet
from reticent.guard.reporting import Transparency
from reticent.guard.sheets import NotesSheet, Sheet
from reticent.guard.words import FACTS, FIELDS, Instrument, Level, PartyKind, RecordClass, Role, Standing, Step
from reticent.keyring import officers as signatures
from reticent.keyring.casefile import open_as, public_of, seal_to_any
from reticent.policy.gate import Asker
from reticent.policy.orders import Act, person
from reticent.policy.permits import Scope
from reticent.tomlfile import read

_NEAR = timedelta(days=90)
"""How far ahead closed days count: further than any clock of ours in working days."""
DESK = frozenset({(Role.FRONT_LINE, "front line")})
_DO = "Correct the sheet; docs/how-to/handle-an-inquiry.md shows each one."


@dataclass(frozen=True)
class Offer:
    """What comes with a step: facts as words, files to seal, a sheet, who signs, a minor's age for the law's answer."""

    facts: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    sheet: Path | None = None
    signed: Mapping[str, bytes] = field(default_factory=dict)
    age: int | None = None


@dataclass(frozen=True)
class Outcome:
    """A step that was taken, or the statement that officers still have to sign (``statement`` is then written)."""

    inquiry: Inquiry
    step: Step
    text: bytes = b""
    statement: Path | None = None
    says: law.LawSays | None = None

    @property
    def taken(self) -> bool:
        """Whether the step was taken."""
        return self.statement is None


def record(opened: Opened, offer: Offer) -> Inquiry:
    """Record a contact. Raises ConfigurationError where no officer can read what is sealed."""
    _ = opened.book
    _readers(opened)
    book = Casebook(opened)
    return _take(opened, book, book.new(), Step.RECORD, offer).inquiry


def advance(opened: Opened, name: str, step: Step, offer: Offer, identity: str = "") -> Outcome:
    """Take one step of an inquiry, or write what officers sign for it.

    Raises NotPermitted with everything that is missing; UsageError if there is no such inquiry, or it is
    sealed and ``identity`` is no officer's; EvidenceBroken for a signature that does not fit.
    """
    _ = opened.book
    book = Casebook(opened)
    inquiry = visible(opened, name, identity)
    if step is Step.RESEAL:
        return _reseal(opened, book, inquiry, offer, identity)
    return _take(opened, book, inquiry, step, offer)


def visible(opened: Opened, name: str, identity: str = "") -> Inquiry:
    """Return an inquiry whoever asks may know of; a sealed one only to who holds a sitting officer's age key."""
    inquiry = Casebook(opened).load(name)
    if inquiry.case.sealed and not _officer(opened, identity):
        raise unknown()
    return inquiry


def refusals(opened: Opened, inquiry: Inquiry) -> dict[Step, list[str]]:
    """Return the steps that start from where an inquiry stands, each with why it would be refused now, if it would."""
    found = {}
    for step in open_steps(inquiry.case):
        says = _law(opened, inquiry.case, step, Offer(), None)
        known = _facts(opened, inquiry, step, Offer(), None, says)
        found[step] = refused(inquiry.case, step, opened.clock.now().astimezone(UTC), known)
    return found


def listed(opened: Opened, identity: str = "") -> list[Inquiry]:
    """Return the inquiries whoever asks may know of, the latest first."""
    officer = _officer(opened, identity)
    found = [one for one in Casebook(opened).all() if officer or not one.case.sealed]
    return sorted(found, key=lambda one: (one.case.at, one.id), reverse=True)


def due(opened: Opened, identity: str = "") -> list[tuple[str, Alarm]]:
    """Return what is due within two weeks or overdue, over the inquiries whoever asks may know of."""
    now, closed = opened.clock.now(), opened.site.library.closed
    found = [(one.id, alarm) for one in listed(opened, identity) for alarm in alarms(one.case, now, closed)]
    reviewed = opened.site.inquiries.playbook_reviewed
    found += [("playbook", alarm) for alarm in playbook(reviewed, now.astimezone(UTC).date())]
    return sorted(found, key=lambda pair: (pair[1].by is None, str(pair[1].by), pair[0], pair[1].says))


def scope_of(inquiry: Inquiry, identity: str, act: Act = "release") -> Scope:
    """Open the sealed scope that officers signed for an act.

    Raises EvidenceBroken for a key that is no officer's, NotPermitted if no scope fits the case as it stands.
    """
    hold = inquiry.case.to_copy
    digest = (hold.scope if hold else "") if act == "hold" else inquiry.case.scope
    for _, sheet in reversed(sheets_of(inquiry, identity)):
        if isinstance(sheet, InstrumentSheet | NotesSheet) and sheet.scope is not None:
            scope = sheet.scope.scope()
            if inquiry.scope_digest(scope) == digest:
                return scope
    raise NotPermitted("No scope was taken in that fits the case as it stands.", do="Register the paper again.")


def sheets_of(inquiry: Inquiry, identity: str) -> list[tuple[Step, Sheet]]:
    """Open every sheet of an inquiry, in order. After a change of officers: from where they were sealed anew on.

    Raises EvidenceBroken for a key that is not of an officer they were sealed to.
    """
    written = [entry for entry in inquiry.entries if entry.sheet]
    anew = max((n for n, entry in enumerate(written) if entry.taken.step is Step.RESEAL), default=0)
    return [pair for entry in written[anew:] for pair in _reopened(entry, identity)]


def covering(opened: Opened, identifiers: Sequence[str]) -> bool:
    """Whether an inquiry about one of these identifiers waits for its sealed copy, or has an open paper and no copy.

    Answers the severing at one patron's wish, which must then wait for the sealed copy or for counsel.
    """
    now, book = opened.clock.now(), Casebook(opened)

    def waits(case: Case) -> bool:
        return any(hold.waits(now) for hold in case.holds) or (case.pending and not case.hold.copied)

    return any(book.marked(inquiry, one) for inquiry in book.all() if waits(inquiry.case) for one in identifiers)


def dispose(opened: Opened, name: str, offer: Offer, identity: str = "") -> Outcome:
    """Dispose of a closed inquiry when its retention is over: its key, its rows and its files go."""
    done = advance(opened, name, Step.DISPOSE, offer, identity)
    if done.taken:
        for entry in done.inquiry.entries:
            for file in entry.files.values():
                papers.remove(opened, file)
        Casebook(opened).dispose(done.inquiry.id)
    return done


def transparency(opened: Opened, year: int) -> Transparency:
    """Return a year's report for the board, the public and the American Library Association: nothing sealed."""
    cases = []
    for inquiry in listed(opened):
        first = inquiry.entries[0].taken
        cases.append((first.at.year, Level(first.word("level")), inquiry.case))
    return reporting.transparency(year, cases)


# ---- one step ---------------------------------------------------------------------------------


def _take(opened: Opened, book: Casebook, inquiry: Inquiry, step: Step, offer: Offer) -> Outcome:
    sheet = read(offer.sheet, sheets.model_of(step), _DO) if offer.sheet else None
    says = _law(opened, inquiry.case, step, offer, sheet)
    facts = _facts(opened, inquiry, step, offer, sheet, says)
    draft = Taken(step, opened.clock.now().astimezone(UTC), frozenset(), says.cite, facts)
    text = _statement(opened, inquiry, draft, offer)
    by = _signers(opened, step, text, offer.signed)
    _refuse_early(inquiry.case, replace(draft, by=by or _imagined(step, facts)))
    if step is Step.PLACE_HOLD or facts.get("place"):
        require_first(opened, sorted(inquiry.case.classes) or ["*"])
    if step is Step.RECORD_COPY and not stands(opened, str(facts["package"]), str(facts.get("scope", ""))):
        raise NotPermitted(
            "No whole sealed copy with this digest covers what two officers confirmed; the hold goes on waiting.",
            where=f"inquiry {inquiry.id}",
            do=f"Make it: reticent hold copy {inquiry.id} --identity KEY; it prints its digest.",
        )
    if not by:
        return Outcome(inquiry, step, text, _write(opened, inquiry, text), says)
    files = {fact: papers.take_in(opened, path) for fact, path in offer.files.items()}
    if any(facts[fact] != digest for fact, (digest, _) in files.items()):
        for _, name in files.values():
            papers.remove(opened, name)
        raise UsageError("A file changed while it was taken in.", do="Run the command again.")
    sealed = seal_to_any(offer.sheet.read_bytes(), _readers(opened)) if offer.sheet and sheet else b""
    entry = Entry(
        taken=replace(draft, by=by),
        signatures={role: armour.decode("ascii", "replace") for role, armour in offer.signed.items()},
        files={fact: name for fact, (_, name) in files.items()},
        sheet=sealed,
    )
    try:
        after = book.add(inquiry, entry, sheets.targets(sheet) if sheet else ())
    except ReticentError:
        for name in entry.files.values():
            papers.remove(opened, name)
        raise
    _statement_path(opened, inquiry).unlink(missing_ok=True)
    return Outcome(after, step, says=says)


def _facts(
    opened: Opened, inquiry: Inquiry, step: Step, offer: Offer, sheet: Sheet | None, says: law.LawSays
) -> dict[str, object]:
    """Return the facts of a step: what a person gave, what stands on its sheet, what law and policy say."""
    rule = RULES[step]
    given = dict(offer.facts)
    for name in given:
        if name not in FACTS:
            raise UsageError("A fact is unknown.", do=f"Facts of this step: {', '.join((*rule.facts, *rule.may))}.")
    known = _lawful(opened, given, says)
    today = opened.clock.now().astimezone(UTC).date()
    near = [day for day in opened.site.library.closed if (inquiry.case.served or today) < day < today + _NEAR]
    known["library_closed"] = [day.isoformat() for day in sorted(near)]
    if sheet is not None:
        known |= sheet.facts()
        if isinstance(sheet, InstrumentSheet | NotesSheet) and sheet.scope is not None:
            known["scope"] = inquiry.scope_digest(sheet.scope.scope())
            if step is Step.OPEN_CONSENT and (len(set(sheet.scope.patrons)) != 1 or sheet.scope.items):
                raise UsageError(
                    "A consent is one patron's, about their own record.", do="Name one patron in [scope], and no items."
                )
    known |= {"policy": in_force(opened).bundle.digest} if "policy" in rule.facts else {}
    known |= _closed(opened, inquiry) if "pack_fields" in rule.may else {}
    known |= {name: papers.digest(path) for name, path in offer.files.items()}
    if "scope" in rule.facts and inquiry.case.scope:
        known.setdefault("scope", inquiry.case.scope)
    if step is Step.RECORD_COPY:
        package = str(given.get("package", ""))
        copied = [hold.scope for hold in inquiry.case.holds if stands(opened, package, hold.scope)]
        known |= {"scope": copied[0]} if copied else {}
    if "instrument" in rule.facts and "document" in known:
        known.setdefault("instrument", known["document"])
    wanted = {*rule.facts, *rule.may}
    # The site's own answers win over what is typed: nobody types away a clock the statute sets.
    return given | {name: value for name, value in known.items() if name in wanted or name in offer.files}


def _lawful(opened: Opened, given: Mapping[str, object], says: law.LawSays) -> dict[str, object]:
    """Return what policy, statute and site say; what a person typed may only be stricter."""
    clock = says.clock
    return {
        "law": str(says.answer),
        "standing": str(says.standing),
        "emergency_clause": says.emergency_clause,
        "findings_required": max(len(says.findings), _count(given, "findings_required")),
        "notice_required": clock is not None or given.get("notice_required") is True,
        "notice_days": (clock and clock.notice_within_working_days) or _count(given, "notice_days"),
        "wait_days": max((clock and clock.wait_days) or 0, _count(given, "wait_days")),
        "hold_hours": opened.site.inquiries.hold_hours,
        "retention_days": opened.site.inquiries.retention.days,
    }


def _closed(opened: Opened, inquiry: Inquiry) -> dict[str, object]:
    """Return the only parts of a record the pack opens, over every class of the case; {} where it sets no limit."""
    classes = inquiry.case.classes or frozenset(RecordClass)
    found = [limit.fields for limit in law.limits(opened, inquiry.order().paper, classes).values() if limit]
    return {"pack_fields": sorted(frozenset(FIELDS).intersection(*found))} if found else {}


def _count(given: Mapping[str, object], name: str) -> int:
    value = given.get(name)
    return value if type(value) is int else 0


def _law(opened: Opened, case: Case, step: Step, offer: Offer, sheet: Sheet | None) -> law.LawSays:
    """Ask policy and statute about the case as it would stand with this step's kind and classes."""
    word = str(offer.facts.get("kind", case.kind or ""))
    if isinstance(sheet, InstrumentSheet):
        word = str(sheet.kind)
    kind = Instrument(word) if word in set(Instrument) else Instrument.INFORMAL_REQUEST
    party = case.party
    if step is Step.RECORD and str(offer.facts.get("party")) in set(PartyKind):
        party = PartyKind(str(offer.facts["party"]))
    classes = offer.facts.get("classes", case.classes)
    if isinstance(sheet, InstrumentSheet):
        classes = sheet.scope.classes
    named = (
        [RecordClass(one) for one in classes if one in set(RecordClass)]
        if isinstance(classes, tuple | list | frozenset)
        else []
    )
    return law.answer(opened, party, kind, named, offer.age)


def _statement(opened: Opened, inquiry: Inquiry, draft: Taken, offer: Offer) -> bytes:
    act = APPROVING.get(draft.step)
    if act is not None:
        bundle = str(draft.facts.get("policy") or in_force(opened).bundle.digest)
        return inquiry.statement(act, bundle, str(draft.facts.get("scope", "0" * 64)))
    sheet = papers.digest(offer.sheet) if offer.sheet else ""
    return inquiry.step_statement(draft, sheet)


def _signers(opened: Opened, step: Step, text: bytes, given: Mapping[str, bytes]) -> frozenset[tuple[Role, str]]:
    """Return (role, person) of every signature, each verified. Without any, a step anyone may take is the desk's."""
    sitting = officers(opened)
    by_role = {one.role: one for one in sitting}
    found = set()
    for role, armour in given.items():
        if role not in by_role:
            raise UsageError("There is no such officer.", do=f"Write ROLE=FILE with one of: {', '.join(by_role)}.")
        signatures.verify(by_role[role].sign, text, armour)
        found.add((Role(role), person(by_role[role], sitting)))
    if not found and RULES[step].who == ANYONE:
        return DESK
    return frozenset(found)


def _refuse_early(case: Case, taken: Taken) -> None:
    """Say what is missing before anybody is asked to sign."""
    if lacking := missing(case, taken):
        raise NotPermitted(
            f"{RULES[taken.step].title}: not yet. " + " ".join(lacking),
            where=f"state {case.state}",
            do="`reticent inquiry show` lists the steps that are open and their facts.",
        )


def _imagined(step: Step, facts: Mapping[str, object]) -> frozenset[tuple[Role, str]]:
    """Return signers who would do, to learn whether anything but their signatures is missing."""
    group = RULES[step].who[-1] if "advice" in facts else RULES[step].who[0]
    everyone = frozenset((role, f"imagined {role}") for role in group)
    return everyone | {(Role.COUNSEL, "imagined counsel")} if facts.get("witness") == "paper" else everyone


def _statement_path(opened: Opened, inquiry: Inquiry) -> Path:
    return opened.site.state_path / f"inquiry-{inquiry.id}.txt"


def _write(opened: Opened, inquiry: Inquiry, text: bytes) -> Path:
    path = _statement_path(opened, inquiry)
    path.write_bytes(text)
    return path


def _readers(opened: Opened) -> list[str]:
    keys = [one.age for one in opened.site.officers.values() if one.age]
    if not keys:
        raise ConfigurationError(
            "No officer has an age key, so a contact could not be sealed.",
            where=f"{opened.site.file} [officers]",
            do="Give custodian, counsel and alternate one each: docs/how-to/key-ceremony.md.",
        )
    return keys


def _officer(opened: Opened, identity: str) -> bool:
    """Whether this age key file is a sitting officer's."""
    return bool(public_of(identity) & {one.age.strip() for one in opened.site.officers.values() if one.age})


def _reopened(entry: Entry, identity: str) -> list[tuple[Step, Sheet]]:
    """Open the sheet of a step: one sheet, or all sheets before it when it sealed them anew."""
    text = open_as(entry.sheet, identity).decode("utf-8")
    if entry.taken.step is Step.RESEAL:
        return [(Step(step), _sheet(Step(step), values)) for step, values in json.loads(text)]
    return [(entry.taken.step, _sheet(entry.taken.step, tomllib.loads(text)))]


def _sheet(step: Step, values: Mapping[str, object]) -> Sheet:
    return sheets.model_of(step).model_validate(values)


def _reseal(opened: Opened, book: Casebook, inquiry: Inquiry, offer: Offer, identity: str) -> Outcome:
    """Seal sheets and files anew to the sitting officers; ``identity`` is of one who can still open them."""
    written = [(str(step), sheet.model_dump(mode="json")) for step, sheet in sheets_of(inquiry, identity)]
    says = _law(opened, inquiry.case, Step.RESEAL, offer, None)
    draft = Taken(Step.RESEAL, opened.clock.now().astimezone(UTC), frozenset(), says.cite, {})
    text = inquiry.step_statement(draft, hashlib.sha256(json.dumps(written).encode()).hexdigest())
    by = _signers(opened, Step.RESEAL, text, offer.signed)
    if not by:
        return Outcome(inquiry, Step.RESEAL, text, _write(opened, inquiry, text), says)
    sealed = seal_to_any(json.dumps(written).encode(), _readers(opened))
    signed = {role: armour.decode("ascii", "replace") for role, armour in offer.signed.items()}
    for entry in inquiry.entries:
        for name in entry.files.values():
            papers.reseal(opened, name, identity)
    after = book.add(inquiry, Entry(replace(draft, by=by), signed, sheet=sealed))
    _statement_path(opened, inquiry).unlink(missing_ok=True)
    return Outcome(after, Step.RESEAL, says=says)


def task_of(opened: Opened, inquiry: Inquiry, identity: str, accounts: Mapping[str, str], act: Act) -> Task:
    """Return an inquiry's order with the signatures given for an act, as release and preservation carry it out.

    ``identity`` opens the sealed scope; ``accounts`` (system -> URL) are entered for this once. What the task
    opens is for the gate to say, from the signatures alone.
    """
    says = law.answer(
        opened, inquiry.case.party, inquiry.case.kind or Instrument.INFORMAL_REQUEST,
        [RecordClass(name) for name in sorted(inquiry.case.classes)],
    )  # fmt: skip
    return Task(
        order=inquiry.order(act, scope_of(inquiry, identity, act)),
        approvals=inquiry.approvals(act),
        asker=Asker("custodian", frozenset({"custodian"})),
        accounts=accounts,
        paper=f"the {inquiry.case.kind or 'request'} registered as inquiry {inquiry.id}".replace("_", " "),
        citation=says.cite,
        confirmed=says.standing is Standing.CONFIRMED,
        fields=inquiry.case.fields,
    )
