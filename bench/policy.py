"""Benchmarks of the gate: proving, deciding, filtering, agreeing; beside Rego (regopy) and Casbin.

    python -m bench.policy [--full]

Prints one JSON document. Times are CPU time of this process unless they say wall. ``--full`` runs
20,000 random decisions instead of 2,000 and the mutants too. PostgreSQL is a private, throw-away
server (tests/servers.py).
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import casbin
import regopy
import sqlalchemy as sa
from bench import translate
from tests import servers
from tests.policy import mutants

from reticent.policy import bundle as bundles
from reticent.policy import fuzz, prove
from reticent.policy.bundle import RULE_WORDS, Bundle, read_rules
from reticent.policy.engine import Engine
from reticent.policy.request import Attributes, Request
from reticent.policy.situations import as_request, worth_trying
from reticent.policy.terms import Uid
from reticent.policy.where import where

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ROWS = 1_000_000


def cpu(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds and the result."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def proving() -> dict[str, Any]:
    shipped = bundles.load()
    seconds, lines = cpu(lambda: prove.check_bundle(shipped).lines)
    many = tenfold(shipped)
    tenfold_seconds, more = cpu(lambda: prove.check_bundle(many).lines)
    return {
        "rules": len(shipped.rules),
        "promises": len(lines),
        "kinds of request": len(shipped.schema.kinds),
        "shipped bundle, s": round(seconds, 2),
        "all proved": all(line.mark.value == "proved" for line in lines),
        "rules, tenfold": len(many.rules),
        "tenfold, s": round(tenfold_seconds, 2),
        "tenfold all proved": all(line.mark.value == "proved" for line in more),
    }


def tenfold(bundle: Bundle) -> Bundle:
    """Ten times the rules: copies that differ, so that no formula is met twice."""
    copies = []
    for number in range(9):
        for rule in read_rules("rules/base.cedar", bundle.files["rules/base.cedar"], RULE_WORDS):
            text = rule_text(bundle, rule.id).replace(f'@id("{rule.id}")', f'@id("{rule.id}-{number}")')
            copies.append(text.rstrip().rstrip(";") + f"\nwhen {{ context.year > {1900 + number} }};")
    return bundle.replaced("rules/local.cedar", "\n".join(copies))


def rule_text(bundle: Bundle, name: str) -> str:
    parts = bundles.statements(bundle.files["rules/base.cedar"])
    return next(part for _, part in parts if f'@id("{name}")' in part)


def questions(bundle: Bundle, count: int) -> list[Request]:
    rng = random.Random(5)
    every = [as_request(bundle, situation, NOW) for situation in worth_trying(bundle)]
    return [rng.choice(every) for _ in range(count)]


def deciding(count: int = 2000) -> dict[str, Any]:
    bundle = bundles.load()
    asked = questions(bundle, count)
    engine = Engine(bundle)
    seconds, answers = cpu(lambda: [engine.ask(request).strict for request in asked])
    found: dict[str, Any] = {"decisions": count, "allowed": sum(answers)}
    found["Reticent (cedarpy, handles), us"] = round(seconds / count * 1e6)
    documents = [translate.document(bundle, request) for request in asked]
    for name, build, part in (
        ("Rego (regopy, prebuilt)", rego_asker, 10),
        ("Casbin (eval)", casbin_asker, 10),
    ):
        ask = build(bundle)
        some = documents[::part]
        seconds, theirs = cpu(partial(list, map(ask, some)))
        found[f"{name}, us"] = round(seconds / len(some) * 1e6)
        found[f"{name}, same answers"] = (
            f"{sum(a == b for a, b in zip(theirs, answers[::part], strict=True))}/{len(some)}"
        )
    return found


def rego_asker(bundle: Bundle) -> Callable[[dict[str, Any]], bool]:
    build = regopy.Interpreter()
    build.add_module("gate.rego", translate.rego(bundle))
    compiled = build.build("x = data.gate.allow")
    run = regopy.Interpreter()

    def ask(document: dict[str, Any]) -> bool:
        run.set_input(document)
        output = json.loads(str(run.query_bundle(compiled)))
        return bool(output["bindings"]["x"])

    return ask


CASBIN_MODEL = """
[request_definition]
r = q
[policy_definition]
p = rule, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = eval(p.rule)
"""


def casbin_asker(bundle: Bundle) -> Callable[[dict[str, Any]], bool]:
    model = casbin.Model()
    model.load_model_from_text(CASBIN_MODEL)
    enforcer = casbin.Enforcer(model)
    enforcer.add_function("v", translate.look)
    enforcer.add_function("h", lambda document, path: translate.look(document, path) != ())
    for effect, rule in translate.casbin_rules(bundle):
        enforcer.add_policy(rule, effect)
    return lambda document: bool(enforcer.enforce(document))


TIES = sa.Table(
    "ties",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("class", sa.String(30), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("patron", sa.String(20)),
    sa.Column("item", sa.String(20)),
    sa.Column("usedAt", sa.BigInteger, nullable=False),
    sa.Column("held", sa.Boolean, nullable=False),
    sa.Column("topic", sa.String(20)),
)


def fill(engine: sa.Engine) -> None:
    rng = random.Random(1)
    words = bundles.load().schema.enums
    TIES.metadata.create_all(engine)
    with engine.begin() as connection:
        for start in range(0, ROWS, 50_000):
            rows = [
                {
                    "id": number,
                    "class": rng.choice(words["RecordClass"]),
                    "state": rng.choice(words["State"]),
                    "patron": str(rng.randrange(20_000)) if rng.random() < 0.8 else None,
                    "item": str(rng.randrange(50_000)),
                    "usedAt": 1_700_000_000 + rng.randrange(90_000_000),
                    "held": rng.random() < 0.05,
                    "topic": None,
                }
                for number in range(start, start + 50_000)
            ]
            connection.execute(TIES.insert(), rows)


def filtering(url: str) -> dict[str, Any]:
    bundle, engine = bundles.load(), sa.create_engine(url)
    fill(engine)
    columns = {column.name: column for column in TIES.columns}
    desk: Attributes = {"roles": frozenset({Uid("Role", "circulation")})}
    context: Attributes = {
        "now": int(NOW.timestamp()),
        "year": 2026,
        "purpose": Uid("Purpose", "collectWhatIsOwed"),
    }
    asker, job = Uid("Staff", "s"), Uid("Job", "j")
    requests = {
        "staff collecting what is owed": Request(asker, "viewTie", Uid("Tie", "?"), context, {asker: desk}),
        "a patron's own": Request(Uid("Patron", "51"), "viewOwnRecord", Uid("Tie", "?"), context, {Uid("Patron", "51"): {}}),
        "the severing job": Request(job, "sever", Uid("Tie", "?"), context, {job: {"kind": Uid("JobKind", "sever")}}),
        "a vendor without an order": Request(
            Uid("OutsideParty", "v"), "release", Uid("Tie", "?"), context,
            {Uid("OutsideParty", "v"): {"kind": Uid("PartyKind", "vendor")}},
        ),
    }  # fmt: skip
    found: dict[str, Any] = {"rows": ROWS}
    with engine.connect() as connection:
        for name, request in requests.items():
            compiling, condition = cpu(partial(where, bundle, request, columns))
            statement = sa.select(sa.func.count()).select_from(TIES).where(condition)
            walls, worked, passed = [], [], 0
            for _ in range(5):
                start, before = time.perf_counter(), database_cpu(connection)
                passed = connection.execute(statement).scalar_one()
                worked.append(database_cpu(connection) - before)
                walls.append(time.perf_counter() - start)
            found[name] = {
                "rows allowed": passed,
                "compile, ms": round(compiling * 1e3, 2),
                "count, s CPU (median of 5)": round(statistics.median(worked), 3),
                "count, s wall (least of 5)": round(min(walls), 3),
            }
        found["one by one, s for all rows (from 1,000)"] = round(one_by_one(bundle, connection, requests) * ROWS, 0)
    slowest = max(one["count, s CPU (median of 5)"] for one in found.values() if isinstance(one, dict))
    found["times faster, slowest filter"] = round(found["one by one, s for all rows (from 1,000)"] / max(slowest, 1e-3))
    engine.dispose()
    return found


def database_cpu(connection: sa.Connection) -> float:
    """Return the CPU-seconds the database has used for this connection: SQLite works in this process."""
    if connection.dialect.name == "sqlite":
        return time.process_time()
    connection.exec_driver_sql("SET max_parallel_workers_per_gather = 0")  # all the work in the one process we look at
    backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    user, system = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def one_by_one(bundle: Bundle, connection: sa.Connection, requests: dict[str, Request]) -> float:
    """Return CPU seconds a decision of the engine on one row, as a program without the filter would ask."""
    engine, base = Engine(bundle), requests["staff collecting what is owed"]
    kinds = {"class": "RecordClass", "state": "State", "patron": "Patron", "item": "Item"}
    asked = []
    for row in connection.execute(TIES.select().limit(1000)).mappings():
        tie = {
            name: Uid(kinds[name], value) if name in kinds else value
            for name, value in row.items()
            if value is not None and name != "id"
        }
        named: dict[Uid, Attributes] = {
            value: {} for value in tie.values() if isinstance(value, Uid) and value.type in ("Patron", "Item")
        }
        resource = Uid("Tie", str(row["id"]))
        request = Request(base.principal, base.action, resource, base.context, base.entities)
        asked.append(request.knowing({resource: tie, **named}))
    return cpu(lambda: [engine.ask(request) for request in asked])[0] / len(asked)


def agreeing(*, full: bool) -> dict[str, Any]:
    bundle, rounds = bundles.load(), 10 if full else 1
    seconds, runs = cpu(lambda: [fuzz.fuzz(bundle, 2000, seed=seed) for seed in range(rounds)])
    found: dict[str, Any] = {
        "decisions": sum(run.decisions for run in runs),
        "allowed": sum(run.allowed for run in runs),
        "with rule errors": sum(run.erred for run in runs),
        "answered by SQL too": sum(run.rows for run in runs),
        "disagreements": sum(len(run.disagreements) for run in runs),
        "s": round(seconds, 1),
    }
    if full:
        caught = [
            any(fuzz.fuzz(bundle, 1000, seed, one, enough=1).disagreements for seed in (3, 4, 5))
            for one in mutants.MUTANTS
        ]
        found["mutants caught"] = f"{sum(caught)}/{len(caught)}"
    return found


def main() -> None:
    full = "--full" in sys.argv
    result = {"proving": proving(), "deciding": deciding(), "agreeing": agreeing(full=full)}
    result["filtering, SQLite"] = filtering("sqlite://")
    with servers.postgresql() as server:
        result["filtering, PostgreSQL"] = filtering(server.url(database="postgres"))
    json.dump(result, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
