"""Seals are opened with the stock age program, by any two officers, by no one alone, unchanged or not at all."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import pytest

from reticent.errors import ConfigurationError, EvidenceBroken
from reticent.keyring import sealing
from reticent.keyring.sealing import CONTENT, INSTRUCTION, Holder, Seal, seal, unseal

ROLES = ("custodian", "counsel", "alternate", "fourth", "fifth")
SECRET = b"patron 23529000000017 borrowed item 39999000012345\n" * 40


def age(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["age", *map(str, arguments)], capture_output=True, check=False)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A key file for each officer, made by the stock age-keygen."""
    folder = tmp_path_factory.mktemp("age")
    for role in ROLES:
        subprocess.run(["age-keygen", "-o", folder / role], check=True, capture_output=True)
    return {role: folder / role for role in ROLES}


def holders(keys: Mapping[str, Path], count: int = 3) -> list[Holder]:
    return [Holder(role, f"The {role}", public(keys[role])) for role in ROLES[:count]]


def public(key: Path) -> str:
    return subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True).stdout.strip()


def write(made: Seal, folder: Path) -> Path:
    for name, data in made.files.items():
        (folder / name).write_bytes(data)
    return folder


def unwrap(folder: Path, keys: Mapping[str, Path], one: str, two: str) -> Path:
    """Do what HOW-TO-OPEN.txt says, up to the key of the seal."""
    half, key = folder / "half.age", folder / "seal.key"
    for command in (
        ("-d", "-i", keys[one], "-o", half, folder / sealing.wrap_name(one, two)),
        ("-d", "-i", keys[two], "-o", key, half),
    ):
        done = age(*command)
        assert done.returncode == 0, done.stderr
    return key


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_pair_opens_it_with_the_stock_program(keys: dict[str, Path], tmp_path: Path, count: int) -> None:
    folder = write(seal(SECRET, holders(keys, count)), tmp_path)
    for one, two in combinations(ROLES[:count], 2):
        key = unwrap(folder, keys, one, two)
        assert age("-d", "-i", key, folder / CONTENT).stdout == SECRET
        assert unseal((folder / CONTENT).read_bytes(), key.read_text()) == SECRET
        key.unlink()


def test_no_officer_opens_anything_of_it_alone(keys: dict[str, Path], tmp_path: Path) -> None:
    folder = write(seal(SECRET, holders(keys)), tmp_path)
    for role in ROLES[:3]:
        assert age("-d", "-i", keys[role], folder / CONTENT).returncode != 0
        for one, two in combinations(ROLES[:3], 2):
            half = age("-d", "-i", keys[role], folder / sealing.wrap_name(one, two))
            assert (half.returncode == 0) == (role == one)
            (tmp_path / "half").write_bytes(half.stdout)
            if role == one:
                assert age("-d", "-i", keys[role], tmp_path / "half").returncode != 0
                assert b"AGE-SECRET" not in half.stdout


def test_somebody_who_is_no_officer_opens_nothing(keys: dict[str, Path], tmp_path: Path) -> None:
    folder = write(seal(SECRET, holders(keys)), tmp_path)
    assert all(age("-d", "-i", keys["fifth"], path).returncode != 0 for path in folder.glob("*.age"))


def test_not_one_flipped_byte_is_accepted(keys: dict[str, Path], tmp_path: Path) -> None:
    made = seal(SECRET, holders(keys))
    key = unwrap(write(made, tmp_path), keys, "custodian", "counsel").read_text()
    sealed = made.files[CONTENT]
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(EvidenceBroken):
            unseal(changed, key)
    for length in range(0, len(sealed), 97):
        with pytest.raises(EvidenceBroken):
            unseal(sealed[:length], key)


def test_a_flipped_wrap_is_refused_by_the_stock_program(keys: dict[str, Path], tmp_path: Path) -> None:
    folder = write(seal(SECRET, holders(keys, 2)), tmp_path)
    wrap = folder / sealing.wrap_name("custodian", "counsel")
    whole = wrap.read_bytes()
    for place in range(0, len(whole), 61):
        wrap.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert age("-d", "-i", keys["custodian"], wrap).returncode != 0


def test_the_instruction_names_every_pair_and_the_very_commands(keys: dict[str, Path]) -> None:
    text = seal(SECRET, holders(keys)).files[INSTRUCTION].decode()
    for one, two in combinations(ROLES[:3], 2):
        assert sealing.wrap_name(one, two) in text
    assert "age -d -i FIRST-OFFICER.key -o half.age" in text
    assert "Reticent is not needed" in text


def test_the_files_hold_no_word_of_the_content_nor_a_secret_key(keys: dict[str, Path]) -> None:
    made = seal(SECRET, holders(keys))
    together = b"".join(made.files.values())
    assert b"23529000000017" not in together
    assert b"AGE-SECRET-KEY" not in together


def test_two_seals_of_the_same_content_share_no_key(keys: dict[str, Path], tmp_path: Path) -> None:
    one, two = seal(SECRET, holders(keys)), seal(SECRET, holders(keys))
    key = unwrap(write(one, tmp_path), keys, "counsel", "alternate").read_text()
    with pytest.raises(EvidenceBroken):
        unseal(two.files[CONTENT], key)


@pytest.mark.parametrize("change", ["alone", "same key", "same person", "six", "no key", "private key"])
def test_officers_who_are_not_two_persons_with_two_keys_seal_nothing(keys: dict[str, Path], change: str) -> None:
    good = holders(keys)
    bad = {
        "alone": good[:1],
        "same key": [good[0], good[1], Holder("alternate", "Somebody else", good[0].age)],
        "same person": [good[0], Holder("counsel", "  the CUSTODIAN ", good[1].age)],
        "six": [*holders(keys, 5), Holder("sixth", "Six", public(keys["fifth"]))],
        "no key": [good[0], Holder("counsel", "Counsel", "")],
        "private key": [good[0], Holder("counsel", "Counsel", "AGE-SECRET-KEY-1QQQQ")],
    }[change]
    with pytest.raises(ConfigurationError):
        seal(SECRET, bad)


@pytest.mark.parametrize("key", ["", "age1abc", "AGE-SECRET-KEY-1", "\x00", "é" * 100])
def test_what_is_no_key_opens_nothing_and_is_not_repeated(keys: dict[str, Path], key: str) -> None:
    with pytest.raises(EvidenceBroken) as refused:
        unseal(seal(SECRET, holders(keys)).files[CONTENT], key)
    assert not key or key not in str(refused.value)


def test_what_is_closed_to_a_recipient_opens_for_them_alone(keys: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "release.age").write_bytes(sealing.close_to(SECRET, public(keys["fifth"])))
    assert age("-d", "-i", keys["fifth"], tmp_path / "release.age").stdout == SECRET
    assert age("-d", "-i", keys["custodian"], tmp_path / "release.age").returncode != 0
