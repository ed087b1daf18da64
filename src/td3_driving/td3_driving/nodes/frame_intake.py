"""The frames that a policy answers: image and odometry of one stamp, and what happened since the frame before."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from carla_msgs.msg import CarlaCollisionEvent, CarlaLaneInvasionEvent
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image

from td3_driving.driving.observation import ObservationError, camera_frame
from td3_driving.driving.synchroniser import Synchroniser, missed_at_start
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.nodes import conversions, qos
from td3_driving.nodes.fast_wait import take_message
from td3_driving.settings import Settings

EGO = "carla/ego_vehicle"


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame: grey (height, width) uint8, the vehicle, whether it collided and how often it crossed a marking."""

    grey: np.ndarray
    vehicle: VehicleState
    collided: bool
    crossings: int


class FrameIntake:
    """Subscribes to the bridge's topics and hands on the frames of an episode, each once and complete.

    Args:
        node: whose subscriptions these are.
        on_frame: gets every frame of the episode.
        on_fault: gets what makes the episode unusable: a lost frame, an image that cannot be read.
    """

    def __init__(
        self, node: Node, settings: Settings, on_frame: Callable[[Moment], None], on_fault: Callable[[str], None]
    ) -> None:
        self._settings = settings.observation
        self._on_frame, self._on_fault = on_frame, on_fault
        self.sync: Synchroniser[np.ndarray, VehicleState] = Synchroniser(round(settings.simulator.fixed_delta * 1e9))
        self._early: tuple[np.ndarray, VehicleState] | None = None
        self._collisions: list[int] = []
        self._crossings = 0
        self._start_ns = 0
        self._begun = False
        self._lost_before = self._stale_before = 0
        self.driving = False
        self.last_at = time.monotonic()
        self._events: list[Subscription] = [
            node.create_subscription(CarlaCollisionEvent, f"{EGO}/collision", self._on_collision, qos.BRIDGE),
            node.create_subscription(CarlaLaneInvasionEvent, f"{EGO}/lane_invasion", self._on_crossing, qos.BRIDGE),
        ]
        self.subscriptions: list[Subscription] = [
            *self._events,
            node.create_subscription(Image, f"{EGO}/rgb_front/image", self._on_image, qos.BRIDGE),
            node.create_subscription(Odometry, f"{EGO}/odometry", self._on_odometry, qos.BRIDGE),
        ]

    def silence(self, now: float) -> float:
        """Wall time since the last frame of the episode, or since its start [s]."""
        return now - self.last_at

    def stop(self) -> None:
        """The episode is over: frames are no longer handed on."""
        self.driving = False

    def forget(self) -> None:
        """The world is about to be reset: what came so far belongs to the past."""
        self._early = None
        self.sync.restart()

    def start(self, stamp_ns: int) -> None:
        """An episode begins with the frame of ``stamp_ns`` (simulated time) or a later one."""
        self._collisions.clear()
        self._crossings = 0
        self._start_ns = stamp_ns
        self._begun = False
        self.driving = True
        self.last_at = time.monotonic()
        # The first frame may have overtaken the answer that announces it, and the simulator waits for its command.
        if self._early is not None:
            early, self._early = self._early, None
            self._take(*early)

    def _on_image(self, message: Image) -> None:
        try:
            frame = camera_frame(conversions.image_array(message), message.encoding, self._settings)
        except ObservationError as error:
            self._on_fault(f"unusable camera image: {error}")
            return
        stamp_ns = conversions.nanoseconds(message.header.stamp)
        self._hand_on(self.sync.add_image(stamp_ns, frame), stamp_ns)

    def _on_odometry(self, message: Odometry) -> None:
        vehicle = conversions.vehicle_state(message)
        self._hand_on(self.sync.add_state(vehicle.stamp_ns, vehicle), vehicle.stamp_ns)

    def _hand_on(self, pair: tuple[np.ndarray, VehicleState] | None, stamp_ns: int) -> None:
        stale, self._stale_before = self.sync.counts.stale - self._stale_before, self.sync.counts.stale
        if stale and self.driving:
            # Each topic is in order, so that only a simulator which was started anew can do this.
            self._on_fault(f"the clock went back to {stamp_ns * 1e-9:.2f} s")
        elif pair is not None:
            self._take(*pair)

    def _on_collision(self, message: CarlaCollisionEvent) -> None:
        self._collisions.append(conversions.nanoseconds(message.header.stamp))

    def _on_crossing(self, message: CarlaLaneInvasionEvent) -> None:
        if self.driving and conversions.nanoseconds(message.header.stamp) > self._start_ns:
            self._crossings += 1

    def _take(self, frame: np.ndarray, vehicle: VehicleState) -> None:
        self._take_events()
        lost, self._lost_before = self.sync.counts.lost - self._lost_before, self.sync.counts.lost
        if not self.driving:
            self._early = frame, vehicle
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
        moment = Moment(frame, vehicle, collided, self._crossings)
        self._collisions = [at for at in self._collisions if at > vehicle.stamp_ns]
        self._crossings = 0
        self._on_frame(moment)

    def _take_events(self) -> None:
        """Events come before the odometry of their frame, but a wait may notice the odometry alone.

        It looks at one subscription after the other: what came after its look at the events waits for the next one.
        """
        for subscription in self._events:
            while take_message(subscription):
                pass
