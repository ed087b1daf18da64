# SPDX-License-Identifier: Apache-2.0
"""Settings from a profile and the command line. A profile is a ROS 2 parameter file of the values that differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from td3_driving.doctor.readers.checksums import damage_of
from td3_driving.settings import Settings, SettingsError, from_flat

DEFAULT_PROFILE = "quick"
CONTRACT = "observation.state"
"""A setting that every run's configuration holds; one without it belongs to policies with another observation."""


class _Loader(yaml.SafeLoader):
    """Reads numbers as ROS 2 does: ``1e-5`` is a number, although YAML 1.1 reads text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def config_directory() -> Path:
    """The folder of the profiles, in an installation or in the sources.

    Raises:
        SettingsError: there is none.
    """
    for parent in Path(__file__).resolve().parents:
        for candidate in (parent / "share" / "td3_driving" / "config", parent / "config"):
            if (candidate / f"{DEFAULT_PROFILE}.yaml").is_file():
                return candidate
    raise SettingsError("the profiles (config/*.yaml) are not installed beside this package")


def profile_path(profile: str) -> Path:
    """The file of a profile given by its name or by its path.

    Raises:
        SettingsError: there is no such profile.
    """
    path = Path(profile)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise SettingsError(f"profile {profile}: no such file")
        return path
    named = config_directory() / f"{profile}.yaml"
    if not named.is_file():
        known = ", ".join(sorted(file.stem for file in named.parent.glob("*.yaml")))
        raise SettingsError(f"unknown profile {profile!r}; there are {known}, or give the path of a YAML file")
    return named


def load_profile(path: Path, base: Settings | None = None) -> Settings:
    """Settings from a parameter file on top of ``base``.

    Raises:
        SettingsError: the file is no parameter file, or a setting in it is unknown, of a wrong type or out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from error
    return parse_profile(text, str(path), base)


def load_run(path: Path) -> Settings:
    """The configuration of an earlier run from the ``config.yaml`` in its folder.

    Raises:
        SettingsError: as :func:`load_profile`, the file is not as the run wrote it, or the run's policy has another
            observation.
    """
    if damage := damage_of(path.parent, path.name):
        raise SettingsError(damage)
    try:
        return parse_run(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from error


def parse_run(text: str, where: str) -> Settings:
    """The configuration of an earlier run from its text; ``where`` begins every complaint.

    Raises:
        SettingsError: as :func:`load_run`.
    """
    settings = parse_profile(text, where)
    if CONTRACT not in _flat(_parameters(yaml.load(text, Loader=_Loader))):
        raise SettingsError(
            f"{where} has no {CONTRACT}: the run was made when every policy was told its exact lane and every critic"
            f" looked through the camera, so its weights and steps fit no more; train anew, with --set {CONTRACT}=map"
            " --set network.critic=camera for a policy of that kind"
        )
    return settings


def parse_profile(text: str, where: str, base: Settings | None = None) -> Settings:
    """Settings from the text of a parameter file on top of ``base``; ``where`` begins every complaint.

    Raises:
        SettingsError: as :func:`load_profile`.
    """
    try:
        document = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise SettingsError(f"{where}: not a YAML file: {' '.join(str(error).split())}") from error
    try:
        return from_flat(_flat(_parameters(document)), base)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error


def override(settings: Settings, assignments: Iterable[str]) -> Settings:
    """``settings`` with ``group.name=value`` assignments applied.

    Raises:
        SettingsError: an assignment is malformed, unknown, of a wrong type or out of range.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise SettingsError(f"{assignment!r} is not of the form group.name=value")
        values[name.strip()] = _value(value.strip())
    return from_flat(values, settings)


def parameter_file(settings: Settings) -> str:
    """The settings as the text of a ROS 2 parameter file for every node."""
    groups: dict[str, dict[str, Any]] = {}
    for key, value in settings.flat().items():
        group, name = key.split(".", 1)
        groups.setdefault(group, {})[name] = value
    return str(yaml.safe_dump({"/**": {"ros__parameters": groups}}, sort_keys=False))


def _parameters(document: Any) -> Mapping[str, Any]:
    wrong = SettingsError("not a ROS 2 parameter file: '/**:' with 'ros__parameters:' below it is expected")
    if not isinstance(document, dict) or list(document) != ["/**"] or not isinstance(document["/**"], dict):
        raise wrong
    if list(document["/**"]) != ["ros__parameters"]:
        raise wrong
    parameters = document["/**"]["ros__parameters"]
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise wrong
    return parameters


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in parameters.items():
        name = f"{prefix}{key}"
        flat.update(_flat(value, f"{name}.") if isinstance(value, dict) else {name: value})
    return flat


def _value(text: str) -> Any:
    """A number, a yes/no, or else the text itself."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return value if isinstance(value, (bool, int, float, str, list)) else text
