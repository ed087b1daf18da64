# SPDX-License-Identifier: Apache-2.0
"""From the messages of a run or a drive to the live page; takes messages of ROS and out of a bag alike."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from td3_driving.driving import decoding, topics
from td3_driving.driving.episode import ExitReason
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.live import entities
from td3_driving.live.messages import bgr_image, camera_model, gate_of, points_of, traffic_boxes
from td3_driving.live.news import News
from td3_driving.live.page import Page
from td3_driving.view.driven_way import DrivenWay
from td3_driving.view.overlay import draw
from td3_driving.view.scene import GateState, Scene

STATES_KEPT = 50
"""Vehicle states among which that of an image is looked for."""
STATES_SILENT = 1.0
"""Time without odometry after which images no longer wait for theirs [s]."""
ROUTE_AGAIN = 10.0
"""Time after which the route is sent once more, for browsers that come late [s]."""
GATE_SILENT = 3.0
"""Time without a status after which the gate counts as gone [s]."""
ROWS = 432
"""Least height of the shown image [px]."""
MARKERS = "carla/markers/static"
"""Borders of all lanes, as the simulator publishes them."""
TF = "tf"
DIAGNOSTICS = topics.DIAGNOSTICS.lstrip("/")


class Intake:
    """Takes messages by the names of their topics and shows what they say.

    Args:
        page: where it is shown.
        rate: images and scenes per second [1/s].
        actor_id: whose reward and episodes are shown; "" for anybody's.
    """

    def __init__(self, page: Page, rate: float, actor_id: str = "") -> None:
        self._page, self._period, self._actor = page, 1.0 / rate, actor_id
        self._news = News(page)
        self._scene = Scene()
        self._states: deque[VehicleState] = deque(maxlen=STATES_KEPT)
        self._way = DrivenWay()
        self._pending: Any = None
        self._intrinsics: Any = None
        self._mount: Any = None
        self._began: float | None = None
        self._now = self._image_due = self._scene_due = self._route_due = 0.0
        self._gate_at = self._state_at = self._pending_at = -math.inf
        self._step = 0
        self._handlers: dict[str, Callable[[Any], None]] = {
            topics.IMAGE: self._on_image,
            topics.CAMERA_INFO: self._on_camera_info,
            TF: self._on_tf,
            topics.ODOMETRY: self._on_odometry,
            topics.ROUTE: self._on_route,
            topics.COMMAND: self._on_command,
            topics.OBJECTS: self._on_objects,
            MARKERS: self._on_markers,
            topics.COLLISION: self._on_collision,
            topics.REWARD: self._on_reward,
            topics.LEARNER_STATUS: self._on_learner_status,
            topics.EPISODE: self._on_episode,
            topics.EVALUATION: self._on_evaluation,
            topics.GUARD: self._on_guard,
            topics.GATE_STATUS: self._on_gate,
            DIAGNOSTICS: self._on_diagnostics,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Topics, without namespace, whose messages are shown."""
        return tuple(self._handlers)

    @property
    def knows_mount(self) -> bool:
        """Whether it is known where the camera sits on the vehicle."""
        return self._mount is not None

    def take(self, name: str, message: Any, now: float) -> None:
        """Show what a message of topic ``name`` says; ``now`` is the time of its arrival [s], on any clock.

        Raises:
            ValueError: its data do not fit together.
        """
        if self._began is None:
            self._began = now
        self._now = now - self._began
        self._page.at(self._now, self._step)
        self._handlers[name](message)
        self._refresh()

    # One method for each topic.

    def _on_image(self, sent: Any) -> None:
        waits = self._pending is not None and self._now - self._pending_at < STATES_SILENT
        if self._now >= self._image_due and not waits:
            self._pending, self._pending_at = sent, self._now
        self._show_pending()

    def _on_camera_info(self, sent: Any) -> None:
        self._intrinsics = sent

    def _on_tf(self, sent: Any) -> None:
        camera = None if self._intrinsics is None else self._intrinsics.header.frame_id
        for transform in sent.transforms:
            if transform.child_frame_id == camera and transform.header.frame_id != "map":
                self._mount = transform

    def _on_odometry(self, sent: Any) -> None:
        vehicle = decoding.vehicle_state(sent)
        self._scene.take_vehicle(vehicle)
        if vehicle.finite():
            self._states.append(vehicle)
            self._state_at = self._now
            self._way.add((vehicle.x, vehicle.y, vehicle.z))
        self._show_pending()

    def _on_route(self, sent: Any) -> None:
        self._scene.take_route(points_of(sent))
        self._way.clear()
        self._route_due = self._now

    def _on_command(self, sent: Any) -> None:
        self._act(sent.steer, sent.throttle - sent.brake)

    def _act(self, steer: float, drive: float) -> None:
        self._scene.action = (steer, drive) if math.isfinite(steer) and math.isfinite(drive) else None

    def _on_objects(self, sent: Any) -> None:
        self._scene.traffic = traffic_boxes(sent)

    def _on_markers(self, sent: Any) -> None:
        borders = []
        for marker in sent.markers:
            points = np.array([(point.x, point.y, point.z) for point in marker.points]).reshape(-1, 2, 3)
            borders += list(points)
        self._page.lanes(borders)

    def _on_collision(self, sent: Any) -> None:
        self._news.event("WARN", f"collision with vehicle {sent.other_actor_id}", "collision", self._now)

    def _on_reward(self, sent: Any) -> None:
        if self._actor not in ("", sent.actor_id):
            return
        self._step = int(sent.step)
        self._page.at(self._now, self._step)
        self._scene.reward = sent.total
        self._page.reward(tuple(sent.names), [float(value) for value in sent.values], sent.total)

    def _on_learner_status(self, sent: Any) -> None:
        self._news.learner(sent)
        if not sent.log_point:
            return
        values = dict(zip(sent.tags, sent.values))
        shown = {name: values[tag] for tag, name in entities.Q_CURVES.items() if tag in values}
        if shown:
            self._page.at(self._now, int(sent.inserted))
            self._page.curves(entities.Q_VALUES, tuple(shown), [float(value) for value in shown.values()])
            self._page.at(self._now, self._step)
        self._scene.q_value = values.get("train/q1_value", self._scene.q_value)

    def _on_episode(self, sent: Any) -> None:
        if self._actor in ("", sent.actor_id):
            self._scene.action = None
            reason = ExitReason(sent.exit_reason).name.lower().replace("_", " ")
            self._news.episode(int(sent.episode_id), reason, sent.route_completion, sent.episode_return)

    def _on_evaluation(self, sent: Any) -> None:
        if sent.tags:
            values = dict(zip(sent.tags, sent.values))
            shown = ", ".join(f"{tag.removeprefix('eval/')} {value:.3g}" for tag, value in list(values.items())[:3])
            self._news.say("OK", f"evaluation at step {sent.step}: {shown}")

    def _on_guard(self, sent: Any) -> None:
        word = ("goes on", "pauses the run", "ends the run")[sent.order] if sent.order < 3 else f"order {sent.order}"
        self._news.state("guard", "OK" if sent.order == 0 else "ERROR", f"{word} {sent.reason}".strip())

    def _on_gate(self, sent: Any) -> None:
        self._gate_at, self._scene.gate = self._now, gate_of(sent)
        # Shares and ages change with every message; what is news is the mode.
        self._news.state("gate", self._scene.gate.level, re.split("[,:]", self._scene.gate.message)[0])
        if math.isfinite(sent.steer):
            self._act(sent.steer, sent.throttle - sent.brake)

    def _on_diagnostics(self, sent: Any) -> None:
        for status in sent.status:
            level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            self._news.state(status.name, ("OK", "WARN", "ERROR", "STALE")[min(level, 3)], status.message)

    # What is shown at the rate.

    def _show_pending(self) -> None:
        """Show the waiting image once the odometry of its frame is there: they come in either order."""
        if self._pending is None:
            return
        stamp_ns = decoding.nanoseconds(self._pending.header.stamp)
        known = bool(self._states) and self._states[-1].stamp_ns >= stamp_ns
        if not known and self._now - self._state_at < STATES_SILENT:
            return
        sent, self._pending = self._pending, None
        self._image_due = self._now + self._period
        vehicle = min(self._states, key=lambda state: abs(state.stamp_ns - stamp_ns)) if known else None
        camera = camera_model(self._intrinsics, self._mount) if self._intrinsics and self._mount else None
        self._page.picture(draw(bgr_image(sent), self._scene, vehicle, camera, ROWS))

    def _refresh(self) -> None:
        if self._now < self._scene_due:
            return
        self._scene_due = self._now + self._period
        silent = self._now - self._gate_at
        if self._scene.gate is not None and silent > GATE_SILENT:
            self._scene.gate = GateState("ERROR", f"silent for {silent:.0f} s")
            self._news.state("gate", "ERROR", "silent")
        if self._now >= self._route_due:
            self._route_due = self._now + ROUTE_AGAIN
            self._page.route(self._scene.route)
        self._page.scene(self._scene, self._way.points)
        self._news.show(self._scene, self._step)
