"""Severing a big FOLIO: Reticent against one update a loan, FOLIO's triggers on for both.

``python -m bench.folio_sever`` fills a private PostgreSQL with a tenant's whole schema as the map knows it (40,000
closed loans, two audit rows each, the audit and metadata triggers, the folded indexes), and lets two ways take turns:
Reticent from the low end through its own engine (the audit rows of so many loans, then the loans, each chunk locked,
recounted and receipted), and one loan at a time from the high end, its document read, changed and written whole, a
commit each: what FOLIO's interface does, without the interface. The single updates leave the audit rows alone and
ask nothing; a ratio is the median of the ratios of neighbours. ``--small`` is a tenth of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg
import sqlalchemy as sa
from bench.koha_sever import OneWalk, engine_of
from tests.maps import rmb, tables
from tests.servers import postgresql

from reticent.acts.opening import Opened, open_site, open_systems
from reticent.acts.systems import SqlSystem
from reticent.systems.load import shipped

TENANT = "diku"
C, U = f"{TENANT}_mod_circulation_storage", f"{TENANT}_mod_users"
CUTOFF = datetime(2026, 1, 1)
AUDIT_ROWS = 2
MORE_INDEXES = ("checkinServicePointId", "checkoutServicePointId", "loanPolicyId", "overdueFinePolicyId", "action")
SITE = """
[library]
name = "Bench"
branches = "all"
[state]
path = "state"
keys = "keys"
[schedule]
"*" = "none applies"
[systems.ils]
kind = "folio"
tenant = "diku"
[systems.ils.accounts]
find = "{url}"
sever = "{url}"
"""


def fill(url: str, loans: int) -> None:
    """Make the tenant's schema and fill it: loans, their versions, their borrowers; one in twelve by a proxy."""
    loaded = shipped("folio", TENANT)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        run = connection.exec_driver_sql
        tables.create(connection, tables.read(loaded))
        document = (
            "jsonb_build_object('id', {id}, 'userId', md5('u' || mod(n, {patrons}))::uuid, 'itemId', md5('i' || n)::uuid, "
            "'status', jsonb_build_object('name', 'Closed'), 'action', 'checkedin', 'itemStatus', 'Available', "
            "'loanDate', '2025-03-01T10:00:00.000+00:00', 'dueDate', '2025-03-21T22:59:59.000+00:00', "
            "'returnDate', '2025-03-15T10:00:00.000+00:00', 'systemReturnDate', '2025-03-15T10:00:01.000+00:00', "
            "'loanPolicyId', md5('p')::uuid, 'checkoutServicePointId', md5('s' || mod(n, 9))::uuid, "
            "'checkinServicePointId', md5('s' || mod(n, 7))::uuid, 'patronGroupIdAtCheckout', md5('g' || mod(n, 5))::uuid, "
            "'overdueFinePolicyId', md5('o')::uuid, 'lostItemPolicyId', md5('l')::uuid, 'metadata', "
            "jsonb_build_object('createdDate', '2025-03-01T10:00:00.000Z', 'createdByUserId', md5('a')::uuid, "
            "'updatedDate', '2025-03-15T10:00:01.000+00:00', 'updatedByUserId', md5('a')::uuid)) || "
            "CASE WHEN mod(n, 12) = 0 THEN jsonb_build_object('proxyUserId', md5('u' || mod(n, 77))::uuid) ELSE '{{}}' END"
        ).format(id="md5('loan' || n)::uuid", patrons=max(1, loans // 20))
        run(f"INSERT INTO {C}.loan (id, jsonb, creation_date, created_by) SELECT md5('loan' || n)::uuid, {document}, "
            f"'2025-03-01 10:00:00', md5('a')::uuid::text FROM generate_series(1, {loans}) n")  # fmt: skip
        run(f"INSERT INTO {C}.audit_loan (id, jsonb) SELECT gen_random_uuid(), jsonb_build_object('id', gen_random_uuid(), "
            f"'operation', 'U', 'createdDate', '2025-03-15T10:00:01.000+00:00', 'loan', jsonb) "
            f"FROM {C}.loan, generate_series(1, {AUDIT_ROWS})")  # fmt: skip
        for statement in rmb.statements(TENANT, [f"{C}.loan", f"{C}.request"]):
            if not any(word in statement for word in ("mod_feesfines", "mod_patron_blocks", "mod_inventory")):
                run(statement)
        run("CREATE FUNCTION diku_mod_feesfines.f_unaccent(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS "
            "$f$ SELECT public.unaccent('public.unaccent', $1) $f$")  # fmt: skip
        run(rmb.folded("diku_mod_feesfines.accounts", "loanId"))
        for path in MORE_INDEXES:
            run(rmb.folded(f"{C}.loan", path))
        run("VACUUM ANALYZE")
    engine.dispose()


@dataclass
class Way:
    """One way of severing, and how many loans a second each slice of it severed."""

    name: str
    work: Callable[[], int]
    rates: list[float] = field(default_factory=list)
    loans: int = 0

    def slice(self) -> None:
        begun = time.perf_counter()
        loans = self.work()
        self.rates.append(loans / (time.perf_counter() - begun))
        self.loans += loans


def one_by_one(url: str, loans: int, each: int) -> Callable[[], int]:
    """Return what severs the next loans from the high end, a document read and written and a commit for each."""
    connection = psycopg.connect(url.replace("+psycopg", ""))
    wanted = f"SELECT id FROM {C}.loan WHERE jsonb ? 'userId' ORDER BY id DESC LIMIT {each * 40}"
    keys = iter([row[0] for row in connection.execute(wanted).fetchall()])

    def work() -> int:
        for _ in range(each):
            key = next(keys)
            document = connection.execute(f"SELECT jsonb FROM {C}.loan WHERE id = %s", (key,)).fetchone()
            assert document is not None
            changed = {name: value for name, value in document[0].items() if name not in ("userId", "proxyUserId")}
            connection.execute(f"UPDATE {C}.loan SET jsonb = %s WHERE id = %s", (json.dumps(changed), key))
            connection.commit()
        return each

    return work


def _open(folder: Path, url: str) -> tuple[Opened, SqlSystem]:
    (folder / "reticent.toml").write_text(SITE.format(url=url))
    opened = open_site(folder / "reticent.toml")
    system = next(iter(open_systems(opened.site)))
    assert isinstance(system, SqlSystem)
    return opened, system


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of the published size")
    parser.add_argument("--slices", type=int, default=5)
    chosen = parser.parse_args()
    loans = 10_000 if chosen.small else 40_000
    rows, each = loans // 8, loans // 200
    with postgresql(options=["fsync=on", "shared_buffers=256MB"]) as server, tempfile.TemporaryDirectory() as folder:
        server.execute("CREATE DATABASE folio")
        url = server.url(database="folio")
        begun = time.perf_counter()
        fill(url, loans)
        print(f"filled in {time.perf_counter() - begun:.0f} s: {loans:,} loans, {loans * AUDIT_ROWS:,} audit rows")
        opened, system = _open(Path(folder), url)
        severer = system.severer()
        severer.prepare()
        opened.book.start_run("b" * 32, "bench", opened.clock.now())
        one = OneWalk(severer)
        engine = engine_of(opened, system, severer, one)

        def ours() -> int:
            severed = 0
            for series, ceiling in (("audit_loan", rows * AUDIT_ROWS), ("loans", rows)):
                (step,) = severer.steps(series)
                severed = engine.run_step(step, "circulation", CUTOFF, ceiling, "b" * 32, 0)
            return severed

        ways = [Way("Reticent", ours), Way("one update a loan", one_by_one(url, loans, each))]
        for _ in range(chosen.slices):
            for way in ways:
                way.slice()
                print(f"{way.name}: {way.rates[-1]:,.0f} loans/s", flush=True)
        print("| way | loans | loans/s, median | audit rows severed |")
        print("| --- | ---: | ---: | --- |")
        for way, audit in zip(ways, (f"{AUDIT_ROWS} a loan", "none"), strict=True):
            print(f"| {way.name} | {way.loans:,} | {statistics.median(way.rates):,.0f} | {audit} |")
        ratios = [a / b for a, b in zip(ways[0].rates, ways[1].rates, strict=True)]
        print(f"Reticent / one update a loan: {statistics.median(ratios):.1f} (aim: at least 10)")
        print("slice by slice:", " ".join(f"{ratio:.1f}" for ratio in ratios))
        print(f"longest transaction of ours: {max(seconds for seconds, _ in one.took) * 1000:.0f} ms")
        system.finder.close()
        severer.close()


if __name__ == "__main__":
    main()
