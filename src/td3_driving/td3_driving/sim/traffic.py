# SPDX-License-Identifier: Apache-2.0
"""Vehicles that follow lanes by the Intelligent Driver Model and take turns at junctions.

Car following: Treiber, Hennecke, Helbing, Congested traffic states in empirical observations and microscopic
simulations, Phys. Rev. E 62 (2000), equations (3) and (4). A junction lane is entered only with a reservation, for
which the first vehicle before the junction asks. The longest waiting vehicle gets it first, when no conflicting lane is
reserved or used and the way out is free. A vehicle that waits too long chooses other turns, which dissolves gridlocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.lane_graph import SLOWING, LaneGraph
from td3_driving.sim.road_map import LEVEL, RoadMap
from td3_driving.sim.spawning import ANYWHERE, OnRoute, free_places
from td3_driving.sim.unruly import ORDERLY, Unruly, Whims

ACCELERATION = 1.5
"""a of the model [m/s²]."""
BRAKING = 2.0
"""b of the model [m/s²]."""
HARDEST_BRAKING = 8.0
"""[m/s²]"""
HEADWAY = 1.4
"""T of the model [s]."""
STANDING_GAP = 2.0
"""s0 of the model [m]."""
DESIRED_SPEED = (6.5, 9.5)
"""Range of the speeds that drivers choose [m/s]."""
HORIZON = 6
"""Lanes that a vehicle plans ahead, its own included."""
RESERVE_WITHIN = 20.0
"""Distance from a junction at which a vehicle asks for it [m]."""
STOP_BEFORE = 1.5
"""Where a vehicle without a reservation stops before a junction lane [m]."""
EXIT_ROOM = 9.0
"""Room needed behind a junction when the traffic there stands [m]."""
PATIENCE = 8.0
"""Time at a junction after which a vehicle chooses other turns [s]."""
CLASSES = (
    ("vehicle.audi.a2", 3.70, 1.79, 1.55),
    ("vehicle.lincoln.mkz_2017", 4.90, 1.86, 1.49),
    ("vehicle.nissan.patrol", 4.60, 1.93, 1.87),
    ("vehicle.seat.leon", 4.19, 1.82, 1.47),
    ("vehicle.volkswagen.t2", 4.48, 1.80, 2.04),
)
"""Blueprint, length, width and height [m] of the vehicles, after CARLA's."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Obstacles to the traffic: lanes and distances along them [m], speed [m/s], half length [m]."""

    places: tuple[tuple[int, float], ...]
    speed: float
    half_length: float


