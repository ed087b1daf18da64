# SPDX-License-Identifier: Apache-2.0
"""An episode of the embedded simulator that the deployed node drives, and the same one as training drives it."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from carla_msgs.msg import CarlaEgoVehicleControl
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from td3_driving_msgs.msg import PolicyTick
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.deploy.driver import fingerprint
from td3_driving.driving.decoding import nanoseconds, vehicle_state
from td3_driving.driving.drivers import Situation
from td3_driving.driving.episode import EpisodeRecord
from td3_driving.driving.image_formats import picture
from td3_driving.driving.navigation import LocalisationError
from td3_driving.driving.observation import Observation, camera_frame
from td3_driving.driving.pilot import Pilot
from td3_driving.driving.route import Route
from td3_driving.driving.state_vector import state_dim
from td3_driving.driving.synchroniser import Synchroniser
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.in_process.run import PilotedWorld
from td3_driving.learning.inference import ActorPolicy
from td3_driving.nodes.ros.conversions import quaternion, route_points
from td3_driving.settings import LocalisationSettings, Settings

from ..shared.patience import HANG
from .bridge_harness import EGO, Client, start, stop
from .deploy_harness import TICK, change_state, start_drive

IMAGE, ODOMETRY, ROUTE, COMMAND = (
    f"{EGO}/{name}" for name in ("rgb_front/image", "odometry", "waypoints", "vehicle_control_cmd")
)
NOISY = "receiver/odometry"
"""Odometry with the error of a receiver; the deployed node hears it in the place of the simulator's."""
HEARD = {
    IMAGE: (Image, "sensor_msgs/msg/Image"),
    ODOMETRY: (Odometry, "nav_msgs/msg/Odometry"),
    NOISY: (Odometry, "nav_msgs/msg/Odometry"),
    ROUTE: (PathMessage, "nav_msgs/msg/Path"),
    COMMAND: (CarlaEgoVehicleControl, "carla_msgs/msg/CarlaEgoVehicleControl"),
    TICK: (PolicyTick, "td3_driving_msgs/msg/PolicyTick"),
}
EVERYTHING = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5000, reliability=ReliabilityPolicy.RELIABLE)
EVERYTHING_LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def training_policy_drives(
    settings: Settings, weights: bytes, seed: int, frames: int
) -> tuple[NDArray[np.float32], EpisodeRecord]:
    """One episode of the policy as training runs it, without exploration.

    Returns:
        The actions (N, 2) of at most ``frames`` frames, and the record of the episode.
    """
    policy = ActorPolicy(settings, state_dim(settings.observation))
    version = policy.load(weights)
    actions: list[NDArray[np.float32]] = []

    def choose(observation: Observation, _: Situation) -> tuple[NDArray[np.float32], int]:
        actions.append(policy.act(observation.stack, observation.state))
        return actions[-1], version

    scene, pilot = PilotedWorld(settings), Pilot(settings, "test", 0, choose)
    scene.start(pilot, seed)
    while len(actions) < frames:
        frame, time_step = scene.look(pilot)
        scored = pilot.score(time_step, bool(frame.collisions))
        if scored is not None and scored.exit_reason is not None:
            break
        scene.act(pilot, time_step)
    assert pilot.record is not None
    return np.stack(actions), pilot.record


@dataclass
class Drive:
    """What was heard of one episode that the deployed node drove.

    Attributes:
        begin: stamp of its first frame [ns].
        ticks: decisions, one per frame.
        messages: everything else, by topic.
        odometry: the topic that the node heard it on.
    """

    begin: int
    ticks: list[PolicyTick]
    messages: dict[str, list[Any]]
    odometry: str

    def of_episode(self, topic: str) -> list[Any]:
        """Messages on a topic from the first frame of the episode to the last that was decided on, in order."""
        last = nanoseconds(self.ticks[-1].sensor_stamp)
        return [m for m in self.messages[topic] if self.begin <= nanoseconds(m.header.stamp) <= last]


