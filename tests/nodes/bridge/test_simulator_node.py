# SPDX-License-Identifier: Apache-2.0
"""The simulator in its usual settings over real DDS, against the contract of the CARLA bridge."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("carla_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("derived_object_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("tf2_msgs", reason="the message packages are not built; run: make build")

from carla_msgs.msg import (
    CarlaEgoVehicleControl,
    CarlaEgoVehicleInfo,
    CarlaEgoVehicleStatus,
    CarlaStatus,
    CarlaWorldInfo,
)
from derived_object_msgs.msg import ObjectArray
from geometry_msgs.msg import Pose, Twist
from nav_msgs.msg import Odometry, Path
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, Imu, NavSatFix
from std_msgs.msg import Bool, Float32
from td3_driving_msgs.srv import ResetEpisode
from tf2_msgs.msg import TFMessage

from td3_driving.driving.decoding import nanoseconds
from td3_driving.nodes.ros import qos

from ..bridge_harness import EGO, Client, end, start

IMAGE, ODOMETRY = f"{EGO}/rgb_front/image", f"{EGO}/odometry"


@pytest.fixture(scope="module")
def simulator(module_domain_id: int) -> Iterator[int]:
    """The domain of a simulator in its usual settings, for all tests that need nothing else."""
    process = start(module_domain_id)
    yield module_domain_id
    end(process)


@pytest.fixture
def client(simulator: int) -> Iterator[Client]:
    """A newcomer to the usual simulator, which stands at the start of a route."""
    client = Client(simulator)
    client.first_frame()
    answer = client.call(ResetEpisode, "td3/reset_episode", ResetEpisode.Request(scenario=0, seed=1))
    client.until(lambda: client.last >= nanoseconds(answer.stamp))
    yield client
    client.close()


STAMPED = {
    f"{EGO}/vehicle_status": CarlaEgoVehicleStatus,
    f"{EGO}/rgb_front/camera_info": CameraInfo,
    f"{EGO}/imu": Imu,
    f"{EGO}/gnss": NavSatFix,
    f"{EGO}/objects": ObjectArray,
}
"""Topics of one frame, all with its stamp."""
PLAIN = {
    "clock": Clock,
    "carla/status": CarlaStatus,
    "tf": TFMessage,
    "carla/objects": ObjectArray,
    f"{EGO}/speedometer": Float32,
}


@pytest.fixture
def frame(client: Client) -> tuple[Client, Odometry]:
    """A frame after a command with full throttle and one that steers right; everything of it was heard."""
    for topic, kind in (STAMPED | PLAIN).items():
        client.listen(topic, kind)
    client.until(lambda: client.step() and all(client.heard[topic] for topic in STAMPED | PLAIN))
    client.step(throttle=1.0)
    client.step(throttle=0.5, steer=0.25)
    odometry = client.step()
    stamp = nanoseconds(odometry.header.stamp)
    client.until(lambda: all(stamp in client.stamps(topic) for topic in (IMAGE, *STAMPED)))
    client.until(lambda: stamp in [nanoseconds(message.clock) for message in client.heard["clock"]])
    return client, odometry


def test_camera_and_odometry_are_the_bridges(frame: tuple[Client, Odometry]) -> None:
    client, odometry = frame
    image = client.heard[IMAGE][-1]
    assert (image.encoding, image.step, len(image.data), image.is_bigendian) == ("bgra8", 256, 256 * 36, 0)
    assert image.header.frame_id == "ego_vehicle/rgb_front"
    info = client.heard[f"{EGO}/rgb_front/camera_info"][-1]
    assert info.k.tolist() == pytest.approx([32.0, 0.0, 32.0, 0.0, 32.0, 18.0, 0.0, 0.0, 1.0])
    assert (info.distortion_model, list(info.d)) == ("plumb_bob", [0.0] * 5)
    assert (odometry.header.frame_id, odometry.child_frame_id) == ("map", "ego_vehicle")
    assert not odometry.pose.covariance.any()
    assert not odometry.twist.covariance.any()
    assert 0.0 < odometry.twist.twist.linear.x < 1.0
    assert odometry.twist.twist.angular.z <= 0.0, "steered right"


def test_status_clock_and_frames_are_the_bridges(frame: tuple[Client, Odometry]) -> None:
    client, odometry = frame
    stamp = nanoseconds(odometry.header.stamp)
    status = client.heard[f"{EGO}/vehicle_status"]
    echoed = next(message for message in status if nanoseconds(message.header.stamp) == stamp).control
    assert (echoed.throttle, echoed.header.stamp.sec, echoed.header.frame_id) == (0.0, 0, "")
    assert any(message.control.steer == 0.25 for message in status)
    numbers = [message.frame for message in client.heard["carla/status"]]
    assert numbers == sorted(numbers)
    last = {topic: client.heard[topic][-1] for topic in STAMPED | PLAIN}
    assert last["carla/status"].synchronous_mode
    assert last["carla/status"].fixed_delta_seconds == pytest.approx(0.05)
    assert last[f"{EGO}/imu"].linear_acceleration.z == pytest.approx(9.81)
    assert len(last["carla/objects"].objects) == len(last[f"{EGO}/objects"].objects) + 1 == 4
    frames = {transform.child_frame_id: transform for message in client.heard["tf"] for transform in message.transforms}
    assert frames["ego_vehicle"].header.frame_id == "map"
    camera = frames["ego_vehicle/rgb_front"].transform
    assert (camera.translation.x, camera.translation.z) == (2.0, 2.0)
    assert [getattr(camera.rotation, axis) for axis in "xyzw"] == [-0.5, 0.5, -0.5, 0.5]


def test_latched_and_volatile_topics(client: Client) -> None:
    latched = {
        f"{EGO}/vehicle_info": (CarlaEgoVehicleInfo, qos.BRIDGE_LATCHED),
        "carla/world_info": (CarlaWorldInfo, qos.BRIDGE_LATCHED),
        f"{EGO}/waypoints": (Path, qos.BRIDGE_LATCHED_ONE),
    }
    for topic, (kind, profile) in latched.items():
        client.listen(topic, kind, profile)
    client.until(lambda: all(client.heard[topic] for topic in latched))
    info = client.heard[f"{EGO}/vehicle_info"][0]
    assert [wheel.max_steer_angle > 0 for wheel in info.wheels] == [True, True, False, False]
    assert [wheel.position.y > 0 for wheel in info.wheels] == [True, False, True, False]
    assert (info.rolename, info.mass > 0) == ("ego_vehicle", True)
    assert client.heard["carla/world_info"][0].map_name == "Carla/Maps/straight"
    assert "<OpenDRIVE" in client.heard["carla/world_info"][0].opendrive
    path = client.heard[f"{EGO}/waypoints"][0]
    assert (path.header.frame_id, len(path.poses)) == ("map", 301)
    assert path.poses[0].header.frame_id == ""
    for topic in (IMAGE, ODOMETRY, *latched):
        (profile,) = [entry.qos_profile for entry in client.node.get_publishers_info_by_topic(f"/{topic}")]
        expected = DurabilityPolicy.TRANSIENT_LOCAL if topic in latched else DurabilityPolicy.VOLATILE
        assert (profile.reliability, profile.durability) == (ReliabilityPolicy.RELIABLE, expected), topic


def test_a_frame_waits_for_its_command(client: Client) -> None:
    stamps = [client.last]
    client.listen_for(0.5)
    assert client.last == stamps[0], "no command, no frame"
    for _ in range(5):
        client.step(throttle=0.3)
        stamps.append(client.last)
    assert np.diff(stamps) == pytest.approx(np.full(5, 5e7), abs=2.0)
    assert client.stamps(ODOMETRY) == sorted(set(client.stamps(ODOMETRY)))


def test_a_reset_answers_a_waiting_frame(client: Client) -> None:
    for _ in range(10):
        client.step(throttle=1.0)
    before = client.last
    answer = client.call(ResetEpisode, "td3/reset_episode", ResetEpisode.Request(scenario=0, seed=3))
    assert answer.success, answer.message
    client.until(lambda: client.last > before)
    odometry = client.heard[ODOMETRY][-1]
    assert nanoseconds(answer.stamp) == nanoseconds(odometry.header.stamp)
    start_pose = answer.route.poses[0].pose.position
    assert (odometry.pose.pose.position.x, odometry.pose.pose.position.y) == (start_pose.x, start_pose.y)
    assert odometry.twist.twist.linear.x == 0.0
    refused = client.call(ResetEpisode, "td3/reset_episode", ResetEpisode.Request(scenario=7, seed=3))
    assert (refused.success, "scenario 7" in refused.message) == (False, True)


def test_commands_that_are_not_finite_do_not_count(client: Client) -> None:
    before = client.last
    client.send(steer=math.nan)
    client.listen_for(0.4)
    assert client.last == before
    assert math.isfinite(client.step(throttle=0.5).pose.pose.position.x)


def test_while_overridden_only_manual_commands_count(client: Client) -> None:
    manual = client.publisher(CarlaEgoVehicleControl, f"{EGO}/vehicle_control_cmd_manual")
    override = client.publisher(Bool, f"{EGO}/vehicle_control_manual_override", qos.BRIDGE_LATCHED_ONE)
    override.publish(Bool(data=True))
    client.settle()
    before = client.last
    client.send(throttle=1.0)
    client.listen_for(0.3)
    assert client.last == before
    manual.publish(CarlaEgoVehicleControl(throttle=1.0))
    client.until(lambda: client.last > before)
    override.publish(Bool(data=False))
    client.settle()
    client.step()


def test_teleports_keep_the_speed_and_renew_the_route(client: Client) -> None:
    client.listen(f"{EGO}/waypoints", Path, qos.BRIDGE_LATCHED_ONE)
    place = client.publisher(Pose, f"{EGO}/control/set_transform")
    velocity = client.publisher(Twist, f"{EGO}/control/set_target_velocity")
    twist = Twist()
    twist.linear.x = 6.0
    velocity.publish(twist)
    client.settle()
    client.step()
    pose = Pose()
    pose.position.x, pose.position.y, pose.orientation.w = 200.0, -1.75, 1.0
    place.publish(pose)
    client.settle()
    moved = client.step()
    assert moved.pose.pose.position.x == pytest.approx(200.3, abs=0.05)
    assert moved.twist.twist.linear.x == pytest.approx(6.0, abs=0.1)
    client.until(lambda: len(client.heard[f"{EGO}/waypoints"][-1].poses) == 201)


def test_image_and_odometry_always_share_a_stamp(client: Client) -> None:
    for _ in range(20):
        client.step(throttle=0.4, steer=0.05)
    images = [message for message in client.heard[IMAGE] if isinstance(message, Image)]
    shared = set(client.stamps(ODOMETRY)) & {nanoseconds(message.header.stamp) for message in images}
    assert len(shared) >= 20
    assert min(shared) > 0
