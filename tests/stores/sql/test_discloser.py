"""The Discloser on real servers: exactly the ties of the scope come out, and no log says whose they were."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.servers import Server
from tests.stores import koha
from tests.stores.sql.disclosure import EVERY, KOHA, Door, door

from reticent.errors import ConfigurationError, NotPermitted, SystemRefused, SystemUnreachable
from reticent.policy.permits import LIFETIME, Mint, Permit, Scope
from reticent.stores.sql.discloser import SqlDiscloser

STORES = ["sqlite", "mariadb", "postgresql"]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return koha.sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("officers")


@pytest.fixture(scope="module")
def urls(request: pytest.FixtureRequest, sample: Path) -> Iterator[Callable[[str], str]]:
    """The sample on each store, made once; tests that change rows take one of their own."""
    made: dict[str, str] = {}

    def url(store: str) -> str:
        if store == "sqlite":
            return f"sqlite:///{sample}"
        if store not in made:
            server: Server = request.getfixturevalue(store)
            server.execute("CREATE DATABASE disclosed")
            made[store] = server.url(database="disclosed")
            koha.copy(sample, made[store])
        return made[store]

    yield url
    for store in made:
        force = " WITH (FORCE)" if store == "postgresql" else ""
        request.getfixturevalue(store).execute(f"DROP DATABASE disclosed{force}")


@pytest.fixture(params=STORES)
def here(request: pytest.FixtureRequest, urls: Callable[[str], str], tmp_path: Path, keys: Path) -> Iterator[Door]:
    with door(tmp_path, urls(request.param), keys) as opened:
        yield opened


@pytest.fixture
def sqlite(sample: Path, tmp_path: Path, keys: Path) -> Iterator[Door]:
    path = tmp_path / "own.db"
    path.write_bytes(sample.read_bytes())
    with door(tmp_path, f"sqlite:///{path}", keys) as opened:
        yield opened


def reader(found: Door, least: int = 3) -> tuple[int, str]:
    """Return number and card of a patron with some finished loans."""
    [(number, card), *_] = found.ask(
        "SELECT b.borrowernumber, b.cardnumber FROM borrowers b JOIN old_issues o ON o.borrowernumber = b.borrowernumber "
        "WHERE b.cardnumber IS NOT NULL GROUP BY b.borrowernumber, b.cardnumber "
        "HAVING COUNT(*) >= :least AND COUNT(*) < 60 ORDER BY COUNT(*) DESC, b.borrowernumber",
        least=least,
    )
    return int(number), str(card)


PLAIN = [s for s in KOHA.series if s.persons == ("patron",) and s.tied is None and "." not in (s.date or s.ended)]


def rows_of(found: Door, number: int, since: datetime, before: datetime) -> dict[str, int]:
    """Count a patron's rows in the plain series by SQL of the test's own (the machine's zone is the server's)."""
    counted = {}
    for series in PLAIN:
        if series.id in found.database.fit.absent or not (series.date or series.ended):
            continue
        fields = KOHA.tables[series.table].fields
        person, date = fields["patron"].column, fields[series.date or series.ended].column
        sql = f"SELECT COUNT(*) FROM {series.table} WHERE {person} = :number AND {date} >= :since AND {date} < :before"
        values = {"since": since, "before": before}
        if found.database.dialect == "sqlite":
            values = {name: str(value) for name, value in values.items()}  # type: ignore[misc]
        counted[series.id] = found.ask(sql, number=number, **values)[0][0]
    return {name: count for name, count in counted.items() if count}


def test_all_ties_of_the_scope_come_out_and_no_other(here: Door) -> None:
    number, card = reader(here)
    since, before = datetime(2000, 1, 1), datetime(2100, 1, 1)
    expected = rows_of(here, number, since, before)
    assert expected.get("old_issues", 0) >= 3
    ties = here.ties(patrons=frozenset({card}))
    plain = {series.id for series in PLAIN}
    counted: dict[str, int] = {}
    for tie in ties:
        assert tie["patron"] == card
        if tie["series"] in plain:
            counted[tie["series"]] = counted.get(tie["series"], 0) + 1
    assert counted == expected
    assert len({tie["id"] for tie in ties}) == len(ties)
    loan = next(tie for tie in ties if tie["series"] == "old_issues")
    assert {"item", "issued", "returned", "branch"} <= loan["tells"].keys()
    assert str(number) not in {value for name, value in loan["tells"].items() if name not in ("item", "loan")}


def test_classes_and_times_outside_the_scope_stay_inside(here: Door) -> None:
    _, card = reader(here)
    loans = here.ties(patrons=frozenset({card}), classes=frozenset({"circulation"}))
    assert {tie["record_class"] for tie in loans} == {"circulation"}
    times = sorted(tie["used_at"] for tie in loans if tie["series"] == "old_issues")
    middle = times[len(times) // 2]
    early = here.ties(patrons=frozenset({card}), classes=frozenset({"circulation"}), before=middle)
    late = here.ties(patrons=frozenset({card}), classes=frozenset({"circulation"}), since=middle)
    assert all(tie["used_at"] < middle for tie in early)
    assert all(tie["used_at"] >= middle for tie in late)
    assert early
    assert late
    assert len(early) + len(late) == len(loans)
    assert here.ties(patrons=frozenset({card}), classes=frozenset()) == []
    assert here.ties() == [], "a scope that names nobody covers nobody"


def test_an_item_of_the_scope_leads_to_its_readers_and_to_no_other_tie(here: Door) -> None:
    [(item, barcode), *_] = here.ask(
        "SELECT i.itemnumber, i.barcode FROM items i JOIN old_issues o ON o.itemnumber = i.itemnumber "
        "WHERE o.borrowernumber IS NOT NULL AND o.borrowernumber IN (SELECT borrowernumber FROM borrowers) "
        "AND o.issuedate IS NOT NULL AND i.barcode IS NOT NULL GROUP BY i.itemnumber, i.barcode "
        "ORDER BY COUNT(DISTINCT o.borrowernumber) DESC, i.itemnumber"
    )
    stand_in = here.database.sentinel
    cards = {str(n): c for n, c in here.ask("SELECT borrowernumber, cardnumber FROM borrowers")}
    readers = here.ask("SELECT borrowernumber FROM old_issues WHERE itemnumber = :item", item=item)
    expected = sorted(cards[str(n)] for (n,) in readers if n is not None and n != stand_in and str(n) in cards)
    ties = here.ties(items=frozenset({barcode}), classes=frozenset({"circulation"}))
    assert sorted(tie["patron"] for tie in ties if tie["series"] == "old_issues") == expected
    assert {tie["item"] for tie in ties} == {barcode}


def test_what_could_not_be_read_is_said(here: Door) -> None:
    _, card = reader(here)
    here.ties(patrons=frozenset({card, "no such card"}))
    said = {place.place: place.why for place in here.discloser.left_out}
    assert said["patrons of the scope"] == "1 of 2 identifiers name no patron here"
    assert "for certain" in said["Log of loans, holds, fines and searches"]
    assert card not in str(said)


def test_an_identifier_of_two_patrons_reads_nothing(sqlite: Door) -> None:
    _, card = reader(sqlite)
    sqlite.do(
        f"UPDATE borrowers SET userid = '{card.lower()} ' WHERE borrowernumber = (SELECT MAX(borrowernumber) FROM borrowers)"
    )
    with pytest.raises(NotPermitted, match="more than one patron") as refused:
        sqlite.ties(patrons=frozenset({card}))
    assert card not in str(refused.value)


def test_a_number_is_no_identifier_the_library_issued(sqlite: Door) -> None:
    number, _ = reader(sqlite)
    assert sqlite.ties(patrons=frozenset({str(number)})) == []


def test_rows_without_a_readable_date_are_left_out_and_named(sqlite: Door) -> None:
    number, card = reader(sqlite)
    before = len(sqlite.ties(patrons=frozenset({card}), classes=frozenset({"hold_request"})))
    sqlite.do(
        "INSERT INTO old_reserves (reserve_id, borrowernumber, biblionumber, branchcode, reservedate, timestamp, priority) "
        f"SELECT 990001, {number}, biblionumber, branchcode, 'soon', timestamp, 1 FROM old_reserves LIMIT 1"
    )
    assert len(sqlite.ties(patrons=frozenset({card}), classes=frozenset({"hold_request"}))) == before
    assert "no date that can be read" in str(sqlite.discloser.left_out)


def test_only_the_sites_own_branches(sample: Path, tmp_path: Path, keys: Path) -> None:
    url = f"sqlite:///{sample}"
    with door(tmp_path, url, keys) as whole:
        [(ours,), *_] = whole.ask("SELECT branchcode FROM borrowers GROUP BY branchcode ORDER BY COUNT(*) DESC")
        people = whole.ask("SELECT cardnumber FROM borrowers WHERE branchcode = :b AND cardnumber IS NOT NULL", b=ours)
        others = whole.ask("SELECT cardnumber FROM borrowers WHERE branchcode <> :b AND cardnumber IS NOT NULL", b=ours)
        all_persons = whole.discloser.persons()
    with door(tmp_path, url, keys, branches=f'["{ours}"]') as shared:
        assert 0 < shared.discloser.persons() < all_persons
        cards = {row["card"] for row in shared.discloser.roster(shared.roster_permit()) if "card" in row}
        assert cards <= {card for (card,) in people}
        assert shared.ties(patrons=frozenset(card for (card,) in others[:5])) == []
        mine = shared.ties(patrons=frozenset(card for (card,) in people), classes=frozenset({"circulation"}))
        assert mine
        assert {tie["tells"].get("branch", ours) for tie in mine if tie["series"] == "old_issues"} == {ours}


def test_the_roster_is_whole_and_without_the_stand_in(here: Door) -> None:
    rows = list(here.discloser.roster(here.roster_permit()))
    [(people,)] = here.ask("SELECT COUNT(*) FROM borrowers")
    assert len(rows) == here.discloser.persons() == people - 1
    assert str(here.database.sentinel) not in {row["number"] for row in rows}
    assert {"card", "surname", "firstname"} <= rows[0].keys() | rows[1].keys()


def test_every_permit_but_a_good_one_is_refused_before_anything_is_read(sqlite: Door) -> None:
    _, card = reader(sqlite)
    scope = Scope(frozenset({card}), classes=EVERY)
    good = sqlite.permit(scope)
    mint = Mint(sqlite.library.clock, sqlite.library.register)
    [forged] = mint.strike("prepareRelease", "courtOrder", "x", sqlite.library.gate.digest, scope, ["ils"])
    widened = replace(good, body=good.body.replace(card.encode(), b"23529000000000"))
    [other] = sqlite.library.gate.roster(5000, ["proxy"]).permits
    no_ties: list[object] = [None, card, scope, forged, widened, other, sqlite.roster_permit(), Permit(good.body, b"")]
    for bad in no_ties:
        with pytest.raises(NotPermitted):
            sqlite.discloser.ties(bad)
    no_roster: list[object] = [None, 5000, good, other, forged]
    for bad in no_roster:
        with pytest.raises(NotPermitted):
            sqlite.discloser.roster(bad)
    assert list(sqlite.discloser.ties(good))
    with pytest.raises(NotPermitted, match="has been used"):
        sqlite.discloser.ties(good)
    late = sqlite.permit(scope)
    sqlite.library.clock.moment += LIFETIME
    with pytest.raises(NotPermitted, match="expired"):
        sqlite.discloser.ties(late)


def test_a_stream_opened_in_time_runs_to_its_end(sqlite: Door) -> None:
    _, card = reader(sqlite)
    stream = sqlite.discloser.ties(sqlite.permit(Scope(frozenset({card}), classes=EVERY)))
    sqlite.library.clock.moment += LIFETIME + timedelta(hours=1)
    assert list(stream)


def test_a_small_roster_is_refused(sqlite: Door) -> None:
    sqlite.do("DELETE FROM borrowers WHERE borrowernumber NOT IN (SELECT borrowernumber FROM borrowers LIMIT 49)")
    [lied] = sqlite.library.gate.roster(5000, ["ils"]).permits
    with pytest.raises(NotPermitted, match="fewer than 50"):
        sqlite.discloser.roster(lied)
    assert not sqlite.library.gate.roster(sqlite.discloser.persons(), ["ils"]).allowed


def test_times_are_the_databases_own(sample: Path, tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half past midnight in Chicago is the morning in UTC, an hour earlier in summer."""
    monkeypatch.setenv("TZ", "America/Chicago")
    time.tzset()
    path = tmp_path / "own.db"
    path.write_bytes(sample.read_bytes())
    try:
        with door(tmp_path, f"sqlite:///{path}", keys) as found:
            number, card = reader(found)
            _two_moments(found, number, card)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("store", ["mariadb", "postgresql"])
