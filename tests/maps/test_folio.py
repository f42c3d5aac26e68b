"""FOLIO: documents in a schema for every tenant and module, and copies of every loan in modules of their own."""

from __future__ import annotations

import csv
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from tests.maps import rmb
from tests.maps.acceptance import promise
from tests.maps.case import Case
from tests.maps.due import Rows
from tests.maps.marks import names_in
from tests.maps.planting import LATELY, PATRONS, Person, Row
from tests.maps.stage import staged
from tests.servers import Server

from reticent.stores.sql.introspect import read_structure
from reticent.systems.load import shipped
from reticent.systems.mapfile import Map, Series

TENANT = "diku"
C, A, F, U, B, RM, IR, OS = (
    f"{TENANT}_mod_{module}."
    for module in (
        "circulation_storage",
        "audit",
        "feesfines",
        "users",
        "patron_blocks",
        "requests_mediated",
        "inn_reach",
        "orders_storage",
    )
)
NIL = uuid.UUID(int=0)
RMB = [name for name, columns in shipped("folio", TENANT).known.items() if {"creation_date", "jsonb"} <= set(columns)]

READ = [
    statement
    for name in shipped("folio", TENANT).harmless
    if name not in shipped("folio", TENANT).known
    for statement in (
        f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}",
        f"CREATE TABLE {name} (id uuid PRIMARY KEY, jsonb jsonb NOT NULL)",
    )
]
"""The tables of documents that were read and hold no reader: none of them is a place nobody knows."""


