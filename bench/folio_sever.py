"""Severing a big FOLIO: Reticent against one update a loan, FOLIO's triggers on for all.

``python -m bench.folio_sever`` fills a private PostgreSQL with a tenant's whole schema as the map knows it (40,000
closed loans, two audit rows each, the audit and metadata triggers, the folded indexes), and lets four ways take turns:

- Reticent from the low end through its own engine: the audit rows of so many loans, then the loans, each chunk
  asked, locked, recounted and receipted;
- one loan at a time from the high end, and then its audit rows one at a time: a document read, changed and written
  whole, a commit each. That is what FOLIO's interface does, without the interface;
- the same without the audit rows, which then still say who;
- one UPDATE of the audit rows and one of the loans, of so many loans, which asks nothing. Nobody could run it on a
  whole table; triggers and indexes make it the floor that no way can go below.

A ratio is the median of the ratios of neighbours, counted in loans. ``--small`` is a quarter of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import sqlalchemy as sa
from bench.common import RUN, OneWalk, Way, compare, engine_of, opened_site, times
from tests.maps import rmb, tables
from tests.servers import postgresql

from reticent.systems.load import shipped

TENANT = "diku"
C, U = f"{TENANT}_mod_circulation_storage", f"{TENANT}_mod_users"
CUTOFF = datetime(2026, 1, 1)
AUDIT_ROWS = 2
TIES = ("userId", "proxyUserId")
# Beside the map's own two, the indexes that mod-circulation-storage's schema.json asks for (15 on a loan, 2 on a version).
UNACCENTED = ("metadata,createdByUsername", "status,name", "itemStatus", "action")
LOWERED = ("checkinServicePointId", "checkoutServicePointId", "dueDate", "loanDate", "dateLostItemShouldBeBilled",
           "agedToLostDelayedBilling,lostItemHasBeenBilled")  # fmt: skip
MORE_INDEXES = """
CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
CREATE INDEX ON {c}.loan (lower({c}.f_unaccent(jsonb->>'itemId')) text_pattern_ops);
CREATE UNIQUE INDEX ON {c}.loan (lower({c}.f_unaccent(jsonb->>'itemId')))
  WHERE lower({c}.f_unaccent(jsonb->'status'->>'name')) LIKE 'open';
CREATE INDEX ON {c}.loan USING gin (lower({c}.f_unaccent(jsonb->'status'->>'name')) public.gin_trgm_ops);
CREATE INDEX ON {c}.audit_loan (lower({c}.f_unaccent(jsonb->'loan'->>'action')) text_pattern_ops)
"""
SYSTEM = """
kind = "folio"
tenant = "diku"
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
        run(f"INSERT INTO {C}.audit_loan (id, jsonb) SELECT (left(id::text, 34) || 'a' || n)::uuid, "
            f"jsonb_build_object('id', gen_random_uuid(), 'operation', 'U', 'createdDate', "
            f"'2025-03-15T10:00:01.000+00:00', 'loan', jsonb) FROM {C}.loan, generate_series(1, {AUDIT_ROWS}) n")  # fmt: skip
        for statement in rmb.statements(TENANT, [f"{C}.loan", f"{C}.request"]):
            if not any(word in statement for word in ("mod_feesfines", "mod_patron_blocks", "mod_inventory")):
                run(statement)
        run("CREATE FUNCTION diku_mod_feesfines.f_unaccent(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS "
            "$f$ SELECT public.unaccent('public.unaccent', $1) $f$")  # fmt: skip
        run(rmb.folded("diku_mod_feesfines.accounts", "loanId"))
        for path in UNACCENTED:
            run(rmb.folded(f"{C}.loan", path))
        for path in LOWERED:
            run(rmb.folded(f"{C}.loan", path).replace(f"{C}.f_unaccent", ""))
        run(MORE_INDEXES.format(c=C))
        run("VACUUM ANALYZE")
    engine.dispose()