def test_times_are_the_servers_own(
    store: str, request: pytest.FixtureRequest, sample: Path, tmp_path: Path, keys: Path,
    fresh_database: Callable[[Server], str],
) -> None:  # fmt: skip
    server: Server = request.getfixturevalue(store)
    url = fresh_database(server)
    koha.copy(sample, url)
    with door(tmp_path, url, keys) as found:
        number, card = reader(found)
        if store == "postgresql":
            found.do(f"ALTER DATABASE {url.rpartition('/')[2]} SET timezone = 'America/Chicago'")
            _two_moments(found, number, card)
            return
        server.execute("SET GLOBAL time_zone = '-06:00'")
        try:
            _two_moments(found, number, card, summer=6)
        finally:
            server.execute("SET GLOBAL time_zone = 'SYSTEM'")


def _two_moments(found: Door, number: int, card: str, summer: int = 5) -> None:
    found.discloser.close()
    found.do(
        f"UPDATE old_issues SET issuedate = '2026-01-15 00:30:00' WHERE issue_id = (SELECT * FROM (SELECT MIN(issue_id) FROM old_issues WHERE borrowernumber = {number}) x)",
        f"UPDATE old_issues SET issuedate = '2026-07-15 00:30:00' WHERE issue_id = (SELECT * FROM (SELECT MAX(issue_id) FROM old_issues WHERE borrowernumber = {number}) x)",
    )
    ties = found.ties(patrons=frozenset({card}), classes=frozenset({"circulation"}))
    used = {tie["used_at"] for tie in ties if tie["series"] == "old_issues"}
    assert {datetime(2026, 1, 15, 6, 30, tzinfo=UTC), datetime(2026, 7, 15, summer, 30, tzinfo=UTC)} <= used
    narrow = {"since": datetime(2026, 1, 15, 6, 30, tzinfo=UTC), "before": datetime(2026, 1, 15, 6, 31, tzinfo=UTC)}
    inside = found.ties(patrons=frozenset({card}), classes=frozenset({"circulation"}), **narrow)
    assert "old_issues" in {tie["series"] for tie in inside}


