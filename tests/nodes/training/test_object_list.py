# SPDX-License-Identifier: Apache-2.0
"""The other vehicles out of object lists: the bytes of the bridge, and lists of every other form."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from derived_object_msgs.msg import Object, ObjectArray
from geometry_msgs.msg import Point32
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from shape_msgs.msg import SolidPrimitive

from td3_driving.driving import object_list
from td3_driving.driving.drivers import OWN_LENGTH, Neighbours
from td3_driving.driving.observation import ObservationError
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.nodes.ros.conversions import header, quaternion

STAMP = 12_349_999_999
numbers = st.floats(-1e6, 1e6)
Pair = tuple[float, float]
cars = st.tuples(numbers, numbers, st.floats(-4, 4), st.tuples(numbers, numbers), st.floats(0, 30))


def car(
    x: float, y: float, yaw: float = 0.0, velocity: tuple[float, float] = (0.0, 0.0), length: float = 4.0
) -> Object:
    """An object as the bridge fills it."""
    thing = Object(header=header(STAMP, "map"), id=7, object_classified=True, classification=6)
    thing.pose.position.x, thing.pose.position.y, thing.pose.orientation = x, y, quaternion(yaw)
    thing.twist.linear.x, thing.twist.linear.y = velocity
    thing.shape = SolidPrimitive(type=SolidPrimitive.BOX, dimensions=[length, 2.0, 1.5])
    return thing


def listed(*things: Object) -> ObjectArray:
    return ObjectArray(header=header(STAMP, "map"), objects=list(things))


def same(left: Neighbours, right: Neighbours) -> bool:
    parts = Neighbours.__dataclass_fields__
    return all(getattr(left, name).tobytes() == getattr(right, name).tobytes() for name in parts)


def test_a_list_by_hand() -> None:
    """Heading north at 8 m/s: the speed lies along the heading, and backwards it is negative."""
    north = math.pi / 2
    message = listed(car(1.0, 2.0, north, (0.0, 8.0), 5.0), car(3.0, 4.0, north, (0.0, -2.0)))
    found = object_list.neighbours_of(message)
    assert found.x.tolist() == [1.0, 3.0] and found.y.tolist() == [2.0, 4.0]
    assert found.yaw == pytest.approx([north, north])
    assert found.speed == pytest.approx([8.0, -2.0])
    assert found.length.tolist() == [5.0, 4.0]


@given(st.lists(cars, max_size=9))
def test_bytes_give_the_same_bits_as_messages(rows: list[tuple[float, float, float, Pair, float]]) -> None:
    message = listed(*(car(*row) for row in rows))
    read = object_list.read_list(serialize_message(message))
    assert read is not None and read[0] == STAMP
    assert same(read[1], object_list.neighbours_of(message))


@given(st.lists(st.lists(numbers, min_size=22, max_size=22), max_size=9))
def test_what_is_written_is_what_ros_reads(rows: list[list[float]]) -> None:
    values = np.array(rows).reshape(-1, 22)
    ids = np.arange(len(rows)) + 100
    data = object_list.serialised(STAMP, ids, ids + 1, values)
    message = deserialize_message(data, ObjectArray)
    assert (message.header, len(message.objects)) == (header(STAMP, "map"), len(rows))
    for thing, number, row in zip(message.objects, ids.tolist(), rows):
        assert (thing.id, thing.classification_age, thing.classification) == (
            number,
            number + 1,
            Object.CLASSIFICATION_CAR,
        )
        assert (thing.header, thing.object_classified, thing.classification_certainty) == (message.header, True, 255)
        turn, rate, spin = thing.pose.orientation, thing.twist.linear, thing.accel.angular
        assert [thing.pose.position.x, turn.w, rate.z, spin.z] == [row[0], row[6], row[9], row[18]]
        assert thing.shape.type == SolidPrimitive.BOX and list(thing.shape.dimensions) == row[19:]
    assert len(serialize_message(message)) == len(data)


def odd_lists() -> dict[str, ObjectArray]:
    """Lists that are not as the bridge fills them."""
    elsewhere, outlined, shapeless = car(1.0, 2.0), car(1.0, 2.0), car(1.0, 2.0)
    elsewhere.header.frame_id = "a longer name"
    outlined.polygon.points.append(Point32(x=1.0))
    shapeless.shape = SolidPrimitive(type=SolidPrimitive.SPHERE, dimensions=[9.0])
    other = listed(car(1.0, 2.0))
    other.header.frame_id = "odom"
    lists = {"frame": elsewhere, "outline": outlined, "shape": shapeless}
    return {name: listed(thing, car(5.0, 6.0)) for name, thing in lists.items()} | {"header": other}


@pytest.mark.parametrize("name", ["frame", "outline", "shape", "header"])
def test_a_list_of_another_form_is_left_to_the_slow_way(name: str) -> None:
    message = odd_lists()[name]
    assert object_list.read_list(serialize_message(message)) is None
    assert object_list.neighbours_of(message).x[0] == 1.0


def test_an_object_without_a_box_is_as_long_as_a_car() -> None:
    assert object_list.neighbours_of(odd_lists()["shape"]).length.tolist() == [OWN_LENGTH, 4.0]


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_left(data: bytes) -> None:
    assert object_list.read_list(data) is None or len(data) >= 24


def test_a_cut_list_and_a_list_with_a_wrong_count_are_left() -> None:
    data = serialize_message(listed(car(1.0, 2.0), car(3.0, 4.0)))
    assert object_list.read_list(data) is not None
    assert object_list.read_list(data[:-232]) is None
    assert object_list.read_list(data[:-1]) is None
    assert object_list.read_list(data + bytes(232)) is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_is_refused_either_way(value: float) -> None:
    message = listed(car(1.0, value))
    with pytest.raises(ObservationError, match="not finite"):
        object_list.neighbours_of(message)
    with pytest.raises(ObservationError, match="not finite"):
        object_list.read_list(serialize_message(message))


def test_a_list_without_end_is_refused_either_way() -> None:
    message = listed(*[car(1.0, 2.0)] * (object_list.MAX_OBJECTS + 1))
    with pytest.raises(ObservationError, match=r"outside 0 \.\. 1000"):
        object_list.neighbours_of(message)
    with pytest.raises(ObservationError, match=r"outside 0 \.\. 1000"):
        object_list.read_list(serialize_message(message))


def test_the_vehicle_itself_is_not_one_of_the_others() -> None:
    own = VehicleState(STAMP, 10.0, 5.0, 0.0, 0.0, 3.0, 0.0, 0.0)
    found = object_list.neighbours_of(listed(car(10.0, 5.0), car(10.6, 5.0), car(10.0, 4.6)))
    others = object_list.without(own, found)
    assert (others.x.tolist(), others.y.tolist()) == ([10.6], [5.0])
    assert same(object_list.without(own, others), others)
