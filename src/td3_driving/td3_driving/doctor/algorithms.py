# SPDX-License-Identifier: Apache-2.0
"""What the doctor knows of off-policy actor-critic algorithms by their names, or by the series that they log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownAlgorithm:
    """One algorithm.

    Attributes:
        name: as reports call it.
        critics: how many Q functions it trains.
        entropy: its losses and values hold an entropy term.
    """

    name: str
    critics: int
    entropy: bool = False


ALGORITHMS = {
    "td3": KnownAlgorithm("TD3", critics=2),
    "ddpg": KnownAlgorithm("DDPG", critics=1),
    "sac": KnownAlgorithm("SAC", critics=2, entropy=True),
}
"""The algorithms by what a configuration calls them, in lower case."""


def fitting(entropy: bool, two_critics: bool) -> str:
    """Names of the algorithms that log what a run logs.

    Args:
        entropy: the run has an entropy term.
        two_critics: it shows two Q functions; one that shows a single Q may keep the other to itself.
    """
    known = ALGORITHMS.values()
    return " or ".join(one.name for one in known if one.entropy == entropy and (one.critics == 2 or not two_critics))
