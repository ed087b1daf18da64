# SPDX-License-Identifier: Apache-2.0
"""Evaluated agents: reference drivers, and (in :mod:`td3_driving.evaluation.learned`) trained policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.drivers import Driver, Neighbours, Situation, reference_driver
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import ObservationSettings, Settings


@dataclass(frozen=True, slots=True)
class View:
    """The agent's input at one instant; ``frame`` is ``None`` unless the agent asks for it."""

    vehicle: VehicleState
    frame: NDArray[np.uint8] | None
    neighbours: Neighbours | None


class EvaluatedAgent(Protocol):
    """Drives an episode."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def observation_settings(self) -> ObservationSettings | None:
        """The frames that it wants; ``None``: it needs no camera."""
        ...

    def start(self, route: Route, seed: int) -> None:
        """Begin a new episode; ``seed`` seeds the agent's random draws."""
        ...

    def decide(self, view: View) -> NDArray[np.float32]:
        """The action (2,) in [-1, 1] for the newest view."""
        ...


Act = Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]]
"""From the frames (planes, height, width) uint8 and the state (state_dim,) float32 to the action (2,)."""


class PolicyAgent(EvaluatedAgent, Protocol):
    """An agent that acts by a function of its frames and its state vector, which may be exchanged."""

    act: Act

    @property
    def state_names(self) -> Sequence[str]:
        """Names of the elements of the state vector, in their order."""
        ...


class DriverAgent:
    """A reference driver, made anew for every episode."""

    observation_settings: ObservationSettings | None = None

    def __init__(self, name: str, make: Callable[[int], Driver]) -> None:
        self.name = name
        self._make = make
        self._driver: Driver | None = None
        self._route: Route | None = None
        self._place: RoutePlace | None = None

    def start(self, route: Route, seed: int) -> None:
        self._driver, self._route, self._place = self._make(seed), route, None

    def decide(self, view: View) -> NDArray[np.float32]:
        if self._driver is None or self._route is None:
            raise RuntimeError("decide() needs an episode: call start() first")
        self._place = self._route.locate(view.vehicle, None if self._place is None else self._place.s)
        return self._driver.act(Situation(view.vehicle, self._place, self._route, view.neighbours))


def driver_agent(name: str, settings: Settings) -> DriverAgent:
    """The reference driver called ``name``, at the target speed of ``settings``.

    Raises:
        PluginError: there is none of that name, or its import path leads nowhere.
    """
    driver, speed, frame_time = reference_driver(name), settings.reward.target_speed, settings.simulator.fixed_delta
    return DriverAgent(name, lambda seed: driver.make(speed, frame_time, seed))
