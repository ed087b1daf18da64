# SPDX-License-Identifier: Apache-2.0
"""Update rules, one a file; ``learning.algorithm`` names one of them, or the import path of a class of your own."""

from __future__ import annotations

from td3_driving.learning.algorithms.base import Algorithm
from td3_driving.learning.algorithms.ddpg import DDPG
from td3_driving.learning.algorithms.sac import SAC
from td3_driving.learning.algorithms.td3 import TD3
from td3_driving.learning.networks import Actor
from td3_driving.plugins import resolve
from td3_driving.settings import Settings

CLASSES: dict[str, type[Algorithm]] = {"td3": TD3, "ddpg": DDPG, "sac": SAC}
"""Class of each name in :data:`td3_driving.settings.ALGORITHMS`."""
NEEDS = ("actor", "unused", "next_value", "critic_loss", "actor_objective", "after_actor_update", "modules")
"""What an algorithm from outside the package must have; :class:`Algorithm` has or asks for all of it."""


def algorithm_of(settings: Settings) -> type[Algorithm]:
    """The class that ``learning.algorithm`` names.

    Raises:
        PluginError: there is none of that name.
    """
    kind: type[Algorithm] = resolve(settings.learning.algorithm, CLASSES, NEEDS, "learning.algorithm")
    return kind


def make_actor(settings: Settings, state_dim: int) -> Actor:
    """An actor of the form that the algorithm needs, its weights not yet meaningful.

    Raises:
        SettingsError: the algorithm or the encoder cannot be used.
    """
    return algorithm_of(settings).actor(settings.observation, settings.network, state_dim)
