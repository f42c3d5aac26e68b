"""From the served paper to the sealed package, the sealed copy and the letters, at the terminal."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.acts import kit
from tests.acts.desk import toml, trusting
from tests.acts.office import Office, age_open, public, unzipped

from reticent.acts.casebook import Holds

TODAY = date.today()


@pytest.fixture(scope="module")
def office(sample: kit.Sample, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    lab = sample.sqlite(tmp_path_factory.mktemp("terminal"))
    yield Office(lab, tmp_path_factory.mktemp("officers"))
    lab.close()


@pytest.fixture
def terminal(office: Office, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    trusting(monkeypatch)
    return Terminal(office, monkeypatch)


class Terminal:
    """The custodian's terminal."""

    def __init__(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office, self._patch = office, monkeypatch
        self.identity = ("--identity", str(office.age_key("custodian")))

    def run(self, *words: str, typed: str = "", code: int = 0) -> kit.Done:
        self._patch.setattr(sys, "stdin", io.StringIO(typed))
        done = self.office.lab.run(*words)
        assert done.code == code, done.said
        return done

    def step(self, name: str, step: str, *words: str, by: tuple[str, ...] = ()) -> None:
        keys = [word for role in by for word in ("--key", f"{role}={self.office.keys / role}")]
        self.run("inquiry", "advance", name, step, *words, *keys, *self.identity)

    def paper(self, card: str) -> str:
        """Register a court's order about a card and take it as far as approval; return the inquiry."""
        folder = self.office.lab.folder
        sheet, scan = folder / "sheet.toml", folder / "scan.pdf"
        scan.write_bytes(b"%PDF-1.7 an order")
        sheet.write_text(
            toml(
                {
                    "kind": "court_order",
                    "court": "own_state",
                    "court_name": "Circuit Court of Lake County",
                    "judge": "Hon. Pat Example",
                    "docket": "12-CV-334",
                    "issued": str(TODAY - timedelta(days=2)),
                    "served": str(TODAY - timedelta(days=1)),
                    "served_on": "custodian",
                    "returns": str(TODAY + timedelta(days=20)),
                    "valid_until": str(TODAY + timedelta(days=60)),
                    "scope": {
                        "patrons": [card],
                        "classes": ["circulation", "hold_request"],
                        "since": str(TODAY - timedelta(days=360)),
                        "before": str(TODAY + timedelta(days=1)),
                    },
                }
            )
        )
        new = ("inquiry", "new", "--channel", "served", "--party", "lawEnforcement", "--level", "local")
        name: str = self.run("--json", *new).json["inquiry"]
        self.step(name, "triage", "--fact", "kind=court_order")
        self.step(name, "register-instrument", "--sheet", str(sheet), "--attach", f"document={scan}", by=("custodian",))
        self.step(name, "send-to-counsel", by=("custodian",))
        four = ("court_order", "good_cause", "specific_facts", "competent_jurisdiction")
        facts = [word for fact in four for word in ("--fact", f"{fact}=true")]
        facts += ["--fact", "findings_shown=0", "--fact", "advises_requester=false"]
        self.step(name, "examine", *facts, by=("counsel",))
        return name


def test_an_order_from_the_paper_to_the_sealed_package(terminal: Terminal, tmp_path: Path) -> None:
    _, card = terminal.office.card()
    accounts = f"ils={terminal.office.lab.url}\n"
    name = terminal.paper(card)
    out, court = tmp_path / "out", terminal.office.age_key("court")
    gather = ("release", "gather", name, *terminal.identity, "--out", str(out), "--recipient", public(court))
    early = terminal.run(*gather, typed=accounts, code=4)
    assert "state counsel_review" in early.said

    asked = Path(terminal.run("--json", "release", "preview", name, *terminal.identity).json["statement"])
    (asked.parent / "preview.sig").write_bytes(terminal.office.signed(asked.read_bytes(), "counsel")["counsel"])
    signed = ("--signature", f"counsel={asked.parent}/preview.sig")
    counts = terminal.run("--json", "release", "preview", name, *terminal.identity, *signed, typed=accounts).json
    assert not asked.exists(), "the question stays behind"
    places = [(one["system"], one["place"]) for one in counts["not_searched"]]
    assert len(set(places)) == len(places)

    statement: str = terminal.run("--json", "inquiry", "advance", name, "approve", *terminal.identity).json["text"]
    printed = terminal.run("inquiry", "show", name, *terminal.identity).said
    digest = statement.partition("\nscope: ")[2].split()[0]
    assert f"The scope as officers sign it: {digest}" in printed

    standing = terminal.run("inquiry", "show", name, *terminal.identity).said
    assert "waive_notice: A court waives the notice. No notice is due." in standing.partition("Refused as it stands")[2]
    assert "approve: Approve the release" in standing.partition("Refused as it stands")[0]

    terminal.step(name, "approve", by=("custodian", "counsel"))
    done = terminal.run("--json", *gather, "--witness", "reference librarian", typed=accounts)
    assert card not in done.out + done.err
    assert terminal.office.lab.url not in done.out + done.err
    assert done.json["records"] == sum(counts["counts"].values())
    plain = age_open((out / "release.zip.age").read_bytes(), court)
    listed = " ".join(unzipped(plain)["data/records.txt"].decode().split())
    assert "Released under the court order no. 12-CV-334, issued by the Circuit Court of Lake County on" in listed
    about = " ".join(unzipped(plain)["data/about.txt"].decode().split())
    assert "the system's own numbers of copies and titles" in about
    assert "ils, old_issues: Finished loans" in about
    (tmp_path / "release.zip").write_bytes(plain)
    assert "Whole and signed" in terminal.run("release", "read", str(tmp_path / "release.zip")).said
    (tmp_path / "release.zip").write_bytes(plain[:-1])
    assert "refused" in terminal.run("release", "read", str(tmp_path / "release.zip"), code=5).said
    assert "Witness: reference librarian" in (out / "worksheet.txt").read_text()
    assert {path.stat().st_mode & 0o077 for path in (out, *out.iterdir())} == {0}
    assert "there already" in terminal.run(*gather, typed=accounts, code=2).said

    terminal.step(name, "search", "--attach", f"worksheet={out}/worksheet.txt", by=("custodian",))
    away = len(done.json["not_searched"])
    said = ("--fact", f"package={done.json['package']}", "--fact", f"places_not_searched={away}")
    terminal.step(name, "prepare", *said, by=("custodian",))
    shown = terminal.run("--json", "inquiry", "show", name, *terminal.identity).json
    assert shown["state"] == "prepared"


def test_where_nothing_was_searched_no_nil_return_is_the_next_step(terminal: Terminal, tmp_path: Path) -> None:
    name = terminal.paper(terminal.office.card()[1])
    terminal.step(name, "approve", by=("custodian", "counsel"))
    said = terminal.run("release", "gather", name, *terminal.identity, "--out", str(tmp_path / "out"), code=3).said
    assert "do not return nil on this" in " ".join(said.split())
    assert "return-nil" not in said


def plan(terminal: Terminal) -> str:
    terminal.office.lab.plan()
    return str(terminal.office.lab.folder / "plan.json")


def test_a_confirmed_hold_becomes_a_sealed_copy_and_severing_goes_on(
    sample: kit.Sample, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(sample.sqlite(tmp_path), terminal.office.keys)
    terminal = Terminal(office, monkeypatch)
    _, card = office.card()
    name = terminal.paper(card)
    accounts = f"ils={office.lab.url}\n"
    refused = terminal.run("hold", "copy", name, *terminal.identity, typed=accounts, code=4)
    assert "have not confirmed" in refused.said
    terminal.step(name, "confirm-hold", "--fact", f"until={TODAY + timedelta(days=90)}", by=("custodian", "counsel"))
    made = terminal.run("--json", "hold", "copy", name, *terminal.identity, typed=accounts).json
    assert made["complete"]
    assert card not in str(made)
    [kept] = terminal.run("--json", "hold", "copies", *terminal.identity).json["copies"]
    assert kept["name"] == made["copy"]
    assert kept["current"]
    assert "legal hold" in terminal.run("--json", "sever", "--plan", plan(terminal), code=4).said
    terminal.step(name, "record-copy", "--fact", f"package={made['digest']}", by=("custodian",))
    terminal.run("--json", "sever", "--plan", plan(terminal))
    a_second_scope_is_held_beside_the_first(terminal, name, card, accounts)
    stranger = office.age_key("stranger")
    assert "no sitting officer" in terminal.run("hold", "copies", "--identity", str(stranger), code=2).said
    lifted = terminal.run("--json", "hold", "lift", made["copy"]).json
    assert not lifted["lifted"], "its day has not come"
    assert Path(made["folder"]).exists()
    office.lab.close()


def a_second_scope_is_held_beside_the_first(terminal: Terminal, name: str, card: str, accounts: str) -> None:
    """It waits for its own copy, which `hold copy` makes next; the first stays held and copied."""
    holds = Holds(terminal.office.open()[0])
    assert not holds.held("ils", "message_queue", "notice")
    sheet = terminal.office.lab.folder / "wider.toml"
    sheet.write_text(toml({"scope": {"patrons": [card], "classes": ["notice"]}}))
    until = ("--fact", f"until={TODAY + timedelta(days=30)}", "--fact", "classes=notice")
    terminal.step(name, "confirm-hold", *until, "--sheet", str(sheet), by=("custodian", "alternate"))
    assert holds.held("ils", "message_queue", "notice")
    assert not holds.held("ils", "old_issues", "circulation"), "its copy is made"
    made = terminal.run("--json", "hold", "copy", name, *terminal.identity, typed=accounts).json
    terminal.step(name, "record-copy", "--fact", f"package={made['digest']}", by=("custodian",))
    assert not holds.held("ils", "message_queue", "notice")
    shown = terminal.run("--json", "inquiry", "show", name, *terminal.identity).json["holds"]
    assert [(one["classes"], one["copied"]) for one in shown] == [
        (["circulation", "hold_request"], True),
        (["notice"], True),
    ]
    assert len(terminal.run("--json", "hold", "copies", *terminal.identity).json["copies"]) == 2


def test_letters_and_the_card_are_written_from_the_register(terminal: Terminal, tmp_path: Path) -> None:
    name = terminal.paper(terminal.office.card()[1])
    terminal.step(name, "notify-defect", "--fact", "defects=no_good_cause,overbroad", by=("counsel",))
    letter = ("inquiry", "letter", "defect_notice", "--inquiry", name, *terminal.identity, "--to", "District Attorney")
    done = terminal.run(*letter, "--out", str(tmp_path / "letter.pdf"))
    assert "draft" in done.said
    said = subprocess.run(["pdftotext", tmp_path / "letter.pdf", "-"], capture_output=True, check=True).stdout.decode()
    assert "It shows no good cause." in said
    assert "12-CV-334" in said
    terminal.run(
        "inquiry", "letter", "refusal", "--inquiry", name, "--out", str(tmp_path / "letter.txt"), "--to", "A. Agent"
    )
    assert "Answer to your request" in (tmp_path / "letter.txt").read_text()
    assert "no such letter" in terminal.run("inquiry", "letter", "refusl", "--inquiry", name, "--out", "x", code=2).said
    terminal.run("inquiry", "card", "--out", str(tmp_path / "card.pdf"))
    assert (tmp_path / "card.pdf").read_bytes().startswith(b"%PDF")
    assert (
        "There is no such inquiry"
        in terminal.run("inquiry", "letter", "refusal", "--inquiry", "zzz", "--out", "x", code=2).said
    )


def test_a_request_is_named_as_people_name_it(terminal: Terminal, tmp_path: Path) -> None:
    new = ("inquiry", "new", "--channel", "visit", "--party", "relative", "--level", "private")
    name = str(terminal.run("--json", *new).json["inquiry"])
    terminal.step(name, "triage", "--fact", "kind=guardian_request")
    out = tmp_path / "letter.txt"
    terminal.run("inquiry", "letter", "refusal", "--inquiry", name, *terminal.identity, "--out", str(out))
    assert "considered your request as a parent or guardian, received" in " ".join(out.read_text().split())


def test_the_paper_checkpoint_is_printed_signed_and_recorded(terminal: Terminal, tmp_path: Path) -> None:
    office = terminal.office
    name = terminal.paper(office.card()[1])
    terminal.step(name, "approve", by=("custodian", "counsel"))
    gather = ("release", "gather", name, *terminal.identity, "--out", str(tmp_path / "out"))
    done = terminal.run(*gather, typed=f"ils={office.lab.url}\n").out
    package = done.partition("--fact package=")[2].split()[0]
    assert f"advance {name} release --fact package={package} --fact witness=witnessed\n" in done, "not to be copied"
    letter = ("inquiry", "letter", "paper_checkpoint", "--inquiry", name, *terminal.identity)
    sheet = tmp_path / "sheet.pdf"
    assert "lacks what is handed over" in terminal.run(*letter, "--out", str(sheet), code=2).said
    office.lab.run("find")
    terminal.run(*letter, "--out", str(sheet), "--value", f"package={package}")
    said = subprocess.run(["pdftotext", sheet, "-"], capture_output=True, check=True).stdout.decode()
    head = office.open()[0].ledger_key().last()
    assert head is not None
    assert {package, *head.splitlines()[1:3]} <= set(said.split())

    late = ("inquiry", "letter", "released_notice", "--inquiry", name, *terminal.identity, "--out", str(sheet))
    assert "Nothing was released" in terminal.run(*late, code=2).said
    terminal.step(name, "search", "--attach", f"worksheet={tmp_path}/out/worksheet.txt", by=("custodian",))
    handed = ("--fact", f"package={package}")
    terminal.step(name, "prepare", *handed, "--fact", "places_not_searched=1", by=("custodian",))
    signed = (*handed, "--fact", "witness=paper", "--attach", f"checkpoint={sheet}")
    terminal.step(name, "release", *signed, by=("custodian", "alternate"))
    early = ("inquiry", "letter", "patron_notice", "--inquiry", name, *terminal.identity, "--out", str(sheet))
    assert "released_notice" in terminal.run(*early, code=2).said
    assert "cosign" in terminal.run("--json", "inquiry", "show", name).json["owed"]
    terminal.step(name, "cosign", "--attach", f"checkpoint={sheet}", by=("counsel",))
    assert "cosign" not in terminal.run("--json", "inquiry", "show", name).json["owed"]


def test_while_the_notice_clock_runs_the_refusal_says_until_when(terminal: Terminal, tmp_path: Path) -> None:
    name = terminal.paper(terminal.office.card()[1])
    four = ("court_order", "good_cause", "specific_facts", "competent_jurisdiction", "notice_required")
    facts = [word for fact in four for word in ("--fact", f"{fact}=true")]
    facts += ["--fact", "findings_shown=0", "--fact", "advises_requester=false", "--fact", "wait_days=10"]
    terminal.step(name, "examine", *facts, by=("counsel",))
    terminal.step(name, "send-notice", "--fact", f"sent={TODAY}", by=("custodian",))
    terminal.step(name, "approve", by=("custodian", "counsel"))
    gather = ("release", "gather", name, *terminal.identity, "--out", str(tmp_path / "out"))
    said = terminal.run(*gather, typed=f"ils={terminal.office.lab.url}\n", code=4).said
    assert f"runs until {TODAY + timedelta(days=11)}" in said
    assert not (tmp_path / "out").exists()


def test_after_a_warrant_the_steps_named_are_those_of_a_warrant(terminal: Terminal, tmp_path: Path) -> None:
    folder, (_, card) = terminal.office.lab.folder, terminal.office.card()
    terminal.paper(card)
    sheet = folder / "sheet.toml"
    sheet.write_text(sheet.read_text().replace("court_order", "search_warrant"))
    new = ("inquiry", "new", "--channel", "visit", "--party", "lawEnforcement", "--level", "local")
    name = str(terminal.run("--json", *new).json["inquiry"])
    terminal.step(name, "triage", "--fact", "kind=search_warrant")
    facts = ["counsel_called=unreachable", "waited=refused", "good_cause=true", "specific_facts=true"]
    facts += ["competent_jurisdiction=true"]
    words = [word for fact in facts for word in ("--fact", fact)]
    terminal.step(name, "begin-warrant", "--sheet", str(sheet), *words, by=("custodian",))
    gather = ("release", "gather", name, *terminal.identity, "--warrant", "--out", str(tmp_path / "out"))
    unsigned = terminal.run(*gather, typed=f"ils={terminal.office.lab.url}\n", code=4).said
    assert f"reticent inquiry advance {name} produce-under-warrant" in unsigned
    terminal.step(name, "produce-under-warrant", by=("custodian",))
    said = terminal.run(*gather, typed=f"ils={terminal.office.lab.url}\n").said
    assert "list-inventory" in said
    assert "prepare" not in said
    inventory = folder / "inventory.toml"
    inventory.write_text(
        'others_kept_unseen = true\n[[things]]\nwhat = "a list"\nat = 2026-11-28T19:10:00Z\ndone = "taken"\n'
    )
    (folder / "inventory.txt").write_text("a list")
    listed = ("--sheet", str(inventory), "--attach", f"inventory={folder}/inventory.txt")
    terminal.step(name, "list-inventory", *listed, by=("custodian",))
    assert "2026-11-28 19:10" in terminal.run("inquiry", "show", name, *terminal.identity).said


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("inquiry", "nosuch"), "reticent inquiry --help"),
        (("inquiry", "new"), "reticent inquiry new --help"),
        (("hold", "copy"), "reticent hold copy --help"),
        (("find", "--foo"), "reticent find --help"),
        (("nosuch",), "reticent --help"),
    ],
)
def test_wrong_use_names_the_help_of_the_command_that_was_meant(
    terminal: Terminal, words: tuple[str, ...], names: str
) -> None:
    assert f"See `{names}`" in terminal.run(*words, code=2).said


