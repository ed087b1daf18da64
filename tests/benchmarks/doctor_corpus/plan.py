# SPDX-License-Identifier: Apache-2.0
"""What is asked of one run of the corpus, and the environment that it trains on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

from doctor_corpus.tasks import TASKS, ChangedReward, DiesAfter, LaneKeeping
from doctor_corpus.truth import GO, INSUFFICIENT, NO_GO, TRUTHS


@dataclass(frozen=True)
class Plan:
    """One run.

    Attributes:
        library: whose code or log format it has.
        algorithm: ``td3``, ``ddpg``, ``sac``, ``ppo`` or ``dqn``.
        task: a key of ``TASKS``.
        kind: ``healthy``, ``short``, ``cut_off`` or the name of the sickness; the truth follows from it.
        steps: environment steps.
        seed: seeds everything.
        options: settings of the learner, and ``logger``.
    """

    library: str
    algorithm: str
    task: str
    kind: str
    steps: int
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        logger = f"-{self.options['logger']}" if "logger" in self.options else ""
        return f"{self.library}{logger}-{self.algorithm}-{self.task}-{self.kind}-{self.seed}"

    @property
    def truth(self) -> str:
        """The verdict that is right."""
        return TRUTHS.get(self.kind, NO_GO)

    @property
    def train_freq(self) -> int:
        """Environment steps per update: what learns nothing need not be trained often."""
        often = self.truth != NO_GO or self.kind in ("lost_it", "gamma_high", "wrong_features", "violation_pays")
        return int(self.option("train_freq", 1 if often else 3))

    @property
    def held_out(self) -> bool:
        """Whether the run belongs to the exam: a third of the runs, by their names."""
        return int(hashlib.sha256(self.name.encode()).hexdigest(), 16) % 3 == 0

    def option(self, name: str, default: Any) -> Any:
        """A setting of the learner."""
        return self.options.get(name, default)

    def env(self) -> gym.Env[Any, Any]:
        """The environment of the run, sick where the kind says so."""
        task = TASKS[self.task]
        if self.kind == "violation_pays":
            return LaneKeeping(pays=20.0)
        env = task.make()
        if self.kind == "reward_zero":
            return ChangedReward(env, lambda reward, count: 0.0)
        if self.kind == "nan":
            at = self.option("at", self.steps // 2)
            return ChangedReward(env, lambda reward, count: float("nan") if count >= at else reward)
        if self.kind == "env_dead":
            return DiesAfter(env, self.option("at", self.steps // 3), task.length)
        return env

    def agrees(self, score: float) -> bool:
        """Whether the measured return of the final policy bears the truth out."""
        task = TASKS[self.task]
        if self.kind == "recovered" or self.truth == GO:
            return score >= task.good
        return score != score or score < task.good if self.truth == INSUFFICIENT else not score > task.bad
