# SPDX-License-Identifier: Apache-2.0
"""Clients that send rubbish, hang, flood or die: the server refuses, stays up, and serves the others."""

from __future__ import annotations

import os
import random
import select
import socket
import struct
import subprocess
import sys
import time
from typing import Any

import msgpack
import pytest

from td3_driving.carla_server.framing import LONGEST_DOCUMENT
from td3_driving.carla_server.rpc import MOST_CLIENTS

from .carla_host import PATIENCE, Host
from .raw_client import Raw, rubbish

MESSAGES = int(os.environ.get("TD3_DRIVING_FUZZ", "3000"))
"""Malformed messages; 100,000 take some minutes."""
GROWTH = 300 * 2**20
"""What the server may need beyond what it needed before [bytes]."""


@pytest.mark.slow
def test_malformed_messages_are_refused_and_the_server_stays_up(host: Host, raw: Raw) -> None:
    rng = random.Random(17)
    before, sent, link = host.memory(), 0, Raw(host.port)
    while sent < MESSAGES:
        try:
            for _ in range(20):
                link.socket.sendall(rubbish(rng))
                sent += 1
                while select.select([link.socket], [], [], 0.0)[0]:
                    if not link.socket.recv(65536):
                        raise ConnectionError
        except OSError:
            link.close()
            link = Raw(host.port)
    link.close()
    assert raw.call("version") == [[1, "0.9.16"]]
    assert host.memory() - before < GROWTH
    assert host.process.poll() is None


def test_deep_and_long_messages_are_not_built(host: Host, raw: Raw) -> None:
    before = host.memory()
    for message in (
        b"\x91" * 100_000,
        b"\xdc\xff\xff" * 50_000,
        b"\xdd\xff\xff\xff\xff" * 10_000,
        b"\x94\x00\x01\xa7version\x9b" + b"\x9f" * 200_000,
    ):
        link = Raw(host.port)
        link.socket.sendall(message)
        link.close()
    assert raw.call("version") == [[1, "0.9.16"]]
    assert host.memory() - before < GROWTH


def test_a_message_beyond_the_longest_is_cut_off(host: Host, raw: Raw) -> None:
    link = Raw(host.port)
    link.socket.sendall(b"\x94\x00\x01\xdb\xff\xff\xff\xff")
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        link.socket.sendall(b"a" * (2 * LONGEST_DOCUMENT))
    assert link.gone() and raw.call("version")


def test_a_method_that_is_not_there_is_named(raw: Raw) -> None:
    ((kind, (text,)),) = raw.call("make_coffee")
    assert kind == 0 and "make_coffee" in text


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("destroy_actor", ["x"], "'x' is not a whole number"),
        ("destroy_actor", [], "takes 1 arguments"),
        ("destroy_actor", [2**32], "4294967296 is not a whole number in 0 .. 4294967295"),
        ("set_actor_transform", [24, [[0, 0, float("nan")], [0, 0, 0]]], "nan is not a number"),
        ("apply_control_to_vehicle", [24, [0.5]], "no vehicle"),
        ("set_actor_simulate_physics", [24, 1], "1 is not true or false"),
        ("get_actors_by_id", [[1] * 5000], "max_array_len"),
        ("set_episode_settings", [[True]], ""),
        ("set_weather_parameters", [7], "7 is no WeatherParameters"),
    ],
)
def test_a_wrong_argument_is_named(host: Host, name: str, arguments: list[Any], said: str) -> None:
    link = Raw(host.port)
    if said == "max_array_len":
        link.socket.sendall(msgpack.packb([0, 1, name, [[False], *arguments]]))
        assert link.gone()
        return
    ((kind, *rest),) = link.call(name, *arguments)
    assert (kind == 1) if not said else (kind == 0 and said in rest[0][0])
    link.close()


def test_a_client_that_hangs_in_a_message_holds_up_nobody(host: Host, raw: Raw) -> None:
    hanging = [Raw(host.port) for _ in range(10)]
    for link in hanging:
        link.socket.sendall(msgpack.packb([0, 1, "version", [[False]]])[:-2])
    assert raw.call("version") == [[1, "0.9.16"]]
    for link in hanging:
        link.close()


def test_a_client_that_does_not_read_is_not_listened_to(host: Host, raw: Raw) -> None:
    before, deaf = host.memory(), Raw(host.port)
    deaf.socket.setblocking(False)
    ask = msgpack.packb([0, 1, "get_actor_definitions", [[False]]]) * 20
    for _ in range(200):
        try:
            deaf.socket.send(ask)
        except OSError:
            break
        assert raw.call("version") == [[1, "0.9.16"]]
    assert host.memory() - before < GROWTH
    deaf.close()


def test_too_many_clients_are_sent_away(host: Host, raw: Raw) -> None:
    crowd = [Raw(host.port) for _ in range(MOST_CLIENTS + 5)]
    assert crowd[-1].gone()
    assert raw.call("version") == [[1, "0.9.16"]]
    for link in crowd:
        link.close()


