# SPDX-License-Identifier: Apache-2.0
"""ROS parameters of a node <-> the settings of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Mapping, Protocol, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from td3_driving.bounded import IMPORT_PATH, SettingsError
from td3_driving.settings import Settings, from_flat

ROS_OWN = ("use_sim_time", "start_type_description_service")
ROS_OWN_PREFIXES = ("qos_overrides.",)


class Flat(Protocol):
    """Settings that can be listed as flat names."""

    def flat(self) -> Mapping[str, Any]:
        """The settings as ``{"group.name": value}``."""
        ...


SettingsT = TypeVar("SettingsT", bound=Flat)


def load_settings(node: Node, extra: Mapping[str, Any] | None = None) -> tuple[Settings, dict[str, Any]]:
    """The settings of a run from the parameters of a node, as :func:`load_groups`."""
    return load_groups(node, from_flat, extra)


def load_groups(
    node: Node,
    make: Callable[[Mapping[str, Any]], SettingsT],
    extra: Mapping[str, Any] | None = None,
) -> tuple[SettingsT, dict[str, Any]]:
    """Read all parameters of a node made with ``automatically_declare_parameters_from_overrides=True``.

    Every setting becomes a read-only parameter with its range and meaning, and ``ros2 param describe`` is the manual.

    Args:
        make: makes the settings from ``{"group.name": value}``; missing names take their defaults.
        extra: further parameters of this node alone, name -> default; declared, and returned as the second value.

    Raises:
        SettingsError: an unknown parameter, a wrong type, a value out of range.
    """
    own = dict(extra or {})
    given = {name: parameter.value for name, parameter in node.get_parameters_by_prefix("").items() if _ours(name)}
    values = {name: value for name, value in given.items() if name not in own}
    settings = make(values)
    for name, default in own.items():
        own[name] = _own_value(name, given.get(name, default), default)
        _redeclare(node, name, own[name], ParameterDescriptor(read_only=True))
    for name, value in settings.flat().items():
        _redeclare(node, name, value, _descriptor(name, settings))
    return settings, own


def _ours(name: str) -> bool:
    return name not in ROS_OWN and not name.startswith(ROS_OWN_PREFIXES)


def _own_value(name: str, value: Any, default: Any) -> Any:
    if type(value) is not type(default):
        raise SettingsError(f"parameter {name}: {value!r} is not of type {type(default).__name__}")
    return value


def _redeclare(node: Node, name: str, value: Any, descriptor: ParameterDescriptor) -> None:
    if node.has_parameter(name):
        node.undeclare_parameter(name)
    node.declare_parameter(name, value, descriptor, ignore_override=True)


def _descriptor(name: str, settings: Flat) -> ParameterDescriptor:
    group, field_name = name.split(".", 1)
    spec = getattr(settings, group).__dataclass_fields__[field_name]
    meta = spec.metadata
    unit = f" [{meta['unit']}]" if meta["unit"] else ""
    descriptor = ParameterDescriptor(description=f"{meta['meaning']}{unit}{_options(meta)}", read_only=True)
    if "low" in meta and type(spec.default) is float:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(meta["low"]), to_value=float(meta["high"]))
        ]
    elif "low" in meta:
        descriptor.integer_range = [IntegerRange(from_value=meta["low"], to_value=meta["high"])]
    return descriptor


def _options(meta: Mapping[str, Any]) -> str:
    if "plugins" in meta:
        return f"; {IMPORT_PATH}, several with commas between them"
    if "known" in meta:
        return f"; one of {', '.join(meta['known'])}, or an import path {IMPORT_PATH}"
    return f"; one of {', '.join(meta['options'])}" if "options" in meta else ""
