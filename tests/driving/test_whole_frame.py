# SPDX-License-Identifier: Apache-2.0
"""A frame that comes in one message."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from td3_driving.driving.observation import ObservationError
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.driving.whole_frame import whole_frame

VEHICLE = VehicleState(3_000_000_007, 1.5, -2.5, 0.0, 0.3, 7.0, -0.1, 0.2)
OTHERS = np.arange(10.0)


def message(**changes: Any) -> SimpleNamespace:
    """Two cars; a frame of 2 rows and 3 columns whose pixels count up."""
    stamp = SimpleNamespace(sec=3, nanosec=7)
    fields = {
        "header": SimpleNamespace(stamp=stamp),
        "frame_height": 2,
        "frame_width": 3,
        "frame": bytes(range(6)),
        "vehicle": np.array([1.5, -2.5, 0.0, 0.3, 7.0, -0.1, 0.2]),
        "others": OTHERS.tobytes(),
    }
    return SimpleNamespace(**fields | changes)


def test_everything_arrives_bit_by_bit() -> None:
    frame, vehicle, others = whole_frame(message(), (2, 3))
    assert frame.dtype == np.uint8 and frame.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert vehicle == VEHICLE
    rows = np.array([others.x, others.y, others.yaw, others.speed, others.length])
    assert rows.tolist() == OTHERS.reshape(5, 2).tolist()


def test_planes_lie_one_after_the_other() -> None:
    frame, _, _ = whole_frame(message(frame=bytes(range(18))), (3, 2, 3))
    assert frame.shape == (3, 2, 3) and frame[2, 1, 2] == 17


def test_an_empty_road() -> None:
    assert len(whole_frame(message(others=b""), (2, 3))[2].x) == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frame": bytes(5)}, "a frame of 3x2 with 5 bytes, needed are 3x2 with 6"),
        ({"frame_height": 3, "frame_width": 2}, "a frame of 2x3 with 6 bytes, needed are 3x2 with 6"),
        ({"others": np.zeros(7).tobytes()}, "7 numbers are not 5 rows"),
        ({"others": np.full(5, np.nan).tobytes()}, "5 numbers are not 5 rows of finite ones"),
        ({"others": np.zeros(5 * 1001).tobytes()}, "1001 other vehicles are outside 0 .. 1000"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ObservationError, match=said):
        whole_frame(message(**changes), (2, 3))
