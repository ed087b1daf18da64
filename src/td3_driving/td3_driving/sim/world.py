"""The simulated world: roads, ego vehicle, traffic and what happens between them. No camera, no ROS.

Time goes on across resets: frame ``n`` has the simulated time ``n * fixed_delta``, and the first frame is not 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from td3_driving.driving.drivers import Neighbours
from td3_driving.driving.seeding import episode_generators
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import SimulatorSettings
from td3_driving.sim.collision import Box, corners, overlaps
from td3_driving.sim.lane_invasion import REACH, LaneInvasion
from td3_driving.sim.parked import Parked
from td3_driving.sim.roads import RoadMap, load_map
from td3_driving.sim.routes import plan_route, route_between
from td3_driving.sim.traffic import CLASSES, Obstacle, Traffic
from td3_driving.sim.vehicle import Car, CarParameters, Control, advance

FIRST_FRAME = 100
"""Frame number before the first tick: neither frames nor time start at zero, as on a CARLA server."""
SCENARIO_VEHICLES = (20, 50, 100)
EGO_ID = 24
FIRST_TRAFFIC_ID = 100
CONTACT_RANGE = 9.0
"""Centres farther apart than this cannot touch [m]."""
ON_LANE = 1.8
"""A lane whose centre is nearer to the ego than this is occupied by it [m]."""


@dataclass(frozen=True, slots=True)
class Collision:
    """A contact of the ego: the other actor's id and the impulse on the ego in the map frame [N s]."""

    actor_id: int
    impulse: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Vehicles:
    """Traffic at one instant, (N,) each: ids, pose in the map frame [m], [rad], speed [m/s], acceleration [m/s²],
    index into :data:`td3_driving.sim.traffic.CLASSES`, and extents [m]."""

    ids: np.ndarray
    x: np.ndarray
    y: np.ndarray
    yaw: np.ndarray
    speed: np.ndarray
    acceleration: np.ndarray
    kind: np.ndarray
    length: np.ndarray
    width: np.ndarray
    height: np.ndarray

    def neighbours(self) -> Neighbours:
        """What a privileged driver or critic is told of them."""
        return Neighbours(self.x, self.y, self.yaw, self.speed, self.length)


@dataclass(frozen=True, slots=True)
class Frame:
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
        self.roads: RoadMap = load_map(settings.map)
        self.parameters = CarParameters()
        self.traffic = Traffic(self.roads)
        self.car = Car()
        self.control = Control()
        self.parked = Parked(self.roads)
        self._invasion = LaneInvasion(self.roads)
        self._number = FIRST_FRAME
        self._velocity = (0.0, 0.0)
        self._occupied: tuple[tuple[int, float], ...] = ()
        self._prepared = False
        self.route = self.reset(settings.scenario, seed)

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

    def reset(self, scenario: int, seed: int) -> np.ndarray:
        """Put the ego at rest at the start of a route, with new traffic; the next tick shows it.

        Returns:
            The route (N, 4): x, y [m], heading [rad], lane width [m], about 1 m apart, in the map frame.

        Raises:
            RouteError: the route does not exist; the world is as before.
            ValueError: there is no such scenario.
        """
        if not 0 <= scenario < len(SCENARIO_VEHICLES):
            raise ValueError(f"scenario {scenario} is outside 0 .. {len(SCENARIO_VEHICLES) - 1}")
        route_rng, traffic_rng = episode_generators(scenario, seed)
        self.route = plan_route(self.roads, self.settings.route, scenario, route_rng)
        x, y, yaw, _ = (float(value) for value in self.route[0])
        self.car = Car(x=x, y=y, yaw=math.remainder(yaw, 2.0 * math.pi))
        self.control = Control()
        self._velocity = (0.0, 0.0)
        self._invasion.forget()
        self._look_around()
        self._prepared = False
        count = self.settings.vehicles if self.settings.vehicles >= 0 else SCENARIO_VEHICLES[scenario]
        self.traffic.spawn(count, traffic_rng, (x, y))
        return self.route

    def reroute(self, x: float, y: float) -> np.ndarray:
        """The route (N, 4) from where the ego is to the goal (x, y) [m].

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
        self._velocity = self._map_velocity()
        self._invasion.forget()
        self._look_around()

    def set_speed(self, speed: float) -> None:
        """Give the ego a speed along its body axis [m/s]."""
        self.car.speed = speed
        if speed == 0.0:
            self.car.yaw_rate = 0.0

    def prepare(self) -> None:
        """Move the traffic ahead of the next tick, while the command is still being thought about.

        Traffic reacts to the ego as the last frame showed it, so it need not wait; :meth:`tick` does this itself where
        nobody did before, with the same result.
        """
        if not self._prepared:
            ego = Obstacle(self._occupied, self.car.speed, self.parameters.length / 2.0)
            self.traffic.step(self.settings.fixed_delta, (ego, *self.parked.obstacles))
            self._prepared = True

    def tick(self) -> Frame:
        """Advance by ``fixed_delta`` and return what the world then looks like."""
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
        return Frame(
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
        near = self.roads.near(self.car.x, self.car.y, REACH)
        self._occupied = tuple((lane, s) for lane, s, offset in near if abs(offset) < ON_LANE)
        return self._invasion.update(near, corners(self._box()))

    def _box(self) -> Box:
        return self.car.x, self.car.y, self.car.yaw, self.parameters.length, self.parameters.width

    def _collide(self, before: tuple[float, float, float]) -> tuple[Collision, ...]:
        """Contacts of this tick. The ego goes back to where it was and stands; whoever it touched stands, too."""
        traffic, parked = self.traffic, self.parked
        moving = traffic.near(self.car.x, self.car.y, CONTACT_RANGE)
        if not len(moving) and not parked.ids:
            return ()
        hit = moving[overlaps(self._box(), traffic.boxes(moving))]
        stood = np.flatnonzero(overlaps(self._box(), parked.boxes))
        contacts = [Collision(FIRST_TRAFFIC_ID + car, self._impulse(*traffic.velocity(car))) for car in hit.tolist()]
        contacts += [Collision(parked.ids[car], self._impulse(0.0, 0.0)) for car in stood.tolist()]
        if contacts:
            self.car.x, self.car.y, self.car.yaw = before
            self.car.speed = self.car.yaw_rate = 0.0
            traffic.speed[hit] = 0.0
        return tuple(contacts)

    def _impulse(self, other_x: float, other_y: float) -> tuple[float, float]:
        """Of a plastic impact with a car of the same mass and a velocity in the map frame [m/s]: x and y [N s]."""
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
        traffic, parked = self.traffic, self.parked
        ids = np.arange(FIRST_TRAFFIC_ID, FIRST_TRAFFIC_ID + len(traffic.s))
        moving = (traffic.x, traffic.y, traffic.yaw, traffic.speed.copy(), traffic.acceleration)
        vehicles = Vehicles(ids, *moving, traffic.kind, traffic.length, traffic.width, traffic.height)
        return vehicles if not parked.ids else _joined(vehicles, parked)


def _joined(moving: Vehicles, parked: Parked) -> Vehicles:
    """Traffic and parked vehicles in one."""
    kinds = np.array(parked.kinds)
    heights = np.array([CLASSES[kind][3] for kind in parked.kinds])
    still = np.zeros(len(kinds))
    rows = (np.array(parked.ids), *parked.boxes[:, :3].T, still, still, kinds, *parked.boxes[:, 3:].T, heights)
    return Vehicles(*(np.concatenate((getattr(moving, spec.name), row)) for spec, row in zip(fields(Vehicles), rows)))
