# SPDX-License-Identifier: Apache-2.0
"""``carla_ros_bridge`` and ``carla_spawn_objects``: parameters, commands, and checks before the start."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from td3_driving.carla.errors import CarlaError
from td3_driving.carla.objects import EGO
from td3_driving.settings import Settings

BRIDGE = ("carla_ros_bridge", "bridge")
SPAWNER = ("carla_spawn_objects", "carla_spawn_objects")
"""Package and executable."""


def bridge_parameters(settings: Settings, town: str) -> str:
    """A parameter file for the bridge.

    The role names are a list: launch would join them into one text, in which every part counts as an ego's name.

    Args:
        town: name of the map as the server states it, so that the bridge does not load the map again.
    """
    parameters = {
        "use_sim_time": True,
        "host": settings.carla.host,
        "port": settings.carla.port,
        "timeout": settings.carla.rpc_timeout,
        "passive": False,
        "synchronous_mode": True,
        "synchronous_mode_wait_for_vehicle_control_command": settings.simulator.wait_for_control,
        "fixed_delta_seconds": settings.simulator.fixed_delta,
        "town": town,
        "register_all_sensors": True,
        "ego_vehicle_role_name": [EGO],
    }
    return str(yaml.safe_dump({"/**": {"ros__parameters": parameters}}, sort_keys=False))


def spawner_parameters(objects: Path) -> str:
    """A parameter file for the spawner."""
    parameters = {"objects_definition_file": str(objects), "spawn_sensors_only": False}
    return str(yaml.safe_dump({"/**": {"ros__parameters": parameters}}, sort_keys=False))


def node_command(executable: str, name: str, parameters: Path) -> list[str]:
    """The command line of a node of the bridge."""
    return [executable, "--ros-args", "--params-file", str(parameters), "-r", f"__node:={name}"]


def with_client(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` with the client that this program uses as the last place to look for modules.

    The bridge may run outside of the virtual environment that holds the package ``carla``.
    """
    found = importlib.util.find_spec("carla")
    if found is None or found.origin is None:
        return dict(environment)
    home = str(Path(found.origin).parent.parent)
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {**environment, "PYTHONPATH": os.pathsep.join(paths if home in paths else [*paths, home])}


def check_version_gate(client: str) -> None:
    """The bridge ends at once unless its file CARLA_VERSION names the client's version.

    Raises:
        CarlaError: it names another one.
    """
    found = importlib.util.find_spec(BRIDGE[0])
    for folder in (found.submodule_search_locations or ()) if found else ():
        gate = Path(folder) / "CARLA_VERSION"
        # The bridge drops the last character, whatever it is.
        if gate.is_file() and (wanted := gate.read_text(encoding="utf-8")[:-1]) != client:
            raise CarlaError(
                f"this bridge runs with carla {wanted!r} only, and {client} is installed; write {client} and a newline "
                f"into {gate}"
            )
