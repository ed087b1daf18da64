# SPDX-License-Identifier: Apache-2.0
"""Settings of the reward: what its terms need to know, and the weight of each."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from functools import cache
from typing import Any

from td3_driving.bounded import Bounded, number, plugins
from td3_driving.plugins import load


@dataclass(frozen=True)
class RewardSettings(Bounded):
    """What the terms of the reward need to know; :func:`reward_settings` adds a field for the weight of each term."""

    target_speed: float = number(8.0, 1.0, 40.0, "speed that the efficiency term asks for", "m/s")
    lane_half_width: float = number(1.75, 0.5, 5.0, "lateral deviation at which lane keeping has no value left", "m")
    terms: str = plugins("import paths of own terms of the reward, beside those of the package")

    def weight(self, term: str) -> float:
        """Weight of the term of that name."""
        return float(getattr(self, term))


TERMS_OF = "td3_driving.driving.reward:reward_terms"
"""Who lists the terms of the reward. That needs these settings, so an import path leads there."""


@cache
def reward_settings(terms: str) -> type[RewardSettings]:
    """The settings of a reward that has own ``terms``, with the weight of every term.

    Raises:
        SettingsError: an import path is malformed or leads to no term.
    """
    weights: list[tuple[str, type, Any]] = [
        (term.name, float, number(term.weight, 0.0, term.most_weight, term.meaning)) for term in load(TERMS_OF)(terms)
    ]
    return make_dataclass("RewardSettings", weights, bases=(RewardSettings,), frozen=True)
