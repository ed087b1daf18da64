# SPDX-License-Identifier: Apache-2.0
"""Tests whether a policy needs its camera: replaces its frames and compares the driving scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.route import Route
from td3_driving.evaluation.agents import EvaluatedAgent, View
from td3_driving.evaluation.statistics import Estimate, bootstrap

SEEN = "seen"
MARGIN = 5.0
"""Least difference of driving scores that counts [%]; where all routes score the same, the interval has no width."""
MEMORY = 1000
"""Frames of an episode that ``shuffled`` draws from."""
YES, NO, UNCLEAR, NOT_ASKED, NO_CAMERA = "yes", "no", "unclear", "not asked", "no camera"
DEFINITION = (
    "yes: the mean driving score without the camera lies below the 95 % bootstrap interval (over the routes) of the"
    f" score with it, and at least {MARGIN:g} points below that score, for every ablation that was driven; unclear: the"
    f" score with the camera is itself below {MARGIN:g}"
)
REPETITIONS = 2000


class Ablation(Protocol):
    """Frames in, other frames out: arrays of uint8, of any shape that stays the same within an episode."""

    def frame(self, seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the frame that replaces ``seen``; same shape and type, never the same memory."""
        ...


class Unaltered:
    """The frame as it is."""

    def __init__(self, seed: int) -> None:
        pass

    def frame(self, seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return seen.copy()


class Black:
    """A black frame."""

    def __init__(self, seed: int) -> None:
        pass

    def frame(self, seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.zeros_like(seen)


class Frozen:
    """Shows the first frame of the episode in every frame."""

    def __init__(self, seed: int) -> None:
        self._first: NDArray[np.uint8] | None = None

    def frame(self, seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._first is None:
            self._first = seen.copy()
        return self._first.copy()


class Noise:
    """Every pixel uniform over 0 .. 255, drawn anew for every frame."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng([seed, 2])

    def frame(self, seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return self._generator.integers(0, 256, size=seen.shape, dtype=np.uint8)


class Shuffled:
    """A frame drawn uniformly from the episode so far, the current one included.

    The memory is bounded: from :data:`MEMORY` frames on it holds a uniform sample of them (Vitter 1985, algorithm R).
    """

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng([seed, 3])
        self._kept: list[NDArray[np.uint8]] = []
        self._count = 0

    def frame(self, seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
        self._keep(seen.copy())
        return self._kept[int(self._generator.integers(len(self._kept)))].copy()

    def _keep(self, frame: NDArray[np.uint8]) -> None:
        self._count += 1
        if len(self._kept) < MEMORY:
            self._kept.append(frame)
            return
        place = int(self._generator.integers(self._count))
        if place < MEMORY:
            self._kept[place] = frame


ABLATIONS: dict[str, type[Unaltered] | type[Black] | type[Frozen] | type[Noise] | type[Shuffled]] = {
    SEEN: Unaltered,
    "black": Black,
    "frozen": Frozen,
    "noise": Noise,
    "shuffled": Shuffled,
}
"""Name of each: its class, made anew for every episode with the seed of the episode."""


def checked(name: str) -> str:
    """Return ``name`` if it is an ablation.

    Raises:
        ValueError: there is no ablation of that name.
    """
    if name not in ABLATIONS:
        raise ValueError(f"camera: {name!r} is not one of {', '.join(ABLATIONS)}")
    return name


def cameras(names: Sequence[str]) -> list[str]:
    """Return the ablations to drive, each once; the unchanged camera comes first, for comparison.

    Raises:
        ValueError: there is none of that name.
    """
    return list(dict.fromkeys([SEEN, *map(checked, names)]))


class AblatedAgent:
    """An agent whose frames go through an ablation; all other input is unchanged."""

    def __init__(self, agent: EvaluatedAgent, camera: str) -> None:
        self._agent = agent
        self._kind = ABLATIONS[checked(camera)]
        self._ablation: Ablation = self._kind(0)
        self.name = agent.name
        self.observation_settings = agent.observation_settings

    def start(self, route: Route, seed: int) -> None:
        self._ablation = self._kind(seed)
        self._agent.start(route, seed)

    def decide(self, view: View) -> NDArray[np.float32]:
        if view.frame is not None:
            view = replace(view, frame=self._ablation.frame(view.frame))
        return self._agent.decide(view)


def ablated(agent: EvaluatedAgent, camera: str) -> EvaluatedAgent:
    """Return ``agent`` driving with that camera.

    Raises:
        ValueError: there is no such ablation.
    """
    return agent if checked(camera) == SEEN else AblatedAgent(agent, camera)


@dataclass(frozen=True)
class CameraNeed:
    """Whether a policy needs its camera; see :data:`DEFINITION`.

    Attributes:
        answer: ``yes``, ``no``, ``unclear``, ``not asked``, or ``no camera`` of an agent that has none.
        seen: mean driving score with the camera and its interval [%]; without: mean score by ablation [%].
    """

    answer: str = NOT_ASKED
    seen: Estimate | None = None
    without: Mapping[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The result as JSON holds it."""
        if self.seen is None:
            return {"answer": self.answer}
        return {
            "answer": self.answer,
            "definition": DEFINITION,
            "interval": [self.seen.low, self.seen.high],
            "driving_scores": {SEEN: self.seen.value, **self.without},
        }


UNASKED = CameraNeed()
"""The answer when no ablation was driven."""


def camera_need(seen: Sequence[float], without: Mapping[str, Sequence[float]]) -> CameraNeed:
    """The answer from driving scores [%].

    Args:
        seen: one score per route, at least one, as the policy drives with its camera.
        without: the same routes by ablation; none of them: not asked.

    Raises:
        ValueError: there are no scores, or one is not finite.
    """
    if not without:
        return UNASKED
    generator = np.random.default_rng(0)
    whole = bootstrap(np.asarray(seen), generator, statistic=_mean, repetitions=REPETITIONS)
    means = {name: _mean(np.asarray(scores)) for name, scores in without.items()}
    needed = all(mean < whole.low and mean <= whole.value - MARGIN for mean in means.values())
    answer = UNCLEAR if whole.value < MARGIN else YES if needed else NO
    return CameraNeed(answer, whole, means)


def _mean(scores: NDArray[np.float64]) -> float:
    return float(np.mean(scores))
