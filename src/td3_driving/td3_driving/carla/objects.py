# SPDX-License-Identifier: Apache-2.0
"""The ego vehicle and its sensors, as ``carla_spawn_objects`` reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from td3_driving.carla.errors import CarlaError
from td3_driving.driving.privileged import WHO_NEEDS_OTHERS
from td3_driving.settings import SimulatorSettings

EGO = "ego_vehicle"
CAMERA = "rgb_front"
NEEDED = {
    CAMERA: "sensor.camera.rgb",
    "collision": "sensor.other.collision",
    "lane_invasion": "sensor.other.lane_invasion",
}
NEEDED |= {"odometry": "sensor.pseudo.odom", "control": "actor.pseudo.control"}
"""Id and type of the ego's sensors without which there is no training; the id is part of the topic's name."""
OTHERS = {"id": "objects", "type": "sensor.pseudo.objects"}
"""Tells where the other vehicles are; of the ego, or of the world."""


def objects_file(name: str, config: Path) -> Path:
    """The file of ``carla.objects``: a name in ``config/objects``, or a path.

    Raises:
        CarlaError: there is none.
    """
    path = Path(name).expanduser() if name.endswith(".json") else config / "objects" / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in (config / "objects").glob("*.json")))
        raise CarlaError(
            f"carla.objects {name!r}: {path} does not exist; there are {known}, or give the path of a file"
        )
    return path


def objects_text(path: Path, settings: SimulatorSettings, others: bool = False) -> str:
    """The file's text with the camera that the settings ask for.

    Args:
        others: whether the training needs the other vehicles.

    Raises:
        CarlaError: it is no objects file, or lacks an object that training needs.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        vehicles = [entry for entry in document["objects"] if entry["id"] == EGO]
        sensors: dict[str, Any] = {entry["id"]: entry for entry in vehicles[0]["sensors"]} if vehicles else {}
    except (ValueError, KeyError, TypeError) as error:
        raise CarlaError(f"{path} is not a file of objects for carla_spawn_objects: {error!r}") from error
    if not vehicles:
        raise CarlaError(f"{path} has no vehicle with the id {EGO}")
    _check(path, sensors, [entry["id"] for entry in vehicles[0]["sensors"]])
    told = [*sensors.values(), *document["objects"]]
    if others and not any(entry.get("id") == OTHERS["id"] and entry.get("type") == OTHERS["type"] for entry in told):
        raise CarlaError(f"{path}: no {OTHERS['type']} with the id {OTHERS['id']}, which {WHO_NEEDS_OTHERS} needs")
    camera = sensors[CAMERA]
    camera["image_size_x"], camera["image_size_y"] = settings.camera_width, settings.camera_height
    camera["fov"] = settings.camera_fov
    return json.dumps(document, indent=2) + "\n"


def _check(path: Path, sensors: dict[str, Any], ids: list[str]) -> None:
    """Require distinct ids, because two publishers of one topic crash the bridge."""
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise CarlaError(f"{path}: several sensors have the id {twice[0]}")
    for name, kind in NEEDED.items():
        if name not in sensors or sensors[name].get("type") != kind:
            raise CarlaError(f"{path}: the sensors of {EGO} lack a {kind} with the id {name}")
