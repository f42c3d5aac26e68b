"""The page in a real browser: loads alone, fits every width, and can be used without eyes, mouse or colour."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.report.made import check, plain, results

from reticent.report.page import TEMPLATES, render
from reticent.report.results import Results

WIDTHS = (320, 760, 870, 1130, 1280)
LONG = "Bibliothèque_intercommunale_de_" + "x" * 90


def long(text: str) -> str:
    return f"{text} {LONG}"


PAGES = {
    "full": results(),
    "kept": results(check=check(plain, [])),
    "empty": Results("Lakeside", results().made),
    "long names": results(long),
    "before only": results(after=None, run=None, check=None),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name, made in PAGES.items():
        (folder / f"{name}.html").write_text(render(made), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in PAGES}


@pytest.fixture
def opened(browser: Browser, files: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page named by the parameter (name, colour scheme), with every network request refused."""
    name, scheme = request.param
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(files[name].as_uri())
    yield page
    assert said == []
    assert asked == [files[name].as_uri()]
    context.close()


def pages(*names: str, schemes: tuple[str, ...] = ("light",)) -> pytest.MarkDecorator:
    wanted = [(name, scheme) for name in names or PAGES for scheme in schemes]
    return pytest.mark.parametrize("opened", wanted, indirect=True, ids="-".join)


def resize(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})


@pages()
def test_nothing_needs_sideways_scrolling(opened: Page) -> None:
    for width in WIDTHS:
        resize(opened, width)
        assert opened.evaluate("document.documentElement.scrollWidth") == width
        hidden = opened.evaluate(
            "[...document.querySelectorAll('main *, header *, nav *')]"
            ".filter(e => !e.closest('svg, thead, [tabindex=\"0\"]') && e.scrollWidth > e.clientWidth + 1"
            " && getComputedStyle(e).overflowX != 'visible').map(e => e.outerHTML)"
        )
        assert hidden == [], width


@pages()
def test_no_chart_text_runs_over_the_edge_or_another(opened: Page) -> None:
    resize(opened, 320)
    boxes: list[dict[str, float]] = opened.evaluate(
        "[...document.querySelectorAll('.chart text')].map(e => e.getBoundingClientRect())"
        ".filter(b => b.width).map(b => ({left: b.left, right: b.right, top: b.top, bottom: b.bottom}))"
    )
    for index, box in enumerate(boxes):
        assert box["left"] >= 0
        assert box["right"] <= 320
        for other in boxes[:index]:
            apart = box["left"] >= other["right"] or other["left"] >= box["right"]
            assert apart or box["top"] >= other["bottom"] - 4 or other["top"] >= box["bottom"] - 4


STRUCTURE = """() => {
    const all = (what) => [...document.querySelectorAll(what)];
    const name = (e) => e.getAttribute('aria-label') || (e.getAttribute('aria-labelledby') || '').split(' ')
        .map(id => document.getElementById(id)?.textContent || 'MISSING').join(' ');
    return {
        lang: document.documentElement.lang, title: document.title,
        headings: all('h1, h2, h3, h4').map(e => [+e.tagName[1], e.textContent.trim()]),
        landmarks: ['header', 'nav', 'main', 'footer'].map(tag => all(tag).length),
        regions: all('nav, section, [role=region], ul.tiles').map(name),
        ids: all('[id]').map(e => e.id),
        anchors: all('a').map(e => e.getAttribute('href').slice(1)),
        tables: all('table').map(t => ({caption: t.caption?.textContent.trim() || '',
            columns: [...t.tHead.rows[0].cells].map(c => c.tagName + c.scope),
            rows: [...t.tBodies[0].rows].map(r => [...r.cells].map(c => c.tagName + (c.scope || ''))) })),
        charts: all('svg[role=img]').map(e => [name(e), e.closest('figure').nextElementSibling.tagName]),
        loose: all('svg:not([role=img])').filter(e => e.getAttribute('aria-hidden') != 'true').length,
    };
}"""


