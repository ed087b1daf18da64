# SPDX-License-Identifier: Apache-2.0
"""Chooses number format and compilation by measurement where the settings say ``auto``.

Each form updates a learner of its own on a batch of noise, in turns. The plain one is kept unless another is faster by
:data:`GAIN`. Two starts may choose differently, and then their bits differ: a run that must repeat itself names a form.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import torch

from td3_driving.driving.action import ACTION_DIM
from td3_driving.driving.observation import stack_shape
from td3_driving.driving.privileged import privileged_dim
from td3_driving.learning.agent import LearningAgent
from td3_driving.learning.batch import TensorBatch
from td3_driving.learning.captured_update import WARM_UP, CapturedUpdate
from td3_driving.learning.device import device_of
from td3_driving.learning.device_replay import as_batch
from td3_driving.learning.replay_links import Located
from td3_driving.settings import Settings, SettingsError

GAIN = 1.1
"""How many times faster another form must be than the plain one."""
TURNS = 3
UPDATES = {"cpu": 1, "cuda": 50}
"""Updates of the actor in one turn."""


def decided(settings: Settings, state_dim: int) -> Settings:
    """``settings`` with the fastest form for this machine in place of ``auto``; the same object where nothing is open.

    Raises:
        ValueError: see :func:`~td3_driving.learning.device.device_of`.
    """
    rule = settings.learning
    if "auto" not in (rule.precision, rule.compile):
        return settings
    plain = "tf32" if device_of(rule).type == "cuda" else "float32"
    precisions = (plain, "bfloat16") if rule.precision == "auto" else (rule.precision,)
    compiling = ("off", "on") if rule.compile == "auto" else (rule.compile,)
    forms = [
        replace(settings, learning=replace(rule, precision=precision, compile=compiled))
        for precision, compiled in product(precisions, compiling)
    ]
    return forms[fastest([seconds_of(turns) for turns in take_turns(forms, state_dim)])]


def fastest(times: Sequence[float]) -> int:
    """Index of the least time if it is less than the first by :data:`GAIN`, else 0."""
    best = min(range(len(times)), key=times.__getitem__)
    return best if times[0] > GAIN * times[best] else 0


def seconds_of(turns: Sequence[float]) -> float:
    """The least of the turns: whatever else the machine does only adds to a time."""
    return min(turns, default=math.inf)


def take_turns(forms: Sequence[Settings], state_dim: int) -> list[list[float]]:
    """Wall times of the turns of each form [s]; none for a form that fails, as where no compiler is installed."""
    trials: list[Trial | None] = []
    for form in forms:
        try:
            trials.append(Trial(form, state_dim))
        except (RuntimeError, SettingsError):
            if form is forms[0]:
                raise
            trials.append(None)
    times: list[list[float]] = [[] for _ in forms]
    for _ in range(TURNS):
        for trial, turns in zip(trials, times, strict=True):
            if trial is not None:
                turns.append(trial.turn())
    return times


class Trial:
    """A learner of its own that is updated for nothing but the time it takes."""

    def __init__(self, settings: Settings, state_dim: int) -> None:
        agent = LearningAgent(settings, state_dim, settings.run.seed)
        self._device, delay = agent.device, settings.learning.policy_delay
        capture = settings.learning.capture and agent.device.type == "cuda"
        self._update = CapturedUpdate(agent, NoiseBatch(settings, state_dim, agent.device), capture)
        self._updates = delay * UPDATES[agent.device.type]
        for _ in range(delay * (WARM_UP + 1) if capture else delay):
            self._update()

    def turn(self) -> float:
        """Wall time of some updates [s]."""
        start = time.perf_counter()
        for _ in range(self._updates):
            self._update()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter() - start


class NoiseBatch:
    """A batch of noise that lies on the device."""

    def __init__(self, settings: Settings, state_dim: int, device: torch.device) -> None:
        generator, size = torch.Generator().manual_seed(0), settings.learning.batch_size
        channels, *picture = stack_shape(settings.observation)
        widths = (state_dim, privileged_dim(settings), ACTION_DIM, ACTION_DIM)
        now, beyond = (
            tuple(torch.rand((size, width), generator=generator).to(device) for width in widths) for _ in range(2)
        )
        window = torch.randint(0, 256, (size, 2 * channels, *picture), dtype=torch.uint8, generator=generator)
        returns = torch.rand((size, 3), generator=generator).to(device)
        self._batch = as_batch(window.to(device), (channels, *picture), now, beyond, returns)

    def fetch(self, located: Located, reward_scale: float) -> None:
        """It is there."""

    def read(self) -> TensorBatch:
        return self._batch

    def sentence(self) -> str:
        return "noise"
