# SPDX-License-Identifier: Apache-2.0
"""One evaluated episode: its log frame by frame, and its result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.drivers import NOBODY, Neighbours
from td3_driving.driving.episode import EpisodeMonitor, ExitReason
from td3_driving.driving.pilot import VIOLATIONS
from td3_driving.driving.reward import DrivenStep, RewardModel, RewardTerms
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.evaluation.conflict import time_to_collision
from td3_driving.evaluation.infractions import CollisionCounter, outside_lane, speed_ratios
from td3_driving.evaluation.motion import departures
from td3_driving.evaluation.scores import Infractions, driving_score, penalty
from td3_driving.settings import EpisodeSettings, Settings
from td3_driving.sim.vehicle import CarParameters

ENDINGS = ("leaderboard", "violation")
"""Where an episode ends: at the leaderboard's own ends of a route, or, as in training, at the first violation."""
DEVIATION = 30.0
"""Distance from the route that ends it on the leaderboard [m]."""
BLOCKED_SPEED, BLOCKED_TIME = 0.1, 180.0
"""Slower than this [m/s] for this long [s] ends it."""
TIMEOUT, TIMEOUT_SPEED = 300.0, 0.1
"""Time for a route [s], beside the time it takes at this share of the target speed."""
ENDED_BY = {
    ExitReason.OFF_LANE: "route_dev",
    ExitReason.WRONG_WAY: "route_dev",
    ExitReason.STANDSTILL: "vehicle_blocked",
    ExitReason.TIME_LIMIT: "route_timeout",
}


@dataclass(frozen=True, slots=True)
class Others:
    """The other vehicles: boxes (N, 5) as :data:`td3_driving.sim.collision.Box` and speeds (N,) [m/s]."""

    boxes: NDArray[np.float64]
    speeds: NDArray[np.float64]

    def neighbours(self) -> Neighbours:
        """Return the same vehicles in the type of reference drivers and rewards."""
        x, y, yaw, length, _ = self.boxes.T
        return Neighbours(x, y, yaw, self.speeds, length)


@dataclass(frozen=True, slots=True)
class FrameEvents:
    """The events of one frame: vehicle, ids of touched vehicles, crossed markings, the other vehicles where known."""

    vehicle: VehicleState
    contacts: Sequence[int] = ()
    crossings: int = 0
    others: Others | None = None


class FrameRow(NamedTuple):
    """One frame; units as in :class:`VehicleState` and :class:`RoutePlace`, times [s], not a number where unknown."""

    time: float
    x: float
    y: float
    yaw: float
    speed: float
    yaw_rate: float
    s: float
    lateral: float
    heading_error: float
    half_width: float
    traffic_speed: float
    ttc: float


@dataclass
class EpisodeLog:
    """Frame by frame: K + 1 rows, K actions (2,) and rewards; wall times of the decisions [s]; terms of the last."""

    route: Route
    rows: list[FrameRow] = field(default_factory=list)
    actions: list[NDArray[np.float32]] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    terms: RewardTerms | None = None

    def column(self, name: str) -> NDArray[np.float64]:
        """(K + 1,) one field of :class:`FrameRow`."""
        index = FrameRow._fields.index(name)
        return np.array([row[index] for row in self.rows])

    @property
    def action_array(self) -> NDArray[np.float64]:
        """(K, 2)."""
        return np.array(self.actions, dtype=np.float64).reshape(-1, 2)


@dataclass(frozen=True)
class EpisodeResult:
    """The result of one episode.

    Attributes:
        route_completion: share of the route, 0 .. 1.
        penalty: infraction penalty, 0 .. 1; driving_score in per cent.
        departures: times that the vehicle's origin left its lane; crossings: lane markings crossed.
        collisions: contacts counted as the leaderboard does.
    """

    scenario: int
    seed: int
    ended: ExitReason
    infractions: Infractions
    route_completion: float
    penalty: float
    driving_score: float
    departures: int
    crossings: int
    log: EpisodeLog

    @property
    def success(self) -> bool:
        """The goal was reached without an infraction; driving slower than the traffic is none (Bench2Drive)."""
        return self.ended is ExitReason.GOAL and self.infractions.clean

    @property
    def collisions(self) -> int:
        return self.infractions.counts.get("collisions_vehicle", 0)

    @property
    def driven(self) -> float:
        """Completed route length, which infractions per kilometre refer to [m]."""
        return self.route_completion * self.log.route.length

    @property
    def duration(self) -> float:
        """Simulated time [s]."""
        return self.log.rows[-1].time - self.log.rows[0].time if self.log.rows else 0.0


