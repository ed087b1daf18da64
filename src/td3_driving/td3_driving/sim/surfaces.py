# SPDX-License-Identifier: Apache-2.0
"""The surfaces of the world, and their colours in a given light. Plain arrays: nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
"""Red, green, blue in [0, 1]."""

BRIGHTEST = 0.98
"""Brightest colour of a corner. Near 1 the software renderer overflows to 0 where a colour changes over a quad."""
SKY, FLAT, UPRIGHT = 0, 1, 2
"""How light falls on a surface: not at all (it is far away, or shines), as on level ground, or by its own direction."""
SURFACES: dict[str, tuple[int, Colour]] = {
    "haze": (SKY, (0.80, 0.85, 0.89)),
    "low_sky": (SKY, (0.70, 0.80, 0.90)),
    "high_sky": (SKY, (0.50, 0.67, 0.87)),
    "zenith": (SKY, (0.30, 0.50, 0.80)),
    "hills": (SKY, (0.56, 0.66, 0.70)),
    "near_plain": (FLAT, (0.47, 0.56, 0.38)),
    "far_plain": (SKY, (0.66, 0.73, 0.68)),
    "grass": (FLAT, (0.36, 0.47, 0.25)),
    "asphalt": (FLAT, (0.33, 0.335, 0.35)),
    "gutter": (FLAT, (0.27, 0.27, 0.28)),
    "paving": (FLAT, (0.62, 0.60, 0.57)),
    "kerb": (FLAT, (0.74, 0.73, 0.70)),
    "white": (FLAT, (0.93, 0.93, 0.92)),
    "yellow": (FLAT, (0.90, 0.73, 0.20)),
    "wall_0": (UPRIGHT, (0.80, 0.72, 0.60)),
    "wall_1": (UPRIGHT, (0.72, 0.50, 0.40)),
    "wall_2": (UPRIGHT, (0.78, 0.77, 0.73)),
    "wall_3": (UPRIGHT, (0.62, 0.66, 0.70)),
    "wall_4": (UPRIGHT, (0.85, 0.80, 0.70)),
    "wall_5": (UPRIGHT, (0.66, 0.58, 0.50)),
    "roof": (UPRIGHT, (0.45, 0.40, 0.38)),
    "trunk": (UPRIGHT, (0.36, 0.27, 0.19)),
    "leaves_0": (UPRIGHT, (0.24, 0.42, 0.20)),
    "leaves_1": (UPRIGHT, (0.30, 0.47, 0.22)),
    "leaves_2": (UPRIGHT, (0.20, 0.36, 0.20)),
    "leaves_3": (UPRIGHT, (0.40, 0.46, 0.22)),
    "paint_0": (UPRIGHT, (0.75, 0.12, 0.12)),
    "paint_1": (UPRIGHT, (0.90, 0.90, 0.90)),
    "paint_2": (UPRIGHT, (0.13, 0.25, 0.55)),
    "paint_3": (UPRIGHT, (0.16, 0.16, 0.18)),
    "paint_4": (UPRIGHT, (0.62, 0.64, 0.66)),
    "paint_5": (UPRIGHT, (0.85, 0.66, 0.13)),
    "paint_6": (UPRIGHT, (0.16, 0.42, 0.30)),
    "glass": (UPRIGHT, (0.13, 0.17, 0.21)),
    "tyre": (FLAT, (0.08, 0.08, 0.09)),
    "headlight": (SKY, (0.98, 0.96, 0.86)),
    "taillight": (SKY, (0.85, 0.06, 0.05)),
    "plate": (FLAT, (0.88, 0.88, 0.84)),
    "shadow": (FLAT, (0.20, 0.20, 0.21)),
}
"""Every surface: how light falls on it, and its colour in the nominal light. Quads refer to the place in this table."""
INDEX = {name: index for index, name in enumerate(SURFACES)}
NOMINAL_COLOURS: tuple[Colour, ...] = tuple(colour for _, colour in SURFACES.values())
_SHADING = np.array([shading for shading, _ in SURFACES.values()], dtype=np.uint8)


def family(name: str) -> tuple[int, ...]:
    """The surfaces ``name_0``, ``name_1`` …, as places in the table."""
    return tuple(index for key, index in INDEX.items() if key.rpartition("_")[0] == name)


@dataclass(frozen=True)
class Light:
    """Sun and sky.

    Attributes:
        sun: direction towards the sun in the map frame, about of length 1.
        ambient: light that comes from everywhere; direct: what the sun adds on a surface that faces it; upward: what
            the sky adds on one that faces upwards. Level ground in the nominal light has the factor 1.
        gain: factors on red, green and blue of everything, the sky included.
    """

    sun: tuple[float, float, float] = (0.45, -0.35, 0.82)
    ambient: float = 0.62
    direct: float = 0.38
    upward: float = 0.08
    gain: Colour = (1.0, 1.0, 1.0)

    def on(self, normals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Lambert's factor (n,) on surfaces with the unit ``normals`` (n, 3)."""
        facing = np.maximum(normals @ np.asarray(self.sun), 0.0)
        return np.asarray(self.ambient + self.direct * facing + self.upward * normals[:, 2])

    def on_the_ground(self) -> float:
        """The factor on level ground against that in the nominal light."""
        up = np.array([(0.0, 0.0, 1.0)])
        return float(self.on(up)[0] / Light().on(up)[0])


@dataclass(frozen=True)
class Look:
    """Colours of all surfaces, the light on them, and how the camera is set.

    Attributes:
        colours: in the order of :data:`SURFACES`; window: of the windows in walls.
        brightness: factor on everything; contrast: factor on the distance from middle grey, after the brightness.
    """

    colours: tuple[Colour, ...] = NOMINAL_COLOURS
    window: Colour = (70.0 / 255.0, 82.0 / 255.0, 92.0 / 255.0)
    light: Light = Light()
    brightness: float = 1.0
    contrast: float = 1.0

    def of(
        self, surface: NDArray[np.uint8], tone: NDArray[np.float64], normals: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Colours (n, 4, 3) in [0, BRIGHTEST] of the corners of quads.

        Args:
            surface: (n, 4) places in :data:`SURFACES`; tone: (n, 4, 3) factors of the single quad; normals: (n, 3).
        """
        shading = _SHADING[surface]
        falling = np.ones(surface.shape)
        falling[shading == FLAT] = self.light.on_the_ground()
        upright = shading == UPRIGHT
        falling[upright] = np.broadcast_to(self.light.on(normals)[:, None], surface.shape)[upright]
        colours = np.asarray(self.colours)[surface] * tone * falling[..., None]
        colours = colours * np.asarray(self.light.gain) * self.brightness
        if self.contrast != 1.0:
            colours = 0.5 + self.contrast * (colours - 0.5)
        return np.clip(colours, 0.0, BRIGHTEST)


NOMINAL_LOOK = Look()
