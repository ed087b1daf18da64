# SPDX-License-Identifier: Apache-2.0
"""Adds the blur of a lens and the noise of a sensor to an image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_BLUR = 0.8
"""Three taps are a fair Gaussian up to this standard deviation [px]."""
MARGIN = 16
"""The noise is one picture that is larger than the image by this; each frame shows another part of it [px]."""
PLACES = 1021
"""How many parts are drawn. A prime, so that frames at equal distances in time go through all of them."""


@dataclass(frozen=True)
class Optics:
    """How lens and sensor differ from perfect ones.

    Attributes:
        blur: standard deviation of the blur [px], at most :data:`MAX_BLUR`.
        noise: standard deviation of the noise of each pixel and colour [grey levels].
        seed: of the noise.
    """

    blur: float = 0.0
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.blur <= MAX_BLUR:
            raise ValueError(f"blur: {self.blur} is outside 0 .. {MAX_BLUR} px")

    @property
    def perfect(self) -> bool:
        """True without blur and noise."""
        return self.blur == 0.0 and self.noise == 0.0


PERFECT = Optics()


class ImageSensor:
    """Exposes images of one size with the same optics.

    Args:
        first_ns: stamp of the first frame [ns]; the noise depends on the time since then alone, so that it is the
            same for every reader.
    """

    def __init__(self, optics: Optics, height: int, width: int, first_ns: int = 0) -> None:
        self._first_ns = first_ns
        # The variance of the taps (a, 1 - 2 a, a) is 2 a.
        side = optics.blur**2 / 2.0
        self._taps = np.array([side, 1.0 - 2.0 * side, side], dtype=np.float32)
        self._blurred = np.zeros((height, width, 4), dtype=np.uint8) if side else None
        rng = np.random.default_rng(optics.seed)
        self._places = rng.integers(0, MARGIN + 1, (PLACES, 2)).tolist()
        self._noise = _noise(rng, optics.noise, height, width) if optics.noise else None

    def expose(self, image: NDArray[np.uint8], stamp_ns: int) -> None:
        """Blur ``image`` (height, width, 4) uint8 and add noise, in place; the fourth channel becomes 255."""
        light = image
        if self._blurred is not None:
            light = self._blurred
            cv2.sepFilter2D(image, -1, self._taps, self._taps, light, (-1, -1), 0.0, cv2.BORDER_REPLICATE)
        if self._noise is None:
            image[:] = light
            image[..., 3] = 255
            return
        brighter, darker = self._noise
        row, column = self._places[(stamp_ns - self._first_ns + 500) // 1000 % PLACES]
        part = slice(row, row + image.shape[0]), slice(column, column + image.shape[1])
        cv2.add(light, brighter[part], image)
        cv2.subtract(image, darker[part], image)


def _noise(
    rng: np.random.Generator, deviation: float, height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the noise to add and to subtract, (height + margin, width + margin, 4) uint8 each."""
    drawn = np.round(rng.standard_normal((height + MARGIN, width + MARGIN, 4), dtype=np.float32) * deviation)
    # The fourth channel is made opaque on the way.
    drawn[..., 3] = 255.0
    brighter, darker = (np.clip(part, 0.0, 255.0).astype(np.uint8) for part in (drawn, -drawn))
    return brighter, darker
