"""Where a FOLIO library's ties stand besides FOLIO: ReShare's messages, and the reporting copies' versions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from tests.maps.acceptance import Case, promise, staged
from tests.maps.planting import Person
from tests.servers import Server

from reticent.systems.load import shipped

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
KEYS = ("patron.pat_id", "patron_request.pr_id", "protocol_audit.pa_id", "patron_request_audit.pra_id")


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
        },
        before=(
            f"CREATE TABLE {R}request_volume (rv_id text, rv_patron_request_fk text, rv_temporary_item_barcode text)",
            f"CREATE TABLE {R}shipment_item (si_id text, si_patron_request_fk text)",
            f"CREATE TABLE {R}state_model_status (sms_id text, sms_trigger_pull_slip_email boolean)",
        ),
    )


def test_reshare(tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]) -> None:
    promise(staged(reshare(), tmp_path, fresh_database(postgresql), postgresql))


SECONDS = count(1)


def moment(_: Person) -> str:
    """A moment of its own for every version."""
    second = next(SECONDS)
    return f"2020-03-02 10:{second // 60 % 60:02}:{second % 60:02}+00:00"


LDP = Case(
    "ldp",
    values={
        **{f"{table}.updated": moment for table in shipped("ldp").tables},
        "history.circulation_requests.data.instance.title": "x",
    },
)


def test_ldp(tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]) -> None:
    promise(staged(LDP, tmp_path, fresh_database(postgresql), postgresql))


PLAIN_T = """
__origin status__name action item_status loan__status__name loan__action loan__item_status operation status
request_type request_level fulfillment_preference instance__title item__barcode requester__patron_group material_type
payment_status__name fee_fine_type fee_fine_owner type_action payment_method original_created_at object type location
personal__preferred_contact_type_id created_by
"""
CLOSED = {
    "folio_circulation.loan__.jsonb.status.name": "Closed",
    "folio_circulation.request__.jsonb.status": "Closed - Filled",
    "folio_circulation.request__.jsonb.instance.title": "x",
    "folio_feesfines.accounts__.jsonb.status.name": "Closed",
    "folio_audit.circulation_logs__.jsonb.object": "x",
    "folio_audit.circulation_logs__.jsonb.action": "x",
    "folio_audit.circulation_logs__.jsonb.items[].itemBarcode": "x",
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


def metadb() -> Case:
    """A Metadb with versions of loans that are closed in the current one, of one that is gone, and of an open one."""
    loaded = shipped("metadb")
    plain = dict.fromkeys(PLAIN_T.split(), "x")
    values = {f"{t}.{n}": v for t, columns in loaded.known.items() for n, v in plain.items() if n in columns}
    return Case(
        "metadb",
        values={**values, **CLOSED, **{f"{t}.id": record for t in loaded.tables if "users__" not in t}},
        due={"loan.staff": {"__current": True}, "request.staff": {"__current": True}},
        alive={
            "folio_users.users__": ({"__current": True},),
            "folio_circulation.loan__": (
                {"__current": True, "jsonb.status.name": "Open", "created_by": None, **STAFFLESS},
            ),
        },
        before=tuple(partitioned(list(loaded.tables))),
    )


def record(person: Person) -> uuid.UUID:
    """The number of the one loan, request and fee each person has here, in many versions."""
    return uuid.UUID(int=78_500_000 + person.first // 1_000_000 * 100 + person.index)


STAFFLESS: dict[str, object] = {
    f"jsonb.metadata.{kind}{part}": None for kind in ("created", "updated") for part in ("ByUserId", "ByUsername")
}


def test_metadb(tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]) -> None:
    promise(staged(metadb(), tmp_path, fresh_database(postgresql), postgresql))
