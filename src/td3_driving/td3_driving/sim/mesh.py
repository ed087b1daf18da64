"""Quads with vertex colours, gathered by place and layer. Plain arrays: nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

CHUNK = 60.0
"""Edge of the squares by which static geometry is grouped, so that what is out of sight costs little [m]."""
SUN = np.array([0.45, -0.35, 0.82])
"""Direction towards the sun in the map frame (unit length to two digits)."""

Colour = tuple[float, float, float]
"""Red, green, blue in [0, 1]."""


@dataclass(slots=True)
class Quads:
    """Quads under construction: corners (n, 4, 3) [m], counter-clockwise seen from their front; colours (n, 4, 3) in
    [0, 1]; texture coordinates (n, 4, 2)."""

    corners: list[np.ndarray] = field(default_factory=list)
    colours: list[np.ndarray] = field(default_factory=list)
    texture: list[np.ndarray] = field(default_factory=list)

    def add(self, corners: np.ndarray, colours: np.ndarray | Colour, texture: np.ndarray | None = None) -> None:
        """Append quads (n, 4, 3) of one colour, a colour each (n, 3), or a colour per corner (n, 4, 3)."""
        shape = corners.shape[:2]
        shades = np.asarray(colours, dtype=np.float64)
        if shades.ndim == 2:
            shades = shades[:, None, :]
        self.corners.append(corners)
        self.colours.append(np.broadcast_to(shades, (*shape, 3)))
        self.texture.append(np.zeros((*shape, 2)) if texture is None else texture)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All corners (n, 4, 3), colours (n, 4, 3) and texture coordinates (n, 4, 2)."""
        if not self.corners:
            return np.zeros((0, 4, 3)), np.zeros((0, 4, 3)), np.zeros((0, 4, 2))
        return np.concatenate(self.corners), np.concatenate(self.colours), np.concatenate(self.texture)

    def chunks(self) -> list[Quads]:
        """The quads by the square of the ground that their centre lies in."""
        corners, colours, texture = self.arrays()
        cells = np.floor(corners.mean(axis=1)[:, :2] / CHUNK).astype(np.int64)
        _, group = np.unique(cells, axis=0, return_inverse=True)
        group = group.reshape(-1)
        return [
            Quads([corners[group == index]], [colours[group == index]], [texture[group == index]])
            for index in range(int(group.max()) + 1 if len(group) else 0)
        ]


def shade(corners: np.ndarray, colour: np.ndarray | Colour) -> np.ndarray:
    """Colours (n, 3) of quads (n, 4, 3) of a ``colour`` in sun and sky light (Lambert)."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    light = 0.62 + 0.38 * np.maximum(normal @ SUN, 0.0) + 0.08 * normal[:, 2]
    return np.clip(np.asarray(colour) * light[:, None], 0.0, 1.0)


def ribbon(left: np.ndarray, right: np.ndarray, height: float = 0.0) -> np.ndarray:
    """Quads (n - 1, 4, 3), seen from above, between two borders (n, 2) [m]."""
    quads = np.full((len(left) - 1, 4, 3), height)
    quads[:, 0, :2], quads[:, 1, :2] = right[:-1], right[1:]
    quads[:, 2, :2], quads[:, 3, :2] = left[1:], left[:-1]
    return quads


def block(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], taper: float = 0.0) -> np.ndarray:
    """Five quads (5, 4, 3) of a box without its bottom: front (+x), rear, left (+y), right, top.

    The top is ``taper`` [m] shorter at each end of the x axis, as the cabin of a car is.
    """
    (x0, x1), (y0, y1), (z0, z1) = x, y, z
    t0, t1 = x0 + taper, x1 - taper
    return np.array(
        [
            [(x1, y0, z0), (x1, y1, z0), (t1, y1, z1), (t1, y0, z1)],
            [(x0, y1, z0), (x0, y0, z0), (t0, y0, z1), (t0, y1, z1)],
            [(x1, y1, z0), (x0, y1, z0), (t0, y1, z1), (t1, y1, z1)],
            [(x0, y0, z0), (x1, y0, z0), (t1, y0, z1), (t0, y0, z1)],
            [(t0, y0, z1), (t1, y0, z1), (t1, y1, z1), (t0, y1, z1)],
        ]
    )


def place(corners: np.ndarray, x: float, y: float, heading: float) -> np.ndarray:
    """Quads turned by ``heading`` [rad] and moved to (x, y) [m]."""
    cosine, sine = np.cos(heading), np.sin(heading)
    turned = corners.copy()
    turned[..., 0] = x + corners[..., 0] * cosine - corners[..., 1] * sine
    turned[..., 1] = y + corners[..., 0] * sine + corners[..., 1] * cosine
    return turned
