"""All vehicles of a frame as one message: object lists and markers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from shape_msgs.msg import SolidPrimitive
from visualization_msgs.msg import Marker, MarkerArray

from td3_driving.nodes.bridge_messages import pose
from td3_driving.nodes.conversions import MAP_FRAME, header
from td3_driving.nodes.optional_messages import message
from td3_driving.sim.roads import RoadMap
from td3_driving.sim.vehicle import CarParameters
from td3_driving.sim.world import EGO_ID, Frame

CERTAIN = 255


class ObjectLists:
    """Fills object arrays; the age of an object counts the messages it was in.

    Entries are kept and filled anew: making the messages of one object takes several times as long as that.

    Raises:
        MissingPackageError: derived_object_msgs is not installed.
    """

    def __init__(self, car: CarParameters) -> None:
        self._array = message("derived_object_msgs", "ObjectArray")
        self._object = message("derived_object_msgs", "Object")
        self._car = car
        self._age: dict[int, int] = {}
        self._entries: dict[int, Any] = {}

    def update(self, frame: Frame) -> None:
        """Count the objects of ``frame``; call it once for each frame that is published."""
        present = [EGO_ID, *frame.vehicles.ids.tolist()]
        self._age = {number: self._age.get(number, 0) + 1 for number in present}
        self._entries = {number: self._entries.get(number) or self._new_entry(number) for number in present}

    def others(self, frame: Frame) -> Any:
        """``ObjectArray`` of the traffic; it holds until the next frame is filled in."""
        vehicles = frame.vehicles
        stamped = header(frame.ego.stamp_ns, MAP_FRAME)
        cosine, sine = np.cos(vehicles.yaw), np.sin(vehicles.yaw)
        motion = [rate * axis for rate in (vehicles.speed, vehicles.acceleration) for axis in (cosine, sine)]
        columns = np.column_stack((vehicles.x, vehicles.y, vehicles.yaw, *motion))
        sizes = np.column_stack((vehicles.length, vehicles.width, vehicles.height))
        rows = zip(vehicles.ids.tolist(), columns.tolist(), sizes.tolist())
        return self._array(header=stamped, objects=[self._filled(stamped, *row) for row in rows])

    def all(self, frame: Frame) -> Any:
        """``ObjectArray`` of the traffic and the ego; it holds until the next frame is filled in."""
        array, ego = self.others(frame), frame.ego
        cosine, sine = math.cos(ego.yaw), math.sin(ego.yaw)
        velocity = ego.speed * cosine - ego.lateral_speed * sine, ego.speed * sine + ego.lateral_speed * cosine
        row = [ego.x, ego.y, ego.yaw, *velocity, *frame.acceleration]
        size = [self._car.length, self._car.width, self._car.height]
        entry = self._filled(array.header, EGO_ID, row, size)
        entry.twist.angular.z = ego.yaw_rate
        array.objects.append(entry)
        return array

    def _new_entry(self, number: int) -> Any:
        """An object with everything that never changes."""
        entry = self._object(id=number, pose=pose(0.0, 0.0, 0.0))
        entry.object_classified = True
        entry.shape = SolidPrimitive(type=SolidPrimitive.BOX)
        entry.classification = self._object.CLASSIFICATION_CAR
        entry.classification_certainty = CERTAIN
        return entry

    def _filled(self, stamped: Any, number: int, row: list[float], size: list[float]) -> Any:
        """The object's entry; ``row``: x, y [m], heading [rad], velocity and acceleration in the map's axes."""
        entry = self._entries[number]
        x, y, yaw, *motion = (float(value) for value in row)
        entry.header = stamped
        place, turn = entry.pose.position, entry.pose.orientation
        place.x, place.y, turn.z, turn.w = x, y, math.sin(yaw / 2.0), math.cos(yaw / 2.0)
        velocity, rate = entry.twist.linear, entry.accel.linear
        velocity.x, velocity.y, rate.x, rate.y = motion
        entry.shape.dimensions = size
        entry.classification_age = self._age.get(number, 0)
        return entry


def markers(frame: Frame, car: CarParameters) -> MarkerArray:
    """A box for every vehicle, lifted to its centre; the ego is green."""
    vehicles, ego = frame.vehicles, frame.ego
    found = [_box(frame, EGO_ID, (ego.x, ego.y, ego.yaw), (car.length, car.width, car.height), (0.1, 0.8, 0.2))]
    columns = (vehicles.x, vehicles.y, vehicles.yaw, vehicles.length, vehicles.width, vehicles.height)
    for number, row in zip(vehicles.ids.tolist(), np.column_stack(columns).tolist()):
        found.append(_box(frame, number, (row[0], row[1], row[2]), (row[3], row[4], row[5]), (0.9, 0.2, 0.1)))
    return MarkerArray(markers=found)


def _box(
    frame: Frame,
    number: int,
    where: tuple[float, float, float],
    size: tuple[float, float, float],
    colour: tuple[float, float, float],
) -> Marker:
    marker = Marker(header=header(frame.ego.stamp_ns, MAP_FRAME), id=number, type=Marker.CUBE, pose=pose(*where))
    marker.pose.position.z = size[2] / 2.0
    marker.scale.x, marker.scale.y, marker.scale.z = size
    marker.color.r, marker.color.g, marker.color.b = colour
    marker.color.a = 0.8
    return marker


def road_markers(roads: RoadMap, stamp_ns: int) -> MarkerArray:
    """The borders of all lanes as one list of lines."""
    marker = Marker(header=header(stamp_ns, MAP_FRAME), ns="roads", type=Marker.LINE_LIST)
    marker.scale.x = 0.12
    marker.color.r = marker.color.g = marker.color.b = 0.8
    marker.color.a = 1.0
    for lane in roads.lanes:
        for border in lane.edges():
            corners = [Point(x=float(x), y=float(y), z=0.0) for x, y in (*border[:-1:3], border[-1])]
            marker.points += [point for pair in zip(corners, corners[1:]) for point in pair]
    return MarkerArray(markers=[marker])
