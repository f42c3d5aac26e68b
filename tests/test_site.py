"""What a library writes, and what it is told when it slips."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from reticent.errors import ConfigurationError
from reticent.site import duration, find_file, read_site

LEAST = """
[library]
name = "Lakeside Public Library"
[systems.ils]
kind = "koha"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "reticent.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_least_file_names_the_library_and_one_system(tmp_path: Path) -> None:
    site = read_site(written(tmp_path, LEAST))
    assert site.library.name == "Lakeside Public Library"
    assert site.state_path == tmp_path / "state"
    assert site.retention == {}


SLIPS = [
    ("unknown key", LEAST + '[retension]\ncirculation = "0 days"\n', 6, "did you mean 'retention'"),
    ("unknown class", LEAST + '[retention]\ncirculatin = "0 days"\n', 7, "did you mean 'circulation'"),
    ("unknown system key", LEAST + "receits = false\n", 6, "did you mean 'receipts'"),
    ("not a length of time", LEAST + '[retention]\ncirculation = "soon"\n', 7, '"7 days"'),
    ("last borrower too long", LEAST + '[retention]\nlast_borrower = "30 days"\n', 7, "at most 7 days"),
    ("no name", "[library]\n[systems.ils]\nkind = 'koha'\n", 1, "library.name is missing"),
    ("no system", '[library]\nname = "x"\n', 1, "systems is missing"),
    ("keys inside the state", LEAST + '[state]\npath = "state"\nkeys = "state/keys"\n', 8, "inside the state folder"),
    ("not TOML", '[library\nname = "x"\n', 1, "not TOML"),
    ("a bad window", LEAST + '[sever]\nwindow = "at night"\n', 7, "22:00-06:00"),
    (
        "closed for ever",
        LEAST.replace(
            "[systems",
            f"closed = [{', '.join(f'2026-{m:02}-{d:02}' for m in (1, 2) for d in range(1, 17))}]\n[systems",
            1,
        ),
        4,
        "at most 30 closed days",
    ),
    ("schedule of nothing", LEAST + '[schedule]\nloans = "none applies"\n', 7, "not a record class"),
]


@pytest.mark.parametrize(("text", "line", "said"), [s[1:] for s in SLIPS], ids=[s[0] for s in SLIPS])
def test_a_slip_is_named_with_file_and_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as refused:
        read_site(path)
    assert said in str(refused.value)
    assert f"{path}:{line}" in refused.value.where
    assert refused.value.do
    assert refused.value.exit_code == 2


def test_a_password_comes_from_the_environment_or_a_file_and_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        LEAST + '[systems.ils.accounts]\nfind = "mysql+pymysql://f:${PW}@db/k"\nsever = "mysql://s:${file:pw}@db/k"\n'
    )
    (tmp_path / "pw").write_text("p@ss/word\n")
    monkeypatch.setenv("PW", "a:b@c")
    site = read_site(written(tmp_path, text))
    assert site.account("ils", "find") == "mysql+pymysql://f:a%3Ab%40c@db/k"
    assert site.account("ils", "sever") == "mysql://s:p%40ss%2Fword@db/k"
    with pytest.raises(ConfigurationError, match='no account for "prove"'):
        site.account("ils", "prove")


def test_a_missing_password_is_named_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOPE", raising=False)
    text = LEAST + '[systems.ils.accounts]\nfind = "mysql+pymysql://f:${NOPE}@db/k"\n'
    with pytest.raises(ConfigurationError, match="NOPE"):
        read_site(written(tmp_path, text)).account("ils", "find")


def test_the_fingerprint_follows_what_changes_a_run_and_no_password(tmp_path: Path) -> None:
    accounts = '[systems.ils.accounts]\nfind = "mysql+pymysql://f:{}@db/k"\n'
    one = read_site(written(tmp_path, LEAST + accounts.format("a"))).fingerprint()
    two = read_site(written(tmp_path, LEAST + accounts.format("b"))).fingerprint()
    longer = read_site(written(tmp_path, LEAST + '[retention]\naccess = "9 days"\n')).fingerprint()
    assert one == two != longer


def test_lengths_of_time() -> None:
    assert duration("36 hours") == timedelta(hours=36)
    assert duration("1 year") == timedelta(days=365)
    with pytest.raises(ValueError, match="7 days"):
        duration("7 dais")


def test_the_file_is_looked_for_in_the_order_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RETICENT_SITE", raising=False)
    with pytest.raises(ConfigurationError, match=r"no reticent\.toml"):
        find_file(None)
    written(tmp_path, LEAST)
    assert find_file(None) == Path("reticent.toml")
    monkeypatch.setenv("RETICENT_SITE", "/elsewhere.toml")
    assert find_file(None) == Path("/elsewhere.toml")
    assert find_file(Path("given.toml")) == Path("given.toml")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('name = "L"\njurisdiction = "Wisconsin"', "jurisdiction: write a state as in US-WI"),
        ('name = "L"\n[systems.e-books]\nkind = "koha"', "small letters, digits and _"),
        ('name = "L"\n[cluster]\nscheduler = "host"', "write an address as in tcp://host:8786"),
    ],
)
def test_what_a_text_should_look_like_is_said_in_words(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_site(written(tmp_path, f'[library]\n{line}\n[systems.ils]\nkind = "koha"\n'))
    assert said in str(refused.value)
    assert "pattern" not in str(refused.value)
