# SPDX-License-Identifier: Apache-2.0
"""The simulated world: roads, ego vehicle, traffic and their interaction. No camera, no ROS.

Time goes on across resets: frame ``n`` has the simulated time ``n * fixed_delta``, and the first frame is not 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.seeding import episode_generators, extras_generators
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import SimulatorSettings
from td3_driving.sim.collision import Box, corners, overlaps
from td3_driving.sim.frame import Collision, Vehicles, WorldFrame, joined, stamp_ns
from td3_driving.sim.lane_invasion import REACH, LaneInvasion
from td3_driving.sim.parked import Parked
from td3_driving.sim.road_map import LEVEL
from td3_driving.sim.roads import RoadMap, load_map, map_choices, map_of_episode
from td3_driving.sim.routes import plan_route, route_between
from td3_driving.sim.scenarios import scenario_of
from td3_driving.sim.spawning import OnRoute
from td3_driving.sim.traffic import Obstacle, Traffic
from td3_driving.sim.unruly import Unruly
from td3_driving.sim.vehicle import Car, CarParameters, Control, advance

__all__ = ["EGO_ID", "Collision", "WorldFrame", "Vehicles", "World", "stamp_ns"]

FIRST_FRAME = 100
"""Frame number before the first tick: neither frames nor time start at zero, as on a CARLA server."""
EGO_ID = 24
FIRST_TRAFFIC_ID = 100
CONTACT_RANGE = 9.0
"""Centres farther apart than this cannot touch [m]."""
RAMP = 0.06
"""What is on the ego's level may lie higher or lower by this for each metre away, as on a ramp."""
ON_LANE = 1.8
"""A lane whose centre is nearer to the ego than this is occupied by it [m]."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """One road network and the vehicles on it."""

    roads: RoadMap
    traffic: Traffic
    parked: Parked
    invasion: LaneInvasion

    @classmethod
    def of(cls, roads: RoadMap, settings: SimulatorSettings) -> Ground:
        """An empty network."""
        unruly = Unruly(settings.hard_braking, settings.pushing_in)
        return cls(roads, Traffic(roads, unruly), Parked(roads), LaneInvasion(roads))


class World:
    """The world of one simulator. The same settings, seeds and commands give the same frames, bit by bit.

    Args:
        settings: map, route, traffic and step of the simulation.
        seed: of the first episode; :meth:`reset` takes the seeds of the following ones.

    Raises:
        MapError: the map cannot be used.
        RouteError: the route does not exist on it.
    """

    def __init__(self, settings: SimulatorSettings, seed: int) -> None:
        self.settings = settings
        self._maps = map_choices(settings.map)
        self._grounds: dict[str, Ground] = {}
        self._ground = self._ground_of(seed)
        # A part that cannot be driven is refused here, not in the middle of a run.
        for part in self._maps[1:]:
            self._ground_on(part[0])
        self.parameters = CarParameters()
        self.car = Car()
        self.control = Control()
        self._number = FIRST_FRAME
        self._velocity = (0.0, 0.0)
        self._occupied: tuple[tuple[int, float], ...] = ()
        self._z = 0.0
        self._prepared = False
        self.route = self.reset(settings.scenario, seed)

    @property
    def roads(self) -> RoadMap:
        """The road network of the episode."""
        return self._ground.roads

    @property
    def traffic(self) -> Traffic:
        """The moving vehicles of the episode."""
        return self._ground.traffic

    @property
    def parked(self) -> Parked:
        """The standing vehicles of the episode's road network."""
        return self._ground.parked

    def _ground_of(self, seed: int) -> Ground:
        """The network of the episode with this seed; each is made when it is first asked for, and kept."""
        return self._ground_on(map_of_episode(self._maps, seed))

    def _ground_on(self, name: str) -> Ground:
        if name not in self._grounds:
            self._grounds[name] = Ground.of(load_map(name), self.settings)
        return self._grounds[name]

    @property
    def number(self) -> int:
        """Number of the last frame."""
        return self._number

    @property
    def elapsed(self) -> float:
        """Simulated time of the last frame [s]."""
        return self._number * self.settings.fixed_delta

    @property
    def next_stamp_ns(self) -> int:
        """Stamp of the frame that the next tick makes [ns]."""
        return stamp_ns((self._number + 1) * self.settings.fixed_delta)

    def reset(self, scenario: int, seed: int) -> NDArray[np.float64]:
        """Put the ego at rest at the start of a route, with new traffic; the next tick shows it.

        Returns:
            The route (N, 5): x, y [m], heading [rad], width and height of the lane [m], about 1 m apart, in the map
            frame.

        Raises:
            RouteError: the route does not exist; the world is as before.
            ValueError: there is no such scenario.
        """
        crowd = scenario_of(scenario)
        route_rng, traffic_rng = episode_generators(scenario, seed)
        ground = self._ground_of(seed)
        self.route = plan_route(ground.roads, self.settings.route, scenario, route_rng)
        self._ground = ground
        x, y, yaw, _, self._z = (float(value) for value in self.route[0])
        self.car = Car(x=x, y=y, yaw=math.remainder(yaw, 2.0 * math.pi))
        self.control = Control()
        self._velocity = (0.0, 0.0)
        ground.invasion.forget()
        self._look_around()
        self._prepared = False
        count = self.settings.vehicles if self.settings.vehicles >= 0 else crowd.vehicles
        parking, behaviour = extras_generators(scenario, seed)
        on_route = OnRoute(self.route, crowd.on_route)
        ground.traffic.spawn(count, traffic_rng, (x, y), behaviour, on_route, crowd.hard_braking)
        ground.parked.line_up(self.settings.parked_cars, (x, y), parking)
        return self.route

    def reroute(self, x: float, y: float) -> NDArray[np.float64]:
        """The route (N, 5) from where the ego is to the goal (x, y) [m].

        Raises:
            RouteError: there is none; the old one stays.
        """
        self.route = route_between(self.roads, self.car.x, self.car.y, x, y)
        return self.route

    def apply(self, control: Control) -> None:
        """Set the command for the coming ticks; it holds until the next one.

        Raises:
            ValueError: a value is not finite.
        """
        if not control.finite():
            raise ValueError(f"{control} is not finite")
        self.control = control.clipped()

    def teleport(self, x: float, y: float, yaw: float) -> None:
        """Move the ego to a pose in the map frame [m], [rad]; it keeps its speed, as on CARLA."""
        self.car.x, self.car.y, self.car.yaw = x, y, math.remainder(yaw, 2.0 * math.pi)
        if self.roads.levels and not self.roads.near(x, y, REACH, self._z) and (near := self.roads.near(x, y, REACH)):
            self._z = self.roads.lanes[near[0][0]].height(near[0][1])
        self._velocity = self._map_velocity()
        self._ground.invasion.forget()
        self._look_around()

    def set_speed(self, speed: float) -> None:
        """Give the ego a speed along its body axis [m/s]."""
        self.car.speed = speed
        if speed == 0.0:
            self.car.yaw_rate = 0.0

    def prepare(self) -> None:
        """Move the traffic ahead of the next tick, while the policy computes its command.

        Traffic reacts to the ego of the last frame, so it need not wait for the command; :meth:`tick` does this itself
        if the caller did not, with the same result.
        """
        if not self._prepared:
            ego = Obstacle(self._occupied, self.car.speed, self.parameters.length / 2.0)
            self.traffic.step(self.settings.fixed_delta, (ego, *self.parked.obstacles))
            self._prepared = True

    def tick(self) -> WorldFrame:
        """Advance by ``fixed_delta`` and return the new frame."""
        dt = self.settings.fixed_delta
        self.prepare()
        before = self.car.x, self.car.y, self.car.yaw
        advance(self.car, self.control, dt, self.parameters)
        collisions = self._collide(before)
        crossed = self._look_around()
        self._prepared = False
        self._number += 1
        velocity, last = self._map_velocity(), self._velocity
        self._velocity = velocity
        elapsed = self.elapsed
        return WorldFrame(
            number=self._number,
            elapsed=elapsed,
            ego=self._state(elapsed),
            acceleration=((velocity[0] - last[0]) / dt, (velocity[1] - last[1]) / dt),
            control=self.control,
            wheel=self.car.wheel,
            vehicles=self._vehicles(),
            collisions=collisions,
            lane_invasions=crossed,
        )

    def _look_around(self) -> tuple[int, ...]:
        """Find the lanes the ego is on; the types of the markings it crossed."""
        near = self.roads.near(self.car.x, self.car.y, REACH, self._z)
        if near and self.roads.levels:
            self._z = self.roads.lanes[near[0][0]].height(near[0][1])
        self._occupied = tuple((lane, s) for lane, s, offset in near if abs(offset) < ON_LANE)
        return self._ground.invasion.update(near, corners(self._box()))

    def _box(self) -> Box:
        return self.car.x, self.car.y, self.car.yaw, self.parameters.length, self.parameters.width

    def _collide(self, before: tuple[float, float, float]) -> tuple[Collision, ...]:
        """Handle this tick's contacts: the ego goes back to its last place and stops; touched vehicles stop."""
        traffic, parked = self.traffic, self.parked
        moving = traffic.near(self.car.x, self.car.y, CONTACT_RANGE, self._z)
        if not len(moving) and not parked.ids:
            return ()
        hit = moving[overlaps(self._box(), traffic.boxes(moving))]
        stood = np.flatnonzero(overlaps(self._box(), parked.boxes) & self._on_level(np.array(parked.heights)))
        contacts = [Collision(FIRST_TRAFFIC_ID + car, self._impulse(*traffic.velocity(car))) for car in hit.tolist()]
        contacts += [Collision(parked.ids[car], self._impulse(0.0, 0.0)) for car in stood.tolist()]
        if contacts:
            self.car.x, self.car.y, self.car.yaw = before
            self.car.speed = self.car.yaw_rate = 0.0
            traffic.speed[hit] = 0.0
        return tuple(contacts)

    def _on_level(self, heights: NDArray[np.float64], distance: float | NDArray[np.float64] = 0.0) -> NDArray[np.bool_]:
        """Whether what is at these heights [m], and so far away [m], is on the ego's level; ramps may lead there."""
        return np.asarray(np.abs(heights - self._z) < LEVEL + RAMP * distance)

    def _impulse(self, other_x: float, other_y: float) -> tuple[float, float]:
        """Impulse (x, y) [N s] of a plastic impact with a car of equal mass and a velocity in the map frame [m/s]."""
        x, y = self._map_velocity()
        half = self.parameters.mass / 2.0
        return half * (other_x - x), half * (other_y - y)

    def _map_velocity(self) -> tuple[float, float]:
        speed, lateral = self.car.speed, self.car.lateral_speed(self.parameters)
        cosine, sine = math.cos(self.car.yaw), math.sin(self.car.yaw)
        return speed * cosine - lateral * sine, speed * sine + lateral * cosine

    def _state(self, elapsed: float) -> VehicleState:
        car = self.car
        return VehicleState(
            stamp_ns=stamp_ns(elapsed),
            x=car.x,
            y=car.y,
            z=0.0,
            yaw=car.yaw,
            speed=car.speed,
            lateral_speed=car.lateral_speed(self.parameters),
            yaw_rate=car.yaw_rate,
        )

    def park(self, kind: int, x: float, y: float, yaw: float) -> int:
        """Put a standing vehicle of class ``kind`` into the world: its id, or -1 when the place is taken."""
        return self.parked.add(kind, x, y, yaw, np.vstack((self.traffic.boxes(), self._box())))

    def _vehicles(self) -> Vehicles:
        """All but those on another level: the world is drawn and driven flat, and they would stand in the way."""
        traffic, parked = self.traffic, self.parked
        ids = np.arange(FIRST_TRAFFIC_ID, FIRST_TRAFFIC_ID + len(traffic.s))
        moving = (traffic.x, traffic.y, traffic.yaw, traffic.speed.copy(), traffic.acceleration)
        vehicles = Vehicles(ids, *moving, traffic.kind, traffic.length, traffic.width, traffic.height)
        vehicles = vehicles if not parked.ids else joined(vehicles, parked)
        if not self.roads.levels:
            return vehicles
        heights = np.concatenate((traffic.z, parked.heights))
        seen = self._on_level(heights, np.hypot(vehicles.x - self.car.x, vehicles.y - self.car.y))
        return Vehicles(*(getattr(vehicles, column.name)[seen] for column in fields(Vehicles)))
