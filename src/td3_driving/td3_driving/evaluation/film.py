# SPDX-License-Identifier: Apache-2.0
"""Writes a film of a drive that browsers play: the camera image beside the map from above."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from td3_driving.evaluation.drive import RouteStart, Watcher
from td3_driving.evaluation.driven_scene import DrivenScene, front_camera
from td3_driving.settings import SimulatorSettings
from td3_driving.sim.frame import WorldFrame
from td3_driving.view.from_above import draw_from_above
from td3_driving.view.overlay import draw

PERIOD = 0.1
"""Simulated time between two pictures, and how long each is shown [s]."""
ROWS = 432
"""Least height of the film [px]."""
CODECS = {".mp4": "vp09", ".webm": "VP90"}
"""Ending of a file: the name of VP9 in it, a codec without licence fees that browsers play."""


def check_film(path: Path) -> None:
    """Check that a film can have this name.

    Raises:
        ValueError: it has another ending.
    """
    if path.suffix.lower() not in CODECS:
        raise ValueError(f"{path} cannot be a film: its name must end in {' or '.join(CODECS)}")


class Film:
    """Writes the first route of an evaluation; a context manager.

    Args:
        path: of the film.
        simulator: what the images are like.
    """

    def __init__(self, path: Path, simulator: SimulatorSettings) -> None:
        check_film(path)
        self._path = path
        self._camera = front_camera(simulator)
        self._stride = max(1, round(PERIOD / simulator.fixed_delta))
        self._rate = 1.0 / (self._stride * simulator.fixed_delta)
        self._writer: cv2.VideoWriter | None = None
        self.pictures = 0

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()

    def of(self, start: RouteStart) -> Watcher | None:
        """The ``watch`` of :func:`td3_driving.evaluation.drive.evaluate`."""
        if start.number > 0:
            return None
        driven = DrivenScene(start)
        borders = [border for lane in start.roads.lanes for border in lane.edges()]

        def take(frame: WorldFrame, image: NDArray[np.uint8] | None, action: NDArray[np.float32]) -> None:
            driven.take(frame, action)
            if image is not None and (len(driven.log.rows) - 1) % self._stride == 0:
                self._add(self._picture(driven, borders, image))

        return take

    def _picture(
        self, driven: DrivenScene, borders: Sequence[NDArray[np.float64]], image: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        camera = draw(image, driven.scene, driven.scene.vehicle, self._camera, ROWS)
        above = draw_from_above(driven.scene, driven.way.points, borders, len(camera))
        return np.hstack((camera, above))

    def _add(self, picture: NDArray[np.uint8]) -> None:
        """Write a picture.

        Raises:
            OSError: the file cannot be written.
        """
        # The codec takes whole pairs of rows and columns alone.
        even = np.ascontiguousarray(picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2])
        if self._writer is None:
            code = cv2.VideoWriter.fourcc(*CODECS[self._path.suffix.lower()])
            self._writer = cv2.VideoWriter(str(self._path), cv2.CAP_FFMPEG, code, self._rate, even.shape[1::-1])
            if not math.isfinite(self._rate) or not self._writer.isOpened():
                raise OSError(f"{self._path} cannot be written as a film by this build of OpenCV")
        self._writer.write(even)
        self.pictures += 1
