"""The acts on the law: show a pack, have counsel confirm it, compare it, and answer a demand by it.

A library's own copy of a pack stands in the site's folder ``law/``. A pack is relied on only while the
signature of the counsel who now sits fits its digest and the day it was given for.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path

from reticent.acts.files import write_text
from reticent.acts.gate import officers
from reticent.acts.opening import Opened
from reticent.errors import ConfigurationError, NotPermitted, ReticentError, UsageError
from reticent.guard.limits import Limit
from reticent.guard.words import EVERYTHING, Instrument, LawAnswer, PartyKind, RecordClass, Standing
from reticent.keyring import officers as signatures
from reticent.law import packs
from reticent.law.packs import Clock, Confirmation, Pack, Party
from reticent.law.strictest import Answer, Demand, Ground, Outcome, strictest
from reticent.policy.orders import Paper
from reticent.tomlfile import nearest

NO_PACK = "library policy; no pack of law is set for this place"
_STRICT = (Outcome.MUST_NOT, Outcome.NEEDS_COUNSEL, Outcome.MAY, Outcome.MUST)


@dataclass(frozen=True)
class Confirmed:
    """A pack with what it may be relied on for today; ``on`` is the day counsel confirmed it, if they did."""

    pack: Pack
    standing: Standing
    on: date | None
    path: Path


@dataclass(frozen=True)
class LawSays:
    """What policy and statute together answer to a demand over several record classes, the strictest of them."""

    answer: LawAnswer
    standing: Standing
    cite: str
    findings: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    challenge: tuple[str, ...] = ()
    clock: Clock | None = None
    emergency_clause: bool = False
    age_exception: bool = False


def jurisdiction(opened: Opened, given: str = "") -> str:
    """Return the jurisdiction asked for, or the site's. Raises UsageError when neither is one."""
    wanted = given or opened.site.library.jurisdiction
    if not wanted:
        raise UsageError(
            "No jurisdiction is set.", do='Name one, such as US-WI, or set library.jurisdiction = "US-WI".'
        )
    return wanted


def pack_of(opened: Opened, wanted: str) -> Confirmed:
    """Return a pack: the library's own copy, or the shipped draft. Raises ConfigurationError."""
    own = opened.site.folder / "law"
    directory = own if (own / f"{wanted}.toml").is_file() else packs.SHIPPED
    pack = packs.pack(wanted, directory)
    confirmation = _confirmation(opened, pack)
    standing = pack.standing(_today(opened), confirmation)
    return Confirmed(pack, standing, confirmation.on if confirmation else None, directory / f"{wanted}.toml")


def statement(pack: Pack, day: date) -> bytes:
    """Return what counsel signs: the pack, on a day, by digest."""
    return signatures.statement(
        "law", {"pack": pack.digest, "day": hashlib.sha256(day.isoformat().encode()).hexdigest()}
    )


def confirm(opened: Opened, wanted: str, signature: bytes | None, advice: bool = False) -> tuple[Confirmed, Path]:
    """Write the statement counsel signs, or, with the signature, record the confirmation.

    Raises NotPermitted or EvidenceBroken for another's signature, ConfigurationError without a counsel.
    """
    found, today = pack_of(opened, wanted), _today(opened)
    text = statement(found.pack, today)
    path = opened.site.state_path / f"law-{wanted}.txt"
    if signature is None:
        _ = opened.book
        path.write_bytes(text)
        return found, path
    if today > found.pack.review_by:
        raise NotPermitted(
            "This pack is past its review day; nobody can confirm it as it stands.",
            where=str(found.path),
            do="Copy it to law/, correct it, set compiled and review_by, and confirm the copy.",
        )
    counsel = next((one for one in officers(opened) if one.role == "counsel"), None)
    if counsel is None:
        raise ConfigurationError("The site names no counsel.", where=str(opened.site.file), do="Add it to [officers].")
    signatures.verify(counsel.sign, text, signature)
    kept = {"digest": found.pack.digest, "day": today.isoformat(), "signature": signature.decode("ascii", "replace")}
    home = _home(opened)
    home.mkdir(parents=True, exist_ok=True)
    write_text(home / f"{found.pack.digest}.toml", found.path.read_text(encoding="utf-8"))
    write_text(home / f"{wanted}.json", json.dumps(kept, indent=1))
    path.unlink(missing_ok=True)
    return pack_of(opened, wanted), path


