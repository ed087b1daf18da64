# SPDX-License-Identifier: Apache-2.0
"""A policy that does not look."""

from __future__ import annotations

from typing import Any

import torch

from td3_driving.driving.state_vector import state_dim
from td3_driving.learning.algorithms import make_actor
from td3_driving.learning.weights import take_snapshot
from td3_driving.settings import Settings


def constant_policy(settings: Settings, steer: float, drive: float, version: int = 0) -> bytes:
    """Weights of an actor that always takes the same action."""
    actor: Any = make_actor(settings, state_dim(settings.observation))
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter.zero_()
        actor.trunk[-1].bias[:] = torch.atanh(torch.tensor([steer, drive]))
    return take_snapshot(actor, version, 0, settings.digest()).data
