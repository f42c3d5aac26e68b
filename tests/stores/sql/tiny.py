"""A tiny system with a map of its own: one series for every walk, on SQLite, MariaDB and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reticent.site import Site, read_site
from reticent.stores.sql.finder import SqlFinder
from reticent.stores.sql.severer import SqlSeverer
from reticent.systems.load import load_map

NOW = datetime(2026, 6, 1, 12, 0, 0)
CUTOFF = datetime(2026, 1, 1)
PERSONS = range(88_000_001, 88_000_006)
NOBODY = 7

MAP = """
kind = "tiny"
title = "Tiny library"
version = 1
columns = "tiny.csv"
requires = ["people.id"]

[sentinel]
setting = "nobody"
table = "people"
field = "number"
never = ["exists(uses, item = 'never')"]

[settings_in]
table = "settings"
name = "name"
value = "value"
version = "version"

[drift]
person_columns = "person|patron"
person_tables = ["people"]

[tables.settings]
fields = { name = "name", value = "value" }

[tables.people]
fields = { number = "id" }
links = { uses = "uses(person = number)" }

[tables.uses]
key = "id"
fields = { id = "id", person = "person", ended = "ended", item = "item", note = "note" }
links = { debts = "debts(use = id)" }

[tables.debts]
fields = { use = "use_id", open = "open" }

[tables.visits]
window = "at"
fields = { at = "at", person = "person", room = "room" }

[tables.likes]
fields = { person = "person", item = "item" }

[tables.searches]
key = "id"
fields = { id = "id", person = "person", at = "at", kind = "kind" }

[[series]]
id = "searches"
title = "Searches"
table = "searches"
class = "search"
persons = ["person"]
ended = "at"
sever = "delete"
tally = ["searches"]
order = 10
purpose = "p"
purpose_end = "e"
own = "none"

[[series]]
id = "likes"
title = "Likes"
table = "likes"
class = "patron_content"
persons = ["person"]
sever = "delete"
order = 10
purpose = "p"
purpose_end = "e"
own = "none"

[[series]]
id = "uses"
title = "Uses"
table = "uses"
class = "circulation"
persons = ["person"]
ended = "ended"
open = { "owes" = "exists(debts, open <> 0)" }
sever = { note = "null if note = item", person = "sentinel" }
order = 20
purpose = "p"
purpose_end = "e"
own = "none"

[[series]]
id = "visits"
title = "Visits"
table = "visits"
class = "facility"
persons = ["person"]
ended = "at"
undated = "due"
sever = { person = "null", at = "generalise hour" }
order = 30
purpose = "p"
purpose_end = "e"
own = "none"

