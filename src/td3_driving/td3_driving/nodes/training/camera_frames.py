# SPDX-License-Identifier: Apache-2.0
"""From a camera's messages to what a frame shows; ends a run whose camera is not the one of its settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from td3_driving.driving.image_formats import picture
from td3_driving.driving.observation import ObservationError, ShapeError, camera_frame, undistorted
from td3_driving.nodes.ros.entry import RunEnd
from td3_driving.settings import Settings


class CameraFrames:
    """Makes frames of camera images.

    An image of another shape would be stretched, in every episode alike, and a vehicle refuses such images. So it ends
    the run. Between episodes nobody has told yet whose images count: such an image ends the run when the next episode
    begins, unless :meth:`forget` is called before.

    Args:
        on_fault: gets the reason why an image cannot be used.
    """

    def __init__(self, settings: Settings, on_fault: Callable[[str], None]) -> None:
        self._settings, self._on_fault = settings, on_fault
        self._misfit = ""

    def frame(self, message: Any, driving: bool) -> np.ndarray | None:
        """What a frame shows of an image, see :func:`td3_driving.driving.observation.camera_frame`.

        Args:
            message: a ``sensor_msgs/Image``.
            driving: whether an episode goes on.

        Returns:
            ``None`` if the image cannot be used.

        Raises:
            RunEnd: an episode goes on, and the image has another shape than the camera of the settings.
        """
        camera = self._settings.simulator
        try:
            image, encoding = picture(message)
            image = undistorted(image, camera.camera_width, camera.camera_height)
            return camera_frame(image, encoding, self._settings.observation)
        except ShapeError as error:
            self._misfit = f"{error}: set simulator.camera_width and simulator.camera_height to the size of the camera"
            if driving:
                self.begin()
        except ObservationError as error:
            self._on_fault(f"unusable camera image: {error}")
        return None

    def forget(self) -> None:
        """Forget the images so far."""
        self._misfit = ""

    def begin(self) -> None:
        """Begin an episode.

        Raises:
            RunEnd: an image since :meth:`forget` has another shape than the camera of the settings.
        """
        if self._misfit:
            raise RunEnd(2, self._misfit)
