# SPDX-License-Identifier: Apache-2.0
"""An element of the state vector from a module outside the package, up to a bundle that names it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from td3_driving.bounded import SettingsError
from td3_driving.deploy.contract import ContractError, contract_of, read_contract
from td3_driving.driving.pilot import ObservationBuilder
from td3_driving.driving.route import Route
from td3_driving.driving.state_vector import own_elements, state_dim, state_elements
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.plugins import PluginFault
from td3_driving.settings import Settings, from_flat
from tests.shared import tiny

PATH = "my_sensors:SIDEWAYS_SPEED"
ROUTE = Route(np.array([(0.0, 0.0), (200.0, 0.0)]))


def own(state: str = "sensors", **changes: Any) -> Settings:
    values = {key.replace("__", "."): value for key, value in changes.items()}
    return from_flat({"observation.elements": PATH, "observation.state": state, **values})


def seen(settings: Settings, lateral_speed: float) -> np.ndarray:
    eyes = ObservationBuilder(settings)
    eyes.start(ROUTE, seed=3)
    frame = np.zeros((settings.observation.frame_height, settings.observation.frame_width), dtype=np.uint8)
    return eyes.see(frame, VehicleState(0, 5.0, 0.0, 0.0, 0.0, 8.0, lateral_speed, 0.0)).observation.state


@pytest.mark.parametrize("state", ["sensors", "map"])
@pytest.mark.usefixtures("examples")
def test_the_element_comes_last_scaled_and_clipped(state: str) -> None:
    plain, settings = from_flat({"observation.state": state}), own(state)
    assert state_dim(settings.observation) == state_dim(plain.observation) + 1
    assert state_elements(settings.observation)[-1].name == "sideways speed, left positive"
    np.testing.assert_array_equal(seen(settings, 1.0)[:-1], seen(plain, 1.0))
    # Divided by its scale of 2 m/s, and clipped to five times that.
    assert [seen(settings, speed)[-1] for speed in (1.0, -3.0, 40.0)] == [0.5, -1.5, 5.0]
    assert seen(settings, 1.0).dtype == np.float32


@pytest.mark.usefixtures("examples")
def test_the_hash_covers_it_and_a_bundle_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own().digest() != Settings().digest()
    document = contract_of(own()).as_mapping()
    assert document["inputs"]["state"]["elements"][-1]["name"] == "sideways speed, left positive"
    assert read_contract(document).state_size == state_dim(own().observation)
    assert "elements" not in contract_of(Settings()).as_mapping()["parameters"]["observation"]
    own_elements.cache_clear()
    monkeypatch.setitem(sys.modules, "my_sensors", None)
    with pytest.raises(ContractError, match=r"observation\.elements: 'my_sensors:SIDEWAYS_SPEED'"):
        read_contract(document)


@pytest.mark.usefixtures("examples")
def test_a_bundle_with_another_scale_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import my_sensors

    document = contract_of(own()).as_mapping()
    element = replace(my_sensors.SIDEWAYS_SPEED.element, scale=3.0)
    monkeypatch.setattr(my_sensors, "SIDEWAYS_SPEED", replace(my_sensors.SIDEWAYS_SPEED, element=element))
    own_elements.cache_clear()
    with pytest.raises(ContractError, match=r"divided_by is 2\.0 in the bundle, 3\.0 in the software"):
        read_contract(document)
    own_elements.cache_clear()


def test_what_is_no_element_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match="there is no module 'nowhere_to_be_found'"):
        from_flat({"observation.elements": "nowhere_to_be_found:X"})
    with pytest.raises(SettingsError, match="'math:pi' is no OwnElement"):
        from_flat({"observation.elements": "math:pi"})


@pytest.mark.usefixtures("examples")
def test_a_value_that_is_not_finite_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import my_sensors

    broken = replace(my_sensors.SIDEWAYS_SPEED, value=lambda sensed: float("nan"))
    monkeypatch.setattr(my_sensors, "SIDEWAYS_SPEED", broken)
    own_elements.cache_clear()
    with pytest.raises(PluginFault, match="'sideways speed, left positive' of the state vector is nan"):
        seen(own(), 0.0)
    own_elements.cache_clear()


@pytest.mark.usefixtures("examples", "one_thread")
def test_training_and_evaluation_see_it(tmp_path: Path) -> None:
    from td3_driving.in_process.run import InProcessRun
    from tests.shared.drives import evaluate_policy

    small = {**tiny.LEARNER, **tiny.CAMERA, "simulator.map": "curves", "simulator.vehicles": 0, "run.steps": 200}
    pacing = {"exploration.random_steps": 60, "pacing.learning_starts": 50, "pacing.gradient_steps": 2}
    settings = from_flat({**small, **pacing, "observation.elements": PATH, "episode.max_steps": 60})
    run = InProcessRun(settings, tmp_path)
    states = np.array([stepped.scored.experience.state for stepped in run.steps()])
    run.scene.camera.close()
    assert states.shape == (200, state_dim(settings.observation)) and run.trainer.updates > 0
    assert np.abs(states[:, -1]).max() > 0.0
    (record,) = evaluate_policy(settings, run.trainer.weights().data, [1])
    assert record.length > 0