@pages()
def test_structure_for_a_screen_reader(opened: Page) -> None:
    found: dict[str, Any] = opened.evaluate(STRUCTURE)
    assert found["lang"] == "en"
    assert found["title"].startswith("Lakeside")
    levels = [level for level, _ in found["headings"]]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(text for _, text in found["headings"])
    assert found["landmarks"] == [1, 1, 1, 1]
    assert all(each.strip() and "MISSING" not in each for each in found["regions"])
    assert len(set(found["ids"])) == len(found["ids"])
    assert set(found["anchors"]) <= set(found["ids"])
    for table in found["tables"]:
        assert table["caption"]
        assert set(table["columns"]) == {"THcol"}
        assert all(row.count("THrow") == 1 and len(row) == len(table["columns"]) for row in table["rows"])
    assert all(label.strip() and "MISSING" not in label and then == "DIV" for label, then in found["charts"])
    assert found["loose"] == 0


@pages("full")
def test_a_narrow_table_is_still_a_table(opened: Page) -> None:
    """Chromium forgets a table whose rows are laid out as blocks, unless the roles say so."""
    resize(opened, 320)
    table = opened.get_by_role("table", name="The same numbers, and every other kind of record")
    counts = {role: table.get_by_role(role).count() for role in ("row", "rowheader", "columnheader", "cell")}
    assert counts == {"row": 3, "rowheader": 2, "columnheader": 5, "cell": 8}


CONTRAST = """() => {
    const lum = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
    const back = (e) => { for (; e; e = e.parentElement) {
        const c = parse(getComputedStyle(e).backgroundColor); if (c.length == 3 || c[3] == 1) return c; } return [255, 255, 255]; };
    const ratio = (a, b) => { const [x, y] = [lum(a), lum(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const e = walk.currentNode.parentElement;
        if (!walk.currentNode.data.trim() || e.closest('title, desc')) continue;
        const style = getComputedStyle(e);
        found.push([ratio(parse(e.closest('svg') ? style.fill : style.color), back(e)), walk.currentNode.data.trim().slice(0, 40)]);
    }
    for (const e of document.querySelectorAll('td')) {
        found.push([ratio(parse(getComputedStyle(e, '::before').color), back(e)), 'label of ' + e.dataset.label]); }
    return found;
}"""


@pages("full", "kept", schemes=("light", "dark"))
def test_contrast_of_every_text(opened: Page) -> None:
    resize(opened, 320)
    found: list[tuple[float, str]] = opened.evaluate(CONTRAST)
    assert len(found) > 20
    assert [(text, round(ratio, 2)) for ratio, text in found if ratio < 4.5] == []


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


PALETTES = [
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\}", (TEMPLATES / "page.css").read_text(), re.DOTALL)[:2]
]


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark"])
def test_contrast_of_marks(palette: dict[str, str]) -> None:
    """WCAG 2.2, 1.4.11: parts of a chart against the paper and against each other; borders that carry meaning."""
    pairs = [("due", "paper"), ("rest", "paper"), ("due", "rest"), ("link", "paper"), ("soft", "paper")]
    pairs += [(state, "paper") for state in ("good", "warn", "bad")]
    assert {
        pair: contrast(palette[pair[0]], palette[pair[1]])
        for pair in pairs
        if contrast(palette[pair[0]], palette[pair[1]]) < 3
    } == {}


@pages("full", schemes=("light", "dark"))
def test_every_stop_of_the_tab_key_is_seen(opened: Page) -> None:
    stops = opened.evaluate("document.querySelectorAll('a[href], [tabindex=\"0\"]').length")
    for number in range(stops):
        opened.keyboard.press("Tab")
        shape: dict[str, Any] = opened.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e), b = e.getBoundingClientRect();"
            " return {tag: e.tagName, outline: s.outlineStyle, width: parseFloat(s.outlineWidth), top: b.top,"
            " bottom: b.bottom, height: b.height, nav: !!e.closest('nav')}; })()"
        )
        assert shape["tag"] != "BODY", number
        assert shape["outline"] == "solid"
        assert shape["width"] >= 2
        assert shape["bottom"] > 0
        assert shape["top"] < 900
        assert not shape["nav"] or shape["height"] >= 24, "targets of at least 24 pixels (WCAG 2.2, 2.5.8)"


@pages("full")
def test_the_first_stop_skips_to_the_report(opened: Page) -> None:
    opened.keyboard.press("Tab")
    opened.keyboard.press("Enter")
    assert opened.evaluate("document.activeElement.id") == "main"


@pages("full", schemes=("dark",))
def test_print_is_dark_on_white_and_without_navigation(opened: Page) -> None:
    opened.emulate_media(media="print", color_scheme="dark")
    colours = opened.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert colours == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    assert not opened.locator("nav").is_visible()
    assert len(opened.pdf(format="Letter")) > 10_000
