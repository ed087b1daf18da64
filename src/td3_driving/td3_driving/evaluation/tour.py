"""An agent on the routes of a plan, frame by frame as they come in: for whoever cannot call the world himself."""

from __future__ import annotations

import time

import numpy as np

from td3_driving.driving.route import Route
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.evaluation.agents import Agent, View
from td3_driving.evaluation.camera_ablation import ablated
from td3_driving.evaluation.drive import Plan
from td3_driving.evaluation.episode import EpisodeResult, Referee, Seen
from td3_driving.settings import Settings


class Tour:
    """Drives the routes of ``plan`` one after the other; delay and losses of the plan are not simulated here.

    The lane is as wide as the reward takes it to be, and where the other vehicles are is not known: neither the time to
    collision nor the speed against the traffic can be told.
    """

    def __init__(self, settings: Settings, agent: Agent, plan: Plan) -> None:
        self.agent = ablated(agent, plan.camera)
        self.plan = plan
        self.results: list[EpisodeResult] = []
        self._settings = settings
        self._seeds = plan.seeds
        self._referee: Referee | None = None
        self._action: np.ndarray | None = None

    @property
    def complete(self) -> bool:
        """All routes are driven."""
        return len(self.results) >= len(self._seeds)

    @property
    def next_route(self) -> tuple[int, int]:
        """Scenario and seed of the episode to reset the world to."""
        return self.plan.scenario, self._seeds[len(self.results)]

    def start(self, route: Route) -> None:
        """The world is at the start of ``route``."""
        self._referee = Referee(self._settings, self.plan.ending, route, self._settings.reward.lane_half_width)
        self._action = None
        self.agent.start(route, self.next_route[1])

    def frame(self, grey: np.ndarray, vehicle: VehicleState, collided: bool, crossings: int) -> np.ndarray | None:
        """The action (2,) for the next frame of the episode; ``None`` when the episode ended with it.

        Args:
            grey: (height, width) uint8.
            collided: a collision happened since the last frame; crossings: markings crossed since then.

        Raises:
            ObservationError: the vehicle state is not finite; nothing was taken then.
        """
        if self._referee is None:
            raise RuntimeError("a frame needs an episode: call start() first")
        began = time.perf_counter()
        action = self.agent.decide(View(vehicle, grey, None))
        self._referee.log.latencies.append(time.perf_counter() - began)
        ended = self._referee.watch(Seen(vehicle, (0,) if collided else (), crossings), self._action)
        if ended is not None:
            self.results.append(self._referee.result(*self.next_route, ended))
            self._referee = None
            return None
        self._action = action
        return action

    def abandon(self) -> None:
        """The simulator failed: the route will be driven again."""
        self._referee = None
