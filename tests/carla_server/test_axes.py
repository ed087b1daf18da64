# SPDX-License-Identifier: Apache-2.0
"""CARLA's axes: the library's own transforms, and what the bridge's messages say of the same pose."""

from __future__ import annotations

import math

import carla
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.carla_server.axes import compose, forward, from_map, matrix, place, relative, to_map, wrap
from td3_driving.carla_server.records import Location, PoseRecord, Rotation

LENGTHS, ANGLES = st.floats(-500.0, 500.0), st.floats(-179.0, 179.0)
TILTS = st.floats(-85.0, 85.0)
POSES = st.builds(
    PoseRecord, st.builds(Location, LENGTHS, LENGTHS, LENGTHS), st.builds(Rotation, TILTS, ANGLES, ANGLES)
)
CLOSE = 1e-4


def theirs(pose: PoseRecord) -> carla.Transform:
    """The same as the library's."""
    return carla.Transform(carla.Location(*pose.location), carla.Rotation(*pose.rotation))


@given(POSES, st.builds(Location, LENGTHS, LENGTHS, LENGTHS))
def test_axes_and_points_agree_with_the_library(pose: PoseRecord, point: Location) -> None:
    rows = theirs(pose).get_matrix()
    for column, axis in enumerate(matrix(pose.rotation)):
        assert [rows[row][column] for row in range(3)] == pytest.approx(list(axis), abs=1e-5)
    found = theirs(pose).transform(carla.Location(*point))
    assert (found.x, found.y, found.z) == pytest.approx(tuple(place(pose, point)), abs=2e-3)
    ahead = theirs(pose).get_forward_vector()
    assert (ahead.x, ahead.y, ahead.z) == pytest.approx(tuple(forward(pose.rotation)), abs=1e-5)


@given(POSES, POSES)
def test_what_hangs_on_something_is_found_where_it_hangs(parent: PoseRecord, child: PoseRecord) -> None:
    back = relative(parent, compose(parent, child))
    assert tuple(back.location) == pytest.approx(tuple(child.location), abs=1e-6)
    for axis, other in zip(matrix(back.rotation), matrix(child.rotation)):
        assert tuple(axis) == pytest.approx(tuple(other), abs=1e-6)


@given(LENGTHS, LENGTHS, st.floats(-math.pi, math.pi))
def test_the_map_frame_is_mirrored_and_comes_back(x: float, y: float, yaw: float) -> None:
    pose = from_map(x, y, yaw)
    assert pose.location == (x, -y, 0.0)
    assert wrap(pose.rotation.yaw + math.degrees(yaw)) == pytest.approx(0.0, abs=1e-9)
    back = to_map(pose)
    assert back[:2] == (x, y) and math.remainder(back[2] - yaw, 2.0 * math.pi) == pytest.approx(0.0, abs=1e-12)
