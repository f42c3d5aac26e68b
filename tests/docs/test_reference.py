"""What the reference says is what the code reads: every setting, every word of the map language, every command."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest
from pydantic import BaseModel

from reticent import site
from reticent.errors import ConfigurationError
from reticent.model import RecordClass
from reticent.policy.retention import DEFAULTS
from reticent.systems import mapfile
from reticent.systems.load import kinds, load_map, shipped
from reticent.tallies.programmes import Group

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def text(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """Return what stands under a heading, up to the next of its level or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}$(.*?)(?=^#{{1,2}} |\Z)", text(page), re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[2]


def listed(part: str) -> set[str]:
    return set(re.findall(r"^\| `\"?([^`\"]+)\"?`", part, re.MULTILINE))


SECTIONS: dict[str, type[BaseModel]] = {
    "[library]": site.Library,
    "[officers]": site.Officer,
    "[state]": site.State,
    "[systems.NAME]": site.System,
    "[systems.NAME.accounts]": site.Accounts,
    "[systems.NAME.copies.COPY]": site.Copy,
    "[sever]": site.Sever,
    "[cluster]": site.Cluster,
    "[statistics]": site.Statistics,
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_setting_is_described_where_it_stands_and_no_other(heading: str) -> None:
    part = section("reticent-toml.md", heading)
    here = part.split("\n### ")[0]
    assert listed(here) == set(SECTIONS[heading].model_fields)


def test_every_table_of_the_site_file_has_a_section() -> None:
    headings = re.findall(r"^## \[(\w+)", text("reticent-toml.md"), re.MULTILINE)
    assert set(headings) == set(site.Site.model_fields) - {"folder", "file"}


def test_every_retention_key_is_named() -> None:
    part = section("reticent-toml.md", "[retention]")
    assert [key for key in (*RecordClass, *site.EXTRA_RETENTION) if f"`{key}`" not in part] == []


def test_the_classes_without_a_shipped_number_are_named_as_such() -> None:
    part = section("reticent-toml.md", "[retention]")
    said = re.search(r"Of these (.*) have no\s+shipped number", part, re.DOTALL)
    assert said
    assert set(re.findall(r"`(\w+)`", said[1])) == {*RecordClass} - {*DEFAULTS}


def test_every_decision_of_a_shipped_map_is_explained() -> None:
    part = section("reticent-toml.md", "[systems.NAME.decisions]")
    for kind in kinds():
        for name, decision in shipped(kind).decisions.items():
            row = next(line for line in part.splitlines() if line.startswith(f"| {kind} | `{name}` |"))
            assert [choice for choice in decision.choices if f"`{choice}`" not in row] == []


def test_every_kind_and_every_group_of_item_types_is_named() -> None:
    assert [kind for kind in kinds() if f"`{kind}`" not in section("reticent-toml.md", "[systems.NAME]")] == []
    assert [group for group in Group if f"`{group}`" not in section("reticent-toml.md", "[statistics]")] == []


def test_every_kind_of_copy_is_named() -> None:
    part = section("reticent-toml.md", "[systems.NAME.copies.COPY]")
    assert [kind for kind in get_args(site.CopyKind) if f"`{kind}`" not in part] == []


def test_the_least_site_file_loads(tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", text("reticent-toml.md"), re.DOTALL)
    assert block
    (tmp_path / "reticent.toml").write_text(block[1])
    assert site.read_site(tmp_path / "reticent.toml").systems["ils"].kind == "koha"


MODELS = [
    model
    for model in vars(mapfile).values()
    if isinstance(model, type) and issubclass(model, mapfile.Strict) and model is not mapfile.Strict
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_word_of_the_map_language_is_shown(model: type[BaseModel]) -> None:
    page = text("maps.md")
    names = [field.alias or name for name, field in model.model_fields.items()]
    assert [name for name in names if not re.search(rf"\b{name}\b *=|`{name}`|[\[.]{name}[\].]", page)] == []


def example() -> str:
    block = re.search(r"```toml\n(.*?)```", text("maps.md"), re.DOTALL)
    assert block
    return block[1]


def write_map(folder: Path, content: str) -> Path:
    paths = "profiles,doc.member.id,uuid\nprofiles,doc.address.town,text\nprofiles,doc.loans[].id,uuid\n"
    (folder / "tiny.columns.csv").write_text(f"table,column,type\nmembers,id,int(11)\n{paths}")
    (folder / "tiny.toml").write_text(content)
    return folder / "tiny.toml"


def test_the_map_on_the_page_loads_and_uses_every_construct(tmp_path: Path) -> None:
    loaded = load_map(write_map(tmp_path, example()))
    assert {word for series in loaded.series for word in series.dispositions()} == {
        "null", "sentinel", "overwrite", "generalise", "nothing", "remove path", "remove element", "age", "renumber",
    }  # fmt: skip
    for name in mapfile.Map.model_fields:
        assert getattr(loaded, name), name
    for name in mapfile.Series.model_fields:
        assert any(getattr(series, name) for series in loaded.series), name


def test_a_word_that_is_not_in_the_language_is_refused_with_its_line(tmp_path: Path) -> None:
    wrong = example().replace('over = "back IS NOT NULL"', 'over = "LOWER(note) IS NOT NULL"')
    with pytest.raises(ConfigurationError) as refused:
        load_map(write_map(tmp_path, wrong))
    assert re.search(r"tiny\.toml:\d+", refused.value.where)


def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    return module


PAGES = generate().PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    assert text(name) == PAGES[name](), "run make docs"


def test_every_series_and_everything_not_covered_is_on_the_page_of_its_map() -> None:
    for kind in kinds():
        page, loaded = text(f"{kind}.md"), shipped(kind)
        assert [series.id for series in loaded.series if f"(`{series.id}`)" not in page] == []
        assert [place.place for place in loaded.elsewhere if place.place not in page] == []
        assert [rule.name for rule in loaded.settings if f"| {rule.name} |" not in page] == []
