# SPDX-License-Identifier: Apache-2.0
"""The world of a CARLA server, through the client; every call has a time limit.

CARLA's axes (y to the right) and the map frame (y to the left) meet here, in :mod:`td3_driving.carla.traffic` and in
``sim/roads.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from td3_driving.carla.calls import Calls
from td3_driving.carla.errors import CarlaError, ServerLost
from td3_driving.carla.objects import EGO
from td3_driving.carla.versions import short_name
from td3_driving.settings import CarlaSettings

TRAFFIC_ROLE = "autopilot"
"""``role_name`` of traffic, as CARLA's own scripts give it."""
Look = Callable[[Callable[[], bool], float, str], None]
"""Polls a condition until it holds, for a number of seconds; raises with the text if it never does."""


class CarlaWorld:
    """A connection to a server.

    Args:
        api: the module ``carla``.
        settings: where the server is.
        calls: bounds each call.
    """

    def __init__(self, api: Any, settings: CarlaSettings, calls: Calls) -> None:
        self.api = api
        self.calls = calls
        self.client: Any = calls("connecting", api.Client, settings.host, settings.port)
        self._timeout = settings.rpc_timeout
        self.client.set_timeout(settings.rpc_timeout)

    def versions(self) -> tuple[str, str]:
        """Of the client and of the server."""
        ours = self.calls("get_client_version", self.client.get_client_version)
        return str(ours), str(self.calls("get_server_version", self.client.get_server_version))

    def answers(self) -> bool:
        """Return whether the server answers."""
        try:
            self.versions()
        except ServerLost:
            return False
        return True

    @property
    def world(self) -> Any:
        """Return the present world; loading a map makes another one."""
        return self.calls("get_world", self.client.get_world)

    @property
    def town(self) -> str:
        """Name of the map, as the server states it, for example ``Carla/Maps/Town01``."""
        return str(self.calls("get_map", lambda: self.client.get_world().get_map().name))

    def opendrive(self) -> str:
        """The map as an OpenDRIVE document."""
        return str(self.calls("to_opendrive", lambda: self.client.get_world().get_map().to_opendrive()))

    def set_asynchronous(self) -> None:
        """Set asynchronous mode; a server left synchronous without a client stands still for ever."""
        world = self.world
        settings = self.calls("get_settings", world.get_settings)
        if settings.synchronous_mode or settings.fixed_delta_seconds:
            settings.synchronous_mode, settings.fixed_delta_seconds = False, None
            self.calls("apply_settings", world.apply_settings, settings)

    def use_town(self, town: str, timeout: float, look: Look) -> None:
        """Load a town unless it is there.

        Raises:
            CarlaError: the server has no such town, or does not load it within ``timeout`` [s].
        """
        wanted = short_name(town)
        if short_name(self.town) == wanted:
            return
        towns = {short_name(name) for name in self.calls("get_available_maps", self.client.get_available_maps)}
        if wanted not in towns:
            raise CarlaError(f"this server has no town {wanted!r}; it has {', '.join(sorted(towns))}")
        self._load(wanted, timeout)
        look(lambda: short_name(self.town) == wanted, timeout, f"the town {wanted} did not load")

    def _load(self, town: str, timeout: float) -> None:
        """Load the town; the caller checks the result, because the call may time out and yet succeed."""
        self.client.set_timeout(timeout)
        try:
            self.calls("load_world", self.client.load_world, town, timeout=timeout + 1.0)
        except ServerLost:
            return
        finally:
            self.client.set_timeout(self._timeout)

    def set_weather(self, name: str) -> None:
        """Set one of CARLA's presets.

        Raises:
            CarlaError: there is no such preset.
        """
        kind = self.api.WeatherParameters
        presets = {key: value for key in dir(kind) if isinstance(value := getattr(kind, key), kind)}
        if name not in presets:
            raise CarlaError(f"carla.weather: {name!r} is not one of {', '.join(sorted(presets))}")
        self.calls("set_weather", self.world.set_weather, presets[name])

    def clear(self) -> int:
        """Destroy what an earlier session left behind: egos, traffic, sensors. The number of actors."""
        actors = self.calls("get_actors", lambda: list(self.client.get_world().get_actors()))
        left = [actor for actor in actors if _is_leftover(actor)]
        # Sensors first: a destroyed vehicle destroys its sensors too, in an undocumented order.
        left.sort(key=lambda actor: not str(actor.type_id).startswith("sensor."))
        if left:
            commands = [self.api.command.DestroyActor(actor.id) for actor in left]
            self.calls("apply_batch_sync", self.client.apply_batch_sync, commands, False)
        return len(left)


def _is_leftover(actor: Any) -> bool:
    kind = str(actor.type_id)
    return kind.startswith("sensor.") or (
        kind.startswith("vehicle.") and actor.attributes.get("role_name") in (EGO, TRAFFIC_ROLE)
    )
