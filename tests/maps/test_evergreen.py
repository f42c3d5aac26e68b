"""Evergreen on a real PostgreSQL: chains, notices, money by the number of a loan, triggers and rules in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.maps import tables
from tests.maps.acceptance import promise
from tests.maps.case import Case
from tests.maps.planting import LATE, MARK
from tests.maps.stage import staged
from tests.servers import Server

from reticent.site import read_site
from reticent.stores.sql.database import Database
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.grants import needs
from reticent.stores.sql.severer import SqlSeverer
from reticent.systems.fit import fit
from reticent.systems.load import shipped
from reticent.systems.structure import ColumnInfo, Structure, TableInfo

VALUES: dict[str, Any] = {
    "*.deleted": True,
    "*.parent_circ": None,
    "action.aged_circulation.parent_circ": 4242,
    "*.delay": "5 minutes",
    "action_trigger.hook.key": lambda person: f"hook{person.mark[0]}{person.index}",
    "action_trigger.hook.core_type": "circ",
    "action_trigger.hook.description": None,
    "action_trigger.event_definition.name": lambda person: f"definition{person.mark[0]}{person.index}",
    "action_trigger.event_definition.active": True,
    "*.validator": "x",
    "*.reactor": "x",
    "action_trigger.event.state": "complete",
    "actor.org_unit.shortname": lambda person: f"L{person.mark[0]}{person.index}",
    "actor.org_unit.name": lambda person: f"Library {person.mark[0]}{person.index}",
    "action.fieldset.classname": "au",
    "action.fieldset.status": "APPLIED",
    "acq.lineitem.state": "received",
    "money.materialized_billable_xact_summary.balance_owed": 0,
    "*.amount": 1,
    "acq.lineitem.marc": "T",
    "acq.lineitem.source_label": "T",
    "action.circulation.duration_rule": "T",
    "action.circulation.max_fine_rule": "T",
    "action.circulation.recurring_fine_rule": "T",
    "action.circulation.stop_fines": "T",
    "action.aged_circulation.duration_rule": "T",
    "action.aged_circulation.max_fine_rule": "T",
    "action.aged_circulation.recurring_fine_rule": "T",
    "action.aged_circulation.stop_fines": "T",
    "action.hold_request.hold_type": "T",
    "action.hold_request.holdable_formats": "T",
    "action.aged_hold_request.hold_type": "T",
    "action.aged_hold_request.holdable_formats": "T",
    "action.fieldset_col_val.col": "T",
    "action.survey.description": "T",
    "action.survey.name": "T",
    "action_trigger.event_definition.cleanup_failure": None,
    "action_trigger.event_definition.cleanup_success": None,
    "action_trigger.event_definition.context_bib_path": None,
    "action_trigger.event_definition.context_item_path": None,
    "action_trigger.event_definition.context_library_path": None,
    "action_trigger.event_definition.context_usr_path": None,
    "action_trigger.event_definition.delay_field": None,
    "action_trigger.event_definition.granularity": None,
    "action_trigger.event_definition.group_field": None,
    "action_trigger.event_definition.message_library_path": None,
    "action_trigger.event_definition.message_template": None,
    "action_trigger.event_definition.message_title": None,
    "action_trigger.event_definition.message_usr_path": None,
    "action_trigger.event_definition.opt_in_setting": None,
    "action_trigger.event_definition.template": None,
    "action_trigger.event_definition.usr_field": None,
    "actor.org_unit.email": None,
    "actor.org_unit.phone": None,
    "asset.call_number.label": "QA 76",
    "asset.call_number.label_sortkey": "QA 76",
    "asset.copy.alert_message": None,
    "asset.copy.deleted": lambda person: person.mark == MARK,
    "asset.copy.circ_as_type": None,
    "asset.copy.circ_modifier": None,
    "asset.copy.dummy_author": None,
    "asset.copy.dummy_isbn": None,
    "asset.copy.dummy_title": None,
    "auditor.asset_copy_history.circ_as_type": None,
    "auditor.asset_copy_history.circ_modifier": None,
    "auditor.asset_copy_history.dummy_author": None,
    "auditor.asset_copy_history.dummy_isbn": None,
    "auditor.asset_copy_history.dummy_title": None,
    "auditor.asset_copy_history.audit_action": "U",
    "auditor.asset_copy_history.barcode": "C1",
    "asset.course_module_course.course_number": "101",
    "asset.course_module_course.name": "101",
    "asset.course_module_course.section_number": "101",
    "money.aged_billing.billing_type": "x",
    "money.materialized_billable_xact_summary.last_billing_type": "x",
    "money.aged_payment.payment_type": "x",
    "money.billing.billing_type": "x",
    "config.global_flag.value": None,
    "config.global_flag.label": "x",
    "reporter.template.data": "x",
    "reporter.template.description": "x",
    "reporter.template.name": "x",
    "actor.usr.last_xact_id": "x",
    "actor.usr.locale": None,
    "action_trigger.event_output.locale": None,
    "openapi.endpoint_access_attempt_log.endpoint": "x",
    "asset.copy.barcode": lambda person: f"C{person.mark[0]}{person.index}",
    "config.global_flag.name": lambda person: f"flag{person.mark[0]}{person.index}",
    "openapi.authen_attempt_log.request_id": lambda person: f"request{person.mark[0]}{person.index}",
    "openapi.endpoint_access_attempt_log.request_id": lambda person: f"request{person.mark[0]}{person.index}",
    "action.in_house_use.workstation": 7,
    "money.aged_billing.xact": 7,
    "money.aged_payment.xact": 7,
    "*.grace_period": "0 days",
    "*.fine_interval": "1 day",
    "actor.usr.mailing_address": None,
    "actor.usr.billing_address": None,
    "actor.usr_address.replaces": None,
    "actor.org_unit.parent_ou": None,
}
AROUND = (
    "CREATE SCHEMA evergreen",
    "CREATE SEQUENCE money.billable_xact_id_seq START 90000001",
    "CREATE SEQUENCE action.hold_request_id_seq START 90000001",
    "CREATE SEQUENCE auditor.actor_usr_pkey_seq START 90000001",
    "CREATE SEQUENCE auditor.actor_usr_address_pkey_seq START 90000001",
    # Of an edit, one of the account and a stored query must stand there; nobody can say of an item that is gone
    # that its alert was acknowledged.
    "ALTER TABLE action.fieldset ADD CHECK ((stored_query IS NULL) <> (pkey_value IS NULL))",
    "UPDATE asset.copy_alert SET ack_time = NULL WHERE id = (SELECT max(id) FROM asset.copy_alert WHERE note ~ 'Zyxmark')",
    # A hold aged where nothing about its patron is kept still has its number and its times.
    ("UPDATE action.aged_hold_request SET usr_post_code = NULL, usr_birth_year = NULL, cancel_note = NULL, canceled_by = NULL, "
    "canceling_ws = NULL, fulfillment_staff = NULL, prev_check_time = NULL WHERE id = (SELECT max(id) FROM action.aged_hold_request)"),
    # What a loan of these days is owed for belongs to it.
    ("INSERT INTO action.circulation SELECT (jsonb_populate_record(c, jsonb_build_object('id', s.id))).* "
    "FROM action.circulation c, money.materialized_billable_xact_summary s "
    "WHERE s.usr = 74000007 AND c.id = (SELECT min(id) FROM action.circulation WHERE usr = 74000007)"),
    "CREATE TABLE actor.org_unit_setting (org_unit int, name text, value text)",
    ("CREATE VIEW action.all_hold_request AS SELECT id, usr <> requestor AS staff_placed, "
    "phone_notify IS NOT NULL AS phone_notify, sms_notify IS NOT NULL AS sms_notify FROM action.hold_request "
    "UNION ALL SELECT id, staff_placed, phone_notify, sms_notify FROM action.aged_hold_request"),
    ("CREATE VIEW action.all_circulation AS SELECT c.id, u.home_ou AS usr_home_ou, u.profile AS usr_profile, "
    "c.xact_start FROM action.circulation c JOIN actor.usr u ON u.id = c.usr"),
    ("UPDATE actor.usr u SET name_kw_tsvector = CAST(quote_literal(first_given_name) AS tsvector), mailing_address = a.id, "
    "billing_address = a.id FROM actor.usr_address a WHERE a.usr = u.id"),
    "CREATE VIEW money.payment_view AS SELECT id, xact, note FROM money.cash_payment",
    # Things without a barcode are lent for as long as their type says; the system's own view says which still are.
    "CREATE TABLE config.non_cataloged_type (id integer, circ_duration interval)",
    "INSERT INTO config.non_cataloged_type SELECT DISTINCT item_type, interval '14 days' FROM action.non_cataloged_circulation",
    "DROP TABLE action.open_non_cataloged_circulation",
    ("CREATE VIEW action.open_non_cataloged_circulation AS SELECT c.* FROM action.non_cataloged_circulation c "
    "JOIN config.non_cataloged_type t ON t.id = c.item_type WHERE c.circ_time + t.circ_duration > current_timestamp"),
    # What they have in common stands in a table of its own, which has no rows.
    ("CREATE TABLE money.billable_xact (id bigint NOT NULL, usr int NOT NULL, xact_start timestamptz NOT NULL, "
    "xact_finish timestamptz, unrecovered bool)"),
    *(f"ALTER TABLE {table} INHERIT money.billable_xact" for table in ("action.circulation", "money.grocery",
                                                                       "booking.reservation")),
)  # fmt: skip
"""What the tables of the map stand among."""
OTHER_HOOKS = (
    (
        "INSERT INTO action_trigger.hook (key, core_type, passive) VALUES ('holds', 'ahr', false), ('users', 'au', false), "
        "('rooms', 'bresv', false), ('orders', 'acqpo', false)"
    ),
    *(
        "INSERT INTO action_trigger.event_definition (id, active, owner, name, hook, validator, reactor, delay) "
        f"SELECT {number}, true, min(id), '{hook}', '{hook}', 'x', 'x', '1 day' FROM actor.org_unit"
        for number, hook in ((1, "holds"), (2, "users"), (3, "rooms"), (4, "orders"))
    ),
    "UPDATE action_trigger.event SET event_def = 2, target = context_user, user_data = NULL WHERE user_data = '\"au\"'",
    # Deleting an account puts the administrator, who has one, in the patron's place.
    (
        "INSERT INTO action_trigger.event (id, target, event_def, add_time, run_time, state, context_user) "
        "VALUES (7000001, 77000002, 2, now(), '2020-01-01', 'complete', 79000001)"
    ),
    (
        "UPDATE action_trigger.event e SET target = (SELECT min(c.id) FROM action.circulation c WHERE c.usr = COALESCE(e.context_user, 77000001)) "
        "WHERE event_def > 4"
    ),
    *(
        "INSERT INTO action_trigger.event (id, target, event_def, add_time, run_time, state, context_user) "
        f"SELECT id + {more}, id, {number}, now(), '2020-01-01', 'complete', usr FROM {table} WHERE usr > 77000000 "
        "AND usr < 78000000"
        for more, number, table in ((5000000, 1, "action.hold_request"), (6000000, 3, "booking.reservation"))
    ),
)
"""An event says by its definition of what its target is the number."""
DUE: dict[str, Any] = {
    "events.account": {"user_data": '"au"'},
    "holds": {"cancel_time": None},
    "curbside.missed": {"delivered": None},
    "reservation": {"cancel_time": None},
    "user_request.done": {"cancel_time": None},
    "archived_stat_cats": {"xact": 4242},
    "unfilled_holds": {"hold": 4242},
}
STAYS = {
    "actor.usr.id": "the number others refer to; the person has no name any more",
    "actor.usr_message.usr": "who a message was to, without the message",
    "acq.lineitem": "staff who ordered",
    "action.fieldset.name": "what staff called a batch edit",
    "action.fieldset.owner": "staff",
    "action.in_house_use.staff": "staff who counted a use",
    "asset.call_number": "staff who made it",
    "asset.copy": "staff who made it",
    "asset.copy_alert.create_staff": "staff who wrote it",
    "offline.script": "reported only: a file on disk",
    "reporter.report": "reported only: a staff report",
    "reporter.template.owner": "staff",
    "sip.session": "reported only: a terminal",
}
NOBODYS = {"survey_response": "an answer without a name: its group is nobody's number"}


def _copied(source: str, target: str, also: dict[str, str]) -> str:
    """An INSERT of what two tables have in common, as a trigger does it."""
    there = {column.name for column in COLUMNS[source]}
    same = [column.name for column in COLUMNS[target] if column.name in there and column.name not in also]
    values = ", ".join([*also.values(), *(f"OLD.{name}" for name in same)])
    return f"INSERT INTO {target} ({', '.join([*also, *same])}) SELECT {values}"


def _trigger(table: str, name: str, when: str, body: str, result: str = "OLD") -> tuple[str, str]:
    function = f"{table.partition('.')[0]}.{name}_f"
    return (
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN {result}; END $$",
        f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()",
    )


COLUMNS = tables.read(shipped("evergreen"))
PERSON = {"usr_post_code": "'12345'", "usr_home_ou": "u.home_ou", "usr_profile": "u.profile", "usr_birth_year": "1980"}
ITEM = {
    "copy_call_number": "c.call_number",
    "copy_owning_lib": "n.owning_lib",
    "copy_circ_lib": "c.circ_lib",
    "copy_bib_record": "n.record",
}
HOLD = {"staff_placed": "OLD.usr <> OLD.requestor", "phone_notify": "true", "sms_notify": "true"}
TRIGGERS = (
    *_trigger("action.circulation", "action_circulation_aging_tgr", "BEFORE DELETE",
        "IF EXISTS (SELECT 1 FROM action.circulation WHERE parent_circ = OLD.id) THEN RETURN NULL; END IF; "
        + _copied("action.circulation", "action.aged_circulation", PERSON | ITEM)
        + " FROM actor.usr u, asset.copy c, asset.call_number n WHERE u.id = OLD.usr AND c.id = OLD.target_copy "
        "AND n.id = c.call_number"),
    *_trigger("action.circulation", "age_parent_circ", "AFTER DELETE",
        "DELETE FROM action.circulation WHERE id = OLD.parent_circ"),
    *_trigger("action.circulation", "mat_summary_remove_tgr", "AFTER DELETE",
        "DELETE FROM money.materialized_billable_xact_summary WHERE id = OLD.id"),
    *_trigger("action.hold_request", "action_hold_request_aging_tgr", "BEFORE DELETE",
        _copied("action.hold_request", "action.aged_hold_request", PERSON | HOLD) + " FROM actor.usr u WHERE u.id = OLD.usr"),
    *_trigger("actor.usr", "audit_actor_usr_update_trigger", "AFTER UPDATE OR DELETE",
        _copied("actor.usr", "auditor.actor_usr_history", {
            "audit_id": "nextval('auditor.actor_usr_pkey_seq')", "audit_time": "now()", "audit_action": "'U'"})),
    *_trigger("actor.usr_address", "audit_actor_usr_address_update_trigger", "AFTER UPDATE OR DELETE",
        _copied("actor.usr_address", "auditor.actor_usr_address_history", {
            "audit_id": "nextval('auditor.actor_usr_address_pkey_seq')", "audit_time": "now()", "audit_action": "'D'"})),
    ("CREATE RULE protect_actor_usr_delete AS ON DELETE TO actor.usr DO INSTEAD "
    "UPDATE actor.usr SET deleted = true WHERE id = OLD.id"),
    ("CREATE RULE protect_actor_usr_message_delete AS ON DELETE TO actor.usr_message DO INSTEAD "
    "UPDATE actor.usr_message SET deleted = true WHERE id = OLD.id"),
)  # fmt: skip
"""Written from what Evergreen's are described to do. They are not those the map has read: they do the work."""
OPEN = datetime.now(UTC) + timedelta(days=2)
LOAN, BILL, HOLD_ID, ROOM = 80_000_001, 80_000_002, 80_000_003, 80_000_004
"""Numbers of what a living patron has: a loan, a bill, a hold, a room."""
ALIVE: dict[str, tuple[dict[str, Any], ...]] = {
    "actor.usr": ({"deleted": False},),
    "actor.usr_setting": ({"name": "history.circ.retention_start"},),
    "action.circulation": ({"id": LOAN, "xact_finish": None, "checkin_time": None},),
    "action.usr_circ_history": ({"source_circ": LOAN},),
    "action.hold_request": ({"id": HOLD_ID, "fulfillment_time": None, "cancel_time": None},),
    "booking.reservation": ({"id": ROOM, "cancel_time": None, "return_time": None, "xact_finish": None},),
    "money.grocery": ({"id": BILL, "xact_finish": None},),
    "money.materialized_billable_xact_summary": (
        {"id": LOAN, "xact_finish": None, "balance_owed": 5},
        {"id": BILL, "xact_finish": None, "balance_owed": 5},
    ),
    "money.billing": ({"xact": LOAN, "voider": None},),
    "money.cash_payment": ({"xact": LOAN, "accepting_usr": 1},),
    "money.collections_tracker": ({},),
    "action.archive_actor_stat_cat": ({"xact": LOAN},),
    "action.circulation_limit_group_map": ({"circ": LOAN},),
    "action_trigger.event": ({"target": LOAN},),
    "action_trigger.event_output": ({},),
    "action.unfulfilled_hold_list": ({"hold": HOLD_ID},),
    "reporter.hold_request_record": ({"id": HOLD_ID},),
    "action.hold_request_reset_reason_entry": ({"hold": HOLD_ID},),
    "action.hold_request_note": ({"hold": HOLD_ID},),
    "action.hold_copy_map": ({"hold": HOLD_ID},),
    "action.non_cataloged_circulation": ({"circ_time": OPEN - timedelta(days=4)},),
    "action.curbside": ({"delivered": None, "slot": OPEN},),
    "acq.lineitem": ({"state": "on-order"},),
    "acq.user_request": ({"cancel_time": None},),
    "actor.usr_standing_penalty": ({"stop_date": None},),
    "actor.usr_message": ({},),
    "asset.copy": ({"deleted": False},),
    "asset.copy_alert": ({"ack_time": None},),
    "asset.copy_note": ({},),
    "asset.course_module_course": ({"is_archived": False},),
    **{
        table: ({},)
        for table in (
            "actor.card",
            "actor.passwd",
            "actor.stat_cat_entry_usr_map",
            "actor.usr_address",
            "actor.usr_privacy_waiver",
            "actor.usr_saved_search",
            "asset.course_module_course_users",
            "container.biblio_record_entry_bucket",
            "container.biblio_record_entry_bucket_item",
            "container.user_bucket_item",
            "serial.routing_list_user",
        )
    },
}
BARE = Case(
    "evergreen",
    values=VALUES,
    due=DUE,
    alive=ALIVE,
    stays=STAYS,
    nobodys=NOBODYS,
    before=(*AROUND, *OTHER_HOOKS),
)
LIVE = replace(BARE, before=(*AROUND, *OTHER_HOOKS, *TRIGGERS))


