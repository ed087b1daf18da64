# SPDX-License-Identifier: Apache-2.0
"""Checks, before any node starts, what ROS needs of the machine: its middleware, the loopback interface, its logs."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

INDEX = Path("share", "ament_index", "resource_index", "rmw_typesupport")
"""Below each prefix: one file for every installed middleware."""
NO_MIDDLEWARE = "rmw_implementation"
"""A file there that is none."""


class NotReadyError(ValueError):
    """ROS cannot run here; one sentence says what to do."""


def check_ros(environment: Mapping[str, str]) -> None:
    """Check what no run can do without.

    Raises:
        NotReadyError: the chosen middleware is not installed, the folder chosen for logs cannot be written, or nodes
            cannot reach one another.
    """
    _check_middleware(environment)
    chosen = _chosen_log_folder(environment)
    if chosen is not None and not _writable(chosen[1]):
        raise NotReadyError(f"{chosen[0]}: {chosen[1]} cannot be written; name another folder or unset it")
    if not _loopback_is_up():
        raise NotReadyError(
            "the loopback interface is down, and nodes of one machine find one another over it: ip link set lo up"
        )


def ensure_home() -> str:
    """Let a folder of this user stand in for ``HOME`` where it is not set; return that in one sentence, else "".

    ROS finds no folder for its logs without it, and CARLA's library crashes when it is imported.
    """
    if os.environ.get("HOME"):
        return ""
    folder = Path(tempfile.gettempdir(), f"td3_driving_home_{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ["HOME"] = str(folder)
    return f"HOME is not set: {folder} stands in for it"


def log_variables(environment: Mapping[str, str], fallback: Path) -> dict[str, str]:
    """Return variables that lead the logs of ROS to a folder that can be written; empty where they do already.

    Args:
        fallback: folder for the case that there is no home folder, or that it cannot be written; it is made then.

    Raises:
        OSError: the fallback cannot be made.
    """
    home = environment.get("HOME", "")
    if _chosen_log_folder(environment) is not None or (home and _writable(Path(home, ".ros", "log"))):
        return {}
    fallback.mkdir(parents=True, exist_ok=True)
    return {"ROS_LOG_DIR": str(fallback)}


def spare_log_folder() -> Path:
    """Return a folder for logs of this user that is not below the home folder."""
    return Path(tempfile.gettempdir(), f"td3_driving_log_{os.getuid()}")


def log_note(variables: Mapping[str, str]) -> str:
    """Return where :func:`log_variables` leads the logs, in one sentence; "" where it changes nothing."""
    folder = variables.get("ROS_LOG_DIR", "")
    return f"there is no home folder that can be written: the logs of ROS go to {folder}" if folder else ""


def _check_middleware(environment: Mapping[str, str]) -> None:
    wanted = environment.get("RMW_IMPLEMENTATION", "")
    found = set(_middlewares(environment))
    # Where nothing is found, ROS lies in a place unknown here and speaks for itself.
    if wanted and found and wanted not in found:
        raise NotReadyError(
            f"RMW_IMPLEMENTATION {wanted} is not installed; installed: {', '.join(sorted(found))}. Install"
            f" ros-$ROS_DISTRO-{wanted.replace('_', '-')}, or unset RMW_IMPLEMENTATION"
        )


def _middlewares(environment: Mapping[str, str]) -> Iterable[str]:
    prefixes = [sys.prefix, *environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    for prefix in filter(None, prefixes):
        folder = Path(prefix) / INDEX
        if folder.is_dir():
            yield from (entry.name for entry in folder.iterdir() if entry.name != NO_MIDDLEWARE)


def _chosen_log_folder(environment: Mapping[str, str]) -> tuple[str, Path] | None:
    """The variable that names a folder for logs, and the folder, as ``rcl_logging`` reads them."""
    if environment.get("ROS_LOG_DIR"):
        return "ROS_LOG_DIR", Path(environment["ROS_LOG_DIR"]).expanduser()
    if environment.get("ROS_HOME"):
        return "ROS_HOME", Path(environment["ROS_HOME"]).expanduser() / "log"
    return None


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _loopback_is_up() -> bool:
    """Send one byte to this process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        try:
            own.bind(("127.0.0.1", 0))
            own.sendto(b"x", own.getsockname())
        except OSError:
            return False
    return True
