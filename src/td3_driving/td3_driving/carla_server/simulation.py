# SPDX-License-Identifier: Apache-2.0
"""The world that clients share: its time, its settings, its episode."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, NamedTuple, Protocol

from td3_driving.carla_server.actors import Thing
from td3_driving.carla_server.episode import Episode
from td3_driving.carla_server.motion import Contact
from td3_driving.carla_server.records import (
    WORLD_STREAM,
    ActorDescription,
    PoseRecord,
    SensorType,
    WeatherParameters,
    WorldSettings,
)
from td3_driving.carla_server.rpc import CallError
from td3_driving.carla_server.snapshot import MAP_CHANGED, header, snapshot
from td3_driving.carla_server.streams import Streams
from td3_driving.carla_server.town import Town, Towns

log = logging.getLogger(__name__)
DELTA = 0.05
"""Step where the settings name none [s]."""
SHORTEST, LONGEST = 0.001, 1.0
"""Range of the step [s]."""
STREAM_WAIT = 1.0
"""Time that a tick waits for a client that got a stream's token and has not connected yet [s]."""
MANAGER_PAUSE = 0.0015
"""Least time between a traffic manager's question for the settings and the next snapshot [s]. The manager of the
library announces its step without holding its lock: a quicker answer can be missed, and both threads wait for ever."""
NEW_EPISODE_WAIT = 0.5
"""Time that a new episode waits for its client to reopen the stream of snapshots [s]. A snapshot
that reaches the library while it changes its episode can end the client's process."""
MOST_CUES = 1000


class SensorData(Protocol):
    """Makes the data of the sensors."""

    rays: Any

    def prepare(self, thing: Thing, town: Town) -> None:
        """Refuse a sensor whose attributes ask for too much; make what it needs, so that no tick waits for that."""

    def sense(self, simulation: Simulation, contacts: list[Contact], dt: float) -> None:
        """Send what the sensors perceive after a step."""

    def enter(self, town: Town) -> None:
        """Another episode begins."""


class Manager(NamedTuple):
    """A traffic manager: its address and its client."""

    address: str
    port: int
    owner: Any


