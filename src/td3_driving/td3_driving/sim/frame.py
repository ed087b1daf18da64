# SPDX-License-Identifier: Apache-2.0
"""The state of the world at one instant."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.drivers import Neighbours
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.sim.parked import Parked
from td3_driving.sim.traffic import CLASSES
from td3_driving.sim.vehicle import Control


@dataclass(frozen=True, slots=True)
class Collision:
    """A contact of the ego: the other actor's id and the impulse on the ego in the map frame [N s]."""

    actor_id: int
    impulse: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Vehicles:
    """Traffic at one instant, (N,) each: ids, pose in the map frame [m], [rad], speed [m/s], acceleration [m/s²],
    index into :data:`td3_driving.sim.traffic.CLASSES`, and extents [m]."""

    ids: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]
    speed: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    kind: NDArray[np.int64]
    length: NDArray[np.float64]
    width: NDArray[np.float64]
    height: NDArray[np.float64]

    def neighbours(self) -> Neighbours:
        """Return their state for a privileged driver or critic."""
        return Neighbours(self.x, self.y, self.yaw, self.speed, self.length)


@dataclass(frozen=True, slots=True)
class WorldFrame:
    """One simulated instant.

    Attributes:
        number: frame number; grows by one per tick for ever.
        elapsed: simulated time [s].
        ego: state of the ego vehicle; its stamp is ``elapsed`` truncated to whole nanoseconds.
        acceleration: of the ego in the map frame, x and y [m/s²].
        control: the command that was in force during the tick.
        wheel: steering position in [-1, 1], right positive.
        vehicles: the traffic.
        collisions: contacts during the tick.
        lane_invasions: types of the markings crossed during the tick, as ``carla.LaneMarkingType``.
    """

    number: int
    elapsed: float
    ego: VehicleState
    acceleration: tuple[float, float]
    control: Control
    wheel: float
    vehicles: Vehicles
    collisions: tuple[Collision, ...]
    lane_invasions: tuple[int, ...]


def stamp_ns(elapsed: float) -> int:
    """Seconds as the bridge stamps them: whole seconds and the fraction truncated to nanoseconds [ns]."""
    seconds = int(elapsed)
    return seconds * 10**9 + int((elapsed - seconds) * 1e9)


def joined(moving: Vehicles, parked: Parked) -> Vehicles:
    """Traffic and parked vehicles in one."""
    kinds = np.array(parked.kinds)
    heights = np.array([CLASSES[kind][3] for kind in parked.kinds])
    still = np.zeros(len(kinds))
    rows = (np.array(parked.ids), *parked.boxes[:, :3].T, still, still, kinds, *parked.boxes[:, 3:].T, heights)
    return Vehicles(*(np.concatenate((getattr(moving, spec.name), row)) for spec, row in zip(fields(Vehicles), rows)))