@pytest.mark.parametrize("case", [pytest.param(BARE, marks=pytest.mark.soak), LIVE], ids=["left out", "triggers"])
def test_evergreen(case: Case, tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]) -> None:
    """By either executor nobody is left, nothing else is changed, and what was counted is counted still."""
    promise(staged(case, tmp_path, fresh_database(postgresql), postgresql))


def test_notes_on_money_are_kept_for_a_refund_though_the_loan_and_its_account_line_are_severed(
    tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    """With the line gone, notes had no end and were due at once."""
    retention = {"circulation": "0 days", "facility": "0 days", "payment": "60 days", "refund_window": "60 days"}
    stage = staged(replace(BARE, retention=retention), tmp_path, fresh_database(postgresql), postgresql)
    stage.run("plan", "--out", str(tmp_path / "plan.json"), code=0)
    stage.run("sever", "--plan", str(tmp_path / "plan.json"), code=0)
    assert [row for row in stage.snapshot()["money.billing"] if row["note"] and LATE in str(row["note"])]


def test_notices_of_a_chunk_are_looked_up_and_not_all_notices_read(
    tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    """The server read every notice there is into a hash for each chunk: the more there were, the slower all was."""
    url = fresh_database(postgresql)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        tables.create(connection, tables.read(shipped("evergreen")))
        for column in ("target", "template_output"):
            connection.exec_driver_sql(f"CREATE INDEX event_{column} ON action_trigger.event ({column})")
        connection.exec_driver_sql("SET session_replication_role = 'replica'")
        connection.exec_driver_sql(NOTICES)
        connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()
    (tmp_path / "reticent.toml").write_text(
        f'[library]\nname = "L"\nbranches = "all"\n[systems.ils]\nkind = "evergreen"\n'
        f'[systems.ils.accounts]\nfind = "{url}"\nsever = "{url}"\n'
    )
    site = read_site(tmp_path / "reticent.toml")
    finder = SqlFinder(site, "ils", shipped("evergreen"))
    severer = SqlSeverer(site, finder.database)
    conditions = severer._known("circulation")
    found = severer._companions(conditions, conditions.series.also[0])
    assert found is not None
    text = str(found[1].compile(severer._engine))
    values = found[1].compile(severer._engine).params | {"keys": "{" + ",".join(map(str, range(1, 3000))) + "}"}
    with severer._engine.connect() as connection:
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {text}", values))
    severer.close()
    finder.close()
    assert "using event_template_output on event l0" in plan
    assert "Index Cond: (template_output = " in plan
    assert "Hash Cond" not in plan


NOTICES = """
INSERT INTO action_trigger.hook (key, core_type, passive) VALUES ('due', 'circ', true);
INSERT INTO action_trigger.event_definition (id, active, owner, name, hook, validator, reactor, delay)
  VALUES (1, true, 1, 'due', 'due', 'x', 'x', '1 day');
INSERT INTO action_trigger.event_output (id, create_time, is_error, data)
  SELECT n, now(), false, 'Dear reader' FROM generate_series(1, 60000) n;
INSERT INTO action_trigger.event (id, target, event_def, add_time, run_time, state, template_output)
  SELECT n, n * 5, 1, now(), now(), 'complete', n FROM generate_series(1, 60000) n
"""


def test_neither_finding_nor_severing_reads_who_a_patron_is() -> None:
    """By the rights they are given: of accounts their number and what says that they are gone, of cards no barcode."""
    loaded = shipped("evergreen")
    structure = Structure(
        {
            name: TableInfo(
                name, {c.name: ColumnInfo(c.name, c.type, c.nullable) for c in columns}, schema=name.partition(".")[0]
            )
            for name, columns in COLUMNS.items()
        }
    )
    database = Database("ils", loaded, structure, fit(loaded, structure), None, None, frozenset(), "postgresql")
    for account in ("find", "sever"):
        read = needs(database, account).select
        own = {"id", "deleted", "home_ou", "profile", "last_xact_id", "last_update_time", "super_user", "ctid"}
        assert read["actor.usr"] <= own | {"mailing_address", "billing_address"}
        assert not read.get("actor.card", set()) & {"barcode"}
        assert read["actor.usr_address"] <= {"id", "usr", "replaces"}
        assert not read.get("auditor.actor_usr_history", set()) - {"audit_id", "audit_time", "id", "xmin"}


def test_each_of_the_facts_is_accounted_for() -> None:
    """Every place that was read in Evergreen's schema is a series, goes with one, or is named with a reason."""
    loaded = shipped("evergreen")
    accounted = {*loaded.harmless, *(table for series in loaded.series for table in loaded.changes(series))}
    accounted |= {series.table for series in loaded.series}
    assert [place for place in PLACES.split() if place not in accounted] == []


PLACES = """
acq.user_request action.aged_circulation action.aged_hold_request action.archive_actor_stat_cat
action.archive_asset_stat_cat action.batch_hold_event_map action.circulation action.circulation_limit_group_map
action.curbside action.emergency_closing_circulation action.fieldset_col_val action.hold_copy_map
action.hold_notification action.hold_request action.hold_request_note action.hold_request_reset_reason_entry
action.hold_transit_copy action.in_house_use action.non_cataloged_circulation action.survey_response
action.unfulfilled_hold_list action.usr_circ_history action_trigger.event action_trigger.event_output actor.card
actor.passwd actor.stat_cat_entry_usr_map actor.usr actor.usr_activity actor.usr_address actor.usr_delta_history
actor.usr_message actor.usr_mfa_factor_map actor.usr_org_unit_opt_in actor.usr_password_reset
actor.usr_privacy_waiver actor.usr_saved_search actor.usr_setting actor.usr_standing_penalty asset.copy_alert
asset.copy_note asset.course_module_course_users auditor.actor_usr_address_history auditor.actor_usr_history
auditor.asset_copy_history booking.reservation container.biblio_record_entry_bucket
container.biblio_record_entry_bucket_usr_flags container.call_number_bucket container.copy_bucket
container.user_bucket container.user_bucket_item money.account_adjustment money.aged_billing money.aged_payment
money.billable_xact money.billing money.cash_payment money.check_payment money.collections_tracker
money.credit_card_payment money.credit_payment money.debit_card_payment money.forgive_payment money.goods_payment
money.grocery money.materialized_billable_xact_summary money.work_payment offline.script
openapi.authen_attempt_log openapi.endpoint_access_attempt_log reporter.hold_request_record reporter.report
serial.routing_list_user sip.session staging.user_stage vandelay.queue
"""
"""The others of the list go by a cascade of the server (items and notes of a list), or are shown by an exposure
(asset.copy)."""


def test_an_older_release_without_the_view_of_what_is_still_lent(
    tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    gone = "DROP VIEW action.open_non_cataloged_circulation"
    case = replace(BARE, before=(*BARE.before, gone), retention={"circulation": "0 days"})
    stage = staged(case, tmp_path, fresh_database(postgresql), postgresql)
    found = stage.run("find", code=1)
    assert not found["refused"]
    [lent] = [series for series in found["series"] if series["series"] == "non_cataloged_circulation"]
    assert (lent["ties"], lent["open"], lent["due"]) == (5, 0, 5), "the documentation says so"
