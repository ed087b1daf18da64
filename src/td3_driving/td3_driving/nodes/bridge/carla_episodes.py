# SPDX-License-Identifier: Apache-2.0
"""The CARLA node: episodes on a CARLA server, through its client and its ROS bridge.

:class:`td3_driving.carla.session.Session` makes all decisions in a thread of its own. This node
passes it the bridge's topics and publishes its orders.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future as ConcurrentFuture
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from typing import Any, NoReturn

from carla_msgs.msg import CarlaEgoVehicleControl, CarlaStatus
from geometry_msgs.msg import Point, Twist
from geometry_msgs.msg import Pose as PoseMessage
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Bool
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.carla.session import Answer, Order, Session, ending
from td3_driving.carla.sightings import Sightings
from td3_driving.carla.stack import Stack
from td3_driving.carla.teleport import Pose
from td3_driving.driving import decoding, topics
from td3_driving.driving.topics import EGO
from td3_driving.nodes.bridge import messages as convert
from td3_driving.nodes.ros import conversions, qos
from td3_driving.nodes.ros.entry import RunEnd, leave, run, until_context_ends
from td3_driving.nodes.ros.parameters import load_settings
from td3_driving.runs.profiles import config_directory

NEEDED = ("odometry", "rgb_front/image", "collision", "lane_invasion")
"""Topics of the ego that the policy cannot do without."""
ASKERS = 64
"""Requests that may be open at the same time: a policy that waits long repeats its request."""
CROSSING = 0.5
"""Wall time in which a repeated request may cross the answer to the first [s]."""
HOUSEKEEPING = 0.1
"""Wall time between two checks of the session [s]."""
END_TIMEOUT = 13.0
"""Wall time for the session to end [s]: less than a starter waits before it kills the process."""


class CarlaNode(Node):
    """Wires a session to the topics of the bridge and to the reset service."""

    def __init__(self) -> None:
        super().__init__("carla_episodes", automatically_declare_parameters_from_overrides=True)
        settings, own = load_settings(self, {"run_dir": ""})
        folder = (
            Path(own["run_dir"]) / "carla" if own["run_dir"] else Path(tempfile.mkdtemp(prefix="td3_driving_carla_"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        self._sightings = Sightings()
        stack = Stack(
            settings, _carla, EgoTopics(self), self._sightings, folder, config_directory(), dict(os.environ), self._say
        )
        self._session = Session(stack)
        self._thread = Thread(target=self._session.live, name="session", daemon=True)
        self._route = self.create_publisher(PathMessage, topics.ROUTE, qos.BRIDGE_LATCHED_ONE)
        self.create_subscription(CarlaStatus, topics.BRIDGE_STATUS, self._on_status, qos.BRIDGE)
        self.create_subscription(Odometry, topics.ODOMETRY, self._on_odometry, qos.BRIDGE)
        self.create_subscription(CameraInfo, topics.CAMERA_INFO, self._on_camera, qos.BRIDGE)
        self._episodes = EpisodeService(self, self._session.order, self._route.publish)

    def live(self) -> None:
        """Serve until the context ends; :class:`RunEnd` when the session gives up."""
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self)
        self._thread.start()
        self._episodes.start()
        while self.context.ok():
            executor.spin_once(timeout_sec=HOUSEKEEPING)
            if self._session.failure is not None:
                raise RunEnd(*ending(self._session.failure))

    def _say(self, text: str) -> None:
        self.get_logger().info(text)

    def _on_status(self, message: CarlaStatus) -> None:
        self._sightings.on_status(message.frame, message.synchronous_mode_running or not message.synchronous_mode)

    def _on_odometry(self, message: Odometry) -> None:
        self._sightings.on_state(decoding.vehicle_state(message))

    def _on_camera(self, _: CameraInfo) -> None:
        self._sightings.on_camera()

    def close(self) -> None:
        """End the session: the server goes on asynchronously, all started processes end."""
        self._session.stop()
        if self._thread.ident is not None:
            self._thread.join(END_TIMEOUT)


class EpisodeService:
    """The service ``td3/reset_episode``, from threads of its own: an answer takes seconds, or minutes after a crash.

    It has a node and an executor of its own. A coroutine in the executor of the subscriptions would starve them while
    it waits, and without them no episode ever becomes ready.

    Args:
        node: whose context and namespace it shares.
        order: asks for an episode.
        publish_route: called with the route of each.
    """

    def __init__(
        self, node: Node, order: Callable[[Order], None], publish_route: Callable[[PathMessage], None]
    ) -> None:
        self._order, self._publish_route = order, publish_route
        self._lock = Lock()
        self._pending: dict[tuple[int, int], ConcurrentFuture[Answer]] = {}
        self._settled_at = 0.0
        # Global arguments rename every node of the process; those of a node come first.
        rename = ["--ros-args", "-r", "__node:=carla_episodes_service"]
        self._node = Node(
            "carla_episodes_service", context=node.context, cli_args=rename, start_parameter_services=False
        )
        group = ReentrantCallbackGroup()
        self._node.create_service(ResetEpisode, topics.RESET_EPISODE, self._on_reset, callback_group=group)
        self._executor = MultiThreadedExecutor(num_threads=ASKERS, context=node.context)
        self._executor.add_node(self._node)

    def start(self) -> None:
        """Serve until the process ends."""
        Thread(target=self._serve, name="episodes", daemon=True).start()

    def _serve(self) -> None:
        with until_context_ends():
            self._executor.spin()

    def _on_reset(self, request: ResetEpisode.Request, response: ResetEpisode.Response) -> ResetEpisode.Response:
        """Give a repeated request for an episode in preparation the same answer as the first."""
        key = int(request.scenario), int(request.seed)
        with self._lock:
            self._forget_settled()
            first = key not in self._pending
            future = self._pending.setdefault(key, ConcurrentFuture())
        if first:
            self._order(Order(*key, done=lambda answer: self._settle(key, answer)))
        else:
            self._node.get_logger().info(f"asked again for the episode with seed {key[1]} of scenario {key[0]}")
        answer = future.result()
        response.success, response.message = answer.success, answer.message
        response.stamp = conversions.time_message(answer.stamp_ns)
        response.route = convert.path(answer.route, answer.stamp_ns)
        if first and answer.success:
            self._publish_route(response.route)
        return response

    def _settle(self, key: tuple[int, int], answer: Answer) -> None:
        with self._lock:
            self._settled_at = time.monotonic()
            self._pending[key].set_result(answer)

    def _forget_settled(self) -> None:
        """Keep an answer briefly, so that a repeated request which crossed it does not begin another reset."""
        if time.monotonic() - self._settled_at > CROSSING:
            self._pending = {key: future for key, future in self._pending.items() if not future.done()}


class EgoTopics:
    """The ego vehicle through the bridge's topics; see :class:`td3_driving.carla.teleport.Ego`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        publisher = partial(node.create_publisher, qos_profile=qos.BRIDGE)
        self._control = publisher(CarlaEgoVehicleControl, topics.COMMAND)
        self._transform = publisher(PoseMessage, f"{EGO}/control/set_transform")
        self._velocity = publisher(Twist, f"{EGO}/control/set_target_velocity")
        self._autopilot = publisher(Bool, f"{EGO}/enable_autopilot")

    def brake(self) -> None:
        """Full brakes; the steering straight."""
        self._control.publish(CarlaEgoVehicleControl(brake=1.0))

    def stop_motion(self) -> None:
        """Zero velocity in all axes."""
        self._velocity.publish(Twist())

    def teleport(self, pose: Pose) -> None:
        """A pose in the map frame."""
        position = Point(x=pose.x, y=pose.y, z=pose.z)
        self._transform.publish(PoseMessage(position=position, orientation=conversions.quaternion(pose.yaw)))

    def join_traffic_manager(self) -> None:
        """Make the bridge create a traffic manager: it does so even to switch an autopilot off."""
        self._autopilot.publish(Bool(data=False))

    def missing(self) -> list[str]:
        """Needed topics without a publisher."""
        names = (self._node.resolve_topic_name(f"{EGO}/{name}") for name in NEEDED)
        return [name for name in names if self._node.count_publishers(name) == 0]


def _carla() -> Any:
    import carla

    return carla


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the executable ``carla_episodes``."""
    leave(run(CarlaNode, arguments))


if __name__ == "__main__":
    main()
