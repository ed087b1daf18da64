# SPDX-License-Identifier: Apache-2.0
"""What a rule finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

PROVEN, STRONG, POSSIBLE = "proven", "strong", "possible"
CONFIDENCES = (POSSIBLE, STRONG, PROVEN)
"""How sure a cause is, the least sure first."""


class Severity(str, Enum):
    """How much a finding weighs. Any ``CRITICAL`` one makes the verdict NO-GO."""

    INFO = "info"
    WARN = "warn"
    CRITICAL = "critical"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True)
class Finding:
    """One rule that holds.

    Attributes:
        rule: id of the rule.
        severity: weight of this finding.
        first_step: environment step at which the condition first held; ``None`` where it has no moment.
        evidence: the numbers, in a sentence.
        meaning: what they prove.
        refuted_by: what would show that the finding is wrong.
        causes: the causes that it speaks for, each with its confidence.
        confirms: rules with which this one proves the causes that both speak for.
        numbers: the same numbers for programs.
    """

    rule: str
    severity: Severity
    first_step: float | None
    evidence: str
    meaning: str
    refuted_by: str
    causes: Mapping[str, str] = field(default_factory=dict)
    confirms: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def critical(self) -> bool:
        """Whether it forbids to go on."""
        return self.severity is Severity.CRITICAL


def found_by(findings: Iterable[Finding], *rules: str) -> Iterator[Finding]:
    """The findings of ``rules``, in their order."""
    return (finding for finding in findings if finding.rule in rules)


class Streak:
    """Counts how long a condition holds without a break, and remembers where it first held long enough.

    Args:
        needed: points in a row.
        span: distance that they must cover on the axis given to :meth:`update`.
    """

    def __init__(self, needed: int, span: float = 0.0) -> None:
        self.needed, self.span = needed, span
        self.length = self.longest = 0
        self.first_step: float | None = None
        self._start_step = self._start_at = 0.0

    def update(self, holds: bool, step: float, at: float | None = None) -> None:
        """Take one point at ``step``; ``at`` is its place on the axis of ``span`` (``step`` if left out)."""
        if not holds:
            self.length = 0
            return
        place = step if at is None else at
        if self.length == 0:
            self._start_step, self._start_at = step, place
        self.length += 1
        self.longest = max(self.longest, self.length)
        if self.first_step is None and self.length >= self.needed and place - self._start_at >= self.span:
            self.first_step = self._start_step

    @property
    def fired(self) -> bool:
        """Whether the condition once held long enough."""
        return self.first_step is not None


def number(value: float) -> str:
    """A value as people write it: 2,400,731 or 17.2 or 3.1e-08."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}" if size < 1e9 else f"{value:.3g}"
    return f"{value:.4g}" if size >= 1e-3 or size == 0 else f"{value:.2e}"
