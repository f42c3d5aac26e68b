"""SIP2 messages field by field."""

from __future__ import annotations

import pytest

from reticent.deidentify import sip2

KEY = bytes(range(32))
DATE = b"20260301    101112"
MESSAGES = {
    "patron information": b"63001" [:2] + b"001" + DATE + b"Y         " + b"AOMAIN|AA21234000000017|ACtermpw|AD9999|",
    "patron information response": b"64" + b" " * 14 + b"001" + DATE + b"000300010002000000010000"
    + b"AOMAIN|AA21234000000017|AEDoe, Jane|BEjane.doe@lakeside.example|BDMill Lane 4|ASi11112222|AUi33334444|AFHello Jane|",
    "checkout": b"11YN" + DATE + DATE + b"AOMAIN|AA21234000000017|ABi11112222|AC|AD9999|",
    "checkout response": b"121NNY" + DATE + b"AOMAIN|AA21234000000017|ABi11112222|AJThe trial|AH20260322|AFDoe, Jane|",
    "login": b"9300CNkiosk1|COsecretpw|CPMAIN|",
    "patron status": b"24" + b"Y" * 14 + b"001" + DATE + b"AOMAIN|AA21234000000017|AEDoe, Jane|BLY|",
}  # fmt: skip
SECRETS = (
    b"21234000000017",
    b"Doe",
    b"Jane",
    b"jane",
    b"Mill",
    b"9999",
    b"termpw",
    b"secretpw",
    b"kiosk1",
    b"i33334444",
)


def with_checksum(message: bytes) -> bytes:
    whole = message + b"AY1AZ"
    return whole + b"%04X" % (-sum(whole) & 0xFFFF)


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("tail", [True, False])
def test_persons_and_secrets_go_and_the_checksum_is_right(
    name: str, key: bytes | None, *, tail: bool
) -> None:
    message = with_checksum(MESSAGES[name]) if tail else MESSAGES[name]
    found = sip2.find(message)
    assert found is not None
    out = sip2.treat(message, found, key)
    assert not any(secret in out for secret in SECRETS)
    assert b"AOMAIN|" in out or b"CPMAIN|" in out
    if tail:
        assert sum(out[:-4]) + int(out[-4:], 16) & 0xFFFF == 0
    again = sip2.find(out)
    assert again is not None
    assert sip2.treat(out, again, key) == out, "a second run changes nothing"


def test_the_item_of_a_loan_stays_at_rest_and_goes_in_a_shared_copy() -> None:
    message = MESSAGES["checkout response"]
    found = sip2.find(message)
    assert found is not None
    assert b"ABi11112222|AJThe trial|" in sip2.treat(message, found, None)
    shared = sip2.treat(message, found, KEY, share=True)
    assert b"i11112222" not in shared
    assert b"trial" not in shared
    assert b"20260301    000000" in shared


def test_items_of_a_patron_and_his_counts_go() -> None:
    message = MESSAGES["patron information response"]
    found = sip2.find(message)
    assert found is not None
    out = sip2.treat(message, found, None)
    assert b"AS|AU|" in out
    assert b"0" * 24 in out


@pytest.mark.parametrize(
    "noise", [b"", b"hello", b"63", b"6300", b"11YN2026|AAx", b"2026-03-01 99 bottles AAjdoe|x"]
)
def test_what_is_no_message_is_not_taken_for_one(noise: bytes) -> None:
    assert sip2.find(noise) is None


def test_a_message_is_found_behind_any_prefix() -> None:
    for prefix in (b"", b"READ: ", b"[2026/03/01 10:11:12] [4711] [INFO] ", b"INPUT MSG: '"):
        found = sip2.find(prefix + MESSAGES["checkout"])
        assert found is not None
        assert found.start == len(prefix)
