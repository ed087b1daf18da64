# SPDX-License-Identifier: Apache-2.0
"""The genuine client on a disturbed line to ``carla-server``, and a server that is killed or frozen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("carla", reason="the package carla is not installed")
pytest.importorskip("msgpack", reason="the library msgpack is not installed")

import carla

from td3_driving.carla.calls import Calls
from td3_driving.carla.errors import CarlaError, ServerLost
from td3_driving.carla.server import listening
from td3_driving.carla.versions import check_pair
from td3_driving.carla.world import CarlaWorld
from td3_driving.settings import CarlaSettings

from ..carla_server.carla_host import Host
from ..shared.patience import HANG
from .fake_stack import Make, alive, until
from .wire import Wire

SHORT = 0.5
"""Time-out of a call that must fail [s]."""
LONG = 120.0
"""Time-out of one that must not [s]."""


def disturb(wire: Wire, how: str) -> None:
    """Disturb the line, or close it."""
    if how == "closed":
        wire.close()
    else:
        wire.disturb(how, HANG if how == "slow" else 0.0)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    os.environ["CARLA_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    running = Host("straight")
    yield running
    running.close()


@pytest.fixture
def wire(host: Host) -> Iterator[Wire]:
    line = Wire(host.port)
    yield line
    line.close()


def world_at(port: int, rpc_timeout: float, limit: float = HANG) -> CarlaWorld:
    return CarlaWorld(carla, CarlaSettings(host="127.0.0.1", port=port, rpc_timeout=rpc_timeout), Calls(limit))


@pytest.mark.parametrize("how", ["halved", "cut", "slow", "closed"])
def test_a_disturbed_line_is_a_lost_server_and_a_mended_one_serves_again(host: Host, wire: Wire, how: str) -> None:
    assert world_at(wire.port, 60.0).versions() == ("0.9.16", "0.9.16")
    world = world_at(wire.port, SHORT)
    disturb(wire, how)
    assert not world.answers()
    with pytest.raises(ServerLost, match=r"^get_server_version: time-out of 500ms while waiting for the simulator"):
        world.versions()
    fresh = Wire(host.port)
    assert world_at(fresh.port, 60.0).answers()
    fresh.close()


def test_a_call_that_libcarla_does_not_bound_is_bounded(wire: Wire) -> None:
    world = world_at(wire.port, LONG, limit=SHORT)
    wire.disturb("slow", HANG)
    with pytest.raises(ServerLost, match=r"^get_server_version: no answer within 0\.5 s$"):
        world.versions()


def test_slow_answers_are_waited_for(host: Host, wire: Wire) -> None:
    wire.disturb("slow", 0.2)
    world = world_at(wire.port, LONG)
    assert world.town == "Carla/Maps/straight" and len(world.opendrive()) == host.ask(
        "len(episode.town.roads.opendrive)"
    )


def test_another_version_is_refused_with_what_to_install(wire: Wire) -> None:
    wire.disturb("another version")
    with pytest.raises(CarlaError, match=r"server 0\.9\.14; install carla==0\.9\.14"):
        check_pair(*world_at(wire.port, 60.0).versions())


def test_a_frozen_server_is_lost_and_a_thawed_one_answers(host: Host) -> None:
    world = world_at(host.port, SHORT)
    patient = world_at(host.port, LONG)
    os.kill(host.process.pid, signal.SIGSTOP)
    try:
        assert listening("127.0.0.1", host.port), "the kernel takes connections for it"
        assert not world.answers()
    finally:
        os.kill(host.process.pid, signal.SIGCONT)
    assert patient.answers()


def test_frozen_ticks_are_set_free(host: Host) -> None:
    """A bridge that died leaves the server synchronous: its time stands still until somebody ticks or sets it free."""
    world = world_at(host.port, LONG)
    settings = world.world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.world.apply_settings(settings)
    stood = host.ask("simulation.frame")
    assert host.ask("simulation.settings.synchronous_mode") and world.answers()
    assert host.ask("simulation.frame") == stood
    # As a new session connects: the client that made the server synchronous is gone.
    world_at(host.port, LONG).set_asynchronous()
    assert not host.ask("simulation.settings.synchronous_mode")
    until(lambda: host.ask("simulation.frame") > stood, "frames again")


@pytest.mark.parametrize(
    ("how", "stage_timeout", "said"),
    [
        ("halved", 1, "the server at 127.0.0.1:{port} does not answer within 1 s; check that a CARLA server runs at"),
        ("slow", 1, "the server at 127.0.0.1:{port} does not answer within 1 s; check that a CARLA server runs at"),
        ("closed", 1, "nothing listens at 127.0.0.1:{port} within 1 s; check that a CARLA server runs at"),
        ("another version", 600, "the CARLA client is 0.9.16 and the server 0.9.14; install carla==0.9.14 beside"),
    ],
    ids=["halved", "slow", "closed", "another version"],
)
def test_the_carla_node_ends_with_one_sentence(
    wire: Wire, tmp_path: Path, domain_id: int, how: str, stage_timeout: int, said: str
) -> None:
    pytest.importorskip("td3_driving_msgs", reason="the message packages are not built; run: make build")
    disturb(wire, how)
    wanted = {"host": "127.0.0.1", "port": wire.port, "server": "attach", "town": "straight"}
    wanted |= {"stage_timeout": stage_timeout, "rpc_timeout": SHORT if stage_timeout == 1 else 60}
    words = [word for name, value in wanted.items() for word in ("-p", f"carla.{name}:={value}")]
    node = [sys.executable, "-m", "td3_driving.nodes.bridge.carla_episodes"]
    ended = subprocess.run(
        [*node, "--ros-args", "-p", f"run_dir:={tmp_path}", *words],
        env={**os.environ, "ROS_DOMAIN_ID": str(domain_id)},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    output = ended.stdout + ended.stderr
    assert ended.returncode == 2, output
    assert output.count(said.format(port=wire.port)) == 1 and "stage server: " in output, output
    assert "Traceback" not in output


def test_a_line_that_fails_within_a_session_leads_to_new_starts(host: Host, wire: Wire, make: Make) -> None:
    one = make(
        genuine=True,
        carla__server="attach",
        carla__host="127.0.0.1",
        carla__port=wire.port,
        carla__town="straight",
        carla__silence_timeout=2.0,
        carla__rpc_timeout=10.0,
        carla__restarts=1000,
        simulator__vehicles=0,
    )
    one.start()
    one.until_ready()
    one.bridge.silent = True
    before = wire.disturb("halved")
    until(lambda: any("new start 1 of" in text for text in one.said), "watchdog")
    one.bridge.silent = False
    until(lambda: wire.disturb("halved") > before + 1 or one.session.failure, "another try")
    assert not one.session.ready and not one.session.failure
    wire.disturb("none")
    until(lambda: one.session.ready, "recovery")
    assert one.reset().success


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_server_that_is_killed_or_frozen_is_started_anew(make: Make, number: signal.Signals) -> None:
    one = make(
        genuine=True,
        carla__host="127.0.0.1",
        carla__town="straight",
        carla__silence_timeout=2.0,
        carla__rpc_timeout=10.0,
        simulator__vehicles=0,
    )
    one.start()
    one.until_ready()
    assert one.reset().success
    first = one.pid("server")
    one.bridge.silent = True
    one.kill("server", number)
    until(lambda: len(one.starts("server")) >= 2, "second start of the server")
    one.bridge.silent = False
    until(lambda: one.session.ready, "recovery")
    assert one.reset(seed=2).success
    assert not alive(first), "the first server is left"
