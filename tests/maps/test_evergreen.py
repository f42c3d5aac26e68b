"""Evergreen on a real PostgreSQL: chains, notices, money by the number of a loan, triggers and rules in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.maps.acceptance import Case, promise, staged
from tests.maps.planting import Person
from tests.servers import Server


def card(person: Person) -> str:
    return person.card


def number(person: Person) -> int:
    return person.number


VALUES: dict[str, Any] = {
    "*.deleted": True,
    "*.parent_circ": None,
    "*.delay": "5 minutes",
    "action_trigger.hook.key": lambda person: f"hook{person.index}",
    "action_trigger.hook.core_type": "circ",
    "action_trigger.hook.description": None,
    "action_trigger.event_definition.name": lambda person: f"definition{person.index}",
    "action_trigger.event_definition.active": True,
    "*.validator": "x",
    "*.reactor": "x",
    "action_trigger.event.state": "complete",
    "actor.org_unit.shortname": lambda person: f"L{person.index}",
    "actor.org_unit.name": lambda person: f"Library {person.index}",
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
    "asset.copy.barcode": lambda person: f"C{person.index}",
    "config.global_flag.name": lambda person: f"flag{person.index}",
    "openapi.authen_attempt_log.request_id": lambda person: f"request{person.index}",
    "openapi.endpoint_access_attempt_log.request_id": lambda person: f"request{person.index}",
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
    "CREATE TABLE actor.org_unit_setting (org_unit int, name text, value text)",
    ("CREATE VIEW action.all_hold_request AS SELECT id, usr <> requestor AS staff_placed, "
    "phone_notify IS NOT NULL AS phone_notify, sms_notify IS NOT NULL AS sms_notify FROM action.hold_request "
    "UNION ALL SELECT id, staff_placed, phone_notify, sms_notify FROM action.aged_hold_request"),
    ("CREATE VIEW action.all_circulation AS SELECT c.id, u.home_ou AS usr_home_ou, u.profile AS usr_profile, "
    "c.xact_start FROM action.circulation c JOIN actor.usr u ON u.id = c.usr"),
    "CREATE VIEW money.payment_view AS SELECT id, xact, note FROM money.cash_payment",
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
    (
        "UPDATE action_trigger.event e SET target = (SELECT min(c.id) FROM action.circulation c WHERE c.usr = e.context_user) "
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
    "asset.copy_note": "reported only: staff notes on items",
    "offline.script": "reported only: a file on disk",
    "reporter.report": "reported only: a staff report",
    "reporter.template.owner": "staff",
    "sip.session": "reported only: a terminal",
}
FOLLOWS = frozenset(
    f"container.{table}"
    for table in (
        "biblio_record_entry_bucket_item", "biblio_record_entry_bucket_note", "biblio_record_entry_bucket_shares",
        "biblio_record_entry_bucket_usr_flags", "copy_bucket_item", "copy_bucket_note", "call_number_bucket_item",
        "call_number_bucket_note", "user_bucket_item", "user_bucket_note", "user_bucket_item_note",
    )
) | {"action.batch_hold_event", "actor.usr_standing_penalty.usr_message", "money.billable_xact"}  # fmt: skip
EVERGREEN = Case("evergreen", values=VALUES, due=DUE, stays=STAYS, follows=FOLLOWS, before=(*AROUND, *OTHER_HOOKS))


def test_evergreen(tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]) -> None:
    promise(staged(EVERGREEN, tmp_path, fresh_database(postgresql), postgresql))
