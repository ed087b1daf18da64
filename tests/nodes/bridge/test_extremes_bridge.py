# SPDX-License-Identifier: Apache-2.0
"""Messages and requests with the extremes of every field, through the callbacks of simulator and CARLA node."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("carla_msgs", reason="the message packages are not built; run: make build")

import rclpy
from carla_msgs.msg import CarlaControl, CarlaEgoVehicleControl, CarlaStatus
from carla_msgs.srv import DestroyObject, GetBlueprints, SpawnObject
from geometry_msgs.msg import Pose, PoseStamped, PoseWithCovarianceStamped, Twist
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Bool
from td3_driving_msgs.srv import ResetEpisode

from td3_driving.nodes.bridge.carla_episodes import CarlaNode
from td3_driving.nodes.bridge.simulator import SimulatorNode
from td3_driving.runs.profiles import parameter_file
from td3_driving.settings import from_flat

from ..extremes import FEW, hurl, quieten
from ..run_harness import SMALL

ROUNDS_APART = 10
NOBODY: dict[str, Any] = {}
"""What ROS says of a message that came over no topic."""


def start(kind: type[Any], folder: Path, domain: int, *arguments: str) -> Any:
    """A node of the given kind in this process."""
    settings = from_flat({name: value for name, value in SMALL.items() if value is not None})
    (folder / "config.yaml").write_text(parameter_file(settings))
    given = ["--ros-args", "--params-file", str(folder / "config.yaml"), *arguments]
    rclpy.init(args=given, domain_id=domain)
    node = kind()
    quieten(node)
    return node


@pytest.fixture
def simulator(tmp_path: Path, domain_id: int) -> Iterator[SimulatorNode]:
    node = start(SimulatorNode, tmp_path, domain_id)
    yield node
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def carla(tmp_path: Path, domain_id: int) -> Iterator[CarlaNode]:
    node = start(CarlaNode, tmp_path, domain_id, "-p", f"run_dir:={tmp_path}")
    yield node
    node._episodes._node.destroy_node()
    node.destroy_node()
    rclpy.shutdown()


def ticking(node: SimulatorNode) -> Callable[[], None]:
    """Lets the world go on now and then; it must stay a place where the car is somewhere."""
    calls = 0

    def tick() -> None:
        nonlocal calls
        calls += 1
        if calls % ROUNDS_APART == 0:
            node._spawner.before_tick()
            ego = node._world.tick().ego
            numbers = ego.x, ego.y, ego.yaw, ego.speed, ego.yaw_rate
            assert all(math.isfinite(number) for number in numbers), numbers

    return tick


def test_the_simulator_bears_every_message(simulator: SimulatorNode) -> None:
    inputs, tick = simulator._inputs, ticking(simulator)
    hurl(CarlaEgoVehicleControl(throttle=0.5), 1, lambda sent: inputs._command(sent, False), between=tick)
    hurl(CarlaEgoVehicleControl(throttle=0.5), 2, lambda sent: inputs._command(sent, True), between=tick)
    hurl(Bool(), 3, lambda sent: inputs._set_override(sent, NOBODY), between=tick)
    inputs._override = False
    pose = Pose()
    pose.orientation.w = 1.0
    hurl(pose, 4, inputs._set_transform, between=tick, cases=FEW)
    hurl(Twist(), 5, inputs._set_velocity, between=tick)
    hurl(PoseWithCovarianceStamped(), 6, inputs._set_initial_pose, between=tick, cases=FEW)
    hurl(PoseStamped(), 7, inputs._set_goal, between=tick)
    hurl(CarlaControl(), 8, lambda sent: inputs._set_mode(sent, NOBODY), between=tick)


def test_the_simulator_bears_every_request(simulator: SimulatorNode) -> None:
    spawner, tick = simulator._spawner, ticking(simulator)
    hurl(SpawnObject.Request(type="vehicle.*"), 9, lambda ask: spawner.spawn(ask, SpawnObject.Response()), between=tick)
    hurl(DestroyObject.Request(), 10, lambda ask: spawner.destroy(ask, DestroyObject.Response()), between=tick)
    hurl(GetBlueprints.Request(), 11, lambda ask: spawner.blueprints(ask, GetBlueprints.Response()), between=tick)
    hurl(
        ResetEpisode.Request(),
        12,
        lambda ask: simulator._on_reset(ask, ResetEpisode.Response()),
        between=tick,
        cases=FEW,
    )


def test_the_carla_node_bears_every_message(carla: CarlaNode) -> None:
    hurl(CarlaStatus(), 13, carla._on_status)
    hurl(Odometry(), 14, carla._on_odometry)
    hurl(CameraInfo(), 15, carla._on_camera)
    assert np.isfinite(carla._sightings.silence)
