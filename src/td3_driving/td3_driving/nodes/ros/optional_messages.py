# SPDX-License-Identifier: Apache-2.0
"""Messages that not every ROS 2 installation carries, imported with an error that names the missing package."""

from __future__ import annotations

import importlib
from typing import Any


class MissingPackageError(ImportError):
    """A ROS package with message definitions is not installed."""


def message(package: str, name: str) -> Any:
    """Import the class of ``package/msg/name``.

    Raises:
        MissingPackageError: the package is not installed; the message says what to install.
    """
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except ModuleNotFoundError as error:
        distribution = f"ros-$ROS_DISTRO-{package.replace('_', '-')}"
        raise MissingPackageError(
            f"the ROS package {package} is missing: install {distribution}, or run `make build`: it builds src/compat"
        ) from error
