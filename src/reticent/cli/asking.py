"""How `init` asks: options first, then a person at a terminal; without either, an error that names the option."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping

import typer

from reticent.acts.questions import Question
from reticent.cli.output import safe
from reticent.errors import UsageError

_NOTHING = "Nothing was written."


class Answering:
    """Answers from ``given`` options; else, with ``defaults``, the default; else a person."""

    def __init__(self, given: Mapping[str, str], *, defaults: bool) -> None:
        self.given, self._defaults = given, defaults
        self._person = sys.stdin.isatty() and not defaults

    def ask(self, question: Question) -> str:
        """Return a checked answer. Raises UsageError if there is none."""
        if question.key in self.given:
            return _checked(question, self.given[question.key])
        if self._defaults and question.default is not None:
            return question.default
        if not self._person:
            raise UsageError(
                f"Nobody can be asked: {question.text}.", do=f"Answer with {_option(question.key)}. {_NOTHING}"
            )
        return self._prompt(question)

    def _prompt(self, question: Question) -> str:
        while True:
            try:
                typed = typer.prompt(safe(question.text), default=question.default, err=True, show_default=True)
                return _checked(question, str(typed).strip())
            except typer.Abort:
                raise UsageError("Interrupted.", do=_NOTHING) from None
            except UsageError as error:
                typer.echo(safe(error.what), err=True)

    def secret(self, name: str) -> str:
        """Return a password a person typed; "" if there is no person."""
        if not self._person:
            return ""
        try:
            return str(typer.prompt(f"Password for ${{{name}}} (not written anywhere)", "", hide_input=True, err=True))
        except typer.Abort:
            raise UsageError("Interrupted.", do=_NOTHING) from None

    def tell(self, text: str) -> None:
        """Say something to the person."""
        if self._person:
            typer.echo(safe(text), err=True)

    def again(self, text: str) -> bool:
        """Ask whether to try again."""
        if not self._person:
            return False
        try:
            return str(typer.prompt(f"{text}; or skip", "", err=True, show_default=False)).strip() != "skip"
        except typer.Abort:
            raise UsageError("Interrupted.", do=_NOTHING) from None


def _checked(question: Question, answer: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in answer):
        raise UsageError(f"{_option(question.key)}: no control characters, please.", do=_NOTHING)
    try:
        return question.check(answer)
    except ValueError as error:
        raise UsageError(f"{_option(question.key)}: {error}.", do=_NOTHING) from None


def _option(key: str) -> str:
    word, _, name = key.partition(".")
    if name:
        return f'--{word} "{name}=..."'
    return {"name": "--system NAME=URL", "find": "--system NAME=URL"}.get(key, f"--{word}")


def pairs(option: str, values: list[str]) -> dict[str, str]:
    """Return ``{"schedule.circulation": "none applies"}`` for ``--schedule "circulation=none applies"``."""
    found = {}
    for value in values:
        name, equals, answer = value.partition("=")
        found[f"{option}.{name.strip()}" if equals else option] = (answer if equals else name).strip()
    return found
