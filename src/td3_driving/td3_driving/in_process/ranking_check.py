# SPDX-License-Identifier: Apache-2.0
"""Checks the reward before a training: driving must pay more than standing, and standing more than leaving the road."""

from __future__ import annotations

from td3_driving.learning.preflight import CheckResult
from td3_driving.settings import Settings
from td3_driving.sim.rehearsal import reward_ranking


def ranking_check(settings: Settings) -> CheckResult:
    """Compare the returns of the lane keeper, of a parked car, and of a car that leaves the road."""
    returns = reward_ranking(settings)
    order = ("lane keeper", "parked", "off the road")
    keeper, parked, off_road = (returns[name] for name in order)
    return CheckResult(
        name="reward ranking",
        passed=keeper > parked > off_road and parked < 0.0,
        proves="a policy that maximises this reward drives, and neither parks nor leaves the road",
        detail="returns over the same 200 steps: " + ", ".join(f"{name} {returns[name]:.1f}" for name in order),
    )