def test_a_patron_gets_their_own_records_at_the_terminal(terminal: Terminal, tmp_path: Path) -> None:
    _, card = terminal.office.card()
    typed = f"ils={terminal.office.lab.url}\ncard:ils={card}\n"
    own = ("subject", "export", *terminal.identity, "--out")
    assert terminal.run(*own, str(tmp_path / "early"), typed=typed, code=4)
    done = terminal.run("--json", *own, str(tmp_path / "mine"), "--identity-verified", typed=typed)
    assert done.json["complete"]
    assert card not in done.out + done.err
    assert card in (tmp_path / "mine" / "your-records.txt").read_text()
    said = terminal.run(*own, str(tmp_path / "again"), "--identity-verified", typed=typed).out
    assert re.search(r"^  reticent inquiry advance INQUIRY hand-to-subject .* --fact package=[0-9a-f]{64}$", said, re.M)


def test_a_folder_that_is_taken_is_said_before_anything_is_severed(terminal: Terminal, tmp_path: Path) -> None:
    """How much it was stands on the paper in it and nowhere else."""
    number, card = terminal.office.card()
    theirs = "SELECT COUNT(*) FROM old_issues WHERE borrowernumber = :n"
    before = terminal.office.lab.ask(theirs, n=number)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "other.txt").write_text("another's")
    own = ("subject", "sever", *terminal.identity, "--out", str(tmp_path / "theirs"), "--identity-verified")
    typed = f"ils={terminal.office.lab.url}\ncard:ils={card}\n"
    assert "there already" in terminal.run(*own, typed=typed, code=2).said
    assert terminal.office.lab.ask(theirs, n=number) == before > 0


def test_what_is_typed_wrongly_is_not_repeated(terminal: Terminal, tmp_path: Path) -> None:
    _, card = terminal.office.card()
    own = ("subject", "export", *terminal.identity, "--out", str(tmp_path / "mine"), "--identity-verified")
    done = terminal.run(*own, typed=f"{card}\n", code=2)
    assert card not in done.said
    wrong = terminal.run(*own, typed="ils=nonsense://x:secret@y\n" + f"card:ils={card}\n", code=2)
    assert "secret" not in wrong.said
