"""Where a FOLIO library's ties stand besides FOLIO: ReShare's messages, and the reporting copies' versions."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from tests.acts import kit
from tests.maps import tables
from tests.maps.acceptance import promise
from tests.maps.case import Case
from tests.maps.planting import PATRONS, Person, Row
from tests.maps.stage import staged, write_site
from tests.maps.test_folio import PLAIN as OF_FOLIO
from tests.servers import Server

from reticent.systems.load import shipped
from reticent.systems.mapfile import Map

R = "diku_mod_rs."
PLAIN = """
pr_pub_date pr_edition pr_artnum pr_req_inst_symbol pr_doi pr_isbn pr_information_source pr_bici pr_place_of_pub
pr_volume pr_title_of_component pr_coden pr_num_pages pr_stitle pr_system_instance_id pr_issue pr_pre_error_status_fk
pr_part pr_publisher pr_sponsor pr_author_of_component pr_pub_type_fk pr_author pr_service_type_fk pr_issn pr_title
pr_start_page pr_eissn pr_pubdate_of_component pr_ssn pr_sici pr_sponsoring_body pr_patron_type pr_quarter
pr_sub_title pr_local_call_number pr_pick_location_fk pr_pick_shelving_location pr_sup_inst_symbol
pr_peer_request_identifier pr_resolved_req_inst_symbol_fk pr_resolved_sup_inst_symbol_fk pr_hrid pr_bib_record
pr_selected_item_barcode pr_pref_service_point pr_previous_state pr_pref_service_point_code
pr_resolved_pickup_location_fk pr_due_date_from_lms pr_due_date_rs pr_oclc_number pr_cancellation_reason_fk
pr_bib_record_id pr_supplier_unique_record_id pr_state_model_fk pr_pull_slip_batch pr_delivery_method_fk pr_pickup_url
pr_preceded_by_fk pr_succeeded_by_fk pr_pages_requested pr_copyright_type_fk pr_maximum_costs_code_fk
pr_service_level_fk pr_return_address pr_cost_currency_fk pr_pickup_location_slug pr_last_protocol_action
pr_network_status pr_pick_shelving_location_fk st_code st_owner st_presentation_sequence st_stage
pra_to_status_fk pra_from_status_fk pra_action_event pa_protocol_method pa_protocol_type pa_response_status
ne_trigger_fk prn_message_sender_fk prn_message_receiver_fk prn_attached_action prn_action_status prn_sender_symbol
prn_message_status
"""
"""Columns that say what a thing is, where it goes or how far it is; never a patron."""
KEYS = (
    "patron.pat_id",
    "patron_request.pr_id",
    "protocol_audit.pa_id",
    "patron_request_audit.pra_id",
    "request_identifier.ri_id",
)


def keyed(word: str) -> Callable[[Person], str]:
    """A key that is no patron's; a row of each person has its own."""
    numbers = iter(range(1, 1000))
    return lambda person: f"{word}{person.first // 1_000_000}-{next(numbers)}"


def reshare() -> Case:
    """A ReShare with finished requests and an open one."""
    values: dict[str, object] = {f"*.{name}": "x" for name in PLAIN.split()}
    values |= {f"{R}{name}": keyed(name[-6:]) for name in KEYS}
    values |= {f"{R}patron_request_notification.prn_id": keyed("n"), f"{R}status.st_id": keyed("s")}
    values |= {f"{R}status.st_terminal": True, f"{R}notice_event.ne_sent": True}
    return Case(
        "reshare",
        tenant="diku",
        values=values,
        alive={
            f"{R}status": ({"st_terminal": False},),
            f"{R}patron_request": ({},),
            f"{R}protocol_audit": ({},),
            f"{R}request_identifier": ({},),
        },
        unmarked={"patron_request: pr_resolved_patron_fk": "the key of the patron's row, which is severed itself"},
        before=(
            f"CREATE TABLE {R}request_volume (rv_id text, rv_patron_request_fk text, rv_temporary_item_barcode text)",
            f"CREATE TABLE {R}shipment_item (si_id text, si_patron_request_fk text)",
            f"CREATE TABLE {R}state_model_status (sms_id text, sms_trigger_pull_slip_email boolean)",
        ),
    )


