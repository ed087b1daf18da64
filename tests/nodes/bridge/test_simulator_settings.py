# SPDX-License-Identifier: Apache-2.0
"""Simulators with settings of their own over real DDS: timeouts, faults, names, and how they end."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ...shared.patience import HANG

pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("carla_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("derived_object_msgs", reason="the message packages are not built; run: make build")
pytest.importorskip("tf2_msgs", reason="the message packages are not built; run: make build")

from carla_msgs.msg import (
    CarlaCollisionEvent,
    CarlaControl,
    CarlaStatus,
)
from carla_msgs.srv import DestroyObject, GetBlueprints, SpawnObject
from derived_object_msgs.msg import ObjectArray

from td3_driving.driving.decoding import nanoseconds

from ..bridge_harness import EGO, Client, end, start, stop

IMAGE, ODOMETRY = f"{EGO}/rgb_front/image", f"{EGO}/odometry"
Pair = Callable[..., Client]


@pytest.fixture
def pair(domain_id: int) -> Iterator[Pair]:
    """Starts a simulator with settings of its own, and a client that has seen its first frames."""
    started: list[tuple[Any, Client]] = []

    def make(**settings: Any) -> Client:
        process, client = start(domain_id, **settings), Client(domain_id)
        started.append((process, client))
        client.first_frame()
        return client

    yield make
    for process, client in started:
        client.close()
        end(process)


def test_after_the_timeout_it_goes_on_with_the_last_command(pair: Pair) -> None:
    client = pair(control_timeout=0.3)
    client.step(throttle=1.0)
    client.until(lambda: client.heard[ODOMETRY][-1].twist.twist.linear.x > 0.1)
    count = len(client.heard[ODOMETRY])
    client.until(lambda: len(client.heard[ODOMETRY]) >= count + 3)
    speeds = [message.twist.twist.linear.x for message in client.heard[ODOMETRY][count - 1 :]]
    assert all(later > earlier for earlier, later in zip(speeds, speeds[1:]))


def test_pause_and_single_steps(pair: Pair) -> None:
    client = pair(control_timeout=0.2)
    client.listen("carla/status", CarlaStatus)
    control = client.publisher(CarlaControl, "carla/control")
    control.publish(CarlaControl(command=CarlaControl.PAUSE))
    client.until(lambda: client.heard["carla/status"] and not client.heard["carla/status"][-1].synchronous_mode_running)
    client.settle()
    standing = len(client.heard[ODOMETRY])
    client.listen_for(0.6)
    assert len(client.heard[ODOMETRY]) == standing
    control.publish(CarlaControl(command=CarlaControl.STEP_ONCE))
    client.until(lambda: len(client.heard[ODOMETRY]) == standing + 1)
    client.until(lambda: not client.heard["carla/status"][-1].synchronous_mode_running)
    client.listen_for(0.6)
    assert len(client.heard[ODOMETRY]) == standing + 1
    control.publish(CarlaControl(command=CarlaControl.PLAY))
    client.until(lambda: len(client.heard[ODOMETRY]) > standing + 3)


def test_spawned_vehicles_can_be_hit_and_removed(pair: Pair) -> None:
    client = pair(vehicles=0)
    client.listen(f"{EGO}/objects", ObjectArray)
    client.listen(f"{EGO}/collision", CarlaCollisionEvent)
    names = client.call(GetBlueprints, "carla/get_blueprints", GetBlueprints.Request(filter="vehicle.*")).blueprints
    assert "vehicle.tesla.model3" in names
    request = SpawnObject.Request(type="vehicle.audi.a2", id="wall")
    request.transform.position.x, request.transform.position.y = 106.0, -1.75
    wall = client.call(SpawnObject, "carla/spawn_object", request, once=True)
    assert wall.id > 0, wall.error_string
    again = client.call(SpawnObject, "carla/spawn_object", request, once=True)
    assert (again.id, "touch" in again.error_string) == (-1, True)
    unknown = client.call(SpawnObject, "carla/spawn_object", SpawnObject.Request(type="vehicle.bus"), once=True)
    assert (unknown.id, "no blueprint" in unknown.error_string) == (-1, True)
    for _ in range(40):
        client.step(throttle=1.0)
    assert {event.other_actor_id for event in client.heard[f"{EGO}/collision"]} == {wall.id}
    assert set(client.stamps(f"{EGO}/collision")) <= set(client.stamps(ODOMETRY))
    assert [thing.id for thing in client.heard[f"{EGO}/objects"][-1].objects] == [wall.id]
    assert client.call(DestroyObject, "carla/destroy_object", DestroyObject.Request(id=wall.id), once=True).success
    assert not client.call(DestroyObject, "carla/destroy_object", DestroyObject.Request(id=24), once=True).success
    client.step()
    client.until(lambda: client.heard[f"{EGO}/objects"][-1].objects == [])


def test_faults_come_when_they_are_asked_for(pair: Pair) -> None:
    client = pair(faults="frozen_camera@60:5 nan_odometry@70:2 drop@75", control_timeout=1.0)
    while len(client.heard[ODOMETRY]) < 85 and client.last < nanoseconds(client.heard[ODOMETRY][0].header.stamp) + 5e9:
        client.step(throttle=0.6)
    stamps = client.stamps(ODOMETRY)
    frame = {round(stamp / 5e7) - 100: message for stamp, message in zip(stamps, client.heard[ODOMETRY])}
    broken = sorted(number for number, message in frame.items() if math.isnan(message.pose.pose.position.x))
    assert broken == [70, 71]
    assert 75 not in frame
    assert {74, 76} <= frame.keys()
    images = {round(nanoseconds(message.header.stamp) / 5e7) - 100: message for message in client.heard[IMAGE]}
    assert all(bytes(images[number].data) == bytes(images[59].data) for number in range(60, 65))
    assert bytes(images[65].data) != bytes(images[64].data)


def test_a_crash_is_a_crash(domain_id: int) -> None:
    process = start(domain_id, faults="crash@2", control_timeout=0.1)
    assert process.wait(timeout=HANG) == 70
    stop(process)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"map": "/nowhere/at/all.xodr"}, "does not exist"),
        ({"route": "0 900 1 900"}, "more than 5 m from every lane"),
        ({"faults": "flood@3"}, "'flood' is not one of"),
        ({"camera_width": 5}, "outside 32 .. 1920 px"),
    ],
)
def test_bad_settings_are_one_sentence_and_exit_code_2(settings: dict[str, Any], reason: str, domain_id: int) -> None:
    process = start(domain_id, **settings)
    _, errors = process.communicate(timeout=HANG)
    assert process.returncode == 2
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert reason in lines[0]
    assert "Traceback" not in errors


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_at_once_and_well(how: signal.Signals, domain_id: int) -> None:
    process, client = start(domain_id, wait_for_control=False), Client(domain_id)
    client.until(lambda: client.last)
    client.close()
    end(process, how)


def test_names_follow_the_namespace(domain_id: int) -> None:
    process, client = start(domain_id, ("-r", "__ns:=/actor_0")), Client(domain_id, namespace="/actor_0")
    client.first_frame()
    client.step()
    topics = [
        name for name, _ in client.node.get_topic_names_and_types() if "carla" in name or name.endswith(("clock", "tf"))
    ]
    assert topics
    assert all(name.startswith("/actor_0/") for name in topics)
    client.close()
    end(process)
