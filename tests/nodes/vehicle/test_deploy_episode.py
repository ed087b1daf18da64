# SPDX-License-Identifier: Apache-2.0
"""A bundle drives as the policy that it was made of, and sees what training sees: live and out of a bag.

Twice: by the exact lane, and by its sensors, with odometry as noisy as that of a receiver.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")

from rclpy.serialization import serialize_message

from td3_driving.bags.reading import Bag
from td3_driving.bags.writing import BagWriter
from td3_driving.deploy.driver import DeployedDriver, TimedFrame
from td3_driving.deploy.runtime import load
from td3_driving.driving.decoding import nanoseconds, vehicle_state
from td3_driving.driving.image_formats import picture
from td3_driving.driving.route import Route
from td3_driving.driving.synchroniser import Synchroniser
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import Settings

from ..episode_harness import (
    HEARD,
    IMAGE,
    NOISY,
    ODOMETRY,
    ROUTE,
    Drive,
    Episode,
    training_acts_on,
    training_policy_drives,
)
from ..policy_bundle import lane_following_weights, make_bundle, small_settings

FRAMES = 300
SEED = 5
POLICIES = {
    "map": {"observation__state": "map"},
    # White noise jumps by more than 3 m in every tenth frame. A policy that follows it leaves its lane.
    "sensors": {
        "observation__colour": "colour",
        "observation__stack_stride": 3,
        "observation__waypoint_spacing": 10.0,
        "localisation__position_noise": 1.0,
        "localisation__position_bias": 0.0,
        "localisation__correlation_time": 0.0,
        "episode__off_lane_distance": 50.0,
    },
}


@pytest.fixture(scope="module", params=POLICIES)
def policy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, bytes, Path]:
    """Settings, weights and bundle of a policy that follows its lane."""
    settings = small_settings(network__hidden_layers=1, **POLICIES[request.param])
    weights = lane_following_weights(settings)
    bundle = tmp_path_factory.mktemp("policy") / "policy.zip"
    bundle.write_bytes(make_bundle(settings, weights=weights))
    return settings, weights, bundle


@pytest.fixture(scope="module")
def drive(policy: tuple[Settings, bytes, Path], module_domain_id: int) -> Drive:
    """One episode on the embedded simulator, driven without torch."""
    return Episode(module_domain_id, policy[0], policy[2], SEED, FRAMES).drive()


def test_bundle_drives_the_curves_as_the_training_policy_does(
    policy: tuple[Settings, bytes, Path], drive: Drive
) -> None:
    wanted, record = training_policy_drives(*policy[:2], SEED, FRAMES)
    assert len(wanted) == FRAMES and record.exit_reason is None, "the episode was meant to be longer"
    assert np.abs(wanted[:, 0]).max() > 0.02 and wanted.std(axis=0).min() > 1e-3, "the road bends, the car gets going"
    actions = np.array([(tick.steer, tick.drive) for tick in drive.ticks])
    stamps = [nanoseconds(tick.sensor_stamp) for tick in drive.ticks]
    assert set(np.round(np.diff(stamps), -3)) == {50_000_000}, "every frame was answered"
    assert np.abs(actions - wanted).max() <= 1e-4


def test_vehicle_hears_what_a_receiver_tells(policy: tuple[Settings, bytes, Path], drive: Drive) -> None:
    settings = policy[0]
    assert drive.odometry == (NOISY if settings.observation.state == "sensors" else ODOMETRY)
    exact = {nanoseconds(m.header.stamp): vehicle_state(m) for m in drive.messages[ODOMETRY]}
    told = [vehicle_state(m) for m in drive.of_episode(drive.odometry)]
    errors = np.array([(v.x - exact[v.stamp_ns].x, v.y - exact[v.stamp_ns].y) for v in told])
    assert len(errors) == FRAMES
    sigma = settings.localisation.position_noise if drive.odometry == NOISY else 0.0
    assert np.std(errors, axis=0) == pytest.approx(sigma, abs=0.15 * sigma)


def test_training_sees_the_same_frames_as_the_deployed_node(policy: tuple[Settings, bytes, Path], drive: Drive) -> None:
    seen, actions = training_acts_on(drive, *policy[:2], SEED)
    assert seen == [tick.observation_sha256 for tick in drive.ticks]
    assert len(set(seen)) == FRAMES, "the frames differ from one another"
    assert np.abs(actions - [(tick.steer, tick.drive) for tick in drive.ticks]).max() <= 1e-4


def test_a_bag_of_the_drive_gives_the_same_frames_and_decisions(
    policy: tuple[Settings, bytes, Path], drive: Drive, tmp_path: Path
) -> None:
    kinds = {f"/{topic}": kind for topic, (_, kind) in HEARD.items() if topic in (IMAGE, ODOMETRY, ROUTE)}
    with BagWriter(tmp_path / "bag", kinds, "", []) as bag:
        bag.write(f"/{ROUTE}", 1, serialize_message(drive.messages[ROUTE][-1]))
        heard = [(message, ODOMETRY) for message in drive.of_episode(drive.odometry)]
        heard += [(message, IMAGE) for message in drive.of_episode(IMAGE)]
        for message, topic in sorted(heard, key=lambda one: nanoseconds(one[0].header.stamp)):
            bag.write(f"/{topic}", nanoseconds(message.header.stamp), serialize_message(message))
    driver = DeployedDriver(load(policy[2]))
    sync: Synchroniser[TimedFrame, VehicleState] = Synchroniser(50_000_000)
    decisions = []
    with Bag(tmp_path / "bag") as recording:
        for found in recording.messages({IMAGE, ODOMETRY, ROUTE}):
            pair = None
            if found.name == ROUTE:
                points = [(pose.pose.position.x, pose.pose.position.y) for pose in found.message.poses]
                driver.take_route(Route(np.array(points)))
            elif found.name == IMAGE:
                seen = driver.look(*picture(found.message))
                pair = sync.add_image(nanoseconds(found.message.header.stamp), seen)
            else:
                vehicle = vehicle_state(found.message)
                pair = sync.add_state(vehicle.stamp_ns, vehicle)
            if pair is not None:
                decisions.append(driver.decide(*pair))
    assert [decision.fingerprint for decision in decisions] == [tick.observation_sha256 for tick in drive.ticks]
    for decision, tick in zip(decisions, drive.ticks):
        assert tuple(decision.action) == (tick.steer, tick.drive)
