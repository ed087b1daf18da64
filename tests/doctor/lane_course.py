# SPDX-License-Identifier: Apache-2.0
"""A run of the real trainer, with small networks, in an environment of one dimension: a lane seen as a bright bar.

It is logged as the diagnostics node logs; tests put faults into it. Needs torch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from td3_driving.doctor.diagnosis import Diagnosis
from td3_driving.doctor.examine import examine
from td3_driving.doctor.live import LiveDoctor
from td3_driving.doctor.steps import Step, StepWindow
from td3_driving.driving.experience import Experience
from td3_driving.driving.privileged import privileged_dim
from td3_driving.learning.agent import LearningAgent
from td3_driving.learning.trainer import Diverged, Trainer
from td3_driving.monitor.event_log import EventLog
from td3_driving.settings import Settings, from_flat
from td3_driving.settings_reward import TERMS

SIZE, STATE_DIM, STEPS, EPISODE_STEPS = 36, 2, 450, 30
SETTINGS = {
    "run.steps": STEPS, "run.log_period": 10, "observation.frame_height": SIZE, "observation.frame_width": SIZE,
    "observation.stack": 1, "network.encoder": "small", "network.features": 16, "network.hidden": 16,
    "network.critic": "camera",
    "learning.batch_size": 8, "learning.threads": 1, "learning.actor_cnn_lr": 1e-4, "learning.critic_cnn_lr": 1e-3,
    "learning.critic_mlp_lr": 1e-3, "learning.actor_mlp_lr": 3e-4, "learning.gamma": 0.9, "learning.tau": 0.01,
    "learning.saturation_penalty": 0.5,
    "replay.capacity": 1000, "replay.on_disk": False, "pacing.learning_starts": 150, "pacing.train_freq": 1,
    "pacing.checkpoint_period": 10**9, "exploration.random_steps": 150, "episode.max_steps": EPISODE_STEPS,
}  # fmt: skip


class Lane:
    """A vehicle near the middle of a lane: state (lateral offset, speed), both below 1.

    The best actions are moderate ones.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.dead, self.kick = False, 0.02
        self.reset()

    def reset(self) -> None:
        self.offset, self.speed, self.age = float(self.rng.uniform(-0.3, 0.3)), 0.4, 0

    def observe(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        frame = np.zeros((SIZE, SIZE), np.uint8)
        column = int(np.clip((self.offset + 1.2) / 2.4 * SIZE, 0, SIZE - 4))
        frame[:, column : column + 4] = 255
        return frame, np.array([self.offset, self.speed], np.float32)

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float64], bool, bool]:
        """``(terms of the reward, terminated, truncated)``."""
        self.age += 1
        if not self.dead:
            self.speed += 0.5 * (0.5 + 0.5 * float(action[1]) - self.speed)
            self.offset = 0.8 * self.offset + 0.1 * float(action[0]) + float(self.rng.normal(0.0, 0.02))
            # A gust throws the vehicle out of its lane whatever it does, so that episodes end at all.
            self.offset += 2.0 * float(self.rng.random() < self.kick)
        left = abs(self.offset) > 1.0
        pace = 1.0 - 2.0 * abs(self.speed - 0.5)
        keeping = max(0.5 - abs(self.offset), -1.0)
        terms = np.array([0.3 * pace, keeping, -0.05 * abs(action[0]), -2.0 * left, 0.3 * pace])
        if self.dead:
            self.speed, terms = 0.0, np.array([0.0, 0.3, 0.0, 0.0, 0.0])
        return terms, left, not left and self.age >= EPISODE_STEPS


def named(terms: NDArray[np.float64]) -> dict[str, float]:
    """With the names that the package gives its terms."""
    return dict(zip((term.name for term in TERMS), terms.tolist()))