def numbered(first: int) -> Callable[[Person], uuid.UUID]:
    """A UUID of the person's own that is none of theirs."""
    return lambda person: uuid.UUID(int=first + (person.first // 1_000_000) * 100 + person.index)


LOST, GONE, OTHER = numbered(78_500_000), numbered(78_600_000), numbered(78_700_000)


def left(person: Person) -> uuid.UUID:
    """A marked person whose account is gone."""
    return Person(person.index + PATRONS, person.mark, person.first).uuid


EVENTS = [name for name in RMB if name.startswith(B) and name.endswith("_event")]
CLOSED: Row = {
    f"{C}loan.jsonb.status.name": "Closed",
    f"{C}request.jsonb.status": "Closed - Filled",
    f"{C}actual_cost_record.jsonb.status": "Billed",
    f"{F}accounts.jsonb.status.name": "Closed",
    f"{F}accounts.jsonb.remaining": 0,
    f"{RM}mediated_request.mediated_request_status": "Closed",
    f"{RM}batch_request.status": "Completed",
    f"{RM}batch_request_split.status": "Completed",
    f"{TENANT}_mod_dcb.transactions.status": "CLOSED",
    f"{IR}inn_reach_transaction.state": 13,
    f"{OS}po_line.jsonb.paymentStatus": "Fully Paid",
    f"{OS}po_line.jsonb.receiptStatus": "Cancelled",
    f"{TENANT}_mod_tlr.ecs_tlr.primary_request_status": "Closed - Filled",
}
OPEN_LOAN: Row = {"jsonb.status.name": "Open", "jsonb.systemReturnDate": None, "jsonb.returnDate": None}
PLAIN = """
request_type_text request_level_text mediated_request_status_text fulfillment_preference_text id_text instance_hrid
instance_title item_barcode mediated_request_step mediated_workflow pickup_service_point_name shelving_order status
call_number call_number_prefix call_number_suffix full_call_number request_status primary_request_tenant_id
secondary_request_tenant_id intermediate_request_tenant_id request_level request_type fulfillment_preference
tracking_id central_server_code author title item_agency_code patron_agency_code item_id folio_item_barcode
patron_home_library reading_room_name hold_id instance_author pickup_location item_title item_location_code
material_type lending_library_code pickup_library_code service_point_id service_point_name patron_group role domain
created_by created_by_username mediated_request_status updated_by_username tenant target_type method
"""
"""Columns that say what a thing is or where it stands, or which staff or program wrote a row; never a patron."""
DOCUMENTED = """
operation requestLevel requestType ecsRequestPhase fulfillmentPreference itemLocationCode instance.title
item.barcode requester.patronGroup location status.name action itemStatus itemStatusPriorToCheckIn triggeringEvent lossType actionType
fulfillment object source feeFineType feeFineOwner materialType paymentStatus.name typeAction
originalCreatedAt paymentMethod barcode user.patronGroup items[].itemBarcode notificationsTo accrueTo
metadata.createdByUsername metadata.updatedByUsername titleOrPackage donor
"""
STAFFED = [
    f"{C}loan",
    f"{C}audit_loan",
    f"{C}request",
    f"{C}check_in",
    f"{C}print_events",
    f"{C}actual_cost_record",
    f"{F}accounts",
    f"{F}feefineactions",
]
"""Tables in which the map follows who made and changed a record."""


def plain() -> Row:
    """Say of every column and path that names nobody what it holds."""
    names = {*PLAIN.split(), *(f"jsonb.{way}{name}" for name in DOCUMENTED.split() for way in ("", "loan.", "record."))}
    said: dict[str, object] = {}
    for table, columns in shipped("folio", TENANT).known.items():
        said |= {f"{table}.{name}": "x" for name, types in columns.items() if name in names and types[0] != "uuid"}
    return said


def staff(person: Person) -> uuid.UUID:
    """Another marked person, who made and changed this one's records."""
    return Person(person.index % PATRONS + 1, person.mark, person.first).uuid


def staffed(table: str) -> Row:
    """Say who made a record: in its column, as text, and in its document."""
    way = "jsonb.loan.metadata" if table.endswith("audit_loan") else "jsonb.metadata"
    said: dict[str, object] = {"created_by": lambda person: str(staff(person))}
    said |= {f"{way}.{name}ByUserId": staff for name in ("created", "updated")}
    return said | {f"{way}.{name}ByUsername": lambda person: person.name for name in ("created", "updated")}


def by_staff() -> Row:
    """Say it of every table in which the map follows it."""
    return {f"{table}.{name}": value for table in STAFFED for name, value in staffed(table).items()}


FOLIO = Case(
    "folio",
    tenant=TENANT,
    values={
        **plain(),
        **CLOSED,
        **by_staff(),
        f"{TENANT}_mod_dcb.transactions.id": lambda person: f"T{person.first + person.index + 500_000}",
        f"{C}request.jsonb.item.barcode": "b",
        f"{F}feefineactions.jsonb.source": lambda person: person.name,
        f"{A}circulation_logs.jsonb.source": lambda person: person.name,
        f"{U}users.jsonb.barcode": lambda person: person.card,
        f"{F}accounts.jsonb.contributors": lambda person: [{"name": person.name}],
        f"{TENANT}_mod_inventory_storage.audit_item.jsonb.record.circulationNotes": lambda person: [
            {"note": person.name}
        ],
        f"{C}actual_cost_record.jsonb.loan": lambda person: {"id": str(person.uuid)},
        f"{OS}routing_list.jsonb.userIds": lambda person: [str(person.uuid)],
        f"{F}accounts.jsonb.title": lambda person: person.name,
        f"{F}accounts.jsonb.barcode": lambda person: person.card,
        f"{TENANT}_mod_notes.link.object_type": "user",
        f"{TENANT}_mod_notes.link.object_id": "x",
        f"{C}check_out_lock.user_id": lambda person: person.uuid,
        f"{RM}fake_patron_link.fake_user_id": OTHER,
    },
    due={
        "loans.unreturned": {"id": LOST, "jsonb.systemReturnDate": None},
        "audit_loan.unreturned": {"jsonb.loan.id": LOST},
        "audit_loan.deleted": {"jsonb.loan.id": GONE},
        "loans.staff": {
            "jsonb.userId": None,
            "jsonb.proxyUserId": None,
            "jsonb.actionComment": None,
        },
        "patronpin": {"id": left},
        "user_request_preference": {"jsonb.userId": left},
        "patron_permission": {"user_id": left},
    },
    alive={
        f"{U}users": ({},),
        f"{C}loan": (OPEN_LOAN,),
        f"{C}audit_loan": (dict.fromkeys(staffed(f"{C}audit_loan")),),
        f"{C}request": ({"jsonb.status": "Open - Not yet filled"},),
        f"{F}accounts": ({"jsonb.status.name": "Open"},),
        f"{A}circulation_logs": ({"jsonb.source": None},),
        **{name: ({},) for name in EVENTS},
        f"{RM}mediated_request": ({"mediated_request_status": "Open"},),
        f"{RM}mediated_request_workflow_log": ({},),
        f"{RM}fake_patron_link": ({},),
        f"{RM}batch_request": ({"status": "In progress"},),
        f"{RM}batch_request_split": ({"status": "Pending"},),
        f"{C}scheduled_notice": ({},),
        f"{C}actual_cost_record": ({"jsonb.status": "Open"},),
        f"{C}user_request_preference": ({},),
        f"{F}feefineactions": (dict.fromkeys([*staffed(f"{F}feefineactions"), "jsonb.source"]),),
        f"{F}manualblocks": ({"jsonb.expirationDate": "2999-01-01T00:00:00.000+00:00"},),
        f"{U}proxyfor": ({"jsonb.expirationDate": "2999-01-01T00:00:00.000+00:00"},),
        f"{U}patronpin": ({},),
        f"{TENANT}_mod_tlr.ecs_tlr": ({"primary_request_status": "Open - Not yet filled"},),
        f"{TENANT}_mod_dcb.transactions": ({"status": "OPEN"},),
        f"{TENANT}_mod_dcb.transactions_audit": ({},),
        f"{IR}inn_reach_transaction": ({"state": 1},),
        f"{IR}transaction_hold": ({},),
        f"{TENANT}_mod_remote_storage.retrieval_queue": ({"retrieved_date_time": None},),
        f"{OS}po_line": ({"jsonb.paymentStatus": "Awaiting Payment", "jsonb.receiptStatus": "Awaiting Receipt"},),
    },
    stays={
        f"{U}users": "the account is open",
        f"{B}user_summary": "the account is open; its closed loans and fees are listed no more",
        f"{TENANT}_mod_inventory_storage.holdings_record": "staff who made or changed a record; no patron",
        f"{TENANT}_mod_inventory_storage.instance": "staff who made or changed a record; no patron",
        f"{OS}routing_list": "the issue is still passed round",
    },
    nobodys={
        "circulation_logs": "FOLIO takes nobody out of its log",
        "accounts.titles": "the title of a fee that nobody owes is no tie",
    },
    before=(*READ, *rmb.statements(TENANT, RMB)),
    counted_up=frozenset({f"{B}user_summary.jsonb._version", f"{TENANT}_mod_inventory_storage.item.jsonb._version"}),
)


def test_folio(tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]) -> None:
    promise(staged(FOLIO, tmp_path, fresh_database(postgresql), postgresql))


def test_a_right_that_was_forgotten_a_module_that_is_not_there_and_records_a_patron_made(
    tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    stage = staged(FOLIO, tmp_path, fresh_database(postgresql), postgresql)
    lab, plan = stage.lab, str(tmp_path / "plan.json")
    person = Person(1)
    mine = f'jsonb->\'metadata\' || \'{{"createdByUserId": "{person.uuid}", "updatedByUserId": "{person.uuid}"}}\''
    lab.do(
        f"UPDATE {C}loan SET created_by = '{person.uuid}', jsonb = jsonb_set(jsonb, '{{metadata}}', {mine}) "
        f"WHERE jsonb->>'userId' = '{person.uuid}'".replace(":", "\\:"),
        f"DROP SCHEMA {TENANT}_mod_dcb CASCADE",
        f'REVOKE UPDATE ON {C}loan FROM "sever_{lab.engine.url.database}"',
    )
    found = stage.run("find", code=1)
    assert any(f"{C}loan: audit_loan" in note["note"] and "has not read" in note["note"] for note in found["notes"])
    assert any(f"no {TENANT}_mod_dcb.transactions" in note["note"] for note in found["notes"]), found["notes"]
    assert not [series for series in found["series"] if series["series"].startswith("dcb")]
    stage.run("plan", "--out", plan, code=0)
    refused = lab.run("--json", "sever", "--plan", plan)
    assert refused.code == 3
    assert "GRANT SELECT (" in refused.said
    assert f"UPDATE (what is severed there) ON {C}loan TO the account" in refused.said
    lab.do(f'GRANT UPDATE (jsonb, created_by) ON {C}loan TO "sever_{lab.engine.url.database}"')
    assert lab.run("--json", "sever", "--plan", plan).code == 0
    left = names_in(stage.snapshot())
    assert f"{C}loan.jsonb" not in left
    assert f"{C}loan.created_by" not in left
    assert f"{C}audit_loan.jsonb" not in left
    versions = {row["jsonb"]["_version"] for row in stage.snapshot()[f"{B}user_summary"] if "userId" in row["jsonb"]}
    assert versions == {1}
    lab.close()


def test_copies_that_severing_makes_go_with_it_and_versions_keep_their_staff_but_not_the_hash_of_their_borrower(
    tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    """A version is numbered by the MD5 of the loan as it was: whoever tries every patron in it finds whose it was."""
    case = replace(FOLIO, retention={"staff_action": "36500 days"})
    stage = staged(case, tmp_path, fresh_database(postgresql), postgresql)
    planted = {row["id"] for row in stage.snapshot()[f"{C}audit_loan"]}
    stage.administer(f'UPDATE {C}loan SET jsonb = jsonb || \'{{"action": "checkedin"}}\'')
    before, plan = stage.snapshot()[f"{C}audit_loan"], str(tmp_path / "plan.json")
    over = [row for row in before if LATELY[:10] not in str(row["jsonb"]["loan"])]
    closed = [row for row in over if row["jsonb"]["loan"]["status"]["name"] == "Closed"]
    hashes = {row["id"] for row in closed if "userId" in row["jsonb"]["loan"]} - planted
    assert len(hashes) >= PATRONS
    stage.run("plan", "--out", plan, code=0)
    stage.run("sever", "--plan", plan, code=0)
    stage.run("check", code=0)
    after = stage.snapshot()[f"{C}audit_loan"]
    assert _staff_of(after) == _staff_of(before)
    assert not [row["id"] for row in after if row["id"] in hashes or str(row["jsonb"].get("id")) in map(str, hashes)]
    stage.lab.close()


def _staff_of(versions: Rows) -> Counter[tuple[str, str]]:
    """Count which loan was made by whom, version by version."""
    loans = [row["jsonb"]["loan"] for row in versions]
    return Counter((loan["id"], loan["metadata"].get("createdByUsername", "")) for loan in loans)


def test_every_place_that_was_read_in_folio_is_accounted_for() -> None:
    """The 54 rows of what was read in its modules: severed, watched, harmless with a reason, or out of reach."""
    loaded = shipped("folio", TENANT)
    rows = list(csv.DictReader((Path(__file__).parent / "folio-facts.csv").read_text().splitlines()))
    assert {int(row["row"]) for row in rows} == set(range(1, 55))
    for row in rows:
        table = row["table"].replace("{tenant}", TENANT)
        series = [one for one in loaded.series if one.table == table]
        if row["accounted"] == "severed":
            gone = {place for one in series for place in _severed(loaded, one)}
            for place in row["places"].split():
                assert "*" in gone or any(place == way or place.startswith(f"{way}.") for way in gone), (row, place)
        elif row["accounted"] == "watched":
            assert [one.sever for one in series] == ["nothing"], row
        elif row["accounted"] == "harmless":
            assert loaded.harmless[table], row
        else:
            assert any(
                table in (*one.scan, *one.place.split(" and "), one.place[: len(table)]) for one in loaded.elsewhere
            ), row


def _severed(loaded: Map, series: Series) -> list[str]:
    """Return the columns and paths a series takes away; "*" where the row goes."""
    if isinstance(series.sever, str):
        return ["*"] if series.sever == "delete" else []
    return [loaded.tables[series.table].fields[name].column for name in series.sever]


def test_a_path_nobody_has_read_is_reported_where_it_holds_patrons(
    tmp_path: Path, postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    """A newer module keeps more in a document the map knows; what is read, harmless or the person's own is no alarm."""
    stage = staged(FOLIO, tmp_path, fresh_database(postgresql), postgresql, crowd=90)
    lab = stage.lab

    def unmapped(code: int) -> dict[str, list[str]]:
        found = stage.run("find", code=code)
        assert "values of places no map knows" not in {each["place"] for each in found["not_looked_at"]}, found
        return {place["place"]: place["columns"] for place in found["unmapped"]}

    assert unmapped(1) == {}
    more = (
        "jsonb_build_object('id', gen_random_uuid(), 'status', jsonb_build_object('name', 'Open'), 'loanDate', now(), "
        "'userId', id, 'shelf', md5(id::text), 'borrowerId', id, "
        "'extra', jsonb_build_object('card', jsonb_build_array(jsonb->>'barcode')))"
    )
    stage.administer(
        f"INSERT INTO {C}loan (id, jsonb) SELECT gen_random_uuid(), {more} FROM {U}users",
        f"UPDATE {U}users SET jsonb = jsonb || jsonb_build_object('customFields', jsonb_build_object('no', id))",
    )
    assert unmapped(1) == {
        f"{C}audit_loan": ["jsonb$.loan.extra.card[]", "jsonb$.loan.borrowerId"],
        f"{C}loan": ["jsonb$.extra.card[]", "jsonb$.borrowerId"],
    }
    weak = stage.run("find", code=1)["weak_pseudonyms"]
    assert {each["place"] for each in weak} == {f"{C}loan(jsonb$.shelf)", f"{C}audit_loan(jsonb$.loan.shelf)"}
    assert all("MD5" in each["why"] and "remove path" in each["advice"] for each in weak)
    checked = stage.run("check", code=1)
    hashed = {each["place"] for each in checked["findings"] if each["kind"] == "weak pseudonym"}
    assert hashed == {f"{C}loan.jsonb$.shelf", f"{C}audit_loan.jsonb$.loan.shelf"}
    said = {each["place"]: each["advice"] for each in checked["findings"] if each["kind"] == "unmapped place"}
    assert said.keys() == {f"{C}audit_loan", f"{C}loan"}
    assert "jsonb$.borrowerId holds patron numbers" in said[f"{C}loan"]
    lab.close()


def test_a_trigger_is_known_by_its_text_whatever_tenant_and_table_it_stands_on(
    postgresql: Server, fresh_database: Callable[[Server], str]
) -> None:
    engine = sa.create_engine(fresh_database(postgresql), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in ("diku_mod_a.request", "lake_mod_b.loan"):
            connection.exec_driver_sql(f"CREATE SCHEMA {name.partition('.')[0]}")
            connection.exec_driver_sql(
                f"CREATE TABLE {name} (id uuid, jsonb jsonb, creation_date timestamp, created_by text)"
            )
            for statement in (*rmb.versioned(name), *rmb.metadata(name)):
                connection.exec_driver_sql(statement.replace("%", "%%"))

        def shapes() -> list[list[str]]:
            tables = read_structure(connection, qualified=True, schemas="_mod_").tables
            return [sorted(tables[name].shapes.values()) for name in ("diku_mod_a.request", "lake_mod_b.loan")]

        one, other = shapes()
        assert one == other
        assert len(one) == 2
        for statement in rmb.versioned("lake_mod_b.loan"):
            if statement.startswith("CREATE OR REPLACE"):
                connection.exec_driver_sql(statement.replace("RETURN NEW", "PERFORM 1; RETURN NEW"))
        assert len(set(shapes()[0]) & set(shapes()[1])) == 1
    engine.dispose()
