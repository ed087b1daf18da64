# SPDX-License-Identifier: Apache-2.0
"""A whole CARLA installation made of stand-ins: server, bridge and spawner as small programs, frames as calls.

The programs are real processes that can be killed; frames come from a thread as long as the bridge's process lives, in
lockstep with the commands once the spawner lives too, as on the real bridge.
"""

from __future__ import annotations

import math
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import carla

from td3_driving.carla.session import Answer, Order, Session
from td3_driving.carla.sightings import Sightings
from td3_driving.carla.stack import Stack
from td3_driving.carla.teleport import Pose
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import from_flat
from td3_driving.settings_audit import tracked

from ..shared.patience import HANG
from .fake_carla import FakeServer

CONFIG = Path(__file__).resolve().parents[2] / "config"
SMALL = {
    "simulator.vehicles": 8,
    "carla.town": "Town02",
    "carla.stage_timeout": 300.0,
    "carla.rpc_timeout": 60.0,
    "carla.silence_timeout": 60.0,
    "carla.discard_frames": 3,
}
"""A busy machine is not taken for a lost server: a test of one shortens the time that it waits for."""
LISTENER = """#!{python} -SI
import os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", {port}))
open({log!r}, "a").write(" ".join(sys.argv[1:]) + chr(10))
open({pid!r}, "w").write(str(os.getpid()))
signal.sigwait([signal.SIGINT, signal.SIGTERM])
"""
STAND_IN = """#!/bin/sh
echo "$@" >> {log}
echo $$ > {pid}
exec {python} -m td3_driving.carla_server.cli --port {port} --map {map}
"""
SLEEPER = """#!/bin/sh
echo "$@" >> {log}
echo $$ > {pid}
exec sleep 600
"""


def free_port() -> int:
    """A port that nobody uses at the moment, nor the next one, where a server's streams are."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as listener, suppress(OSError):
            port = int(listener.getsockname()[1])
            socket.create_server(("127.0.0.1", port + 1)).close()
            return port


def until(condition: Callable[[], Any], what: str, timeout: float = HANG) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {timeout:.0f} s"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return pid > 0 and Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


class FakeBridge:
    """The topics of a bridge: answers to :class:`td3_driving.carla.teleport.Ego`, and frames into ``sightings``.

    Attributes:
        deaf: teleports that are ignored from now on.
        silent: no frames come, though the processes live.
        frame_time: wall time that it takes to make a frame [s].
        braked: stamps of the frames that were answered.
    """

    DELTA_NS = 50_000_000

    def __init__(self, installation: Installation, sightings: Sightings) -> None:
        self._installation, self.sightings = installation, sightings
        self._news = Condition()
        self._over = self._answered = False
        self.silent = False
        self.frame_time = 0.0
        self.deaf = 0
        self.speed = 7.0
        self.place = (5.0, 5.0)
        self.stamp_ns = 0
        self.braked: list[int] = []
        self.teleports: list[Pose] = []
        self._manager: socket.socket | None = None
        self._thread = Thread(target=self._make_frames, daemon=True)
        self._thread.start()

    def brake(self) -> None:
        with self._news:
            self.braked.append(self.stamp_ns)
            self._answered = True
            self._news.notify_all()

    def stop_motion(self) -> None:
        self.speed = 0.0

    def teleport(self, pose: Pose) -> None:
        self.teleports.append(pose)
        if self.deaf:
            self.deaf -= 1
        else:
            self.place = pose.x, pose.y

    def join_traffic_manager(self) -> None:
        if self._manager is None:
            self._manager = socket.create_server(("127.0.0.1", self._installation.manager_port))

    def missing(self) -> list[str]:
        return []

    def close(self) -> None:
        self._over = True
        self._thread.join(HANG)
        self._forget_manager()

    def _forget_manager(self) -> None:
        if self._manager is not None:
            self._manager.close()
            self._manager = None

    def _make_frames(self) -> None:
        number = host = 0
        while not self._over:
            bridge = self._installation.pid("bridge") if self._installation.runs("bridge") else 0
            if bridge != host:
                host = bridge
                self._forget_manager()
            if self.silent or not bridge:
                time.sleep(0.005)
                continue
            number += 1
            self.sightings.on_status(number, True)
            if self._installation.runs("spawner"):
                self._frame(number)
            else:
                time.sleep(0.005)

    def _frame(self, number: int) -> None:
        """One frame of the ego, and the wait for its command, a short one of the real bridge's second."""
        time.sleep(self.frame_time)
        with self._news:
            self._answered = False
        self.stamp_ns = 10**9 + number * self.DELTA_NS
        self.sightings.on_camera()
        self.sightings.on_state(VehicleState(self.stamp_ns, *self.place, 0.0, 0.0, self.speed, 0.0, 0.0))
        with self._news:
            self._news.wait_for(lambda: self._answered, 0.05)


