# SPDX-License-Identifier: Apache-2.0
"""The visualizer node: a camera image with the scene in it, markers, and the frames of REP 105.

It only observes. It subscribes to an input, best effort, only while its output has subscribers, so that it holds
nobody up; the run goes on without it.
"""

from __future__ import annotations

import array
import math
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from carla_msgs.msg import CarlaEgoVehicleControl
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry, Path
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image
from td3_driving_msgs.msg import GateStatus, LearnerStatus, RewardTerms
from visualization_msgs.msg import MarkerArray

from td3_driving.driving import decoding, topics
from td3_driving.driving.topics import EGO
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.live.messages import bgr_image, camera_model, gate_of, traffic_boxes
from td3_driving.nodes.ros import conversions, qos
from td3_driving.nodes.ros.entry import leave, run, spin
from td3_driving.nodes.ros.markers import marker_array
from td3_driving.nodes.ros.optional_messages import message
from td3_driving.nodes.view.conversions import stamped
from td3_driving.nodes.view.options import read_options
from td3_driving.view.odom_frame import OdomFrame, Transform
from td3_driving.view.overlay import draw
from td3_driving.view.rviz import viewer_environment
from td3_driving.view.scene import GateState, Scene

LOOK = 0.2
"""Wall time between two checks of which outputs have subscribers [s]."""
STATES_KEPT = 50
"""Vehicle states among which that of an image is looked for: an image takes longer on its way than a state."""
STATES_SILENT = 1.0
"""Wall time without odometry after which images no longer wait for theirs [s]."""
GATE_SILENT = 1.0
"""Wall time without a status from a command gate after which it counts as gone [s]."""
GATE_SENDS_NOTHING = (GateStatus.WAITING, GateStatus.DISENGAGED)
REFUSALS = (ValueError, OSError, ImportError, ParameterException)
"""Errors of bad parameters and a bad installation: one sentence, exit code 2."""


class Tap:
    """A subscription that exists only while it is wanted."""

    def __init__(self, node: Node, kind: Any, topic: str, callback: Callable[[Any], None], profile: QoSProfile) -> None:
        self._node, self._what = node, (kind, topic, callback, profile)
        self._subscription: Subscription | None = None

    def want(self, wanted: bool) -> None:
        """Open or close it."""
        if wanted and self._subscription is None:
            self._subscription = self._node.create_subscription(*self._what)
        elif not wanted and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None


