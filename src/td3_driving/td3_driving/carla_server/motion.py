# SPDX-License-Identifier: Apache-2.0
"""Moves vehicles and persons and finds their collisions. Vehicles use the model of the embedded simulator's ego."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from td3_driving.carla_server.actors import Solid, Vehicle, Walker
from td3_driving.carla_server.axes import wrap
from td3_driving.carla_server.records import PoseRecord, Rotation, Vector3D
from td3_driving.sim.collision import overlaps
from td3_driving.sim.vehicle import GRAVITY, Control, advance

REACH = 3.0
"""Things whose heights differ by more than this do not touch [m]."""
ACKERMANN_GAIN = 1.0
"""Acceleration asked for per error of speed [1/s]."""
FULL_THROTTLE, FULL_BRAKE = 4.5, 8.0
"""Acceleration and deceleration that full pedals stand for in Ackermann control [m/s²]."""
NOTHING = Vector3D()


class Contact(NamedTuple):
    """A contact of two actors; ``other`` is None for a house. ``impulse`` is that on ``one``, in CARLA's axes [N s]."""

    one: Solid
    other: Solid | None
    impulse: Vector3D


def move(solid: Solid, dt: float) -> bool:
    """Let one vehicle or person move for ``dt`` [s]: whether it did."""
    if isinstance(solid, Vehicle):
        return _drive(solid, dt)
    if isinstance(solid, Walker):
        return _walk(solid, dt)
    return False


def _drive(vehicle: Vehicle, dt: float) -> bool:
    car, given = vehicle.car, vehicle.control
    if not vehicle.physics:
        vehicle.acceleration = NOTHING
        return False
    if vehicle.height != 0.0 and vehicle.gravity:
        _fall(vehicle, dt)
    elif car.speed == 0.0 and given.throttle == 0.0 and car.wheel == given.steer and vehicle.constant is None:
        if vehicle.goal is None:
            vehicle.acceleration = vehicle.velocity = vehicle.turning = NOTHING
            return False
    before = vehicle.velocity
    if vehicle.constant is not None:
        car.speed = vehicle.constant.x
    advance(car, _pedals(vehicle), dt, vehicle.parameters)
    if vehicle.constant is not None:
        car.speed = vehicle.constant.x
    vehicle.settle()
    after = vehicle.velocity
    vehicle.acceleration = Vector3D(*((b - a) / dt for a, b in zip(before, after)))
    return True


def _pedals(vehicle: Vehicle) -> Control:
    if vehicle.goal is not None:
        return _towards(vehicle)
    throttle, steer, brake, hand_brake, reverse, manual, gear = vehicle.control
    if vehicle.constant is not None:
        throttle = brake = 0.0
    return Control(throttle, brake, steer, hand_brake, reverse, manual, gear)


def _towards(vehicle: Vehicle) -> Control:
    """Pedals for an Ackermann goal: a proportional controller of the speed."""
    goal = vehicle.goal
    assert goal is not None
    wanted = ACKERMANN_GAIN * (goal.speed - vehicle.car.speed)
    if goal.acceleration > 0.0:
        wanted = min(max(wanted, -goal.acceleration), goal.acceleration)
    backwards = goal.speed < 0.0
    push = -wanted if backwards else wanted
    steer = min(max(goal.steer / vehicle.parameters.max_wheel_angle, -1.0), 1.0)
    return Control(
        throttle=min(max(push / FULL_THROTTLE, 0.0), 1.0),
        brake=min(max(-push / FULL_BRAKE, 0.0), 1.0),
        steer=steer,
        reverse=backwards,
    )


def _fall(solid: Solid, dt: float) -> None:
    """Towards the ground, which is at 0; from below it comes up at once."""
    solid.sinking += GRAVITY * dt
    solid.height = max(solid.height - solid.sinking * dt, 0.0)
    if solid.height == 0.0:
        solid.sinking = 0.0


def _walk(walker: Walker, dt: float) -> bool:
    speed, direction = walker.control.speed, walker.control.direction
    norm = math.sqrt(sum(part * part for part in direction))
    before = walker.velocity
    if not walker.physics:
        return False
    if speed <= 0.0 or norm == 0.0:
        walker.velocity = NOTHING
        walker.acceleration = Vector3D(*(-part / dt for part in before))
        return False
    walker.velocity = Vector3D(*(part * speed / norm for part in direction))
    at, turn = walker.transform
    heading = math.degrees(math.atan2(direction.y, direction.x))
    moved = at._replace(x=at.x + walker.velocity.x * dt, y=at.y + walker.velocity.y * dt)
    walker.transform = PoseRecord(moved, Rotation(turn.pitch, wrap(heading), turn.roll))
    walker.acceleration = Vector3D(*((b - a) / dt for a, b in zip(before, walker.velocity)))
    return True


