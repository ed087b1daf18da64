"""A bundle drives as the policy that it was made of, and sees what training sees: live and out of a bag."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from bridge_harness import EGO, Client, start, stop
from carla_msgs.msg import CarlaEgoVehicleControl
from deploy_harness import TICK, change_state, start_drive
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from policy_bundle import lane_following_weights, make_bundle, small_settings
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from td3_driving_msgs.msg import PolicyTick
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.bags.reading import Bag
from td3_driving.bags.rebuild import action_of
from td3_driving.bags.writing import BagWriter
from td3_driving.deploy.driver import DeployedDriver, Picture, fingerprint
from td3_driving.deploy.runtime import load
from td3_driving.driving.drivers import Situation
from td3_driving.driving.observation import Observation, grey_frame, state_dim
from td3_driving.driving.pilot import Pilot
from td3_driving.driving.route import Route
from td3_driving.driving.synchroniser import Synchroniser
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.learning.in_process import Scene
from td3_driving.learning.inference import ActorPolicy
from td3_driving.nodes.conversions import image_array, nanoseconds, route_points, vehicle_state
from td3_driving.settings import Settings

FRAMES = 300
SEED = 5
IMAGE, ODOMETRY, ROUTE, COMMAND = (
    f"{EGO}/{name}" for name in ("rgb_front/image", "odometry", "waypoints", "vehicle_control_cmd")
)
HEARD = {
    IMAGE: (Image, "sensor_msgs/msg/Image"),
    ODOMETRY: (Odometry, "nav_msgs/msg/Odometry"),
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


def training_policy_drives(settings: Settings, weights: bytes) -> np.ndarray:
    """The actions (N, 2) of the policy as training runs it, through one episode."""
    policy = ActorPolicy(settings, state_dim(settings.observation))
    version = policy.load(weights)
    actions: list[np.ndarray] = []

    def choose(observation: Observation, _: Situation) -> tuple[np.ndarray, int]:
        actions.append(policy.act(observation.stack, observation.state))
        return actions[-1], version

    scene, pilot = Scene(settings), Pilot(settings, "test", 0, choose)
    scene.start(pilot, SEED)
    for _ in range(FRAMES):
        frame, sight = scene.look(pilot)
        scored = pilot.score(sight, bool(frame.collisions))
        assert scored is None or scored.exit_reason is None, "the episode was meant to be longer"
        scene.act(pilot, sight)
    return np.stack(actions)


@dataclass
class Drive:
    """What was heard of one episode that the deployed node drove.

    Attributes:
        begin: stamp of its first frame [ns].
        ticks: decisions, one per frame.
        messages: everything else, by topic.
    """

    begin: int
    ticks: list[PolicyTick]
    messages: dict[str, list[Any]]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, bytes, Path]:
    """Settings, weights and bundle of a policy that follows its lane."""
    settings = small_settings(network__hidden_layers=1)
    weights = lane_following_weights(settings)
    bundle = tmp_path_factory.mktemp("policy") / "policy.zip"
    bundle.write_bytes(make_bundle(settings, weights=weights))
    return settings, weights, bundle


@pytest.fixture(scope="module")
def drive(policy: tuple[Settings, bytes, Path], module_domain_id: int) -> Drive:
    """One episode on the embedded simulator, driven without torch."""
    domain = module_domain_id
    simulator = start(domain, map="curves", route="auto", control_timeout=60.0)
    node = start_drive(domain, policy[2], f"policy/command:={EGO}/vehicle_control_cmd", autostart=False)
    client = Client(domain)
    for topic, (kind, _) in HEARD.items():
        client.listen(f"/{topic}", kind, EVERYTHING_LATCHED if topic == ROUTE else EVERYTHING)
    try:
        client.until(lambda: client.node.count_subscribers(IMAGE) >= 3)
        client.until(lambda: client.node.count_publishers(COMMAND) >= 2 and client.node.count_publishers(TICK) >= 1)
        assert change_state(client, "configure")
        begin = begin_episode(client)
        ticks = client.until(lambda: after(client.heard[f"/{TICK}"], begin), timeout=60.0)
    finally:
        stop(node, signal.SIGINT)
        client.listen_for(0.3)
        stop(simulator, signal.SIGTERM)
    messages = {topic: client.heard[f"/{topic}"] for topic in HEARD}
    client.close()
    return Drive(begin, ticks[:FRAMES], messages)


def begin_episode(client: Client) -> int:
    """Activate the node and reset until a first frame is answered and heard of whole: some go unheard while processes
    meet. A reset comes only when no command is under way: one for a frame before it would answer the first frame.

    Returns:
        Stamp of the first frame [ns].
    """
    for _ in range(6):
        reset(client)
        until_quiet(client)
        assert change_state(client, "activate")
        begin = reset(client)
        for _ in range(100):
            client.listen_for(0.1)
            if all(begin in stamps_of(client.heard[f"/{topic}"]) for topic in HEARD if topic != ROUTE):
                return begin
            if any(stamp > begin for stamp in stamps_of(client.heard[f"/{TICK}"])):
                break
        assert change_state(client, "deactivate")
    raise AssertionError("no first frame was answered and heard of")


def reset(client: Client) -> int:
    """Begin the episode; the stamp of its first frame [ns]."""
    answer = client.call(ResetEpisode, "td3/reset_episode", ResetEpisode.Request(scenario=0, seed=SEED))
    return nanoseconds(answer.stamp)


def until_quiet(client: Client) -> None:
    """Wait until no frame has come for half a second: the simulator waits for a command, and nobody has one to send."""
    frames = -1
    for _ in range(60):
        if frames == (frames := len(client.heard[f"/{ODOMETRY}"])):
            return
        client.listen_for(0.5)
    raise AssertionError("somebody drives, though the policy node is inactive")


def stamps_of(messages: list[Any]) -> set[int]:
    """Stamps [ns] of the frames that messages belong to."""
    return {nanoseconds(m.sensor_stamp if isinstance(m, PolicyTick) else m.header.stamp) for m in messages}


def after(ticks: list[PolicyTick], begin: int) -> list[PolicyTick]:
    """The decisions of the episode that began at ``begin`` [ns], once there are enough."""
    episode = [tick for tick in ticks if nanoseconds(tick.sensor_stamp) >= begin]
    return episode if len(episode) >= FRAMES else []


def test_bundle_drives_the_curves_as_the_training_policy_does(
    policy: tuple[Settings, bytes, Path], drive: Drive
) -> None:
    wanted = training_policy_drives(*policy[:2])
    assert np.abs(wanted[:, 0]).max() > 0.02 and wanted.std(axis=0).min() > 1e-3, "the road bends, the car gets going"
    actions = np.array([(tick.steer, tick.drive) for tick in drive.ticks])
    stamps = [nanoseconds(tick.sensor_stamp) for tick in drive.ticks]
    assert set(np.round(np.diff(stamps), -3)) == {50_000_000}, "every frame was answered"
    assert np.abs(actions - wanted).max() <= 1e-4


def of_episode(drive: Drive, topic: str) -> list[Any]:
    """Messages on a topic from the first frame of the episode to the last that was decided on, in order."""
    last = nanoseconds(drive.ticks[-1].sensor_stamp)
    return [m for m in drive.messages[topic] if drive.begin <= nanoseconds(m.header.stamp) <= last]


def test_training_sees_the_same_frames_as_the_deployed_node(policy: tuple[Settings, bytes, Path], drive: Drive) -> None:
    """The classes of the training node, given what was heard live, with the commands as the choices."""
    settings = policy[0]
    actions = {nanoseconds(m.header.stamp): action_of(m) for m in drive.messages[COMMAND]}
    seen: list[str] = []

    def choose(observation: Observation, situation: Situation) -> tuple[np.ndarray, int]:
        seen.append(fingerprint(observation))
        return actions[situation.vehicle.stamp_ns], 0

    pilot = Pilot(settings, "test", 0, choose)
    pilot.start(Route(route_points(drive.messages[ROUTE][-1])), 0, SEED)
    sync: Synchroniser[np.ndarray, VehicleState] = Synchroniser(50_000_000)
    odometry = {nanoseconds(m.header.stamp): vehicle_state(m) for m in drive.messages[ODOMETRY]}
    for message in of_episode(drive, IMAGE):
        stamp = nanoseconds(message.header.stamp)
        sync.add_image(stamp, grey_frame(image_array(message), message.encoding, settings.observation))
        pair = sync.add_state(stamp, odometry[stamp])
        assert pair is not None
        pilot.act(pilot.see(*pair))
    assert seen == [tick.observation_sha256 for tick in drive.ticks]
    assert len(set(seen)) == FRAMES, "the frames differ from one another"


def test_a_bag_of_the_drive_gives_the_same_frames_and_decisions(
    policy: tuple[Settings, bytes, Path], drive: Drive, tmp_path: Path
) -> None:
    kinds = {f"/{topic}": kind for topic, (_, kind) in HEARD.items() if topic in (IMAGE, ODOMETRY, ROUTE)}
    with BagWriter(tmp_path / "bag", kinds, "", []) as bag:
        bag.write(f"/{ROUTE}", 1, serialize_message(drive.messages[ROUTE][-1]))
        for number, topic in enumerate((ODOMETRY, IMAGE)):
            for message in of_episode(drive, topic):
                stamp = nanoseconds(message.header.stamp)
                bag.write(f"/{topic}", stamp + number, serialize_message(message))
    driver = DeployedDriver(load(policy[2]))
    sync: Synchroniser[Picture, VehicleState] = Synchroniser(50_000_000)
    decisions = []
    with Bag(tmp_path / "bag") as recording:
        for heard in recording.messages({IMAGE, ODOMETRY, ROUTE}):
            pair = None
            if heard.name == ROUTE:
                points = [(pose.pose.position.x, pose.pose.position.y) for pose in heard.message.poses]
                driver.take_route(Route(np.array(points)))
            elif heard.name == IMAGE:
                picture = driver.look(image_array(heard.message), heard.message.encoding)
                pair = sync.add_image(nanoseconds(heard.message.header.stamp), picture)
            else:
                vehicle = vehicle_state(heard.message)
                pair = sync.add_state(vehicle.stamp_ns, vehicle)
            if pair is not None:
                decisions.append(driver.decide(*pair))
    assert [decision.fingerprint for decision in decisions] == [tick.observation_sha256 for tick in drive.ticks]
    for decision, tick in zip(decisions, drive.ticks):
        assert tuple(decision.action) == (tick.steer, tick.drive)
