"""The acts on the policy: check, prove, explain, compare and publish the one in the site's folder ``policy/``.

Without that folder it is the shipped policy that is meant. Adopting one is ``acts/adopting.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reticent.acts.files import write, write_text
from reticent.acts.gate import archive, digest_in_force, in_force, last_adoption
from reticent.acts.log_system import KINDS as LOGS
from reticent.acts.log_system import series_of, sources
from reticent.acts.opening import Opened, map_of
from reticent.errors import ConfigurationError, EvidenceBroken, NotPermitted, SystemRefused
from reticent.law import packs
from reticent.model import RecordClass
from reticent.policy import bundle as bundles
from reticent.policy import certificate as certificates
from reticent.policy import prove, situations
from reticent.policy.adoption import Adopted, shipped
from reticent.policy.bundle import Bundle
from reticent.policy.certificate import Certificate
from reticent.policy.director import director_page
from reticent.policy.engine import Engine
from reticent.policy.explain import Explanation
from reticent.policy.prove import CheckResult
from reticent.policy.publish import InForce, Kept, PolicyText, Published, publish, read
from reticent.policy.retention import retention
from reticent.policy.situations import Situation
from reticent.report.page import promises_page, published_page, published_pdf
from reticent.tomlfile import nearest

if TYPE_CHECKING:
    from reticent.policy.impact import Impact

CERTIFICATE = "certificate.json"
_NOT_ABOUT_USERS = (RecordClass.STAFF_ACTION, RecordClass.UNCLASSIFIED)


def folder(opened: Opened) -> Path:
    """Return the folder of the library's own rules."""
    return opened.site.folder / "policy"


def draft(opened: Opened) -> Bundle:
    """Return the bundle with the library's own files; the shipped one where it has none.

    Raises ConfigurationError for a file that belongs to no policy: a rule in it would never count.
    """
    place = folder(opened)
    if not place.is_dir():
        return bundles.load()
    known = [*bundles.LOCAL, CERTIFICATE]
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_file() and not path.name.startswith(".") and name not in known:
            raise ConfigurationError(
                f"policy/{name} belongs to no policy{nearest(name, known)}.",
                where=str(path),
                do=f"Its files are: {', '.join(bundles.LOCAL)}. Rename it or move it away.",
            )
    return bundles.load(place)


def check(opened: Opened) -> CheckResult:
    """Lint and prove the draft, and compare it with the bundle in force. Raises UsageError without Z3."""
    return prove.check_bundle(draft(opened), bundle_in_force(opened))


def compare(opened: Opened) -> Impact:
    """Return what the draft newly allows and refuses. Raises UsageError without Z3."""
    return prove.diff(bundle_in_force(opened), draft(opened))


def bundle_in_force(opened: Opened) -> Bundle:
    """Return the bundle in force as text; whether its signatures still verify is for the gate."""
    digest, now = digest_in_force(opened), bundles.load()
    return now if digest == now.digest else archive(opened).bundle(digest)


def certify(opened: Opened) -> tuple[Certificate, Path | None]:
    """Prove the draft; where it keeps every promise, write its certificate beside it."""
    certificate = prove.prove_bundle(draft(opened))
    if not certificate.kept:
        return certificate, None
    path = folder(opened) / CERTIFICATE
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError:
        raise SystemRefused("The folder cannot be made.", where=str(path.parent), do="Check its rights.") from None
    write_text(path, certificate.text())
    return certificate, path


def proved(opened: Opened, bundle: Bundle) -> Adopted:
    """Return the draft with its certificate. Raises EvidenceBroken when it has none that verifies."""
    path = folder(opened) / CERTIFICATE
    if not path.exists() and bundle.digest == bundles.load().digest:
        return shipped()
    if not path.exists():
        raise EvidenceBroken("This policy is not proved yet.", where=str(path), do="Run `reticent policy prove`.")
    certificate = certificates.read(path)
    certificates.verify(certificate, bundle)
    return Adopted(bundle, certificate)


def explain(opened: Opened, situation: Situation, *, of_draft: bool) -> tuple[Bundle, Explanation]:
    """Answer a situation by the bundle in force, or by the draft. Raises UsageError for an unknown word."""
    bundle = draft(opened) if of_draft else in_force(opened).bundle
    return bundle, situations.tell(bundle, Engine(bundle), situation, opened.clock.now())