def diff(opened: Opened, wanted: str) -> list[str]:
    """Compare the pack as it stands with the text counsel confirmed last; where none was, with the shipped draft."""
    now = pack_of(opened, wanted)
    kept = _kept(opened, wanted)
    before = _home(opened) / f"{kept['digest']}.toml" if kept else packs.SHIPPED / f"{wanted}.toml"
    try:
        old = before.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise ConfigurationError("The text counsel confirmed is gone.", where=str(before), do="Restore it.") from None
    new = now.path.read_text(encoding="utf-8").splitlines()
    name = "as counsel confirmed it" if kept else "as shipped"
    return list(difflib.unified_diff(old, new, f"{wanted} {name}", f"{wanted} as it stands", lineterm="", n=1))


def answer(
    opened: Opened, party: PartyKind, kind: Instrument, classes: Sequence[RecordClass], age: int | None = None
) -> LawSays:
    """Answer a demand: the strictest over its record classes. ``age`` in years, for a guardian's request only."""
    wanted = opened.site.library.jurisdiction
    if wanted not in packs.jurisdictions() and not (opened.site.folder / "law" / f"{wanted}.toml").is_file():
        # Without a pack nothing may be permitted; an informal demand is refused all the same.
        plain = kind in (Instrument.INFORMAL_REQUEST, Instrument.PUBLIC_RECORDS_REQUEST)
        plain = plain or kind is Instrument.ADMINISTRATIVE_WARRANT
        said = LawAnswer.MUST_NOT if plain else LawAnswer.NEEDS_COUNSEL
        return LawSays(said, Standing.UNCONFIRMED, NO_PACK)
    found = pack_of(opened, wanted)
    confirmation = Confirmation(found.pack.digest, found.on) if found.on else None
    today, own = _today(opened), _own(opened, kind)
    age = age if kind is Instrument.GUARDIAN_REQUEST else None
    answers = [
        strictest(
            Demand(_party(party, kind), kind, name, subject_age=age),
            found.pack,
            today,
            confirmation=confirmation,
            library=own,
        )
        for name in (classes or tuple(RecordClass))
    ]
    emergency = any(Instrument.EXIGENT_REQUEST in rule.instruments for rule in found.pack.rule)
    return _strictest_of(answers, found, emergency=emergency)


def limits(
    opened: Opened, paper: Paper, classes: Iterable[str], advised: frozenset[str] | None = None
) -> dict[str, Limit | None]:
    """Return what the law lets out of each record class on this paper; None where it sets no limit.

    A draft nobody confirmed may limit: it can deny; ``advised`` is what counsel opens in this case instead. What the
    law forbids, and a word that is none, opens nothing; an emergency opens identity at most, whatever is said (R45).
    """
    found: dict[str, Limit | None] = {}
    for name in classes:
        try:
            kind = Instrument(paper.kind)
            says = answer(opened, PartyKind(paper.recipient_kind), kind, (RecordClass(name),))
        except ValueError:
            found[name] = Limit(frozenset(), "library policy")
            continue
        if says.answer is LawAnswer.MUST_NOT:
            found[name] = Limit(frozenset(), says.cite)
        elif kind is Instrument.EXIGENT_REQUEST:
            fields = frozenset(says.fields or ("identity",)) if advised is None else advised
            found[name] = Limit(fields & {"identity"}, f"{says.cite}; policy R45")
        elif advised is not None:
            found[name] = None if EVERYTHING in advised else Limit(advised, f"{says.cite}; counsel's signed advice")
        else:
            found[name] = Limit(frozenset(says.fields), says.cite) if says.fields else None
    return found