class VisualizerNode(Node):
    """Converts its inputs for :class:`Scene` and publishes the drawings."""

    def __init__(self) -> None:
        super().__init__("visualizer")
        self._options = read_options(self)
        self._scene = Scene()
        self._odom_frame = OdomFrame()
        self._pending: Image | None = None
        self._states: deque[VehicleState] = deque(maxlen=STATES_KEPT)
        self._image_due = self._state_at = 0.0
        self._intrinsics: CameraInfo | None = None
        self._mount: TransformStamped | None = None
        self._objects: Any = None
        self._gate_at = 0.0
        self._tf_message = message("tf2_msgs", "TFMessage")
        self._wire()

    def _wire(self) -> None:
        self._image = self.create_publisher(Image, topics.VIEW_IMAGE, qos.BRIDGE)
        self._markers = self.create_publisher(MarkerArray, topics.MARKERS, qos.MARKERS)
        self._tf = self.create_publisher(self._tf_message, "tf", qos.TF)
        looking, latched = qos.onlooker(1), qos.BRIDGE_LATCHED_ONE
        self._frame_taps = [Tap(self, Odometry, topics.ODOMETRY, self._on_odometry, qos.onlooker(STATES_KEPT))]
        self._scene_taps = [
            Tap(self, Path, topics.ROUTE, self._on_route, latched),
            Tap(self, CarlaEgoVehicleControl, topics.COMMAND, self._on_command, looking),
            Tap(self, RewardTerms, topics.REWARD, self._on_reward, looking),
            Tap(self, LearnerStatus, topics.LEARNER_STATUS, self._on_learner_status, qos.STATUS),
            Tap(self, GateStatus, topics.GATE_STATUS, self._on_gate, looking),
        ]
        if self._options.traffic:
            objects = message("derived_object_msgs", "ObjectArray")
            self._scene_taps.append(Tap(self, objects, topics.OBJECTS, self._on_objects, looking))
        camera = f"{EGO}/rgb_front"
        self._camera_taps = [
            Tap(self, CameraInfo, f"{camera}/camera_info", self._on_camera_info, looking),
            Tap(self, Image, f"{camera}/image", self._on_image, looking),
        ]
        self._mount_tap = Tap(self, self._tf_message, "tf", self._on_tf, qos.TF)
        # A wall timer: subscribers come and go even while simulated time stands still.
        wall = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(LOOK, self._look, clock=wall)
        self.create_timer(1.0 / self._options.rate, self._publish_markers, clock=wall)

    def _look(self) -> None:
        """Open the inputs of outputs with subscribers, close the others."""
        image = self._image.get_subscription_count() > 0
        scene = image or self._markers.get_subscription_count() > 0
        frames = self._options.publish_tf and self._tf.get_subscription_count() > 0
        for taps, wanted in (
            (self._camera_taps, image),
            ([self._mount_tap], image and self._mount is None),
            (self._scene_taps, scene),
            (self._frame_taps, scene or frames),
        ):
            for tap in taps:
                tap.want(wanted)

    # Inputs: each converts and passes on.

    def _on_route(self, sent: Path) -> None:
        self._scene.take_route(conversions.path_points(sent))

    def _on_command(self, sent: CarlaEgoVehicleControl) -> None:
        self._take_action(sent.steer, sent.throttle - sent.brake)

    def _take_action(self, steer: float, drive: float) -> None:
        self._scene.action = (steer, drive) if math.isfinite(steer) and math.isfinite(drive) else None

    def _on_reward(self, sent: RewardTerms) -> None:
        if self._options.actor_id in ("", sent.actor_id):
            self._scene.reward = sent.total

    def _on_learner_status(self, sent: LearnerStatus) -> None:
        if sent.log_point:
            values = dict(zip(sent.tags, sent.values))
            self._scene.q_value = values.get("train/q1_value", self._scene.q_value)

    def _on_gate(self, sent: GateStatus) -> None:
        self._gate_at, self._scene.gate = time.monotonic(), gate_of(sent)
        if sent.mode not in GATE_SENDS_NOTHING:
            self._take_action(sent.steer, sent.throttle - sent.brake)

    def _on_objects(self, sent: Any) -> None:
        self._objects = sent

    def _on_camera_info(self, sent: CameraInfo) -> None:
        self._intrinsics = sent

    def _on_tf(self, sent: Any) -> None:
        camera = None if self._intrinsics is None else self._intrinsics.header.frame_id
        for transform in sent.transforms:
            if transform.child_frame_id == camera and transform.header.frame_id != conversions.MAP_FRAME:
                self._mount = transform

    def _on_odometry(self, sent: Odometry) -> None:
        vehicle = decoding.vehicle_state(sent)
        self._scene.take_vehicle(vehicle)
        if vehicle.finite():
            self._states.append(vehicle)
            self._state_at = time.monotonic()
            self._publish_frames(sent, vehicle)
        self._draw_pending()

    def _on_image(self, sent: Image) -> None:
        now = time.monotonic()
        if now < self._image_due:
            return
        self._image_due = now + 1.0 / self._options.rate
        if now - self._state_at > STATES_SILENT:
            self._draw(sent, None)
            return
        self._pending = sent
        self._draw_pending()

    # Outputs.

    def _draw_pending(self) -> None:
        """The image and the odometry of a frame come in either order: the image waits for its own."""
        if self._pending is None or not self._states:
            return
        stamp_ns = decoding.nanoseconds(self._pending.header.stamp)
        if self._states[-1].stamp_ns >= stamp_ns:
            self._draw(self._pending, min(self._states, key=lambda state: abs(state.stamp_ns - stamp_ns)))
            self._pending = None

    def _draw(self, sent: Image, vehicle: VehicleState | None) -> None:
        self._refresh()
        try:
            camera = camera_model(self._intrinsics, self._mount) if self._intrinsics and self._mount else None
            picture = draw(bgr_image(sent), self._scene, vehicle, camera, self._options.image_height)
        except ValueError as error:
            self.get_logger().warning(f"camera image not shown: {error}", throttle_duration_sec=10.0)
            return
        height, width, channels = picture.shape
        shown = Image(header=sent.header, height=height, width=width, encoding="bgr8", step=channels * width)
        shown.data = array.array("B", picture.tobytes())
        self._image.publish(shown)

    def _publish_markers(self) -> None:
        if self._markers.get_subscription_count() > 0:
            self._refresh()
            self._markers.publish(marker_array(self._scene.shapes()))

    def _refresh(self) -> None:
        """Do the periodic work that is not needed for every message."""
        silent = time.monotonic() - self._gate_at
        if self._scene.gate is not None and silent > GATE_SILENT:
            self._scene.gate = GateState("ERROR", f"silent for {silent:.0f} s")
        if self._objects is not None:
            self._scene.traffic = traffic_boxes(self._objects)
            self._objects = None

    def _publish_frames(self, sent: Odometry, vehicle: VehicleState) -> None:
        """Publish only with poses in the map: a system with other poses has its own tree of frames."""
        options = self._options
        wanted = options.publish_tf and sent.header.frame_id == conversions.MAP_FRAME
        if not wanted or sent.child_frame_id == options.base_frame:
            return
        at, q = sent.pose.pose.position, sent.pose.pose.orientation
        pose = Transform(at.x, at.y, at.z, q.x, q.y, q.z, q.w)
        links = (sent.header.frame_id, options.odom_frame), (options.odom_frame, options.base_frame)
        split = self._odom_frame.split(vehicle.stamp_ns, pose, vehicle.speed)
        transforms = [stamped(sent.header, *link, part) for link, part in zip(links, split)]
        self._tf.publish(self._tf_message(transforms=transforms))

    def live(self) -> None:
        """Handle messages and timers."""
        spin(self)

    def close(self) -> None:
        """Do nothing: there is nothing to save."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``visualizer``."""
    os.environ.update(viewer_environment(os.environ))
    leave(run(VisualizerNode, arguments, REFUSALS))


if __name__ == "__main__":
    main()
