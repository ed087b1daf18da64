# SPDX-License-Identifier: Apache-2.0
"""Imitation of a teacher in the loss of the actor.

The loss is ``-Q + weight * mean(|Q|) * distance``: the mean absolute Q keeps the two terms in proportion whatever the
scale of the rewards (Fujimoto and Gu 2021, A Minimalist Approach to Offline Reinforcement Learning, eq. 3 and 5).
"""

from __future__ import annotations

import torch
from torch import Tensor

from td3_driving.learning.algorithms.base import ActorObjective, Report, Transitions
from td3_driving.settings import LearningSettings

STEER, DRIVE = 0, 1
BRAKES = -0.02
"""A teacher brakes whose second element lies below."""


class Imitation:
    """The distance between the policy's actions and the teacher's."""

    def __init__(self, rule: LearningSettings) -> None:
        self._rule = rule

    def __call__(self, objective: ActorObjective, inputs: Transitions, updates: int | Tensor) -> tuple[Tensor, Report]:
        imitation = imitation_loss(objective.action, inputs.teacher, self._rule.teacher_braking)
        scale = imitation_weight(self._rule, updates) * objective.q.detach().abs().mean()
        return scale * imitation, {"debug/imitation_loss": imitation.detach()}


def imitation_weight(rule: LearningSettings, updates: int | Tensor) -> float | Tensor:
    """Weight after ``updates``: linear from ``teacher_weight`` to ``teacher_weight_end``; 0 without a teacher."""
    if rule.teacher == "none":
        return 0.0
    share = updates / rule.teacher_decay
    share = share.clamp(max=1.0) if isinstance(share, Tensor) else min(share, 1.0)
    return rule.teacher_weight + share * (rule.teacher_weight_end - rule.teacher_weight)


def imitation_loss(action: Tensor, teacher: Tensor, braking: float = 1.0) -> Tensor:
    """Mean squared distance between the actions ``(B, 2)`` and the teacher's, over the rows where it has one.

    Rows of ``teacher`` that are not finite do not count and give no gradient; with no other row the loss is 0.

    Args:
        braking: how much the pedals count in a row in which the teacher brakes, if they count 1 in the others. Such
            rows are few, and a policy that never brakes has a small mean distance. The mean weight of a batch stays 1,
            and steering counts alike everywhere.
    """
    known = torch.isfinite(teacher).all(dim=1)
    squared = (action - torch.where(known[:, None], teacher, action.detach())).square()
    if braking != 1.0:
        squared = torch.stack((squared[:, STEER], squared[:, DRIVE] * _pedal_weights(teacher, known, braking)), dim=1)
    return squared.sum(dim=1).sum() / known.sum().clamp(min=1)


def _pedal_weights(teacher: Tensor, known: Tensor, braking: float) -> Tensor:
    """Weights ``(B,)`` of mean 1 over the rows that have a teacher."""
    weights = torch.where(teacher[:, DRIVE] < BRAKES, braking, 1.0) * known
    return weights * (known.sum() / weights.sum().clamp(min=1e-6))
