# SPDX-License-Identifier: Apache-2.0
"""Routes along lanes."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3_driving.sim.roads import load_map
from td3_driving.sim.routes import RouteError, plan_route, random_route, route_between

MAPS = {name: load_map(name) for name in ("straight", "curves", "town", "roundabout")}


def length_of(route: np.ndarray) -> float:
    return float(np.hypot(*np.diff(route[:, :2], axis=0).T).sum())


def test_along_the_straight_road() -> None:
    route = route_between(MAPS["straight"], 100.0, -1.0, 180.0, -2.0)
    assert route[0] == pytest.approx([100.0, -1.75, 0.0, 3.5, 0.0], abs=5e-3)
    assert route[-1] == pytest.approx([180.0, -1.75, 0.0, 3.5, 0.0], abs=5e-3)
    assert len(route) == 81
    assert np.diff(route[:, 0]) == pytest.approx(np.ones(80), abs=1e-6)


def test_town01_from_317_129_to_92_87(shared_data: Path) -> None:
    town = load_map(str(shared_data / "carla_towns" / "Town01.xodr"))
    for seed in range(3):
        route = plan_route(town, "auto", 0, np.random.default_rng(seed))
        assert length_of(route) == pytest.approx(264.0, abs=1.0)
        assert route[0, :2] == pytest.approx([317.0, -129.5], abs=0.1)
        assert route[-1, :2] == pytest.approx([92.4, -87.0], abs=0.1)
    other = plan_route(town, "auto", 1, np.random.default_rng(0))
    assert math.dist(other[0, :2], (317.0, -129.5)) > 1.0


def test_the_shorter_way_round_is_taken() -> None:
    town = MAPS["town"]
    route = route_between(town, 40.0, -1.75, 131.75, 60.0)
    assert length_of(route) == pytest.approx((130.0 - 40.0) + 60.0, abs=12.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10 0 20", "neither"),
        ("a b c d", "neither"),
        ("0 0 nan 0", "neither"),
        ("10 300 20 0", "more than 5 m"),
        ("200 -1.75 100 -1.75", "no lanes lead"),
        ("100 -1.75 100 -1.75", "no lanes lead"),
    ],
)
def test_routes_that_do_not_exist(text: str, reason: str) -> None:
    with pytest.raises(RouteError, match=reason):
        plan_route(MAPS["straight"], text, 0, np.random.default_rng(0))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), name=st.sampled_from(sorted(MAPS)))
def test_drawn_routes(seed: int, name: str) -> None:
    roads = MAPS[name]
    route = random_route(roads, np.random.default_rng(seed))
    assert 80.0 <= length_of(route) <= 401.0
    steps = np.hypot(*np.diff(route[:, :2], axis=0).T)
    assert 0.9 < steps.min() <= steps.max() < 1.1
    drawn = np.arctan2(*np.diff(route[:, :2], axis=0).T[::-1])
    assert np.abs(np.remainder(drawn - route[:-1, 2] + np.pi, 2 * np.pi) - np.pi).max() < 0.2
    assert np.array_equal(route, random_route(roads, np.random.default_rng(seed)))
    for x, y, _, width, _ in route[:: len(route) // 5]:
        assert min(abs(offset) for _, _, offset in roads.near(x, y, width)) < 0.05


def test_other_seeds_give_other_routes() -> None:
    starts = {tuple(random_route(MAPS["curves"], np.random.default_rng(seed))[0, :2]) for seed in range(10)}
    assert len(starts) == 10
