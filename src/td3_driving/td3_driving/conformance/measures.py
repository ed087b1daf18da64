# SPDX-License-Identifier: Apache-2.0
"""Evidence: a value, what is allowed, and whether it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from td3_driving.conformance.recording import Recording


@dataclass(frozen=True, slots=True)
class Measure:
    """One value that was looked at."""

    what: str
    value: str
    allowed: str
    good: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.value} (allowed: {self.allowed})"


@dataclass
class Measures:
    """The evidence of one check as it comes together."""

    found: list[Measure] = field(default_factory=list)

    def within(self, what: str, value: float | None, low: float, high: float, unit: str = "") -> None:
        """``value`` must lie in ``[low, high]``; one that is missing or not a number does not."""
        tail = f" {unit}" if unit else ""
        shown = "none" if value is None else f"{value:.6g}{tail}"
        good = value is not None and math.isfinite(value) and low <= value <= high
        bounds = f"at least {low:.6g}" if math.isinf(high) else f"{low:.6g} .. {high:.6g}"
        self.found.append(Measure(what, shown, f"{bounds}{tail}", good))

    def at_least(self, what: str, value: float | None, low: float, unit: str = "") -> None:
        """``value`` must not be below ``low``."""
        self.within(what, value, low, math.inf, unit)

    def equal(self, what: str, value: Any, wanted: Any) -> None:
        """``value`` must be ``wanted``."""
        self.found.append(Measure(what, _short(value), _short(wanted), value == wanted))

    def true(self, what: str, good: bool, value: str, allowed: str) -> None:
        """Whatever else ``good`` says."""
        self.found.append(Measure(what, value, allowed, good))


@dataclass(frozen=True)
class CheckVerdict:
    """How a check ended."""

    number: int
    title: str
    evidence: tuple[Measure, ...]

    @property
    def passed(self) -> bool:
        """Whether there is evidence and all of it is good."""
        return bool(self.evidence) and all(measure.good for measure in self.evidence)


@dataclass(frozen=True)
class Check:
    """One point of the contract.

    Attributes:
        number: 1 .. 18.
        title: what it demands, in short.
        needs: experiments whose stretches it looks at.
        judge: puts the evidence of a recording together.
    """

    number: int
    title: str
    needs: tuple[str, ...]
    judge: Callable[[Recording, Measures], None]

    def verdict(self, recording: Recording) -> CheckVerdict:
        """The verdict on a recording; a message that lacks what it must have fails the check."""
        measures = Measures()
        try:
            self.judge(recording, measures)
        except (AttributeError, LookupError, ValueError, ArithmeticError, TypeError) as error:
            measures.true("messages", False, f"{type(error).__name__}: {error}", "can be judged")
        return CheckVerdict(self.number, self.title, tuple(measures.found))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
