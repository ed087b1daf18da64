# SPDX-License-Identifier: Apache-2.0
"""Draws batches and updates the agent with them: step by step on the processor, without waiting on a CUDA device."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from td3_driving.learning.agent import LearningAgent
from td3_driving.learning.captured_update import CapturedUpdate
from td3_driving.learning.device_replay import BatchSource, make_source
from td3_driving.learning.device_series import LOSS
from td3_driving.learning.ranks.divided_memory import batch_of
from td3_driving.learning.ranks.sharing import ALONE, Alone
from td3_driving.learning.replay import ReplayMemory
from td3_driving.learning.series import Meter
from td3_driving.settings import Settings

LOOK_PERIOD = 64
"""Updates after which a learner on a CUDA device waits for it and looks whether the losses are finite."""


class Updater(Protocol):
    """Makes the updates of a learner."""

    def update(self, reward_scale: float) -> None:
        """Sample a batch and update the agent with it; rewards are divided by ``reward_scale``."""
        ...

    def fault(self, now: bool) -> str:
        """Why no further update can make sense, in one sentence and once, or "".

        On a CUDA device it looks after every :data:`LOOK_PERIOD` updates, and whenever ``now`` is true.
        """
        ...

    def pop_series(self) -> dict[str, float]:
        """Means and extremes of the series since the last call."""
        ...

    def sentence(self) -> str:
        """Where and how it computes."""
        ...


class DirectUpdater:
    """Samples, updates and reads the loss back, one after the other, in step with the other ranks."""

    def __init__(
        self,
        settings: Settings,
        agent: LearningAgent,
        memory: ReplayMemory,
        generator: np.random.Generator,
        ranks: Alone = ALONE,
    ) -> None:
        self._ranks = ranks
        self._rule, self._agent, self._memory, self._generator = settings.learning, agent, memory, generator
        self._meter = Meter()
        self._loss: Tensor = torch.zeros(())

    def update(self, reward_scale: float) -> None:
        self._ranks.start_update(reward_scale)
        batch = batch_of(self._memory, self._rule.batch_size, self._generator)
        report = self._ranks.over_all(self._agent.update(batch, reward_scale))
        self._meter.add(report)
        self._loss = report[LOSS]

    def fault(self, now: bool) -> str:
        loss, self._loss = self._loss, torch.zeros(())
        if torch.isfinite(loss):
            return ""
        return f"the critic's loss is {float(loss)} at update {self._agent.updates}"

    def pop_series(self) -> dict[str, float]:
        return self._meter.pop()

    def sentence(self) -> str:
        return f"it computes on {self._agent.device.type} in {self._rule.precision}"


class DeviceUpdater:
    """Gives a device one update after the other and waits only when results are asked for."""

    def __init__(
        self,
        settings: Settings,
        agent: LearningAgent,
        memory: ReplayMemory,
        generator: np.random.Generator,
        source: BatchSource,
    ) -> None:
        self._rule, self._agent, self._memory, self._generator = settings.learning, agent, memory, generator
        self._source = source
        self._capture = self._rule.capture and agent.device.type == "cuda" and agent.ranks.size == 1
        self._captured = CapturedUpdate(agent, source, self._capture)
        self._looked = 0

    def update(self, reward_scale: float) -> None:
        slots = self._memory.draw(self._rule.batch_size, self._generator)
        self._source.fetch(self._memory.links.locate(slots), reward_scale)
        self._captured()

    def fault(self, now: bool) -> str:
        updates = self._agent.updates
        if updates == self._looked or not (now or updates - self._looked >= LOOK_PERIOD):
            return ""
        self._looked = updates
        loss = self._captured.series.loss()
        return "" if math.isfinite(loss) else f"a loss of the critic was {loss} not long before update {updates}"

    def pop_series(self) -> dict[str, float]:
        return self._captured.series.pop()

    def sentence(self) -> str:
        device = self._agent.device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        form = "recorded as CUDA graphs" if self._capture else "not recorded"
        return f"it computes on {name} in {self._rule.precision}, {form}; {self._source.sentence()}"


def make_updater(
    settings: Settings,
    agent: LearningAgent,
    memory: ReplayMemory,
    generator: np.random.Generator,
    ranks: Alone = ALONE,
) -> Updater:
    """The updates of a run: on the agent's device, and step by step where that is the processor, or with ``ranks``."""
    # A class that brings an update of its own says nothing about its parts.
    own = type(agent).update is not LearningAgent.update
    if agent.device.type != "cuda" or own or ranks.size > 1:
        return DirectUpdater(settings, agent, memory, generator, ranks)
    return DeviceUpdater(settings, agent, memory, generator, make_source(settings, memory, agent.device))
