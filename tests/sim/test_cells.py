# SPDX-License-Identifier: Apache-2.0
"""Rows near a place, against the distance of every row."""

from __future__ import annotations

import numpy as np
import pytest

from td3_driving.sim.cells import EDGE, Cells


@pytest.mark.parametrize("seed", range(20))
def test_all_rows_within_an_edge_are_around(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.column_stack((rng.uniform(-300.0, 300.0, (400, 2)), np.arange(400)))
    cells = Cells(columns=3)
    cells.add(rows[:350])
    for row in rows[350:]:
        cells.add(row[None])
    for x, y in rng.uniform(-350.0, 350.0, (50, 2)):
        found = cells.around(x, y)
        distance = np.hypot(rows[:, 0] - x, rows[:, 1] - y)
        assert set(rows[distance <= EDGE, 2]) <= set(found[:, 2])
        assert len(set(found[:, 2])) == len(found)
        assert np.abs(found[:, :2] - (x, y)).max(initial=0.0) <= 2.0 * EDGE


def test_what_is_around_does_not_grow_with_the_length_of_a_road() -> None:
    short, long = Cells(columns=2), Cells(columns=2)
    for cells, length in ((short, 1000.0), (long, 50000.0)):
        cells.add(np.column_stack((np.arange(0.0, length), np.zeros(int(length)))))
    assert len(short.around(500.0, 3.0)) == len(long.around(500.0, 3.0)) == 3 * EDGE


def test_nothing_is_around_where_nothing_is() -> None:
    cells = Cells(columns=5)
    cells.add(np.zeros((0, 5)))
    assert cells.around(1.0, 2.0).shape == (0, 5)
