from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.keyring.ssh import public, sign

from reticent.errors import ConfigurationError, EvidenceBroken, NotPermitted, UsageError
from reticent.keyring import officers
from reticent.keyring.officers import Officer, fingerprint, require_two, statement, verify

Keys = Callable[..., Path]
DIGEST = "ab" * 32
MESSAGE = statement("arm", {"plan": DIGEST, "map": "0" * 64})


def test_statement_is_canonical_text() -> None:
    expected = b"reticent statement v1\nkind: arm\nmap: " + b"0" * 64 + b"\nplan: " + b"ab" * 32 + b"\n"
    assert statement("arm", {"map": "0" * 64, "plan": DIGEST}) == expected == MESSAGE


@pytest.mark.parametrize(
    ("kind", "digests"),
    [
        ("arm", {}),
        ("Arm", {"plan": DIGEST}),
        ("arm\nkind: release", {"plan": DIGEST}),
        ("arm", {"plan": DIGEST.upper()}),
        ("arm", {"plan": DIGEST + "\n"}),
        ("arm", {"plan": "Jane Doe"}),
        ("arm", {"plan: x\nmap": DIGEST}),
    ],
)
def test_statement_refuses_all_but_named_digests(kind: str, digests: dict[str, str]) -> None:
    with pytest.raises(UsageError) as refused:
        statement(kind, digests)
    assert "Jane" not in str(refused.value)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z_]{0,9}", fullmatch=True), st.sampled_from(["a" * 64, DIGEST]), min_size=1
    )
)
def test_different_statements_have_different_bytes(digests: dict[str, str]) -> None:
    lines = statement("sever", digests).decode().splitlines()[2:]
    assert dict(line.split(": ") for line in lines) == digests


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_stock_ssh_signature_is_accepted(ssh_keys: Keys, kind: str) -> None:
    key = ssh_keys("custodian", kind)
    verify(public(key), MESSAGE, sign(key, MESSAGE))


def test_changed_message_is_refused(ssh_keys: Keys) -> None:
    key = ssh_keys("custodian")
    signature = sign(key, MESSAGE)
    for other in (MESSAGE[:-1], MESSAGE + b"\n", MESSAGE.replace(b"arm", b"aim"), b""):
        with pytest.raises(EvidenceBroken):
            verify(public(key), other, signature)


def test_another_officers_signature_is_not_this_officers(ssh_keys: Keys) -> None:
    with pytest.raises(NotPermitted) as refused:
        verify(public(ssh_keys("custodian")), MESSAGE, sign(ssh_keys("counsel"), MESSAGE))
    assert fingerprint(public(ssh_keys("custodian"))) in str(refused.value)


def test_signature_for_another_namespace_is_refused(ssh_keys: Keys) -> None:
    key = ssh_keys("custodian")
    with pytest.raises(EvidenceBroken):
        verify(public(key), MESSAGE, sign(key, MESSAGE, namespace="git"))


@pytest.mark.parametrize(
    "signature", ["", "hello", "\x00\udcff", "-----BEGIN SSH SIGNATURE-----\n", "A" * 20_000]
)
def test_nonsense_signature_is_refused(ssh_keys: Keys, signature: str) -> None:
    with pytest.raises(EvidenceBroken):
        verify(public(ssh_keys("custodian")), MESSAGE, signature)


