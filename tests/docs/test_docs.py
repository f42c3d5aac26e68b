"""Links resolve, words are the project's words, and what is documented is what the code says."""

import re
from pathlib import Path

import pytest

from reticent import errors
from reticent.errors import ReticentError
from reticent.model import Disposition, RecordClass

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = [
    path
    for path in (ROOT / "src" / "reticent").rglob("*")
    if path.suffix in {".py", ".toml", ".html", ".cedar", ".sql", ".typ", ".md"}
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMANDS = {
    *("demo", "init", "find", "plan", "sever", "arm", "disarm", "check", "filter", "share", "policy", "map"),
    *("inquiry", "hold", "release", "law", "subject", "ledger", "statistics", "report", "serve"),
}
"""The command line of the design."""
COMMAND = re.compile(r"(?:^ {4}|`)reticent(?: --?\S+)* ([a-z]+)", re.MULTILINE)

ANONYMOUS = re.compile(r"\banonymous\b", re.IGNORECASE)
MAY_SAY_ANONYMOUS = re.compile(r"\b(?:never|not|no)\b[^.]*\banonymous\b|anonymous ?patron|\"ANONYMOUS\"", re.IGNORECASE)
"""Denials ("is never called anonymous"), and Koha's own name for its stand-in record."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def slugs(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_resolve(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        where = (page.parent / target).resolve() if target else page
        assert where.exists(), link
        assert where.is_relative_to(ROOT), link
        assert not anchor or anchor in slugs(where), link


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text(encoding="utf-8"))}
    pages = {page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "adr" and page != index}
    assert sorted(map(name, pages - linked)) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_those_of_the_design(page: Path) -> None:
    assert set(COMMAND.findall(page.read_text(encoding="utf-8"))) <= COMMANDS


def said_anonymous(text: str) -> list[str]:
    """Return the sentences that call something anonymous."""
    sentences = re.split(r"(?<=[.;:!?|])\s", re.sub(r"\s+", " ", text))
    return [each for each in sentences if ANONYMOUS.search(MAY_SAY_ANONYMOUS.sub("", each))]


@pytest.mark.parametrize("path", [*PAGES, *SOURCES], ids=name)
def test_no_pseudonym_is_called_anonymous(path: Path) -> None:
    """A keyed or hashed identifier is a tie; the word is kept for denials and Koha's own setting."""
    assert said_anonymous(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "guilty"),
    [
        ("The identifier is hashed, so the log is anonymous.", True),
        ("Anonymous identifiers are kept for a year.", True),
        ("A hash is never called anonymous. The rest is anonymous.", True),
        ("A hash is never\ncalled anonymous.", False),
        ("Set AnonymousPatron; the anonymous patron has no loans.", False),
        ("anonymised loans", False),
    ],
)
def test_the_lint_tells_claims_from_denials(text: str, guilty: bool) -> None:
    assert bool(said_anonymous(text)) is guilty


def listed(page: str) -> set[str]:
    """Return what stands in the first cell of a page's table rows, without its code marks."""
    text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    return {cell.strip().strip("`") for cell in re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)}


def test_every_record_class_and_disposition_is_explained() -> None:
    assert {*RecordClass, *Disposition} <= listed("words.md")


def test_every_exit_code_is_explained() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ReticentError)]
    assert len(kinds) > 5
    assert {str(each.exit_code) for each in kinds} | {"0", "1"} == listed("exit-codes.md") - {"code", "---"}


def test_every_record_class_has_its_retention_explained() -> None:
    text = (ROOT / "docs" / "explanation" / "retention.md").read_text(encoding="utf-8")
    assert [each for each in RecordClass if f"`{each}`" not in text] == []
