"""Everything an agent needs to go on exactly where it was, as tensors by name."""

from __future__ import annotations

from typing import Mapping

import torch
from torch import Tensor

from td3_driving.learning.checkpoint import Checkpoint, CheckpointError
from td3_driving.learning.td3 import TD3
from td3_driving.learning.weights import WeightsError, check_fit, to_bytes

GENERATOR = "generator"


def collect(agent: TD3) -> dict[str, Tensor]:
    """Weights, optimizer states and the state of the random generator of ``agent``."""
    tensors = {GENERATOR: agent.generator.get_state()}
    for name, module in agent.modules().items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    for name, optimizer in agent.optimizers().items():
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}_optimizer.{index}.{key}": value for key, value in values.items()}
    return tensors


def restore(agent: TD3, tensors: Mapping[str, Tensor]) -> None:
    """Put :func:`collect`'s tensors into ``agent``.

    Raises:
        CheckpointError: they are those of another network.
    """
    for name, module in agent.modules().items():
        weights = _under(f"{name}.", tensors)
        try:
            check_fit(weights, module.state_dict())
        except WeightsError as error:
            raise CheckpointError(f"checkpoint of {name}: {error}") from error
        module.load_state_dict(weights)
    for name, optimizer in agent.optimizers().items():
        _restore_optimizer(optimizer, _under(f"{name}_optimizer.", tensors))
    agent.generator.set_state(tensors[GENERATOR])


def actor_weights(checkpoint: Checkpoint) -> bytes:
    """The actor in ``checkpoint``, packed as :func:`td3_driving.learning.weights.take_snapshot` does."""
    state = checkpoint.state
    metadata = {name: str(state[key]) for name, key in (("version", "updates"), ("inserted", "inserted"))}
    return to_bytes(_under("actor.", checkpoint.tensors), metadata | {"config_hash": state["config_hash"]})


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