class Course:
    """A run of the lane under the trainer, logged as the diagnostics node logs."""

    agent: type[LearningAgent] = LearningAgent

    def __init__(self, **changes: float) -> None:
        asked = {key.replace("__", "."): value for key, value in changes.items()}
        self.settings: Settings = from_flat({**SETTINGS, **asked})
        self.lane = Lane(seed=1)
        self.rng = np.random.default_rng(2)

    def make_trainer(self, folder: Path) -> Trainer:
        return Trainer(
            self.settings, folder, STATE_DIM, factory=lambda settings, dim, seed: self.agent(settings, dim, seed)
        )

    def make_doctor(self) -> LiveDoctor:
        return LiveDoctor(self.settings.flat())

    def action(
        self, trainer: Trainer, step: int, frame: NDArray[np.uint8], state: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        if step <= self.settings.exploration.random_steps:
            return np.asarray(self.rng.uniform(-1.0, 1.0, 2), np.float32)
        with torch.no_grad():
            actor = trainer.agent.actor
            images = actor.encoder.prepare(torch.from_numpy(frame)[None, None])
            wanted = actor(images, torch.from_numpy(state)[None])[0].numpy()
        return np.asarray(np.clip(wanted + self.rng.normal(0.0, 0.1, 2), -1.0, 1.0), np.float32)

    def reward(self, terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """The terms as the learner gets them."""
        return terms

    def logged_total(self, terms: NDArray[np.float64]) -> float:
        return float(terms.sum())

    def _privileged(
        self, state: NDArray[np.float32], final: NDArray[np.float32] | None
    ) -> list[NDArray[np.float32] | None]:
        """What a privileged critic knows of a step and of the end of an episode: the state, and nothing else."""
        vectors = [
            None if seen is None else np.zeros(privileged_dim(self.settings), np.float32) for seen in (state, final)
        ]
        for vector, seen in zip(vectors, (state, final)):
            if vector is not None and seen is not None and len(vector):
                vector[: len(seen)] = seen
        return vectors

    def before_step(self, step: int) -> dict[str, float]:
        """Series to log before a step, and whatever else happens then."""
        return {}

    def drive(self, folder: Path) -> Diagnosis:
        """Run, log, and examine."""
        trainer, doctor, log = self.make_trainer(folder), self.make_doctor(), EventLog(folder)
        log.text("config", "\n".join(f"    {key}: {value}" for key, value in self.settings.flat().items()))
        try:
            self._steps(trainer, doctor, log)
            self._write(doctor, log, {"run/finished": 1.0}, self.settings.run.steps)
        except Diverged:
            self._write_points(trainer, doctor, log)
        log.close()
        return examine(folder)

    def _steps(self, trainer: Trainer, doctor: LiveDoctor, log: EventLog) -> None:
        window = StepWindow(self.settings.run.log_period)
        episode, begun, total = 0, 0, 0.0
        for step in range(1, self.settings.run.steps + 1):
            self._write(doctor, log, self.before_step(step), step)
            frame, state = self.lane.observe()
            action = self.action(trainer, step, frame, state)
            terms, terminated, truncated = self.lane.step(action)
            learned = self.reward(terms)
            total += float(terms.sum())
            closing = self.lane.observe() if terminated or truncated else (None, None)
            place = ("actor_0", 1, step - 1, episode, step - 1 - begun, trainer.config_hash, 0)
            outcome = (float(learned.sum()), learned, terminated, truncated, *closing)
            trainer.receive(Experience(*place, frame, state, action, *outcome, *self._privileged(state, closing[1])))
            scored = Step("lane", step, self.lane.age, named(terms), self.logged_total(terms), 10.0 * self.lane.speed)
            series = window.add(scored, step)
            if series is not None:
                self._write(doctor, log, series, step)
                self._write_points(trainer, doctor, log)
                log.scalars({tag: float(value) for tag, value in doctor.alerts().items()}, step)
            if terminated or truncated:
                values = {
                    "train/episode_length": step - begun,
                    "train/episode_reward": total,
                    "train/lane_invasions_per_episode": float(terminated),
                }
                self._write(doctor, log, values, step)
                episode, begun, total = episode + 1, step, 0.0
                self.lane.reset()

    def _write_points(self, trainer: Trainer, doctor: LiveDoctor, log: EventLog) -> None:
        while (point := trainer.pop_log_point()) is not None:
            self._write(doctor, log, point.values, point.step)

    def _write(self, doctor: LiveDoctor, log: EventLog, values: dict[str, float], step: int) -> None:
        for tag, value in values.items():
            doctor.feed(tag, step, value, 0.05 * step)
        if values:
            log.scalars(values, step)
