"""Who is evaluated: a reference driver, or (in :mod:`td3_driving.evaluation.learned`) a policy that was trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from td3_driving.driving.drivers import (
    Driver,
    IdmDriver,
    LaneKeeper,
    Neighbours,
    RandomDriver,
    Situation,
    off_road,
    parked,
)
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import ObservationSettings, Settings

DRIVERS = ("lane_keeper", "idm", "random", "parked", "off_road")
"""Names of the reference drivers."""
PRIVILEGED = ("idm",)
"""Those that are told what no camera shows."""


@dataclass(frozen=True, slots=True)
class View:
    """What reaches the agent of one frame; ``grey`` is uint8 (height, width) for an agent that asks for it."""

    vehicle: VehicleState
    grey: np.ndarray | None
    neighbours: Neighbours | None


class Agent(Protocol):
    """Drives an episode."""

    @property
    def name(self) -> str:
        """For reports."""
        ...

    @property
    def eyes(self) -> ObservationSettings | None:
        """The frames that it wants; ``None``: it needs no camera."""
        ...

    def start(self, route: Route, seed: int) -> None:
        """A new episode; ``seed`` is of whatever the agent draws at random."""
        ...

    def decide(self, view: View) -> np.ndarray:
        """The action (2,) in [-1, 1] for the newest view."""
        ...


Act = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From the frames (planes, height, width) uint8 and the state (state_dim,) float32 to the action (2,)."""


class PolicyAgent(Agent, Protocol):
    """An agent that acts by a function of its frames and its state vector, which may be exchanged."""

    act: Act

    @property
    def state_names(self) -> Sequence[str]:
        """Of the elements of the state vector, in their order."""
        ...


class DriverAgent:
    """A reference driver, made anew for every episode."""

    eyes: ObservationSettings | None = None

    def __init__(self, name: str, make: Callable[[int], Driver]) -> None:
        self.name = name
        self._make = make
        self._driver: Driver | None = None
        self._route: Route | None = None
        self._place: RoutePlace | None = None

    def start(self, route: Route, seed: int) -> None:
        self._driver, self._route, self._place = self._make(seed), route, None

    def decide(self, view: View) -> np.ndarray:
        if self._driver is None or self._route is None:
            raise RuntimeError("decide() needs an episode: call start() first")
        self._place = self._route.locate(view.vehicle, None if self._place is None else self._place.s)
        return self._driver.act(Situation(view.vehicle, self._place, self._route, view.neighbours))


def driver_agent(name: str, settings: Settings) -> DriverAgent:
    """The reference driver called ``name``, at the target speed of ``settings``.

    Raises:
        ValueError: there is none of that name.
    """
    speed, frame_time = settings.reward.target_speed, settings.simulator.fixed_delta
    makers: dict[str, Callable[[int], Driver]] = {
        "lane_keeper": lambda seed: LaneKeeper(speed, frame_time),
        "idm": lambda seed: IdmDriver(speed, frame_time),
        "random": lambda seed: RandomDriver(np.random.default_rng(seed)),
        "parked": lambda seed: parked(),
        "off_road": lambda seed: off_road(),
    }
    if name not in makers:
        raise ValueError(f"driver {name!r} is not one of {', '.join(DRIVERS)}")
    return DriverAgent(name, makers[name])
