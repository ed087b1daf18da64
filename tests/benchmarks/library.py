# SPDX-License-Identifier: Apache-2.0
"""TD3 and SAC of Stable-Baselines3, TQC and CrossQ of its contrib, on the task of the trainings here.

Observations are packed into one vector of bytes: n-step returns there do not exist for observations of several parts,
and CrossQ takes no others than vectors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import torch
from cloning import teacher_of
from course import Course
from gymnasium.spaces import Box
from numpy.typing import NDArray
from sb3_contrib import TQC, CrossQ
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise, NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from td3_driving.driving.action import ACTION_DIM
from td3_driving.driving.drivers import Situation
from td3_driving.driving.observation import Observation, stack_shape
from td3_driving.driving.pilot import ObservationBuilder
from td3_driving.driving.route import Route
from td3_driving.driving.seeding import actor_seed, episode_seed
from td3_driving.driving.state_vector import state_dim
from td3_driving.driving.teacher import make_teacher
from td3_driving.evaluation.agents import View
from td3_driving.in_process.gym_env import DrivingEnv
from td3_driving.learning.encoders import make_encoder
from td3_driving.learning.exploration import Exploration
from td3_driving.learning.process import prepare_process
from td3_driving.settings import ObservationSettings, Settings

KINDS: dict[str, type[OffPolicyAlgorithm]] = {"sb3_td3": TD3, "sb3_sac": SAC, "sb3_tqc": TQC, "sb3_crossq": CrossQ}
NATURE_ROWS = 36
"""Rows that NatureCNN, the encoder of Stable-Baselines3, needs."""
LIBRARY_FEATURES = 256
"""Width of that encoder's output beside a state."""
PUBLISHED_NOISE = 0.1
"""Noise of TD3 (Fujimoto et al. 2018, section 6.1); the library's default is none, with which nothing is explored."""


