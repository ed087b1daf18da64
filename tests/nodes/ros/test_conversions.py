# SPDX-License-Identifier: Apache-2.0
"""Messages against the types of the core, there and back."""

import math

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from td3_driving_msgs import msg as messages

from td3_driving.driving import decoding
from td3_driving.driving.action import Command
from td3_driving.driving.experience import Experience
from td3_driving.driving.image_formats import picture
from td3_driving.nodes.ros import conversions

frames = st.sampled_from(((5, 7), (3, 5, 7))).flatmap(lambda shape: hnp.arrays(np.uint8, shape))
states = hnp.arrays(np.float32, 6, elements=st.floats(-5, 5, width=32))
known = hnp.arrays(np.float32, st.sampled_from((0, 4)), elements=st.floats(-5, 5, width=32))
actions = hnp.arrays(np.float32, 2, elements=st.floats(-1, 1, width=32))


@given(
    frame=frames,
    state=states,
    action=actions,
    privileged=known,
    taught=st.none() | actions,
    terms=hnp.arrays(np.float64, 5, elements=st.floats(-100, 100)),
    final=st.none() | st.tuples(frames, states),
    terminated=st.booleans(),
    numbers=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1)),
)
def test_an_experience_survives_the_wire_bit_by_bit(  # type: ignore[no-untyped-def]
    frame, state, action, privileged, taught, terms, final, terminated, numbers
) -> None:
    if final is not None and final[0].shape != frame.shape:
        final = np.zeros_like(frame), final[1]
    sent = Experience(
        "actor_0",
        numbers[0],
        numbers[0],
        numbers[1],
        numbers[1],
        "hash",
        3,
        frame,
        state,
        action,
        float(terms.sum()),
        terms,
        terminated,
        not terminated and final is not None,
        *(final or (None, None)),
        privileged,
        None if final is None else privileged + 1.0,
        taught,
    )
    wire = serialize_message(conversions.experience_message(sent, 12_349_999_999))
    message = deserialize_message(wire, messages.Experience)
    assert decoding.nanoseconds(message.header.stamp) == 12_349_999_999
    got = decoding.experience(message)
    for name in Experience.__dataclass_fields__:
        ours, theirs = getattr(sent, name), getattr(got, name)
        if isinstance(ours, np.ndarray):
            assert ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes(), name
        else:
            assert ours == theirs, name


@pytest.mark.parametrize("count", [0, 3, 15, 17, 31, 47, 49, 63])
def test_a_frame_whose_size_is_a_lie_is_empty(count: int) -> None:
    message = messages.Experience(frame_height=4, frame_width=4, frame=[1] * count)
    assert decoding.experience(message).frame.shape == (0, 0)


def test_frames_of_one_plane_and_of_several() -> None:
    for shape in ((4, 4), (2, 4, 4), (3, 4, 4), (6, 4, 4)):
        message = messages.Experience(frame_height=4, frame_width=4, frame=[1] * int(np.prod(shape)))
        assert decoding.experience(message).frame.shape == shape
    assert decoding.experience(messages.Experience(frame=[1])).frame.shape == (0, 0), "no size, no frame"


def test_odometry_by_hand() -> None:
    message = Odometry()
    message.header.stamp.sec, message.header.stamp.nanosec = 12, 349_999_999
    message.pose.pose.position.x, message.pose.pose.position.y = 3.0, -4.0
    message.pose.pose.orientation.z, message.pose.pose.orientation.w = math.sin(math.pi / 6), math.cos(math.pi / 6)
    message.twist.twist.linear.x, message.twist.twist.angular.z = -2.0, 0.5
    state = decoding.vehicle_state(message)
    assert state.stamp_ns == 12_349_999_999
    assert (state.x, state.y, state.speed, state.yaw_rate) == (3.0, -4.0, -2.0, 0.5)
    assert state.yaw == pytest.approx(math.pi / 3)


def test_image_pixels_are_not_copied() -> None:
    image = Image(width=2, height=1, step=8, encoding="bgra8", data=[1, 2, 3, 255, 4, 5, 6, 255])
    pixels, _ = picture(image)
    assert pixels.shape == (1, 2, 4) and pixels[0, 1].tolist() == [4, 5, 6, 255]


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.floats(-1, 1, width=32))
def test_control_keeps_carlas_meaning(throttle: float, brake: float, steer: float) -> None:
    message = conversions.control_message(Command(throttle, brake, steer), 5)
    assert (message.throttle, message.brake, message.steer) == (throttle, brake, steer)
    assert not message.hand_brake and not message.reverse and not message.manual_gear_shift