class Receiver:
    """Gives the simulator's odometry on with the error that training adds to its positions in the same episode."""

    def __init__(self, client: Client, settings: Settings, seed: int) -> None:
        self._settings, self._seed = settings, seed
        self._error: LocalisationError | None = None
        self._held: list[Odometry] = []
        self._publisher = client.node.create_publisher(Odometry, f"/{NOISY}", EVERYTHING)
        client.node.create_subscription(Odometry, f"/{ODOMETRY}", self._on_odometry, EVERYTHING)

    def hold(self) -> None:
        """Give nothing on until it is known where the episode begins."""
        self._error = None
        self._held.clear()

    def release(self, begin: int) -> None:
        """The first frame of the episode is the one stamped ``begin`` [ns]."""
        fixed_delta = self._settings.simulator.fixed_delta
        self._error = LocalisationError(self._settings.localisation, fixed_delta, self._seed)
        for message in self._held:
            if nanoseconds(message.header.stamp) >= begin:
                self._give_on(message, self._error)
        self._held.clear()

    def _on_odometry(self, message: Odometry) -> None:
        if self._error is None:
            self._held.append(message)
        else:
            self._give_on(message, self._error)

    def _give_on(self, message: Odometry, error: LocalisationError) -> None:
        believed = error.apply(vehicle_state(message))
        noisy = Odometry(header=message.header, child_frame_id=message.child_frame_id, twist=message.twist)
        noisy.pose.pose.position.x, noisy.pose.pose.position.y = believed.x, believed.y
        noisy.pose.pose.position.z = message.pose.pose.position.z
        noisy.pose.pose.orientation = quaternion(believed.yaw)
        self._publisher.publish(noisy)


class Episode:
    """One episode on the embedded simulator, driven without torch.

    Args:
        seed: of the episode.
        frames: to be decided on.
    """

    def __init__(self, domain: int, settings: Settings, bundle: Path, seed: int, frames: int) -> None:
        self._settings, self._seed, self._frames = settings, seed, frames
        simulator = settings.simulator
        names = ("map", "route", "vehicles", "camera_width", "camera_height", "camera_fov", "fixed_delta")
        values = {name: getattr(simulator, name) for name in names}
        self._simulator = start(domain, control_timeout=60.0, **values)
        noisy = settings.observation.state == "sensors"
        self._odometry = NOISY if noisy else ODOMETRY
        rules = [f"policy/command:={COMMAND}", *([f"{ODOMETRY}:={NOISY}"] if noisy else [])]
        self._node = start_drive(domain, bundle, *rules, autostart=False)
        self._client = Client(domain)
        for topic, (kind, _) in HEARD.items():
            self._client.listen(f"/{topic}", kind, EVERYTHING_LATCHED if topic == ROUTE else EVERYTHING)
        self._receiver = Receiver(self._client, settings, seed)

    def drive(self) -> Drive:
        """Let the node drive, and end everything."""
        client = self._client
        try:
            client.until(lambda: client.node.count_subscribers(IMAGE) >= 3)
            # The node hears one of the two kinds of odometry; this process hears the other one, too.
            client.until(lambda: client.node.count_subscribers(self._odometry) >= (2 if self._odometry == NOISY else 4))
            client.until(lambda: client.node.count_publishers(COMMAND) >= 2 and client.node.count_publishers(TICK) >= 1)
            assert change_state(client, "configure")
            begin = self._begin()
            ticks = client.until(lambda: self._after(begin), timeout=HANG)
        finally:
            stop(self._node, signal.SIGINT)
            client.listen_for(0.3)
            stop(self._simulator, signal.SIGTERM)
        messages = {topic: client.heard[f"/{topic}"] for topic in HEARD}
        client.close()
        return Drive(begin, ticks[: self._frames], messages, self._odometry)

    def _begin(self) -> int:
        """Activate the node and reset until a first frame is answered and heard of whole.

        Some go unheard while processes meet. A reset comes only when no command is under way: one for a frame before it
        would answer the first frame.

        Returns:
            Stamp of the first frame [ns].
        """
        client, heard = self._client, self._client.heard
        for _ in range(6):
            self._reset()
            self._until_quiet()
            assert change_state(client, "activate")
            begin = self._reset()
            for _ in range(100):
                client.listen_for(0.1)
                if all(begin in stamps_of(heard[f"/{topic}"]) for topic in HEARD if topic != ROUTE):
                    return begin
                if any(stamp > begin for stamp in stamps_of(heard[f"/{TICK}"])):
                    break
            assert change_state(client, "deactivate")
        raise AssertionError("no first frame was answered and heard of")

    def _reset(self) -> int:
        """Begin the episode; the stamp of its first frame [ns]."""
        request = ResetEpisode.Request(scenario=self._settings.simulator.scenario, seed=self._seed)
        self._receiver.hold()
        begin = nanoseconds(self._client.call(ResetEpisode, "td3/reset_episode", request).stamp)
        self._receiver.release(begin)
        return begin

    def _until_quiet(self) -> None:
        """Wait until no frame has come for half a second: the simulator waits for a command, and nobody sends one."""
        frames = -1
        for _ in range(60):
            if frames == (frames := len(self._client.heard[f"/{ODOMETRY}"])):
                return
            self._client.listen_for(0.5)
        raise AssertionError("somebody drives, though the drive node is inactive")

    def _after(self, begin: int) -> list[PolicyTick]:
        """The decisions of the episode that began at ``begin`` [ns], once there are enough."""
        ticks = self._client.heard[f"/{TICK}"]
        episode = [tick for tick in ticks if nanoseconds(tick.sensor_stamp) >= begin]
        return episode if len(episode) >= self._frames else []


