# SPDX-License-Identifier: Apache-2.0
"""Checks the files that a vehicle is started with, before any process is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from td3_driving.bounded import SettingsError
from td3_driving.deploy.drive_settings import drive_settings
from td3_driving.deploy.limits import gate_settings
from td3_driving.launching.deployment import DeployOptions
from td3_driving.processes.domain import OWN_PROFILE, free_shared_memory, room_for_images
from td3_driving.runs.profiles import config_directory

MAX_BYTES = 2**20
"""Largest parameter file that is read."""
BODY = "ros__parameters"
OF_ROS = ("use_sim_time", "start_type_description_service", "qos_overrides.")
"""Beginnings of the names of parameters that every node has."""
READERS: dict[str, Callable[[Mapping[str, Any]], object]] = {"gate": gate_settings, "drive": drive_settings}
"""Node -> what makes its settings and refuses what it does not know."""


def require_sound(options: DeployOptions, environment: Mapping[str, str]) -> dict[str, str]:
    """Check bundle, key and parameter file as the nodes do.

    Returns:
        environment variables with which images of the bundle's size reach the nodes whole, as in training.

    Raises:
        ValueError: one sentence on what is wrong.
    """
    # Only here: a description of the processes needs no network.
    from td3_driving.deploy.bundle import public_key
    from td3_driving.deploy.runtime import load

    if options.params_file:
        check_parameters(Path(options.params_file))
    key = public_key(Path(options.public_key)) if options.public_key else None
    width, height, _ = load(options.bundle, key, options.threads).bundle.contract.camera
    profile = config_directory() / "dds" / OWN_PROFILE
    return room_for_images(environment, profile, 4 * width * height, free_shared_memory())


def check_parameters(path: Path) -> None:
    """Check the sections of ``gate`` and ``drive`` of a ROS 2 parameter file.

    Raises:
        SettingsError: it is none, or a parameter of theirs is unknown, of a wrong type or out of range.
    """
    sections = _sections(path)
    for node, reader in READERS.items():
        values = {name: value for section, part in sections if _means(section, node) for name, value in part.items()}
        own = {name: value for name, value in values.items() if not name.startswith(OF_ROS) and name != "interface"}
        try:
            reader(own)
        except SettingsError as error:
            raise SettingsError(f"{path}: section {node}: {error}") from error


def _sections(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Name of each section, and its parameters by their flat names."""
    if path.stat().st_size > MAX_BYTES:
        raise SettingsError(f"{path} has more than {MAX_BYTES} bytes, which no parameter file has")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not document:
        raise SettingsError(f"{path}: not a ROS 2 parameter file: sections gate: and drive: are expected")
    return [(name, dict(_flat(body))) for name, body in _bodies(document, str(path))]


def _bodies(document: Mapping[Any, Any], path: str, name: str = "") -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """The ``ros__parameters`` below node names, which may lie below those of namespaces."""
    for key, value in document.items():
        if not isinstance(value, dict):
            raise SettingsError(f"{path}: {name}{key} is not followed by {BODY}: and parameters below it")
        if key == BODY:
            yield name.rstrip("/"), value
        else:
            yield from _bodies(value, path, f"{name}{key}/")


def _flat(body: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in body.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _number(value)


def _number(value: Any) -> Any:
    """``1e3`` is a number to ROS, and a text to YAML 1.1."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _means(section: str, node: str) -> bool:
    """Whether the section is one of the node: its last name is the node's, or a wildcard."""
    return section.rsplit("/", 1)[-1] in (node, "*", "**")
