"""From single steps to points of a series."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from td3_driving.driving.experience import REWARD_PARTS

LEDGER_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Step:
    """One scored step of one actor.

    Attributes:
        parts: (5,) reward components in the order of REWARD_PARTS.
        speed: [m/s].
    """

    actor_id: str
    step: int
    episode_step: int
    parts: np.ndarray
    total: float
    speed: float


@dataclass
class StepClock:
    """Environment steps of the whole run: the sum over its actors.

    Attributes:
        first: by actor, the first step that was heard; earlier ones belong to an earlier start of the run, or came
            before the hearer was found.
        unheard: steps between two that were heard.
    """

    first: dict[str, int] = field(default_factory=dict)
    unheard: int = 0
    _steps: dict[str, int] = field(default_factory=dict)

    def advance(self, actor_id: str, step: int) -> int:
        """An actor has come to ``step``; the total."""
        self.first.setdefault(actor_id, step)
        self.unheard += max(step - self._steps.get(actor_id, step) - 1, 0)
        self._steps[actor_id] = max(step, self._steps.get(actor_id, 0))
        return self.total

    def at(self, actor_id: str, step: int) -> int:
        """The total when this actor is at ``step``, which may lie behind it: topics overtake one another."""
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
        """Take a step; the series of the window when ``total_steps`` completes one."""
        if not abs(float(step.parts.sum()) - step.total) <= LEDGER_TOLERANCE:
            self.ledger_breaks += 1
        self._steps.append(step)
        if total_steps % self._period:
            return None
        series = self._series()
        self._steps.clear()
        return series

    def _series(self) -> dict[str, float]:
        parts = np.mean([step.parts for step in self._steps], axis=0)
        last = self._steps[-1]
        series = {f"reward/{name}": float(value) for name, value in zip(REWARD_PARTS, parts)}
        series["reward/total"] = float(np.mean([step.total for step in self._steps]))
        series["progress/current_reward"] = last.total
        series["progress/episode_steps"] = float(last.episode_step)
        series["progress/speed_kmh"] = last.speed * 3.6
        return series


class Rate:
    """Events per second over the last few seconds of wall time."""

    def __init__(self, span: float = 5.0) -> None:
        self._span = span
        self._marks: list[tuple[float, int]] = []

    def at(self, now: float, count: int) -> float:
        """Note that ``count`` had happened by ``now``; the rate since the oldest note within the span [1/s]."""
        self._marks.append((now, count))
        while len(self._marks) > 2 and now - self._marks[0][0] > self._span:
            self._marks.pop(0)
        (start, before), (end, after) = self._marks[0], self._marks[-1]
        return (after - before) / (end - start) if end > start else 0.0
