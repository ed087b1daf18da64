# SPDX-License-Identifier: Apache-2.0
"""Feeds samples to one object of every rule, and collects their findings."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass

from td3_driving.doctor import rules
from td3_driving.doctor.aliases import family
from td3_driving.doctor.errors import Unusable
from td3_driving.doctor.expectations import Expectations
from td3_driving.doctor.findings import Finding
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.names import Names
from td3_driving.doctor.rule import Rule
from td3_driving.doctor.rulebook import Rulebook, standard_rules
from td3_driving.doctor.scope import scope_of


@dataclass(frozen=True)
class RuleOutcome:
    """What became of one rule: ``fired``, ``quiet``, ``not judged`` with the reason, or ``not of this algorithm``."""

    rule: str
    status: str
    reason: str = ""


class Engine:
    """Feeds every rule the rows that it reads, during the run and after it.

    Args:
        expect: what was asked of the run.
        names: what its tags mean.
        rulebook: the rules; the standard ones if left out.
    """

    def __init__(
        self, expect: Expectations | None = None, names: Names | None = None, rulebook: Rulebook | None = None
    ) -> None:
        self.history = History(expect or Expectations(), self._dispatch, names)
        self.rulebook = rulebook or standard_rules()
        self._rules = {kind.id: _made(kind, self.history) for kind in self.rulebook}
        self._readers: dict[str, list[Rule]] = {}
        self._known: dict[str, tuple[Rule, ...]] = {}
        for rule in self._rules.values():
            for name in rule.reads:
                self._readers.setdefault(name, []).append(rule)

    def feed(self, tag: str, step: int, value: float, wall: float) -> None:
        """Take one sample, taken at ``wall`` [s]."""
        self.history.feed(tag, step, value, wall)

    def _dispatch(self, row: Row) -> None:
        asked = {rule.id: rule for name in row.values for rule in self._readers_of(name)}
        for rule in asked.values():
            try:
                rule.feed(row)
            except Exception as error:
                _tell(rule, f"at step {row.step:,.0f}", error)
                raise

    def _readers_of(self, name: str) -> tuple[Rule, ...]:
        """The rules that read a quantity, or the family that it belongs to."""
        known = self._known.get(name)
        if known is None:
            names = dict.fromkeys((name, family(name)))
            known = self._known[name] = tuple(rule for each in names for rule in self._readers.get(each, ()))
        return known

    def findings(self) -> list[Finding]:
        """All findings at this moment, in the order of the rules."""
        self.history.flush()
        found: list[Finding] = []
        scope = scope_of(self.history)
        for rule in self._rules.values():
            try:
                found += [] if scope.lacks(rule.about) else rule.findings(found)
            except Exception as error:
                _tell(rule, "when it was asked for its findings", error)
                raise
        return found

    def outcomes(self, found: list[Finding]) -> list[RuleOutcome]:
        """What became of every rule, given its findings."""
        fired = {finding.rule for finding in found}
        scope = scope_of(self.history)
        return [self._outcome(rule, rule.id in fired, scope.lacks(rule.about)) for rule in self._rules.values()]

    def _outcome(self, rule: Rule, fired: bool, foreign: bool) -> RuleOutcome:
        if fired:
            return RuleOutcome(rule.id, "fired")
        if foreign:
            return RuleOutcome(rule.id, "not of this algorithm")
        reason = rule.missing()
        return RuleOutcome(rule.id, "not judged" if reason else "quiet", reason)

    def rule(self, wanted: str) -> Rule:
        """The rule of that id."""
        return self._rules[wanted]


def _made(kind: type[Rule], history: History) -> Rule:
    try:
        return kind(history)
    except Exception as error:
        _tell(kind, "when it was made", error)
        raise


def _tell(rule: Rule | type[Rule], when: str, error: Exception) -> None:
    """Say in one sentence that a rule of the user's failed; does nothing where the rule is one of ours.

    Raises:
        Unusable: it is the user's.
    """
    kind = rule if isinstance(rule, type) else type(rule)
    if kind.__module__.startswith(f"{rules.__name__}."):
        return
    source = getattr(sys.modules.get(kind.__module__), "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    places = [f" ({frame.filename}, line {frame.lineno})" for frame in frames if frame.filename == source]
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    raise Unusable(f"the rule {kind.id} of {kind.__module__} failed {when}: {reason}{''.join(places[-1:])}") from error
