"""Letters say the same as text and as PDF, cite the law, and show whatever they are given as text."""

from __future__ import annotations

import dataclasses
import itertools
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from unittest import mock

import pytest

from reticent.errors import SystemRefused, UsageError
from reticent.guard.letters import (
    DRAFT,
    Call,
    Head,
    Kind,
    as_pdf,
    as_text,
    card,
    card_pdf,
    card_text,
    compose,
    defect,
    required,
    visible,
)
from reticent.guard.letters import Letter as Made
from reticent.guard.words import Defect

DAY = date(2026, 11, 28)
HEAD = Head("Lakeside Public Library", "Ada Custodian", DAY, "Case 7f3a", ["Office of the District Attorney"])
VALUES = {
    "paper": "subpoena no. 12-CV-334 of the Circuit Court of Lake County",
    "received": "November 27, 2026",
    "citation": "Wis. Stat. 43.30",
    "reason": "A letter is not such an order.",
    "remedy": "A form of motion is enclosed.",
    "not_before": "December 9, 2026",
    "notice": "The records stay confidential.",
}
ITEMS = ["It names no person, account or item.", "It is signed by no judge."]
CALLS = [Call("custodian", "Ada Custodian", "555 0100"), Call("alternate", "Bea Board"), Call("counsel", "Cy Counsel")]


def letter(kind: Kind, *, confirmed: bool = True, **values: str) -> Made:
    return compose(kind, HEAD, {**VALUES, **values}, ITEMS, confirmed=confirmed)


def words(pdf: bytes) -> str:
    """Return what a reader of the PDF reads, by other code."""
    done = subprocess.run(["pdftotext", "-raw", "-", "-"], input=pdf, capture_output=True, check=True)
    return " ".join(done.stdout.decode().replace("\x0c", " ").split())


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("kind", Kind)
def test_every_letter_says_the_same_as_text_and_as_pdf(kind: Kind) -> None:
    made = letter(kind)
    pdf, text = words(as_pdf(made)), flat(as_text(made))
    assert made.title in text
    for part in made.parts:
        for sentence in (part,) if isinstance(part, str) else part:
            assert flat(sentence) in text
            assert flat(sentence) in pdf
    for given in ("Lakeside Public Library", "Ada Custodian", "Case 7f3a", "November 28, 2026"):
        assert given in text
        assert given in pdf


