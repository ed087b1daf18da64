# SPDX-License-Identifier: Apache-2.0
"""What a rule is. To add one, subclass :class:`Rule` in a file of the package ``rules``, or in a module of your own."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from td3_driving.doctor.findings import POSSIBLE, PROVEN, Finding, Severity
from td3_driving.doctor.history import History, Row

ACTOR, VALUES, EPISODES = "actor", "values", "episodes"
"""Parts of a learner that a rule may speak about; an algorithm that lacks the part is not asked."""
HEADINGS = ("Condition", "Meaning", "Refuted by", "Example")
_HEADING = re.compile(rf"^({'|'.join(HEADINGS)}): ", flags=re.MULTILINE)


@dataclass(frozen=True)
class Manual:
    """What the docstring of a rule says.

    Attributes:
        summary: the rule in a sentence.
        condition: when it holds, with its thresholds.
        meaning: what follows if it holds.
        refuted_by: what would show that a finding is wrong.
        example: a case with numbers.
    """

    summary: str
    condition: str
    meaning: str
    refuted_by: str
    example: str


class Rule:
    """A condition on the samples of a run. The same object judges during the run and after it.

    The docstring of a subclass is its manual: a sentence, then paragraphs that begin with ``Condition:``, ``Meaning:``,
    ``Refuted by:`` and ``Example:``. Reports and ``docs/rules.md`` quote it.

    A subclass names itself in ``id``, keeps what it needs of the rows that :meth:`feed` brings, and says in
    :meth:`findings` what it found. A series that is missing is never healthy: :meth:`missing` says what is lacking.

    Attributes:
        id: short name in lower case with hyphens, ``q-ratio``.
        sections: sections of the report that quote it, keys of ``sections.SECTIONS``.
        charts: figures that mark it, keys of ``charts.CHARTS``.
        status: status of ``/diagnostics`` that it feeds, a name of ``watches.WATCHES``; empty for none.
        alert: series ``alerts/…`` that is 1 after a critical finding; empty for none.
        alarms: whether a critical finding raises an alarm during the run.
        about: the part of a learner that it speaks about: ``actor``, ``values``, ``episodes``, or empty for any run.
        confidences: cause -> confidence, where the severity does not say it (critical: proven, else possible).
        confirms: rules with which this one proves the causes that both speak for.
        reads: quantities of which any one brings a row to :meth:`feed`.
        needs: quantities without which it cannot judge; ``reads`` if left out.
    """

    id: str = ""
    sections: tuple[str, ...] = ()
    charts: tuple[str, ...] = ()
    status: str = ""
    alert: str = ""
    alarms: bool = True
    about: str = ""
    confidences: ClassVar[Mapping[str, str]] = {}
    confirms: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    needs: tuple[str, ...] | None = None

    def __init__(self, history: History) -> None:
        self.history = history

    def feed(self, row: Row) -> None:
        """Take a row that holds at least one of ``reads``."""

    def findings(self, earlier: Iterable[Finding]) -> list[Finding]:
        """What holds at this moment; ``earlier`` are the findings of the rules before this one."""
        raise NotImplementedError

    def missing(self) -> str:
        """Why the rule cannot judge, or an empty text."""
        absent = [name for name in (self.reads if self.needs is None else self.needs) if not self.history.has(name)]
        return f"no series for {', '.join(absent)}" if absent else ""

    def confidence(self, cause: str, severity: Severity) -> str:
        """How sure ``cause`` is by a finding of this rule alone."""
        return self.confidences.get(cause) or (PROVEN if severity is Severity.CRITICAL else POSSIBLE)

    def find(
        self,
        severity: Severity,
        first_step: float | None,
        evidence: str,
        causes: tuple[str, ...] = (),
        meaning: str = "",
        **numbers: float,
    ) -> Finding:
        """A finding of this rule; ``meaning`` replaces that of the manual."""
        manual = manual_of(type(self))
        sure = {cause: self.confidence(cause, severity) for cause in causes}
        meaning = meaning or manual.meaning
        return Finding(
            self.id, severity, first_step, evidence, meaning, manual.refuted_by, sure, self.confirms, numbers
        )


def manual_of(rule: type[Rule]) -> Manual:
    """The docstring of ``rule``, taken apart; what it does not say is empty."""
    summary, *parts = _HEADING.split(inspect.cleandoc(rule.__doc__ or ""))
    texts = dict(zip(parts[::2], parts[1::2]))
    condition, meaning, refuted_by, example = (" ".join(texts.get(name, "").split()) for name in HEADINGS)
    return Manual(" ".join(summary.split()), condition, meaning, refuted_by, example)
