"""Marked patrons are planted everywhere a Koha can keep them, severed, and looked for in every byte.

The scan shares no code with Reticent: it reads every column of every table and every file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.acts import kit
from tests.sample import marked
from tests.servers import Server

PATRONS = 3
NUMBERS = [marked.NUMBERS_FROM + n for n in range(1, PATRONS + 1)]
NEEDLES = [marked.MARK.encode(), *(str(number).encode() for number in NUMBERS)]
ALL = '[retention]\nregistration = "0 days"\npayment = "0 days"'

STAYS = {
    "the account is open: Koha's own deletion ends it": "borrowers borrower_attributes borrower_files patronimage "
    "patron_consent borrower_relationships patron_list_patrons api_keys",
    "the patron's own, for as long as the account is open": "reviews ratings tags_all virtualshelves "
    "virtualshelfcontents virtualshelfshares housebound_profile alert subscriptionroutinglist",
    "its purpose is open: not yet processed by Koha": "pending_offline_operations",
    "counted, never read: the map cannot know what is in it": "plugin_data additional_field_values",
    "what staff wrote or named, with the author severed": "saved_sql.savedsql saved_sql.notes "
    "uploaded_files.filename illbatches.name",
    "a staff duty, not a use": "patron_lists.owner",
}
"""Tables and columns that still name a marked patron after everything due was severed, and why."""


def _plant(lab: kit.Lab) -> list[marked.Mark]:
    with lab.engine.begin() as connection:
        planted = marked.plant_marked_patrons(connection, PATRONS)
    # The loans and holds the planted rows refer to are over too: what is open is never severed.
    off = "PRAGMA foreign_keys = OFF" if "sqlite" in lab.url else "SET foreign_key_checks = 0"
    over = [f"DELETE FROM {table} WHERE borrowernumber > {marked.NUMBERS_FROM}" for table in ("issues", "reserves")]
    if not lab.old:
        over.append(f"UPDATE illbatches SET status_code = 'COMPLETED' WHERE patron_id > {marked.NUMBERS_FROM}")
    lab.do(off, *over)
    lab.close()
    return planted


def _names_a_patron(value: object) -> bool:
    if isinstance(value, int):
        return value in NUMBERS
    raw = value if isinstance(value, bytes) else str(value).encode()
    return any(needle in raw for needle in NEEDLES)


def _left(lab: kit.Lab) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table in [*lab.tables(), "reticent_receipts"]:
        for row in lab.table(table):
            if columns := {name for name, value in row.items() if value is not None and _names_a_patron(value)}:
                found.setdefault(table, set()).update(columns)
    return found


def _files(folder: Path, but: set[str]) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in but)


def _every_command(lab: kit.Lab) -> str:
    """Find, plan, sever, find again, and some that fail; return all they said."""
    plan = str(lab.folder / "plan.json")
    said = [lab.spawn("find"), lab.run("--json", "find"), lab.spawn("plan", "--out", plan)]
    said += [lab.spawn("-v", "sever", "--plan", plan), lab.run("sever", "--plan", plan), lab.run("--json", "find")]
    assert [done.code for done in said] == [1, 1, 0, 0, 4, 0], [done.said for done in said]
    return "".join(done.out + done.err for done in said)


def _check(lab: kit.Lab, said: str, more: list[Path]) -> None:
    stays = {place for places in STAYS.values() for place in places.split()}
    left = {f"{table}.{column}" for table, columns in _left(lab).items() if table not in stays for column in columns}
    assert left - stays == set()
    for needle in NEEDLES:
        assert needle.decode() not in said
    read = 0
    for path in [*_files(lab.folder, {"koha.db", "koha.db-journal", "reference.db"}), *more]:
        raw = path.read_bytes()
        read += len(raw)
        assert not [needle for needle in NEEDLES if needle in raw], path
    assert read > 100_000


def test_sqlite_and_every_byte_reticent_wrote(sqlite_lab: kit.Lab) -> None:
    planted = _plant(sqlite_lab)
    assert len(planted) > 250
    sqlite_lab.write_site(more=ALL)
    _check(sqlite_lab, _every_command(sqlite_lab), [])


@contextmanager
def _logged(server: Server) -> Iterator[list[Path]]:
    """Log every statement from here on, to files of its own."""
    general, slow = server.home / "marked-general.log", server.home / "marked-slow.log"
    server.execute(
        f"SET GLOBAL general_log_file = '{general}'",
        f"SET GLOBAL slow_query_log_file = '{slow}'",
        "SET GLOBAL long_query_time = 0",
        "SET GLOBAL general_log = 1",
        "SET GLOBAL slow_query_log = 1",
    )
    yield [general, slow]
    server.execute("SET GLOBAL general_log = 0", "SET GLOBAL slow_query_log = 0", "SET GLOBAL long_query_time = 10")


@pytest.mark.parametrize("release", ["25.x", pytest.param("19.06", marks=pytest.mark.soak)])
def test_mariadb_its_statement_logs_and_every_byte_reticent_wrote(
    release: str, sample: kit.Sample, tmp_path: Path, mariadb: Server, fresh_database: Callable[[Server], str]
) -> None:
    lab = sample.mariadb(tmp_path, fresh_database(mariadb), release)
    assert len(_plant(lab)) > 150
    lab.write_site(more=ALL)
    with _logged(mariadb) as logs:
        said = _every_command(lab)
        lab.close()
        for log in logs:
            text = log.read_text(errors="replace")
            assert "UPDATE" in text
            assert "reticent_receipts" in text
            assert "DELETE FROM search_history" in text.replace("`", "")
        _check(lab, said, logs)
    for log in logs:
        log.unlink()
    lab.close()
