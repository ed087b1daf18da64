# SPDX-License-Identifier: Apache-2.0
"""Drives an agent over the routes of a plan, frame by frame, for callers that do not step the world themselves."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.route import Route
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.evaluation.agents import EvaluatedAgent, View
from td3_driving.evaluation.camera_ablation import ablated
from td3_driving.evaluation.drive import EvaluationPlan
from td3_driving.evaluation.episode import EpisodeResult, EpisodeScorer, FrameEvents
from td3_driving.settings import Settings


class Tour:
    """Drives the routes of ``plan`` one after the other; delay and losses of the plan are not simulated here.

    The lane has the width assumed by the reward, and the other vehicles are unknown: neither the time to
    collision nor the speed relative to the traffic can be computed.
    """

    def __init__(self, settings: Settings, agent: EvaluatedAgent, plan: EvaluationPlan) -> None:
        self.agent = ablated(agent, plan.camera)
        self.plan = plan
        self.results: list[EpisodeResult] = []
        self._settings = settings
        self._seeds = plan.seeds
        self._scorer: EpisodeScorer | None = None
        self._action: NDArray[np.float32] | None = None

    @property
    def complete(self) -> bool:
        """True once all routes are driven."""
        return len(self.results) >= len(self._seeds)

    @property
    def next_route(self) -> tuple[int, int]:
        """Return scenario and seed of the next episode; reset the world to it."""
        return self.plan.scenario, self._seeds[len(self.results)]

    def start(self, route: Route) -> None:
        """Begin an episode; the world is at the start of ``route``."""
        self._scorer = EpisodeScorer(self._settings, self.plan.ending, route, self._settings.reward.lane_half_width)
        self._action = None
        self.agent.start(route, self.next_route[1])

    def frame(
        self, frame: NDArray[np.uint8], vehicle: VehicleState, collided: bool, crossings: int
    ) -> NDArray[np.float32] | None:
        """Return the action (2,) for the next frame of the episode; ``None`` when this frame ends it.

        Args:
            frame: uint8, see :func:`td3_driving.driving.observation.frame_shape`.
            collided: a collision happened since the last frame; crossings: markings crossed since then.

        Raises:
            ObservationError: the vehicle state is not finite; nothing was taken then.
        """
        if self._scorer is None:
            raise RuntimeError("a frame needs an episode: call start() first")
        began = time.perf_counter()
        action = self.agent.decide(View(vehicle, frame, None))
        self._scorer.log.latencies.append(time.perf_counter() - began)
        ended = self._scorer.watch(FrameEvents(vehicle, (0,) if collided else (), crossings), self._action)
        if ended is not None:
            self.results.append(self._scorer.result(*self.next_route, ended))
            self._scorer = None
            return None
        self._action = action
        return action

    def abandon(self) -> None:
        """Drop the episode after a simulator failure; its route is driven again."""
        self._scorer = None
