# SPDX-License-Identifier: Apache-2.0
"""The reward of a step: named terms, each within a known range, weighted and added up.

:data:`td3_driving.settings_reward.TERMS` is the one list of the terms. Weights (``reward.<term>``), bounds, messages,
tags (``reward/<term>``) and dashboards follow from it; :data:`VALUES` says how each is computed. A user's own terms are
named by their import paths in ``reward.terms``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.bounded import SettingsError
from td3_driving.driving.drivers import NOBODY, Neighbours
from td3_driving.driving.route import Route, RoutePlace
from td3_driving.driving.vehicle_state import VehicleState
from td3_driving.plugins import PluginFault
from td3_driving.settings_reward import RewardSettings, WeightedTerm, weighted_terms

IDLE_SHARE = 0.05
"""Share of the efficiency weight that a standing vehicle loses per step: standing still must never pay."""
HEADING_LIMIT = math.pi / 4
"""Heading error at which lane keeping has no value left [rad]."""


class RewardError(PluginFault):
    """A term gave a value that is outside its range."""


@dataclass(frozen=True, slots=True)
class DrivenStep:
    """What a term judges: one step, from one frame to the next.

    Attributes:
        vehicle: state at the end of the step.
        before, after: place on the route at its begin and at its end.
        action: (2,) what was done in the step: steer, drive; ``last_action`` (2,) what was done before it.
        violation: the step ended in a collision, off the lane or the wrong way round.
        route: that is driven; ``None`` where nobody gives it.
        neighbours: the other vehicles at the end of the step. Where nobody knows them the road is empty; a term with
            ``needs_others`` makes the run listen to them.
    """

    vehicle: VehicleState
    before: RoutePlace
    after: RoutePlace
    action: NDArray[np.float32]
    last_action: NDArray[np.float32]
    violation: bool
    route: Route | None = None
    neighbours: Neighbours = NOBODY


Judge = Callable[[DrivenStep, RewardSettings, float], float]
"""From a step, the settings of the reward and the time of a step [s] to the value of a term."""


@dataclass(frozen=True, slots=True)
class RewardTerm(WeightedTerm):
    """One named term of the reward, with all that :class:`~td3_driving.settings_reward.WeightedTerm` says of it.

    Attributes:
        value: must depend on its arguments alone, or a recorded run cannot be rebuilt.
    """

    value: Judge = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class RewardTerms:
    """The weighted terms of one step.

    Attributes:
        names: of the terms.
        values: float64, one per name.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]

    @property
    def total(self) -> float:
        """What the learner maximises: the sum from the first term to the last."""
        total = 0.0
        for value in self.values.tolist():
            total += value
        return total

    def __getitem__(self, name: str) -> float:
        """The value of one term."""
        return float(self.values[self.names.index(name)])


class RewardModel:
    """Scores steps.

    Args:
        settings: the terms and their weights.
        frame_time: time of one step [s].
    """

    def __init__(self, settings: RewardSettings, frame_time: float) -> None:
        self._settings = settings
        self._frame_time = frame_time
        self._terms = [(term, settings.weight(term.name)) for term in reward_terms(settings.terms)]
        self.names = term_names(settings)

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest total that a step can have."""
        low = sum(weight * term.low for term, weight in self._terms)
        return low, sum(weight * term.high for term, weight in self._terms)

    def score(self, step: DrivenStep) -> RewardTerms:
        """The weighted terms of ``step``.

        Raises:
            RewardError: a term is outside its range.
        """
        return RewardTerms(self.names, np.array([weight * self._value(term, step) for term, weight in self._terms]))

    def _value(self, term: RewardTerm, step: DrivenStep) -> float:
        value = float(term.value(step, self._settings, self._frame_time))
        if not term.low <= value <= term.high:
            raise RewardError(f"reward term {term.name} is {value}, outside its range {term.low} .. {term.high}")
        return value


def term_names(settings: RewardSettings) -> tuple[str, ...]:
    """Names of the terms in their order."""
    return tuple(term.name for term in reward_terms(settings.terms))


def term_bounds(settings: RewardSettings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest weighted value of each term, in the order of the terms."""
    terms = [(term, settings.weight(term.name)) for term in reward_terms(settings.terms)]
    least = np.array([weight * term.low for term, weight in terms], dtype=np.float64)
    return least, np.array([weight * term.high for term, weight in terms], dtype=np.float64)


