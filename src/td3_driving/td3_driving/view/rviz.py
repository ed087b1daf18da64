# SPDX-License-Identifier: Apache-2.0
"""Observing processes: RViz with the installed configuration, and its DDS settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from td3_driving.processes.domain import onlooker
from td3_driving.runs.profiles import config_directory

TF_TOPICS = ("/tf", "/tf_static")


def rviz_file() -> Path:
    """The installed RViz configuration."""
    return config_directory() / "rviz" / "td3_driving.rviz"


def viewer_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a viewer that delays no publisher, see :func:`onlooker`."""
    return onlooker(environment, config_directory() / "dds" / "onlooker.xml")


def rviz_arguments(file: Path, namespace: str = "", use_sim_time: bool = True) -> tuple[str, ...]:
    """Return the command line of ``rviz2`` for the topics in ``namespace``.

    Raises:
        OSError: the configuration cannot be read.
        ValueError: it is no YAML file.
    """
    words = ["-d", str(file), "--ros-args", "-p", f"use_sim_time:={str(use_sim_time).lower()}"]
    if namespace:
        for topic in (*rviz_topics(file), *TF_TOPICS):
            words += ["-r", f"{topic}:=/{namespace.strip('/')}{topic}"]
    return tuple(words)


def rviz_topics(file: Path) -> list[str]:
    """The topics that an RViz configuration names, in its order.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no YAML file.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not an RViz configuration: {' '.join(str(error).split())}") from error
    return list(dict.fromkeys(_topics(document)))


def _topics(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(topic := part.get("Topic"), dict) and topic.get("Value"):
            yield str(topic["Value"])
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from _topics(inner)