@pytest.mark.parametrize("kind", Kind)
def test_every_letter_is_a_tagged_pdf_with_the_same_bytes_each_time(kind: Kind) -> None:
    pdf = as_pdf(letter(kind))
    assert pdf == as_pdf(letter(kind))
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf
    said = subprocess.run(["pdfinfo", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
    assert "Tagged:          yes" in said
    assert f"Title:           {letter(kind).title}" in said


@pytest.mark.parametrize("kind", [Kind.REFUSAL, Kind.ACKNOWLEDGEMENT, Kind.DEFECT_NOTICE, Kind.CHALLENGE])
def test_what_goes_to_the_requester_never_says_whether_there_are_records(kind: Kind) -> None:
    text = flat(as_text(letter(kind))).casefold()
    for betraying in ("no records exist", "we hold no", "we have no record", "records were found", "not a patron"):
        assert betraying not in text
    assert "wis. stat. 43.30" in text


@pytest.mark.parametrize("kind", Kind)
def test_law_nobody_confirmed_makes_a_draft(kind: Kind) -> None:
    made = letter(kind, confirmed=False)
    assert (flat(DRAFT) in flat(as_text(made))) == ("citation" in required(kind))
    assert DRAFT not in as_text(letter(kind))


def test_a_letter_lacking_a_value_is_not_written() -> None:
    for kind in Kind:
        for name in required(kind) - {"items"}:
            with pytest.raises(UsageError, match=name):
                compose(kind, HEAD, {k: v for k, v in VALUES.items() if k != name}, ITEMS)
    with pytest.raises(UsageError, match="list"):
        compose(Kind.DEFECT_NOTICE, HEAD, VALUES, [])


HOSTILE = [
    '#read("/etc/passwd")',
    "#eval(\"1+1\") $x^2$ *bold* _it_ `raw` <label> @ref // comment /* */ \\",
    "{library} {0} {paper.__class__} %s ${HOME}",
    '"}], "title": "forged", "x": ["',
    "= Heading\n- item",
    "</text><script>alert(1)</script> '; DROP TABLE borrowers; --",
    "]]) #panic() [[",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_text(text: str) -> None:
    made = compose(
        Kind.REFUSAL, dataclasses.replace(HEAD, to=[text]), {**VALUES, "paper": text, "reason": text}, confirmed=True
    )
    assert flat(text) in flat(as_text(made))
    shown = words(as_pdf(made)).replace("’", "'").replace("“", '"').replace("”", '"')
    assert flat(text) in shown or flat(text).replace(" ", "") in shown.replace(" ", "")


@pytest.mark.parametrize("text", ["a\x1b[31mred", "\u202eflipped", "zero\u200bwidth", "\ud800", "x" * 4001, "\ue000"])
def test_what_cannot_be_seen_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        letter(Kind.REFUSAL, paper=text)
    assert text not in str(refused.value)


def test_a_name_in_another_script_is_never_lost() -> None:
    made = letter(Kind.REFUSAL, paper="письмо \U00030000 of November 3")
    assert "письмо \U00030000" in as_text(made)
    assert "письмо" in words(as_pdf(letter(Kind.REFUSAL, paper="письмо of November 3")))
    with pytest.raises(SystemRefused, match="could not set") as refused:
        as_pdf(made)
    assert "plain text" in refused.value.do


def test_without_typst_the_message_names_the_extra_and_the_text_still_comes() -> None:
    made = letter(Kind.REFUSAL)
    with mock.patch.dict(sys.modules, {"typst": None}), pytest.raises(SystemRefused, match="typst"):
        as_pdf(made)
    assert as_text(made)


def test_the_card_is_one_page_with_whom_to_call_in_order() -> None:
    made = card("Lakeside Public Library", CALLS, "Wis. Stat. 43.30", DAY)
    pdf = card_pdf(made, DAY)
    said = subprocess.run(["pdfinfo", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
    assert "Pages:           1" in said
    assert pdf == card_pdf(made, DAY)
    for text in (words(pdf), flat(card_text(made))):
        assert text.index("Ada Custodian, 555 0100") < text.index("Bea Board, ____") < text.index("Cy Counsel, ____")
        assert "do not obstruct" in text
        assert "I am not the person who may answer" in text


def test_a_card_that_names_nobody_is_not_printed() -> None:
    with pytest.raises(UsageError):
        card("Lakeside Public Library", [], "Wis. Stat. 43.30", DAY)


def test_no_template_reaches_for_anything_outside() -> None:
    folder = Path(__file__).parents[2] / "src" / "reticent" / "guard" / "templates"
    for template in folder.glob("*.typ"):
        source = template.read_text()
        assert [word for word in ("import", "include", "read(", "eval(", "http", "plugin") if word in source] == []


@pytest.mark.parametrize("code", Defect)
def test_every_defect_is_said_in_a_sentence(code: Defect) -> None:
    assert defect(code).endswith(".")
    assert "_" not in defect(code)


def placed(pdf: bytes) -> list[tuple[str, float, float, float]]:
    """Return each word with its left, right and the page's width, in points, by other code."""
    done = subprocess.run(["pdftotext", "-bbox", "-", "-"], input=pdf, capture_output=True, check=True)
    html = done.stdout.decode()
    width = float(re.findall(r'<page width="([\d.]+)"', html)[0])
    found = re.findall(r'<word xMin="([\d.]+)" yMin="[\d.]+" xMax="([\d.]+)" yMax="[\d.]+">(.*?)</word>', html)
    return [(word, float(left), float(right), width) for left, right, word in found]


def test_right_to_left_letters_do_not_reorder_the_line_around_them() -> None:
    """Without isolation it reads "Custodian: 0100 555", and the name after that."""
    made = card("Lakeside Public Library", [Call("custodian", "שרה כהן", "555 0100")], "Wis. Stat. 43.30", DAY)
    left = {word: where for word, where, _, _ in placed(card_pdf(made, DAY))}
    [name] = [where for word, where in left.items() if "הרש" in word]
    assert name < left["555"] < left["0100"]


@pytest.mark.parametrize("word", ["W" * 300, "http://x.example/" + "abc/" * 60, "ש" * 300])
def test_a_word_longer_than_a_line_stays_on_the_page(word: str) -> None:
    made = compose(Kind.DEFECT_NOTICE, dataclasses.replace(HEAD, to=[word]), {**VALUES, "paper": word}, [word])
    found = placed(as_pdf(made))
    assert found
    assert [one for one, left, right, width in found if left < 71 or right > width - 71] == []


def test_a_signature_never_stands_alone_on_a_page() -> None:
    for count in range(15, 25):
        made = compose(Kind.RECEIPT, HEAD, VALUES, ["An item of two lines " * 6] * count, confirmed=True)
        done = subprocess.run(["pdftotext", "-", "-"], input=as_pdf(made), capture_output=True, check=True)
        last = done.stdout.decode().split("\f")[-2]
        assert "Ada Custodian" in last
        assert "The records stay confidential" in last, count


def test_names_that_need_a_joiner_are_written() -> None:
    for name in ("می\u200cخواهد", "क्\u200dष"):
        assert name in as_text(letter(Kind.REFUSAL, paper=name))
        assert "\ufffd" not in visible(name)


def test_a_name_that_is_shown_twice_is_the_same_and_hidden_characters_are_still_marked() -> None:
    for name in ("\u05e9\u05dc\u05d5\u05dd", "Ada", "\u202eAda\u05e9"):
        assert visible(visible(name)) == visible(name)
    assert visible("\u202eAda\u05e9") == "\u2068\ufffdAda\u05e9\u2069"


def test_a_letter_of_a_script_only_the_machine_has_is_set_where_it_has_it() -> None:
    made = letter(Kind.REFUSAL, paper="the paper \U0001f600")
    if subprocess.run(["fc-list", ":charset=1f600"], capture_output=True, check=True).stdout:
        assert "\U0001f600" in words(as_pdf(made))
    else:
        with pytest.raises(SystemRefused, match="no font here"):
            as_pdf(made)


def test_a_letter_asks_for_no_date_the_paper_may_not_name() -> None:
    assert "If the paper is to be answered by a date" in flat(as_text(letter(Kind.DEFECT_NOTICE)))


def test_the_card_writes_its_day_as_letters_do() -> None:
    assert "Printed November 28, 2026;" in flat(card_text(card("Lakeside", CALLS, "Wis. Stat. 43.30", DAY)))


def test_a_paper_nobody_signs_ends_with_its_last_word() -> None:
    assert as_text(dataclasses.replace(letter(Kind.REFUSAL), signer="", office="")).endswith("delay.\n")


@pytest.mark.parametrize("kind", [Kind.RECEIPT, Kind.PAPER_CHECKPOINT])
def test_lines_to_be_signed_are_a_thumb_apart_and_on_one_page(kind: Kind) -> None:
    done = subprocess.run(["pdftotext", "-bbox", "-", "-"], input=as_pdf(letter(kind)), capture_output=True, check=True)
    html = done.stdout.decode()
    assert html.count("<page ") == 1
    lines = sorted({float(bottom) for bottom in re.findall(r'yMax="([\d.]+)">_{20,}', html)})
    assert len(lines) > 2
    assert min(below - above for above, below in itertools.pairwise(lines)) > 25, "points"
