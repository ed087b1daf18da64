"""Launch files against stand-ins that record what is made of launch's classes: ``launch`` itself cannot be installed
beside the wheels."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = (
    *("launch", "launch.action", "launch.actions", "launch.event_handler", "launch.event_handlers", "launch.events"),
    *("launch.events.process", "launch.substitutions", "launch_ros", "launch_ros.actions", "launch_ros.substitutions"),
    "launch_ros.parameter_descriptions",
)


class Recorded:
    """An instance of any class of launch: its name and what it was made with."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.arguments = arguments
        self.named = named


class StandIn(ModuleType):
    """A module in which every name is a class that records."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (Recorded,), {})
        setattr(self, name, made)
        return made


@pytest.fixture
def load_launch_file(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Loads ``launch/NAME.launch.py`` as a module."""

    def load(name: str) -> Any:
        for module in MODULES:
            monkeypatch.setitem(sys.modules, module, StandIn(module))
        file = REPOSITORY / "launch" / f"{name}.launch.py"
        spec = importlib.util.spec_from_file_location(f"{name}_launch", file)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return made

    return load
