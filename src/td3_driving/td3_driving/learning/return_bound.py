# SPDX-License-Identifier: Apache-2.0
"""The greatest return that the reward allows."""

from __future__ import annotations

from td3_driving.driving.reward import greatest_reward
from td3_driving.settings import Settings


def return_bound(settings: Settings) -> float:
    """Greatest absolute discounted return: that of the reward (or the reward clip) over ``1 - gamma``."""
    bound, rule = greatest_reward(settings.reward), settings.learning
    if rule.reward_clip > 0.0:
        bound = min(bound, rule.reward_clip)
    return bound / (1.0 - rule.gamma)
