# SPDX-License-Identifier: Apache-2.0
"""CARLA 0.9.13 to 0.9.16: all differences that matter here, in one table.

Sources: the wheels on PyPI, the release notes of CARLA, and the source of carla-simulator/ros-bridge (2022-07-22).
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import metadata

from td3_driving.carla.errors import CarlaError


@dataclass(frozen=True)
class CarlaVersion:
    """One release.

    Attributes:
        pythons: interpreters that PyPI has a client wheel for.
        distributions: ROS 2 distributions whose Python is among them.
        bridge: what the published bridge needs to run with it, in Markdown.
    """

    pythons: tuple[str, ...]
    distributions: tuple[str, ...]
    bridge: str


VERSIONS = {
    "0.9.13": CarlaVersion(("3.7", "3.8"), ("Foxy",), "runs as it is"),
    "0.9.14": CarlaVersion(("3.7", "3.8"), ("Foxy",), "edit `CARLA_VERSION`"),
    "0.9.15": CarlaVersion(("3.7", "3.8", "3.10"), ("Foxy", "Humble"), "edit `CARLA_VERSION`, patches for Humble"),
    "0.9.16": CarlaVersion(("3.10", "3.11", "3.12"), ("Humble", "Jazzy"), "edit `CARLA_VERSION`, patches"),
}
RELEASE = re.compile(r"\d+\.\d+\.\d+")


def release_of(text: str) -> str:
    """``0.9.15`` of ``0.9.15-12-g1234567``; "" for a build that names no release."""
    found = RELEASE.match(text)
    return found[0] if found else ""


def installed() -> str:
    """Release of the installed Python package ``carla``.

    Raises:
        CarlaError: there is none; the message says which release suits this Python.
    """
    try:
        return metadata.version("carla")
    except metadata.PackageNotFoundError:
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        suitable = [name for name, version in VERSIONS.items() if python in version.pythons]
        offer = f"for Python {python} there is {' and '.join(suitable)}" if suitable else f"none is for Python {python}"
        raise CarlaError(f"the Python package carla is not installed; {offer}: pip install carla==VERSION") from None


def check_pair(client: str, server: str) -> str:
    """Return a warning about this pair of versions; "" when they fit.

    Raises:
        CarlaError: they do not fit together, or are outside 0.9.13 .. 0.9.16.
    """
    ours, theirs = release_of(client), release_of(server)
    if not ours or not theirs:
        return f"client {client} and server {server} are not both releases; whether they fit is not known"
    for side, release in (("client", ours), ("server", theirs)):
        if release not in VERSIONS:
            first, *_, last = VERSIONS
            raise CarlaError(f"the CARLA {side} is {release}; {first} .. {last} are supported")
    if ours != theirs:
        raise CarlaError(
            f"the CARLA client is {ours} and the server {theirs}; install carla=={theirs} beside this program"
        )
    return ""


def short_name(town: str) -> str:
    """``Town01`` of ``Carla/Maps/Town01`` and of ``/Game/Carla/Maps/Town01/Town01``, as servers name their maps."""
    return town.rstrip("/").rsplit("/", 1)[-1]
