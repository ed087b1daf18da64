# SPDX-License-Identifier: Apache-2.0
"""Packages that a plain installation leaves out, and the command that installs them where they are missing."""

from __future__ import annotations

import shlex
import sys

EXTRAS = {
    "learning": ("torch", "safetensors"),
    "deploy": ("cryptography", "onnx", "onnxruntime"),
    "sim": ("carla==0.9.16", "msgpack", "panda3d", "pillow"),
    "gym": ("gymnasium",),
    "live": ("rerun-sdk>=0.39",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow-skinny",),
}
"""Each extra of ``pyproject.toml`` and what it brings."""
MODULES = {
    **dict.fromkeys(("torch", "safetensors"), "learning"),
    **dict.fromkeys(("cryptography", "onnx", "onnxruntime"), "deploy"),
    **dict.fromkeys(("carla", "msgpack", "panda3d", "PIL"), "sim"),
    "gymnasium": "gym",
    "rerun": "live",
    "wandb": "wandb",
    "mlflow": "mlflow",
}
"""Each module that is imported of them: its extra."""


def install(extra: str) -> str:
    """A command that a shell takes in any folder, for the Python that runs."""
    return shlex.join((sys.executable, "-m", "pip", "install", *EXTRAS[extra]))


def remedy(module: str) -> str:
    """How to install a module that is missing; empty for one that every installation has."""
    name = module.split(".")[0]
    if name in MODULES:
        return install(MODULES[name])
    if name in ("rclpy", "launch", "launch_ros") or name.endswith(("_msgs", "_srvs")):
        return "source a ROS 2 and a built workspace, or run make build and put tools/env.sh before the command"
    return ""
