# SPDX-License-Identifier: Apache-2.0
"""Reference drivers. Evaluations compare policies with them; the preflight ranks the reward by them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from td3_driving.bounded import IMPORT_PATH, is_import_path
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.user_driver import UserDriver
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.plugins import PluginError, load


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The other vehicles, (N,) each: position in the map frame [m], heading [rad], speed along it [m/s], length [m]."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]
    speed: NDArray[np.float64]
    length: NDArray[np.float64]


NOBODY = Neighbours(*(np.zeros(0) for _ in range(5)))
"""No other vehicle."""


OWN_LENGTH = 4.79
"""Length of the driven vehicle [m]."""
LANE_HALF_WIDTH = 1.75
"""A vehicle farther from the route is not on it [m]."""
SIGHT = 60.0
"""Range ahead on the route in which vehicles count [m]."""


def leader_on_route(vehicle: VehicleState, place: RoutePlace, route: Route, others: Neighbours) -> tuple[float, float]:
    """Bumper distance to the next vehicle on the route [m], infinite if there is none, and its speed [m/s]."""
    near = np.hypot(others.x - vehicle.x, others.y - vehicle.y) < SIGHT + 2.0 * OWN_LENGTH
    if not near.any():
        return math.inf, 0.0
    ahead = np.arange(0.5, SIGHT)
    line = route.at(place.s + ahead)
    gaps = np.hypot(others.x[near] - line[:, :1], others.y[near] - line[:, 1:])
    nearest = gaps.argmin(axis=0)
    # A vehicle that is nearest to the first point may be behind the driven one.
    on_route = (gaps.min(axis=0) < LANE_HALF_WIDTH) & (nearest > 0)
    if not on_route.any():
        return math.inf, 0.0
    bumper = np.where(on_route, ahead[nearest] - 0.5 * (OWN_LENGTH + others.length[near]), math.inf)
    leader = int(np.argmin(bumper))
    return float(bumper[leader]), max(float(others.speed[near][leader]), 0.0)


@dataclass(frozen=True)
class Situation:
    """What a reference driver sees. ``neighbours`` is privileged; ``None`` means that they are not known."""

    vehicle: VehicleState
    place: RoutePlace
    route: Route
    neighbours: Neighbours | None = None

    @cached_property
    def leader(self) -> tuple[float, float]:
        """See :func:`leader_on_route`; critic and teacher both ask for it.

        Raises:
            ValueError: the other vehicles are not known.
        """
        if self.neighbours is None:
            raise ValueError("the vehicle ahead is asked for, but nobody told where the other vehicles are")
        return leader_on_route(self.vehicle, self.place, self.route, self.neighbours)


class Driver(Protocol):
    """Chooses an action (2,) in [-1, 1]: steer (right positive) and drive."""

    def act(self, situation: Situation) -> NDArray[np.float32]:
        """The action for this frame."""
        ...


@dataclass
class LaneKeeper:
    """Pure pursuit for the wheel (Coulter 1992, eq. 6) and a PI controller for the speed.

    Args:
        target_speed: [m/s].
        frame_time: time between two actions [s].
        wheelbase: [m]; max_steer: wheel angle at steer = 1 [rad].
        lateral_acceleration: bound that slows the vehicle down before a bend [m/s^2].
    """

    target_speed: float
    frame_time: float
    wheelbase: float = 2.875
    max_steer: float = math.radians(70.0)
    lateral_acceleration: float = 2.0
    look_ahead_time: float = 0.6
    least_look_ahead: float = 3.5
    gain: float = 0.5
    integral_gain: float = 0.1
    _integral: float = 0.0

    def act(self, situation: Situation) -> NDArray[np.float32]:
        """Steer towards a point ahead on the route; hold the speed that the bends ahead allow."""
        return np.array([self._steer(situation), self._drive(situation)], dtype=np.float32)

    def _steer(self, situation: Situation) -> float:
        distance = max(self.least_look_ahead, self.look_ahead_time * situation.vehicle.speed)
        x, y = situation.route.ahead(situation.vehicle, situation.place.s, 1, distance)[0]
        wheel_angle = math.atan2(2.0 * self.wheelbase * y, x * x + y * y)
        return max(-1.0, min(1.0, -wheel_angle / self.max_steer))

    def _drive(self, situation: Situation) -> float:
        error = self._allowed_speed(situation) - situation.vehicle.speed
        # Integrating only near the target keeps the start from winding the controller up.
        self._integral = self._integral + error * self.frame_time if abs(error) < 1.0 else 0.0
        return max(-1.0, min(1.0, self.gain * error + self.integral_gain * self._integral))

    def _allowed_speed(self, situation: Situation) -> float:
        points = situation.route.ahead(situation.vehicle, situation.place.s, 8, 2.0)
        steps = points[1:] - points[:-1]
        headings = np.arctan2(steps[:, 1], steps[:, 0])
        turn = float(np.abs(headings[1:] - headings[:-1]).max())
        if turn > math.pi:
            turn = float(np.abs(np.diff(np.unwrap(headings))).max())
        curvature = turn / 2.0
        return min(self.target_speed, math.sqrt(self.lateral_acceleration / max(curvature, 1e-6)))


@dataclass
class IdmDriver(LaneKeeper):
    """Pure pursuit for the wheel, and the speed of the Intelligent Driver Model behind the vehicle ahead on the route.

    Treiber, Hennecke, Helbing, Phys. Rev. E 62 (2000), equations (3) and (4); the desired speed is what the
    bends allow. It is privileged: it is told where the other vehicles are, which no camera tells so exactly.

    Args:
        acceleration, braking: a and b of the model [m/s^2]; headway: T [s]; standing_gap: s0 [m].
        hardest_braking: bound of the deceleration [m/s^2].
        full_throttle, full_brake: what the pedals do at 1 [m/s^2]; resistance: what slows without them [m/s^2].
    """

    acceleration: float = 1.5
    braking: float = 2.0
    headway: float = 1.4
    standing_gap: float = 2.0
    hardest_braking: float = 8.0
    full_throttle: float = 4.6
    full_brake: float = 8.8
    resistance: float = 0.15

    def _drive(self, situation: Situation) -> float:
        wanted = self._wanted(situation) + self.resistance
        return min(wanted / self.full_throttle, 1.0) if wanted > 0.0 else max(wanted / self.full_brake, -1.0)

    def _wanted(self, situation: Situation) -> float:
        """Acceleration of the model [m/s^2]."""
        speed = max(situation.vehicle.speed, 0.0)
        gap, leader = situation.leader
        closing = speed * (speed - leader) / (2.0 * math.sqrt(self.acceleration * self.braking))
        safe = self.standing_gap + max(speed * self.headway + closing, 0.0)
        free = 1.0 - (speed / self._allowed_speed(situation)) ** 4
        return max(self.acceleration * (free - (safe / max(gap, 0.1)) ** 2), -self.hardest_braking)


@dataclass(frozen=True)
class ConstantDriver:
    """Takes one action for ever: (0, -1) is parked, (1, 0.5) leaves the road."""

    steer: float
    drive: float

    def act(self, situation: Situation) -> NDArray[np.float32]:
        """The constant action."""
        return np.array([self.steer, self.drive], dtype=np.float32)


@dataclass(frozen=True)
class RandomDriver:
    """Uniform over the whole action space, each dimension drawn on its own."""

    generator: np.random.Generator

    def act(self, situation: Situation) -> NDArray[np.float32]:
        """A fresh random action."""
        return self.generator.uniform(-1.0, 1.0, size=2).astype(np.float32)


BRISK = {"acceleration": 3.0, "braking": 6.0, "headway": 0.5, "standing_gap": 2.5}
"""Parameters of the Intelligent Driver Model that brake late and hard. At 7 m/s a standing vehicle matters from some
12 m on, where it is a few pixels wide even in the small frames of a policy; as usually set the model slows down for one
that is twice as far. A policy cannot learn from a teacher who acts on what it does not see (Walsman et al. 2023,
Impossibly Good Experts)."""


def parked() -> ConstantDriver:
    """Stands still with the brake on."""
    return ConstantDriver(steer=0.0, drive=-1.0)


def off_road() -> ConstantDriver:
    """Leaves the lane to the right as soon as it can."""
    return ConstantDriver(steer=1.0, drive=0.5)


@dataclass(frozen=True, slots=True)
class ReferenceDriver:
    """An entry of :data:`DRIVERS`, or what a user's import path leads to.

    Attributes:
        make: the driver of one episode for a target speed [m/s], the time between two actions [s], and a seed for
            whatever it draws at random.
        meaning: one line on how it drives.
        needs_others: it must know the other vehicles, which no camera shows.
    """

    make: Callable[[float, float, int], Driver]
    meaning: str
    needs_others: bool = False


DRIVERS: dict[str, ReferenceDriver] = {
    "lane_keeper": ReferenceDriver(
        lambda speed, time, _: LaneKeeper(speed, time),
        "pure pursuit (Coulter 1992) and a PI controller that slows down for bends; it does not see other vehicles",
    ),
    "idm": ReferenceDriver(
        lambda speed, time, _: IdmDriver(speed, time),
        "pure pursuit and the Intelligent Driver Model (Treiber, Hennecke, Helbing 2000)",
        needs_others=True,
    ),
    "brisk": ReferenceDriver(
        lambda speed, time, _: IdmDriver(speed, time, **BRISK),
        "the same with a headway of 0.5 s, 3 m/s² to speed up and 6 m/s² to brake: it acts on what is near",
        needs_others=True,
    ),
    "random": ReferenceDriver(
        lambda _, __, seed: RandomDriver(np.random.default_rng(seed)), "a fresh uniform action in every frame"
    ),
    "parked": ReferenceDriver(lambda _, __, ___: parked(), "stands with the brake on"),
    "off_road": ReferenceDriver(lambda _, __, ___: off_road(), "leaves the lane to the right"),
}
"""The reference drivers by name. A further one is an entry here."""


def is_driver(name: str) -> bool:
    """Whether ``name`` stands for a reference driver: one of :data:`DRIVERS`, or an import path."""
    return name in DRIVERS or is_import_path(name)


def reference_driver(name: str, role: str = "driver") -> ReferenceDriver:
    """The driver called ``name``, or the user's behind an import path.

    Args:
        role: what asks for it, for the error's text.

    Raises:
        PluginError: there is none.
    """
    if name in DRIVERS:
        return DRIVERS[name]
    if not is_import_path(name):
        raise PluginError(f"{role} {name!r} is not one of {', '.join(DRIVERS)}, nor an import path {IMPORT_PATH}")
    found = load(name, role=role)
    if not isinstance(found, ReferenceDriver):
        raise PluginError(f"{role}: {name!r} is of type {type(found).__name__}, ReferenceDriver is needed")
    who = f"{role}: {name!r}"
    return replace(found, make=lambda *episode: UserDriver(who, found.make(*episode)))