class MovingGround:
    """Moves everything on one map, and finds the contacts.

    Args:
        houses: (n, 6) boxes in the map frame that vehicles collide with.
    """

    def __init__(self, houses: np.ndarray) -> None:
        self._houses = houses[:, :5]
        self._house_reach = np.hypot(houses[:, 3], houses[:, 4]) / 2.0

    def step(self, solids: list[Solid], dt: float) -> list[Contact]:
        """Let ``dt`` [s] pass; return the contacts. An actor that drives into something goes back and stops."""
        before = {}
        moved = []
        for index, solid in enumerate(solids):
            pose = (solid.car.x, solid.car.y, solid.car.yaw) if isinstance(solid, Vehicle) else None
            if move(solid, dt) and solid.collides:
                moved.append(index)
                if pose is not None:
                    before[solid.id] = pose
        return self._contacts(solids, moved, before) if moved else []

    def _contacts(
        self, solids: list[Solid], moved: list[int], before: dict[int, tuple[float, float, float]]
    ) -> list[Contact]:
        boxes = np.array([solid.bounds() for solid in solids])
        reach = np.hypot(boxes[:, 3], boxes[:, 4]) / 2.0
        movers = np.array(moved)
        contacts = []
        for row, index in _pairs(boxes[movers], reach[movers], boxes, reach):
            one, other = solids[moved[row]], solids[index]
            twice = other.id in before and other.id < one.id
            if one is not other and not twice and _can_touch(one, other):
                contacts += _parted(one, other, before)
        for row, index in _pairs(boxes[movers], reach[movers], self._houses, self._house_reach):
            one = solids[moved[row]]
            if isinstance(one, Vehicle):
                contacts.append(_stopped(one, self._houses[index], before))
        return contacts


def _pairs(boxes: np.ndarray, reach: np.ndarray, others: np.ndarray, far: np.ndarray) -> list[list[int]]:
    """Return the pairs of rows that overlap; circles around them are checked first."""
    dx, dy = boxes[:, :1] - others[:, 0], boxes[:, 1:2] - others[:, 1]
    near = np.argwhere(dx * dx + dy * dy < (reach[:, None] + far) ** 2)
    found: list[list[int]] = near[overlaps(boxes[near[:, 0]], others[near[:, 1]])].tolist()
    return found


def _can_touch(one: Solid, other: Solid) -> bool:
    if not other.collides or abs(one.transform.location.z - other.transform.location.z) > REACH:
        return False
    return one.parent is not other and other.parent is not one


def _parted(one: Solid, other: Solid, before: dict[int, tuple[float, float, float]]) -> list[Contact]:
    """The contact of both, who go back to where they were, unless they were in each other already, and stand."""
    impulse = _impulse(one, other)
    past = [(*before[s.id], *s.bounds()[3:]) if s.id in before else s.bounds() for s in (one, other)]
    if not overlaps(past[0], np.array([past[1]]))[0]:
        for solid in (one, other):
            _back(solid, before)
    return [Contact(one, other, impulse), Contact(other, one, Vector3D(*(-part for part in impulse)))]


def _stopped(one: Vehicle, house: np.ndarray, before: dict[int, tuple[float, float, float]]) -> Contact:
    impulse = Vector3D(*(-one.parameters.mass * part for part in one.velocity))
    past = (*before[one.id], *one.bounds()[3:])
    if not overlaps(past, house[None])[0]:
        _back(one, before)
    return Contact(one, None, impulse)


def _back(solid: Solid, before: dict[int, tuple[float, float, float]]) -> None:
    if isinstance(solid, Vehicle):
        if solid.id in before:
            solid.car.x, solid.car.y, solid.car.yaw = before[solid.id]
        solid.car.speed = solid.car.yaw_rate = 0.0
        solid.settle()


def _impulse(one: Solid, other: Solid) -> Vector3D:
    """Impulse of a plastic impact on ``one`` [N s]."""
    mass, second = (_mass(solid) for solid in (one, other))
    share = mass * second / (mass + second)
    return Vector3D(*(share * (b - a) for a, b in zip(one.velocity, other.velocity)))


def _mass(solid: Solid) -> float:
    return solid.parameters.mass if isinstance(solid, Vehicle) else solid.body.mass
