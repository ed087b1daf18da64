# SPDX-License-Identifier: Apache-2.0
"""What the tests of rules share: columns of a run, and what the engine found in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from td3_driving.doctor.engine import Engine
from td3_driving.doctor.findings import Finding

STEPS = range(100, 3100, 100)
Points = list[tuple[int, float]]


def found(engine: Engine, rule: str) -> list[Finding]:
    """The findings of one rule."""
    return [finding for finding in engine.findings() if finding.rule == rule]


def severities(engine: Engine, rule: str) -> list[str]:
    """Their severities."""
    return [finding.severity.value for finding in found(engine, rule)]


def every(value: float | Callable[[int], float], steps: Iterable[int] = STEPS) -> Points:
    """A column with one value a step, or one function of the step."""
    return [(step, value(step) if callable(value) else float(value)) for step in steps]


def episodes(lengths: list[int], returns: list[float] | None = None, start: int = 0) -> dict[str, Points]:
    """Columns of episodes that follow one another from environment step ``start``."""
    ends = [int(end) for end in start + np.cumsum(lengths)]
    values = [float(length) for length in lengths] if returns is None else returns
    return {
        "train/episode_length": list(zip(ends, map(float, lengths))),
        "train/episode_reward": list(zip(ends, map(float, values))),
    }
