"""The Scanner: finds anybody of the whole roster in any text, says never whom, and cannot be asked about one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.servers import Server
from tests.stores import koha
from tests.stores.sql.disclosure import KOHA, Door, door

from reticent.errors import NotPermitted
from reticent.policy.permits import Scope
from reticent.stores.needles import LEAST, Needles
from reticent.stores.sql.scanner import SqlScanner


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return koha.sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("officers")


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def here(
    request: pytest.FixtureRequest, sample: Path, tmp_path: Path, keys: Path,
    fresh_database: Callable[[Server], str],
) -> Iterator[Door]:  # fmt: skip
    if request.param == "sqlite":
        path = tmp_path / "own.db"
        path.write_bytes(sample.read_bytes())
        url = f"sqlite:///{path}"
    else:
        url = fresh_database(request.getfixturevalue(request.param))
        koha.copy(sample, url)
    yield from _prepared(url, tmp_path, keys)


@pytest.fixture
def sqlite(sample: Path, tmp_path: Path, keys: Path) -> Iterator[Door]:
    path = tmp_path / "own.db"
    path.write_bytes(sample.read_bytes())
    yield from _prepared(f"sqlite:///{path}", tmp_path, keys)


def _prepared(url: str, folder: Path, keys: Path) -> Iterator[Door]:
    kind = "jsonb" if "postgresql" in url else "longtext"
    with koha.connected(url) as connection:
        connection.exec_driver_sql(f"CREATE TABLE koha_plugin_x (id integer PRIMARY KEY, said {kind}, card_of text)")
        connection.exec_driver_sql("CREATE VIEW everybody AS SELECT cardnumber, email FROM borrowers")
    with door(folder, url, keys) as opened:
        yield opened


def met(found: Door, tables: list[str] | None = None) -> dict[str, int]:
    scanner = found.scanner(tables)
    try:
        scanned = scanner.scan(found.roster_permit())
    finally:
        scanner.close()
    assert scanned.hits.keys() <= set(scanned.places)
    return dict(scanned.hits)


def test_a_planted_identifier_is_found_where_it_stands_and_nowhere_else(here: Door) -> None:
    before = met(here)
    assert abs(before["borrowers.cardnumber"] - here.discloser.persons()) < 40
    assert not any(place.startswith("everybody") for place in before), "views are not looked into"
    assert not before.keys() & {"koha_plugin_x.said", "koha_plugin_x.card_of"}
    [(card, email, first, last)] = here.ask(
        "SELECT cardnumber, email, firstname, surname FROM borrowers WHERE email IS NOT NULL "
        "AND LENGTH(surname) > 3 AND LENGTH(firstname) > 3 AND borrowernumber <> 1 ORDER BY borrowernumber LIMIT 1"
    )
    texts = [f"card {card}.", email.upper(), f"mail={email.replace('@', '%40')}&x=1", f"{last}, {first}", "nobody"]
    quote = '"{}"' if here.database.dialect == "postgresql" else "{}"
    rows = ", ".join(
        f"({n}, '{quote.format(text.replace(chr(39), chr(39) * 2))}', NULL)" for n, text in enumerate(texts)
    )
    here.do(f"INSERT INTO koha_plugin_x (id, said, card_of) VALUES {rows}")
    after = met(here, ["koha_plugin_x"])
    assert after.keys() == {"koha_plugin_x.said"}
    assert card not in str(after)


def test_tables_nobody_may_read_are_named_with_the_right_that_lacks(
    sample: Path, tmp_path: Path, keys: Path, mariadb: Server, fresh_database: Callable[[Server], str]
) -> None:
    url = fresh_database(mariadb)
    name = url.rpartition("/")[2].partition("?")[0]
    koha.copy(sample, url)
    with door(tmp_path, url, keys) as found:
        mariadb.execute(f"CREATE USER reader_{name}", f"GRANT SELECT ON {name}.saved_sql TO reader_{name}")
        scanner = SqlScanner(
            mariadb.url(f"reader_{name}", name), found.database, found.discloser, ["saved_sql", "plugin_data"]
        )
        scanned = scanner.scan(found.roster_permit())
        scanner.close()
        mariadb.execute(f"DROP USER reader_{name}")
    assert {place.partition(".")[0] for place in scanned.places} == {"saved_sql"}
    assert "The account lacks SELECT on plugin_data" in scanned.unread["plugin_data"]
    assert "GRANT SELECT" in scanned.unread["plugin_data"]


def test_nobody_hands_a_scan_what_to_look_for(sqlite: Door) -> None:
    """It takes a permit, and nothing else; whatever else is handed in is no permit."""
    assert list(inspect.signature(SqlScanner.scan).parameters) == ["self", "permit"]
    scanner = sqlite.scanner()
    one = Scope(frozenset({"23529000000001"}), classes=frozenset({"circulation"}))
    padded = [b"23529000000001", *(f"nonsense {n}".encode() for n in range(60))]
    handed: list[object] = [None, b"23529000000001", padded, iter(padded), {"permit": True}, one, sqlite.permit(one)]
    for each in handed:
        with pytest.raises(NotPermitted):
            scanner.scan(each)
    used = sqlite.roster_permit()
    scanner.scan(used)
    with pytest.raises(NotPermitted, match="has been used"):
        scanner.scan(used)
    scanner.close()


def test_one_identifier_planted_however_often_is_lost_in_the_count(sqlite: Door) -> None:
    """With and without the one in question the answers overlap, though it stands there a hundred times."""
    *known, last = [card for (card,) in sqlite.ask("SELECT cardnumber FROM borrowers WHERE cardnumber > '0' LIMIT 31")]
    sqlite.do("INSERT INTO koha_plugin_x (id, said) VALUES " + ", ".join(f"({n}, '{k}')" for n, k in enumerate(known)))
    told = {False: set[int](), True: set[int]()}
    for is_patron, one in ((False, "not a card of anybody"), (True, last)):
        sqlite.do(
            "DELETE FROM koha_plugin_x WHERE id > 99",
            "INSERT INTO koha_plugin_x (id, said) VALUES " + ", ".join(f"({n}, 'x{n} {one}')" for n in range(100, 200)),
        )
        for _ in range(40):
            told[is_patron].add(met(sqlite, ["koha_plugin_x"])["koha_plugin_x.said"])
    assert len(told[True] & told[False]) >= 3
    assert max(told[True]) < 31 + 40, "a person counts once, in however many values"


def test_where_nobody_stands_there_is_no_count_and_where_one_stands_there_always_is(sqlite: Door) -> None:
    [(card,)] = sqlite.ask("SELECT cardnumber FROM borrowers WHERE cardnumber > '0' LIMIT 1")
    sqlite.do(f"INSERT INTO koha_plugin_x (id, said, card_of) VALUES (1, 'nobody', '{card}')")
    for _ in range(20):
        found = met(sqlite, ["koha_plugin_x"])
        assert found.keys() == {"koha_plugin_x.card_of"}
        assert found["koha_plugin_x.card_of"] > 0


def test_a_roster_of_one_person_and_blanks_is_refused(sqlite: Door) -> None:
    """A hundred accounts of whom nothing is known would make every hit a hit of the one that is known."""
    sqlite.do(
        "UPDATE borrowers SET cardnumber = 'x' || borrowernumber, userid = NULL, email = NULL, firstname = '', "
        "surname = '' WHERE borrowernumber > (SELECT MIN(borrowernumber) + 1 FROM borrowers)"
    )
    assert sqlite.discloser.persons() > 2 * LEAST
    scanner = sqlite.scanner(["plugin_data"])
    with pytest.raises(NotPermitted, match="Fewer than 50"):
        scanner.scan(sqlite.roster_permit())
    scanner.close()


def test_everybody_sharing_one_address_is_refused() -> None:
    people = [{"card": "", "email": "reading.room@lakeside.example", "number": str(n)} for n in range(200)]
    with pytest.raises(NotPermitted, match="Fewer than 50"):
        Needles(people, KOHA.roster)  # type: ignore[arg-type]


PEOPLE = [
    {"card": f"2352900{n:04}", "userid": f"reader{n}", "email": f"r{n}@lakeside.example", "number": str(40_000 + n)}
    | {"firstname": "Zoë", "surname": f"O'Shea-{n}x"}
    for n in range(60)
]
NEEDLES = Needles(PEOPLE, KOHA.roster)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("23529000007", True),
        ("card:23529000007;", True),
        ("123529000007", False),
        ("235290000071", False),
        ("40012", True),
        ("x40012", False),
        ("40012.50", True),
        ("4001", False),
        ("R7@Lakeside.Example", True),
        ("r7%40lakeside.example", True),
        ("zoe o'shea-7x", False),
        ("ZOË  O'SHEA-7X was here", True),
        ("O'Shea-7x, Zoë", True),
        ("reader7", True),
        ("reader7000", False),
        ("", False),
        (b"\xff\xfe card 23529000007 \x00", True),
        (7, False),
        ("23529000007 \ud800", True),
        ("23529000007\u0345", True),
    ],
)
def test_whole_words_in_any_case(text: object, found: bool) -> None:
    assert bool(NEEDLES.met(text)) is found


@given(
    st.text(st.characters(exclude_categories=("L", "N")), max_size=5),
    st.sampled_from(PEOPLE),
    st.text(st.characters(exclude_categories=("L", "N")), max_size=5),
)
def test_an_identifier_is_found_between_whatever_is_no_word(before: str, person: dict[str, str], behind: str) -> None:
    assert NEEDLES.met(before + person["card"] + behind)


@given(st.text(max_size=60))
def test_a_text_without_an_identifier_says_no(text: str) -> None:
    plain = text.casefold()
    if not any(value.casefold() in plain for person in PEOPLE for value in person.values() if value != "Zoë"):
        assert not NEEDLES.met(text)


def test_short_round_and_plain_words_are_not_looked_for() -> None:
    odd = [{"card": "abcd", "userid": "rose", "number": "30000"}, {"card": "gardener", "userid": "12345"}]
    needles = Needles([*PEOPLE, *odd], KOHA.roster)  # type: ignore[arg-type]
    assert [bool(needles.met(text)) for text in ("abcd", "rose", "30000", "gardener", "12345")] == [False] * 3 + [
        True
    ] * 2


def test_the_set_shows_nothing() -> None:
    assert "2352900" not in repr(NEEDLES)
    assert not [name for name in vars(NEEDLES) if isinstance(getattr(NEEDLES, name), list | set | tuple | dict)]
