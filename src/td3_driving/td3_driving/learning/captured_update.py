# SPDX-License-Identifier: Apache-2.0
"""The update on batches that lie on the device, recorded as CUDA graphs.

There are two of them: the critic's update, and the critic's with the actor's and the targets'. An update is then one
launch instead of some hundred. A recorded update repeats the same addresses and constants. So everything that changes
from update to update lies in tensors that stay where they are: the batch, the learning rates, the count of updates.
"""

from __future__ import annotations

from collections import Counter

import torch

from td3_driving.learning.agent import LearningAgent
from td3_driving.learning.device_replay import BatchSource
from td3_driving.learning.device_series import DeviceSeries
from td3_driving.settings import SettingsError

WARM_UP = 3
"""Updates of each form that run unrecorded first: libraries choose their kernels, optimizers make their state."""


class CapturedUpdate:
    """Updates of ``agent`` on what ``source`` reads; nothing is read back from the device.

    Attributes:
        series: of the updates.
    """

    def __init__(self, agent: LearningAgent, source: BatchSource, capture: bool) -> None:
        """
        Raises:
            ValueError: ``capture`` is asked for where there is no CUDA device.
        """
        if capture and agent.device.type != "cuda":
            raise ValueError(f"CUDA graphs need a CUDA device, but the learner computes on {agent.device.type}")
        self._agent, self._source, self._capture = agent, source, capture
        self._updates = torch.zeros((), device=agent.device)
        self._graphs: dict[bool, torch.cuda.CUDAGraph] = {}
        self._done: Counter[bool] = Counter()
        self.series = DeviceSeries()

    def __call__(self) -> None:
        """One update of the critic and, every ``policy_delay`` of them, of the actor and the targets.

        Raises:
            SettingsError: the update cannot be recorded.
        """
        agent = self._agent
        agent.begin_update()
        with_actor = agent.actor_is_next
        self._updates.fill_(agent.updates + 1)
        self._run(with_actor)
        self._done[with_actor] += 1
        self.series.count(with_actor)
        agent.count_update(with_actor)

    def _run(self, with_actor: bool) -> None:
        if not self._capture:
            self._compute(with_actor)
        elif self._done[with_actor] < WARM_UP:
            self._warm_up(with_actor)
        else:
            if with_actor not in self._graphs:
                self._graphs[with_actor] = self._record(with_actor)
            self._graphs[with_actor].replay()

    def _compute(self, with_actor: bool) -> None:
        agent = self._agent
        inputs = agent.to_device(self._source.read(), with_actor=with_actor)
        report = agent.update_critic(inputs)
        if with_actor:
            report |= agent.update_actor(inputs, self._updates)
        self.series.add(with_actor, report)

    def _warm_up(self, with_actor: bool) -> None:
        """Compute on another stream, for the state that autograd keeps of the main stream cannot be recorded."""
        current, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            self._compute(with_actor)
        current.wait_stream(aside)

    def _record(self, with_actor: bool) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._agent.networks.generator)
        try:
            with torch.cuda.graph(graph):
                self._compute(with_actor)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise SettingsError(
                f"the update cannot be recorded as a CUDA graph ({reason}); with learning.capture false it is not"
            ) from error
        return graph
