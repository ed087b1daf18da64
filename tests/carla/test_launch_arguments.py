# SPDX-License-Identifier: Apache-2.0
"""The launch arguments for CARLA, and the launch file for CARLA alone, against stand-ins of launch's classes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from td3_driving.carla.arguments import ARGUMENTS, assignments, launch_arguments
from td3_driving.runs.profiles import override
from td3_driving.settings import Settings

from ..shared.launch_stand_in import load_launch_file


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> Any:
    return load_launch_file("carla", monkeypatch)


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
    _, node = launch_file._bring_up({**values, "town": "Town02", "vehicles": "0"})
    parameters = node.named["parameters"][0]
    assert parameters["carla.town"] == "Town02" and parameters["simulator.vehicles"] == 0
    assert set(parameters) == {*Settings().flat(), "run_dir"}
    assert (node.named["package"], node.named["executable"]) == ("td3_driving", "carla_episodes")


def test_a_refusal_ends_the_launch_with_an_error(launch_file: Any) -> None:
    (action,) = launch_file._exited(SimpleNamespace(returncode=2), SimpleNamespace(is_shutdown=False))
    with pytest.raises(RuntimeError, match="carla_episodes ended with exit code 2"):
        action.named["function"](None, *action.named["args"])
    (action,) = launch_file._exited(SimpleNamespace(returncode=0), SimpleNamespace(is_shutdown=False))
    assert type(action).__name__ == "Shutdown"
