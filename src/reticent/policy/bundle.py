"""A bundle: schema, rules, promises and exceptions that stand and fall together.

Its digest is over the bytes of every file, so one changed letter is another bundle. The
shipped files lie beside this module; a library adds ``rules/local.cedar``,
``promises/local.cedar`` and ``exceptions.toml`` in a folder of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import cedarpy
from cedarpy import pst

from reticent.errors import ConfigurationError
from reticent.policy import schema as vocabulary

SHIPPED = ("schema.json", "rules/base.cedar", "promises/ala.cedar", "promises/special.toml")
LOCAL = ("rules/local.cedar", "promises/local.cedar", "exceptions.toml")
RULE_WORDS = ("id", "cite", "since", "says")
PROMISE_WORDS = ("promise", "says", "clause")


@dataclass(frozen=True)
class Rule:
    """One Cedar rule or promise: its tree, its annotations, and where it is written."""

    id: str
    tree: pst.Template = field(repr=False)
    cite: str
    says: str
    since: str
    file: str
    line: int

    @property
    def where(self) -> str:
        """``file:line`` for messages."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Special:
    """A promise that is no single rule: ``two worlds`` over attributes, or ``never errs``."""

    id: str
    kind: Literal["two worlds", "never errs"]
    says: str
    cite: str
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiver:
    """A promise knowingly given up where a statute commands it, by named local rules."""

    promise: str
    rules: tuple[str, ...]
    cite: str
    says: str


@dataclass(frozen=True)
class Bundle:
    """The text of every file, and what it means once parsed. ``files`` maps name -> text."""

    files: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the names and texts of all files."""
        body = json.dumps(dict(sorted(self.files.items())), ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(body.encode()).hexdigest()

    @cached_property
    def schema(self) -> vocabulary.Schema:
        """The typed vocabulary."""
        return vocabulary.parse(self.files["schema.json"])

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, shipped ones first, in the order they are written."""
        names = ("rules/base.cedar", "rules/local.cedar")
        return _unique([r for name in names for r in read_rules(name, self.files.get(name, ""), RULE_WORDS)])

    @cached_property
    def promises(self) -> tuple[Rule, ...]:
        """Every promise written as a Cedar rule."""
        names = ("promises/ala.cedar", "promises/local.cedar")
        return _unique([r for name in names for r in read_rules(name, self.files.get(name, ""), PROMISE_WORDS)])

    @cached_property
    def specials(self) -> tuple[Special, ...]:
        """The promises of ``promises/special.toml``."""
        return tuple(
            Special(p["id"], p["kind"], p["says"], p["clause"], tuple(p.get("attributes", ())))
            for p in _toml(self.files["promises/special.toml"], "promises/special.toml").get("promise", [])
        )

    @cached_property
    def exceptions(self) -> tuple[Waiver, ...]:
        """The cited statutory exceptions of ``exceptions.toml``, checked."""
        rows = _toml(self.files.get("exceptions.toml", ""), "exceptions.toml").get("exception", [])
        return tuple(self._waiver(row) for row in rows)

    @cached_property
    def rules_text(self) -> str:
        """All rules as one Cedar text, shipped first; parser ids count in this order."""
        return "\n".join(self.files.get(n, "") for n in ("rules/base.cedar", "rules/local.cedar"))

    def without(self, rules: frozenset[str]) -> tuple[Rule, ...]:
        """Return the rules except those named by ``@id``."""
        return tuple(rule for rule in self.rules if rule.id not in rules)

    def replaced(self, name: str, text: str) -> Bundle:
        """Return a bundle with one file's text replaced."""
        return Bundle({**self.files, name: text})

    def _waiver(self, row: Mapping[str, Any]) -> Waiver:
        try:
            waiver = Waiver(row["promise"], tuple(row["rules"]), row["cite"].strip(), row["says"].strip())
        except (KeyError, AttributeError, TypeError) as error:
            raise _exception_refused("an exception lacks promise, rules, cite or says") from error
        known = {p.id for p in self.promises} | {p.id for p in self.specials}
        local = {r.id for r in self.rules if r.file == "rules/local.cedar"}
        if waiver.promise not in known:
            raise _exception_refused(f"there is no promise {waiver.promise!r}")
        if not waiver.rules or not set(waiver.rules) <= local:
            raise _exception_refused(f"the exception to {waiver.promise!r} must name rules of rules/local.cedar")
        if not waiver.cite or not waiver.says:
            raise _exception_refused(f"the exception to {waiver.promise!r} cites no statute or says nothing")
        return waiver


