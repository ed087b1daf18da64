"""The launch arguments for CARLA, and the launch file for CARLA alone, against stand-ins of launch's classes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from td3_driving.carla.arguments import ARGUMENTS, assignments, launch_arguments
from td3_driving.settings import Settings
from td3_driving.starting.profiles import override

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = (
    *("launch", "launch.action", "launch.actions", "launch.event_handlers", "launch.events", "launch.events.process"),
    *("launch.substitutions", "launch_ros", "launch_ros.actions"),
)


class Recorded:
    """An instance of any class of launch."""

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


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, StandIn(name))
    spec = importlib.util.spec_from_file_location("carla_launch", REPOSITORY / "launch" / "carla.launch.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_argument_names_a_setting_with_its_bounds() -> None:
    described = launch_arguments()
    assert set(described) == set(ARGUMENTS)
    assert {"host", "port", "town", "quality", "off_screen", "fixed_delta"} <= set(described)
    assert set(ARGUMENTS.values()) <= set(Settings().flat())
    assert "1 .. 65533" in described["port"][2] and "[s], 0.005 .. 0.1" in described["fixed_delta"][2]
    assert described["quality"][1] == ("", "Low", "Epic")
    assert set(described["off_screen"][1] or ()) == {"", "true", "false", "True", "False"}


def test_nothing_given_changes_nothing() -> None:
    assert assignments(dict.fromkeys(ARGUMENTS, "")) == ()


def test_given_arguments_become_settings() -> None:
    given = assignments({"host": "box", "port": "2100", "off_screen": "False", "fixed_delta": "0.1", "rviz": "true"})
    settings = override(Settings(), given)
    assert (settings.carla.host, settings.carla.port, settings.carla.off_screen) == ("box", 2100, False)
    assert settings.simulator.fixed_delta == 0.1


def test_the_node_gets_all_settings(launch_file: Any) -> None:
    values = {name: default for name, (default, _, _) in launch_file.ARGUMENTS.items()}
    _, node = launch_file._run({**values, "town": "Town02", "vehicles": "0"})
    parameters = node.named["parameters"][0]
    assert parameters["carla.town"] == "Town02" and parameters["simulator.vehicles"] == 0
    assert set(parameters) == {*Settings().flat(), "run_dir"}
    assert (node.named["package"], node.named["executable"]) == ("td3_driving", "scenario")


def test_a_refusal_ends_the_launch_with_an_error(launch_file: Any) -> None:
    (action,) = launch_file._exited(SimpleNamespace(returncode=2), SimpleNamespace(is_shutdown=False))
    with pytest.raises(RuntimeError, match="scenario ended with exit code 2"):
        action.named["function"](None, *action.named["args"])
    (action,) = launch_file._exited(SimpleNamespace(returncode=0), SimpleNamespace(is_shutdown=False))
    assert type(action).__name__ == "Shutdown"
