# SPDX-License-Identifier: Apache-2.0
"""Settings of the reward: what its terms need to know, and the weight of each.

:data:`TERMS` is the one list of the terms of the package. How a term is computed is in
:mod:`td3_driving.driving.reward`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from functools import cache
from typing import Any

from td3_driving.bounded import Bounded, SettingsError, import_paths, number, plugins
from td3_driving.plugins import load

RESERVED = ("total", "ledger_breaks")
"""Names that no term may have: they stand beside the terms in the event file."""


@dataclass(frozen=True, slots=True)
class WeightedTerm:
    """What the settings know of a term of the reward.

    Attributes:
        name: a lower-case identifier; ``reward.<name>`` is its weight, ``reward/<name>`` its tag.
        low, high: range of its value.
        weight: where the settings give none; ``most_weight`` is the greatest that they may give.
        meaning: one line, for the settings' manual.
        needs_others: it looks at the other vehicles.
    """

    name: str
    low: float
    high: float
    weight: float
    meaning: str
    most_weight: float = 100.0
    needs_others: bool = False


TERMS = (
    WeightedTerm("efficiency", -1.0, 1.0, 1.0, "weight of driving at the target speed along the route"),
    WeightedTerm("lane_keeping", -1.0, 1.0, 1.0, "weight of lateral deviation and heading error"),
    WeightedTerm("comfort", -1.0, 0.0, 0.2, "weight of smooth steering and pedals at the target speed; none at rest"),
    WeightedTerm(
        *("safety", -1.0, 0.0, 10.0),
        "penalty of a collision, of leaving the lane and of wrong way",
        most_weight=1000.0,
    ),
    WeightedTerm("progress", -1.0, 1.0, 1.0, "weight of route length gained in the step"),
)
"""The terms of the package in their order."""


@dataclass(frozen=True)
class RewardSettings(Bounded):
    """What the terms of the reward need to know; :func:`reward_settings` adds a field for the weight of each term."""

    target_speed: float = number(8.0, 1.0, 40.0, "speed that the efficiency term asks for", "m/s")
    lane_half_width: float = number(1.75, 0.5, 5.0, "lateral deviation at which lane keeping has no value left", "m")
    terms: str = plugins("import paths of own terms of the reward, beside those of the package")

    def weight(self, term: str) -> float:
        """Weight of the term of that name."""
        return float(getattr(self, term))

    def __reduce__(self) -> tuple[Callable[..., RewardSettings], tuple[str, dict[str, Any]]]:
        """How another process makes the same: the class has no place in a module where it could be looked up."""
        return _made, (self.terms, {name: getattr(self, name) for name in self.__dataclass_fields__})


@cache
def reward_settings(terms: str) -> type[RewardSettings]:
    """The settings of a reward that has own ``terms``, with the weight of every term.

    Raises:
        SettingsError: an import path is malformed or leads to no term.
    """
    weights: list[tuple[str, type, Any]] = [
        (term.name, float, number(term.weight, 0.0, term.most_weight, term.meaning)) for term in weighted_terms(terms)
    ]
    return make_dataclass("RewardSettings", weights, bases=(RewardSettings,), frozen=True)


def _made(terms: str, values: dict[str, Any]) -> RewardSettings:
    return reward_settings(terms)(**values)


def weighted_terms(paths: str = "") -> tuple[WeightedTerm, ...]:
    """The terms of the package, then those behind the import ``paths`` of ``reward.terms``.

    Raises:
        PluginError: a path leads to nothing.
        SettingsError: a path leads to no term, or to one with the name of another or a range that is none.
    """
    terms = (*TERMS, *(_loaded(path) for path in import_paths(paths)))
    names = [*RESERVED, *RewardSettings.__dataclass_fields__]
    for term in terms:
        if not term.name.isidentifier() or term.name != term.name.lower() or term.name in names:
            raise SettingsError(f"reward.terms: {term.name!r} is no free name of a term; taken are {', '.join(names)}")
        if not -math.inf < term.low <= term.high < math.inf or not 0.0 <= term.weight <= term.most_weight < math.inf:
            raise SettingsError(
                f"reward.terms: {term.name} needs low <= high and 0 <= weight <= most_weight, all finite"
            )
        names.append(term.name)
    return terms


def _loaded(path: str) -> WeightedTerm:
    found = load(path, role="reward.terms")
    if not isinstance(found, WeightedTerm):
        raise SettingsError(f"reward.terms: {path!r} is of type {type(found).__name__}, RewardTerm is needed")
    return found