def training_acts_on(
    drive: Drive, settings: Settings, weights: bytes, seed: int
) -> tuple[list[str], NDArray[np.float32]]:
    """What the classes of training make of the frames that the node heard, with the node's actions as their last ones.

    Returns:
        The fingerprint of each observation, and the actions (N, 2).
    """
    exact = LocalisationSettings(position_noise=0.0, position_bias=0.0, heading_noise=0.0)
    policy = ActorPolicy(settings, state_dim(settings.observation))
    policy.load(weights)
    done = {nanoseconds(tick.sensor_stamp): np.array((tick.steer, tick.drive), np.float32) for tick in drive.ticks}
    seen: list[str] = []
    actions: list[NDArray[np.float32]] = []

    def choose(observation: Observation, situation: Situation) -> tuple[NDArray[np.float32], int]:
        seen.append(fingerprint(observation))
        actions.append(policy.act(observation.stack, observation.state))
        return done[situation.vehicle.stamp_ns], 0

    pilot = Pilot(replace(settings, localisation=exact), "test", 0, choose)
    pilot.start(Route(route_points(drive.messages[ROUTE][-1])), 0, seed)
    sync: Synchroniser[NDArray[np.uint8], VehicleState] = Synchroniser(round(settings.simulator.fixed_delta * 1e9))
    odometry = {nanoseconds(m.header.stamp): vehicle_state(m) for m in drive.messages[drive.odometry]}
    for message in drive.of_episode(IMAGE):
        stamp = nanoseconds(message.header.stamp)
        sync.add_image(stamp, camera_frame(*picture(message), settings.observation))
        pair = sync.add_state(stamp, odometry[stamp])
        assert pair is not None
        pilot.act(pilot.see(*pair))
    return seen, np.stack(actions)


def stamps_of(messages: list[Any]) -> set[int]:
    """Stamps [ns] of the frames that messages belong to."""
    return {nanoseconds(m.sensor_stamp if isinstance(m, PolicyTick) else m.header.stamp) for m in messages}