class Traffic:
    """All vehicles but the ego.

    Attributes:
        lane, s: where each vehicle's centre is, (N,) lane index and distance along it [m].
        speed, acceleration: (N,) [m/s], [m/s²].
        x, y, yaw: (N,) pose in the map frame [m], [rad].
        kind: (N,) index into :data:`CLASSES`.
        length, width, height: (N,) [m].
    """

    def __init__(self, roads: RoadMap, unruly: Unruly = ORDERLY) -> None:
        self.graph = LaneGraph(roads)
        self._whims = Whims(unruly)
        self._rng = np.random.default_rng(0)
        self._allocate(0)

    def _allocate(self, count: int) -> None:
        self.lane = np.zeros(count, dtype=np.int64)
        self.s, self.speed, self.acceleration, self._desired = np.zeros((4, count))
        self.kind = np.zeros(count, dtype=np.int64)
        self.length, self.width, self.height = np.zeros((3, count))
        self._plan = np.zeros((count, HORIZON), dtype=np.int64)
        self._previous = np.full(count, -1, dtype=np.int64)
        self._held = np.full(count, -1, dtype=np.int64)
        self._waited = np.zeros(count)
        self.x, self.y, self.yaw = np.zeros((3, count))

    def spawn(
        self,
        count: int,
        rng: np.random.Generator,
        ego: tuple[float, float],
        behaviour: np.random.Generator | None = None,
        on_route: OnRoute = ANYWHERE,
        hard_braking: float = 0.0,
    ) -> None:
        """Replace all vehicles by ``count`` new ones at rest or rolling, at least 20 m from ``ego`` (x, y) [m].

        A network that is too short for them all gets as many as fit.

        Args:
            behaviour: draws the acts of unruly drivers.
            on_route: how many vehicles begin on the route of the ego.
            hard_braking: how often one of them brakes hard [1/min]; drivers may be more unruly than that.
        """
        self._rng = rng
        places = free_places(self.graph, count, rng, ego, on_route)
        self._allocate(len(places))
        self._whims.renew(len(places), behaviour or np.random.default_rng(0), hard_braking)
        self.lane[:] = [lane for lane, _ in places]
        self.s[:] = [s for _, s in places]
        self.kind[:] = rng.integers(len(CLASSES), size=len(places))
        extents = np.array([extent for _, *extent in CLASSES])
        self.length, self.width, self.height = extents[self.kind].T.copy()
        self._desired[:] = rng.uniform(*DESIRED_SPEED, size=len(places))
        self.speed[:] = 0.5 * np.minimum(self._desired, self.graph.limits(self.lane, self.s))
        self._plan[:, 0] = self.lane
        for vehicle in range(len(places)):
            self._choose_turns(vehicle)
        self._place()

    def _turn(self, lane: int) -> int:
        choices = self.graph.successors[lane]
        return choices[0] if len(choices) == 1 else choices[int(self._rng.integers(len(choices)))]

    def _choose_turns(self, vehicle: int) -> None:
        for step in range(1, HORIZON):
            self._plan[vehicle, step] = self._turn(int(self._plan[vehicle, step - 1]))

    def step(self, dt: float, obstacles: Sequence[Obstacle]) -> None:
        """Move all vehicles by ``dt`` [s]; they follow and give way to ``obstacles``."""
        if len(self.s) == 0:
            return
        self._start = np.cumsum(self.graph.length[self._plan], axis=1)
        self._start -= self.graph.length[self._plan] + self.s[:, None]
        gap, leader_speed = self._leaders(obstacles)
        self._reserve(gap, dt, obstacles)
        gap, leader_speed = self._stop_lines(gap, leader_speed)
        self.acceleration = self._whims.braked(self._follow(gap, leader_speed), self.speed, dt)
        before = self.speed
        self.speed = np.maximum(before + self.acceleration * dt, 0.0)
        self.s = self.s + 0.5 * (before + self.speed) * dt
        self._change_lanes()
        self._place()

    def _leaders(self, obstacles: Sequence[Obstacle]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distance to the bumper ahead [m] and its speed [m/s], (N,) each; infinite where the way is free."""
        count, half = len(self.s), self.length / 2.0
        tail = (self._previous >= 0) & (self.s < half + 1.0)
        tail_lane = np.where(tail, self._previous, -1)
        tail_s = self.s + self.graph.length[self._previous]
        rows = [(*place, max(other.speed, 0.0), other.half_length) for other in obstacles for place in other.places]
        foreign = np.array(rows, dtype=np.float64).reshape(-1, 4)
        lane = np.concatenate((self.lane, tail_lane, foreign[:, 0].astype(np.int64)))
        s = np.concatenate((self.s, tail_s, foreign[:, 1]))
        speed = np.concatenate((self.speed, self.speed, foreign[:, 2]))
        halves = np.concatenate((half, half, foreign[:, 3]))
        ahead = np.where(self._plan[:, :, None] == lane, self._start[:, :, None] + s, np.inf)
        itself = np.arange(count)
        ahead[itself, 0, itself] = np.inf
        ahead[itself, :, count + itself] = np.inf
        ahead[ahead <= 0.0] = np.inf
        ahead = ahead.min(axis=1) - halves
        nearest = ahead.argmin(axis=1)
        return ahead[itself, nearest] - half, speed[nearest]

    def _next_junction(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """The first junction lane beyond the own one: its place in the plan, index (-1 if none) and distance [m]."""
        crossing = self.graph.junction[self._plan]
        crossing[:, 0] = False
        step = crossing.argmax(axis=1)
        rows = np.arange(len(step))
        lane = np.where(crossing[rows, step], self._plan[rows, step], -1)
        return step, lane, self._start[rows, step] - self.length / 2.0

    def _reserve(self, gap: NDArray[np.float64], dt: float, obstacles: Sequence[Obstacle]) -> None:
        step, lane, distance = self._next_junction()
        self._junction, self._distance = lane, distance
        first = (lane >= 0) & (self._held < 0) & (distance < RESERVE_WITHIN) & (gap + STANDING_GAP > distance)
        self._waited = np.where(first, self._waited + dt, 0.0)
        asking = np.flatnonzero(first)
        if len(asking) == 0:
            return
        crossing = self.lane[self.graph.junction[self.lane]]
        taken = np.concatenate((self._held[self._held >= 0], crossing))
        claims, entered = self._claims(obstacles), self._claims(obstacles, coming=False)
        for vehicle in asking[np.argsort(-self._waited[asking], kind="stable")]:
            exit_lane = int(self._plan[vehicle, min(step[vehicle] + 1, HORIZON - 1)])
            used = np.concatenate((taken, entered if self._whims.pushes[vehicle] else claims))
            if not self.graph.conflicts[lane[vehicle], used].any() and self._exit_is_free(exit_lane):
                self._held[vehicle] = lane[vehicle]
                taken = np.append(taken, lane[vehicle])
            elif self._waited[vehicle] > PATIENCE:
                self._waited[vehicle] = 0.0
                self._choose_turns(vehicle)

    def _claims(self, obstacles: Sequence[Obstacle], coming: bool = True) -> NDArray[np.int64]:
        """Return junction lanes that obstacles occupy or, if ``coming``, are about to enter."""
        claimed = []
        for obstacle in obstacles:
            reach = 5.0 + 2.0 * obstacle.speed if obstacle.speed > 0.5 else -1.0
            for lane, s in obstacle.places:
                if self.graph.junction[lane]:
                    claimed.append(lane)
                if coming and self.graph.length[lane] - s < reach:
                    claimed += [after for after in self.graph.successors[lane] if self.graph.junction[after]]
        return np.array(claimed, dtype=np.int64)

    def _exit_is_free(self, lane: int) -> bool:
        standing = (self.lane == lane) & (self.s < EXIT_ROOM) & (self.speed < 1.0)
        return not standing.any()

    def _stop_lines(
        self, gap: NDArray[np.float64], leader_speed: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A junction lane without a reservation counts as a wall at its stop line."""
        wall = (self._junction >= 0) & (self._held != self._junction)
        line = np.where(wall, self._distance - STOP_BEFORE + STANDING_GAP, np.inf)
        return np.minimum(gap, line), np.where(line < gap, 0.0, leader_speed)

    def _follow(self, gap: NDArray[np.float64], leader_speed: NDArray[np.float64]) -> NDArray[np.float64]:
        """Acceleration (N,) [m/s²] of the Intelligent Driver Model."""
        graph, speed = self.graph, self.speed
        left = graph.length[self.lane] - self.s
        approach = np.sqrt(graph.entry_limit[self._plan[:, 1]] ** 2 + 2.0 * SLOWING * np.maximum(left, 0.0))
        desired = np.minimum(np.minimum(self._desired, graph.limits(self.lane, self.s)), approach)
        closing = speed * (speed - leader_speed) / (2.0 * (ACCELERATION * BRAKING) ** 0.5)
        wanted = STANDING_GAP + np.maximum(speed * HEADWAY + closing, 0.0)
        interaction = (wanted / np.maximum(gap, 0.1)) ** 2
        return np.clip(ACCELERATION * (1.0 - (speed / desired) ** 4 - interaction), -HARDEST_BRAKING, ACCELERATION)

    def _change_lanes(self) -> None:
        for vehicle in np.flatnonzero(self.s > self.graph.length[self.lane]):
            lane = int(self.lane[vehicle])
            self.s[vehicle] -= self.graph.length[lane]
            self._previous[vehicle] = lane
            self._whims.choose_again(int(vehicle))
            self._plan[vehicle, :-1] = self._plan[vehicle, 1:]
            self._plan[vehicle, -1] = self._turn(int(self._plan[vehicle, -2]))
            self.lane[vehicle] = self._plan[vehicle, 0]
        passed = (self._held == self._previous) & (self.lane != self._held) & (self.s > self.length / 2.0 + 0.5)
        self._held[passed & (self._held >= 0)] = -1

    def _place(self) -> None:
        self.x, self.y, self.yaw = self.graph.poses(self.lane, self.s)

    @property
    def z(self) -> NDArray[np.float64]:
        """(N,) height of each vehicle's lane where it is [m]."""
        return self.graph.heights(self.lane, self.s)

    def near(self, x: float, y: float, radius: float, z: float = 0.0) -> NDArray[np.int64]:
        """Indices of the vehicles on the level of ``z`` [m] whose centre is within ``radius`` [m] of a point."""
        close = np.flatnonzero((self.x - x) ** 2 + (self.y - y) ** 2 < radius * radius)
        return close[np.abs(self.z[close] - z) < LEVEL] if self.graph.levels else close

    def boxes(self, which: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float64]:
        """(n, 5) x, y [m], heading [rad], length, width [m] of all vehicles or of those asked for."""
        columns = (self.x, self.y, self.yaw, self.length, self.width)
        return np.stack([column[which] for column in columns], axis=1)

    def velocity(self, index: int) -> tuple[float, float]:
        """Velocity (x, y) of one vehicle in the map frame [m/s]."""
        speed, yaw = float(self.speed[index]), float(self.yaw[index])
        return speed * math.cos(yaw), speed * math.sin(yaw)
