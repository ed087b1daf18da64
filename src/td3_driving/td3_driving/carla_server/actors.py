# SPDX-License-Identifier: Apache-2.0
"""The actors of the world, in CARLA's axes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from td3_driving.carla_server.axes import from_map, to_map
from td3_driving.carla_server.blueprints import LABELS, Body
from td3_driving.carla_server.records import (
    HERE,
    ZERO,
    ActorAttributeValue,
    ActorDescription,
    ActorRecord,
    BoundingBox,
    Location,
    PoseRecord,
    Vector2D,
    Vector3D,
)
from td3_driving.carla_server.vehicle_records import (
    AckermannControl,
    AckermannSettings,
    Gear,
    PhysicsControl,
    VehicleControl,
    WalkerControl,
    Wheel,
)
from td3_driving.sim.vehicle import Car, CarParameters

SPEED_LIMIT = 30.0
"""Speed limit where the map states none [km/h], as on CARLA."""
NO_BOX, NOMINAL, RELEASED = BoundingBox(), PhysicsControl(), VehicleControl()
GAINS, STANDING = AckermannSettings(), WalkerControl()
WHEEL_TRACK = 0.8
"""Distance of the wheels across, as a share of the vehicle's width."""


@dataclass(slots=True, eq=False, kw_only=True)
class Thing:
    """An actor.

    Attributes:
        transform: in the world. mount: in the axes of the parent, where there is one.
        velocity: [m/s]; turning: [deg/s]; acceleration: [m/s²]; in the world's axes.
        stream: number of the stream of a sensor, 0 for other actors.
        token: of that stream, or empty.
        shown: it was in a snapshot.
    """

    id: int
    type_id: str
    uid: int = 0
    attributes: dict[str, ActorAttributeValue] = field(default_factory=dict)
    transform: PoseRecord = HERE
    parent: Thing | None = None
    mount: PoseRecord = HERE
    velocity: Vector3D = ZERO
    turning: Vector3D = ZERO
    acceleration: Vector3D = ZERO
    box: BoundingBox = NO_BOX
    tags: bytes = b""
    stream: int = 0
    token: bytes = b""
    children: list[Thing] = field(default_factory=list)

    def told(self) -> ActorRecord:
        """Return its record for the client."""
        description = ActorDescription(self.uid, self.type_id, list(self.attributes.values()))
        parent = self.parent.id if self.parent is not None else 0
        return ActorRecord(self.id, parent, description, self.box, self.tags, self.token)

    def value(self, name: str, default: float = 0.0) -> float:
        """A number among the attributes; clients write them as free text."""
        given = self.attributes.get(name)
        if given is None:
            return default
        try:
            value = float(given.value)
        except ValueError:
            return default
        return value if math.isfinite(value) else default

    def flag(self, name: str) -> bool:
        """A switch among the attributes."""
        given = self.attributes.get(name)
        return given is not None and given.value.lower() in ("true", "1")


@dataclass(slots=True, eq=False, kw_only=True)
class Solid(Thing):
    """An actor with a collision box.

    Attributes:
        physics: it moves by itself; collides: others touch it.
        height: above the ground [m]; sinking: speed downwards [m/s].
    """

    body: Body
    physics: bool = True
    collides: bool = True
    gravity: bool = True
    height: float = 0.0
    sinking: float = 0.0

    def bounds(self) -> tuple[float, float, float, float, float]:
        """Its box in the map frame: x, y [m], heading [rad], length, width [m]."""
        return *to_map(self.transform), self.body.length, self.body.width


