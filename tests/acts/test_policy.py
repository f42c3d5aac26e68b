"""`reticent policy` as a library uses it: the real command line, real keys, real signatures."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.acts import kit
from tests.keyring.ssh import public, sign

from reticent.acts.gate import archive, digest_in_force, in_force, open_gate
from reticent.acts.opening import open_site
from reticent.acts.policy import draft, proved
from reticent.errors import EvidenceBroken, NotPermitted
from reticent.policy import bundle as bundles
from reticent.policy import prove

ROOT = Path(__file__).parents[2]
SITE = """
[library]
name = "Lakeside Public Library"
jurisdiction = "US-WI"
[state]
path = "state"
keys = "keys"
{more}
[systems.ils]
kind = "koha"
"""
RULE = """
@id("ill-collects")
@cite("R10; interlibrary loan agreement of 2026, section 4")
@since("2026-12-01")
@says("Interlibrary loan staff see open requests while collecting what is owed.")
permit (principal is Staff, action == Action::"viewTie", resource is Tie)
when { principal.roles.contains(Role::"interlibrary") && resource.state == State::"open" }
when { resource.class == RecordClass::"interlibrary_loan" && context.purpose == Purpose::"collectWhatIsOwed" };
"""
STRICTER = """
@id("no-press")
@cite("board minutes of 2026-11-02")
@since("2026-12-01")
@says("The press sees no statistics before the board has.")
forbid (principal is OutsideParty, action == Action::"viewStatistics", resource is Statistic)
when { principal.kind == PartyKind::"press" };
"""
PARENTS = """
@id("parent")
@cite("Wis. Stat. 43.30(4)")
@since("2026-12-01")
@says("A guardian sees the ward's record.")
permit (principal is Guardian, action == Action::"viewOwnRecord", resource is Patron)
when { resource == principal.ward };
"""
EXCEPTION = """
[[exception]]
promise = "minors-too"
rules = ["parent"]
cite = "Wis. Stat. 43.30(4)"
says = "A parent sees it."
"""


@dataclass
class Library:
    """A library's folder, its officers' keys, and the command line in a process of its own."""

    folder: Path
    spawn: bool = False

    def write_site(self, *roles: str, more: str = "") -> None:
        lines = ["[officers]"] if roles else []
        for role in roles:
            key = self.folder / role
            if not key.exists():
                command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)]
                subprocess.run(command, check=True)
            lines.append(f'{role} = {{ name = "{role.title()}", sign = "{public(key).strip()}" }}')
        (self.folder / "reticent.toml").write_text(SITE.format(more="\n".join([*lines, more])))

    def write(self, name: str, text: str) -> None:
        path = self.folder / "policy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *arguments: str) -> kit.Done:
        """Run a command as the terminal would: in this process, or with ``spawn`` in one of its own."""
        if self.spawn:
            return self.start("from reticent.cli.main import main; main()", *arguments)
        with contextlib.chdir(self.folder):
            return kit.Lab.run(self, *arguments)  # type: ignore[arg-type]

    def start(self, code: str, *arguments: str) -> kit.Done:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        return kit.Done(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = self.run("--json", *arguments)
        assert done.code == code, done.said
        return done.json

    def signed(self, *roles: str, key: str = "", statement: str = "adopt-policy") -> list[str]:
        """Sign the statement as it stands with each officer's key; return the options."""
        options = []
        for role in roles:
            path = self.folder / f"{role}.sig"
            path.write_text(sign(self.folder / (key or role), (self.folder / f"state/{statement}.txt").read_bytes()))
            options += ["--signature", f"{role}={path.name}"]
        return options

    def in_force(self) -> str:
        return digest_in_force(open_site(self.folder / "reticent.toml"))


@pytest.fixture(autouse=True, scope="module")
def each_bundle_is_proved_once() -> Iterator[None]:
    """Proving is a pure function of the bundle's bytes; without Z3 it is refused as ever."""
    known: dict[tuple[object, ...], Any] = {}

    def once(work: Callable[..., Any]) -> Callable[..., Any]:
        def cached(*given: Any, **more: Any) -> Any:
            prove._prover(given[0])
            key = (work.__name__, *(getattr(one, "digest", one) for one in given), *more.values())
            if key not in known:
                known[key] = work(*given, **more)
            return known[key]

        return cached

    with pytest.MonkeyPatch.context() as patched:
        for name in ("check_bundle", "prove_bundle", "diff"):
            patched.setattr(prove, name, once(getattr(prove, name)))
        yield


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path)
    made.write_site("custodian", "counsel", "alternate")
    return made


def test_the_shipped_policy_is_checked_and_kept(library: Library) -> None:
    found = library.json("policy", "check")
    assert found["kept"]
    assert {line["mark"] for line in found["promises"]} == {"proved"}
    assert found["changes"]["answers"] == []


