# SPDX-License-Identifier: Apache-2.0
"""Measures how much each element of the state vector matters: permutation importance in driving score.

One element after the other is replaced, in every frame, by a value drawn from that element's own distribution over an
undisturbed drive (Breiman 2001, Random Forests, section 10, with the drive's score in place of the error rate): the
element keeps its range and loses its information. The lost score is its importance.

Redundant elements replace one another: without any one of ten route points a policy may lose nothing, and
without all of them everything. So elements of one kind are also replaced together, and the whole state at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.evaluation.agents import Act, PolicyAgent
from td3_driving.evaluation.drive import EvaluationPlan, evaluate
from td3_driving.settings import Settings

MOST_STATES = 20_000
"""State vectors that are kept of the undisturbed drive; of a longer drive every second, fourth ..."""


@dataclass(frozen=True, slots=True)
class ElementImportance:
    """One or several elements of the state vector: the mean driving score [%] without their information."""

    name: str
    driving_score: float


@dataclass(frozen=True, slots=True)
class StateImportance:
    """The undisturbed mean driving score [%], and the score without each of :func:`parts`."""

    driving_score: float
    elements: tuple[ElementImportance, ...]

    def drops(self) -> list[tuple[str, float]]:
        """Name and loss of driving score [%] of each part."""
        return [(one.name, self.driving_score - one.driving_score) for one in self.elements]

    def document(self) -> dict[str, Any]:
        """The result as JSON holds it."""
        rows = [{"element": one.name, "driving_score": one.driving_score} for one in self.elements]
        drops = [{**row, "drop": drop} for row, (_, drop) in zip(rows, self.drops())]
        return {"driving_score": self.driving_score, "elements": drops}


class StateMemory:
    """An act function that keeps the states (state_dim,) it gets; of many an even share."""

    def __init__(self, act: Act, most: int = MOST_STATES) -> None:
        self._act, self._most = act, most
        self._kept: list[NDArray[np.float32]] = []
        self._every = 1
        self._count = 0

    def __call__(self, stack: NDArray[np.uint8], state: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._count % self._every == 0:
            self._kept.append(state.copy())
            if len(self._kept) >= self._most:
                self._kept, self._every = self._kept[::2], 2 * self._every
        self._count += 1
        return self._act(stack, state)

    def states(self) -> NDArray[np.float32]:
        """(n, state_dim) float32, n at least 1.

        Raises:
            ValueError: it was never called.
        """
        if not self._kept:
            raise ValueError("no state was seen: the drive ended before its first step")
        return np.stack(self._kept)


def parts(names: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Return the parts to replace, with their indices in the state: each element, each numbered group, and all."""
    kinds: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        kind, *numbered = re.split(r" \d", name, maxsplit=1)
        if numbered:
            kinds.setdefault(kind, []).append(index)
    several = [(f"every {kind}", places) for kind, places in kinds.items() if len(places) > 1]
    return [*((name, [index]) for index, name in enumerate(names)), *several, ("whole state", list(range(len(names))))]


def without(act: Act, places: Sequence[int], states: NDArray[np.float32], generator: np.random.Generator) -> Act:
    """``act`` with the elements at ``places`` taken, in every frame, from a row drawn of ``states`` (n, state_dim)."""
    columns = list(places)

    def decide(stack: NDArray[np.uint8], state: NDArray[np.float32]) -> NDArray[np.float32]:
        other = state.copy()
        other[columns] = states[int(generator.integers(len(states))), columns]
        return act(stack, other)

    return decide


def state_importance(
    settings: Settings,
    agent: PolicyAgent,
    plan: EvaluationPlan,
    names: Sequence[str],
    tell: Callable[[str], None] = lambda _: None,
) -> StateImportance:
    """Drive the plan once as it is and once without each part; the same seeds give the same numbers.

    Args:
        names: of the elements, in the order of the state vector.
        tell: called with a line on what is driven next.

    Raises:
        ValueError: the number of names is not that of the elements, or the plan cannot be driven.
    """
    memory = StateMemory(agent.act)
    tell("all elements")
    whole = _score(settings, agent, plan, memory)
    states = memory.states()
    if len(names) != states.shape[1]:
        raise ValueError(f"{len(names)} names for the {states.shape[1]} elements of the state vector")
    elements = []
    for number, (name, places) in enumerate(parts(names)):
        tell(f"without {name}")
        generator = np.random.default_rng([plan.seed, 4, number])
        blind = without(agent.act, places, states, generator)
        elements.append(ElementImportance(name, _score(settings, agent, plan, blind)))
    return StateImportance(whole, tuple(elements))


def _score(settings: Settings, agent: PolicyAgent, plan: EvaluationPlan, act: Act) -> float:
    with acting_by(agent, act):
        return float(np.mean([result.driving_score for result in evaluate(settings, agent, plan)]))


@contextmanager
def acting_by(agent: PolicyAgent, act: Act) -> Iterator[None]:
    """Let ``agent`` act by another function within the block."""
    before = agent.act
    agent.act = act
    try:
        yield
    finally:
        agent.act = before