def monitor_settings(settings: Settings, ending: str, route_length: float) -> EpisodeSettings:
    """When an episode ends.

    Raises:
        ValueError: ``ending`` is not one of :data:`ENDINGS`.
    """
    if ending not in ENDINGS:
        raise ValueError(f"ending {ending!r} is not one of {', '.join(ENDINGS)}")
    if ending == "violation":
        return settings.episode
    frame_time = settings.simulator.fixed_delta
    limit = TIMEOUT + route_length / (TIMEOUT_SPEED * settings.reward.target_speed)
    return replace(
        settings.episode,
        max_steps=min(math.ceil(limit / frame_time), 10**6),
        off_lane_distance=DEVIATION,
        wrong_way_angle=3.14,
        standstill_speed=BLOCKED_SPEED,
        standstill_steps=math.ceil(BLOCKED_TIME / frame_time),
    )


class EpisodeScorer:
    """Scores one episode from its true state: detects its end and computes its result.

    Args:
        ending: one of :data:`ENDINGS`.
        half_width: half the lane width along the route [m], (len(route.points),) or one number.
    """

    def __init__(self, settings: Settings, ending: str, route: Route, half_width: NDArray[np.float64] | float) -> None:
        self._collisions_end = ending == "violation"
        self._monitor = EpisodeMonitor(monitor_settings(settings, ending, route.length))
        self._reward = RewardModel(settings.reward, settings.simulator.fixed_delta)
        self._half_width = np.broadcast_to(half_width, route.s.shape)
        self._counter = CollisionCounter()
        self._crossings = 0
        self._place: RoutePlace | None = None
        self._last_action = np.zeros(2, dtype=np.float32)
        self._size = CarParameters()
        self.log = EpisodeLog(route)

    def watch(self, seen: FrameEvents, action: NDArray[np.float32] | None = None) -> ExitReason | None:
        """Take the next frame and the action (2,) before it, ``None`` for the first; return why the episode ends."""
        before, route = self._place, self.log.route
        place = route.locate(seen.vehicle, None if before is None else before.s)
        speed_before = self.log.rows[-1].speed if self.log.rows else 0.0
        self.log.rows.append(self._row(seen, place))
        self._place = place
        if before is None or action is None:
            return None
        at = (seen.vehicle.x, seen.vehicle.y)
        self._counter.step(self.log.rows[-1].time, at, speed_before, seen.contacts)
        self._crossings += seen.crossings
        collided = self._collisions_end and bool(seen.contacts)
        ended = self._monitor.step(seen.vehicle, place, route, collided)
        others = NOBODY if seen.others is None else seen.others.neighbours()
        driven = (seen.vehicle, before, place, action, self._last_action, ended in VIOLATIONS, route, others)
        self.log.terms = self._reward.score(DrivenStep(*driven))
        self.log.rewards.append(self.log.terms.total)
        self.log.actions.append(np.array(action, dtype=np.float64))
        self._last_action = action
        return ended

    def _row(self, seen: FrameEvents, place: RoutePlace) -> FrameRow:
        vehicle, others = seen.vehicle, seen.others
        box = (vehicle.x, vehicle.y, vehicle.yaw, self._size.length, self._size.width)
        ttc, traffic = math.nan, math.nan
        if others is not None:
            ttc = time_to_collision(box, vehicle.speed, others.boxes, others.speeds)
            traffic = float(others.speeds.mean()) if len(others.speeds) else math.nan
        return FrameRow(
            time=vehicle.stamp_ns * 1e-9,
            x=vehicle.x,
            y=vehicle.y,
            yaw=vehicle.yaw,
            speed=vehicle.speed,
            yaw_rate=vehicle.yaw_rate,
            s=place.s,
            lateral=place.lateral,
            heading_error=place.heading_error,
            half_width=float(np.interp(place.s, self.log.route.s, self._half_width)),
            traffic_speed=traffic,
            ttc=ttc,
        )

    def result(self, scenario: int, seed: int, ended: ExitReason) -> EpisodeResult:
        """Return the result of the episode."""
        log = self.log
        s, lateral = log.column("s"), log.column("lateral")
        outside = outside_lane(s, lateral, log.column("heading_error"), log.column("half_width"))
        infractions = Infractions(
            counts={"collisions_vehicle": self._counter.count},
            outside_share=outside.share,
            outside_length=outside.length,
            speed_ratios=speed_ratios(s, log.route.length, log.column("speed"), log.column("traffic_speed")),
            ended_by=ENDED_BY.get(ended, ""),
        )
        completion, factor = self._completion(s, ended), penalty(infractions)
        return EpisodeResult(
            scenario=scenario,
            seed=seed,
            ended=ended,
            infractions=infractions,
            route_completion=completion,
            penalty=factor,
            driving_score=driving_score(completion, factor),
            departures=departures(lateral, log.column("half_width")),
            crossings=self._crossings,
            log=log,
        )

    def _completion(self, s: NDArray[np.float64], ended: ExitReason) -> float:
        """Reaching the goal zone counts as the whole route."""
        rest = self.log.route.length - float(s[0])
        return 1.0 if ended is ExitReason.GOAL else min(max((float(s.max()) - float(s[0])) / rest, 0.0), 1.0)