def packed(stack: NDArray[np.uint8], state: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Frames uint8 and state float32 as one vector of bytes."""
    return np.concatenate([stack.reshape(-1), state.astype(np.float32).view(np.uint8)])


def unpacked(vectors: torch.Tensor, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames ``(B, *shape)`` uint8 and states ``(B, state_dim)`` float32 from vectors ``(B, bytes)`` of any type."""
    raw = vectors.to(torch.uint8)
    pixels = int(np.prod(shape))
    return raw[:, :pixels].reshape(-1, *shape), raw[:, pixels:].contiguous().view(torch.float32)


class PackedEnv(DrivingEnv):
    """The task with packed observations, on the episodes of a training here.

    The first ``exploration.random_steps`` steps are driven as they are here, at random or by the teacher, whatever
    action is given; ``info["driven"]`` is the action that was in force.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        size = int(np.prod(stack_shape(settings.observation))) + 4 * state_dim(settings.observation)
        self.observation_space: gymnasium.Space[Any] = Box(0, 255, (size,), np.uint8)
        self._seed, self._episodes, self._steps = settings.run.seed, 0, 0
        self._exploration = Exploration(settings.exploration, actor_seed(self._seed, 0))
        self._teacher = make_teacher(settings)

    def _choose(self, observation: Observation, situation: Situation) -> tuple[NDArray[np.float32], int]:
        if self._exploration.is_random(self._steps):
            shown = None if self._teacher is None else self._teacher.act(situation)
            self._action, _ = self._exploration.action(self._steps, shown)
        self._steps += 1
        return self._action, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.uint8], dict[str, Any]]:  # type: ignore[override]
        drawn = episode_seed(self._seed, 0, 0, self._episodes)
        self._episodes += 1
        if self._teacher is not None:
            self._teacher.begin(drawn)
        seen, info = super().reset(seed=seed, options={"episode_seed": drawn})
        return packed(seen["frames"], seen["state"]), info

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:  # type: ignore[override]
        seen, reward, terminated, truncated, info = super().step(action)
        return packed(seen["frames"], seen["state"]), reward, terminated, truncated, info | {"driven": self._action}


class Unpacking(BaseFeaturesExtractor):
    """An encoder of the frames, and the state beside its output."""

    def __init__(self, space: Box, settings: Settings) -> None:
        super().__init__(space, settings.network.features + state_dim(settings.observation))
        self._shape = stack_shape(settings.observation)
        self.encoder = make_encoder(settings.observation, settings.network)
        self.encoder.initialise(torch.Generator().manual_seed(settings.run.seed))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """``(B, bytes)`` -> ``(B, features + state_dim)``."""
        frames, states = unpacked(vectors, self._shape)
        return torch.cat([self.encoder(self.encoder.prepare(frames)), states], dim=1)


class Driven:
    """Put before an algorithm: the memory keeps the actions that were in force."""

    def _store_transition(self, buffer: Any, action: Any, seen: Any, reward: Any, dones: Any, infos: Any) -> None:
        driven = np.stack([info["driven"] for info in infos])
        super()._store_transition(buffer, driven, seen, reward, dones, infos)  # type: ignore[misc]


class OurRates(Driven):
    """Put before an algorithm: encoders and heads learn at the rates that :func:`set_rates` gave them."""

    def _update_learning_rate(self, optimizers: Any) -> None:
        """The library would set one rate for all."""


class FadingNoise(ActionNoise):
    """The Gaussian noise of the trainings here, whose deviation falls with the steps; drawn in the first ones, too."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._exploration = Exploration(settings.exploration, 0)
        self._generator = np.random.default_rng(actor_seed(settings.run.seed, 0))
        self._step = 0

    def __call__(self) -> NDArray[np.float32]:
        deviation = self._exploration.noise_std(self._step)
        self._step += 1
        return self._generator.normal(0.0, deviation, ACTION_DIM).astype(np.float32)


class LibraryAgent:
    """A policy of the library under our evaluation; it is the model's, and changes when that learns."""

    def __init__(self, name: str, model: BaseAlgorithm, settings: Settings) -> None:
        self.name = name
        self.observation_settings: ObservationSettings | None = settings.observation
        self._model, self._builder = model, ObservationBuilder(settings)

    def start(self, route: Route, seed: int) -> None:
        """A new episode."""
        self._builder.start(route, seed)

    def decide(self, view: View) -> NDArray[np.float32]:
        """The deterministic action."""
        assert view.frame is not None
        seen = self._builder.see(view.frame, view.vehicle).observation
        action, _ = self._model.predict(packed(seen.stack, seen.state), deterministic=True)
        self._builder.last_action = np.asarray(action, dtype=np.float32)
        return self._builder.last_action


class Watch(BaseCallback):
    """Tells the course after every step, and ends the training when it is over."""

    def __init__(self, course: Course) -> None:
        super().__init__()
        self._course = course

    def _on_step(self) -> bool:
        job = self._course.job
        self._course.at(self.num_timesteps, lambda: LibraryAgent(job.name, self.model, job.settings))
        return not self._course.over


def train_library(course: Course) -> None:
    """One training of an algorithm of the library.

    Raises:
        ValueError: the best of several policies is asked for, and the policy of a step is not kept.
    """
    job = course.job
    if job.settings.evaluation.interval:
        raise ValueError("evaluation.interval must be 0: what the library learned at a step is not kept")
    prepare_process(job.settings.learning.threads)
    model = make_model(job.settings, job.contender, job.tuning)
    model.learn(job.settings.run.steps, callback=Watch(course))
    assert model.env is not None
    model.env.close()


def make_model(settings: Settings, contender: str, tuning: str) -> OffPolicyAlgorithm:
    """The learner, its environment and its memory."""
    settings = tuned(settings, tuning)
    extractor = {"features_extractor_class": Unpacking, "features_extractor_kwargs": {"settings": settings}}
    shared = {
        "seed": settings.run.seed,
        "device": settings.learning.device,
        "buffer_size": min(settings.replay.capacity, settings.run.steps),
    }
    if tuning == "own":
        kind = type("Own", (Driven, KINDS[contender]), {})
        noise = (
            NormalActionNoise(np.zeros(ACTION_DIM), np.full(ACTION_DIM, PUBLISHED_NOISE))
            if contender == "sb3_td3"
            else None
        )
        return kind("MlpPolicy", PackedEnv(settings), action_noise=noise, policy_kwargs=extractor, **shared)
    kind = type("Matched", (OurRates, KINDS[contender]), {})
    width = {"net_arch": [settings.network.hidden] * settings.network.hidden_layers}
    own = _matched(settings, contender)
    model = kind("MlpPolicy", PackedEnv(settings), policy_kwargs=extractor | width, **shared, **own)
    set_rates(model, settings)
    return model


def tuned(settings: Settings, tuning: str) -> Settings:
    """The settings of task, encoder and first steps under a tuning."""
    # What a privileged critic would know is not computed for those who have none.
    network = replace(settings.network, critic="camera")
    exploration, learning = settings.exploration, settings.learning
    if tuning == "own":
        exploration = replace(exploration, random_steps=0)
        form = "nature" if settings.observation.frame_height >= NATURE_ROWS else network.encoder
        network = replace(network, encoder=form, features=LIBRARY_FEATURES)
    learning = replace(learning, teacher=teacher_of(settings) if tuning == "shown" else "none")
    return replace(settings, exploration=exploration, network=network, learning=learning)


def set_rates(model: OffPolicyAlgorithm, settings: Settings) -> None:
    """Give encoder and heads of actor and critic our learning rates."""
    rule = settings.learning
    rates = {"actor": (rule.actor_cnn_lr, rule.actor_mlp_lr), "critic": (rule.critic_cnn_lr, rule.critic_mlp_lr)}
    for name, (encoder, heads) in rates.items():
        network = getattr(model, name)
        parts: dict[bool, list[torch.nn.Parameter]] = {True: [], False: []}
        for key, value in network.named_parameters():
            parts[key.startswith("features_extractor.")].append(value)
        groups = [{"params": parts[True], "lr": encoder}, {"params": parts[False], "lr": heads}]
        defaults = network.optimizer.defaults  # CrossQ has betas of its own
        network.optimizer = torch.optim.Adam(groups, betas=defaults["betas"], eps=defaults["eps"])


def _matched(settings: Settings, contender: str) -> dict[str, Any]:
    """Our settings in the words of the library."""
    rule, pacing = settings.learning, settings.pacing
    common: dict[str, Any] = {
        "learning_rate": rule.actor_mlp_lr,  # of SAC's temperature; the others get theirs from set_rates
        "learning_starts": pacing.learning_starts,
        "batch_size": rule.batch_size,
        "gamma": rule.gamma,
        "train_freq": pacing.train_freq,
        "gradient_steps": pacing.gradient_steps,
        "n_steps": rule.n_step,
    }
    smoothing = {"target_policy_noise": rule.target_noise, "target_noise_clip": rule.target_noise_clip}
    delay, target = {"policy_delay": rule.policy_delay}, {"tau": rule.tau}
    own: dict[str, dict[str, Any]] = {
        "sb3_td3": smoothing | delay | target | {"action_noise": FadingNoise(settings)},
        "sb3_crossq": delay,
    }
    return common | own.get(contender, target)
