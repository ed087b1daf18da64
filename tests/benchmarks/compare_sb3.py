"""Our learners and Stable-Baselines3's TD3 on the same task: same steps, routes, evaluation, threads and machine.

    python tests/benchmarks/compare_sb3.py [--steps 8000] [--seeds 5] [--tuning same|defaults]
                                           [--contenders td3 ddpg sac stable_baselines3]
                                           [--variant "no layer norm:network.layer_norm=false" …]

All train in this process without ROS, one after the other, seed by seed; ``td3``, ``ddpg`` and ``sac`` are ours. Every
``--every`` steps the deterministic policy drives ``--routes`` routes that no training chooses; the time that this takes
is not counted. Prints one JSON object a line: a learning curve by steps and by wall time for every training, and at the
end, for equal steps and for equal wall time, the interquartile mean over the seeds with its 95 % stratified bootstrap
interval and the probability of improvement over the last contender (Agarwal et al. 2021).

``--variant`` adds our TD3 with settings changed: what each choice is worth, or one of the options.

``--tuning same`` gives Stable-Baselines3 our settings wherever it has the same ones (network widths, batch, discount,
target step, update ratio, warm-up, noise; its one learning rate is ours of the critic's heads); ``defaults`` leaves it
its own, but for the size of the replay memory and the warm-up.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import NormalActionNoise

from td3_driving.driving.pilot import Eyes
from td3_driving.driving.route import Route
from td3_driving.evaluation.agents import Agent, View
from td3_driving.evaluation.drive import Plan, evaluate
from td3_driving.evaluation.gym_env import DrivingEnv
from td3_driving.evaluation.learned import LearnedAgent
from td3_driving.evaluation.statistics import bootstrap, probability_of_improvement
from td3_driving.evaluation.summary import summarise
from td3_driving.learning.in_process import InProcessRun
from td3_driving.learning.process import usable_cores
from td3_driving.settings import Settings
from td3_driving.starting.profiles import load_profile, override, profile_path

EVALUATION_SEED = 1_000_003
"""Of the routes of the evaluation."""


@dataclass(frozen=True)
class Point:
    """One evaluation in the course of a training."""

    step: int
    seconds: float
    driving_score: float
    route_completion: float
    success_rate: float
    return_mean: float


class Course:
    """The learning curve of one training: evaluates now and then, and keeps the time in between."""

    def __init__(self, settings: Settings, options: argparse.Namespace) -> None:
        self._settings = settings
        self._plan = Plan(settings.simulator.scenario, options.routes, EVALUATION_SEED, "violation")
        self._every, self._last = options.every, settings.run.steps
        self._spent, self._resumed = 0.0, time.perf_counter()
        self.points: list[Point] = []

    def at(self, step: int, agent: Callable[[], Agent]) -> None:
        """Evaluate if it is time for it."""
        if step % self._every and step != self._last:
            return
        self._spent += time.perf_counter() - self._resumed
        metrics = summarise(list(evaluate(self._settings, agent(), self._plan)))
        scores = {name: metrics[name] for name in Point.__dataclass_fields__ if name in metrics}
        self.points.append(Point(step, round(self._spent, 2), **scores))
        self._resumed = time.perf_counter()


class SB3Agent:
    """A policy of Stable-Baselines3 under our evaluation."""

    name = "stable_baselines3"

    def __init__(self, model: TD3, settings: Settings) -> None:
        self.eyes = settings.observation
        self._model, self._eyes = model, Eyes(settings)

    def start(self, route: Route, seed: int) -> None:
        """A new episode."""
        self._eyes.start(route)

    def decide(self, view: View) -> np.ndarray:
        """The deterministic action."""
        assert view.grey is not None
        seen = self._eyes.see(view.grey, view.vehicle).observation
        action, _ = self._model.predict({"frames": seen.stack, "state": seen.state}, deterministic=True)
        self._eyes.last_action = np.asarray(action, dtype=np.float32)
        return self._eyes.last_action


class Watch(BaseCallback):
    """Tells the course after every step."""

    def __init__(self, course: Course, settings: Settings) -> None:
        super().__init__()
        self._course, self._own = course, settings

    def _on_step(self) -> bool:
        self._course.at(self.num_timesteps, lambda: SB3Agent(self.model, self._own))
        return True


def train_ours(settings: Settings, options: argparse.Namespace, algorithm: str) -> list[Point]:
    """Our learner."""
    settings = replace(settings, learning=replace(settings.learning, algorithm=algorithm))
    with TemporaryDirectory() as folder:
        run = InProcessRun(settings, Path(folder))
        course = Course(settings, options)
        for step, _ in enumerate(run.steps(), 1):
            course.at(step, lambda: LearnedAgent("ours", settings, run.trainer.weights().data))
        run.scene.camera.close()
    return course.points


def train_sb3(settings: Settings, options: argparse.Namespace) -> list[Point]:
    """Stable-Baselines3's TD3."""
    torch.set_num_threads(settings.learning.threads or usable_cores())
    environment = DrivingEnv(settings)
    shared = {
        "seed": settings.run.seed,
        "device": settings.learning.device,
        "buffer_size": min(settings.replay.capacity, settings.run.steps),
        "learning_starts": settings.pacing.learning_starts,
    }
    model = TD3("MultiInputPolicy", environment, **shared, **(matched(settings) if options.tuning == "same" else {}))
    course = Course(settings, options)
    model.learn(settings.run.steps, callback=Watch(course, settings))
    environment.close()
    return course.points