def test_a_rule_that_breaks_promises_is_told_as_a_story(library: Library) -> None:
    library.write("rules/local.cedar", PARENTS)
    done = library.run("policy", "check")
    assert done.code == 1
    assert "refuted" in done.said
    assert "The guardian of" in done.said
    assert "newly allowed: Guardian viewOwnRecord Patron" in done.said
    proved = library.json("policy", "prove", code=1)
    assert not proved["kept"]
    assert not (library.folder / "policy" / "certificate.json").exists()
    assert library.run("policy", "sign").code == 5


def test_a_cited_exception_is_kept_and_shown_everywhere(library: Library) -> None:
    library.write("rules/local.cedar", PARENTS)
    library.write("exceptions.toml", EXCEPTION)
    found = library.json("policy", "check")
    [line] = [line for line in found["promises"] if line["mark"] != "proved"]
    assert line["promise"] == "minors-too"
    assert line["mark"] == "proved except under a cited statute"
    assert "Wis. Stat. 43.30(4)" in line["why"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rules/local.cedar", RULE.replace('"open" }', '"open"'), "rules/local.cedar:2"),
        ("rules/local.cedar", RULE.replace("resource.class", "resource.clas"), "does not declare"),
        ("rules/local.cedar", RULE.replace("ill-collects", "job-scans-roster"), "Two rules are called"),
        ("rules/local.cedar", RULE.replace('resource.state == State::"open"', 'resource.topic like "*x*"'), "optional"),
        ("rule/local.cedar", RULE, "did you mean 'rules/local.cedar'?"),
        ("exceptions.toml", EXCEPTION, "must name rules of rules/local.cedar"),
    ],
)
def test_a_slip_is_named_with_its_rule_and_line(library: Library, name: str, text: str, said: str) -> None:
    library.write(name, text)
    done = library.run("policy", "check")
    assert done.code in (1, 2)
    assert said in done.said
    assert "itself failed" not in done.said


def test_what_is_not_modelled_is_said_by_diff_too(library: Library) -> None:
    library.write(
        "rules/local.cedar",
        RULE.replace('resource.state == State::"open"', 'resource has topic && resource.topic like "*x*"'),
    )
    for command in ("check", "diff"):
        done = library.run("policy", command)
        assert done.code in (1, 2), command
        assert "like" in done.said
        assert "ill-collects" in done.said


def test_without_z3_proving_says_what_to_install_and_explaining_goes_on(library: Library) -> None:
    start = "import sys; sys.modules['z3'] = None; from reticent.cli.main import main; main()"
    for command in ("check", "prove", "diff"):
        done = library.start(start, "policy", command)
        assert done.code == 2
        assert "pip install 'reticent[prove]'" in done.said
    done = library.start(start, "policy", "explain", "--asker", "Staff circulation", "--action", "viewTie")
    assert "rule desk-open-ties" in done.said


def test_explain_names_rule_citation_and_sentence(library: Library) -> None:
    situation = {"asker": "OutsideParty lawEnforcement", "action": "release", "purpose": "courtOrder"}
    situation |= {"paper": "court_order", "signed": "two officers"}
    (library.folder / "order.json").write_text(json.dumps(situation))
    (library.folder / "order.toml").write_text("\n".join(f'{name} = "{word}"' for name, word in situation.items()))
    for file in ("order.json", "order.toml"):
        found = library.json("policy", "explain", file)
        assert found["allowed"]
        assert [rule["id"] for rule in found["rules"]] == ["release-under-order"]
        assert found["rules"][0]["cite"].startswith("R24-R29")
    once = library.json("policy", "explain", "order.toml", "--signed", "one person twice")
    assert once["sentence"] == "Refused: One person cannot give both approvals."
    subpoena = library.run("policy", "explain", "order.toml", "--paper", "attorney_subpoena")
    assert "with a subpoena signed by an attorney" in subpoena.said
    assert "Refused: no rule permits it." in subpoena.said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('asker = "Staff circulation"', "says who asks and what"),
        ('asker = "Staff circulation"\naction = "viewTie"\npapr = "x"', "did you mean 'paper'?"),
        ('asker = "Staff circulation"\naction = "viewTie"\nsound = "yes"', "true or false"),
        ('asker = "Staff janitor"\naction = "viewTie"', "no such Staff"),
        ("not a situation", "This is no situation"),
    ],
)
def test_a_situation_with_a_slip_is_refused(library: Library, text: str, said: str) -> None:
    (library.folder / "x.toml").write_text(text)
    done = library.run("policy", "explain", "x.toml")
    assert done.code == 2
    assert said in done.said


