# SPDX-License-Identifier: Apache-2.0
"""Quads of one surface or another, gathered by place and layer. Plain arrays: nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from td3_driving.sim.surfaces import INDEX

CHUNK = 60.0
"""Edge of the squares by which static geometry is grouped, so that what is out of sight costs little [m]."""


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Quads that are complete.

    Attributes:
        corners: (n, 4, 3) [m], counter-clockwise seen from their front.
        surface: (n, 4) places in :data:`td3_driving.sim.surfaces.SURFACES`.
        tone: (n, 4, 3) factors on the colour of the surface.
        texture: (n, 4, 2) coordinates.
    """

    corners: NDArray[np.float64]
    surface: NDArray[np.uint8]
    tone: NDArray[np.float64]
    texture: NDArray[np.float64]

    def normals(self) -> NDArray[np.float64]:
        """Unit vectors (n, 3) out of the front of every quad."""
        corners = self.corners
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0])
        return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9))

    def chunks(self) -> list[Mesh]:
        """The quads by the square of the ground that their centre lies in."""
        cells = np.floor(self.corners.mean(axis=1)[:, :2] / CHUNK).astype(np.int64)
        _, group = np.unique(cells, axis=0, return_inverse=True)
        group = group.reshape(-1)
        return [self._where(group == index) for index in range(int(group.max()) + 1 if len(group) else 0)]

    def _where(self, chosen: NDArray[np.bool_]) -> Mesh:
        return Mesh(self.corners[chosen], self.surface[chosen], self.tone[chosen], self.texture[chosen])


@dataclass(slots=True)
class Quads:
    """Quads under construction; see :class:`Mesh`."""

    corners: list[NDArray[np.float64]] = field(default_factory=lambda: [np.zeros((0, 4, 3))])
    surface: list[NDArray[np.uint8]] = field(default_factory=lambda: [np.zeros((0, 4), dtype=np.uint8)])
    tone: list[NDArray[np.float64]] = field(default_factory=lambda: [np.zeros((0, 4, 3))])
    texture: list[NDArray[np.float64]] = field(default_factory=lambda: [np.zeros((0, 4, 2))])

    def add(
        self,
        corners: NDArray[np.float64],
        surface: str | tuple[str, str, str, str],
        tone: NDArray[np.float64] | float = 1.0,
        texture: NDArray[np.float64] | None = None,
    ) -> None:
        """Append quads (n, 4, 3) of one surface, or with a surface for each corner.

        Args:
            tone: a factor on the colour, or one each (n, 1) or (n, 3), or one per corner (n, 4, 1) or (n, 4, 3).
        """
        shape = corners.shape[:2]
        names = (surface,) * 4 if isinstance(surface, str) else surface
        tones = np.asarray(tone, dtype=np.float64)
        if tones.ndim == 2:
            tones = tones[:, None, :]
        self.corners.append(corners)
        self.surface.append(np.broadcast_to(np.array([INDEX[name] for name in names], dtype=np.uint8), shape))
        self.tone.append(np.broadcast_to(tones, (*shape, 3)))
        self.texture.append(np.zeros((*shape, 2)) if texture is None else texture)

    def mesh(self) -> Mesh:
        """All quads."""
        corners, surface = np.concatenate(self.corners), np.concatenate(self.surface)
        return Mesh(corners, surface, np.concatenate(self.tone), np.concatenate(self.texture))


def ribbon(left: NDArray[np.float64], right: NDArray[np.float64], height: float = 0.0) -> NDArray[np.float64]:
    """Quads (n - 1, 4, 3), seen from above, between two borders (n, 2) [m]."""
    quads = np.full((len(left) - 1, 4, 3), height)
    quads[:, 0, :2], quads[:, 1, :2] = right[:-1], right[1:]
    quads[:, 2, :2], quads[:, 3, :2] = left[1:], left[:-1]
    return quads


def block(
    x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], taper: float = 0.0
) -> NDArray[np.float64]:
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


def place(corners: NDArray[np.float64], x: float, y: float, heading: float) -> NDArray[np.float64]:
    """Quads turned by ``heading`` [rad] and moved to (x, y) [m]."""
    cosine, sine = np.cos(heading), np.sin(heading)
    turned = corners.copy()
    turned[..., 0] = x + corners[..., 0] * cosine - corners[..., 1] * sine
    turned[..., 1] = y + corners[..., 0] * sine + corners[..., 1] * cosine
    return turned
