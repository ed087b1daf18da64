# SPDX-License-Identifier: Apache-2.0
"""The frames of REP 105: what they compose to, and where the jumps go."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.view.camera_model import rotation_matrix
from td3_driving.view.odom_frame import OdomFrame, Transform

STEP_NS = 50_000_000


def standing(x: float, y: float, yaw: float, z: float = 0.0) -> Transform:
    return Transform(x, y, z, qz=math.sin(yaw / 2.0), qw=math.cos(yaw / 2.0))


def matrix(transform: Transform) -> np.ndarray:
    """(4, 4) of a transform."""
    filled = np.eye(4)
    filled[:3, :3] = rotation_matrix(transform.qx, transform.qy, transform.qz, transform.qw)
    filled[:3, 3] = transform.x, transform.y, transform.z
    return filled


def test_odom_lies_on_the_map_while_the_vehicle_drives() -> None:
    frames = OdomFrame()
    for step in range(100):
        pose = standing(0.4 * step, 0.0, 0.0)
        assert frames.split(step * STEP_NS, pose, 8.0) == (Transform(), pose)
    assert frames.jumps == 0


def test_reset_moves_odom_and_leaves_the_vehicle_where_it_was_in_it() -> None:
    frames = OdomFrame()
    frames.split(0, standing(10.0, 5.0, 0.0), 8.0)
    in_map, in_odom = frames.split(STEP_NS, standing(100.0, 50.0, math.pi / 2.0), 0.0)
    assert (in_odom.x, in_odom.y, in_odom.yaw) == pytest.approx((10.0, 5.0, 0.0), abs=1e-9)
    # odom is turned by 90 degrees: its point (10, 5) lies at offset + (-5, 10).
    assert (in_map.x, in_map.y, in_map.yaw) == pytest.approx((105.0, 40.0, math.pi / 2.0))
    assert frames.jumps == 1
    # Straight on in the map (north) is straight on in odom (east).
    _, further = frames.split(2 * STEP_NS, standing(100.0, 50.4, math.pi / 2.0), 8.0)
    assert (further.x, further.y) == pytest.approx((10.4, 5.0))


@pytest.mark.parametrize(("metres", "jumps"), [(1.7, 0), (1.9, 1)])
def test_what_a_vehicle_can_drive_is_no_jump(metres: float, jumps: int) -> None:
    # 8 m/s for 0.05 s is 0.4 m; twice that and 1 m of slack are 1.8 m.
    frames = OdomFrame()
    frames.split(0, standing(0.0, 0.0, 0.0), 8.0)
    frames.split(STEP_NS, standing(metres, 0.0, 0.0), 0.0)
    assert frames.jumps == jumps


def test_lost_frames_are_no_jump_and_a_clock_that_goes_back_is_one() -> None:
    frames = OdomFrame()
    frames.split(0, standing(0.0, 0.0, 0.0), 10.0)
    frames.split(20 * STEP_NS, standing(10.0, 0.0, 0.0), 10.0)
    assert frames.jumps == 0
    frames.split(STEP_NS, standing(10.0, 0.0, 0.0), 10.0)
    assert frames.jumps == 1


COORDINATE = st.floats(-5000.0, 5000.0)
UNIT = st.floats(-1.0, 1.0)
POSES = st.builds(
    lambda x, y, z, yaw, roll, pitch: (x, y, z, yaw, roll, pitch),
    *(COORDINATE, COORDINATE, st.floats(-50.0, 50.0), st.floats(-math.pi, math.pi), st.floats(-0.3, 0.3)),
    st.floats(-0.3, 0.3),
)


def tilted(x: float, y: float, z: float, yaw: float, roll: float, pitch: float) -> Transform:
    """Yaw, then pitch, then roll, all in the axes of the vehicle."""
    (cy, sy), (cp, sp), (cr, sr) = ((math.cos(a / 2.0), math.sin(a / 2.0)) for a in (yaw, pitch, roll))
    return Transform(
        x,
        y,
        z,
        qx=cy * cp * sr - sy * sp * cr,
        qy=cy * sp * cr + sy * cp * sr,
        qz=sy * cp * cr - cy * sp * sr,
        qw=cy * cp * cr + sy * sp * sr,
    )


@given(st.lists(POSES, min_size=1, max_size=12))
def test_the_two_transforms_compose_to_the_pose_whatever_happens(poses: list[tuple[float, ...]]) -> None:
    frames = OdomFrame()
    before: Transform | None = None
    for number, numbers in enumerate(poses):
        pose, jumps = tilted(*numbers), frames.jumps
        in_map, in_odom = frames.split(number * STEP_NS, pose, 8.0)
        assert np.allclose(matrix(in_map) @ matrix(in_odom), matrix(pose), atol=1e-6)
        assert (in_map.qx, in_map.qy) == (0.0, 0.0), "odom stands upright in the map"
        if before is not None and frames.jumps > jumps:
            moved = math.dist((in_odom.x, in_odom.y, in_odom.z), (before.x, before.y, before.z))
            assert moved == pytest.approx(0.0, abs=1e-6)
            assert math.remainder(in_odom.yaw - before.yaw, 2.0 * math.pi) == pytest.approx(0.0, abs=1e-6)
        before = in_odom
