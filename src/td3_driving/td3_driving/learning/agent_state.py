# SPDX-License-Identifier: Apache-2.0
"""Saves and restores an agent to the bit, as tensors by name."""

from __future__ import annotations

import hashlib
from typing import Mapping

import torch
from torch import Tensor

from td3_driving.learning.agent import LearningAgent
from td3_driving.learning.checkpoint import Checkpoint, CheckpointError
from td3_driving.learning.weights import WeightsError, check_fit, to_bytes

GENERATOR = "generator"
FROZEN_PREFIX = "frozen."


def collect(agent: LearningAgent) -> dict[str, Tensor]:
    """Weights, optimizer states and the state of the random generator of ``agent``.

    Frozen weights are the same in all networks and are kept once.
    """
    tensors = {GENERATOR: agent.networks.generator.get_state()}
    frozen = agent.actor.frozen_state()
    tensors |= {f"{FROZEN_PREFIX}{key}": value for key, value in frozen.items()}
    for name, module in agent.modules().items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items() if key not in frozen}
    for name, optimizer in agent.optimizers().items():
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}_optimizer.{index}.{key}": value for key, value in values.items()}
    return tensors


def digest(agent: LearningAgent) -> str:
    """SHA-256 of the weights of ``agent``; of two agents that did the same updates it is the same."""
    found = hashlib.sha256()
    for name, module in sorted(agent.modules().items()):
        for key, value in sorted(module.state_dict().items()):
            found.update(f"{name}.{key}".encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def restore(agent: LearningAgent, tensors: Mapping[str, Tensor]) -> None:
    """Put :func:`collect`'s tensors into ``agent``.

    Raises:
        CheckpointError: they are those of another network.
    """
    frozen = _under(FROZEN_PREFIX, tensors)
    for name, module in agent.modules().items():
        wanted = module.state_dict()
        weights = _under(f"{name}.", tensors) | {key: value for key, value in frozen.items() if key in wanted}
        try:
            check_fit(weights, wanted)
        except WeightsError as error:
            raise CheckpointError(f"checkpoint of {name}: {error}") from error
        module.load_state_dict(weights)
    for name, optimizer in agent.optimizers().items():
        _restore_optimizer(optimizer, _under(f"{name}_optimizer.", tensors))
    agent.networks.generator.set_state(tensors[GENERATOR])


def actor_weights(checkpoint: Checkpoint) -> bytes:
    """The actor in ``checkpoint``, packed as :func:`td3_driving.learning.weights.take_snapshot` does."""
    state = checkpoint.state
    metadata = {name: str(state[key]) for name, key in (("version", "updates"), ("inserted", "inserted"))}
    weights = _under("actor.", checkpoint.tensors) | _under(FROZEN_PREFIX, checkpoint.tensors)
    return to_bytes(weights, metadata | {"config_hash": state["config_hash"]})


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            # Fused optimizers need weight and state in one order, and files are always row by row.
            if value.shape == parameter.shape and value.stride() != parameter.stride():
                values[key] = torch.empty_like(parameter.detach()).copy_(value)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
