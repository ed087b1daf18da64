# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3_driving.learning.exploration import Exploration
from td3_driving.settings import ExplorationSettings


def test_random_phase_covers_both_dimensions_independently_and_symmetrically() -> None:
    exploration = Exploration(ExplorationSettings(random_steps=20_000, random_hold=1), seed=3)
    actions = np.stack([exploration.action(step, None)[0] for step in range(20_000)])
    assert np.abs(actions.mean(axis=0)).max() < 0.02  # 3.5 standard errors of a uniform mean
    assert np.allclose(actions.std(axis=0), 1 / np.sqrt(3), atol=0.01)
    assert abs(np.corrcoef(actions.T)[0, 1]) < 0.03
    assert actions.min() < -0.999
    assert actions.max() > 0.999


def test_random_action_is_held() -> None:
    exploration = Exploration(ExplorationSettings(random_steps=12, random_hold=4), seed=0)
    actions = [tuple(exploration.action(step, None)[0]) for step in range(12)]
    assert len(set(actions)) == 3
    assert actions[0] == actions[3] != actions[4] == actions[7]


@given(st.integers(0, 2**31 - 1), st.integers(0, 10**7))
def test_a_restart_explores_on_as_before(seed: int, step: int) -> None:
    settings = ExplorationSettings()
    wanted = np.array([0.3, -0.2], np.float32)
    first, again = Exploration(settings, seed), Exploration(settings, seed)
    for earlier in range(5):
        first.action(earlier, None)
    assert np.array_equal(first.action(step, wanted)[0], again.action(step, wanted)[0])


def test_a_step_is_drawn_from_its_own_part_of_the_counter() -> None:
    exploration = Exploration(ExplorationSettings(random_steps=0, noise_start=0.4, noise_end=0.4), seed=11)
    for step in (7, 3, 7):
        noise = np.random.Generator(np.random.Philox(key=11, counter=[0, 0, 0, step])).normal(0.0, 0.4, 2)
        drawn, _ = exploration.action(step, np.zeros(2, np.float32))
        assert drawn.tobytes() == np.clip(noise, -1.0, 1.0).astype(np.float32).tobytes()


def test_noise_decays_linearly_from_the_end_of_the_random_phase() -> None:
    exploration = Exploration(ExplorationSettings(random_steps=100, noise_start=0.4, noise_end=0.2, decay_steps=50), 0)
    zero = np.zeros(2)
    assert exploration.action(99, None)[1] == 1.0
    assert [exploration.action(step, zero)[1] for step in (100, 125, 150, 999)] == pytest.approx([0.4, 0.3, 0.2, 0.2])


def test_noise_has_its_standard_deviation_in_each_dimension() -> None:
    exploration = Exploration(ExplorationSettings(random_steps=0, noise_start=0.2, noise_end=0.2), 5)
    actions = np.stack([exploration.action(step, np.zeros(2))[0] for step in range(5000)])
    assert np.allclose(actions.std(axis=0), 0.2, atol=0.01)
    assert abs(np.corrcoef(actions.T)[0, 1]) < 0.06


def test_actions_stay_in_range_and_zero_noise_changes_nothing() -> None:
    loud = Exploration(ExplorationSettings(random_steps=0, noise_start=2.0, noise_end=2.0), 1)
    assert max(np.abs(loud.action(step, np.ones(2))[0]).max() for step in range(200)) == 1.0
    quiet = Exploration(ExplorationSettings(random_steps=0, noise_start=0.0, noise_end=0.0), 1)
    assert np.array_equal(quiet.action(7, np.array([0.25, -0.5]))[0], np.array([0.25, -0.5], np.float32))


def test_after_the_random_phase_an_action_of_the_policy_is_needed() -> None:
    with pytest.raises(ValueError, match="random phase of 10 steps"):
        Exploration(ExplorationSettings(random_steps=10), 0).action(10, None)


def test_a_teachers_action_is_disturbed_by_a_held_random_action() -> None:
    """Between 0.2 times the random actions and the teacher's there is only the bound of the action space."""
    settings = ExplorationSettings(random_steps=40, random_hold=8, noise_start=0.2)
    exploration, alone = Exploration(settings, seed=4), Exploration(settings, seed=4)
    teacher = np.array([0.9, -0.3], np.float32)
    driven = np.stack([exploration.action(step, teacher)[0] for step in range(40)])
    drawn = np.stack([alone.action(step, None)[0] for step in range(40)])
    assert driven == pytest.approx(np.clip(teacher + 0.2 * drawn, -1.0, 1.0), abs=1e-6)
    assert len(np.unique(driven, axis=0)) == 5
    assert exploration.action(0, teacher)[1] == 0.2 and driven.dtype == np.float32


def test_the_teacher_is_asked_in_the_first_phase_alone() -> None:
    exploration = Exploration(ExplorationSettings(random_steps=2, noise_start=0.5, noise_end=0.0, decay_steps=1), 0)
    teacher = np.array([0.25, 0.5], np.float32)
    assert exploration.is_random(1) and not exploration.is_random(2)
    assert exploration.action(3, teacher)[0].tolist() == [0.25, 0.5]
