# SPDX-License-Identifier: Apache-2.0
"""From single steps to points of a series, as the diagnostics node writes them and the bag reader rebuilds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

LEDGER_TOLERANCE = 1e-6
KMH = 3.6
REWARD_TAG = "reward"
"""Group of the tags of the terms of the reward: ``reward/<term>``."""


@dataclass(frozen=True, slots=True)
class Step:
    """One scored step of one actor.

    Attributes:
        actor_id: which actor drove it.
        step: environment steps of this actor, this one included.
        episode_step: the same within the episode.
        terms: the terms of the reward by name.
        total: the reward; the terms must add up to it.
        speed: [m/s].
    """

    actor_id: str
    step: int
    episode_step: int
    terms: Mapping[str, float]
    total: float
    speed: float


@dataclass
class StepClock:
    """Environment steps of the whole run: the sum over its actors.

    Attributes:
        first: actor -> first step that was heard. Earlier steps belong to an earlier start of the run, or were sent
            before the subscription was matched.
        unheard: missing steps between two that were heard.
    """

    first: dict[str, int] = field(default_factory=dict)
    unheard: int = 0
    _steps: dict[str, int] = field(default_factory=dict)

    def advance(self, actor_id: str, step: int) -> int:
        """Note that an actor is at ``step``; return the steps of all actors."""
        self.first.setdefault(actor_id, step)
        self.unheard += max(step - self._steps.get(actor_id, step) - 1, 0)
        self._steps[actor_id] = max(step, self._steps.get(actor_id, 0))
        return self.total

    def at(self, actor_id: str, step: int) -> int:
        """Steps of all actors when this one was at ``step``; it may be further, as topics overtake one another."""
        return self.total - self._steps.get(actor_id, 0) + step

    @property
    def total(self) -> int:
        """Steps of all actors together."""
        return sum(self._steps.values())


class StepWindow:
    """Collects the steps between two log points.

    Args:
        period: environment steps between two log points.
    """

    def __init__(self, period: int) -> None:
        self._period = period
        self._steps: list[Step] = []
        self.ledger_breaks = 0

    def add(self, step: Step, total_steps: int) -> dict[str, float] | None:
        """Take a step; return the point of the window if ``total_steps`` completes it."""
        if not abs(sum(step.terms.values()) - step.total) <= LEDGER_TOLERANCE:
            self.ledger_breaks += 1
        self._steps.append(step)
        if total_steps % self._period:
            return None
        series = self._series()
        self._steps.clear()
        return series

    def _series(self) -> dict[str, float]:
        last = self._steps[-1]
        series = {
            f"{REWARD_TAG}/{name}": float(np.mean([step.terms[name] for step in self._steps])) for name in last.terms
        }
        series[f"{REWARD_TAG}/total"] = float(np.mean([step.total for step in self._steps]))
        series["progress/current_reward"] = last.total
        series["progress/episode_steps"] = float(last.episode_step)
        series["progress/speed_kmh"] = last.speed * KMH
        return series


class Rate:
    """Events per second over the last few seconds of wall time."""

    def __init__(self, span: float = 5.0) -> None:
        self._span = span
        self._marks: list[tuple[float, int]] = []

    def at(self, now: float, count: int) -> float:
        """Note that ``count`` events had happened by ``now``; return the rate over the span [1/s]."""
        self._marks.append((now, count))
        while len(self._marks) > 2 and now - self._marks[0][0] > self._span:
            self._marks.pop(0)
        (start, before), (end, after) = self._marks[0], self._marks[-1]
        return (after - before) / (end - start) if end > start else 0.0


class StepSeries:
    """The series of the steps of a run: a point whenever a window is complete.

    Args:
        period: environment steps between two points.
    """

    def __init__(self, period: int) -> None:
        self.clock = StepClock()
        self._window = StepWindow(period)
        self._rate = Rate()

    def add(self, step: Step, now: float) -> tuple[int, dict[str, float] | None]:
        """Take a step that was heard at ``now`` [s]; return the steps of all actors, and a complete point."""
        total = self.clock.advance(step.actor_id, step.step)
        series = self._window.add(step, total)
        if series is not None:
            series["reward/ledger_breaks"] = float(self.ledger_breaks)
            series["progress/steps_per_second"] = self.rate(now)
        return total, series

    def rate(self, now: float) -> float:
        """Environment steps per second at ``now``."""
        return self._rate.at(now, self.clock.total)

    @property
    def ledger_breaks(self) -> int:
        """Steps whose terms do not add up to the total."""
        return self._window.ledger_breaks
