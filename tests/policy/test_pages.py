"""The director's page, the situations people try, and the policy people read."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from importlib import resources

import jinja2
import pytest
from tests.policy.helpers import NOTES, NOW, shipped

from reticent.errors import ConfigurationError, NotPermitted, UsageError
from reticent.policy import prove
from reticent.policy.adoption import Adopted
from reticent.policy.adoption import shipped as shipped_adopted
from reticent.policy.director import director_page
from reticent.policy.engine import Engine
from reticent.policy.publish import InForce, Kept, PolicyText, publish, read
from reticent.policy.situations import Situation, as_request, tell, try_all
from reticent.report.page import published_pdf

SITE = InForce(
    library="Lakeside <Public> Library",
    place="Wisconsin",
    kept=(
        Kept("Loans", "to get the item back", "the item is returned and nothing is owed", 0),
        Kept("Notices", "to show what was sent", "the notice is sent", 7),
        Kept("Registration", "to lend at all", "you leave", None),
    ),
    contacts=(("Custodian of records", "director@lakeside.example"),),
    statutes=("Wis. Stat. 43.30",),
)


def render(name: str, **values: object) -> str:
    folder = str(resources.files("reticent.report").joinpath("templates"))
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(folder)
    )
    return environment.get_template(name).render(nonce="", **values)


def test_situations_answer_as_the_page_says() -> None:
    tried = {
        (t.situation.asker, t.situation.action, t.situation.paper, t.situation.signed): t
        for t in try_all(shipped(), NOW)
    }
    police = "OutsideParty lawEnforcement"
    answers = {
        paper: tried[police, "release", paper, "two officers"].explanation.allowed
        for paper in shipped().schema.enums["InstrumentKind"]
    }
    assert {paper for paper, allowed in answers.items() if allowed} == {
        "court_order", "court_subpoena", "search_warrant", "fisa_order",
    }  # fmt: skip
    twice = tried[police, "release", "court_order", "one person twice"].explanation
    assert not twice.allowed
    assert twice.sentence == "Refused: One person cannot give both approvals."
    assert not tried[police, "release", "court_order", "the custodian"].explanation.allowed


def test_every_situation_fits_the_schema() -> None:
    engine = Engine(shipped())
    for tried in try_all(shipped(), NOW):
        outcome = engine.ask(as_request(shipped(), tried.situation, NOW))
        assert not outcome.unfit
        assert not outcome.erred


@pytest.mark.parametrize(
    "situation",
    [
        Situation("Patron", "release"),
        Situation("Staff janitor", "viewTie"),
        Situation("Job", "sever"),
        Situation("Staff circulation", "viewTie", state="ajar"),
        Situation("Staff circulation", "viewTie", purpose="curiosity"),
        Situation("OutsideParty press", "release", paper="badge"),
        Situation("OutsideParty press", "release", paper="court_order", signed="everyone"),
        Situation("Martian", "viewTie"),
    ],
)
def test_a_word_the_policy_does_not_have_is_named(situation: Situation) -> None:
    with pytest.raises(UsageError) as caught:
        tell(shipped(), Engine(shipped()), situation, NOW)
    assert caught.value.do


def test_an_answer_is_a_story_with_its_rule() -> None:
    told = tell(shipped(), Engine(shipped()), Situation("Staff circulation", "viewTie", state="due"), NOW)
    assert not told.allowed
    assert told.story == (
        "A member of staff (circulation) asks to see a tie: a tie (due, circulation) of patron-1, "
        "for the purpose “serve the patron”. Refused: no rule permits it."
    )


def test_the_directors_page_has_a_line_a_promise_and_loads_nothing() -> None:
    adopted = shipped_adopted()
    page = director_page(adopted, NOW)
    html = render("policy.html", page=page)
    assert page.kept
    assert all(line.says in html for line in page.lines if "'" not in line.says)
    assert html.count("kept, for every possible request") == len(page.lines)
    assert "Counsel attests a showing of good cause" in html
    for outside in ("http:", "https:", "src=", "@import", "url("):
        assert outside not in html


def test_a_cited_exception_is_on_every_page() -> None:
    rule = (
        f'@id("parent") {NOTES}permit (principal is Guardian, action == Action::"viewOwnRecord", resource is Patron)'
        " when { resource == principal.ward };"
    )
    exception = '[[exception]]\npromise = "minors-too"\nrules = ["parent"]\ncite = "Wis. Stat. 43.30(4)"\nsays = "A parent sees it."\n'
    bundle = shipped().replaced("rules/local.cedar", rule).replaced("exceptions.toml", exception)
    certificate = prove.prove_bundle(bundle, 20)
    assert certificate.kept
    adopted = Adopted(bundle, certificate)
    impact = prove.diff(shipped(), bundle)
    html = render("policy.html", page=director_page(adopted, NOW, impact))
    assert "Wis. Stat. 43.30(4)" in html
    assert "kept, except where a statute commands otherwise" in html
    assert "Newly allowed" in html
    before = publish(SITE, shipped_adopted()).policy
    published = publish(SITE, adopted, before, [change.story for change in impact.changes])
    assert "no longer promised without exception: minors-too" in published.loosenings
    assert any(one.startswith("newly allowed: The guardian of") for one in published.loosenings)
    assert any("Wis. Stat. 43.30(4)" in s for section in published.policy.sections for s in section.sentences)


def test_the_policy_is_written_from_what_is_in_force() -> None:
    html = render("published.html", published=publish(SITE, shipped_adopted()), marked=False)
    assert "Loans: kept until the item is returned and nothing is owed. Why: to get the item back." in html
    assert "Notices: kept until the notice is sent, and 7 days more." in html
    assert "without an end the library has set" in html
    assert "A patron sees every tie of their own." in html
    assert "Wis. Stat. 43.30" in html
    assert "Lakeside &lt;Public&gt; Library" in html
    assert "<Public>" not in html
    assert html.count("<h1>") == 1


def test_a_longer_retention_is_named_as_loosening_and_needs_a_vote() -> None:
    before = publish(SITE, shipped_adopted()).policy
    longer = replace(SITE, kept=(replace(SITE.kept[0], days=30), *SITE.kept[1:]))
    published = publish(longer, shipped_adopted(), before)
    assert published.loosenings == ("kept longer: Loans (0 days before, 30 days now)",)
    with pytest.raises(NotPermitted, match="kept longer: Loans"):
        published.require_vote("")
    published.require_vote("a" * 64)
    html = render("published.html", published=published, marked=True)
    assert "What would be loosened" in html
    assert '<ins><span class="said">inserted: </span> owed, and 30 days more.</ins>' in html
    back = publish(SITE, shipped_adopted(), published.policy)
    assert back.loosenings == ()
    assert ("struck", " owed, and 30 days more.") in [run for s in back.marked for one in s.sentences for run in one]


@pytest.mark.parametrize(
    ("old", "new", "loosens"), [(0, None, True), (None, 0, False), (7, 7, False), (7, 8, True), (8, 7, False)]
)
def test_what_counts_as_longer(old: int | None, new: int | None, loosens: bool) -> None:
    before, after = (replace(SITE, kept=(replace(SITE.kept[0], days=days),)) for days in (old, new))
    published = publish(after, shipped_adopted(), publish(before, shipped_adopted()).policy)
    assert bool(published.loosenings) is loosens


def test_years_are_told_as_years_and_what_others_keep_as_they_declared_it() -> None:
    assert Kept("Photographs", "to know you", "you leave", 730).how_long == "until you leave, and 2 years more"
    lent = Kept("Digital lending", "the service needs them", "", None, "contract: 90 days")
    page = publish(replace(SITE, kept=(lent,)), shipped_adopted()).policy.text()
    assert "Digital lending: kept elsewhere, as declared: contract: 90 days. Why: the service needs them." in page


def test_something_newly_kept_is_a_loosening() -> None:
    before = publish(replace(SITE, kept=SITE.kept[:1]), shipped_adopted()).policy
    assert publish(SITE, shipped_adopted(), before).loosenings == (
        "newly kept: Notices",
        "newly kept: Registration",
    )


def test_a_kept_policy_comes_back_the_same() -> None:
    policy = publish(SITE, shipped_adopted()).policy
    again = read(policy.text())
    assert isinstance(again, PolicyText)
    assert again == policy
    assert again.digest == policy.digest
    for text in ("", "{}", "[]", "null"):
        with pytest.raises(ConfigurationError):
            read(text)


def words(pdf: bytes) -> str:
    """Return what a reader of the PDF reads, by other code."""
    done = subprocess.run(["pdftotext", "-raw", "-", "-"], input=pdf, capture_output=True, check=True)
    return " ".join(done.stdout.decode().replace("\x0c", " ").split())


def plain(pdf: bytes) -> str:
    return words(pdf).replace("’", "'").replace("“", '"').replace("”", '"').replace("- ", "-").replace(" ", "")


def test_the_pdf_says_what_the_html_says_and_is_tagged() -> None:
    published = publish(SITE, shipped_adopted())
    pdf = published_pdf(published, NOW, marked=False)
    assert pdf == published_pdf(published, NOW, marked=False)
    assert b"/MarkInfo" in pdf
    assert b"pdfuaid" in pdf
    shown = plain(pdf)
    for section in published.policy.sections:
        assert section.heading.replace(" ", "") in shown
        for sentence in section.sentences:
            assert sentence.replace(" ", "").replace("“", '"').replace("”", '"').replace("’", "'") in shown, sentence


def test_the_marked_pdf_tells_struck_and_inserted_in_words() -> None:
    before = publish(SITE, shipped_adopted()).policy
    longer = replace(SITE, kept=(replace(SITE.kept[0], days=30), *SITE.kept[1:]))
    shown = words(published_pdf(publish(longer, shipped_adopted(), before), NOW, marked=True))
    assert "nothing is [struck: owed.] [inserted: owed, and 30 days more.]" in shown
    assert "What would be loosened Each of these protects less" in shown
    assert "kept longer: Loans (0 days before, 30 days now)" in shown


def test_markup_in_a_librarys_name_is_text_in_the_pdf() -> None:
    site = replace(SITE, library='#emph[x] $1$ *b* \\ "quoted"')
    shown = words(published_pdf(publish(site, shipped_adopted()), NOW, marked=False))
    assert "#emph[x] $1$ *b*" in shown
