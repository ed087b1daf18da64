# SPDX-License-Identifier: Apache-2.0
"""Typed, bounded fields: what every group of settings is made of."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from dataclasses import asdict, field, fields
from typing import Any, Iterable, Mapping

Scalar = bool | int | float | str
IMPORT_PATH = "my_package.my_module:MyName"
"""Form of an import path, for error messages."""


class SettingsError(ValueError):
    """A setting is unknown, of the wrong type, or outside its range."""


def number(default: int | float, low: float, high: float, meaning: str, unit: str = "") -> Any:
    """A numeric field that must lie in ``[low, high]``."""
    return field(default=default, metadata={"low": low, "high": high, "meaning": meaning, "unit": unit})


def choice(default: str, options: tuple[str, ...], meaning: str) -> Any:
    """A text field that must be one of ``options``."""
    return field(default=default, metadata={"options": options, "meaning": meaning, "unit": ""})


def named(default: str, known: Iterable[str], meaning: str) -> Any:
    """A text field that is one of the ``known`` names or an import path, see :mod:`td3_driving.plugins`."""
    return field(default=default, metadata={"known": tuple(known), "meaning": meaning, "unit": ""})


def plugins(meaning: str) -> Any:
    """A text field with the import paths of a user's objects, separated by commas; empty: none.

    A list of texts is taken as well: ROS parameters and YAML files have them.
    """
    return field(default="", metadata={"plugins": True, "meaning": meaning, "unit": ""})


def import_paths(value: str) -> list[str]:
    """The paths in the value of a field made by :func:`plugins`."""
    return [path.strip() for path in value.split(",") if path.strip()]


def is_import_path(value: str) -> bool:
    """Whether ``value`` has the form ``package.module:Name``."""
    return re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", value) is not None


def flag(default: bool, meaning: str) -> Any:
    """A yes/no field."""
    return field(default=default, metadata={"meaning": meaning, "unit": ""})


def text(default: str, meaning: str) -> Any:
    """A free text field."""
    return field(default=default, metadata={"meaning": meaning, "unit": ""})


class Bounded:
    """Checks the type and the range of every field when a settings object is made."""

    def __post_init__(self) -> None:
        for spec in fields(self):  # type: ignore[arg-type]
            value = check(type(self).__name__, spec.name, getattr(self, spec.name), spec.default, spec.metadata)
            object.__setattr__(self, spec.name, value)


def check(owner: str, name: str, value: Any, default: Any, metadata: Mapping[str, Any]) -> Any:
    """Return ``value`` in the type of ``default``, or raise :class:`SettingsError` naming value and range."""
    wanted = type(default)
    if "plugins" in metadata:
        value = _paths(owner, name, value)
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise SettingsError(f"{owner}.{name}: {value!r} is of type {type(value).__name__}, {wanted.__name__} is needed")
    if "options" in metadata and value not in metadata["options"]:
        raise SettingsError(f"{owner}.{name}: {value!r} is not one of {', '.join(metadata['options'])}")
    if "known" in metadata and value not in metadata["known"] and not is_import_path(value):
        known = ", ".join(metadata["known"])
        raise SettingsError(f"{owner}.{name}: {value!r} is not one of {known}, nor an import path {IMPORT_PATH}")
    if "low" in metadata and not metadata["low"] <= value <= metadata["high"]:
        unit = f" {metadata['unit']}" if metadata["unit"] else ""
        raise SettingsError(f"{owner}.{name}: {value!r} is outside {metadata['low']} .. {metadata['high']}{unit}")
    return value


def _paths(owner: str, name: str, value: Any) -> Any:
    """Import paths in one form: ``a:B,c:D``."""
    if isinstance(value, (list, tuple)) and all(isinstance(path, str) for path in value):
        value = ",".join(value)
    if not isinstance(value, str):
        return value
    paths = import_paths(value)
    for path in paths:
        if not is_import_path(path) or paths.count(path) > 1:
            fault = "is named twice" if is_import_path(path) else f"is no import path of the form {IMPORT_PATH}"
            raise SettingsError(f"{owner}.{name}: {path!r} {fault}")
    return ",".join(paths)


def flattened(settings: Any) -> dict[str, Any]:
    """A dataclass of groups as ``{"group.name": value}``."""
    return {f"{group}.{name}": value for group, part in asdict(settings).items() for name, value in part.items()}


def digest_of(values: Mapping[str, Any]) -> str:
    """SHA-256 of named values, whatever their order."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def group_values(
    values: Mapping[str, Any], base: Mapping[str, Any], groups: Mapping[str, type[Bounded]]
) -> dict[str, Any]:
    """One object per group, made from ``{"group.name": value}`` on top of ``base``, which holds every key.

    Raises:
        SettingsError: a key is unknown, a value has the wrong type or is out of range.
    """
    for key in values:
        if key not in base:
            near = difflib.get_close_matches(key, sorted(base), n=1)
            raise SettingsError(f"unknown setting {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    merged = {**base, **values}
    parts: dict[str, dict[str, Any]] = {group: {} for group in groups}
    for key, value in merged.items():
        group, name = key.split(".", 1)
        parts[group][name] = value
    return {group: _made(group, groups[group], part) for group, part in parts.items()}


def _made(group: str, kind: type[Bounded], values: Mapping[str, Any]) -> Any:
    """A group of settings; an error names the setting as a user writes it."""
    try:
        return kind(**values)
    except SettingsError as error:
        raise SettingsError(str(error).replace(f"{kind.__name__}.", f"{group}.", 1)) from error
