"""Equal protection on the whole library: permute who everyone is and what everything is about, and nothing changes."""

from __future__ import annotations

import random
import re
from pathlib import Path

from tests.acts import kit

PERSONAL = (
    "dateofbirth",
    "categorycode",
    "sex",
    "country",
    "surname",
    "firstname",
    "ethnicity",
    "opacnote",
    "borrowernotes",
)
TOPICS = ("title", "author", "abstract", "seriestitle")
_RANDOM = re.compile(r"[0-9a-f]{12,64}|\d{2}:\d{2}(:\d{2}(\.\d+)?)?")


def permute(lab: kit.Lab, table: str, key: str, columns: tuple[str, ...], seed: int) -> int:
    """Give every row the values of another row, column by column; return how many columns were there."""
    rows = lab.table(table)
    there = [name for name in columns if name in rows[0]]
    shuffled = random.Random(seed)
    with lab.engine.begin() as connection:
        for name in there:
            values = [row[name] for row in rows]
            shuffled.shuffle(values)
            pairs = [(value, row[key]) for value, row in zip(values, rows, strict=True)]
            connection.exec_driver_sql(f"UPDATE {table} SET {name} = ? WHERE {key} = ?", pairs)
    return len(there)


def outcomes(lab: kit.Lab) -> dict[str, str]:
    """What is found, planned, severed and found again."""
    found: dict[str, str] = {}
    for command in (
        ("find",),
        ("plan", "--out", str(lab.folder / "plan.json")),
        ("sever", "--plan", str(lab.folder / "plan.json")),
        ("find",),
    ):
        done = lab.run("--json", *command)
        found[f"{len(found)} {command[0]}"] = _RANDOM.sub("~", f"{done.code}\n{done.out}")
    return found


def test_permuting_who_and_what_changes_no_outcome_of_a_whole_run(sample: kit.Sample, tmp_path: Path) -> None:
    labs = []
    for name in ("as-is", "permuted"):
        (tmp_path / name).mkdir()
        labs.append(sample.sqlite(tmp_path / name))
        labs[-1].write_site("circulation", "search", "hold_request")
    plain, permuted = labs
    assert permute(permuted, "borrowers", "borrowernumber", PERSONAL, 1) >= 5
    assert permute(permuted, "biblio", "biblionumber", TOPICS, 2) >= 2
    before, after = outcomes(plain), outcomes(permuted)
    for step, text in before.items():
        assert after[step].replace("permuted", "as-is") == text, step
    assert '"severed": 0' not in before["2 sever"]
    for lab in labs:
        lab.close()
