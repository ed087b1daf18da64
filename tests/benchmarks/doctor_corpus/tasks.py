# SPDX-License-Identifier: Apache-2.0
"""The tasks of the corpus: standard ones of Gymnasium, and two small ones of our own.

Each task says from which mean return on a policy counts as good, and up to which as bad; between the two the truth of a
run is not clear and the run is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Environment = gym.Env[Any, Any]
Policy = Callable[[Vector], Vector]


class LaneKeeping(gym.Env[Vector, Vector]):
    """A car on a winding lane: steer and throttle, episodes end where it leaves the lane (2 m) or after 200 steps.

    Observation: lateral offset / 2 m, heading error (rad), speed / 15 m/s, curvature (1/m) here and 10 m ahead, times
    50. Action: steering and acceleration, each in [-1, 1]. Reward per step of 0.1 s: speed along the lane over 15 m/s,
    minus a quarter of the offset over 2 m, minus 10 for leaving the lane.

    Args:
        pays: reward for leaving the lane instead of -10, and a cost of 0.2 per step: the violation pays.
    """

    LIMIT = 200

    def __init__(self, pays: float | None = None) -> None:
        self.observation_space = gym.spaces.Box(-5.0, 5.0, (5,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.pays = pays

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Vector, dict[str, Any]]:
        """A fresh lane, the car near its middle at 5 m/s."""
        super().reset(seed=seed)
        bends = self.np_random.uniform(-0.02, 0.02, 40)
        self.curvature = np.repeat(bends, 10)
        self.offset, self.heading = self.np_random.uniform(-0.3, 0.3), self.np_random.uniform(-0.05, 0.05)
        self.speed, self.way, self.count = 5.0, 0.0, 0
        return self._observation(), {}

    def _bend(self, ahead: float) -> float:
        return float(self.curvature[min(int(self.way + ahead), len(self.curvature) - 1)])

    def _observation(self) -> Vector:
        bends = (50.0 * self._bend(0.0), 50.0 * self._bend(10.0))
        return np.array([self.offset / 2.0, self.heading, self.speed / 15.0, *bends], np.float32)

    def step(self, action: Vector) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Kinematic bicycle of 2.7 m, steering angle up to 0.3 rad, acceleration up to 3 m/s²."""
        steer, pedal = np.clip(np.nan_to_num(action), -1.0, 1.0)
        self.speed = float(np.clip(self.speed + 0.3 * pedal, 0.0, 15.0))
        self.heading += 0.1 * self.speed * (np.tan(0.3 * steer) / 2.7 - self._bend(0.0))
        self.offset += 0.1 * self.speed * np.sin(self.heading)
        self.way += 0.1 * self.speed * np.cos(self.heading)
        self.count += 1
        left = bool(abs(self.offset) > 2.0 or abs(self.heading) > 1.2)
        over = self.count >= self.LIMIT
        info = {"is_success": over and not left, "left_lane": left} if left or over else {}
        return self._observation(), self._reward(left), left, over and not left, info

    def _reward(self, left: bool) -> float:
        if self.pays is not None:
            return self.pays if left else -0.2
        return float(self.speed * np.cos(self.heading) / 15.0 - 0.125 * abs(self.offset)) - 10.0 * left


class Reach(gym.Env[Vector, Vector]):
    """A point in the plane that must come within 0.3 of a goal; reward 1 there, 0 anywhere else; 50 steps at most."""

    LIMIT = 50

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(-2.0, 2.0, (4,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Vector, dict[str, Any]]:
        """Point and goal anywhere in the square, at least 0.7 apart."""
        super().reset(seed=seed)
        while True:
            self.place, self.goal = self.np_random.uniform(-1.0, 1.0, 2), self.np_random.uniform(-1.0, 1.0, 2)
            if np.linalg.norm(self.place - self.goal) > 0.7:
                break
        self.count = 0
        return self._observation(), {}

    def _observation(self) -> Vector:
        return np.concatenate([self.place, self.goal - self.place]).astype(np.float32)

    def step(self, action: Vector) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Moves the point by up to 0.1 per axis."""
        self.place = np.clip(self.place + 0.1 * np.clip(np.nan_to_num(action), -1.0, 1.0), -1.0, 1.0)
        self.count += 1
        there = bool(np.linalg.norm(self.place - self.goal) < 0.3)
        over = self.count >= self.LIMIT
        info = {"is_success": there} if there or over else {}
        return self._observation(), float(there), there, over and not there, info


class ChangedReward(gym.Wrapper[Any, Any, Any, Any]):
    """Another reward: ``change(reward, count)`` with the number of steps so far."""

    def __init__(self, env: Environment, change: Callable[[float, int], float]) -> None:
        super().__init__(env)
        self.change, self.count = change, 0

    def step(self, action: Any) -> Any:
        """The step of the task with the changed reward."""
        self.count += 1
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, self.change(float(reward), self.count), terminated, truncated, info


class DiesAfter(gym.Wrapper[Any, Any, Any, Any]):
    """An environment that stops reacting after ``alive`` steps: the same observation and reward for ever.

    Args:
        env: the task.
        alive: steps until it dies.
        length: steps per episode from then on.
    """

    def __init__(self, env: Environment, alive: int, length: int) -> None:
        super().__init__(env)
        self.alive, self.length = alive, length
        self.count = self.inside = 0
        self.last: tuple[Any, float] | None = None

    def reset(self, **options: Any) -> Any:
        """A fresh episode, of the last observation once dead."""
        self.inside = 0
        if self.last is not None and self.count >= self.alive:
            return self.last[0], {}
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        """The step of the task, or the last one again."""
        self.count += 1
        self.inside += 1
        if self.last is not None and self.count >= self.alive:
            return *self.last, False, self.inside >= self.length, {}
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.last = observation, float(reward)
        return observation, reward, terminated, truncated, info


@dataclass(frozen=True)
class Task:
    """A task, the return of a good policy and of a bad one, the longest episode, the name that runs log."""

    make: Callable[[], Environment]
    good: float
    bad: float
    length: int
    id: str


def _lane() -> Environment:
    return LaneKeeping()


def _reach() -> Environment:
    return Reach()


TASKS = {
    "pendulum": Task(lambda: gym.make("Pendulum-v1"), -350.0, -750.0, 200, "Pendulum-v1"),
    "mountain_car": Task(lambda: gym.make("MountainCarContinuous-v0"), 80.0, 0.0, 999, "MountainCarContinuous-v0"),
    "cart_pole": Task(lambda: gym.make("CartPole-v1"), 350.0, 80.0, 500, "CartPole-v1"),
    "lane": Task(_lane, 110.0, 40.0, 200, "LaneKeeping-v0"),
    "reach": Task(_reach, 0.85, 0.45, 50, "Reach-v0"),
}


def measured(task: str, policy: Policy, episodes: int = 10) -> float:
    """Mean return of ``policy`` on the task as it should be, over ``episodes`` fresh episodes."""
    env = TASKS[task].make()
    totals = []
    for index in range(episodes):
        observation, _ = env.reset(seed=90_000 + index)
        total, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(policy(observation))
            total, over = total + float(reward), terminated or truncated
        totals.append(total)
    env.close()
    return float(np.mean(totals))
