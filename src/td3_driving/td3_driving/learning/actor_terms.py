# SPDX-License-Identifier: Apache-2.0
"""Terms of the actor's loss beside the objective of its algorithm."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from td3_driving.learning.algorithms.base import ActorObjective, Report, Transitions
from td3_driving.learning.imitation import Imitation
from td3_driving.settings import Settings


class ActorTerm(Protocol):
    """A term that is added to the loss of the actor."""

    def __call__(self, objective: ActorObjective, inputs: Transitions, updates: int | Tensor) -> tuple[Tensor, Report]:
        """The weighted term, a scalar, and its series; ``updates`` of the critic came before.

        ``updates`` is a tensor where the update is recorded and repeated.
        """
        ...


def actor_terms(settings: Settings) -> list[ActorTerm]:
    """The terms that the settings ask for."""
    return [] if settings.learning.teacher == "none" else [Imitation(settings.learning)]