def test_reshare(tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]) -> None:
    promise(staged(reshare(), tmp_path, fresh_database(postgresql), postgresql))


def named(person: Person) -> dict[str, str]:
    """Somebody, as a part of a document."""
    return {"name": person.name, "id": str(person.uuid)}


SECONDS = count(1)


def moment(person: Person) -> str:
    """A moment of its own for every version."""
    second = next(SECONDS)
    return f"{person.when[:10]} 10:{second // 60 % 60:02}:{second % 60:02}+00:00"


def nobody(_: Person) -> None:
    """What FOLIO names in a record, as it was loaded last, once it is severed there."""


def ldp() -> Case:
    """An LDP with versions of records that FOLIO has severed or deleted, and of some that it still names."""
    loaded = shipped("ldp")
    here = [name for name in loaded.tables if name.startswith("public.")]
    values: dict[str, object] = {f"{name}.id": record for name in loaded.tables if "user_users" not in name}
    for name in here:
        values |= {f"{name}.{path}": nobody for path in loaded.known[name] if "." in path} | {f"{name}.data": "{}"}
        if not any("." in path for path in loaded.known[name]):
            values[f"{name}.id"] = gone
    return Case(
        "ldp",
        values={
            **values,
            **{f"{name}.updated": moment for name in loaded.tables if name not in here},
            **dict.fromkeys((f"{loans}.data.status.name" for loans in ("public.circulation_loans", LOANS)), "Closed"),
            "history.circulation_requests.data.instance.title": "x",
            **{f"history.circulation_requests.data.{who}": named for who in ("requester", "proxy")},
            "history.feesfines_accounts.data.status.name": "Closed",
            "history.feesfines_accounts.data.contributors": lambda person: [named(person)],
            "history.notes_link.data.objectType": "user",
            "history.notes_note_link.data.linkId": record,
            "history.patron_blocks_user_summary.data.openLoans[].loanId": record,
            "history.po_lines.data.titleOrPackage": "x",
        },
        alive={
            "public.circulation_loans": ({"data.userId": lambda person: person.uuid},),
            LOANS: ({f"data.{name.removeprefix('jsonb.')}": None for name in STAFFLESS},),
            "public.feesfines_manualblocks": ({"id": record},),
            "history.feesfines_manualblocks": ({},),
        },
        nobodys={
            "feesfines_accounts.titles": "the title of a fee that nobody owes is no tie",
            "audit_circulation_logs": "FOLIO takes nobody out of its log",
        },
        stays={"history.patron_blocks_user_summary.data": "whose limits they were; no loan and no fee"},
    )


LOANS = "history.circulation_loans"


def gone(person: Person) -> uuid.UUID:
    """The number of another record."""
    return uuid.UUID(int=record(person).int + 500_000)


def test_ldp(tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]) -> None:
    promise(staged(ldp(), tmp_path, fresh_database(postgresql), postgresql))


MERGE = """
INSERT INTO history.circulation_loans (id, data, updated) SELECT s.id, s.data, now() FROM public.circulation_loans s
LEFT JOIN (SELECT DISTINCT ON (id) id, data FROM history.circulation_loans ORDER BY id, updated DESC) h ON h.id = s.id
WHERE h.id IS NULL OR s.data::text <> h.data::text
"""
"""What LDP does every night, the names of its passing tables apart."""