def test_streams_that_do_not_exist_or_are_not_named_are_borne(host: Host, raw: Raw) -> None:
    port = host.ask("simulation.streams.port")
    links = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for index, link in enumerate(links):
        link.sendall(struct.pack("<I", 2**32 - 1 - index)[: 1 + index % 4] if index % 2 else b"\xff" * 5000)
    assert raw.call("tick_cue")[0][0] == 1
    for link in links:
        link.close()


def test_nobody_can_hold_up_the_ticks_of_others_by_asking_for_streams(host: Host, raw: Raw) -> None:
    raw.call("set_episode_settings", [True, False, [True, 0.05]])
    description = [0, "sensor.other.gnss", []]
    ((_, actor),) = raw.call("spawn_actor", description, [[0, 0, 0], [0, 0, 0]])
    stream = struct.unpack("<I", actor[5][:4])[0]
    frame = raw.call("tick_cue")[0][1]
    for _ in range(20):
        raw.call("get_sensor_token", stream)
        frame = raw.call("tick_cue")[0][1]
    deadline = time.monotonic() + PATIENCE
    while host.ask("simulation.frame") < frame and time.monotonic() < deadline:
        assert raw.call("version")
    assert host.ask("simulation.frame") == frame
    raw.call("destroy_actor", actor[0])
    raw.call("set_episode_settings", [False, False, [False]])


MANY_THINGS = """
import carla, os, sys
client = carla.Client("127.0.0.1", int(sys.argv[1]))
client.set_timeout(60.0)
world = client.get_world()
library, points = world.get_blueprint_library(), world.get_map().get_spawn_points()
car = world.spawn_actor(library.find("vehicle.tesla.model3"), points[3])
sensor = world.spawn_actor(library.find("sensor.camera.rgb"), carla.Transform(), attach_to=car)
sensor.listen(lambda image: None)
client.get_trafficmanager(int(sys.argv[2])).set_synchronous_mode(False)
world.wait_for_tick()
print(car.id, flush=True)
os._exit(9)
"""


def test_the_actors_of_a_dead_client_stay_and_its_traffic_manager_goes(host: Host, raw: Raw) -> None:
    command = [sys.executable, "-c", MANY_THINGS, str(host.port), "18123"]
    dead = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert dead.returncode == 9, dead.stderr
    actor = int(dead.stdout.split()[-1])
    ((_, told),) = raw.call("get_actors_by_id", [actor])
    assert told[0][2][1] == "vehicle.tesla.model3"
    deadline = time.monotonic() + PATIENCE
    while raw.call("is_traffic_manager_running", 18123) != [[1, False]]:
        assert time.monotonic() < deadline
    assert raw.call("destroy_actor", actor) == [[1, True]]
    for sensor in host.ask("[sensor.id for sensor in episode.sensors]"):
        assert raw.call("destroy_actor", sensor) == [[1, True]]


def test_a_traffic_manager_that_asks_for_a_destroyed_actor_gets_no_error(host: Host, raw: Raw) -> None:
    """An error would end the process that it lives in."""
    ((_, actor),) = raw.call("spawn_actor", [0, "vehicle.tesla.model3", []], [[0, 0, 50], [0, 0, 0]])
    assert raw.call("destroy_actor", actor[0]) == [[1, True]]
    ((kind, box),) = raw.call("get_actor_bounding_box", actor[0])
    assert kind == 1 and box[1] == [0.0, 0.0, 0.0]
    assert raw.call("set_actor_simulate_physics", actor[0], True) == [[False]]
    assert raw.call("get_actor_bounding_box", 10**6)[0][0] == 0


def test_a_client_that_is_killed_in_the_middle_of_a_message_harms_nobody(host: Host, raw: Raw) -> None:
    frames = []
    for _ in range(20):
        link = Raw(host.port)
        link.socket.sendall(msgpack.packb([0, 1, "tick_cue", [[False]]]) + b"\x94\x00")
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.close()
        frames.append(raw.call("version"))
    assert frames == [[[1, "0.9.16"]]] * 20


def test_two_clients_see_the_same_world(host: Host, world: Any, spawned: Any) -> None:
    import carla

    second = carla.Client("127.0.0.1", host.port)
    second.set_timeout(60.0)
    car = spawned("vehicle.tesla.model3", 2)
    other = second.get_world()
    deadline = time.monotonic() + PATIENCE
    # A client that has just come sees the ticks from then on.
    while other.get_actor(car.id).get_location().distance(car.get_location()) > 1e-4:
        world.tick()
        assert time.monotonic() < deadline
    other.get_actor(car.id).apply_control(carla.VehicleControl(throttle=1.0))
    second.get_server_version()
    for _ in range(20):
        world.tick()
    assert car.get_velocity().length() > 1.0