def from_the_high_end(url: str) -> Iterator[str]:
    """Yield the numbers of tied loans, the highest first."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(f"SELECT id FROM {C}.loan WHERE jsonb ? 'userId' ORDER BY id DESC").fetchall()
    yield from (str(row[0]) for row in rows)


def one_by_one(url: str, loans: Iterator[str], each: int, *, audited: bool) -> Callable[[], int]:
    """Return what severs the next loans, a document read and written and a commit for each."""
    connection = psycopg.connect(url)
    text = f"lower({C}.f_unaccent(jsonb->'loan'->>'id'))"

    def write(table: str, key: object, document: dict[str, object]) -> None:
        connection.execute(f"UPDATE {C}.{table} SET jsonb = %s WHERE id = %s", (json.dumps(document), key))
        connection.commit()

    def work() -> int:
        for _ in range(each):
            key = next(loans)
            found = connection.execute(f"SELECT jsonb FROM {C}.loan WHERE id = %s", (key,)).fetchone()
            assert found is not None
            write("loan", key, _untied(found[0]))
            query = f"SELECT id, jsonb FROM {C}.audit_loan WHERE {text} = %s AND jsonb->'loan' ? 'userId'"
            versions = connection.execute(query, (key,)).fetchall() if audited else []
            assert len(versions) == (AUDIT_ROWS if audited else 0)
            for number, version in versions:
                write("audit_loan", number, version | {"loan": _untied(version["loan"])})
        return each

    return work


def _untied(document: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in document.items() if name not in TIES}


def at_once(url: str, loans: Iterator[str], each: int) -> Callable[[], int]:
    """Return what severs the next loans and their audit rows in one UPDATE for each table."""
    connection = psycopg.connect(url)

    def work() -> int:
        keys = [next(loans) for _ in range(each)]
        audit = [f"{key[:34]}a{number + 1}" for key in keys for number in range(AUDIT_ROWS)]
        for change, of in (
            (f"UPDATE {C}.audit_loan SET jsonb = jsonb #- '{{loan,userId}}' #- '{{loan,proxyUserId}}'", audit),
            (f"UPDATE {C}.loan SET jsonb = jsonb - '{{userId,proxyUserId}}'::text[]", keys),
        ):
            assert connection.execute(f"{change} WHERE id = ANY(%s::uuid[])", (of,)).rowcount == len(of)
        connection.commit()
        return each

    return work


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quarter of the published size")
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
        opened, system = opened_site(Path(folder), SYSTEM, url)
        severer = system.severer()
        severer.prepare()
        one = OneWalk(severer)
        engine = engine_of(opened, system, severer, one)

        def ours() -> int:
            severed = 0
            for series, ceiling in (("audit_loan", rows * AUDIT_ROWS), ("loans", rows)):
                (step,) = severer.steps(series)
                severed = engine.run_step(step, "circulation", CUTOFF, ceiling, RUN, 0)
            return severed

        bare = url.replace("+psycopg", "")
        high = from_the_high_end(bare)
        ways = [
            Way("Reticent", ours, server),
            Way("one update a loan and an audit row", one_by_one(bare, high, each, audited=True), server),
            Way("one update a loan, audit rows left", one_by_one(bare, high, each, audited=False), server),
            Way("one UPDATE of all, asking nothing", at_once(bare, high, rows // 5), server),
        ]
        for _ in range(chosen.slices):
            for way in ways:
                way.slice()
                print(f"{way.name}: {way.rates[-1]:,.0f} loans/s", flush=True)
        print("| way | loans | loans/s, median | CPU us a loan |")
        print("| --- | ---: | ---: | ---: |")
        for way in ways:
            print(
                f"| {way.name} | {way.rows:,} | {statistics.median(way.rates):,.0f} | {statistics.median(way.cpu):,.0f} |"
            )
        for way, aim in zip(ways[1:], (" (aim: at least 10)", "", ""), strict=True):
            compare(f"Reticent / {way.name}{aim}", times(ways[0].rates, way.rates))
            compare("  by CPU", times(way.cpu, ways[0].cpu))
        print(f"longest transaction of ours: {max(seconds for seconds, _ in one.took) * 1000:.0f} ms")
        system.finder.close()
        severer.close()


if __name__ == "__main__":
    main()
