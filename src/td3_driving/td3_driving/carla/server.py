# SPDX-License-Identifier: Apache-2.0
"""Finds or starts a CARLA server, and checks whether it answers."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from td3_driving.carla.errors import CarlaError
from td3_driving.carla.versions import installed
from td3_driving.settings import CarlaSettings

SCRIPT = "CarlaUE4.sh"
KNOCK_TIMEOUT = 1.0
"""Wall time of a TCP connection to the server [s]."""


def listening(host: str, port: int) -> bool:
    """Return whether the port accepts connections; libcarla would wait and print if not."""
    try:
        with socket.create_connection((host, port), KNOCK_TIMEOUT):
            return True
    except OSError:
        return False


def must_start(settings: CarlaSettings) -> bool:
    """Return whether to start a server: as set, or, with ``auto``, where none listens."""
    if settings.server == "auto":
        return not listening(settings.host, settings.port)
    return settings.server == "start"


def executable(settings: CarlaSettings, environment: Mapping[str, str]) -> Path:
    """The server's start script.

    Raises:
        CarlaError: it is not known, or not on this machine.
    """
    root = environment.get("CARLA_ROOT", "")
    if not settings.executable and not root:
        raise CarlaError(
            f"no CARLA server listens at {settings.host}:{settings.port}, and none can be started: "
            f"start one, or set CARLA_ROOT or carla.executable to find its {SCRIPT}"
        )
    path = Path(settings.executable).expanduser() if settings.executable else Path(root) / SCRIPT
    if not path.is_file():
        raise CarlaError(f"{path} does not exist; set CARLA_ROOT or carla.executable to find the server's {SCRIPT}")
    return path


def check_startable(settings: CarlaSettings, environment: Mapping[str, str]) -> None:
    """Check before any start whether a session is possible.

    Raises:
        CarlaError: the client is not installed, or there is neither a server nor a way to start one.
    """
    installed()
    if must_start(settings):
        server_command(executable(settings, environment), settings)


def server_command(path: Path, settings: CarlaSettings) -> list[str]:
    """The command line of the server (options of CARLA 0.9.13 to 0.9.16).

    Raises:
        CarlaError: it would run on another machine.
    """
    if settings.host not in ("localhost", "127.0.0.1"):
        raise CarlaError(f"a server on {settings.host} cannot be started from here; start it there, or use localhost")
    words = [str(path), f"-carla-rpc-port={settings.port}", f"-quality-level={settings.quality}", "-nosound"]
    return [*words, "-RenderOffScreen"] if settings.off_screen else words
