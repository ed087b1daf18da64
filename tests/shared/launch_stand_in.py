# SPDX-License-Identifier: Apache-2.0
"""Stand-ins that record what is made of launch's classes: ``launch`` itself cannot be installed beside the wheels."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
MODULES = (
    *("launch", "launch.action", "launch.actions", "launch.event_handler", "launch.event_handlers", "launch.events"),
    *("launch.events.process", "launch.substitutions", "launch_ros", "launch_ros.actions", "launch_ros.substitutions"),
    "launch_ros.parameter_descriptions",
)


class Recorded:
    """An instance of any class of launch: its name and what it was made with."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.arguments, self.named = arguments, named

    def perform(self, values: dict[str, str]) -> str:
        """The value of a launch configuration."""
        return values[self.arguments[0]]


class StandIn(ModuleType):
    """A module in which every name is a class that records."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (Recorded,), {})
        setattr(self, name, made)
        return made


def load_launch_file(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``launch/NAME.launch.py`` as a module."""
    for module in MODULES:
        monkeypatch.setitem(sys.modules, module, StandIn(module))
    spec = importlib.util.spec_from_file_location(f"{name}_launch", LAUNCH / f"{name}.launch.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made