class Installation:
    """Scripts for server, bridge and spawner below ``home``, and a session that uses them.

    Args:
        genuine: the client is the real one, and the server ``td3-driving carla-server``, not a scripted one.
        shown: the map that such a server shows at the start: a name, or a file.
    """

    def __init__(self, home: Path, genuine: bool = False, shown: str = "straight", **changes: Any) -> None:
        self._map = shown
        self.home, self.port, self.manager_port = home, free_port(), free_port()
        self.fake = FakeServer()
        self.said: list[str] = []
        script = home / "carla" / "CarlaUE4.sh"
        self._write("server", script, STAND_IN if genuine else LISTENER)
        for package, executable, name in (
            ("carla_ros_bridge", "bridge", "bridge"),
            ("carla_spawn_objects", "carla_spawn_objects", "spawner"),
        ):
            self._write(name, home / "ws" / "lib" / package / executable, SLEEPER)
        paths = os.pathsep.join(path for path in sys.path if path)
        self.environment = {
            **os.environ,
            "PYTHONPATH": paths,
            "AMENT_PREFIX_PATH": str(home / "ws"),
            "CARLA_ROOT": str(home / "carla"),
        }
        where = {"carla.host": "127.0.0.1", "carla.town": Path(shown).stem} if genuine else {}
        flat = {
            **SMALL,
            **where,
            "carla.port": self.port,
            **{key.replace("__", "."): value for key, value in changes.items()},
        }
        self.settings, self.audit = tracked(from_flat(flat))
        self.sightings = Sightings()
        self.bridge = FakeBridge(self, self.sightings)
        folder = home / "work"
        folder.mkdir()
        stack = Stack(
            self.settings,
            lambda: carla if genuine else self.fake.api,
            self.bridge,
            self.sightings,
            folder,
            CONFIG,
            self.environment,
            self.said.append,
        )
        self.session = Session(stack)
        self._thread = Thread(target=self.session.live, daemon=True)

    def _write(self, name: str, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True)
        names = {"pid": str(self.home / f"{name}.pid"), "log": str(self.home / f"{name}.starts")}
        path.write_text(text.format(python=sys.executable, port=self.port, map=self._map, **names))
        path.chmod(0o755)

    def pid(self, name: str) -> int:
        """Process id of a program; 0 before its start."""
        try:
            return int((self.home / f"{name}.pid").read_text())
        except (OSError, ValueError):
            return 0

    def runs(self, name: str) -> bool:
        """Whether a program runs."""
        return alive(self.pid(name))

    def kill(self, name: str, number: int) -> None:
        """Send a signal to a program."""
        with suppress(ProcessLookupError):
            os.kill(self.pid(name), number)

    def starts(self, name: str) -> list[str]:
        """Command lines of all starts of a program."""
        path = self.home / f"{name}.starts"
        return path.read_text().splitlines() if path.is_file() else []

    def start(self) -> None:
        """Begin the session."""
        self._thread.start()

    def until_ready(self) -> None:
        """Wait until resets are served."""
        until(lambda: self.session.ready or self.session.failure, "start of the session")
        assert self.session.failure is None, self.session.failure

    def reset(self, scenario: int = 0, seed: int = 1) -> Answer:
        """The answer to one reset."""
        answers: list[Answer] = []
        self.session.order(Order(scenario, seed, answers.append))
        until(lambda: answers or self.session.failure, "answer to a reset")
        assert answers, self.session.failure
        return answers[0]

    def failure(self) -> str:
        """Why the session ended by itself; waits for that."""
        until(lambda: not self._thread.is_alive(), "end of the session")
        return str(self.session.failure)

    def close(self) -> None:
        """End the session and everything of it."""
        self.fake.thaw()
        self.session.stop()
        if self._thread.ident is not None:
            self._thread.join(HANG)
            assert not self._thread.is_alive(), "the session does not end"
        self.bridge.close()


def distance(answer: Answer, place: tuple[float, float]) -> float:
    """Of a place from the start of an answer's route [m]."""
    return math.hypot(answer.route[0, 0] - place[0], answer.route[0, 1] - place[1])


Make = Callable[..., Installation]
"""Makes an installation with settings changed; the fixture ``make``."""


def cars(one: Installation) -> list[Any]:
    """Vehicles of the traffic on the server."""
    return [actor for actor in one.fake.actors.values() if actor.attributes["role_name"] == "autopilot"]
