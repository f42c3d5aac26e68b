"""Certificates, adoption, and past decisions decided again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.policy.conftest import Library
from tests.policy.helpers import shipped, with_rule
from tests.policy.test_gate import desk_request

from reticent.errors import EvidenceBroken, NotPermitted
from reticent.policy import certificate as certificates
from reticent.policy import prove
from reticent.policy.adoption import Adopted, Adoption, Archive, adopt
from reticent.policy.adoption import shipped as shipped_adopted
from reticent.policy.bundle import Bundle
from reticent.policy.certificate import Certificate
from reticent.policy.orders import Approval

LOOSER = (
    'permit (principal is Staff, action == Action::"viewTie", resource is Tie)'
    ' when { principal.roles.contains(Role::"interlibrary") && resource.class == RecordClass::"interlibrary_loan"'
    ' && resource.state == State::"open" && context.purpose == Purpose::"collectWhatIsOwed" };'
)
VOTE = "c" * 64


@pytest.fixture(scope="module")
def local() -> tuple[Bundle, Certificate]:
    bundle = with_rule(LOOSER)
    return bundle, prove.prove_bundle(bundle, 20)


def put_forward(bundle: Bundle, certificate: Certificate, vote: str = VOTE) -> Adoption:
    return prove.put_forward(shipped(), bundle, certificate, vote)


def signed(library: Library, adoption: Adoption, *roles: str) -> Sequence[Approval]:
    return [library.keys.sign(role, adoption.statement()) for role in roles]


def test_a_loosening_needs_two_officers_and_a_vote(library: Library, local: tuple[Bundle, Certificate]) -> None:
    bundle, certificate = local
    adoption = put_forward(bundle, certificate)
    assert adoption.loosens
    with pytest.raises(NotPermitted, match="needs the signatures of 2 officers and has 1"):
        adopt(bundle, certificate, adoption, signed(library, adoption, "custodian"), library.officers)
    unvoted = replace(adoption, vote="")
    with pytest.raises(NotPermitted, match="no vote"):
        adopt(bundle, certificate, unvoted, signed(library, unvoted, "custodian", "counsel"), library.officers)
    both = signed(library, adoption, "custodian", "counsel")
    adopted = adopt(bundle, certificate, adoption, both, library.officers)
    assert adopted.bundle is bundle
    with pytest.raises(NotPermitted, match="has 0"):
        adopt(bundle, certificate, replace(adoption, vote="d" * 64), both, library.officers)


def test_one_person_signing_twice_is_one(library: Library, local: tuple[Bundle, Certificate]) -> None:
    bundle, certificate = local
    adoption = put_forward(bundle, certificate)
    custodian, counsel, _ = library.officers
    one_key = (custodian, replace(counsel, sign=custodian.sign))
    approvals = [
        library.keys.sign("custodian", adoption.statement()),
        library.keys.sign("counsel", adoption.statement(), "custodian"),
    ]
    with pytest.raises(NotPermitted, match="has 1"):
        adopt(bundle, certificate, adoption, approvals, one_key)


def test_a_bundle_edited_after_signing_is_refused(library: Library, local: tuple[Bundle, Certificate]) -> None:
    bundle, certificate = local
    adoption = put_forward(bundle, certificate)
    both = signed(library, adoption, "custodian", "counsel")
    edited = bundle.replaced("rules/local.cedar", bundle.files["rules/local.cedar"].replace("open", "due"))
    with pytest.raises(EvidenceBroken, match="another bundle"):
        adopt(edited, certificate, adoption, both, library.officers)
    touched = replace(certificate, fuzz=999_999)
    with pytest.raises(EvidenceBroken, match="changed after"):
        adopt(bundle, touched, adoption, both, library.officers)


def test_a_shipped_upgrade_without_impact_needs_one(library: Library) -> None:
    now = shipped_adopted()
    adoption = Adoption(now.bundle.digest, now.certificate.digest, "a" * 64, 0, loosens=False)
    with pytest.raises(NotPermitted, match="1 officers and has 0"):
        adopt(now.bundle, now.certificate, adoption, [], library.officers)
    adopt(now.bundle, now.certificate, adoption, signed(library, adoption, "alternate"), library.officers)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"prover": certificates.PROVER + 1}, "another version of the prover"),
        ({"cedarpy": "0.0.1"}, "another version of the engine"),
        ({"bundle": "0" * 64}, "another bundle"),
        ({"lines": ()}, "every promise"),
        ({"problems": ("x",)}, "problems"),
    ],
)
def test_a_certificate_from_elsewhere_is_refused(change: dict[str, object], why: str) -> None:
    now = shipped_adopted()
    with pytest.raises(EvidenceBroken, match=why):
        certificates.verify(replace(now.certificate, **change), now.bundle)  # type: ignore[arg-type]


def test_a_certificate_with_a_refuted_promise_loads_nothing() -> None:
    bundle = with_rule('permit (principal is Guardian, action == Action::"viewOwnRecord", resource is Patron);')
    found = prove.prove_bundle(bundle, 20)
    assert not found.kept
    with pytest.raises(EvidenceBroken, match="minors-too"):
        certificates.verify(found, bundle)
    [line] = [line for line in found.lines if line.promise == "minors-too"]
    assert line.story.startswith("The guardian of")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"lines": [{"x": 1}]}', "null"])
def test_what_is_no_certificate_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "certificate.json"
    path.write_text(text)
    with pytest.raises(EvidenceBroken, match="cannot be read"):
        certificates.read(path)


def test_a_past_decision_is_decided_again_as_it_was(
    tmp_path: Path, library: Library, local: tuple[Bundle, Certificate]
) -> None:
    archive, adoption = Archive(tmp_path), put_forward(*local)
    approvals = signed(library, adoption, "custodian", "alternate")
    new = adopt(*local, adoption, approvals, library.officers)
    for adopted in (library.adopted, new, new):
        archive.keep(adopted)
    request = desk_request(context={"purpose": desk_request().context["purpose"], "now": 1, "year": 2026})
    assert archive.again(shipped().digest, request).deciding == ("desk-open-ties",)
    assert archive.bundle(new.bundle.digest).rules[-1].id == "local"
    with pytest.raises(EvidenceBroken, match="missing"):
        archive.bundle("0" * 64)


def test_an_adopted_bundle_is_verified_again_whenever_it_is_loaded(
    tmp_path: Path, library: Library, local: tuple[Bundle, Certificate]
) -> None:
    archive, adoption = Archive(tmp_path), put_forward(*local)
    new = adopt(*local, adoption, signed(library, adoption, "custodian", "counsel"), library.officers)
    archive.keep(new)
    digest, place = new.bundle.digest, tmp_path / new.bundle.digest
    library.adopted = archive.load(digest, library.officers)
    assert library.new_gate().digest == digest
    for name, before, after in (
        ("adoption.json", VOTE, "d" * 64),
        ("adoption.json", '"loosens": true', '"loosens": false'),
        ("adoption.json", "BEGIN SSH", "BEGIN PGP"),
        ("certificate.json", '"fuzz": 20', '"fuzz": 21'),
        ("rules/local.cedar", '"open"', '"due"'),
    ):
        text = (place / name).read_text(encoding="utf-8")
        assert before in text
        (place / name).write_text(text.replace(before, after), encoding="utf-8")
        with pytest.raises((EvidenceBroken, NotPermitted)):
            archive.load(digest, library.officers)
        (place / name).write_text(text, encoding="utf-8")
    (place / "adoption.json").unlink()
    with pytest.raises(EvidenceBroken, match="cannot be read"):
        archive.load(digest, library.officers)


def test_a_gate_is_not_built_on_a_bundle_without_its_certificate(
    library: Library, local: tuple[Bundle, Certificate]
) -> None:
    library.adopted = Adopted(local[0], library.adopted.certificate)
    with pytest.raises(EvidenceBroken, match="another bundle"):
        library.new_gate()


WITHOUT_Z3 = """
import sys
sys.modules["z3"] = None
from reticent.errors import UsageError
from reticent.policy import adoption, prove
from reticent.policy.engine import Engine
now = adoption.shipped()
Engine(now.bundle)
for ask in (lambda: prove.check_bundle(now.bundle), lambda: prove.prove_bundle(now.bundle),
            lambda: prove.diff(now.bundle, now.bundle)):
    try:
        ask()
    except UsageError as error:
        assert "pip install 'reticent[prove]'" in error.do
    else:
        raise SystemExit("proved without a prover")
import reticent.policy.gate
print("decides")
"""


def test_without_z3_the_gate_decides_and_proving_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_Z3], capture_output=True, text=True, check=False)
    assert done.stdout == "decides\n", done.stderr


def test_a_certificate_is_plain_json_and_comes_back_the_same(tmp_path: Path) -> None:
    now = shipped_adopted().certificate
    path = tmp_path / "c.json"
    path.write_text(now.text(), encoding="utf-8")
    assert certificates.read(path) == now
    assert json.loads(now.text())["bundle"] == shipped().digest
