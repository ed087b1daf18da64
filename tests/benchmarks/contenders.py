"""Who trains in ``compare_sb3.py``: our learners, and Stable-Baselines3's TD3 under the same evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Dict
from stable_baselines3 import TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from td3_driving.driving.pilot import Eyes
from td3_driving.driving.route import Route
from td3_driving.evaluation.agents import Agent, View
from td3_driving.evaluation.drive import Plan, evaluate
from td3_driving.evaluation.gym_env import DrivingEnv
from td3_driving.evaluation.learned import LearnedAgent
from td3_driving.evaluation.summary import summarise
from td3_driving.learning.in_process import InProcessRun
from td3_driving.learning.networks import PIXEL_MAX, Encoder, initialise, to_patches
from td3_driving.learning.process import usable_cores
from td3_driving.settings import Settings

BASELINE = "stable_baselines3"
TEST_SEED = 1_000_003
"""Of the routes that the figures come from."""


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        name: of the contender; :data:`BASELINE` trains Stable-Baselines3's TD3, everything else ours.
        tuning: ``same`` or ``defaults``, of Stable-Baselines3.
        every: steps between two evaluations; routes: of one.
    """

    name: str
    settings: Settings
    tuning: str
    every: int
    routes: int


@dataclass(frozen=True)
class Point:
    """One evaluation in the course of a training."""

    step: int
    seconds: float
    driving_score: float
    route_completion: float
    success_rate: float
    return_mean: float
    steer_change: float


@dataclass(frozen=True)
class Outcome:
    """What a training came to.

    Attributes:
        points: evaluations of the policy as it then was.
        best: what the policy that did best on the routes of ``evaluation.seed``, every ``evaluation.interval`` steps,
            scores on the routes of the curve; none without an interval.
    """

    name: str
    seed: int
    points: list[Point]
    best: Point | None


@dataclass
class Course:
    """Evaluates a training now and then, and keeps the time in between."""

    job: Job
    points: list[Point] = field(default_factory=list)
    best: Point | None = None
    _spent: float = 0.0
    _resumed: float = field(default_factory=time.perf_counter)
    _chosen: tuple[float, Agent | None, int] = (float("-inf"), None, 0)

    def at(self, step: int, agent: Callable[[], Agent]) -> None:
        """Evaluate if it is time for it."""
        settings = self.job.settings
        last = step == settings.run.steps
        self._spent += time.perf_counter() - self._resumed
        if settings.evaluation.interval and (step % settings.evaluation.interval == 0 or last):
            self._choose(step, agent())
        if step % self.job.every == 0 or last:
            self.points.append(self._score(step, agent()))
        if last and self._chosen[1] is not None:
            self.best = self._score(self._chosen[2], self._chosen[1])
        self._resumed = time.perf_counter()

    def _choose(self, step: int, agent: Agent) -> None:
        own = self.job.settings.evaluation
        score = self._drive(agent, own.routes, own.seed)["driving_score"]
        if score > self._chosen[0]:
            self._chosen = (score, agent, step)

    def _score(self, step: int, agent: Agent) -> Point:
        metrics = self._drive(agent, self.job.routes, TEST_SEED)
        scores = {name: metrics[name] for name in Point.__dataclass_fields__ if name in metrics}
        return Point(step, round(self._spent, 2), **scores)

    def _drive(self, agent: Agent, routes: int, seed: int) -> dict[str, float]:
        settings = self.job.settings
        plan = Plan(settings.simulator.scenario, routes, seed, "violation")
        return summarise(list(evaluate(settings, agent, plan)))


class SB3Agent:
    """A policy of Stable-Baselines3 under our evaluation; it is the model's, and changes when that learns."""

    name = BASELINE

    def __init__(self, model: TD3, settings: Settings) -> None:
        self.eyes = settings.observation
        self._model, self._eyes = model, Eyes(settings)

    def start(self, route: Route, seed: int) -> None:
        """A new episode."""
        self._eyes.start(route, seed)

    def decide(self, view: View) -> np.ndarray:
        """The deterministic action."""
        assert view.grey is not None
        seen = self._eyes.see(view.grey, view.vehicle).observation
        action, _ = self._model.predict({"frames": seen.stack, "state": seen.state}, deterministic=True)
        self._eyes.last_action = np.asarray(action, dtype=np.float32)
        return self._eyes.last_action


