from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.builders import NAMES, entry

from reticent.errors import EvidenceBroken, UsageError
from reticent.ledger.entries import (
    BAND,
    FIELDS,
    KINDS,
    MAX_COUNT,
    MAX_ENTRY,
    SMALL,
    TYPES,
    Kind,
    canonical,
    decode,
    encode,
    hour,
)

DIGEST = "a" * 64
LONGEST: dict[str, object] = {
    "version": 1, "hour": "2026-03-01T14:00Z", "actor": "alternate", "outcome": "not_kept",
    "cause": "version_changed", "digest": DIGEST, "commitment": DIGEST, "name": "n" * 64,
    "period": "2026-03-01", "origin": "o" * 100 + "/9999", "count": MAX_COUNT, "people": MAX_COUNT,
}  # fmt: skip


def test_entry_is_read_back_as_written() -> None:
    assert decode(encode(entry(), NAMES)) == {"v": 1, **entry()}


def test_encoding_is_canonical() -> None:
    shuffled = dict(reversed(entry().items()))
    assert encode(shuffled, NAMES) == encode(entry(), NAMES) == canonical({"v": 1, **entry()})


@pytest.mark.parametrize("kind", Kind)
def test_the_longest_entry_of_every_kind_fits(kind: Kind) -> None:
    longest = {field: LONGEST[FIELDS[field]] for field in KINDS[kind] if field != "kind"} | {"kind": kind}
    body = encode(longest, {"n" * 64})
    assert len(body) <= MAX_ENTRY
    assert decode(body) == longest


@pytest.mark.parametrize("kind", Kind)
def test_the_shortest_entry_of_every_kind_is_accepted(kind: Kind) -> None:
    assert decode(encode({"kind": kind, "hour": "2026-03-01T14:00Z", "actor": "gate"}))["kind"] == kind


def test_every_field_has_a_type_and_a_kind() -> None:
    assert set(FIELDS.values()) <= set(TYPES)
    assert {field for fields in KINDS.values() for field in fields} == set(FIELDS)
    assert set(KINDS) == set(Kind)


@pytest.mark.parametrize("number", [0, 1, 9, 10, 11])
def test_small_counts_of_people_become_a_band(number: int) -> None:
    kept = decode(encode({**entry(), "severed": number}, NAMES))["severed"]
    assert kept == (BAND if 0 < number < SMALL else number)


def test_counts_of_things_stay_exact() -> None:
    assert decode(encode({**entry(), "chunks": 3}, NAMES))["chunks"] == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hour", "2026-03-01T14:07Z"),
        ("hour", "2026-02-30T14:00Z"),
        ("hour", "2026-03-01T24:00Z"),
        ("hour", "2026-03-01T14:00+00:00"),
        ("actor", "Jane Doe"),
        ("actor", None),
        ("kind", "borrowed"),
        ("kind", ["sever_run"]),
        ("run", "Jane Doe"),
        ("run", DIGEST.upper()),
        ("run", DIGEST[:-1]),
        ("run", DIGEST + "\n"),
        ("severed", -1),
        ("severed", 1.0),
        ("severed", True),
        ("severed", "12"),
        ("severed", 2**60),
        ("chunks", "1-9"),
        ("system", "somewhere_else"),
        ("system", "21234000123456"),
        ("system", ["ils"]),
        ("series", {"ils": 1}),
        ("outcome", "because Jane Doe asked"),
        ("v", 2),
        ("v", True),
        ("approvals", 2),
        ("title", "The Trial"),
        ("patron", 17),
        ("detail", {"barcode": "21234000123456"}),
    ],
)
def test_what_may_not_stand_in_the_ledger_is_refused_by_name_and_never_by_value(field: str, value: object) -> None:
    with pytest.raises(UsageError) as refused:
        encode({**entry(), field: value}, NAMES)
    said = str(refused.value)
    assert field in said or field not in FIELDS
    assert not any(secret in said for secret in ("Jane", "Trial", "21234", "somewhere", "patron"))


@pytest.mark.parametrize("field", ["kind", "hour", "actor"])
def test_missing_field_is_named(field: str) -> None:
    with pytest.raises(UsageError, match=f"{field} is missing"):
        encode({name: value for name, value in entry().items() if name != field}, NAMES)


def test_without_names_nothing_may_be_named() -> None:
    with pytest.raises(UsageError, match="one of the site's own"):
        encode(entry())


def test_a_name_that_is_no_slug_is_refused_even_if_the_site_uses_it() -> None:
    with pytest.raises(UsageError, match="system is not"):
        encode({**entry(), "system": "Jane Doe"}, {*NAMES, "Jane Doe"})


@given(st.sampled_from(sorted(FIELDS)), st.text(max_size=80))
def test_no_free_text_gets_in(field: str, text: str) -> None:
    """Whatever the field, text is refused unless it is a word, digest, time or name of the closed lists."""
    try:
        body = encode({**entry(), field: text}, NAMES)
    except UsageError:
        return
    test, _ = TYPES[FIELDS[field]]
    assert test(text)
    assert json.loads(body)[field] == text
    assert FIELDS[field] != "name" or text in NAMES


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=9), ANYTHING, max_size=6))
def test_nonsense_is_refused_and_never_fails_otherwise(nonsense: dict[str, object]) -> None:
    try:
        body = encode({**entry(), **nonsense}, NAMES)
    except UsageError:
        return
    assert decode(body)


@given(st.binary(max_size=60) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_bytes_that_are_no_entry_are_broken_evidence(body: bytes) -> None:
    with pytest.raises(EvidenceBroken):
        decode(body)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body + b" ",
        lambda body: body.replace(b'":"', b'": "', 1),
        lambda body: body.replace(b'{"', b'{"v":1,"', 1),
        lambda body: body.replace(b"ils", b"\\u0069ls", 1),
        lambda body: b"[" * 4000,
        lambda body: body[:-1] + b',"x":"' + b"y" * 5000 + b'"}',
    ],
)
def test_another_spelling_of_an_entry_is_broken_evidence(change: object) -> None:
    with pytest.raises(EvidenceBroken):
        decode(change(encode(entry(), NAMES)))  # type: ignore[operator]


def test_hour_is_rounded_down_in_utc() -> None:
    moment = datetime(2026, 3, 1, 23, 59, 59, tzinfo=timezone(timedelta(hours=-6)))
    assert hour(moment) == "2026-03-02T05:00Z"
    assert hour(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01T00:00Z"
    with pytest.raises(UsageError):
        hour(datetime(2026, 3, 1))


def test_the_reference_page_lists_every_kind_with_its_fields() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/ledger-entries.md").read_text(encoding="utf-8")
    for kind, fields in KINDS.items():
        own = sorted(fields - {"v", "kind", "hour", "actor"})
        assert f"| `{kind}` | {', '.join(f'`{field}`' for field in own)} |" in page
    for field, type_ in FIELDS.items():
        assert f"| `{field}` | {TYPES[type_][1]} |" in page
