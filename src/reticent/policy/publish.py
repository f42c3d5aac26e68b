"""The policy people read, written from what is really in force, and marked up against the last one.

Nothing here is typed in twice: what is kept and how long comes from the site, who may see it and
what outside parties need from the rules' and promises' own sentences. A loosening is named as
one, and needs the governing body's recorded vote before officers can sign.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cedarpy import pst

from reticent.errors import ConfigurationError, NotPermitted
from reticent.policy.adoption import Adopted
from reticent.policy.bundle import Rule

Op = Literal["same", "inserted", "struck"]


@dataclass(frozen=True)
class Kept:
    """One thing the library keeps. ``days`` after the purpose ends; None where no end is set.

    ``elsewhere``: what was declared of it, where others keep it.
    """

    what: str
    why: str
    ends: str
    days: int | None
    elsewhere: str = ""

    @property
    def how_long(self) -> str:
        """How long, in words."""
        if self.elsewhere:
            return f"elsewhere, as declared: {self.elsewhere}"
        if self.days is None:
            return f"until {self.ends}, and then without an end the library has set"
        if self.days == 0:
            return f"until {self.ends}"
        count, unit = (self.days // 365, "year") if self.days % 365 == 0 else (self.days, "day")
        return f"until {self.ends}, and {count} {unit}{'s' if count > 1 else ''} more"


@dataclass(frozen=True)
class InForce:
    """What the site says is in force. ``contacts`` are (office, how to reach it), never a private address."""

    library: str
    place: str
    kept: tuple[Kept, ...]
    contacts: tuple[tuple[str, str], ...]
    statutes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading and its sentences; each sentence is one list item or paragraph of the page."""

    heading: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class PolicyText:
    """The whole policy in plain language, with what ``loosenings`` needs of the next one."""

    library: str
    bundle: str
    sections: tuple[Section, ...]
    days: tuple[tuple[str, int | None], ...]
    promises: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the text: what the governing body votes on."""
        body = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(body.encode()).hexdigest()

    def text(self) -> str:
        """Return the text as JSON, to be kept for the next comparison."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class MarkedSection:
    """A section with struck and inserted words: runs of (op, words) for each sentence."""

    heading: str
    sentences: tuple[tuple[tuple[Op, str], ...], ...]


@dataclass(frozen=True)
class Published:
    """The policy, its marked-up version (empty without a previous one) and every loosening by name."""

    policy: PolicyText
    marked: tuple[MarkedSection, ...]
    loosenings: tuple[str, ...]

    def require_vote(self, vote: str) -> None:
        """Raise NotPermitted when something is loosened and ``vote`` (the minutes' digest) is empty."""
        if self.loosenings and not vote:
            raise NotPermitted(
                "The new policy protects less than the one adopted last, and no vote is recorded: "
                + "; ".join(self.loosenings),
                do="Put the marked-up policy to the governing body, then: reticent policy sign --vote MINUTES.",
            )


def publish(
    in_force: InForce, adopted: Adopted, previous: PolicyText | None = None, newly_allowed: Iterable[str] = ()
) -> Published:
    """Write the policy, compare it with the last adopted one, and name what it loosens.

    ``newly_allowed`` are the stories of the bundle's change of impact (``Impact.changes``).
    """
    policy = _write(in_force, adopted)
    if previous is None:
        return Published(policy, (), ())
    loosenings = (*_loosened(previous, policy), *(f"newly allowed: {story}" for story in newly_allowed))
    return Published(policy, _marked(previous, policy), loosenings)


def read(text: str) -> PolicyText:
    """Return a policy kept by ``PolicyText.text``; raise ConfigurationError when it is none."""
    try:
        body: dict[str, Any] = json.loads(text)
        sections = tuple(Section(s["heading"], tuple(s["sentences"])) for s in body["sections"])
        days = tuple((what, count) for what, count in body["days"])
        promises = tuple((name, mark) for name, mark in body["promises"])
        return PolicyText(body["library"], body["bundle"], sections, days, promises)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError("The last adopted policy cannot be read.", do="Restore it from the state.") from error