class LowFrames(BaseFeaturesExtractor):
    """Our encoder's layers for frames too low for NatureCNN, and the state beside them."""

    def __init__(self, space: Dict, settings: Settings, size: int) -> None:
        super().__init__(space, size + space["state"].shape[0])
        self._encoder = Encoder(settings.observation, replace(settings.network, features=size))
        initialise(self._encoder, torch.Generator().manual_seed(settings.run.seed))

    def forward(self, seen: dict[str, torch.Tensor]) -> torch.Tensor:
        """``(B, size + state_dim)``; Stable-Baselines3 has scaled the frames to [0, 1]."""
        frames = (seen["frames"] * PIXEL_MAX).round().to(torch.uint8)
        return torch.cat([self._encoder(to_patches(frames)), seen["state"]], dim=1)


class Watch(BaseCallback):
    """Tells the course after every step."""

    def __init__(self, course: Course) -> None:
        super().__init__()
        self._course = course

    def _on_step(self) -> bool:
        self._course.at(self.num_timesteps, lambda: SB3Agent(self.model, self._course.job.settings))
        return True


def train(job: Job) -> Outcome:
    """One training from its first to its last step."""
    course = Course(job)
    (_train_sb3 if job.name == BASELINE else _train_ours)(course)
    return Outcome(job.name, job.settings.run.seed, course.points, course.best)


def _train_ours(course: Course) -> None:
    settings = course.job.settings
    with TemporaryDirectory() as folder:
        run = InProcessRun(settings, Path(folder))
        for step, _ in enumerate(run.steps(), 1):
            course.at(step, lambda: LearnedAgent("ours", settings, run.trainer.weights().data))
        run.scene.camera.close()


def _train_sb3(course: Course) -> None:
    settings = course.job.settings
    if settings.evaluation.interval:
        raise ValueError("evaluation.interval must be 0: what Stable-Baselines3 learned at a step is not kept")
    torch.set_num_threads(settings.learning.threads or usable_cores())
    environment = DrivingEnv(settings)
    shared = {
        "seed": settings.run.seed,
        "device": settings.learning.device,
        "buffer_size": min(settings.replay.capacity, settings.run.steps),
        "learning_starts": settings.pacing.learning_starts,
    }
    own = _matched(settings) if course.job.tuning == "same" else {"policy_kwargs": _encoder(settings)}
    model = TD3("MultiInputPolicy", environment, **shared, **own)
    model.learn(settings.run.steps, callback=Watch(course))
    environment.close()


def _matched(settings: Settings) -> dict[str, Any]:
    """Our settings in the words of Stable-Baselines3."""
    rule, network, pacing = settings.learning, settings.network, settings.pacing
    return {
        "learning_rate": rule.critic_mlp_lr,
        "batch_size": rule.batch_size,
        "gamma": rule.gamma,
        "tau": rule.tau,
        "policy_delay": rule.policy_delay,
        "target_policy_noise": rule.target_noise,
        "target_noise_clip": rule.target_noise_clip,
        "train_freq": pacing.train_freq,
        "gradient_steps": pacing.gradient_steps,
        "action_noise": NormalActionNoise(np.zeros(2), np.full(2, settings.exploration.noise_end)),
        "policy_kwargs": {
            "net_arch": [network.hidden] * network.hidden_layers,
            "share_features_extractor": False,
            **_encoder(settings, network.features),
        },
    }


def _encoder(settings: Settings, features: int = 256) -> dict[str, Any]:
    """The encoder of Stable-Baselines3, NatureCNN; it needs 36 rows, and lower frames get one of our form."""
    if settings.observation.frame_height >= 36:
        return {"features_extractor_kwargs": {"cnn_output_dim": features}}
    return {
        "features_extractor_class": LowFrames,
        "features_extractor_kwargs": {"settings": settings, "size": features},
    }
