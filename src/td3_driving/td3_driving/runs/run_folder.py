# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: made once, owned by one run at a time, described by its manifest."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path

from td3_driving import __version__
from td3_driving.plugins import plugins_in
from td3_driving.runs.checksums import sealed
from td3_driving.runs.profiles import load_run, parameter_file
from td3_driving.settings import Settings

RUNS = Path("runs")
"""Folder of all runs, below the working directory."""
PACKAGES = ("torch", "numpy", "safetensors", "tensorboard", "panda3d", "carla", "rclpy")
"""Python packages whose versions the manifest states."""
GIT_TIMEOUT = 5.0
"""Wall time [s] after which the commit is given up as unknown."""


class RunFolderError(ValueError):
    """The run folder cannot be used."""


class RunFolder:
    """A claimed run folder; free again when closed or when the process ends.

    Attributes:
        path: absolute.
        settings: the resolved configuration, as in ``config.yaml``.
    """

    def __init__(self, path: Path, settings: Settings, lock: int) -> None:
        self.path = path
        self.settings = settings
        self._lock = lock

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)


def folder_for(name: str, profile: str, seed: int, now: datetime) -> Path:
    """Return the folder of a run: ``name`` is a name below ``runs/``, a path, or "" for profile, time and seed."""
    if not name:
        return (RUNS / f"{Path(profile).stem}-{now:%Y%m%d-%H%M%S}-{seed}").absolute()
    path = Path(name)
    return (path if len(path.parts) > 1 else RUNS / name).absolute()


def create(path: Path, settings: Settings, now: datetime, profile: str = "") -> RunFolder:
    """Make the folder of a new run with its configuration and manifest.

    Args:
        profile: that the settings come from, for the manifest.

    Raises:
        RunFolderError: another run uses it, or it holds something already.
        OSError: it cannot be written.
    """
    lock = _claim(path)
    found = sorted(entry.name for entry in path.iterdir() if entry.name != ".lock")
    if found:
        os.close(lock)
        raise RunFolderError(f"{path} is not empty ({found[0]}, ...); choose another name, or continue it with resume")
    _describe(path, settings, now, profile)
    return RunFolder(path, settings, lock)


def resume(path: Path, settings: Settings, now: datetime) -> RunFolder:
    """Claim the folder of an earlier run to continue it, perhaps for more steps.

    Args:
        settings: the configuration to continue with; :func:`earlier_settings` with what the user changed.

    Raises:
        RunFolderError: there is no such run, another process uses it, or the settings are not those of the run.
    """
    earlier = earlier_settings(path)
    changed = [key for key, value in settings.flat().items() if earlier.flat()[key] != value]
    if settings.digest() != earlier.digest():
        raise RunFolderError(f"{path} was made with other settings ({', '.join(changed)}); only its length may change")
    lock = _claim(path)
    _describe(path, settings, now, profile_of(path))
    return RunFolder(path, settings, lock)


def mark_lived(path: Path) -> None:
    """Let ``latest`` beside the run folder ``path`` point to it; called once the run has done a step.

    Raises:
        OSError: the link cannot be written.
    """
    if path.parent.name == RUNS.name:
        _point(path.parent / "latest", path)


def profile_of(path: Path) -> str:
    """The profile that the run in ``path`` was made with; "" where its manifest does not say."""
    try:
        return str(json.loads((path / "manifest.json").read_text(encoding="utf-8")).get("profile", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def earlier_settings(path: Path) -> Settings:
    """The configuration of an earlier run.

    Raises:
        RunFolderError: the folder holds none.
        SettingsError: it cannot be read, or is of another version of the program.
    """
    config = path / "config.yaml"
    if not config.is_file():
        raise RunFolderError(f"{path} holds no run (no config.yaml)")
    return load_run(config)


def manifest(settings: Settings, now: datetime, environment: Mapping[str, str], profile: str = "") -> dict[str, object]:
    """Return the facts needed to reproduce a run: versions, commit, command, seed, machine."""
    return {
        "td3_driving": __version__,
        "commit": _commit(),
        "config_hash": settings.digest(),
        "profile": profile,
        "plugins": plugins_in(settings.flat()),
        "seed": settings.run.seed,
        "started": now.astimezone().isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "ros_distro": environment.get("ROS_DISTRO") or "wheels",
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
    }


def _claim(path: Path) -> int:
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        if isinstance(error, FileExistsError):
            why = "it is a link that leads nowhere" if path.is_symlink() else "it is a file"
        raise RunFolderError(f"run folder {path} cannot be written: {why}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise RunFolderError(f"{path} is in use by a run that has not ended") from None
    return lock


def _describe(path: Path, settings: Settings, now: datetime, profile: str) -> None:
    text = json.dumps(manifest(settings, now, os.environ, profile), indent=2)
    with sealed(path, "config.yaml", "manifest.json"):
        (path / "config.yaml").write_text(parameter_file(settings), encoding="utf-8")
        (path / "manifest.json").write_text(text + "\n", encoding="utf-8")


def _point(link: Path, target: Path) -> None:
    """Make ``link`` point to ``target`` in one step; a folder of that name is left alone."""
    if link.exists() and not link.is_symlink():
        return
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.symlink_to(target.name)
    fresh.replace(link)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _commit() -> str:
    """The commit of the sources, with ``-dirty`` when they differ from it; "unknown" outside a repository."""
    command = ["git", "-C", str(Path(__file__).resolve().parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
