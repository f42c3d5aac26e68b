"""Severing a big Evergreen: triggers left out, against deleting row by row through an ageing trigger.

``python -m bench.evergreen_sever`` builds Evergreen's tables from the map's columns in a private PostgreSQL, puts
equivalent triggers on them (written from what Evergreen's are described to do), fills them with finished loans,
renewals, notices, bills and account lines, and lets both ways take turns on slices of the same table. The aged
table is empty and freshly vacuumed at the start: that is where the trigger's cached plan collapses.

Ours decides by the whole map what is due, locks, tallies, moves, cleans what leads back, recounts and receipts. In
turns its chunks have 5,000 rows; what is left is then severed in chunks paced by the length of a transaction, as in a run.
The peers delete row by row on the server, 500 in a transaction, and let the triggers work: one deletes what it is told,
the other follows each chain twice first, as Evergreen's own purge does to find its end and whether all of it is finished.
Both leave post codes, notices' texts and the number.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from bench.common import SITE, Way, compare, times
from tests.maps import tables
from tests.servers import Server, postgresql

from reticent.ports import Walk
from reticent.sever.engine import AIM_SECONDS, FIRST, LARGEST
from reticent.site import read_site
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.introspect import read_structure
from reticent.stores.sql.severer import SqlSeverer
from reticent.systems import load

CUTOFF = datetime(2026, 1, 1)
CHUNK, PEER_CHUNK = 5_000, 500
SYSTEM = """
kind = "evergreen"
map = "evergreen.toml"
decisions = { billed = "sever" }
"""
SAME = (
    "xact_start, xact_finish, target_copy, circ_lib, circ_staff, checkin_staff, checkin_lib, renewal_remaining, "
    "grace_period, due_date, stop_fines_time, checkin_time, create_time, duration, fine_interval, "
    "recurring_fine, max_fine, phone_renewal, desk_renewal, opac_renewal, duration_rule, recurring_fine_rule, "
    "max_fine_rule, stop_fines, workstation, checkin_workstation, checkin_scan_time, parent_circ, "
    "copy_location, auto_renewal, auto_renewal_remaining"
)
AROUND = """
CREATE SEQUENCE money.billable_xact_id_seq START 100000001;
CREATE SEQUENCE action.hold_request_id_seq START 100000001;
CREATE TABLE actor.org_unit_setting (org_unit int, name text, value text);
CREATE INDEX ON actor.org_unit_setting (org_unit);
CREATE VIEW action.all_hold_request AS SELECT id, false AS staff_placed, phone_notify IS NOT NULL AS phone_notify,
  sms_notify IS NOT NULL AS sms_notify FROM action.hold_request;
CREATE VIEW action.all_circulation AS
  SELECT id, usr_post_code, usr_home_ou, usr_profile, usr_birth_year, copy_call_number, copy_owning_lib, copy_circ_lib,
    copy_bib_record, {same}, NULL::int AS usr FROM action.aged_circulation
  UNION ALL
  SELECT DISTINCT c.id, coalesce(a.post_code, b.post_code), u.home_ou, u.profile, extract(year FROM u.dob)::int,
    cp.call_number, cn.owning_lib, cp.circ_lib, cn.record, {own}, c.usr
  FROM action.circulation c JOIN asset.copy cp ON cp.id = c.target_copy JOIN asset.call_number cn ON cn.id = cp.call_number
    JOIN actor.usr u ON u.id = c.usr LEFT JOIN actor.usr_address a ON a.id = u.mailing_address
    LEFT JOIN actor.usr_address b ON b.id = u.billing_address;
CREATE FUNCTION actor.above(int) RETURNS TABLE (id int) LANGUAGE sql STABLE ROWS 1 AS $$
  WITH RECURSIVE up(id) AS (
    SELECT $1 UNION SELECT o.parent_ou FROM up JOIN actor.org_unit o ON o.id = up.id WHERE o.parent_ou IS NOT NULL)
  SELECT o.id FROM up JOIN actor.org_unit o ON o.id = up.id $$;
