# SPDX-License-Identifier: Apache-2.0
"""Build of the ROS package; ``launch``, ``config`` and ``test`` are links to the top level of the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
PACKAGE = "td3_driving"
NODES = {
    "policy": "training.policies",
    "learner": "training.learner",
    "diagnostics": "training.diagnostics",
    "recorder": "training.recorder",
    "registrar": "training.registrar",
    "joiner": "training.joiner",
    "simulator": "bridge.simulator",
    "carla_episodes": "bridge.carla_episodes",
    "gate": "vehicle.gate",
    "drive": "vehicle.drive",
    "visualizer": "view.visualizer",
    "live": "view.live",
}


def shared(folder: str, pattern: str) -> Iterator[tuple[str, list[str]]]:
    """``data_files`` entries that install ``folder`` below the package's share folder, file by file.

    colcon wants paths relative to this file, without ``..``.

    Raises:
        FileNotFoundError: nothing matches, for instance where a link was checked out as a text file.
    """
    files = sorted(path for path in (HERE / folder).rglob(pattern) if path.is_file())
    if not files:
        raise FileNotFoundError(f"{HERE / folder} holds no {pattern}: the links of the repository are missing")
    for path in files:
        relative = path.relative_to(HERE)
        yield str(Path("share") / PACKAGE / relative.parent), [str(relative)]


def version() -> str:
    """The version that the package states."""
    text = (HERE / PACKAGE / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'__version__ = "(.+?)"', text)
    if found is None:
        raise ValueError(f"{PACKAGE}/__init__.py states no __version__")
    return found[1]


setup(
    name=PACKAGE,
    version=version(),
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["py.typed", "**/*.xodr", "**/*.html", "**/*.css", "**/*.js", "**/*.json", "**/*.csv"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        ("bin", ["bin/td3-driving"]),
        *shared("launch", "*.launch.py"),
        *shared("config", "*.*"),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="td3_driving maintainers",
    maintainer_email="td3-driving@example.org",
    description="Trains camera-driven TD3 policies over ROS 2, and judges the training.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            *(f"{name} = {PACKAGE}.nodes.{module}:main" for name, module in NODES.items()),
            f"final_drives = {PACKAGE}.evaluation.final_drives:main",
            f"doctor = {PACKAGE}.doctor.cli:main",
            f"loggers = {PACKAGE}.loggers.cli:main",
        ]
    },
)
