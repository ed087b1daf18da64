# SPDX-License-Identifier: Apache-2.0
"""The objects of the map, as the client library lists them."""

from __future__ import annotations

from collections.abc import Iterator

from td3_driving.carla_server.actors import TrafficLight
from td3_driving.carla_server.axes import from_map
from td3_driving.carla_server.episode import Episode
from td3_driving.carla_server.records import BoundingBox, EnvironmentObject, Label, PoseRecord, Vector3D

FIRST_HOUSE = 10_000_000
"""Number of the first house among the things of the map."""
ANYTHING = 255


def environment(episode: Episode, label: int = ANYTHING) -> Iterator[EnvironmentObject]:
    """Houses, and lights as poles with boxes of 0.5 × 0.5 × 2 m."""
    if label in (ANYTHING, Label.BUILDINGS):
        for index, (x, y, yaw, length, width, height) in enumerate(episode.town.houses.tolist()):
            pose = from_map(x, y, yaw)
            middle = pose.location._replace(z=height / 2.0)
            box = BoundingBox(middle, Vector3D(length / 2.0, width / 2.0, height / 2.0), pose.rotation)
            yield EnvironmentObject(pose, box, FIRST_HOUSE + index, f"house_{index}", Label.BUILDINGS)
    if label in (ANYTHING, Label.TRAFFIC_LIGHT):
        for light in episode.actors.values():
            if isinstance(light, TrafficLight):
                yield pole(light.id, light.transform)


def pole(number: int, pose: PoseRecord) -> EnvironmentObject:
    """A traffic light as a thing of the map."""
    at = pose.location
    box = BoundingBox(at._replace(z=at.z + 4.0), Vector3D(0.25, 0.25, 1.0), pose.rotation)
    return EnvironmentObject(pose, box, number, f"traffic_light_{number}", Label.TRAFFIC_LIGHT)
