# SPDX-License-Identifier: Apache-2.0
"""Images of another shape than the settings' camera end a run; unreadable ones are faults of an episode."""

from __future__ import annotations

import array

import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from sensor_msgs.msg import Image

from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.nodes.training.camera_frames import CameraFrames
from td3_driving.settings import from_flat

SETTINGS = from_flat({"simulator.camera_width": 64, "simulator.camera_height": 36})
WHY = (
    "a camera image of 64x48 has not the shape of 64x36:"
    " set simulator.camera_width and simulator.camera_height to the size of the camera"
)


def image(width: int, height: int) -> Image:
    data = array.array("B", bytes(4 * width * height))
    return Image(width=width, height=height, step=4 * width, encoding="bgra8", data=data)


def test_a_larger_image_of_the_same_shape_is_a_frame() -> None:
    frames = CameraFrames(SETTINGS, pytest.fail)
    frame = frames.frame(image(128, 72), driving=True)
    assert frame is not None and frame.shape == (SETTINGS.observation.frame_height, SETTINGS.observation.frame_width)
    frames.begin()


def test_an_image_of_another_shape_ends_the_run_amid_an_episode() -> None:
    with pytest.raises(RunEnd) as end:
        CameraFrames(SETTINGS, pytest.fail).frame(image(64, 48), driving=True)
    assert (end.value.code, end.value.reason) == (2, WHY)


def test_between_episodes_it_ends_the_run_when_the_next_one_begins() -> None:
    frames = CameraFrames(SETTINGS, pytest.fail)
    assert frames.frame(image(64, 48), driving=False) is None
    with pytest.raises(RunEnd, match="64x48"):
        frames.begin()


def test_what_came_before_a_reset_is_forgotten() -> None:
    """Another program's image, say; the reset says whose images count."""
    frames = CameraFrames(SETTINGS, pytest.fail)
    frames.frame(image(64, 48), driving=False)
    frames.forget()
    frames.begin()


def test_an_unreadable_image_is_a_fault_of_the_episode() -> None:
    faults: list[str] = []
    broken = image(64, 36)
    broken.encoding = "32FC1"
    assert CameraFrames(SETTINGS, faults.append).frame(broken, driving=True) is None
    assert len(faults) == 1 and faults[0].startswith("unusable camera image: image encoding '32FC1' is not one of")