@dataclass(frozen=True)
class Proposal:
    """The draft as people would read it, marked up against the policy adopted last, with what it loosens."""

    adopted: Adopted
    published: Published

    @property
    def changed(self) -> bool:
        """Whether a word or an answer differs from the policy in force."""
        return any(op != "same" for s in self.published.marked for one in s.sentences for op, _ in one)


def proposal(opened: Opened) -> Proposal:
    """Compare the draft with the policy adopted last. Raises EvidenceBroken when it is not proved."""
    bundle, now = draft(opened), bundle_in_force(opened)
    proposed = proved(opened, bundle)
    changes = prove.diff(now, bundle).changes if now != bundle else ()
    stories = [change.story for change in changes if change.direction == "newly allowed"]
    return Proposal(proposed, publish(site_text(opened), proposed, last_text(opened), stories))


def last_text(opened: Opened) -> PolicyText:
    """Return the policy people read as it was adopted; before the first adoption, as it stands now."""
    adoption = last_adoption(opened)
    if adoption is None or not adoption.text:
        try:
            now = in_force(opened)
        except NotPermitted:
            # What an earlier release shipped decides nothing here; officers must still be able to sign what does.
            now = shipped()
        return publish(site_text(opened), now).policy
    path = text_path(opened, adoption.text)
    try:
        text = read(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise EvidenceBroken("The policy adopted last cannot be read.", where=str(path), do=_RESTORE) from None
    if text.digest != adoption.text:
        raise EvidenceBroken("The policy adopted last was changed.", where=str(path), do=_RESTORE)
    return text


_RESTORE = "Restore it from the state's backup."


def text_path(opened: Opened, digest: str) -> Path:
    """Return where an adopted text is kept."""
    return opened.site.state_path / "policy" / f"text-{digest}.json"


@dataclass(frozen=True)
class Pages:
    """The pages written; ``lacking`` says why there is no PDF of them, "" if there is."""

    paths: tuple[Path, ...]
    lacking: str


def publish_pages(opened: Opened, out: Path) -> tuple[Pages, Proposal]:
    """Write the pages people read: the policy in force, the promises, and the draft marked up if it differs.

    HTML always, and PDF where typst is installed.
    """
    now, made, found = in_force(opened), opened.clock.now(), proposal(opened)
    texts = {"policy": (publish(site_text(opened), now), False)}
    if found.changed:
        texts["policy-marked"] = (found.published, True)
    promises = promises_page(director_page(now, made), opened.site.library.name)
    pages: dict[str, str | bytes] = {"promises.html": promises}
    lacking = ""
    for name, (text, marked) in texts.items():
        pages[f"{name}.html"] = published_page(text, marked=marked)
        try:
            pages[f"{name}.pdf"] = published_pdf(text, made, marked=marked)
        except SystemRefused as error:
            lacking = error.on_one_line()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise SystemRefused("The folder cannot be made.", where=str(out), do="Choose another with --out.") from None
    for file, page in pages.items():
        write(out / file, page)
    return Pages(tuple(out / file for file in sorted(pages)), lacking), found


def site_text(opened: Opened) -> InForce:
    """Return what the site says is in force: what is kept how long, under which law, whom to ask."""
    site = opened.site
    pack = packs.pack(site.library.jurisdiction) if site.library.jurisdiction in packs.jurisdictions() else None
    roles = {"custodian": "The custodian of records", "alternate": "In the custodian's absence"}
    contacts = tuple((title, site.officers[r].name) for r, title in roles.items() if r in site.officers)
    return InForce(
        library=site.library.name,
        place=pack.name if pack else "its state",
        kept=tuple(dict.fromkeys(_kept(opened))),
        contacts=contacts or (("The library", site.library.name),),
        statutes=pack.citations if pack else (),
    )


def _kept(opened: Opened) -> Iterator[Kept]:
    for name, system in opened.site.systems.items():
        if system.kind == "declared":
            title = ", ".join(one.replace("_", " ") for one in system.classes) or "records"
            what, declared = f"{title.capitalize()} at {name}", system.retention or "not known"
            yield Kept(what, "the service needs them", "", None, declared)
            continue
        logs = system.kind in LOGS
        shown = series_of(opened.site, name, sources(opened.site, name)) if logs else map_of(opened.site, name).series
        for series in shown:
            if series.record_class not in _NOT_ABOUT_USERS:
                length = retention(opened.site, name, series.id, series.retention_key).length
                days = None if length is None else math.ceil(length.total_seconds() / 86_400)
                yield Kept(series.title, series.purpose, series.purpose_end, days)
