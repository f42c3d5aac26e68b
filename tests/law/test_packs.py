"""The shipped packs are whole, honest drafts; a bad pack is refused with file and line."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from reticent.errors import ConfigurationError
from reticent.law.packs import SHIPPED, Confirmation, Pack, Reading, Standing, jurisdictions, pack
from reticent.model import RecordClass

ALL = [pack(name) for name in jurisdictions()]
TODAY = date(2026, 12, 1)


def test_there_are_fifty_states_and_the_district() -> None:
    assert len(ALL) == 51
    assert len({each.name for each in ALL}) == 51


def test_how_far_the_texts_were_read_is_carried_over() -> None:
    """Tally of the source table: 41 read, 7 from a secondary source, 3 partly from memory."""
    told = {kind: sorted(each.jurisdiction for each in ALL if each.reading is kind) for kind in Reading}
    assert len(told[Reading.READ]) == 41
    assert told[Reading.SECONDARY] == ["US-AZ", "US-KS", "US-NE", "US-NV", "US-OR", "US-PA", "US-WA"]
    assert told[Reading.MEMORY] == ["US-DE", "US-LA", "US-VA"]


def test_compulsory_routes_match_the_tally() -> None:
    """23 name a court's order, 17 accept other process too, 11 are silent or mere exemptions."""
    routes = [each.court_order for each in ALL]
    assert [routes.count(kind) for kind in ("yes", "partly", "no")] == [23, 17, 11]


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.jurisdiction)
def test_shipped_pack_is_an_honest_draft(each: Pack) -> None:
    assert each.status == "draft"
    assert each.standing(TODAY) is Standing.UNCONFIRMED
    assert each.reading is Reading.READ or each.not_read
    worst = list(Reading).index(each.reading)
    for rule in each.rule:
        assert list(Reading).index(rule.reading) >= worst, "a rule cannot be better read than its pack"
        assert rule.age_below is None or each.parents == "yes"


@pytest.mark.parametrize(
    ("jurisdiction", "former"),
    [
        ("US-CA", "6267"),
        ("US-GA", "24-9-46"),
        ("US-ID", "9-340E"),
        ("US-OR", "192.502(23)"),
        ("US-UT", "63-2-302"),
        ("US-PA", "4428"),
    ],
)
def test_dead_citations_are_kept_for_old_policies(jurisdiction: str, former: str) -> None:
    assert any(former in cite for cite in pack(jurisdiction).former_citations)


@pytest.mark.parametrize("jurisdiction", ["US-ME", "US-AL", "US-FL"])
def test_registration_coverage_is_noted_where_read(jurisdiction: str) -> None:
    """R41: some statutes protect registration too; the pack says so where the text was read to say it."""
    classes = pack(jurisdiction).record_classes
    assert jurisdiction == "US-ME" or RecordClass.REGISTRATION in classes


def test_district_of_columbia_clock() -> None:
    """R43: two working days to tell the patron, ten days before anything is handed over."""
    (clock,) = [rule.clock for rule in pack("US-DC").rule if rule.clock]
    assert (clock.notice_within_working_days, clock.wait_days, clock.waivable_by_court) == (2, 10, True)


@pytest.mark.parametrize("jurisdiction", ["US-IA", "US-SC", "US-TX", "US-NV", "US-MO", "US-MT"])
def test_required_findings_are_listed(jurisdiction: str) -> None:
    """R44."""
    assert any(rule.findings for rule in pack(jurisdiction).rule)


def test_standing_moves_with_time_and_with_the_file() -> None:
    each = pack("US-WI")
    word = Confirmation(each.digest, TODAY)
    assert each.standing(TODAY, word) is Standing.CONFIRMED
    assert each.standing(TODAY, Confirmation("0" * 64, TODAY)) is Standing.UNCONFIRMED
    assert each.standing(TODAY - timedelta(days=1), word) is Standing.UNCONFIRMED, "a clock set back"
    assert each.standing(each.review_by + timedelta(days=1), word) is Standing.EXPIRED
    early = Confirmation(each.digest, date(2020, 1, 1))
    assert each.standing(each.compiled - timedelta(days=1), early) is Standing.UNCONFIRMED, "before it was written"
    old = each.model_copy(update={"review_by": date(2030, 1, 1)})
    assert old.standing(TODAY + timedelta(days=367), word) is Standing.EXPIRED


def edited(tmp_path: Path, old: str, new: str, jurisdiction: str = "US-WI") -> Path:
    text = (SHIPPED / f"{jurisdiction}.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / f"{jurisdiction}.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('status = "draft"', 'status = "confirmed"', "status"),
        ("review_by = 2027-11-23", "review_by = 2028-11-23", "twelve months"),
        ("review_by = 2027-11-23", "review_by = 2026-11-23", "twelve months"),
        ('effect = "must"', 'effect = "shall"', "effect"),
        ('["court_order"]', '["order_of_the_king"]', "instruments"),
        ("age_below = 16", 'age_below = "16"', "age_below"),
        ("age_below = 16", "age_blow = 16", "did you mean 'age_below'?"),
        ('to = ["guardian"]', 'to = ["guardian", "law_enforcement"]', "equal protection"),
        ('to = ["law_enforcement"]\n', "", "whom it is owed to"),
        ('record_classes = ["surveillance"]', 'record_classes = ["religion"]', "record_classes"),
        ('kind = "statute"', 'kind = "statute"\nnationality = "any"', "unknown key 'nationality'"),
        ('cite = "Wis. Stat. 43.30"', 'cite = ""', "cite"),
        ('jurisdiction = "US-WI"', 'jurisdiction = "US-MI"', "named for its jurisdiction"),
        ('kind = "statute"', f'kind = "statute"\ndigest = "{"0" * 64}"', "carry no digest"),
    ],
)
def test_bad_pack_is_refused_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    edited(tmp_path, old, new)
    with pytest.raises(ConfigurationError, match=r"US-WI\.toml, line \d+:") as caught:
        pack("US-WI", tmp_path)
    assert says in caught.value.what
    assert caught.value.do


def test_unread_pack_must_say_what_was_not_read(tmp_path: Path) -> None:
    edited(tmp_path, "not_read = [", "duties = [", "US-DE")
    with pytest.raises(ConfigurationError, match="not_read must say"):
        pack("US-DE", tmp_path)


@pytest.mark.parametrize("name", ["US-ZZ", "wi", "", "../US-WI", "US-WI.toml"])
def test_unknown_jurisdiction_lists_the_known(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        pack(name)
    assert "US-WY" in caught.value.do


def test_any_edit_changes_the_digest(tmp_path: Path) -> None:
    edited(tmp_path, "A draft", "A Draft")
    assert pack("US-WI", tmp_path).digest != pack("US-WI").digest