def _own(opened: Opened, kind: Instrument) -> Ground | None:
    """Return the library's own answer to a kind of demand. Raises ConfigurationError for a kind that is none."""
    table = opened.site.inquiries.stricter
    for word in table:
        if word not in set(Instrument):
            raise ConfigurationError(
                f"{word!r} is no kind of demand{nearest(word, Instrument)}.",
                where=f"{opened.site.file} [inquiries.stricter]",
                do=f"Use one of: {', '.join(Instrument)}.",
            )
    if (own := table.get(str(kind))) is None:
        return None
    return Ground("library", Outcome(own.answer), own.cite, "the library's own rule")


def _strictest_of(answers: Sequence[Answer], found: Confirmed, *, emergency: bool) -> LawSays:
    outcome = min((one.outcome for one in answers), key=_STRICT.index)
    ground = next(one for one in answers if one.outcome is outcome)
    cites = [g.cite for g in ground.grounds if g.source in ("library", "statute", "possible duty")]
    cites = cites or [found.pack.citations[0]]
    clocks = [clock for one in answers for clock in one.clocks]
    return LawSays(
        answer=LawAnswer(outcome),
        standing=found.standing,
        cite="; ".join(dict.fromkeys(cites)),
        findings=_each(one.findings for one in answers),
        conditions=_each(one.conditions for one in answers),
        fields=_each(one.fields for one in answers),
        challenge=_each(one.challenge for one in answers),
        clock=max(clocks, key=lambda clock: clock.wait_days or 0) if clocks else None,
        emergency_clause=emergency,
        age_exception=any(one.age_exception for one in answers),
    )


def _each(groups: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for group in groups for item in group))  # type: ignore[attr-defined]


_PARTIES = {
    Instrument.OWN_REQUEST: Party.SUBJECT,
    Instrument.GUARDIAN_REQUEST: Party.GUARDIAN,
    Instrument.CONSENT: Party.CONSENTED,
    Instrument.COLLECTION: Party.COLLECTOR,
}
_STATE = {PartyKind.LAW_ENFORCEMENT, PartyKind.IMMIGRATION_AGENCY, PartyKind.NATIONAL_SECURITY_AGENCY}
_LITIGANTS = {PartyKind.ATTORNEY, PartyKind.COURT}


def _party(party: PartyKind, kind: Instrument) -> Party:
    """Return who asks in the packs' words: the kind of request decides, then the kind of party."""
    if kind in _PARTIES:
        return _PARTIES[kind]
    if party in _STATE:
        return Party.LAW_ENFORCEMENT
    return Party.LITIGANT if party in _LITIGANTS else Party.PUBLIC


def _today(opened: Opened) -> date:
    return opened.clock.now().astimezone(UTC).date()


def _home(opened: Opened) -> Path:
    return opened.site.state_path / "law"


def _kept(opened: Opened, wanted: str) -> dict[str, str] | None:
    try:
        kept = json.loads((_home(opened) / f"{wanted}.json").read_text(encoding="utf-8"))
        return {name: str(kept[name]) for name in ("digest", "day", "signature")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _confirmation(opened: Opened, pack: Pack) -> Confirmation | None:
    """Return counsel's confirmation if it is of this text and the signature of the counsel who sits now."""
    kept = _kept(opened, pack.jurisdiction)
    counsel = next((one for one in officers(opened) if one.role == "counsel"), None)
    if kept is None or counsel is None or kept["digest"] != pack.digest:
        return None
    try:
        day = date.fromisoformat(kept["day"])
        signatures.verify(counsel.sign, statement(pack, day), kept["signature"])
    except (ReticentError, ValueError):
        return None
    return Confirmation(pack.digest, day)