def _write(site: InForce, adopted: Adopted) -> PolicyText:
    lines, rules = adopted.certificate.lines, adopted.bundle.rules
    sections = (
        Section("What this policy is", tuple(_opening(site, adopted))),
        Section("What we keep, why, and how long", tuple(_keeping(site))),
        Section("What you can see yourself", tuple(_says(rules, "Patron"))),
        Section(
            "Who on our staff may see what",
            tuple(_says(rules, "Staff", "viewTie", "viewRegistration", "lookUpCurrentBorrower")),
        ),
        Section("What outside parties need", tuple(_says(rules, "OutsideParty"))),
        Section("What we promise", tuple(line.says for line in lines if line.mark == "proved")),
        Section(
            "Where a statute commands otherwise",
            tuple(f"{line.says} Except: {line.why}" for line in lines if line.mark != "proved"),
        ),
        Section("Whom to ask", tuple(f"{office}: {reach}" for office, reach in site.contacts)),
    )
    return PolicyText(
        site.library,
        adopted.bundle.digest,
        tuple(section for section in sections if section.sentences),
        tuple((kept.what, kept.days) for kept in site.kept),
        tuple((line.promise, line.mark) for line in lines),
    )


def _opening(site: InForce, adopted: Adopted) -> Iterator[str]:
    yield (
        f"{site.library} keeps what you read, ask, search, print and request confidential, "
        "whoever you are and whatever it is about."
    )
    yield f"It follows the policy of the American Library Association and the law of {site.place}."
    yield from (f"The law is: {cite}." for cite in site.statutes)
    yield f"The rules below are those its systems decide by (version {adopted.bundle.digest[:12]})."


def _keeping(site: InForce) -> Iterator[str]:
    for kept in site.kept:
        yield f"{kept.what}: kept {kept.how_long}. Why: {kept.why}."
    yield "When that time is over our systems no longer answer who it was; the counts remain."


def _says(rules: Sequence[Rule], principal: str, *actions: str) -> Iterator[str]:
    """Yield the sentences of the permits one kind of person meets, each once."""
    for rule in rules:
        tree = rule.tree
        meets = isinstance(tree.principal, pst.ScopeIs) and str(tree.principal.entity_type) == principal
        if tree.effect == "permit" and meets and (not actions or _actions(tree) & set(actions)):
            yield rule.says


def _actions(tree: pst.Template) -> set[str]:
    match tree.action:
        case pst.ActionEq(entity=one):
            return {one.id}
        case pst.ActionIn(entities=some):
            return {one.id for one in some}
    return set()


def _loosened(old: PolicyText, new: PolicyText) -> Iterator[str]:
    before = dict(old.days)
    for what, days in new.days:
        if what not in before:
            yield f"newly kept: {what}"
        elif _longer(days, before[what]):
            yield f"kept longer: {what} ({_days(before[what])} before, {_days(days)} now)"
    kept = dict(new.promises)
    for promise, mark in old.promises:
        if mark == "proved" and kept.get(promise) != "proved":
            yield f"no longer promised without exception: {promise}"


def _longer(new: int | None, old: int | None) -> bool:
    return old is not None and (new is None or new > old)


def _days(days: int | None) -> str:
    return "no end" if days is None else f"{days} days"


def _marked(old: PolicyText, new: PolicyText) -> tuple[MarkedSection, ...]:
    before = {section.heading: section.sentences for section in old.sections}
    after = {section.heading: section.sentences for section in new.sections}
    headings = list(dict.fromkeys([*after, *before]))
    return tuple(MarkedSection(h, tuple(_sentences(before.get(h, ()), after.get(h, ())))) for h in headings)


def _sentences(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[tuple[Op, str], ...]]:
    """Pair sentences, then words: what only moved among others stays readable."""
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "replace" and b - a == d - c:
            yield from (tuple(_words(x, y)) for x, y in zip(old[a:b], new[c:d], strict=True))
            continue
        if tag == "equal":
            yield from ((("same", sentence),) for sentence in old[a:b])
            continue
        yield from ((("struck", sentence),) for sentence in old[a:b])
        yield from ((("inserted", sentence),) for sentence in new[c:d])


def _words(old: str, new: str) -> Iterator[tuple[Op, str]]:
    before, after = re.findall(r"\s*\S+", old), re.findall(r"\s*\S+", new)
    for tag, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            yield "same", "".join(before[a:b])
            continue
        if b > a:
            yield "struck", "".join(before[a:b])
        if d > c:
            yield "inserted", "".join(after[c:d])