def test_no_flipped_byte_of_a_signature_is_accepted(ssh_keys: Keys) -> None:
    key = ssh_keys("custodian")
    good = sign(key, MESSAGE).encode()
    body = good.index(b"\n") + 1
    for place in range(body, good.index(b"\n-----END"), 19):
        bad = bytearray(good)
        bad[place] = ord("A") if bad[place] != ord("A") else ord("B")
        with pytest.raises((EvidenceBroken, NotPermitted)):
            verify(public(key), MESSAGE, bytes(bad))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB",
        "cert-authority ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ecdsa-sha2-nistp256 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        'ssh-ed25519 AAAA"\n* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
        "ssh-ed25519 ../../etc/passwd",
    ],
)
def test_unusable_public_key_is_a_configuration_error(line: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        verify(line, MESSAGE, "x")
    assert refused.value.do


def test_second_key_smuggled_in_by_a_new_line_is_refused(ssh_keys: Keys) -> None:
    custodian, thief = ssh_keys("custodian"), ssh_keys("thief")
    both = public(custodian).strip() + "\nofficer " + public(thief)
    with pytest.raises(ConfigurationError):
        verify(both, MESSAGE, sign(thief, MESSAGE))


def test_missing_ssh_keygen_says_what_to_install(ssh_keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ssh_keys("custodian")
    signature = sign(key, MESSAGE)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConfigurationError, match="ssh-keygen is not installed") as refused:
        verify(public(key), MESSAGE, signature)
    assert "openssh-client" in refused.value.do


def test_ssh_keygen_that_hangs_leaves_the_signature_unchecked(
    ssh_keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ssh_keys("custodian")
    signature = sign(key, MESSAGE)
    slow = tmp_path / "ssh-keygen"
    slow.write_text(f"#!/bin/sh\nexec {shutil.which('sleep')} 5\n")
    slow.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(officers, "TIMEOUT", 0.2)
    with pytest.raises(EvidenceBroken):
        verify(public(key), MESSAGE, signature)


def test_fingerprint_is_the_one_ssh_keygen_prints(ssh_keys: Keys) -> None:
    key = ssh_keys("custodian")
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(key) + ".pub"], capture_output=True, check=True, text=True
    )
    assert fingerprint(public(key)) == shown.stdout.split()[1]


def people(ssh_keys: Keys) -> list[Officer]:
    return [
        Officer("custodian", "Director", public(ssh_keys("custodian"))),
        Officer("counsel", "Library counsel", public(ssh_keys("counsel"))),
        Officer("alternate", "Board chair", public(ssh_keys("alternate"))),
    ]


def test_two_officers_are_enough_and_are_named(ssh_keys: Keys) -> None:
    signatures = {role: sign(ssh_keys(role), MESSAGE) for role in ("custodian", "counsel")}
    assert require_two(people(ssh_keys), MESSAGE, signatures) == ("counsel", "custodian")


def test_one_officer_is_not_two(ssh_keys: Keys) -> None:
    with pytest.raises(NotPermitted):
        require_two(people(ssh_keys), MESSAGE, {"custodian": sign(ssh_keys("custodian"), MESSAGE)})


def test_one_key_in_two_offices_is_not_two(ssh_keys: Keys) -> None:
    key = ssh_keys("custodian")
    officers_ = [Officer("custodian", "Director", public(key)), Officer("counsel", "Counsel", public(key))]
    signatures = dict.fromkeys(("custodian", "counsel"), sign(key, MESSAGE))
    with pytest.raises(NotPermitted):
        require_two(officers_, MESSAGE, signatures)


def test_one_person_with_two_keys_is_not_two(ssh_keys: Keys) -> None:
    officers_ = [
        Officer("custodian", "Ana  Example", public(ssh_keys("custodian"))),
        Officer("counsel", "ana example ", public(ssh_keys("counsel"))),
    ]
    signatures = {role: sign(ssh_keys(role), MESSAGE) for role in ("custodian", "counsel")}
    with pytest.raises(NotPermitted):
        require_two(officers_, MESSAGE, signatures)


def test_a_third_signature_that_does_not_fit_spoils_the_approval(ssh_keys: Keys) -> None:
    signatures = {role: sign(ssh_keys(role), MESSAGE) for role in ("custodian", "counsel")}
    signatures["alternate"] = sign(ssh_keys("alternate"), MESSAGE + b" ")
    with pytest.raises(EvidenceBroken):
        require_two(people(ssh_keys), MESSAGE, signatures)


def test_signature_of_someone_without_an_office_is_refused(ssh_keys: Keys) -> None:
    signatures = {role: sign(ssh_keys(role), MESSAGE) for role in ("custodian", "counsel")}
    signatures["page"] = sign(ssh_keys("page"), MESSAGE)
    with pytest.raises(NotPermitted):
        require_two(people(ssh_keys), MESSAGE, signatures)
