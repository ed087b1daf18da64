"""The reward of one step: five bounded components, their sum, and the range the sum can take."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from td3_driving.driving.route import RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.settings import RewardSettings

IDLE_SHARE = 0.05
"""Share of the efficiency weight that a standing vehicle loses per step: standing still must never pay."""
HEADING_LIMIT = math.pi / 4
"""Heading error at which lane keeping has no value left [rad]."""


@dataclass(frozen=True, slots=True)
class RewardTerms:
    """The components of one step; ``total`` is their sum."""

    efficiency: float
    lane_keeping: float
    comfort: float
    safety: float
    progress: float

    @property
    def total(self) -> float:
        """What the learner maximises."""
        return self.efficiency + self.lane_keeping + self.comfort + self.safety + self.progress

    def as_array(self) -> np.ndarray:
        """(5,) float64 in the order of :data:`td3_driving.driving.experience.REWARD_PARTS`."""
        return np.array([self.efficiency, self.lane_keeping, self.comfort, self.safety, self.progress])


@dataclass(frozen=True, slots=True)
class RewardModel:
    """Scores steps.

    Args:
        settings: weights; every component lies in [-weight, weight], comfort and safety in [-weight, 0].
        frame_time: time of one step [s].
    """

    settings: RewardSettings
    frame_time: float

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest total that a step can have."""
        s = self.settings
        gain = s.efficiency + s.lane_keeping + s.progress
        return -(gain + s.comfort + s.safety), gain

    def score(
        self,
        vehicle: VehicleState,
        before: RoutePlace,
        after: RoutePlace,
        action: np.ndarray,
        last_action: np.ndarray,
        violation: bool,
    ) -> RewardTerms:
        """The reward of the step that led from ``before`` to ``after``.

        Args:
            vehicle: state at the end of the step.
            action: (2,) what was done in the step; ``last_action`` (2,) what was done before it.
            violation: the step ended in a collision, off the lane or the wrong way round.
        """
        pace = vehicle.speed / self.settings.target_speed
        along = vehicle.speed * math.cos(after.heading_error) / self.settings.target_speed
        quality = 1.0 - abs(after.lateral) / self.settings.lane_half_width - abs(after.heading_error) / HEADING_LIMIT
        gained = (after.s - before.s) / (self.settings.target_speed * self.frame_time)
        return RewardTerms(
            efficiency=self.settings.efficiency * _speed_value(along),
            lane_keeping=self.settings.lane_keeping * _lane_value(quality, along),
            comfort=-self.settings.comfort * _restlessness(action - last_action, pace),
            safety=-self.settings.safety if violation else 0.0,
            progress=self.settings.progress * _bound(gained),
        )


def _bound(value: float) -> float:
    return max(-1.0, min(1.0, value))


def _restlessness(change: np.ndarray, pace: float) -> float:
    """Share of the greatest change of the action, all of it at the target speed: at rest the wheel turns at no cost."""
    return float(np.mean(np.abs(change)) / 2.0) * min(1.0, abs(pace))


def _speed_value(along: float) -> float:
    """1 at the target speed; slightly negative at rest, 0 at one and a half times the target, -1 at twice the target.

    Speeding costs twice as much as being slow by the same amount: lane keeping and progress do not grow any more there,
    so this slope alone brings the speed back.
    """
    return _bound(3.0 - 2.0 * along if along > 1.0 else (1.0 + IDLE_SHARE) * along - IDLE_SHARE)


def _lane_value(quality: float, along: float) -> float:
    """A good place in the lane is worth something only while driving; a bad one always costs."""
    return quality * max(0.0, min(1.0, along)) if quality > 0.0 else max(quality, -1.0)
