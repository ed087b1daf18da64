# SPDX-License-Identifier: Apache-2.0
"""What the doctor says about a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from td3_driving.doctor.causes import INTEGRITY, Cause, Refuted, rank_causes, refute
from td3_driving.doctor.engine import Engine, RuleOutcome
from td3_driving.doctor.findings import Finding, Severity, found_by
from td3_driving.doctor.history import History
from td3_driving.doctor.learning import learning_of
from td3_driving.doctor.learning_curve import Learning
from td3_driving.doctor.rulebook import Rulebook
from td3_driving.doctor.scope import Scope, scope_of


class Verdict(str, Enum):
    """Whether a longer run is worth its time."""

    GO = "GO"
    NO_GO = "NO-GO"
    INSUFFICIENT = "INSUFFICIENT"

    @property
    def exit_code(self) -> int:
        """0 GO, 3 NO-GO, 4 INSUFFICIENT; 2 stands for unusable input."""
        return {Verdict.GO: 0, Verdict.NO_GO: 3, Verdict.INSUFFICIENT: 4}[self]


@dataclass(frozen=True)
class Source:
    """Where the samples come from."""

    name: str
    path: str
    files: tuple[str, ...] = ()
    scalars: int = 0
    damage: str = ""
    asked: dict[str, float | str] = field(default_factory=dict)
    manifest: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """Verdict, causes and evidence of one run."""

    verdict: Verdict
    causes: list[Cause]
    refuted: list[Refuted]
    findings: list[Finding]
    outcomes: list[RuleOutcome]
    insufficient: list[str]
    source: Source
    history: History
    learning: Learning
    scope: Scope
    rulebook: Rulebook

    @property
    def warnings(self) -> list[Finding]:
        """Findings that do not forbid to go on, but must be known."""
        return [finding for finding in self.findings if finding.severity is Severity.WARN]

    @property
    def evidence_warnings(self) -> list[Cause]:
        """Causes that make the evidence itself doubtful."""
        return [cause for cause in self.causes if cause.cause in INTEGRITY]

    def finding(self, rule: str) -> Finding | None:
        """The weightiest finding of a rule."""
        found = found_by(self.findings, rule)
        weights = [Severity.INFO, Severity.WARN, Severity.INSUFFICIENT, Severity.CRITICAL]
        return max(found, key=lambda finding: weights.index(finding.severity), default=None)


def conclude(engine: Engine, source: Source) -> Diagnosis:
    """The diagnosis from what ``engine`` was fed."""
    findings = engine.findings()
    insufficient = [finding.evidence for finding in findings if finding.severity is Severity.INSUFFICIENT]
    if any(finding.critical for finding in findings):
        verdict = Verdict.NO_GO
    else:
        verdict = Verdict.INSUFFICIENT if insufficient else Verdict.GO
    return Diagnosis(
        verdict,
        rank_causes(findings),
        refute(engine.history, findings),
        findings,
        engine.outcomes(findings),
        insufficient,
        source,
        engine.history,
        learning_of(engine.history),
        scope_of(engine.history),
        engine.rulebook,
    )
