# SPDX-License-Identifier: Apache-2.0
"""Overlap of oriented boxes by the separating axis theorem (Gottschalk et al., OBBTree, 1996), in the plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float, float]
"""Centre x, y [m], heading [rad], length, width [m]."""


def overlaps(box: Box | NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of ``others`` (N, 5), rows like :data:`Box`, overlap ``box``: (N,) bool. Touching boxes do not overlap.

    Args:
        box: one box, or one (N, 5) for each of the others.
    """
    if len(others) == 0:
        return np.zeros(0, dtype=bool)
    first = np.asarray(box, dtype=np.float64)
    offset = others[:, :2] - first[..., :2]
    cosine, sine = np.cos(others[:, 2] - first[..., 2]), np.sin(others[:, 2] - first[..., 2])
    across = np.abs(cosine), np.abs(sine)
    half, halves = first.T[3:5] / 2.0, others[:, 3:5] / 2.0
    along_x, along_y = _rotated(offset, np.broadcast_to(first[..., 2], len(others)))
    other_x, other_y = _rotated(offset, others[:, 2])
    return (
        (np.abs(along_x) < half[0] + halves[:, 0] * across[0] + halves[:, 1] * across[1])
        & (np.abs(along_y) < half[1] + halves[:, 0] * across[1] + halves[:, 1] * across[0])
        & (np.abs(other_x) < halves[:, 0] + half[0] * across[0] + half[1] * across[1])
        & (np.abs(other_y) < halves[:, 1] + half[0] * across[1] + half[1] * across[0])
    )


def _rotated(
    vectors: NDArray[np.float64], heading: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Components of ``vectors`` (N, 2) along and left of ``heading`` (N,)."""
    cosine, sine = np.cos(heading), np.sin(heading)
    return vectors[:, 0] * cosine + vectors[:, 1] * sine, vectors[:, 1] * cosine - vectors[:, 0] * sine


def corners(box: Box) -> NDArray[np.float64]:
    """(4, 2) corners [m]: front left, front right, rear right, rear left."""
    x, y, heading, length, width = box
    ahead = np.array([np.cos(heading), np.sin(heading)]) * (length / 2.0)
    left = np.array([-np.sin(heading), np.cos(heading)]) * (width / 2.0)
    return np.array([x, y]) + np.array([ahead + left, ahead - left, -ahead - left, left - ahead])
