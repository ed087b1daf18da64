# SPDX-License-Identifier: Apache-2.0
"""One fact in one place: an element more in the table is an element more everywhere."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from td3_driving.deploy.contract import STATE, contract_of
from td3_driving.driving import privileged, state_vector
from td3_driving.driving.state_vector import STATE_BOUND, StateElement, state_dim, state_elements
from td3_driving.in_process.run import InProcessRun
from td3_driving.settings import LocalisationSettings, ObservationSettings, Settings

from ..shared import tiny

Make = Callable[..., Settings]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "observation.md"
EXTRA = StateElement("fuel", "l", 10.0, "tank")


@pytest.fixture
def extra_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    """An element more at the end of the state of the sensors contract, and one more for the critic: an entry of the
    table and its encoding each."""
    encode, tell = state_vector._encode_sensors, privileged._around
    elements = privileged.privileged_elements

    def with_fuel(*arguments: Any) -> np.ndarray:
        return np.append(encode(*arguments), np.float32(0.75))

    monkeypatch.setattr(state_vector, "MANOEUVRE", (*state_vector.MANOEUVRE, EXTRA))
    monkeypatch.setattr(state_vector, "_encode_sensors", with_fuel)
    monkeypatch.setattr(privileged, "privileged_elements", lambda: (*elements(), EXTRA))
    monkeypatch.setattr(privileged, "_around", lambda *arguments: np.append(tell(*arguments).ravel(), 0.25))


@pytest.mark.usefixtures("extra_elements")
def test_an_element_more_reaches_networks_memory_and_contract(small: Make, tmp_path: Path) -> None:
    settings = small(
        **{key.replace(".", "__"): value for key, value in tiny.CAMERA.items()},
        simulator__map="straight", simulator__vehicles=2, run__steps=30, learning__teacher="idm",
        exploration__random_steps=10,
    )  # fmt: skip
    size = state_dim(settings.observation)
    assert size == 14 and state_elements(settings.observation)[-1] is EXTRA
    described = contract_of(settings).as_mapping()["inputs"][STATE]
    assert described["shape"] == [1, 14] and described["elements"][-1]["name"] == "fuel"
    run = InProcessRun(settings, tmp_path)
    experiences = [stepped.scored.experience for stepped in run.steps()]
    assert all(sent.state.shape == (14,) and sent.state[-1] == 0.75 for sent in experiences)
    assert all(sent.privileged.shape == (54,) and sent.privileged[-1] == 0.25 for sent in experiences)
    assert run.trainer.inserted == 30 and run.trainer.updates == 4
    batch = run.trainer.memory.gather(run.trainer.memory.sampleable_slots())
    assert (batch.states[:, -1] == 0.75).all() and (batch.next_privileged[:, -1] == 0.25).all()
    assert np.isfinite(batch.teacher_actions).all()
    agent = run.trainer.agent
    assert agent.actor.trunk[0].in_features == settings.network.features + 14
    assert agent.critic.heads[0][0].in_features == 54 + 2
    run.scene.camera.close()


def test_the_page_argues_with_the_defaults_and_names_settings_that_exist() -> None:
    page, error = PAGE.read_text(encoding="utf-8"), LocalisationSettings()
    assert f"With an error of {error.position_noise:g} m alone" in page
    assert f"With a bias of {error.position_bias:g} m" in page
    assert f"clipped to ±{STATE_BOUND:g}" in page
    named = ("crop_top", "crop_bottom", "colour", "frame_width", "frame_height", "stack", "stack_stride")
    known = {spec.name for spec in fields(ObservationSettings)}
    assert all(name in known and f"`{name}`" in page for name in (*named, "waypoint_spacing"))
