# SPDX-License-Identifier: Apache-2.0
"""Shows the drives of ``td3-driving evaluate`` on the live page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from td3_driving.evaluation.drive import RouteStart, Watcher
from td3_driving.evaluation.driven_scene import DrivenScene, front_camera
from td3_driving.live.news import News
from td3_driving.live.page import Page
from td3_driving.settings import SimulatorSettings
from td3_driving.sim.frame import WorldFrame
from td3_driving.sim.road_map import RoadMap
from td3_driving.view.camera_model import CameraModel
from td3_driving.view.overlay import draw

PERIOD = 0.1
"""Least wall time between two frames that are shown [s]."""
ROWS = 432
"""Least height of the shown image [px]."""


class DrivesOnPage:
    """Shows one drive after the other; :meth:`of` gives the ``watch`` of an evaluation.

    Args:
        page: where they are shown.
    """

    def __init__(self, page: Page) -> None:
        self._page, self._news = page, News(page)
        self._roads: RoadMap | None = None
        self._seconds = 0.0
        self._due = -math.inf

    def of(self, agent: str, simulator: SimulatorSettings) -> Callable[[RouteStart], Watcher]:
        """The ``watch`` for the drives of ``agent``, whose images ``simulator`` describes."""
        camera = front_camera(simulator)

        def watch(start: RouteStart) -> Watcher:
            self._begin(agent, start)
            driven, before = DrivenScene(start), self._seconds

            def take(frame: WorldFrame, image: NDArray[np.uint8] | None, action: NDArray[np.float32]) -> None:
                driven.take(frame, action)
                self._seconds = before + driven.log.rows[-1].time - driven.log.rows[0].time
                self._take(driven, frame, image, camera)

            return take

        return watch

    def _begin(self, agent: str, start: RouteStart) -> None:
        self._page.at(self._seconds, 0)
        if start.roads is not self._roads:
            self._roads = start.roads
            self._page.lanes([border for lane in start.roads.lanes for border in lane.edges()])
        self._news.say("OK", f"{agent}: route {start.number + 1}, {start.log.route.length:.0f} m")
        self._page.route(start.points)

    def _take(
        self, driven: DrivenScene, frame: WorldFrame, image: NDArray[np.uint8] | None, camera: CameraModel
    ) -> None:
        self._page.at(self._seconds, 0)
        for contact in frame.collisions:
            self._news.event("WARN", f"collision with vehicle {contact.actor_id}", "collision", self._seconds)
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + PERIOD
        terms = driven.log.terms
        if terms is not None:
            self._page.reward(terms.names, terms.values.tolist(), terms.total)
        self._page.scene(driven.scene, driven.way.points)
        if image is not None:
            self._page.picture(draw(image, driven.scene, driven.scene.vehicle, camera, ROWS))
        self._news.show(driven.scene, 0)