def test_the_servers_statement_log_is_the_same_whomever_an_order_is_about(
    mariadb: Server, sample: Path, tmp_path: Path, keys: Path, fresh_database: Callable[[Server], str]
) -> None:
    url = fresh_database(mariadb)
    koha.copy(sample, url)
    log = mariadb.home / "disclosed.log"
    with door(tmp_path, url, keys) as found:
        [one, two] = [str(c) for (c,) in found.ask("SELECT cardnumber FROM borrowers WHERE borrowernumber > 5 LIMIT 2")]
        people = found.ask("SELECT cardnumber, userid, email FROM borrowers")
        found.ties(patrons=frozenset({one}))
        logs = []
        for number, scope in enumerate(({"patrons": frozenset({one})}, {"patrons": frozenset({two})})):
            mine = log.with_suffix(f".{number}")
            mariadb.execute(f"SET GLOBAL general_log_file = '{mine}'", "SET GLOBAL general_log = 1")
            found.ties(**scope, since=datetime(2021, 3, 4, 5, 6, tzinfo=UTC))
            list(found.discloser.roster(found.roster_permit()))
            mariadb.execute("SET GLOBAL general_log = 0")
            logs.append(mine.read_text())
    said = [re.findall(r"SELECT (.*)", text) for text in logs]
    assert said[0] == said[1]
    assert len(said[0]) > 30
    identifiers = [str(one) for row in people for one in row if one]
    assert len(identifiers) > 200
    assert not [one for one in identifiers if any(one in line for line in said[0])]
    assert "2021-03-04" not in logs[0]


