# SPDX-License-Identifier: Apache-2.0
"""The shapes of a scene as RViz markers."""

from __future__ import annotations

from collections.abc import Iterable

from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from td3_driving.nodes.ros.conversions import MAP_FRAME, quaternion
from td3_driving.view.shapes import Box, Colour, Polyline, Shape, Text

BOX_ALPHA = 0.6


def marker_array(shapes: Iterable[Shape]) -> MarkerArray:
    """Return all shapes in the map frame; the array deletes earlier markers that it does not contain."""
    clear = Marker(action=Marker.DELETEALL)
    clear.header.frame_id = MAP_FRAME
    return MarkerArray(markers=[clear, *map(_marker_of, shapes)])


def _marker_of(shape: Shape) -> Marker:
    if isinstance(shape, Polyline):
        return _line(shape)
    return _box(shape) if isinstance(shape, Box) else _text(shape)


def _marker(name: str, number: int, kind: int, colour: Colour, alpha: float = 1.0) -> Marker:
    marker = Marker(ns=name, id=number, type=kind, action=Marker.ADD)
    marker.header.frame_id = MAP_FRAME
    marker.pose.orientation.w = 1.0
    marker.color = ColorRGBA(r=colour[0], g=colour[1], b=colour[2], a=alpha)
    return marker


def _line(line: Polyline) -> Marker:
    marker = _marker(line.name, 0, Marker.LINE_STRIP, line.colour)
    marker.scale.x = line.width
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in line.points.tolist()]
    return marker


def _box(box: Box) -> Marker:
    marker = _marker(box.name, box.number, Marker.CUBE, box.colour, BOX_ALPHA)
    marker.pose.position = Point(x=box.x, y=box.y, z=box.z)
    marker.pose.orientation = quaternion(box.yaw)
    marker.scale.x, marker.scale.y, marker.scale.z = box.length, box.width, box.height
    return marker


def _text(text: Text) -> Marker:
    marker = _marker(text.name, 0, Marker.TEXT_VIEW_FACING, text.colour)
    marker.pose.position = Point(x=text.x, y=text.y, z=text.z)
    marker.scale.z = text.size
    marker.text = text.text
    return marker
