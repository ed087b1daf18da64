"""A bundle drives as the policy that it was made of, and sees what training sees: live and out of a bag."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from bridge_harness import EGO, Client, start, stop
from deploy_harness import TICK, start_drive
from policy_bundle import lane_following_weights, make_bundle, small_settings
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from td3_driving_msgs.msg import PolicyTick
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.driving.drivers import Situation
from td3_driving.driving.observation import Observation, state_dim
from td3_driving.driving.pilot import Pilot
from td3_driving.learning.in_process import Scene
from td3_driving.learning.inference import ActorPolicy
from td3_driving.nodes.conversions import nanoseconds
from td3_driving.settings import Settings

FRAMES = 300
SEED = 5
EVERYTHING = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5000, reliability=ReliabilityPolicy.RELIABLE)


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


def test_bundle_drives_the_curves_as_the_training_policy_does(tmp_path: Path, domain_id: int) -> None:
    settings = small_settings(network__hidden_layers=1)
    weights = lane_following_weights(settings)
    (tmp_path / "policy.zip").write_bytes(make_bundle(settings, weights=weights))
    wanted = training_policy_drives(settings, weights)
    assert np.abs(wanted[:, 0]).max() > 0.02 and wanted.std(axis=0).min() > 1e-3, "the road bends, the car gets going"
    simulator = start(domain_id, map="curves", route="auto", control_timeout=60.0)
    drive = start_drive(domain_id, tmp_path / "policy.zip", f"policy/command:={EGO}/vehicle_control_cmd")
    client = Client(domain_id)
    client.listen(TICK, PolicyTick, EVERYTHING)
    try:
        client.until(lambda: client.node.count_subscribers(f"{EGO}/rgb_front/image") >= 2)
        client.until(lambda: client.node.count_publishers(f"{EGO}/vehicle_control_cmd") >= 2)
        client.listen_for(0.5)
        answer = client.call(ResetEpisode, "td3/reset_episode", ResetEpisode.Request(scenario=0, seed=SEED))
        begin = nanoseconds(answer.stamp)
        ticks = client.until(lambda: after(client.heard[TICK], begin), timeout=60.0)
    finally:
        stop(drive, signal.SIGINT)
        client.close()
        stop(simulator)
    actions = np.array([(tick.steer, tick.drive) for tick in ticks[:FRAMES]])
    assert len({nanoseconds(tick.sensor_stamp) for tick in ticks[:FRAMES]}) == FRAMES
    assert np.abs(actions - wanted).max() <= 1e-4


def after(ticks: list[PolicyTick], begin: int) -> list[PolicyTick]:
    """The decisions of the episode that began at ``begin`` [ns], once there are enough."""
    episode = [tick for tick in ticks if nanoseconds(tick.sensor_stamp) >= begin]
    return episode if len(episode) >= FRAMES else []
