# SPDX-License-Identifier: Apache-2.0
"""How dense and how calm the traffic of an episode is."""

from __future__ import annotations

from dataclasses import dataclass

from td3_driving.driving.seeding import practice_generator
from td3_driving.settings import SimulatorSettings


@dataclass(frozen=True, slots=True)
class Scenario:
    """The traffic of an episode.

    Attributes:
        vehicles: their number.
        on_route: share of them that begins on the route of the ego, 0 .. 1.
        hard_braking: how often one of them brakes hard for no reason [1/min].
    """

    vehicles: int
    on_route: float = 0.0
    hard_braking: float = 0.0


PRACTICE = 3
"""Number of the scenario in which a policy often meets vehicles that brake or stand in its way."""
SCENARIOS = (Scenario(20), Scenario(50), Scenario(100), Scenario(30, on_route=0.2, hard_braking=4.0))


def scenario_of(number: int) -> Scenario:
    """The scenario of this number.

    Raises:
        ValueError: there is none.
    """
    if not 0 <= number < len(SCENARIOS):
        raise ValueError(f"scenario {number} is outside 0 .. {len(SCENARIOS) - 1}")
    return SCENARIOS[number]


def training_scenario(settings: SimulatorSettings, seed: int) -> int:
    """Number of the scenario of the episode with this seed, from which a policy learns.

    Which episodes are practice depends on the seed alone, so that every node of a run draws the same.
    """
    draw = practice_generator(seed).random()
    return PRACTICE if draw < settings.practice else settings.scenario
