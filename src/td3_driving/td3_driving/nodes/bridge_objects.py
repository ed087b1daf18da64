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

    Raises:
        MissingPackageError: derived_object_msgs is not installed.
    """

    def __init__(self, car: CarParameters) -> None:
        self._array = message("derived_object_msgs", "ObjectArray")
        self._object = message("derived_object_msgs", "Object")
        self._car = car
        self._age: dict[int, int] = {}

    def update(self, frame: Frame) -> None:
        """Count the objects of ``frame``; call it once for each frame that is published."""
        present = [EGO_ID, *frame.vehicles.ids.tolist()]
        self._age = {number: self._age.get(number, 0) + 1 for number in present}

    def others(self, frame: Frame) -> Any:
        """``ObjectArray`` of the traffic."""
        vehicles = frame.vehicles
        array = self._array(header=header(frame.ego.stamp_ns, MAP_FRAME))
        columns = np.column_stack((vehicles.x, vehicles.y, vehicles.yaw, vehicles.speed, vehicles.acceleration))
        sizes = np.column_stack((vehicles.length, vehicles.width, vehicles.height))
        for number, row, size in zip(vehicles.ids.tolist(), columns.tolist(), sizes.tolist()):
            x, y, yaw, speed, acceleration = row
            velocity = speed * math.cos(yaw), speed * math.sin(yaw)
            rate = acceleration * math.cos(yaw), acceleration * math.sin(yaw)
            array.objects.append(self._entry(array.header, number, (x, y, yaw), velocity, rate, size))
        return array

    def all(self, frame: Frame) -> Any:
        """``ObjectArray`` of the traffic and the ego."""
        array, ego = self.others(frame), frame.ego
        cosine, sine = math.cos(ego.yaw), math.sin(ego.yaw)
        velocity = ego.speed * cosine - ego.lateral_speed * sine, ego.speed * sine + ego.lateral_speed * cosine
        size = [self._car.length, self._car.width, self._car.height]
        where = (ego.x, ego.y, ego.yaw)
        entry = self._entry(array.header, EGO_ID, where, velocity, frame.acceleration, size)
        entry.twist.angular.z = ego.yaw_rate
        array.objects.append(entry)
        return array

    def _entry(
        self,
        stamped: Any,
        number: int,
        where: tuple[float, float, float],
        velocity: tuple[float, float],
        acceleration: tuple[float, float],
        size: list[float],
    ) -> Any:
        entry = self._object(header=stamped, id=number, pose=pose(*where))
        entry.object_classified = True
        entry.twist.linear.x, entry.twist.linear.y = velocity
        entry.accel.linear.x, entry.accel.linear.y = acceleration
        entry.shape = SolidPrimitive(type=SolidPrimitive.BOX, dimensions=size)
        entry.classification = self._object.CLASSIFICATION_CAR
        entry.classification_certainty = CERTAIN
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