CREATE FUNCTION action.age() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE home int; no_year bool; no_code bool; year int; code text;
BEGIN
  IF EXISTS (SELECT 1 FROM action.circulation WHERE parent_circ = OLD.id) THEN RETURN NULL; END IF;
  SELECT usr_home_ou INTO home FROM action.all_circulation WHERE id = OLD.id;
  SELECT value = 'true' INTO no_year FROM actor.org_unit_setting
    WHERE name = 'year' AND org_unit IN (SELECT id FROM actor.above(home)) ORDER BY org_unit DESC LIMIT 1;
  SELECT value = 'true' INTO no_code FROM actor.org_unit_setting
    WHERE name = 'code' AND org_unit IN (SELECT id FROM actor.above(home)) ORDER BY org_unit DESC LIMIT 1;
  IF no_year IS NOT TRUE THEN SELECT usr_birth_year INTO year FROM action.all_circulation WHERE id = OLD.id; END IF;
  IF no_code IS NOT TRUE THEN SELECT usr_post_code INTO code FROM action.all_circulation WHERE id = OLD.id; END IF;
  INSERT INTO action.aged_circulation (id, usr_post_code, usr_home_ou, usr_profile, usr_birth_year, copy_call_number,
    copy_owning_lib, copy_circ_lib, copy_bib_record, {same})
    SELECT id, code, usr_home_ou, usr_profile, year, copy_call_number, copy_owning_lib, copy_circ_lib, copy_bib_record,
    {same} FROM action.all_circulation WHERE id = OLD.id;
  PERFORM 1 FROM config.global_flag WHERE name = 'history.money.age_with_circs' AND enabled;
  UPDATE action_trigger.event e SET context_user = NULL FROM action.all_circulation c
    WHERE c.id = OLD.id AND e.context_user = c.usr AND e.target = c.id AND e.event_def IN (SELECT id
      FROM action_trigger.event_definition WHERE hook IN (SELECT key FROM action_trigger.hook WHERE core_type = 'circ'));
  RETURN OLD;
END $$;
CREATE FUNCTION action.age_before() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF OLD.parent_circ IS NOT NULL THEN DELETE FROM action.circulation WHERE id = OLD.parent_circ; END IF;
  RETURN OLD; END $$;
CREATE FUNCTION money.forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  DELETE FROM money.materialized_billable_xact_summary WHERE id = OLD.id; RETURN OLD; END $$;
CREATE FUNCTION action.purge(most int) RETURNS void LANGUAGE plpgsql AS $$ DECLARE one bigint; BEGIN
  FOR one IN SELECT id FROM action.circulation c WHERE xact_finish IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM action.circulation r WHERE r.parent_circ = c.id AND r.xact_finish IS NULL)
      AND NOT EXISTS (SELECT 1 FROM action.circulation r WHERE r.id = c.parent_circ AND r.xact_finish IS NULL)
      ORDER BY id DESC LIMIT most
  LOOP DELETE FROM action.circulation WHERE id = one; END LOOP;
END $$;
CREATE FUNCTION action.chain(one bigint) RETURNS SETOF action.circulation LANGUAGE plpgsql AS $$
DECLARE at action.circulation; before action.circulation; BEGIN
  SELECT * INTO at FROM action.circulation WHERE id = one;
  LOOP
    SELECT * INTO before FROM action.circulation WHERE id = at.parent_circ;
    EXIT WHEN NOT FOUND; at := before;
  END LOOP;
  LOOP
    RETURN NEXT at;
    SELECT * INTO at FROM action.circulation WHERE parent_circ = at.id;
    EXIT WHEN NOT FOUND;
  END LOOP;
