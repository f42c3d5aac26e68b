"""The Cedar engine behind pre-parsed handles: one question in, one plain answer out.

Strictness lives here: an entity or a context that does not fit the schema, a rule that errs, or
an engine without a decision is never an Allow. Measured hazards and their sources:
docs/explanation/the-gate.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import cedarpy

from reticent.policy.bundle import Bundle
from reticent.policy.request import Request, entities_json, request_json


@dataclass(frozen=True)
class Outcome:
    """The engine's answer: Cedar's own ``allow``, the deciding rules by ``@id``, the rules that erred.

    ``unfit`` is true when the request did not fit the schema and nothing was decided.
    """

    allow: bool
    deciding: tuple[str, ...]
    erred: int
    unfit: bool = False

    @property
    def strict(self) -> bool:
        """Allow, and nothing erred."""
        return self.allow and not self.erred and not self.unfit


UNFIT = Outcome(allow=False, deciding=(), erred=0, unfit=True)


class Engine:
    """One bundle's rules and schema, parsed once."""

    def __init__(self, bundle: Bundle) -> None:
        self._schema = cedarpy.Schema.from_json_str(bundle.files["schema.json"])
        self._rules = cedarpy.PolicySet.from_str(bundle.rules_text)
        self._names = {f"policy{number}": rule.id for number, rule in enumerate(bundle.rules)}

    def ask(self, request: Request) -> Outcome:
        """Decide one request; never raises on data that does not fit."""
        try:
            entities = cedarpy.Entities.from_json_str(json.dumps(entities_json(request.entities)), self._schema)
        except ValueError:
            return UNFIT
        answer = cedarpy.is_authorized(request_json(request), self._rules, entities, self._schema)
        if answer.decision == cedarpy.Decision.NoDecision:
            return UNFIT
        found = answer.diagnostics
        deciding = tuple(self._names[reason] for reason in found.reasons)
        return Outcome(answer.allowed, deciding, len(found.errors))
