# SPDX-License-Identifier: Apache-2.0
"""Finds what lies near a place without looking at everything: a map may be many kilometres long."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

EDGE = 64.0
"""Edge of a cell [m]."""


class Cells:
    """Rows (k,) that begin with x and y [m], sorted into square cells.

    Args:
        columns: how many numbers a row has, k.
    """

    def __init__(self, columns: int) -> None:
        self._none = np.zeros((0, columns))
        self._cells: defaultdict[tuple[int, int], list[NDArray[np.float64]]] = defaultdict(list)

    def add(self, rows: NDArray[np.float64]) -> None:
        """Take (n, k) rows in."""
        cells = np.floor(rows[:, :2] / EDGE).astype(np.int64)
        order = np.lexsort(cells.T)
        rows, cells = rows[order], cells[order]
        borders = np.flatnonzero((cells[1:] != cells[:-1]).any(axis=1)) + 1
        for start, part in zip((0, *borders.tolist()), np.split(rows, borders)):
            if len(part):
                self._cells[int(cells[start, 0]), int(cells[start, 1])].append(part)

    def around(self, x: float, y: float) -> NDArray[np.float64]:
        """Return (n, k) rows: all that lie within :data:`EDGE` of a point, and some beyond."""
        column, row = int(np.floor(x / EDGE)), int(np.floor(y / EDGE))
        near = ((column + right, row + up) for right in (-1, 0, 1) for up in (-1, 0, 1))
        return np.concatenate([self._none, *(part for cell in near for part in self._cells.get(cell, ()))])