def test_a_patron_whom_folio_still_names_does_not_come_back_to_an_ldp_every_night(
    tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    url = fresh_database(postgresql)
    lab = kit.Lab(tmp_path, url)
    named, severed = uuid.uuid4(), uuid.uuid4()
    with lab.engine.begin() as connection:
        tables.create(connection, ldp().tables)
        for row, names in ((named, True), (severed, False)):
            now = json.dumps({"status": {"name": "Closed"}} | ({"userId": str(row)} if names else {}))
            was = json.dumps({"status": {"name": "Open"}, "userId": str(row)})
            connection.exec_driver_sql("INSERT INTO public.circulation_loans VALUES (%s, %s)", (row, now))
            for year, document in ((2020, was), (2021, now)):
                version = (row, document, f"{year}-01-01")
                connection.exec_driver_sql(f"INSERT INTO {LOANS} VALUES (%s, %s, %s)", version)
    write_site(ldp(), tmp_path, dict.fromkeys(("find", "sever", "prove"), url))
    plan = str(tmp_path / "plan.json")
    assert lab.run("plan", "--out", plan).code == 0
    assert lab.run("sever", "--plan", plan).code == 0
    with lab.engine.begin() as connection:
        assert connection.exec_driver_sql(MERGE).rowcount == 0
        whose = "SELECT count(data->>'userId') FROM history.circulation_loans WHERE id = %s"
        assert connection.exec_driver_sql(whose, (named,)).scalar_one() == 2
        assert connection.exec_driver_sql(whose, (severed,)).scalar_one() == 0
    lab.close()


PLAIN_T = """
__origin status__name action item_status loan__status__name loan__action loan__item_status operation status
request_type request_level fulfillment_preference instance__title item__barcode requester__patron_group material_type
payment_status__name fee_fine_type fee_fine_owner type_action payment_method original_created_at object type location
personal__preferred_contact_type_id created_by
"""
DOCUMENTED = """
triggeringEvent actionType lossType item.barcode instance.title user.patronGroup itemStatusPriorToCheckIn donor
titleOrPackage name notes status.name barcode operation record.barcode record.status.name
"""
"""Paths of the further tables of which severed rows stay, that say what a thing is."""
RECORDS = (
    "circulation.actual_cost_record__",
    "orders.po_line__",
    "orders.po_line__t__",
    "orders.routing_list__",
    "inventory.item__",
    "inventory.audit_item__",
)
"""Tables in which it is not followed who among the staff wrote a record."""
TRANSFORMED = "donor title_or_package payment_status receipt_status item_status_prior_to_check_in"
PLAIN_OF_FOLIO = OF_FOLIO.split()
OTHERS = tuple(f"folio_{m}." for m in ("requests_mediated", "tlr", "dcb", "inn_reach", "remote", "reading_room"))
"""Schemas whose tables hold columns, not documents: what names nobody there is what names nobody in FOLIO."""
CLOSED: Row = {
    "folio_requests_mediated.mediated_request__.mediated_request_status": "Closed",
    "folio_requests_mediated.batch_request__.status": "Completed",
    "folio_requests_mediated.batch_request_split__.status": "Completed",
    "folio_requests_mediated.fake_patron_link__.fake_user_id": uuid.UUID(int=78_700_000),
    "folio_tlr.ecs_tlr__.primary_request_status": "Closed - Filled",
    "folio_dcb.transactions__.status": "CLOSED",
    "folio_dcb.transactions__.id": lambda person: str(record(person)),
    "folio_dcb.transactions_audit__.transaction_id": lambda person: str(record(person)),
    "folio_inn_reach.inn_reach_transaction__.transaction_hold_id": lambda person: record(person),
    "folio_inn_reach.inn_reach_transaction__.state": 13,
    "folio_circulation.loan__.jsonb.status.name": "Closed",
    "folio_circulation.request__.jsonb.status": "Closed - Filled",
    "folio_circulation.request__.jsonb.instance.title": "x",
    "folio_feesfines.accounts__.jsonb.status.name": "Closed",
    "folio_audit.circulation_logs__.jsonb.object": "x",
    "folio_audit.circulation_logs__.jsonb.action": "x",
    "folio_audit.circulation_logs__.jsonb.items[].itemBarcode": "x",
    "folio_circulation.actual_cost_record__.jsonb.status": "Billed",
    "folio_orders.po_line__.jsonb.paymentStatus": "Fully Paid",
    "folio_orders.po_line__.jsonb.receiptStatus": "Cancelled",
    "folio_orders.routing_list__.jsonb.userIds": lambda person: [str(person.uuid)],
    "folio_notes.link__.object_type": "user",
    "folio_notes.link__.object_id": "x",
    "folio_derived.po_instance.title": "x",
    "folio_derived.loans_items.loan_status": "Closed",
    "folio_derived.requests_items.request_status": "Closed - Filled",
    "folio_derived.feesfines_accounts_actions.fine_status": "Closed",
    "folio_derived.po_instance.payment_status": "Fully Paid",
    "folio_derived.po_instance.receipt_status": "Cancelled",
    "*.__current": False,
    "*.__end": "2021-03-02 10:00:00+00:00",
}


def partitioned(tables: list[str]) -> Iterator[str]:
    """Yield what makes partitions of Metadb's main tables: the current versions, and the earlier ones."""
    for name in tables:
        schema, _, table = name.partition(".")
        current, earlier = table.removesuffix("__"), f"zzz___{table.removesuffix('__')}___"
        yield f"ALTER TABLE {name} RENAME TO planted"
        yield f"CREATE TABLE {name} (LIKE {schema}.planted) PARTITION BY LIST (__current)"
        yield f"CREATE TABLE {schema}.{current} PARTITION OF {name} FOR VALUES IN (TRUE)"
        yield f"CREATE TABLE {schema}.{earlier} PARTITION OF {name} FOR VALUES IN (FALSE) PARTITION BY RANGE (__start)"
        yield f"CREATE TABLE {schema}.{earlier}all PARTITION OF {schema}.{earlier} DEFAULT"
        yield f"INSERT INTO {name} SELECT * FROM {schema}.planted"
        yield f"DROP TABLE {schema}.planted"
        yield f"CREATE INDEX ON {name} (__id)"
        yield f"CREATE TABLE {schema}.zzz___{current}___sync (__id bigint)"


def is_text(types: tuple[str, ...]) -> bool:
    return types[:1] in (("text",), ("character varying",))


def reported(loaded: Map, schema: str) -> Iterator[str]:
    """Yield the columns of tables made for reports that say what a thing is, where it stands or of what kind it is."""
    for table, columns in loaded.known.items():
        if table.startswith(f"{schema}.") and not table.startswith(f"{schema}.users_"):
            read = {spec.column for spec in loaded.tables[table].fields.values()}
            yield from (f"{table}.{name}" for name, types in columns.items() if name not in read and types[0] == "text")


def metadb(release: str = "") -> Case:
    """A Metadb with versions of loans that are closed in the current one, of one that is gone, and of an open one."""
    loaded = shipped("metadb")
    plain = dict.fromkeys(f"{PLAIN_T} {TRANSFORMED}".split(), "x") | {
        f"jsonb.{name}": "x" for name in DOCUMENTED.split()
    }
    values: dict[str, Any] = {
        f"{t}.{n}": v for t, columns in loaded.known.items() for n, v in plain.items() if is_text(columns.get(n, ()))
    }
    for name in (f"folio_{record}" for record in RECORDS):
        values |= {f"{name}.{n}": "x" for n in loaded.known[name] if n.lower().replace("_", "").endswith("byusername")}
    values |= dict.fromkeys(reported(loaded, "folio_derived"), "x")
    for name in (name for name in loaded.known if name.startswith(OTHERS)):
        values |= {f"{name}.{n}": "x" for n in PLAIN_OF_FOLIO if is_text(loaded.known[name].get(n, ()))}
    ids = {
        f"{t}.id": record
        for t in loaded.tables
        if t.endswith("__") and not t.startswith(("folio_users.users__", "folio_users.patronpin__"))
    }
    ids |= dict.fromkeys(("folio_notes.note_link__.note_id", "folio_notes.note_link__.link_id"), record)
    for table, read in loaded.tables.items():
        if table != "folio_circulation.audit_loan__" and "created_by" in {spec.column for spec in read.fields.values()}:
            values[f"{table}.created_by"] = lambda person: str(person.uuid)
    values["folio_feesfines.accounts__.jsonb.contributors"] = lambda person: [named(person)]
    values["folio_circulation.actual_cost_record__.jsonb.loan"] = named
    return Case(
        "metadb",
        release,
        values={**values, **ids, **CLOSED},
        unmarked={"audit_loan.staff: created_by": "FOLIO says it in the document"},
        due={"loan.staff": {"__current": True}, "request.staff": {"__current": True}},
        alive={
            "folio_users.users__": ({"__current": True},),
            "folio_circulation.loan__": (
                {"__current": True, "jsonb.status.name": "Open", "created_by": None, **STAFFLESS},
            ),
        },
        nobodys={
            **dict.fromkeys(("accounts.titles", "accounts_t.titles"), "the title of a fee that nobody owes is no tie"),
            **dict.fromkeys(("circulation_logs", "circulation_logs_t"), "FOLIO takes nobody out of its log"),
            **dict.fromkeys(
                ("mediated_request", "batch_request", "batch_request_split"), "FOLIO may not leave out who asks"
            ),
        },
        before=tuple(partitioned([name for name in loaded.tables if name.endswith("__")])),
    )


def record(person: Person) -> uuid.UUID:
    """The number of the one loan, request and fee each person has here, in many versions."""
    return uuid.UUID(int=78_500_000 + person.first // 1_000_000 * 100 + person.index)


STAFFLESS: dict[str, object] = {
    f"jsonb.metadata.{kind}{part}": None for kind in ("created", "updated") for part in ("ByUserId", "ByUsername")
}


def plainly() -> Case:
    """A Metadb as most are: no nested field has a column, and every transformed table one that no map has read."""
    case = metadb("plain")
    more = tuple(f"ALTER TABLE {name} ADD COLUMN shelf_mark text" for name in case.tables if name.endswith("__t__"))
    return replace(case, before=(*case.before, *more))


def test_metadb_without_nested_fields(
    tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    promise(staged(plainly(), tmp_path, fresh_database(postgresql), postgresql))


def test_metadb(tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]) -> None:
    promise(staged(metadb(), tmp_path, fresh_database(postgresql), postgresql))


def test_a_derived_table_that_was_made_anew_is_read_if_rights_were_given_for_tables_to_come(
    tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    stage = staged(metadb(), tmp_path, fresh_database(postgresql), postgresql)
    name = stage.lab.engine.url.database
    stage.administer(*ANEW)
    assert "folio_derived.loans_items" in json.dumps(stage.run("find", code=3))
    to_come = "ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA folio_derived GRANT"
    stage.administer(
        f'{to_come} SELECT ON TABLES TO "find_{name}", "prove_{name}"',
        f'{to_come} SELECT, UPDATE, DELETE ON TABLES TO "sever_{name}"',
        *ANEW,
    )
    plan = str(tmp_path / "plan.json")
    stage.run("plan", "--out", plan, code=0)
    severed = {step["series"]: step["severed"] for step in stage.run("sever", "--plan", plan, code=0)["steps"]}
    assert severed["loans_items"] == PATRONS
    stage.run("check", code=0)
    stage.lab.close()


ANEW = (
    "CREATE TABLE folio_derived.made AS SELECT * FROM folio_derived.loans_items",
    "DROP TABLE folio_derived.loans_items",
    "ALTER TABLE folio_derived.made RENAME TO loans_items",
)
"""What Metadb does every day, the name apart."""
