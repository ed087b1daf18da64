# SPDX-License-Identifier: Apache-2.0
"""Starts a CARLA session stage by stage and stops it in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

from td3_driving.carla import bridge, objects, server, versions
from td3_driving.carla.calls import Calls
from td3_driving.carla.errors import CarlaError, ServerLost
from td3_driving.carla.programs import Program, find_executable
from td3_driving.carla.sightings import Sightings
from td3_driving.carla.teleport import Ego
from td3_driving.carla.traffic import CarlaTraffic, ManagerUnknown
from td3_driving.carla.world import CarlaWorld
from td3_driving.driving.privileged import others_needed
from td3_driving.processes.domain import onlooker
from td3_driving.settings import Settings
from td3_driving.sim.roads import RoadMap, load_map

LOOK_PERIOD = 0.1
"""Wall time between two polls [s]."""
LAST_CALLS = 3.0
"""Wall time of each call during the stop [s]: the server may be dead."""


class Stack:
    """Server, world, bridge, ego vehicle and traffic manager.

    Args:
        settings: of the run.
        api: gives the module ``carla``; raises ImportError where there is none.
        ego: the ego vehicle through the bridge's topics.
        sightings: state of the bridge's topics.
        folder: for log files, parameters and the map.
        config: the folder that holds ``objects``.
        environment: of the programs that are started.
        say: prints a line for the user.

    Attributes:
        world, traffic, roads: set by :meth:`start`.
        stopping: set to end the session; aborts a start under way.
    """

    def __init__(
        self,
        settings: Settings,
        api: Callable[[], Any],
        ego: Ego,
        sightings: Sightings,
        folder: Path,
        config: Path,
        environment: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self.settings, self._carla = settings, settings.carla
        self._api, self.ego, self.sightings = api, ego, sightings
        self._folder, self._config, self._environment = folder, config, environment
        self.say, self.stopping = say, Event()
        self._calls = Calls(settings.carla.rpc_timeout + 1.0)
        self._programs: dict[str, Program] = {}
        self._client = ""
        self.world: CarlaWorld = None  # type: ignore[assignment]
        self.traffic: CarlaTraffic = None  # type: ignore[assignment]
        self.roads: RoadMap = None  # type: ignore[assignment]

    def start(self) -> None:
        """Go through all stages.

        Raises:
            CarlaError: a stage failed; the message names it and tells what to check.
        """
        where = f"{self._carla.host}:{self._carla.port}"
        self._stage("client", self._check_client, "the Python package carla and its version")
        self._stage("server", self._bring_up_server, f"that a CARLA server runs at {where} and no firewall is between")
        self._stage("town", self._prepare_world, "the server's log, its memory, and carla.town")
        self._stage("bridge", self._bring_up_bridge, "that carla-simulator/ros-bridge is built, sourced and patched")
        self._stage("ego", self._bring_up_ego, "the bridge's log, and that no other node spawns an ego_vehicle")
        self._stage(
            "traffic manager", self._bring_up_traffic, "that no other program hosts a traffic manager on port 8000"
        )

    def trouble(self) -> str:
        """Return which started program has ended; "" when all run."""
        dead = next((program for program in self._programs.values() if not program.alive), None)
        return dead.account() if dead else ""

    def stop(self, for_good: bool) -> None:
        """Stop everything in the order that leaves nothing behind; the server goes on asynchronously. Never raises.

        Args:
            for_good: also end a server that was started here; otherwise it is ended only if it does not answer.
        """
        self._calls.timeout = LAST_CALLS
        healthy = self.world is not None and self.world.answers()
        if healthy and self.traffic is not None:
            self._quietly(self.traffic.leave)
        for name in ("spawner", "bridge"):
            self._end(name)
        if self.traffic is not None and self._carla.bridge == "start":
            self._quietly(self.traffic.forget)
        if healthy and self._carla.bridge == "start":
            self._quietly(self.world.set_asynchronous)
            self._quietly(self.world.clear)
        if for_good or not healthy:
            self._end("server")
        self._calls.timeout = self._carla.rpc_timeout + 1.0
        self.world = self.traffic = None  # type: ignore[assignment]

    # The stages.

    def _check_client(self) -> None:
        self._client = versions.installed()
        self._module = self._api()

    def _bring_up_server(self) -> None:
        if "server" not in self._programs and server.must_start(self._carla):
            path = server.executable(self._carla, self._environment)
            self._run("server", server.server_command(path, self._carla))
        host, port = self._carla.host, self._carla.port
        self._look(lambda: server.listening(host, port), self._carla.stage_timeout, f"nothing listens at {host}:{port}")
        self._look(self._connects, self._carla.stage_timeout, f"the server at {host}:{port} does not answer")
        warning = versions.check_pair(*self.world.versions())
        if warning:
            self.say(warning)

    def _connects(self) -> bool:
        """Connect, and return whether the server answers; libcarla never mends a connection that broke."""
        self.world = CarlaWorld(self._module, self._carla, self._calls)
        return self.world.answers()

    def _prepare_world(self) -> None:
        if self._carla.bridge == "start":
            self.world.set_asynchronous()
            self.world.use_town(self._carla.town, self._carla.stage_timeout, self._look)
            if left := self.world.clear():
                self.say(f"{left} actors of an earlier session were removed")
        elif versions.short_name(self.world.town) != versions.short_name(self._carla.town):
            raise CarlaError(
                f"the bridge runs on {self.world.town}, carla.town is {self._carla.town}; start it with that town"
            )
        self.world.set_weather(self._carla.weather)
        path = self._folder / f"{versions.short_name(self.world.town)}.xodr"
        path.write_text(self.world.opendrive(), encoding="utf-8")
        self.roads = load_map(str(path), move=False)

    def _bring_up_bridge(self) -> None:
        if self._carla.bridge == "start":
            bridge.check_version_gate(self._client)
            self._run_node("bridge", bridge.BRIDGE, bridge.bridge_parameters(self.settings, self.world.town))
        frames = self.sightings.frames
        self._look(lambda: self.sightings.frames > frames + 1, self._carla.stage_timeout, "the bridge makes no frames")

    def _bring_up_ego(self) -> None:
        if self._carla.bridge == "start":
            source = objects.objects_file(self._carla.objects, self._config)
            path = self._folder / "objects.json"
            others = others_needed(self.settings)
            path.write_text(objects.objects_text(source, self.settings.simulator, others), encoding="utf-8")
            self._run_node("spawner", bridge.SPAWNER, bridge.spawner_parameters(path))
        states, images = self.sightings.states, self.sightings.images
        timeout = self._carla.stage_timeout
        self._look(lambda: self.sightings.states > states, timeout, "the ego vehicle sends no odometry")
        self._look(lambda: self.sightings.images > images, timeout, f"the ego's camera {objects.CAMERA} sends nothing")
        self._look(lambda: not self.ego.missing(), timeout, "the ego's topics are not all there", self.ego.missing)

    def _bring_up_traffic(self) -> None:
        self.traffic = CarlaTraffic(self.world, self.say)
        if self.settings.simulator.vehicles == 0:
            return
        if self._carla.bridge == "start" and self.traffic.manager_runs():
            raise CarlaError("another program hosts a traffic manager on port 8000, where the bridge's must be; end it")
        self._look(self._manager_runs, self._carla.stage_timeout, "the bridge hosts no traffic manager")
        self._look(self._joined, self._carla.stage_timeout, "the bridge's traffic manager is not known to the server")

    def _manager_runs(self) -> bool:
        """Request and check: the bridge may miss the first request."""
        if self.traffic.manager_runs():
            return True
        self.ego.join_traffic_manager()
        return False

    def _joined(self) -> bool:
        """Take the manager into use: it listens before the server knows of it, and until then libcarla refuses."""
        try:
            self.traffic.join()
        except ManagerUnknown:
            return False
        return True

    # Their tools.

    def _stage(self, name: str, work: Callable[[], None], advice: str) -> None:
        began = time.monotonic()
        try:
            work()
        except ServerLost as error:
            raise ServerLost(f"CARLA, stage {name}: {error}; check {advice}") from error
        except CarlaError as error:
            raise CarlaError(f"CARLA, stage {name}: {error}") from error
        self.say(f"CARLA, stage {name}: done in {time.monotonic() - began:.1f} s")

    def _look(
        self,
        condition: Callable[[], bool],
        timeout: float,
        complaint: str,
        details: Callable[[], object] = lambda: "",
    ) -> None:
        """Poll until the condition holds; stop when a started program or the session ends."""
        deadline = time.monotonic() + timeout
        while not condition():
            trouble = self.trouble()
            if trouble:
                raise ServerLost(trouble)
            if time.monotonic() > deadline:
                more = details()
                raise ServerLost(f"{complaint} within {timeout:g} s{f' ({more})' if more else ''}")
            if self.stopping.wait(LOOK_PERIOD):
                raise CarlaError("the session was asked to end")

    def _run_node(self, name: str, which: tuple[str, str], parameters: str) -> None:
        path = self._folder / f"{name}.yaml"
        path.write_text(parameters, encoding="utf-8")
        executable = find_executable(*which, self._environment)
        # A bridge that hangs in a call to the server must not delay the answers to the policy.
        apart = onlooker(self._environment, self._config / "dds" / "onlooker.xml")
        self._run(name, bridge.node_command(executable, which[0], path), apart)

    def _run(self, name: str, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        environment = bridge.with_client({**self._environment, **(environment or {})})
        self._programs[name] = Program(name, command, self._folder, environment)

    def _end(self, name: str) -> None:
        program = self._programs.pop(name, None)
        if program is not None:
            program.stop()

    def _quietly(self, work: Callable[[], object]) -> None:
        """Ignore errors during the stop: the server may be dead already."""
        with suppress(CarlaError):
            work()