def greatest_reward(settings: RewardSettings) -> float:
    """Greatest absolute total that a step could have if all terms were at their worst or at their best."""
    total = 0.0
    for term in reward_terms(settings.terms):
        total += settings.weight(term.name) * max(abs(term.low), abs(term.high))
    return total


def others_judged(settings: RewardSettings) -> bool:
    """Whether a term with a weight looks at the other vehicles."""
    return any(term.needs_others and settings.weight(term.name) > 0.0 for term in reward_terms(settings.terms))


def reward_terms(paths: str = "") -> tuple[RewardTerm, ...]:
    """The terms of the package, then those behind the import ``paths`` of ``reward.terms``.

    Raises:
        SettingsError: see :func:`td3_driving.settings_reward.weighted_terms`.
    """
    return tuple(map(_judged, weighted_terms(paths)))


def _judged(term: WeightedTerm) -> RewardTerm:
    """The term with its value: a user's has one, a term of the package is looked up."""
    if isinstance(term, RewardTerm):
        return term
    if term.name not in VALUES:
        raise SettingsError(f"reward.terms: {term.name} is of type {type(term).__name__}, RewardTerm is needed")
    row: dict[str, Any] = {spec.name: getattr(term, spec.name) for spec in fields(term)}
    return RewardTerm(**row, value=VALUES[term.name])


def _efficiency(step: DrivenStep, settings: RewardSettings, frame_time: float) -> float:
    """1 at the target speed; slightly negative at rest, 0 at one and a half times the target, -1 at twice the target.

    Speeding costs twice as much as being slow by the same amount: lane keeping and progress do not grow any more there,
    so this slope alone brings the speed back.
    """
    along = _pace_along(step, settings)
    return _bound(3.0 - 2.0 * along if along > 1.0 else (1.0 + IDLE_SHARE) * along - IDLE_SHARE)


def _lane_keeping(step: DrivenStep, settings: RewardSettings, frame_time: float) -> float:
    """A good place in the lane is worth something only while driving; a bad one always costs."""
    place = step.after
    quality = 1.0 - abs(place.lateral) / settings.lane_half_width - abs(place.heading_error) / HEADING_LIMIT
    along = _pace_along(step, settings)
    return quality * max(0.0, min(1.0, along)) if quality > 0.0 else max(quality, -1.0)


def _comfort(step: DrivenStep, settings: RewardSettings, frame_time: float) -> float:
    """Share of the greatest change of the action, all of it at the target speed: at rest the wheel turns at no cost."""
    change = float(np.mean(np.abs(step.action - step.last_action)) / 2.0)
    return -min(1.0, change * min(1.0, abs(step.vehicle.speed / settings.target_speed)))


def _safety(step: DrivenStep, settings: RewardSettings, frame_time: float) -> float:
    return -1.0 if step.violation else 0.0


def _progress(step: DrivenStep, settings: RewardSettings, frame_time: float) -> float:
    return _bound((step.after.s - step.before.s) / (settings.target_speed * frame_time))


def _pace_along(step: DrivenStep, settings: RewardSettings) -> float:
    """Speed along the route as a share of the target speed."""
    return step.vehicle.speed * math.cos(step.after.heading_error) / settings.target_speed


def _bound(value: float) -> float:
    return max(-1.0, min(1.0, value))


VALUES: dict[str, Judge] = {
    "efficiency": _efficiency,
    "lane_keeping": _lane_keeping,
    "comfort": _comfort,
    "safety": _safety,
    "progress": _progress,
}
"""How each term of the package is computed; :data:`td3_driving.settings_reward.TERMS` has range and weight."""