[[measures]]
id = "searches"
title = "Searches"
table = "searches"
date = "at"
by = ["kind"]
"""

COLUMNS = """table,column,type
settings,name,varchar
settings,value,varchar
people,id,integer
uses,id,integer
uses,person,integer
uses,ended,timestamp
uses,item,varchar
uses,note,varchar
uses,touched,timestamp
debts,use_id,integer
debts,open,integer
visits,at,timestamp
visits,person,integer
visits,room,varchar
likes,person,integer
likes,item,varchar
searches,id,integer
searches,person,integer
searches,at,timestamp
searches,kind,varchar
"""

SITE = """
[library]
name = "Tiny"
[state]
path = "state"
keys = "keys"
[schedule]
"*" = "none applies"
[systems.t]
kind = "tiny"
map = "tiny.toml"
{more}
[systems.t.accounts]
find = "{url}"
sever = "{url}"
"""

metadata = sa.MetaData()
settings = sa.Table(
    "settings", metadata, sa.Column("name", sa.String(40), primary_key=True), sa.Column("value", sa.String(40))
)
people = sa.Table("people", metadata, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))
uses = sa.Table(
    "uses",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("person", sa.Integer, nullable=False),
    sa.Column("ended", sa.DateTime),
    sa.Column("item", sa.String(20)),
    sa.Column("note", sa.String(20)),
    sa.Column("touched", sa.DateTime),
)
debts = sa.Table("debts", metadata, sa.Column("use_id", sa.Integer), sa.Column("open", sa.Integer))
visits = sa.Table(
    "visits",
    metadata,
    sa.Column("at", sa.DateTime, index=True),
    sa.Column("person", sa.Integer),
    sa.Column("room", sa.String(9)),
)
likes = sa.Table(
    "likes",
    metadata,
    sa.Column("person", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("item", sa.String(20), primary_key=True),
)
searches = sa.Table(
    "searches",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("person", sa.Integer),
    sa.Column("at", sa.DateTime),
    sa.Column("kind", sa.String(9)),
)


class Tiny:
    """The tiny system in a database, opened as the acts open it."""

    def __init__(self, folder: Path, url: str, more: str = "") -> None:
        self.engine = sa.create_engine(url)
        self._opened: list[SqlFinder | SqlSeverer] = []
        metadata.create_all(self.engine)
        fill(self.engine)
        (folder / "tiny.toml").write_text(MAP)
        (folder / "tiny.csv").write_text(COLUMNS)
        self.file = folder / "reticent.toml"
        self.file.write_text(SITE.format(url=url.replace("%", "%%"), more=more))

    @property
    def site(self) -> Site:
        """The site file, read again."""
        return read_site(self.file)

    def finder(self) -> SqlFinder:
        """Open the system by its find account."""
        finder = SqlFinder(self.site, "t", load_map(self.file.with_name("tiny.toml")))
        self._opened.append(finder)
        return finder

    def severer(self) -> SqlSeverer:
        """Open the system by its sever account, receipts ready."""
        severer = SqlSeverer(self.site, self.finder().database)
        self._opened.append(severer)
        severer.prepare()
        return severer

    def close(self) -> None:
        """Let go of every connection."""
        for opened in self._opened:
            opened.close()
        self.engine.dispose()

    def rows(self, table: sa.Table) -> list[tuple[Any, ...]]:
        """Return a table's rows, sorted."""
        with self.engine.connect() as connection:
            return sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)

    def receipts(self) -> list[tuple[Any, ...]]:
        """Return the receipts on the server."""
        with self.engine.connect() as connection:
            query = "SELECT run, step, chunk, rows_severed, tally FROM reticent_receipts WHERE run <> 'mark'"
            return sorted(tuple(row) for row in connection.execute(sa.text(query)))


def _moments(count: int, start: datetime, step: timedelta) -> Iterator[datetime]:
    yield from (start + step * number for number in range(count))


def fill(engine: sa.Engine) -> None:
    """Fill the tables: 40 due uses among 60, 900 visits of which 300 in one hour, 12 likes, 50 searches."""
    old, new = datetime(2025, 3, 1, 8, 0, 0), datetime(2026, 3, 1)
    person = [PERSONS[number % len(PERSONS)] for number in range(2000)]
    use: list[dict[str, Any]] = [
        {"id": n, "person": person[n], "ended": old + timedelta(hours=n), "item": f"i{n}", "note": f"i{n - n % 2}",
         "touched": old}
        for n in range(60)
    ]  # fmt: skip
    for n in range(40, 45):
        use[n]["ended"] = None
    for n in range(45, 50):
        use[n]["ended"] = new
    for n in range(55, 60):
        use[n]["person"] = NOBODY
    owed: list[dict[str, Any]] = [{"use_id": n, "open": 1} for n in range(50, 53)]
    owed += [{"use_id": n, "open": None} for n in (53, 54)] + [{"use_id": None, "open": 1}, {"use_id": 1, "open": 0}]
    visit: list[dict[str, Any]] = [
        {"at": at, "person": person[n]} for n, at in enumerate(_moments(500, old, timedelta(minutes=37)))
    ]
    visit += [{"at": datetime(2025, 7, 1, 9, n % 60), "person": person[n]} for n in range(300)]
    visit += [{"at": None, "person": person[n]} for n in range(30)] + [{"at": new, "person": person[1]}] * 20
    visit += [{"at": old, "person": None}] * 50
    with engine.begin() as connection:
        connection.execute(settings.insert(), [{"name": "nobody", "value": "7"}, {"name": "version", "value": "1"}])
        connection.execute(people.insert(), [{"id": n} for n in (NOBODY, *PERSONS)])
        connection.execute(uses.insert(), use)
        connection.execute(debts.insert(), owed)
        connection.execute(visits.insert(), [{**row, "room": "A"} for row in visit])
        connection.execute(
            likes.insert(), [{"person": p, "item": f"i{n}"} for n in range(2) for p in [*PERSONS, NOBODY]]
        )
        connection.execute(
            searches.insert(),
            [
                {"id": n, "person": person[n], "at": old + timedelta(days=n), "kind": ("web", "app", None)[n % 3]}
                for n in range(50)
            ],
        )
