"""Vehicles put into the world by hand: they stand where they are until they are taken away."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from td3_driving.sim.collision import Box, overlaps
from td3_driving.sim.roads import RoadMap
from td3_driving.sim.traffic import CLASSES, Obstacle

FIRST_ID = 1000
ON_LANE = 1.8
"""A lane whose centre is nearer than this is occupied [m]."""


@dataclass
class Parked:
    """All parked vehicles of a world.

    Attributes:
        ids: actor ids; a new vehicle gets a new one.
        kinds: indices into :data:`td3_driving.sim.traffic.CLASSES`.
        boxes: (n, 5) x, y [m], heading [rad], length, width [m].
        obstacles: the same for the traffic.
    """

    roads: RoadMap
    ids: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 5)))
    obstacles: list[Obstacle] = field(default_factory=list)
    next_id: int = FIRST_ID

    def add(self, kind: int, x: float, y: float, yaw: float, occupied: np.ndarray) -> int:
        """Park a vehicle of class ``kind``: its id, or -1 where it overlaps one of the boxes ``occupied`` (n, 5)."""
        _, length, width, _ = CLASSES[kind]
        box: Box = (x, y, yaw, length, width)
        if overlaps(box, np.vstack((self.boxes, occupied))).any():
            return -1
        places = tuple((lane, s) for lane, s, offset in self.roads.near(x, y, 2.0 * ON_LANE) if abs(offset) < ON_LANE)
        self.ids.append(self.next_id)
        self.kinds.append(kind)
        self.boxes = np.vstack((self.boxes, box))
        self.obstacles.append(Obstacle(places, 0.0, length / 2.0))
        self.next_id += 1
        return self.ids[-1]

    def remove(self, actor_id: int) -> None:
        """Take a vehicle away.

        Raises:
            ValueError: there is none with this id.
        """
        index = self.ids.index(actor_id)
        for column in (self.ids, self.kinds, self.obstacles):
            del column[index]
        self.boxes = np.delete(self.boxes, index, axis=0)