def test_a_policy_is_adopted_by_two_officers_and_decides_from_then_on(library: Library) -> None:
    library.spawn = True
    before = library.in_force()
    library.write("rules/local.cedar", STRICTER)
    assert library.run("policy", "sign").code == 5, "an unproved policy is not put forward"
    library.json("policy", "prove")
    first = library.json("policy", "sign")
    assert (first["needed"], first["signed"], first["in_force"]) == (2, [], False)
    library.json("policy", "sign", *library.signed("custodian"))
    assert library.in_force() == before, "the old policy keeps deciding"
    wrong = library.run("policy", "sign", *library.signed("counsel", key="custodian"))
    assert (wrong.code, library.in_force()) == (4, before)
    done = library.json("policy", "sign", *library.signed("counsel"))
    assert done["in_force"]
    assert library.in_force() == done["policy"] == bundles.load(library.folder / "policy").digest
    library.spawn = False
    press = ("policy", "explain", "--asker", "OutsideParty press", "--action", "viewStatistics", "--of", "Statistic")
    assert [rule["id"] for rule in library.json(*press, "--purpose", "statistics")["rules"]] == ["no-press"]
    assert library.run("policy", "sign").said.startswith("reticent: This policy is in force.")
    assert library.run("ledger", "verify").code == 0
    _what_was_changed_afterwards_decides_nothing(library, done["policy"])
    _old_signatures_bring_nothing_back(library, before)


def _what_was_changed_afterwards_decides_nothing(library: Library, digest: str) -> None:
    place = library.folder / "state" / "policy" / digest
    for name in ("rules/local.cedar", "certificate.json", "adoption.json"):
        text = (place / name).read_text()
        (place / name).write_text(text.replace("press", "pr3ss") if "press" in text else text.replace("1", "2"))
        with pytest.raises((EvidenceBroken, NotPermitted)):
            in_force(open_site(library.folder / "reticent.toml"))
        (place / name).write_text(text)
    assert in_force(open_site(library.folder / "reticent.toml")).bundle.digest == digest


def _old_signatures_bring_nothing_back(library: Library, first: str) -> None:
    """Go back to the shipped policy, and try the signatures of the stricter one once more."""
    old = [option for role in ("custodian", "counsel") for option in ("--signature", f"{role}=old-{role}.sig")]
    for role in ("custodian", "counsel"):
        (library.folder / f"old-{role}.sig").write_bytes((library.folder / f"{role}.sig").read_bytes())
    (library.folder / "policy").rename(library.folder / "policy.kept")
    (library.folder / "minutes.txt").write_text("The board voted on 2026-11-23.")
    assert library.run("policy", "sign").code == 4, "what the rule refused would be allowed again: a loosening"
    loosened = library.json("policy", "sign", "--vote", "minutes.txt")
    assert any(one.startswith("newly allowed: An outside party (press)") for one in loosened["loosenings"])
    assert library.json("policy", "sign", *library.signed("custodian", "alternate"))["in_force"]
    assert library.in_force() == first
    (library.folder / "policy.kept").rename(library.folder / "policy")
    assert library.run("policy", "sign", *old).code == 5
    assert library.in_force() == first


def test_an_approval_written_into_the_state_opens_nothing(library: Library) -> None:
    """Rows and files of the state: a pending adoption with signatures, the first policy, a whole archive folder."""
    library.write("rules/local.cedar", PARENTS)
    library.write("exceptions.toml", EXCEPTION)
    library.json("policy", "prove")
    before = library.in_force()
    (library.folder / "minutes.txt").write_text("minutes")
    library.json("policy", "sign", "--vote", "minutes.txt")
    pending = library.folder / "state" / "policy" / "pending.json"
    body = json.loads(pending.read_text())
    pending.write_text(json.dumps({**body, "signed": {"custodian": "yes", "counsel": "approved"}}))
    assert library.run("policy", "sign").code == 0
    assert library.in_force() == before
    here = open_site(library.folder / "reticent.toml")
    digest = bundles.load(library.folder / "policy").digest
    (library.folder / "policy").rename(library.folder / "state" / "policy" / digest)
    here.book.set_fact("first policy", digest)
    for _ in range(2):
        with pytest.raises(NotPermitted, match="no signatures"):
            open_gate(open_site(library.folder / "reticent.toml"))


