"""``policy check``, ``prove`` and ``diff``: what a bundle says, whether it holds, what it changes.

The solver is an extra: without it these three say what to install, and the gate goes on deciding
with the bundle that was certified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reticent.errors import UsageError
from reticent.policy.adoption import Adoption
from reticent.policy.bundle import Bundle
from reticent.policy.certificate import KEPT, PROVER, Attested, Certificate, engine_version
from reticent.policy.lint import Problem, lint

if TYPE_CHECKING:
    from reticent.policy.impact import Impact
    from reticent.policy.prover import Line, Prover

DECISIONS = 200
"""Random decisions compared before a certificate is given."""


@dataclass(frozen=True)
class CheckResult:
    """Everything ``policy check`` found. ``impact`` is None when nothing was compared."""

    bundle: str
    problems: tuple[Problem, ...]
    lines: tuple[Line, ...]
    impact: Impact | None = None

    @property
    def kept(self) -> bool:
        """Whether this bundle may be put forward for adoption."""
        return not self.problems and bool(self.lines) and all(line.mark.value in KEPT for line in self.lines)


def check_bundle(bundle: Bundle, against: Bundle | None = None) -> CheckResult:
    """Lint a bundle, prove its promises, look for dead rules, and compare it with the one in force.

    Promises are judged even where lint found problems; what is not understood is not claimed.
    Raises UsageError without Z3, ConfigurationError when a file does not parse.
    """
    problems, prover = lint(bundle), _prover(bundle)
    lines = prover.lines()
    if problems:
        return CheckResult(bundle.digest, problems, lines)
    return CheckResult(bundle.digest, _slips(prover, lines), lines, diff(against, bundle) if against else None)


def prove_bundle(bundle: Bundle, decisions: int = DECISIONS, seed: int = 1) -> Certificate:
    """Prove a bundle and compare engine and compiler on random decisions; return the certificate.

    The certificate says what was found, good or bad; only ``kept`` ones let a bundle decide.
    """
    result = check_bundle(bundle)
    from reticent.policy.solver import VERSION

    problems = [f"{p.rule} ({p.where}) {p.why}" for p in result.problems]
    fuzzed = 0
    if not problems:
        from reticent.policy.fuzz import fuzz

        run = fuzz(bundle, decisions, seed)
        fuzzed = run.decisions
        problems += [f"{found.between} disagree" for found in run.disagreements]
    reads = _prover(bundle).reads() if not problems else ()
    return Certificate(
        bundle=bundle.digest,
        prover=PROVER,
        cedarpy=engine_version(),
        z3=VERSION,
        lines=tuple(_attested(line) for line in result.lines),
        problems=tuple(problems),
        fuzz=fuzzed,
        seed=seed,
        reads=tuple(name for name in reads if name.partition(".")[0] in ("Patron", "Guardian", "Item", "Tie")),
        assumes=tuple(_assumed(bundle, name) for name in reads if name.partition(".")[0] in ("context", "Instrument")),
    )


def diff(old: Bundle, new: Bundle) -> Impact:
    """Return what a new bundle newly allows and newly refuses, by kind of request, with examples."""
    _prover(old)
    from reticent.policy import impact

    return impact.diff(old, new)


def put_forward(old: Bundle, new: Bundle, certificate: Certificate, vote: str = "") -> Adoption:
    """Return what officers sign to replace ``old`` by ``new``, its impact computed, not claimed.

    ``vote`` is the digest of the governing body's recorded vote; a loosening needs one.
    """
    impact = diff(old, new)
    changes = len(impact.changes) + len(impact.undecided) + len(impact.promises) + impact.vocabulary
    return Adoption(new.digest, certificate.digest, old.digest, changes, impact.loosens, vote)


def _prover(bundle: Bundle) -> Prover:
    try:
        from reticent.policy.prover import Prover
    except ModuleNotFoundError as error:
        raise UsageError(
            "Proving needs Z3, which is not installed. Decisions go on with the certified policy.",
            do="Install the extra: pip install 'reticent[prove]'.",
        ) from error
    return Prover(bundle)


def _slips(prover: Prover, lines: tuple[Line, ...]) -> tuple[Problem, ...]:
    dead = [Problem(r.id, r.where, "can never apply, whatever is asked: a slip?") for r in prover.dead()]
    idle = [Problem(r.id, r.where, "changes no decision: other rules allow all it allows") for r in prover.idle()]
    marks = {line.promise: line.mark.value for line in lines}
    spare = [
        Problem(waiver.promise, "exceptions.toml", "is excepted, but the rules keep it: drop the exception")
        for waiver in prover.bundle.exceptions
        if marks[waiver.promise] == "proved"
    ]
    named = {problem.rule for problem in dead}
    return (*dead, *(problem for problem in idle if problem.rule not in named), *spare)


def _attested(line: Line) -> Attested:
    told = line.counterexample.story if line.counterexample else ""
    return Attested(line.promise, line.says, line.clause, line.mark.value, line.kinds, line.why, told)


def _assumed(bundle: Bundle, name: str) -> str:
    owner, _, attribute = name.partition(".")
    declared = bundle.schema.context if owner == "context" else bundle.schema.entities[owner]
    return f"{name}: {declared[attribute].doc}"
