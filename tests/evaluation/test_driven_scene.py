# SPDX-License-Identifier: Apache-2.0
"""An evaluated drive as a scene: what is drawn of it lies where the car drives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from td3_driving.driving.route import Route
from td3_driving.evaluation.drive import RouteStart
from td3_driving.evaluation.driven_scene import DrivenScene, front_camera
from td3_driving.evaluation.episode import EpisodeLog
from td3_driving.settings import Settings
from td3_driving.sim.world import World


@pytest.mark.parametrize("seed", range(4))
def test_route_and_path_lie_on_the_ground_before_the_car(settings: Callable[..., Settings], seed: int) -> None:
    """Whatever the heading of the road: in the image both are below the horizon."""
    conf = settings(simulator__map="curves")
    world = World(conf.simulator, 0)
    line = world.reset(0, seed)
    driven = DrivenScene(RouteStart(0, line, world.roads, EpisodeLog(Route(line))))
    frame = world.tick()
    driven.take(frame, np.array((0.1, 0.5), dtype=np.float32))
    route, path = driven.scene.route, driven.scene.path(frame.ego)
    assert route[0] == pytest.approx((frame.ego.x, frame.ego.y, 0.0), abs=1e-6)
    camera = front_camera(conf.simulator)
    for points in (route, path):
        optical = camera.from_map(points, frame.ego)
        ahead = optical[optical[:, 2] > 1.0]
        rows = camera.pixels(ahead)[:, 1] if len(ahead) else np.zeros(0)
        assert (rows > conf.simulator.camera_height / 2.0).all()
    assert len(camera.from_map(route, frame.ego)) > 100 and np.ptp(route[:, 2]) == 0.0