def matched(settings: Settings) -> dict[str, Any]:
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
            "features_extractor_kwargs": {"cnn_output_dim": network.features},
        },
    }


def with_variant(settings: Settings, text: str) -> tuple[str, Settings]:
    """Name and settings of ``NAME:GROUP.NAME=VALUE,…``.

    Raises:
        SettingsError: a setting does not exist, or its value is out of range.
    """
    name, _, changes = text.partition(":")
    return name, override(settings, changes.split(","))


OURS = ("td3", "ddpg", "sac")
BASELINE = "stable_baselines3"
Curves = dict[str, list[list[Point]]]


def verdicts(curves: Curves) -> Iterator[dict[str, Any]]:
    """At the end of the budget of steps, and at the wall time at which the fastest training had used it up."""
    ends = {name: np.array([[points[-1].driving_score] for points in runs]) for name, runs in curves.items()}
    yield from verdict("at_equal_steps", ends)
    budget = min(points[-1].seconds for runs in curves.values() for points in runs)
    in_time = {name: np.array([[score_at(points, budget)] for points in runs]) for name, runs in curves.items()}
    yield from (line | {"seconds": budget} for line in verdict("at_equal_wall_time", in_time))


def score_at(points: list[Point], seconds: float) -> float:
    """Driving score of the last evaluation within ``seconds`` of training; 0 before the first."""
    done = [point.driving_score for point in points if point.seconds <= seconds]
    return done[-1] if done else 0.0


def verdict(name: str, scores: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    """Interquartile mean and interval of each contender, and how often it is ahead of the last one."""
    generator = np.random.default_rng(0)
    estimates = {who: bootstrap(values, generator) for who, values in scores.items()}
    *_, (last, baseline) = scores.items()
    for who, values in scores.items():
        yield {
            "name": f"driving_score_{name}_{who}",
            "value": estimates[who].value,
            "unit": "%, interquartile mean",
            "interval": [estimates[who].low, estimates[who].high],
            "baseline": estimates[last].value,
            "probability_of_improvement": probability_of_improvement(values, baseline),
            "scores": values[:, 0].tolist(),
        }


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--profile", default="quick", help="settings of both (%(default)s)")
    add("--set", action="append", default=[], metavar="GROUP.NAME=VALUE", help="change one setting; may be repeated")
    add("--steps", type=int, default=8000, help="environment steps of a training (%(default)s)")
    add("--seeds", type=int, default=5, help="trainings of each (%(default)s)")
    add("--every", type=int, default=1000, help="steps between two evaluations (%(default)s)")
    add("--routes", type=int, default=3, help="routes of an evaluation (%(default)s)")
    add("--tuning", choices=("same", "defaults"), default="same", help="of Stable-Baselines3 (%(default)s)")
    add(
        "--contenders", nargs="+", choices=(*OURS, BASELINE), default=["td3", BASELINE], help="who trains (%(default)s)"
    )
    add("--variant", action="append", default=[], metavar="NAME:GROUP.NAME=VALUE,…", help="our TD3, changed")
    options = parser.parse_args()
    base = override(load_profile(profile_path(options.profile)), options.set)
    variants = dict(with_variant(base, text) for text in options.variant)
    curves: Curves = {name: [] for name in (*variants, *options.contenders)}
    for seed in range(options.seeds):
        for name in curves:
            chosen = variants.get(name, base)
            settings = replace(
                chosen,
                run=replace(chosen.run, seed=seed, steps=options.steps),
                replay=replace(chosen.replay, on_disk=False),
            )
            algorithm = name if name in OURS else settings.learning.algorithm
            points = train_sb3(settings, options) if name == BASELINE else train_ours(settings, options, algorithm)
            curves[name].append(points)
            print(json.dumps({"name": name, "seed": seed, "curve": [asdict(point) for point in points]}), flush=True)
    for line in verdicts(curves):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
