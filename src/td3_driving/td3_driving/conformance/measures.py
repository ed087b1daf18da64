# SPDX-License-Identifier: Apache-2.0
"""Evidence: a value, its allowed range, and whether it lies within."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from td3_driving.conformance.recording import Recording


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured value."""

    what: str
    value: str
    allowed: str
    good: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.value} (allowed: {self.allowed})"


@dataclass
class Measures:
    """Collects the evidence of one check."""

    found: list[Measure] = field(default_factory=list)

    def within(self, what: str, value: float | None, low: float, high: float, unit: str = "") -> None:
        """Require ``value`` in ``[low, high]``; a missing value or NaN fails."""
        tail = f" {unit}" if unit else ""
        shown = "none" if value is None else f"{value:.6g}{tail}"
        # NumPy's booleans have no form in JSON.
        good = value is not None and math.isfinite(value) and bool(low <= value <= high)
        bounds = f"at least {low:.6g}" if math.isinf(high) else f"{low:.6g} .. {high:.6g}"
        self.found.append(Measure(what, shown, f"{bounds}{tail}", good))

    def at_least(self, what: str, value: float | None, low: float, unit: str = "") -> None:
        """Require ``value`` of at least ``low``."""
        self.within(what, value, low, math.inf, unit)

    def equal(self, what: str, value: Any, wanted: Any) -> None:
        """Require ``value`` to equal ``wanted``."""
        self.found.append(Measure(what, _short(value), _short(wanted), bool(value == wanted)))

    def true(self, what: str, good: bool, value: str, allowed: str) -> None:
        """Require ``good``."""
        self.found.append(Measure(what, value, allowed, bool(good)))


@dataclass(frozen=True)
class CheckVerdict:
    """The result of a check."""

    id: str
    title: str
    evidence: tuple[Measure, ...]

    @property
    def passed(self) -> bool:
        """Return whether there is evidence and all of it is good."""
        return bool(self.evidence) and all(measure.good for measure in self.evidence)


@dataclass(frozen=True)
class Check:
    """One check of the contract.

    Attributes:
        id: its name, in kebab case.
        title: its demand in short.
        needs: experiments whose stretches it reads.
        judge: collects the evidence from a recording.
    """

    id: str
    title: str
    needs: tuple[str, ...]
    judge: Callable[[Recording, Measures], None]

    @property
    def meaning(self) -> str:
        """What it looks at: the docstring of its function, in one line."""
        return " ".join((self.judge.__doc__ or "").split())

    def verdict(self, recording: Recording) -> CheckVerdict:
        """Judge a recording; a message without its required content fails the check."""
        measures = Measures()
        try:
            self.judge(recording, measures)
        except (AttributeError, LookupError, ValueError, ArithmeticError, TypeError) as error:
            measures.true("messages", False, f"{type(error).__name__}: {error}", "can be judged")
        return CheckVerdict(self.id, self.title, tuple(measures.found))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
