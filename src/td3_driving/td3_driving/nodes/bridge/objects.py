# SPDX-License-Identifier: Apache-2.0
"""All vehicles of a frame as one message: object lists and markers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from visualization_msgs.msg import Marker, MarkerArray

from td3_driving.driving import object_list as objects
from td3_driving.driving.drivers import Neighbours
from td3_driving.nodes.ros.conversions import MAP_FRAME, header, pose
from td3_driving.sim.roads import RoadMap
from td3_driving.sim.vehicle import CarParameters
from td3_driving.sim.world import EGO_ID, WorldFrame


class ObjectLists:
    """Fills object arrays; the age of an object counts the messages it was in.

    Lists are made as the bytes that travel: filling in the messages takes ten times as long.
    """

    def __init__(self, car: CarParameters) -> None:
        self._car = car
        self._age: dict[int, int] = {}

    def update(self, frame: WorldFrame) -> None:
        """Count the objects of ``frame``; call it once for each frame that is published."""
        present = [EGO_ID, *frame.vehicles.ids.tolist()]
        self._age = {number: self._age.get(number, 0) + 1 for number in present}

    def neighbours(self, frame: WorldFrame) -> Neighbours:
        """The traffic as the list of :meth:`others` tells it, to the bit."""
        return objects.from_numbers(self._traffic(frame).T)

    def others(self, frame: WorldFrame) -> bytes:
        """``ObjectArray`` of the traffic, serialised."""
        vehicles = frame.vehicles
        return self._list(frame.ego.stamp_ns, vehicles.ids, self._traffic(frame))

    def all(self, frame: WorldFrame) -> bytes:
        """``ObjectArray`` of the traffic and the ego, serialised."""
        numbers = np.column_stack((self._traffic(frame), self._ego(frame)))
        return self._list(frame.ego.stamp_ns, np.append(frame.vehicles.ids, EGO_ID), numbers)

    def _list(self, stamp_ns: int, ids: NDArray[Any], numbers: NDArray[np.float64]) -> bytes:
        ages = np.array([self._age.get(number, 0) for number in ids.tolist()], dtype=np.uint32)
        return objects.serialised(stamp_ns, ids, ages, numbers.T)

    def _traffic(self, frame: WorldFrame) -> NDArray[np.float64]:
        """(22, N) numbers of the traffic, see :data:`td3_driving.driving.object_list.NUMBERS`."""
        vehicles = frame.vehicles
        numbers = np.zeros((objects.NUMBERS, len(vehicles.ids)))
        cosine, sine, half = np.cos(vehicles.yaw), np.sin(vehicles.yaw), vehicles.yaw / 2.0
        numbers[objects.X], numbers[objects.Y] = vehicles.x, vehicles.y
        numbers[objects.QZ], numbers[objects.QW] = np.sin(half), np.cos(half)
        numbers[objects.VX], numbers[objects.VY] = vehicles.speed * cosine, vehicles.speed * sine
        numbers[objects.AX], numbers[objects.AY] = vehicles.acceleration * cosine, vehicles.acceleration * sine
        numbers[objects.LENGTH :] = vehicles.length, vehicles.width, vehicles.height
        return numbers

    def _ego(self, frame: WorldFrame) -> NDArray[np.float64]:
        """(22,) numbers of the ego."""
        ego, numbers = frame.ego, np.zeros(objects.NUMBERS)
        cosine, sine = math.cos(ego.yaw), math.sin(ego.yaw)
        numbers[[objects.X, objects.Y]] = ego.x, ego.y
        numbers[[objects.QZ, objects.QW]] = math.sin(ego.yaw / 2.0), math.cos(ego.yaw / 2.0)
        numbers[objects.VX] = ego.speed * cosine - ego.lateral_speed * sine
        numbers[objects.VY] = ego.speed * sine + ego.lateral_speed * cosine
        numbers[objects.YAW_RATE] = ego.yaw_rate
        numbers[[objects.AX, objects.AY]] = frame.acceleration
        numbers[objects.LENGTH :] = self._car.length, self._car.width, self._car.height
        return numbers


def markers(frame: WorldFrame, car: CarParameters) -> MarkerArray:
    """A box for every vehicle, lifted to its centre; the ego is green."""
    vehicles, ego = frame.vehicles, frame.ego
    found = [_box(frame, EGO_ID, (ego.x, ego.y, ego.yaw), (car.length, car.width, car.height), (0.1, 0.8, 0.2))]
    columns = (vehicles.x, vehicles.y, vehicles.yaw, vehicles.length, vehicles.width, vehicles.height)
    for number, row in zip(vehicles.ids.tolist(), np.column_stack(columns).tolist()):
        found.append(_box(frame, number, (row[0], row[1], row[2]), (row[3], row[4], row[5]), (0.9, 0.2, 0.1)))
    return MarkerArray(markers=found)


def _box(
    frame: WorldFrame,
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