class Simulation:
    """The state that the calls act on.

    Args:
        towns: the maps; the first is shown.
        senses: makes the data of the sensors.
        delta: step where the settings name none [s].

    Attributes:
        caller: the connection whose call is being carried out.
        managers: traffic managers by their port.
    """

    def __init__(self, towns: Towns, town: Town, senses: SensorData) -> None:
        self.towns, self.streams, self._senses = towns, Streams(), senses
        self.rays = senses.rays
        self.settings = WorldSettings()
        self.weather = WeatherParameters()
        self.frame, self.elapsed = 0, 0.0
        self.caller: Any = None
        self.managers: dict[int, Manager] = {}
        self.gravity = -981.0
        senses.enter(town)
        self.episode = Episode(1, town, self.streams, WORLD_STREAM + 1)
        self._changed = MAP_CHANGED
        self._cues = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._settings_asked = 0.0
        self._arrived = time.monotonic()
        self._quiet_until = 0.0
        self.streams.on_subscription = self._subscribed

    @property
    def delta(self) -> float:
        """Length of a step [s]."""
        fixed = self.settings.fixed_delta_seconds
        return float(fixed[1]) if fixed[0] else DELTA

    def start(self) -> None:
        """Let time pass."""
        self._due = time.monotonic() + self.delta
        self.go_on()

    def enter(self, town: Town, reset_settings: bool) -> None:
        """Begin a new episode on ``town``."""
        before = self.episode
        self._senses.enter(town)
        self.episode = Episode(before.number + 1, town, self.streams, before.next_stream)
        self.elapsed, self._changed, self._cues = 0.0, MAP_CHANGED, 0
        self.streams.given_up.clear()
        self._quiet_until = time.monotonic() + NEW_EPISODE_WAIT
        if reset_settings:
            self.settings = WorldSettings()
        self.go_on()

    def spawn(self, description: ActorDescription, transform: PoseRecord, parent: int = 0) -> Thing:
        """Put an actor into the world, or onto another one.

        Raises:
            CallError: see :meth:`Episode.spawn`; or a sensor asks for too much.
        """
        thing = self.episode.spawn(description, transform, parent)
        try:
            if thing.stream:
                self._senses.prepare(thing, self.episode.town)
        except CallError:
            self.episode.destroy(thing.id)
            raise
        return thing

    def set(self, settings: WorldSettings) -> None:
        """Take over settings; a step out of range is brought into it."""
        fixed = settings.fixed_delta_seconds
        if fixed[0] and fixed[1] <= 0.0:
            settings = settings._replace(fixed_delta_seconds=(False,))
        elif fixed[0]:
            settings = settings._replace(fixed_delta_seconds=(True, min(max(fixed[1], SHORTEST), LONGEST)))
        self.settings = settings
        self._due = time.monotonic() + self.delta
        self.go_on()

    def _subscribed(self, stream: int) -> None:
        if stream == WORLD_STREAM:
            self._quiet_until = 0.0
        self.go_on()

    def cue(self) -> int:
        """A client asks for a tick: the number of the frame that it will get."""
        if self.settings.synchronous_mode:
            self._cues = min(self._cues + 1, MOST_CUES)
            wanted = self.frame + self._cues
            self.go_on()
            return wanted
        return self.frame + 1

    def settings_were_asked_for(self) -> None:
        """Note the time of a settings query, because of traffic managers."""
        self._settings_asked = time.monotonic()

    def client_left(self, connection: Any) -> None:
        """Forget the traffic managers of a disconnected client; others would wait for them."""
        for port in [port for port, manager in self.managers.items() if manager.owner is connection]:
            del self.managers[port]

    def go_on(self) -> None:
        """Make the ticks that are due; come back when the next one is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wait = self._wait()
        if wait is not None and wait <= 0.0:
            self.tick()
            wait = self._wait()
        if wait is not None:
            # One tick at a time: calls of all clients are served between two ticks.
            self._timer = asyncio.get_running_loop().call_later(max(wait, 0.0), self.go_on)

    def _wait(self) -> float | None:
        """Return the time until the next tick [s]; None while no client asks for one."""
        now = time.monotonic()
        if now < self._quiet_until:
            return self._quiet_until - now
        if self.settings.synchronous_mode:
            if self._cues == 0:
                return None
            return max(self._unconnected(now), self._hurry(now))
        return max(self._due - now, 0.0)

    def _hurry(self, now: float) -> float:
        return MANAGER_PAUSE - (now - self._settings_asked) if self.managers else 0.0

    def _unconnected(self, now: float) -> float:
        """Return the time to wait for clients that got a stream's token [s]."""
        awaited = self.streams.awaited
        for stream in [stream for stream, until in awaited.items() if until <= now]:
            del awaited[stream]
            self.streams.given_up.add(stream)
        return max((until - now for until in awaited.values()), default=0.0)

    def await_stream(self, stream: int) -> None:
        """Make the next tick wait for a client that got a stream's token, or its first data would be lost.

        A stream that was awaited in vain is not awaited again, so that no client can hold up the others.
        """
        known = stream == WORLD_STREAM or any(sensor.stream == stream for sensor in self.episode.sensors)
        if known and not self.streams.heard(stream) and stream not in self.streams.given_up:
            self.streams.awaited[stream] = time.monotonic() + STREAM_WAIT

    def tick(self) -> None:
        """Advance the world by one step and send its snapshot and sensor data."""
        if self.settings.synchronous_mode:
            self._cues = max(self._cues - 1, 0)
        dt = self.delta
        self._due = max(self._due + dt, time.monotonic())
        contacts = self.episode.step(dt)
        self.frame += 1
        self.elapsed += dt
        if self.streams.heard(WORLD_STREAM):
            head = header(SensorType.WORLD, self.frame, self.elapsed)
            wall = time.monotonic() - self._arrived
            self.streams.send(WORLD_STREAM, head, snapshot(self.episode, wall, dt, self._changed))
            self._changed = 0
        if self.episode.sensors:
            self._senses.sense(self, contacts, dt)

    def close(self) -> None:
        """Let no more time pass."""
        if self._timer is not None:
            self._timer.cancel()
        self.streams.close()
