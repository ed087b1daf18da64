# SPDX-License-Identifier: Apache-2.0
"""Shapes of a scene in the map frame; other modules draw them as RViz markers or into an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
"""Red, green, blue in [0, 1]."""

# After Okabe and Ito (2008): who sees red and green alike tells them apart too. The green is a bluish one, the red
# an orange one; both are bright enough for asphalt and dark enough for a white page.
WHITE: Colour = (1.0, 1.0, 1.0)
GREY: Colour = (0.6, 0.6, 0.6)
DARK: Colour = (0.16, 0.16, 0.16)
GREEN: Colour = (0.0, 0.70, 0.45)
RED: Colour = (0.90, 0.33, 0.0)
BLUE: Colour = (0.22, 0.58, 0.93)
YELLOW: Colour = (1.0, 0.8, 0.1)

ROUTE, PATH, OTHER = GREEN, BLUE, RED
"""The route, where the vehicle goes, and other vehicles: the same in camera image, map, film, page and RViz."""


def rgb(colour: Colour) -> tuple[int, int, int]:
    """Red, green, blue in [0, 255]."""
    red, green, blue = (round(255.0 * part) for part in colour)
    return red, green, blue


def bgr(colour: Colour) -> tuple[int, int, int]:
    """Blue, green, red in [0, 255], as OpenCV takes them."""
    red, green, blue = rgb(colour)
    return blue, green, red


@dataclass(frozen=True, slots=True)
class Polyline:
    """A polyline.

    Attributes:
        points: (N, 3) in the map frame [m].
        width: [m].
    """

    name: str
    points: NDArray[np.float64]
    colour: Colour
    width: float


@dataclass(frozen=True, slots=True)
class Box:
    """A box that stands upright.

    Attributes:
        number: tells boxes of one name apart.
        x, y, z: its centre in the map frame [m].
        yaw: counter-clockwise from the map's x axis [rad].
        length, width, height: full extents along its own axes [m].
    """

    name: str
    number: int
    x: float
    y: float
    z: float
    yaw: float
    length: float
    width: float
    height: float
    colour: Colour

    def corners(self) -> NDArray[np.float64]:
        """(8, 3) corners in the map frame [m]: the four of the floor counter-clockwise, then those above them."""
        forward, left = self.length / 2.0, self.width / 2.0
        floor = np.array(((forward, left), (-forward, left), (-forward, -left), (forward, -left)))
        cosine, sine = np.cos(self.yaw), np.sin(self.yaw)
        turned = floor @ np.array(((cosine, sine), (-sine, cosine))) + (self.x, self.y)
        heights = np.repeat((self.z - self.height / 2.0, self.z + self.height / 2.0), 4)
        return np.column_stack((np.tile(turned, (2, 1)), heights))


@dataclass(frozen=True, slots=True)
class Text:
    """Text that faces the viewer.

    Attributes:
        x, y, z: where they stand in the map frame [m].
        size: height of a capital [m].
    """

    name: str
    x: float
    y: float
    z: float
    text: str
    size: float
    colour: Colour


Shape = Polyline | Box | Text
