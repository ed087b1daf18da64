# SPDX-License-Identifier: Apache-2.0
"""Calls that draw, record or switch lamps: accepted where nothing depends on them, refused by a sentence where it
does."""

from __future__ import annotations

from typing import Any

from td3_driving.carla_server.records import U32
from td3_driving.carla_server.rpc import call
from td3_driving.carla_server.simulation import Simulation

DRAWING, RECORDER, LAMPS, ROS = "drawing", "recorder", "street lights", "ROS of the server"
NO_RECORDER = "this server has no recorder; record what the sensors send"
"""Told as the result, as CARLA tells of a file that is not there: programs that record beside their work go on."""


@call(DRAWING, waits=False)
def draw_debug_shape(simulation: Simulation, shape: Any) -> None:
    """Accepted; nothing is drawn into the world."""


@call(DRAWING, waits=False)
def clear_debug_shape(simulation: Simulation) -> None:
    """Accepted; nothing was drawn."""


@call(DRAWING, waits=False)
def clear_debug_string(simulation: Simulation) -> None:
    """Accepted; nothing was drawn."""


@call(DRAWING, waits=False)
def set_annotations_traverse_translucency(simulation: Simulation, enabled: bool) -> None:
    """Accepted; nothing is translucent."""


@call(RECORDER)
def start_recorder(simulation: Simulation, name: str, additional: bool = False) -> str:
    """Refused by a sentence as the result: there is no recorder."""
    return NO_RECORDER


@call(RECORDER, waits=False)
def stop_recorder(simulation: Simulation) -> None:
    """Accepted; there is no recorder."""


@call(RECORDER)
def show_recorder_file_info(simulation: Simulation, name: str, everything: bool = False) -> str:
    """Refused by a sentence as the result: there is no recorder."""
    return NO_RECORDER


@call(RECORDER)
def show_recorder_collisions(simulation: Simulation, name: str, first: Any = 0, second: Any = 0) -> str:
    """Refused by a sentence as the result: there is no recorder."""
    return NO_RECORDER


@call(RECORDER)
def show_recorder_actors_blocked(simulation: Simulation, name: str, time: Any = 0, distance: Any = 0) -> str:
    """Refused by a sentence as the result: there is no recorder."""
    return NO_RECORDER


@call(RECORDER)
def replay_file(simulation: Simulation, name: str) -> str:
    """Refused by a sentence as the result: there is no recorder."""
    return NO_RECORDER


@call(RECORDER, waits=False)
def stop_replayer(simulation: Simulation, keep: bool = False) -> None:
    """Accepted; nothing is replayed."""


@call(RECORDER, waits=False)
def set_replayer_time_factor(simulation: Simulation, factor: float) -> None:
    """Accepted; nothing is replayed."""


@call(RECORDER, waits=False)
def set_replayer_ignore_hero(simulation: Simulation, ignore: bool) -> None:
    """Accepted; nothing is replayed."""


@call(RECORDER, waits=False)
def set_replayer_ignore_spectator(simulation: Simulation, ignore: bool) -> None:
    """Accepted; nothing is replayed."""


@call(LAMPS)
def query_lights_state(simulation: Simulation, client: str) -> list[Any]:
    """Street lights: none."""
    return []


@call(LAMPS, waits=False)
def update_lights_state(simulation: Simulation, client: str, lights: Any, discard: bool = False) -> None:
    """Accepted; there are no street lights."""


@call(LAMPS, waits=False)
def update_day_night_cycle(simulation: Simulation, client: str, active: bool) -> None:
    """Accepted; there are no street lights."""


@call(ROS, waits=False)
def enable_sensor_for_ros(simulation: Simulation, stream: U32) -> None:
    """Accepted; the simulator node of this project speaks ROS, this server does not."""


@call(ROS, waits=False)
def disable_sensor_for_ros(simulation: Simulation, stream: U32) -> None:
    """Accepted."""


@call(ROS)
def is_sensor_enabled_for_ros(simulation: Simulation, stream: U32) -> bool:
    """Never."""
    return False


@call("vehicles", waits=False)
def use_carsim_road(simulation: Simulation, actor: U32, enabled: bool) -> None:
    """Accepted; there is no CarSim."""


@call("vehicles", waits=False)
def restore_physx_physics(simulation: Simulation, actor: U32) -> None:
    """Accepted; the vehicle model is always the same."""