def test_officers_can_sign_the_shipped_policy_where_an_unsigned_one_of_another_release_stood(library: Library) -> None:
    """It decides nothing, and what the refusal says to do can be done."""
    library.write("rules/local.cedar", STRICTER)
    library.json("policy", "prove")
    here, digest = open_site(library.folder / "reticent.toml"), bundles.load(library.folder / "policy").digest
    archive(here).keep(proved(here, draft(here)))
    (library.folder / "policy").rename(library.folder / "policy of another release")
    here.book.set_fact("first policy", digest)
    with pytest.raises(NotPermitted, match="reticent policy sign"):
        open_gate(open_site(library.folder / "reticent.toml"))
    (library.folder / "minutes.txt").write_text("The board voted on 2026-11-23.")
    library.json("policy", "sign", "--vote", "minutes.txt")
    assert library.json("policy", "sign", *library.signed("custodian", "alternate"))["in_force"]
    assert open_gate(open_site(library.folder / "reticent.toml"))
    assert library.in_force() == bundles.load().digest


def test_a_looser_retention_needs_a_vote_and_two_officers(library: Library) -> None:
    library.json("policy", "sign")
    assert library.json("policy", "sign", *library.signed("alternate"))["in_force"], "one officer, nothing changes"
    library.write_site("custodian", "counsel", "alternate", more='[retention]\ncirculation = "30 days"')
    refused = library.run("policy", "sign")
    assert refused.code == 4
    assert "kept longer: Finished loans (0 days before, 30 days now)" in refused.said
    pages = library.json("policy", "publish", "--out", "pages")
    assert "kept longer: Finished loans (0 days before, 30 days now)" in pages["loosenings"]
    marked = (library.folder / "pages" / "policy-marked.html").read_text()
    assert "What would be loosened" in marked
    assert "30 days more" in marked
    (library.folder / "minutes.txt").write_text("The board voted on 2026-11-23.")
    assert library.json("policy", "sign", "--vote", "minutes.txt")["needed"] == 2
    assert library.json("policy", "sign", *library.signed("counsel", "alternate"))["in_force"]
    assert not library.json("policy", "publish", "--out", "pages")["changed"]


def test_after_an_officers_key_changed_the_policy_is_signed_again(library: Library) -> None:
    library.write("rules/local.cedar", STRICTER)
    library.json("policy", "prove")
    library.json("policy", "sign")
    library.json("policy", "sign", *library.signed("custodian", "counsel"))
    (library.folder / "counsel").unlink()
    (library.folder / "counsel.pub").unlink()
    library.write_site("custodian", "counsel", "alternate")
    with pytest.raises(NotPermitted, match="not those who sit; changed: counsel"):
        in_force(open_site(library.folder / "reticent.toml"))
    library.json("policy", "officers")
    library.json("policy", "officers", *library.signed("custodian", "alternate", statement="change-officers"))
    with pytest.raises(NotPermitted, match="needs the signatures of 2 officers and has 1"):
        in_force(open_site(library.folder / "reticent.toml"))
    library.json("policy", "sign")
    assert library.json("policy", "sign", *library.signed("custodian", "counsel"))["in_force"]
    assert in_force(open_site(library.folder / "reticent.toml")).adoption is not None


def test_a_site_without_officers_is_told_to_name_them(library: Library) -> None:
    library.write_site()
    (library.folder / "custodian.sig").write_text("x")
    done = library.run("policy", "sign", "--signature", "custodian=custodian.sig")
    assert done.code == 2
    assert "names no officers" in done.said


def test_the_published_policy_says_what_is_in_force(library: Library) -> None:
    done = library.run("policy", "publish", "--out", "pages")
    assert done.code == 0, done.said
    text = (library.folder / "pages" / "policy.html").read_text()
    for said in ("Wis. Stat.", "Finished loans: kept until", "The custodian of records: Custodian", "court order"):
        assert said in text, said
    promises = (library.folder / "pages" / "promises.html").read_text()
    assert promises.count("kept, for every possible request") == 32
    assert "Try to break it" in promises
    assert not (library.folder / "pages" / "policy-marked.html").exists()


def test_a_changed_policy_makes_old_plans_unfit_and_disarms(sqlite_lab: kit.Lab) -> None:
    sqlite_lab.plan()
    library = Library(sqlite_lab.folder)
    roles = ("custodian", "counsel")
    site = (sqlite_lab.folder / "reticent.toml").read_text()
    library.write_site(*roles)
    officers = (sqlite_lab.folder / "reticent.toml").read_text().split("[officers]")[1].split("[systems.ils]")[0]
    (sqlite_lab.folder / "reticent.toml").write_text(site.replace("[schedule]", f"[officers]{officers}[schedule]"))
    sqlite_lab.plan()
    library.write("rules/local.cedar", STRICTER)
    library.json("policy", "prove")
    library.json("policy", "sign")
    assert library.json("policy", "sign", *library.signed(*roles))["in_force"]
    done = sqlite_lab.sever()
    assert done.code == 4
    assert "The plan no longer fits: the policy changed since it was made." in json.loads(done.out)["error"]["what"]
