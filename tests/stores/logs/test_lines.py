"""Logs read line by line: JSON lines, RADIUS detail, SIP2, error logs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.logs.independent import surviving
from tests.stores.logs.made import made

from reticent.stores.logs.lines import READERS, Lines
from reticent.stores.logs.treatments import treatments
from reticent.systems.urlpacks import load_packs

HOW = treatments(load_packs(["koha"]), bytes(range(32)))
TEXTS = {
    "jsonl": b'{"time":"2026-03-01T10:11:12Z", "user" : "jdoe","ip":"203.0.113.9","n":{"note":["jdoe",7]},"url":"http:\\/\\/h\\/s?q=jdoe","status":200,"ok":true}\n',
    "radius-detail": b'Sun Mar  1 10:11:12 2026\n\tUser-Name = "jdoe@x"\n\tAcct-Session-Id = "AB12jdoe"\n\tReply-Message = "Hello jdoe"\n\tFramed-IP-Address = 203.0.113.9\n\tTimestamp = 1772359872\n\n',
    "sip2": b"[2026/03/01 10:11:12] [4711] jdoe 203.0.113.9 READ: 11YN20260301    101112                  AOMAIN|AAjdoe|ABi1|AC|ADpin|\r\n",
    "apache-error": b"[Sun Mar 01 10:11:12.123456 2026] [core:error] [pid 35708:tid 4328636416] [client 203.0.113.9:1234] AH00124: Request by jdoe, referer: http://x?q=jdoe\n",
    "nginx-error": b'2026/03/01 10:11:12 [error] 123#123: *45 open() "/x/jdoe" failed, client: 203.0.113.9, server: x, request: "GET /jdoe HTTP/1.1"\n',
}


@pytest.mark.parametrize("name", READERS)
def test_ties_go_and_a_second_run_changes_nothing(name: str) -> None:
    kernel = Lines(READERS[name](HOW, {}))
    out = kernel.treat(TEXTS[name], 0)
    assert kernel.outcome.withheld == 0
    for tie in (b"jdoe", b"203.0.113.9", b":11:12", b"pin|"):
        assert tie not in out
    assert Lines(READERS[name](HOW, {})).treat(out, 0) == out
    assert out.count(b"\n") == TEXTS[name].count(b"\n")


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=80, deadline=None)
@given(
    data=st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([b'{"a":', b'{"user":"jdoe"}', b"\tUser-Name = jdoe"])),
        max_size=10,
    )
)
def test_noise_is_withheld_line_by_line(name: str, data: list[bytes]) -> None:
    text = b"".join(one.replace(b"\n", b" ") + b"\n" for one in data)
    kernel = Lines(READERS[name](HOW, {}))
    out = kernel.treat(text, 0)
    assert out.count(b"\n") == text.count(b"\n") == kernel.outcome.lines
    assert b"jdoe" not in out
    assert Lines(READERS[name](HOW, {})).treat(out, 0) == out


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["user", "url", "x", "status", "time"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["user", "ip", "note", "level", "size"]), json_values, max_size=5))
def test_json_stays_json_of_the_same_form_and_undeclared_values_go(value: dict[str, object]) -> None:
    line = json.dumps(value).encode() + b"\n"
    kernel = Lines(READERS["jsonl"](HOW, {}))
    out = kernel.treat(line, 0)
    assert kernel.outcome.withheld == 0
    assert _form(json.loads(out)) == _form(value)
    assert Lines(READERS["jsonl"](HOW, {})).treat(out, 0) == out
    note = json.loads(out).get("note")
    assert not isinstance(note, str) or note in ("-", "")


def _form(value: object) -> object:
    if isinstance(value, dict):
        return {key: _form(one) for key, one in value.items()}
    return [_form(one) for one in value] if isinstance(value, list) else value is None


def test_a_key_that_is_itself_data_withholds_the_line() -> None:
    kernel = Lines(READERS["jsonl"](HOW, {}))
    assert kernel.treat(b'{"21234000000017":1}\n', 0) == b'{"reticent":"withheld"}\n'


def test_self_check_traffic_loses_patrons_and_pins() -> None:
    bundle = made()
    out = Lines(READERS["sip2"](HOW, {})).treat(bundle.sip2, 0)
    assert surviving(out, bundle.marks) == []
    assert out.count(b"AD|") == bundle.sip2.count(b"\n")
    assert out.count(b"READ: 63") == bundle.sip2.count(b"\n")