def test_the_account_is_handed_in_and_never_shown(sqlite: Door) -> None:
    with pytest.raises(SystemUnreachable) as refused:
        SqlDiscloser("sqlite:////nowhere/s3cret.db", sqlite.database, sqlite.library.gate.open).persons()
    assert "s3cret" not in str(refused.value)
    with pytest.raises(ConfigurationError) as wrong:
        SqlDiscloser("mysql+nothing://reticent:s3cret@db/koha", sqlite.database, sqlite.library.gate.open)
    assert "s3cret" not in str(wrong.value)
    assert "own.db" not in repr(sqlite.discloser)
    nameless = replace(sqlite.database, loaded=KOHA.model_copy(update={"roster": None}))
    with pytest.raises(SystemRefused, match="does not say where"):
        SqlDiscloser(sqlite.url, nameless, sqlite.library.gate.open)


def test_no_field_of_another_person_comes_out(here: Door) -> None:
    """Of a row only its patron's identifier and the fields named in ``tells`` are shown."""
    cards: list[Any] = [str(c) for (c,) in here.ask("SELECT cardnumber FROM borrowers WHERE cardnumber IS NOT NULL")]
    own = {"card", "userid", "email", "firstname", "surname", "number"}
    for tie in here.ties(patrons=frozenset(cards[:40])):
        allowed = set(KOHA.tells) | (own if tie["place"] == "borrowers" else set())
        assert tie["tells"].keys() <= allowed
