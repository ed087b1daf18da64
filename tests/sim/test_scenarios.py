# SPDX-License-Identifier: Apache-2.0
"""Which traffic an episode has."""

from __future__ import annotations

import numpy as np
import pytest

from td3_driving.settings import SimulatorSettings
from td3_driving.sim.scenarios import PRACTICE, SCENARIOS, scenario_of, training_scenario
from td3_driving.sim.world import World


@pytest.mark.parametrize(("number", "vehicles"), [(0, 20), (1, 50), (2, 100), (PRACTICE, 30)])
def test_vehicles_of_each_scenario(number: int, vehicles: int) -> None:
    assert scenario_of(number).vehicles == vehicles
    assert len(World(SimulatorSettings(map="town", scenario=number), 0).tick().vehicles.x) == vehicles


@pytest.mark.parametrize("number", [-1, len(SCENARIOS)])
def test_a_scenario_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=rf"scenario {number} is outside 0 .. 3"):
        scenario_of(number)


def test_the_asked_share_of_the_episodes_is_practice() -> None:
    settings = SimulatorSettings(practice=0.25, scenario=1)
    numbers = [training_scenario(settings, seed) for seed in range(4000)]
    assert set(numbers) == {1, PRACTICE}
    # Four standard deviations of a binomial draw: 4 * sqrt(0.25 * 0.75 / 4000).
    assert abs(np.mean(np.array(numbers) == PRACTICE) - 0.25) < 0.028
    assert numbers == [training_scenario(settings, seed) for seed in range(4000)]


@pytest.mark.parametrize(("share", "number"), [(0.0, 2), (1.0, PRACTICE)])
def test_no_practice_and_nothing_else(share: float, number: int) -> None:
    settings = SimulatorSettings(practice=share, scenario=2)
    assert {training_scenario(settings, seed) for seed in range(200)} == {number}


def test_vehicles_brake_hard_in_practice_and_not_in_the_scenario_of_the_settings() -> None:
    """30 vehicles, 4 times a minute each, for 30 s: some 60 hard brakings; calm ones never brake at exactly 6 m/s²."""
    hardest = {}
    for number in (0, PRACTICE):
        world = World(SimulatorSettings(map="town", scenario=number, vehicles=30), 1)
        brakes = 0
        for _ in range(600):
            brakes += int((world.tick().vehicles.acceleration == -6.0).sum())
        hardest[number] = brakes
    assert hardest[0] == 0 and hardest[PRACTICE] > 100
