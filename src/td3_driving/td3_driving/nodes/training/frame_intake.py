# SPDX-License-Identifier: Apache-2.0
"""Assembles the frames that a policy answers: image, odometry and, if needed, the other vehicles of one stamp.

Each frame also carries the events since the frame before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from carla_msgs.msg import CarlaCollisionEvent, CarlaLaneInvasionEvent
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from td3_driving_msgs.msg import PolicyFrame

from td3_driving.driving import decoding, topics
from td3_driving.driving.cameras import cameras
from td3_driving.driving.drivers import NOBODY, Neighbours
from td3_driving.driving.object_list import without
from td3_driving.driving.observation import ObservationError, frame_shape, one_frame
from td3_driving.driving.synchroniser import FrameParts, missed_at_start
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.driving.whole_frame import whole_frame
from td3_driving.nodes.ros import qos
from td3_driving.nodes.ros.fast_wait import take_message
from td3_driving.nodes.ros.sealed import Trust
from td3_driving.nodes.ros.senders import full_name, info_of, sender_of
from td3_driving.nodes.training.camera_frames import CameraFrames
from td3_driving.nodes.training.census import publishers
from td3_driving.nodes.training.object_source import ObjectSource
from td3_driving.nodes.training.sole_senders import SoleSenders
from td3_driving.settings import Settings


@dataclass(frozen=True, slots=True)
class SensorFrame:
    """One frame.

    Attributes:
        frame: uint8, see :func:`td3_driving.driving.observation.frame_shape`.
        collided: whether the vehicle collided since the frame before.
        crossings: how often it crossed a marking since then.
        neighbours: the other vehicles; empty where they are not asked for.
    """

    frame: np.ndarray
    vehicle: VehicleState
    collided: bool
    crossings: int
    neighbours: Neighbours = NOBODY


IMAGE, ODOMETRY, OBJECTS = "image", "odometry", "objects"
"""Parts of a frame; that of a further camera has the camera's name."""
WHOLE = "frame"
"""The only part of a frame that comes in one message."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """All parts of a frame, in their order; ``objects`` may hold the vehicle itself."""

    frame: np.ndarray
    vehicle: VehicleState
    objects: Neighbours = NOBODY


class FrameIntake:
    """Subscribes to the bridge's topics and passes on each complete frame of an episode once.

    Args:
        node: whose subscriptions these are.
        on_frame: gets every frame of the episode.
        on_fault: gets the reason why the episode is unusable: a lost frame, an unreadable image.
        others: whether a complete frame needs the other vehicles.
        senders: tells whose messages count; ``None`` takes all.
        whole: each frame comes in one message of the embedded simulator instead of on the bridge's topics.
        trust: tells whether such a message is sealed by the run; a node without a token takes unsigned ones.

    Attributes:
        subscriptions: the subscriptions to serve; a replacement is made in this same list.
        sender: GUID of the publisher of the newest part; ``None`` where ROS 2 does not tell.
    """

    def __init__(
        self,
        node: Node,
        settings: Settings,
        on_frame: Callable[[SensorFrame], None],
        on_fault: Callable[[str], None],
        others: bool = False,
        senders: SoleSenders | None = None,
        whole: bool = False,
        trust: Trust | None = None,
    ) -> None:
        self._node, self._senders, self._trust = node, senders, trust
        self._settings = settings.observation
        self._on_frame, self._on_fault = on_frame, on_fault
        self._camera_frames = CameraFrames(settings, on_fault)
        more = [place.name for place in cameras(self._settings)[1:]]
        self._space = node.get_namespace()
        named = {IMAGE: topics.IMAGE, ODOMETRY: topics.ODOMETRY, WHOLE: topics.FRAME}
        named |= {part: topics.image_of(part) for part in more}
        self._topics = {part: full_name(topic, self._space) for part, topic in named.items()}
        self._cameras = 1 + len(more)
        parts = (WHOLE,) if whole else (IMAGE, *more, ODOMETRY, *((OBJECTS,) if others else ()))
        self.sync = FrameParts(round(settings.simulator.fixed_delta * 1e9), parts)
        self._early: _Whole | None = None
        self.sender: bytes | None = None
        self._collisions: list[int] = []
        self._crossings = 0
        self._start_ns = self._lost_before = self._stale_before = 0
        self._begun = self.driving = False
        self.last_at = time.monotonic()
        self._events: list[Subscription] = []
        self.subscriptions: list[Subscription] = []
        self._objects: ObjectSource | None = None
        if whole and trust is not None and trust.sealed:
            self.subscriptions.append(trust.sealed_subscription(PolicyFrame, topics.FRAME, self._on_sealed, qos.BRIDGE))
        elif whole:
            self.subscriptions.append(node.create_subscription(PolicyFrame, topics.FRAME, self._on_whole, qos.BRIDGE))
        else:
            self._listen_to_the_bridge(more, others)

    def _listen_to_the_bridge(self, more: list[str], others: bool) -> None:
        subscribe = partial(self._node.create_subscription, qos_profile=qos.BRIDGE)
        self._events += [
            subscribe(CarlaCollisionEvent, topics.COLLISION, self._on_collision),
            subscribe(CarlaLaneInvasionEvent, topics.LANE_INVASION, self._on_crossing),
        ]
        self.subscriptions += [
            *self._events,
            subscribe(Image, topics.IMAGE, partial(self._on_image, IMAGE)),
            *(subscribe(Image, topics.image_of(part), partial(self._on_image, part)) for part in more),
            subscribe(Odometry, topics.ODOMETRY, self._on_odometry),
        ]
        if others:
            self._objects = ObjectSource(self._node, self._on_objects, self._on_fault)
            self.subscriptions.append(self._objects.subscription)

    def before_first_frame(self, now: float) -> str:
        """Return the input that the first frame still lacks; ``now``: monotonic time [s]."""
        if self._objects is None:
            return ""
        before, missing = self._objects.subscription, self._objects.missing(now)
        self.subscriptions[self.subscriptions.index(before)] = self._objects.subscription
        return missing

    def silence(self, now: float) -> float:
        """Return the wall time since the last frame of the episode, or since its start [s]."""
        return now - self.last_at

    def silent(self, now: float) -> str:
        """Describe which inputs are missing since the last frame."""
        *most, last = self.sync.names
        missing = ", ".join(self.sync.missing) or "nothing, but no stamp has all parts"
        parts = f"{', '.join(most)} and {last} with one stamp" if most else f"topic {self._topics[last]}"
        others = "".join(map(self._several, self.sync.missing))
        return f"no complete frame ({parts}) for {self.silence(now):.0f} s; missing: {missing}{others}"

    def stop(self) -> None:
        """End the episode; no further frames are passed on."""
        self.driving = False

    def forget(self) -> None:
        """Drop all inputs received so far; call before the world is reset."""
        self._early = None
        self._camera_frames.forget()
        self.sync.restart()

    def start(self, stamp_ns: int) -> None:
        """Begin an episode with the first frame at or after ``stamp_ns`` (simulated time).

        Raises:
            RunEnd: the camera is not the one of the settings.
        """
        self._camera_frames.begin()
        self._collisions.clear()
        self._crossings = 0
        self._start_ns, self._begun, self.driving = stamp_ns, False, True
        self.last_at = time.monotonic()
        # The first frame may have overtaken the answer that announces it, and the simulator waits for its command.
        if self._early is not None:
            early, self._early = self._early, None
            self._take(early)

    def _on_image(self, part: str, message: Image, info: Mapping[str, Any]) -> None:
        if not self._counts(self._topic(part), info):
            return
        frame = self._camera_frames.frame(message, self.driving)
        if frame is not None:
            self._add(part, decoding.nanoseconds(message.header.stamp), frame)

    def _on_odometry(self, message: Odometry, info: Mapping[str, Any]) -> None:
        if not self._counts(self._topic(ODOMETRY), info):
            return
        vehicle = decoding.vehicle_state(message)
        self._add(ODOMETRY, vehicle.stamp_ns, vehicle)

    def _on_sealed(self, message: PolicyFrame) -> None:
        assert self._trust is not None
        self._on_whole(message, info_of(self._trust.sender))

    def _on_whole(self, message: PolicyFrame, info: Mapping[str, Any]) -> None:
        if not self._counts(self._topic(WHOLE), info):
            return
        try:
            whole = _Whole(*whole_frame(message, frame_shape(self._settings)))
        except ObservationError as error:
            self._on_fault(f"unusable frame: {error}")
            return
        stamp_ns = whole.vehicle.stamp_ns
        self._collisions += [stamp_ns] * (message.collisions > 0)
        self._crossings += self.driving and message.lane_invasions > 0 and stamp_ns > self._start_ns
        self._add(WHOLE, stamp_ns, whole)

    def _on_objects(self, stamp_ns: int, objects: Neighbours, info: Mapping[str, Any]) -> None:
        if self._counts(self._topic(OBJECTS), info):
            self._add(OBJECTS, stamp_ns, objects)

    def _topic(self, part: str) -> str:
        """Full name of the topic of a part."""
        if part == OBJECTS and self._objects is not None:
            return str(self._objects.subscription.topic_name)
        return self._topics[part]

    def _counts(self, topic: str, info: Mapping[str, Any]) -> bool:
        counts = self._senders is None or self._senders.takes(topic, info, self.driving)
        self.sender = sender_of(info) if counts else self.sender
        return counts

    def _event_counts(self, topic: str, info: Mapping[str, Any]) -> bool:
        return self._senders is None or self._senders.takes_event(full_name(topic, self._space), info)

    def _add(self, part: str, stamp_ns: int, item: np.ndarray | VehicleState | Neighbours | _Whole) -> None:
        whole = self.sync.add(part, stamp_ns, item)
        stale, self._stale_before = self.sync.counts.stale - self._stale_before, self.sync.counts.stale
        if stale and self.driving:
            # Each topic is in order, so only a restarted simulator sets its clock back.
            self._on_fault(f"the clock went back to {stamp_ns * 1e-9:.2f} s{self._several(part)}")
        elif whole is not None and part == WHOLE:
            self._take(whole[0])
        elif whole is not None:
            self._take(_Whole(one_frame(whole[: self._cameras]), *whole[self._cameras :]))

    def _several(self, part: str) -> str:
        """Who publishes a part, where there are several; else an empty text."""
        known = publishers(self._node, self._topic(part))
        names = ", ".join(f"{end.node} (GUID {end.guid})" for end in known)
        return f"; {len(known)} publishers on {self._topic(part)}: {names}" if len(known) > 1 else ""

    def _on_collision(self, message: CarlaCollisionEvent, info: Mapping[str, Any]) -> None:
        if not self._event_counts(topics.COLLISION, info):
            return
        self._collisions.append(decoding.nanoseconds(message.header.stamp))

    def _on_crossing(self, message: CarlaLaneInvasionEvent, info: Mapping[str, Any]) -> None:
        if not self._event_counts(topics.LANE_INVASION, info):
            return
        if self.driving and decoding.nanoseconds(message.header.stamp) > self._start_ns:
            self._crossings += 1

    def _take(self, whole: _Whole) -> None:
        vehicle = whole.vehicle
        self._take_events()
        lost, self._lost_before = self.sync.counts.lost - self._lost_before, self.sync.counts.lost
        if not self.driving:
            self._early = whole
            return
        if vehicle.stamp_ns < self._start_ns:
            return
        self.last_at = time.monotonic()
        if not self._begun:
            lost = missed_at_start(self._start_ns, vehicle.stamp_ns, self.sync.frame_time_ns)
            self._begun = True
        if lost:
            self._on_fault(f"{lost} frame(s) lost before the one at {vehicle.stamp_ns * 1e-9:.2f} s")
            return
        collided = any(self._start_ns < at <= vehicle.stamp_ns for at in self._collisions)
        sensor_frame = SensorFrame(whole.frame, vehicle, collided, self._crossings, without(vehicle, whole.objects))
        self._collisions = [at for at in self._collisions if at > vehicle.stamp_ns]
        self._crossings = 0
        self._on_frame(sensor_frame)

    def _take_events(self) -> None:
        """Take all events of the frame before it is completed.

        Events come before the odometry of their frame, but a wait checks one subscription after the other and may
        return the odometry first.
        """
        for subscription in self._events:
            while take_message(subscription):
                pass
