# SPDX-License-Identifier: Apache-2.0
"""Settings that the launch files take as arguments when they bring up CARLA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field
from typing import Any

from td3_driving.settings import GROUPS

ARGUMENTS = {
    **{name: f"carla.{name}" for name in ("host", "port", "server", "executable", "bridge", "town", "weather")},
    **{name: f"carla.{name}" for name in ("quality", "off_screen", "objects", "stage_timeout")},
    **{name: f"simulator.{name}" for name in ("fixed_delta", "scenario", "vehicles", "route")},
}
"""Launch argument -> setting."""


def launch_arguments() -> dict[str, tuple[str, tuple[str, ...] | None, str]]:
    """Default, choices and meaning of each argument; the empty default leaves the value to the profile."""
    return {name: ("", _choices(key), _meaning(key)) for name, key in ARGUMENTS.items()}


def assignments(values: Mapping[str, str]) -> tuple[str, ...]:
    """``group.name=value`` for every argument that was given; the other ``values`` are not looked at."""
    given = {key: values[name] for name, key in ARGUMENTS.items() if values.get(name)}
    return tuple(f"{key}={_yaml(value)}" for key, value in given.items())


def _yaml(value: str) -> str:
    """Launch users write True, parameter files true."""
    return value.lower() if value in ("True", "False") else value


def _choices(key: str) -> tuple[str, ...] | None:
    spec = _field(key)
    if type(spec.default) is bool:
        return ("", "true", "false", "True", "False")
    return ("", *spec.metadata["options"]) if "options" in spec.metadata else None


def _meaning(key: str) -> str:
    spec = _field(key)
    meta = spec.metadata
    unit = f" [{meta['unit']}]" if meta["unit"] else ""
    bounds = f", {meta['low']} .. {meta['high']}" if "low" in meta else ""
    whose = "CARLA: " if key.startswith("carla.") else ""
    return f"{whose}{meta['meaning']}{unit}{bounds}; empty: as the profile says, else {spec.default!r}"


def _field(key: str) -> Field[Any]:
    group, name = key.split(".", 1)
    found: Field[Any] = GROUPS[group].__dataclass_fields__[name]  # type: ignore[attr-defined]
    return found
