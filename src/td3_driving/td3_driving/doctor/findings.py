"""What a rule is, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Iterable

from td3_driving.doctor.history import History, Row


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
        rule: number of the rule.
        title: its short name.
        severity: weight of this finding.
        first_step: environment step at which the condition first held; ``None`` where it has no moment.
        evidence: the numbers, in a sentence.
        meaning: what they prove.
        refuted_by: what would show that the finding is wrong.
        causes: ids of the causes that it speaks for.
        numbers: the same numbers for programs.
    """

    rule: int
    title: str
    severity: Severity
    first_step: float | None
    evidence: str
    meaning: str
    refuted_by: str
    causes: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)


class Rule:
    """A condition on the samples of a run; the same object judges live and after the fact.

    A subclass names itself in the class attributes, keeps what it needs of the rows it is fed, and says what it found
    when asked. It must never take a missing series for a healthy one: :meth:`missing` names what it lacks. ``reads``
    are the quantities of which any one brings a row to :meth:`feed`; ``needs`` (``reads`` if left out) are all
    indispensable.
    """

    id: int
    title: str
    meaning: str
    refuted_by: str
    reads: tuple[str, ...] = ()
    needs: tuple[str, ...] | None = None

    def __init__(self, history: History) -> None:
        self.history = history

    def feed(self, row: Row) -> None:
        """Take a row that holds at least one of ``reads``."""

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        """What holds now; ``earlier`` are the findings of the rules before this one."""
        raise NotImplementedError

    def missing(self) -> str:
        """Why the rule cannot judge, or an empty text."""
        absent = [name for name in (self.reads if self.needs is None else self.needs) if not self.history.has(name)]
        return f"no series for {', '.join(absent)}" if absent else ""

    def find(
        self,
        severity: Severity,
        first_step: float | None,
        evidence: str,
        causes: tuple[str, ...] = (),
        meaning: str = "",
        **numbers: float,
    ) -> Finding:
        """A finding of this rule."""
        return Finding(
            self.id,
            self.title,
            severity,
            first_step,
            evidence,
            meaning or self.meaning,
            self.refuted_by,
            causes,
            numbers,
        )


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