END $$;
CREATE FUNCTION action.purge_chains(most int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE head bigint; last bigint; open bigint; ended timestamptz; BEGIN
  FOR head IN SELECT id FROM action.circulation WHERE parent_circ IS NULL AND xact_finish IS NOT NULL
      ORDER BY id DESC LIMIT most
  LOOP
    SELECT id INTO last FROM action.chain(head) ORDER BY xact_start DESC LIMIT 1;
    SELECT count(*) FILTER (WHERE xact_finish IS NULL), max(xact_finish) INTO open, ended FROM action.chain(head);
    CONTINUE WHEN open > 0 OR age(now(), ended) < '1 day';
    DELETE FROM action.circulation WHERE id = last;
  END LOOP;
END $$;
CREATE TRIGGER action_circulation_aging_tgr BEFORE DELETE ON action.circulation FOR EACH ROW EXECUTE FUNCTION action.age();
CREATE TRIGGER age_parent_circ AFTER DELETE ON action.circulation FOR EACH ROW EXECUTE FUNCTION action.age_before();
CREATE TRIGGER mat_summary_remove_tgr AFTER DELETE ON action.circulation FOR EACH ROW EXECUTE FUNCTION money.forget();
CREATE UNIQUE INDEX ON action.circulation (parent_circ) WHERE parent_circ IS NOT NULL;
CREATE UNIQUE INDEX ON action.circulation (target_copy) WHERE checkin_time IS NULL;
CREATE INDEX ON action.circulation (usr) WHERE xact_finish IS NULL;
CREATE INDEX ON action.circulation (usr) WHERE checkin_time IS NULL;
CREATE INDEX ON action.circulation (checkin_time) WHERE checkin_time IS NOT NULL;
CREATE INDEX ON action.circulation (circ_lib); CREATE INDEX ON action.circulation (usr);
CREATE INDEX ON action.circulation (xact_start) WHERE xact_finish IS NULL;
CREATE INDEX ON action.circulation (circ_staff); CREATE INDEX ON action.circulation (checkin_staff);
CREATE INDEX ON action.circulation (target_copy);
CREATE INDEX ON action.aged_circulation (circ_lib); CREATE INDEX ON action.aged_circulation (xact_start);
CREATE INDEX ON action.aged_circulation (copy_circ_lib); CREATE INDEX ON action.aged_circulation (copy_owning_lib);
CREATE INDEX ON action.aged_circulation (copy_location); CREATE INDEX ON action.aged_circulation (target_copy);
CREATE INDEX ON action.aged_circulation (parent_circ);
CREATE INDEX ON action.usr_circ_history (source_circ); CREATE INDEX ON action.circulation_limit_group_map (circ);
CREATE INDEX ON action.emergency_closing_circulation (circulation); CREATE INDEX ON action.archive_actor_stat_cat (xact);
CREATE INDEX ON action_trigger.event (target, event_def); CREATE INDEX ON action_trigger.event (event_def, state);
CREATE INDEX ON action_trigger.event (template_output);
CREATE INDEX ON action_trigger.event (error_output); CREATE INDEX ON action_trigger.event (async_output);
CREATE INDEX ON action_trigger.event (context_user);
CREATE INDEX ON money.billing (xact); CREATE INDEX ON money.materialized_billable_xact_summary (usr);
CREATE INDEX ON money.materialized_billable_xact_summary (xact_start)
"""
FILL = """
INSERT INTO actor.org_unit (id, parent_ou, ou_type, ill_address, shortname, name, opac_visible, fiscal_calendar,
    staff_catalog_visible) SELECT n, nullif((n + 1) / 3, 0), 1, NULL, 'L' || n, 'L' || n, true, 1, true
    FROM generate_series(1, 4) n;
INSERT INTO actor.usr_address (id, valid, within_city_limits, address_type, usr, street1, city, country, post_code, pending)
  SELECT n, true, true, 'x', n, 's', 'c', 'u', (10000 + n)::text, false FROM generate_series(1, {patrons}) n;
INSERT INTO actor.usr (id, profile, usrname, passwd, standing, ident_type, net_access_level, first_given_name, family_name,
    home_ou, dob, active, master_account, super_user, barred, deleted, juvenile, usrgroup, claims_returned_count,
    credit_forward_balance, last_xact_id, create_date, expire_date, claims_never_checked_out_count, mailing_address)
  SELECT n, 2, 'u' || n, '', 1, 1, 1, 'f', 'l', 1 + mod(n, 4), '1980-01-01', true, false, false, false, false, false, n, 0,
    0, 'x', now(), now(), 0, n FROM generate_series(1, {patrons}) n;
INSERT INTO asset.call_number (id, creator, editor, record, owning_lib, label, deleted, prefix, suffix, label_class)
  SELECT n, 1, 1, n, 1 + mod(n, 4), 'x', false, 1, 1, 1 FROM generate_series(1, {titles}) n;
INSERT INTO asset.copy (id, circ_lib, creator, call_number, editor, status, location, loan_duration, fine_level, circulate,
    deposit, ref, holdable, deposit_amount, barcode, opac_visible, deleted, mint_condition)
  SELECT n, 1, 1, 1 + mod(n, {titles}), 1, 0, 1, 2, 2, true, false, false, true, 0, 'c' || n, true, false, true
  FROM generate_series(1, {copies}) n;
INSERT INTO action_trigger.hook (key, core_type, passive) VALUES ('due', 'circ', true);
INSERT INTO action_trigger.event_definition (id, active, owner, name, hook, validator, reactor, delay)
  VALUES (1, true, 1, 'due', 'due', 'x', 'x', '1 day');
INSERT INTO action.circulation (id, usr, xact_start, xact_finish, target_copy, circ_lib, circ_staff, renewal_remaining,
    grace_period, due_date, checkin_time, create_time, fine_interval, phone_renewal, desk_renewal, opac_renewal,
    auto_renewal, duration_rule, recurring_fine_rule, max_fine_rule, copy_location, parent_circ)
  SELECT n, 1 + mod(n * 7919, {patrons}), at, CASE WHEN mod(n, 400) <> 399 THEN at + interval '20 days' END,
    1 + mod(n * 104729, {copies}), 1, 1, 2, '0', at + interval '14 days', at + interval '20 days', at, '1 day', false,
    false, true, false, 'd', 'r', 'm', 1, CASE WHEN mod(n, 7) = 6 THEN n - 1 END
  FROM (SELECT n::bigint AS n, timestamptz '2022-01-01' + n * interval '30 seconds' AS at
        FROM generate_series(1, {loans}) n) x;
INSERT INTO money.materialized_billable_xact_summary (id, usr, xact_start, xact_finish, balance_owed)
  SELECT id, usr, xact_start, xact_finish, 0 FROM action.circulation;
INSERT INTO action_trigger.event_output (id, create_time, is_error, data)
  SELECT n, now(), false, 'Dear reader, your items' FROM generate_series(1, {loans} / 5) n;
INSERT INTO action_trigger.event (id, target, event_def, add_time, run_time, state, template_output, context_user)
  SELECT n, n * 5, 1, now(), now(), 'complete', n, 1 + mod(n::bigint * 5 * 7919, {patrons}) FROM generate_series(1, {loans} / 5) n;
INSERT INTO action.usr_circ_history (id, usr, xact_start, target_copy, due_date, source_circ)
  SELECT id, usr, xact_start, target_copy, due_date, id FROM action.circulation WHERE mod(id, 10) = 3;
INSERT INTO money.billing (id, xact, billing_ts, voided, amount, billing_type, btype, create_date)
  SELECT id, id, now(), false, 1, 'x', 1, now() FROM action.circulation WHERE mod(id, 20) = 3
"""


@dataclass
class Counted(Way):
    """One way of severing, whose work yields the rows and seconds of each transaction."""

    longest: float = 0.0

    @classmethod
    def of(cls, name: str, server: Server, work: Callable[[], Iterator[tuple[int, float]]]) -> Counted:
        """Return the way that does all of ``work`` as a slice."""

        def whole() -> int:
            took = list(work())
            made.longest = max(made.longest, *(seconds for _, seconds in took))
            return sum(rows for rows, _ in took)

        made = cls(name, whole, server)
        return made


@contextmanager
def evergreen(loans: int) -> Iterator[tuple[SqlFinder, SqlSeverer, sa.Engine, Server]]:
    """Build and fill an Evergreen, and open it through a map that has read this bench's triggers."""
    options = ["shared_buffers=3GB", "max_wal_size=4GB", "work_mem=32MB", "synchronous_commit=on"]
    with postgresql(options=options) as server, tempfile.TemporaryDirectory() as folder:
        server.execute("CREATE DATABASE evergreen")
        url = server.url(database="evergreen")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        size = {"loans": loans, "patrons": max(100, loans // 13), "copies": loans // 5, "titles": loans // 8}
        with engine.connect() as connection:
            tables.create(connection, tables.read(load.shipped("evergreen")))
            connection.exec_driver_sql(AROUND.format(same=SAME, own="c." + SAME.replace(", ", ", c.")))
            connection.exec_driver_sql("SET session_replication_role = 'replica'")
            connection.exec_driver_sql(FILL.format(**size))
            connection.exec_driver_sql("SET session_replication_role = 'origin'")
            connection.exec_driver_sql("VACUUM ANALYZE")
            digest = read_structure(connection, qualified=True).tables["action.circulation"].trigger_digest()
        site = _site(Path(folder), url, digest)
        loaded = load.load_map(Path(folder) / "evergreen.toml")
        finder = SqlFinder(read_site(site), "ils", loaded)
        severer = SqlSeverer(read_site(site), finder.database)
        severer.prepare()
        try:
            yield finder, severer, engine, server
        finally:
            severer.close()
            finder.close()
            engine.dispose()


def _site(folder: Path, url: str, digest: str) -> Path:
    text = (load.MAPS / "evergreen.toml").read_text(encoding="utf-8")
    start = text.index("read_as", text.index('[tables."action.circulation"]'))
    text = f'{text[:start]}read_as = ["{digest}"]{text[text.index(chr(10), start) :]}'
    text = text.replace('"action_circulation_aging_tgr",', '"action_circulation_aging_tgr",', 1)
    (folder / "evergreen.toml").write_text(text, encoding="utf-8")
    (folder / "evergreen.columns.csv").write_text((load.MAPS / "evergreen.columns.csv").read_text(encoding="utf-8"))
    (folder / "reticent.toml").write_text(SITE.format(system=SYSTEM.strip(), url=url))
    return folder / "reticent.toml"


def ours(severer: SqlSeverer, rows: int, run: str, *, paced: bool = False) -> Callable[[], Iterator[tuple[int, float]]]:
    """Return what severs about ``rows`` rows, going on where it ended; ``paced`` as the engine would in a run."""
    (step,) = severer.steps("circulation")
    walk: Walk = severer.chunks(step, CUTOFF, run)

    def work() -> Iterator[tuple[int, float]]:
        left, size = rows, FIRST if paced else CHUNK
        while left > 0 and (chunk := walk.next(size)) is not None:
            begun = time.perf_counter()
            done = severer.apply(chunk, 1).rows
            seconds = time.perf_counter() - begun
            yield done, seconds
            walk.advance()
            left -= max(done, 1)
            if paced:
                size = int(min(LARGEST, 2 * size, max(size // 2, done * AIM_SECONDS / seconds)))

    return work


def row_by_row(engine: sa.Engine, rows: int, purge: str) -> Callable[[], Iterator[tuple[int, float]]]:
    """Return what has ``purge`` delete about ``rows`` finished loans from the newest down, through the triggers."""
    query = sa.text(f"SELECT action.{purge}(:n)")
    newest = sa.text("SELECT max(id) FROM action.circulation")
    above = sa.text("SELECT count(*) FROM action.circulation WHERE id > :low")

    def work() -> Iterator[tuple[int, float]]:
        with engine.connect() as connection:
            # A trigger deletes the rest of a chain, so the statement's count says too little; to count takes 4 ms.
            low = {"low": connection.execute(newest).scalar_one() - 10 * rows}
            left = connection.execute(above, low).scalar_one()
            for _ in range(rows // PEER_CHUNK):
                begun = time.perf_counter()
                connection.execute(query, {"n": PEER_CHUNK})
                yield 0, time.perf_counter() - begun
            yield left - connection.execute(above, low).scalar_one(), 0.0

    return work


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--loans", type=int, default=2_000_000)
    arguments.add_argument("--turns", type=int, default=5)
    asked = arguments.parse_args()
    with evergreen(asked.loans) as (finder, severer, engine, server):
        why = severer.native(finder.database.loaded.one("circulation"))
        assert not why, why
        due = finder.survey("circulation", CUTOFF).due
        print(f"{asked.loans:,} loans, {due:,} due; the aged table is empty and vacuumed")
        fast = Counted.of("Reticent, triggers left out", server, ours(severer, 4 * CHUNK, "in turns"))
        slow = Counted.of("row by row through triggers", server, row_by_row(engine, 4 * PEER_CHUNK, "purge"))
        own = Counted.of("the same, each chain followed", server, row_by_row(engine, 4 * PEER_CHUNK, "purge_chains"))
        for _ in range(asked.turns):
            for way in (fast, slow, own):
                way.slice()
        rest = Counted.of("Reticent, all that is left, paced", server, ours(severer, due, "rest", paced=True))
        rest.slice()
        left = finder.survey("circulation", CUTOFF).due
    print("| way | rows | rows/s, median of slices | first slice | last slice | CPU us a row | longest transaction s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for way in (fast, slow, own, rest):
        rates = way.rates
        print(
            f"| {way.name} | {way.rows:,} | {statistics.median(rates):,.0f} | {rates[0]:,.0f} | {rates[-1]:,.0f} "
            f"| {statistics.median(way.cpu):.0f} | {way.longest:.2f} |"
        )
    for peer in (slow, own):
        compare(f"Reticent / {peer.name} (aim: at least 8)", times(fast.rates, peer.rates), 1)
        compare("  by CPU", times(peer.cpu, fast.cpu), 1)
    print(f"still due: {left}")


if __name__ == "__main__":
    main()