def load(folder: Path | None = None) -> Bundle:
    """Return the shipped bundle, with a library's own files from ``folder`` added.

    Raises ConfigurationError when a file cannot be read or does not parse.
    """
    room = resources.files("reticent.policy")
    files = {name: room.joinpath(name).read_text(encoding="utf-8") for name in SHIPPED}
    for name in LOCAL if folder else ():
        path = Path(folder or ".") / name
        if not path.exists():
            continue
        try:
            files[name] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                "A file of the policy cannot be read as UTF-8 text.",
                where=str(path),
                do="Check the file's rights and its encoding.",
            ) from error
    return Bundle(files)


def read_rules(name: str, text: str, words: tuple[str, ...]) -> list[Rule]:
    """Parse one Cedar file; ``words`` are the annotations each rule must carry, the first is its id."""
    try:
        parsed = cedarpy.policies_to_pst(text)
    except ValueError as error:
        raise _syntax(name, text) from error
    if parsed.templates:
        raise ConfigurationError("The policy uses a template (?principal or ?resource).", where=name, do=_PLAIN)
    trees = sorted(parsed.static_policies.values(), key=lambda tree: int(tree.id.removeprefix("policy")))
    lines = [line for line, _ in statements(text)]
    return [_rule(name, tree, line, words) for tree, line in zip(trees, lines, strict=True)]


_PLAIN = "Write a plain permit or forbid."


def _rule(name: str, tree: pst.Template, line: int, words: tuple[str, ...]) -> Rule:
    missing = [word for word in words if not tree.annotations.get(word, "").strip()]
    if missing:
        raise ConfigurationError(
            f"A rule lacks @{missing[0]}.",
            where=f"{name}:{line}",
            do="Every rule carries " + ", ".join(f"@{word}" for word in words) + ".",
        )
    noted = tree.annotations
    return Rule(
        noted[words[0]], tree, noted.get("cite", noted.get("clause", "")), noted["says"],
        noted.get("since", ""), name, line,
    )  # fmt: skip


def _unique(rules: list[Rule]) -> tuple[Rule, ...]:
    seen: dict[str, Rule] = {}
    for rule in rules:
        if rule.id in seen:
            raise ConfigurationError(
                f"Two rules are called {rule.id!r}.",
                where=f"{seen[rule.id].where} and {rule.where}",
                do="Give each rule an @id of its own.",
            )
        seen[rule.id] = rule
    return tuple(rules)


_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;', re.DOTALL)
_BLANK = re.compile(r"(?:\s|//[^\n]*)*")


def statements(text: str) -> list[tuple[int, str]]:
    """Split Cedar text at its semicolons; return (line of the first word, statement).

    Semicolons inside strings and comments do not count.
    """
    ends = [token.end() for token in _TOKEN.finditer(text) if token[0] == ";"]
    found = []
    for start, end in pairwise([0, *ends, len(text)]):
        blank = _BLANK.match(text, start, end)
        first = blank.end() if blank else start
        if first < end:
            found.append((text.count("\n", 0, first) + 1, text[start:end]))
    return found


def _syntax(name: str, text: str) -> ConfigurationError:
    """Find the first statement that does not parse alone; the parser gives no line."""
    for line, statement in statements(text):
        try:
            cedarpy.PolicySet.from_str(statement)
        except ValueError:
            where = f"{name}:{line}"
            break
    else:
        where = name
    return ConfigurationError(
        "A rule is not Cedar: something in it cannot be read.",
        where=where,
        do="Look for a missing comma, parenthesis, quotation mark or semicolon in the rule beginning there.",
    )


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError("The file is not TOML.", where=name, do="Check its brackets and quotes.") from error


def _exception_refused(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"An exception is refused: {why}.",
        where="exceptions.toml",
        do="Name the promise, the local rules that override it, the statute (cite) and a sentence (says).",
    )