@dataclass(slots=True, eq=False, kw_only=True)
class Vehicle(Solid):
    """A vehicle; ``car`` is its state in the map frame.

    Attributes:
        constant: velocity in its own axes [m/s] that holds whatever the pedals say, or None.
        light: the traffic light that it stands in front of, or None.
        goal: what an Ackermann controller is to reach, or None.
    """

    car: Car = field(default_factory=Car)
    parameters: CarParameters = field(default_factory=CarParameters)
    physics_control: PhysicsControl = NOMINAL
    control: VehicleControl = RELEASED
    constant: Vector3D | None = None
    goal: AckermannControl | None = None
    gains: AckermannSettings = GAINS
    lights: int = 0
    speed_limit: float = SPEED_LIMIT
    light: TrafficLight | None = None
    steered: dict[int, float] = field(default_factory=dict)

    def put(self, transform: PoseRecord) -> None:
        """Move it by hand; it keeps its speed, as on CARLA."""
        self.transform = transform
        self.height = transform.location.z
        self.sinking = 0.0
        self.car.x, self.car.y, self.car.yaw = to_map(transform)

    def settle(self) -> None:
        """Copy the car's state from the map frame to CARLA's axes."""
        car = self.car
        self.transform = from_map(car.x, car.y, car.yaw, self.height)
        sideways = car.lateral_speed(self.parameters)
        cosine, sine = math.cos(car.yaw), math.sin(car.yaw)
        x, y = car.speed * cosine - sideways * sine, car.speed * sine + sideways * cosine
        self.velocity = Vector3D(x, -y, -self.sinking)
        self.turning = Vector3D(0.0, 0.0, -math.degrees(car.yaw_rate))

    def push(self, velocity: Vector3D) -> None:
        """Give it a velocity in the world's axes: the part along the vehicle counts, wheels do not slide sideways."""
        along = velocity.x * math.cos(self.car.yaw) - velocity.y * math.sin(self.car.yaw)
        self.car.speed = along
        if along == 0.0:
            self.car.yaw_rate = 0.0
        self.settle()

    def told_physics(self) -> PhysicsControl:
        """Its physics, with the places of the wheels as they are."""
        half = self.parameters.wheelbase / 2.0
        track = WHEEL_TRACK * self.body.width / 2.0
        x, y, yaw = self.car.x, self.car.y, self.car.yaw
        wheels = []
        for index, wheel in enumerate(self.physics_control.wheels):
            ahead, left = (half if index < 2 else -half), (track if index % 2 == 0 else -track)
            east = x + ahead * math.cos(yaw) - left * math.sin(yaw)
            north = y + ahead * math.sin(yaw) + left * math.cos(yaw)
            place = Vector3D(100.0 * east, -100.0 * north, 100.0 * self.height + wheel.radius)
            wheels.append(wheel._replace(position=place))
        return self.physics_control._replace(wheels=wheels)

    def obey(self, physics: PhysicsControl) -> None:
        """Take over what the single-track model knows of a physics control: mass, wheel angle, steering curve."""
        self.physics_control = physics
        angle = max((wheel.max_steer_angle for wheel in physics.wheels), default=70.0)
        curve = tuple((point.x, point.y) for point in physics.steering_curve) or ((0.0, 1.0),)
        self.parameters = replace(
            self.parameters,
            mass=min(max(physics.mass, 1.0), 1e6),
            max_wheel_angle=math.radians(min(max(angle, 1.0), 80.0)),
            steering_curve=curve,
        )


@dataclass(slots=True, eq=False, kw_only=True)
class Walker(Solid):
    """A person."""

    control: WalkerControl = STANDING


@dataclass(slots=True, eq=False, kw_only=True)
class TrafficLight(Thing):
    """A traffic light.

    Attributes:
        sign: its id in the OpenDRIVE document. group: all lights of its junction, in the order of their turn.
        state: 0 red, 1 yellow, 2 green, 3 off. elapsed: time in this state [s].
        stops: boxes in which vehicles obey it, in the map frame: x, y [m], heading [rad], length, width [m].
    """

    sign: bytes
    pole: int = 0
    state: int = 0
    green: float = 10.0
    yellow: float = 3.0
    red: float = 2.0
    elapsed: float = 0.0
    frozen: bool = False
    group: list[TrafficLight] = field(default_factory=list)
    stops: list[tuple[float, float, float, float, float]] = field(default_factory=list)


def parameters_of(body: Body) -> CarParameters:
    """The single-track model of a vehicle: CARLA's default ego, scaled to its length and mass."""
    nominal = CarParameters()
    scale, heavier = body.length / nominal.length, body.mass / nominal.mass
    return replace(
        nominal,
        mass=body.mass,
        wheelbase=nominal.wheelbase * scale,
        rear_axle=nominal.rear_axle * scale,
        length=body.length,
        width=body.width,
        height=body.height,
        max_force=nominal.max_force * heavier,
        max_power=nominal.max_power * heavier,
    )


def physics_of(body: Body, parameters: CarParameters) -> PhysicsControl:
    """Return the initial physics record of a vehicle."""
    radius = 100.0 * parameters.wheel_radius
    angle = math.degrees(parameters.max_wheel_angle)
    front = Wheel(radius=radius, max_steer_angle=angle, max_handbrake_torque=0.0)
    rear = Wheel(radius=radius, max_steer_angle=0.0)
    return PhysicsControl(
        mass=body.mass,
        forward_gears=[Gear(ratio, 0.5, 0.65) for ratio in (5.0, 2.95, 1.95, 1.43, 1.0)],
        center_of_mass=Vector3D(0.0, 0.0, 0.0),
        steering_curve=[Vector2D(*point) for point in parameters.steering_curve],
        wheels=[front, front, rear, rear] if body.wheels == 4 else [front, rear],
    )


def box_of(body: Body, centre: float) -> BoundingBox:
    """The box of something with its origin ``centre`` [m] below the middle."""
    return BoundingBox(Location(0.0, 0.0, centre), Vector3D(body.length / 2.0, body.width / 2.0, body.height / 2.0))


def tags_of(body: Body) -> bytes:
    """Its semantic label."""
    return bytes([LABELS.get(body.kind, 21)])
