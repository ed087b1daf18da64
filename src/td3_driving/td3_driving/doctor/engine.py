"""Samples in, findings out: one history and one object of every rule."""

from __future__ import annotations

from dataclasses import dataclass

from td3_driving.doctor.expectations import Expectations
from td3_driving.doctor.findings import Finding, Rule
from td3_driving.doctor.history import History, Row
from td3_driving.doctor.names import Names
from td3_driving.doctor.rules import make_rules
from td3_driving.doctor.scope import scope_of


@dataclass(frozen=True)
class Outcome:
    """What became of one rule: ``fired``, ``quiet``, ``not judged`` with the reason, or ``not of this algorithm``."""

    rule: int
    title: str
    status: str
    reason: str = ""


class Engine:
    """Feeds every rule the rows that it reads. Live and offline use this same object."""

    def __init__(self, expect: Expectations | None = None, names: Names | None = None) -> None:
        self.history = History(expect or Expectations(), self._dispatch, names)
        self.rules = make_rules(self.history)
        self._readers: dict[str, list[Rule]] = {}
        for rule in self.rules:
            for name in rule.reads:
                self._readers.setdefault(name, []).append(rule)

    def feed(self, tag: str, step: int, value: float, wall: float) -> None:
        """Take one sample, taken at ``wall`` [s]."""
        self.history.feed(tag, step, value, wall)

    def _dispatch(self, row: Row) -> None:
        asked: dict[int, Rule] = {}
        for name in row.values:
            for rule in self._readers.get(name, ()):
                asked[rule.id] = rule
        for rule in asked.values():
            rule.feed(row)

    def findings(self) -> list[Finding]:
        """All that holds now, in the order of the rules."""
        self.history.flush()
        found: list[Finding] = []
        foreign = scope_of(self.history).foreign
        for rule in self.rules:
            found += [] if rule.id in foreign else rule.findings(found)
        return found

    def outcomes(self, found: list[Finding]) -> list[Outcome]:
        """What became of every rule, given its findings."""
        fired = {finding.rule for finding in found}
        foreign = scope_of(self.history).foreign
        return [
            self._outcome(rule, rule.id in fired, rule.id in foreign)
            for rule in sorted(self.rules, key=lambda rule: rule.id)
        ]

    def _outcome(self, rule: Rule, fired: bool, foreign: bool) -> Outcome:
        if fired:
            return Outcome(rule.id, rule.title, "fired")
        if foreign:
            return Outcome(rule.id, rule.title, "not of this algorithm")
        reason = rule.missing()
        return Outcome(rule.id, rule.title, "not judged" if reason else "quiet", reason)

    def rule(self, number: int) -> Rule:
        """The rule of that number."""
        return next(rule for rule in self.rules if rule.id == number)
