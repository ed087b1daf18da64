# SPDX-License-Identifier: Apache-2.0
"""Standing vehicles: placed by a call until removed, or drawn at the road side for an episode."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.collision import Box, overlaps
from td3_driving.sim.roads import Lane, RoadMap
from td3_driving.sim.traffic import CLASSES, Obstacle

FIRST_ID = 1000
ON_LANE = 1.8
"""A lane whose centre is nearer than this is occupied [m]."""
PITCH = 7.0
"""Distance between two places at the road side [m]."""
ASIDE = (0.0, 0.5)
"""How far a parked car stays off the lane [m]."""
FROM_ENDS = 12.0
"""No parking so near to the end of a lane, where the junctions are [m]."""
FROM_EGO = 15.0
"""Least distance of a parked car from where the ego starts [m]."""
GROUND_REACH = 30.0
"""How far the lane may be whose height a car takes [m]."""
STRAIGHT = 0.12
"""No parking where the lane turns by more within two car lengths [rad]."""


@dataclass
class Parked:
    """All parked vehicles of a world.

    Attributes:
        ids: actor ids; a new vehicle gets a new one.
        kinds: indices into :data:`td3_driving.sim.traffic.CLASSES`.
        boxes: (n, 5) x, y [m], heading [rad], length, width [m].
        obstacles: the same for the traffic.
        heights: of the lanes that they stand on or beside [m].
        lined_up: ids of those that were drawn for the episode.
    """

    roads: RoadMap
    ids: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    boxes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 5)))
    obstacles: list[Obstacle] = field(default_factory=list)
    next_id: int = FIRST_ID
    lined_up: list[int] = field(default_factory=list)
    heights: list[float] = field(default_factory=list)

    def add(
        self, kind: int, x: float, y: float, yaw: float, occupied: NDArray[np.float64], z: float | None = None
    ) -> int:
        """Park a vehicle of class ``kind``: its id, or -1 where it overlaps one of the boxes ``occupied`` (n, 5).

        It stands on the level of ``z`` [m]; without one, on that of the nearest lane.
        """
        _, length, width, _ = CLASSES[kind]
        box: Box = (x, y, yaw, length, width)
        if overlaps(box, np.vstack((self.boxes, occupied))).any():
            return -1
        z = self._ground(x, y) if z is None else z
        near = self.roads.near(x, y, 2.0 * ON_LANE, z)
        places = tuple((lane, s) for lane, s, offset in near if abs(offset) < ON_LANE)
        self.ids.append(self.next_id)
        self.kinds.append(kind)
        self.heights.append(z)
        self.boxes = np.vstack((self.boxes, box))
        self.obstacles.append(Obstacle(places, 0.0, length / 2.0))
        self.next_id += 1
        return self.ids[-1]

    def _ground(self, x: float, y: float) -> float:
        """Height of the nearest lane [m]."""
        near = self.roads.near(x, y, GROUND_REACH) if self.roads.levels else []
        return self.roads.lanes[near[0][0]].height(near[0][1]) if near else 0.0

    def line_up(self, share: float, ego: tuple[float, float], rng: np.random.Generator) -> None:
        """Replace the cars that were drawn before by new ones.

        Args:
            share: of the places at the right of the lanes that are taken.
            ego: x, y [m]; no car is parked close to it.
        """
        for actor_id in [actor_id for actor_id in self.lined_up if actor_id in self.ids]:
            self.remove(actor_id)
        self.lined_up = []
        for lane in self.roads.lanes if share > 0.0 else ():
            for s in np.arange(FROM_ENDS, lane.length - FROM_ENDS, PITCH) if lane.junction < 0 else ():
                if rng.random() < share:
                    self._park_beside(lane, float(s), ego, rng)

    def _park_beside(self, lane: Lane, s: float, ego: tuple[float, float], rng: np.random.Generator) -> None:
        kind, aside = int(rng.integers(len(CLASSES))), float(rng.uniform(*ASIDE))
        (x, y, heading), (*_, before), (*_, after) = (lane.pose(place) for place in (s, s - 5.0, s + 5.0))
        right = float(np.interp(s, lane.s, lane.width)) / 2.0 + CLASSES[kind][2] / 2.0 + aside
        x, y = x + right * math.sin(heading), y - right * math.cos(heading)
        if abs(after - before) > STRAIGHT or math.dist((x, y), ego) < FROM_EGO or self._obstructs(x, y, lane.height(s)):
            return
        actor_id = self.add(kind, x, y, heading, np.zeros((0, 5)), lane.height(s))
        if actor_id >= 0:
            self.lined_up.append(actor_id)

    def _obstructs(self, x: float, y: float, z: float) -> bool:
        """Whether a car here would stand on a lane, for example on one of another street."""
        near = self.roads.near(x, y, 6.0, z)
        return any(abs(offset) < self.roads.lanes[lane].width[0] / 2.0 + 0.8 for lane, _, offset in near)

    def remove(self, actor_id: int) -> None:
        """Take a vehicle away.

        Raises:
            ValueError: there is none with this id.
        """
        index = self.ids.index(actor_id)
        for column in (self.ids, self.kinds, self.obstacles, self.heights):
            del column[index]
        self.boxes = np.delete(self.boxes, index, axis=0)
