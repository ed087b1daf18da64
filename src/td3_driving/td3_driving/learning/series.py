# SPDX-License-Identifier: Apache-2.0
"""Measures what the learner reports between two points of the training series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from td3_driving.driving.experience import Experience
from td3_driving.learning.networks import Network

SATURATED = 0.99


@dataclass(frozen=True, slots=True)
class LogPoint:
    """Values by TensorBoard tag at environment step ``step``; values that are not finite are kept and reported."""

    step: int
    values: dict[str, float]


class Meter:
    """Means of scalar tensors over a window; tags that end in ``_max`` and ``_min`` keep their extreme instead.

    Nothing is read back from the device before :meth:`pop`.
    """

    def __init__(self) -> None:
        self._values: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, report: dict[str, Tensor]) -> None:
        """Take in the series of one update."""
        for tag, value in report.items():
            if tag in self._values:
                value = _fold(tag)(self._values[tag], value)
            self._values[tag] = value
            self._counts[tag] = self._counts.get(tag, 0) + 1

    def pop(self) -> dict[str, float]:
        """The window as numbers; a new window begins."""
        values = {
            tag: float(value) if is_extreme(tag) else float(value) / self._counts[tag]
            for tag, value in self._values.items()
        }
        self._values, self._counts = {}, {}
        return values


class ActionMeter:
    """Statistics of the driven actions."""

    def __init__(self) -> None:
        self._actions: list[np.ndarray] = []

    def add(self, experience: Experience) -> None:
        self._actions.append(experience.action)

    def pop(self) -> dict[str, float]:
        """``action/*`` of the window, empty if nothing was driven; a new window begins."""
        if not self._actions:
            return {}
        actions = np.stack(self._actions).astype(np.float64)
        self._actions = []
        return {
            "action/steer_mean": float(actions[:, 0].mean()),
            "action/steer_std": float(actions[:, 0].std()),
            "action/throttle_mean": float(actions[:, 1].mean()),
            "action/throttle_std": float(actions[:, 1].std()),
            "action/saturated_share": float((np.abs(actions) >= SATURATED).mean()),
        }


class FrameMeter:
    """Shares of frames that show nothing: of one value alone, or equal to the frame before in their episode."""

    def __init__(self) -> None:
        self._before: dict[str, bytes] = {}
        self._frames = self._uniform = self._pairs = self._repeated = 0

    def add(self, experience: Experience) -> None:
        """Take in the frame of one step."""
        frame, before = experience.frame.tobytes(), self._before.get(experience.actor_id)
        self._frames += 1
        self._uniform += int(frame.count(frame[:1]) == len(frame))
        if experience.step_index > 0 and before is not None:
            self._pairs += 1
            self._repeated += int(frame == before)
        self._before[experience.actor_id] = frame

    def pop(self) -> dict[str, float]:
        """``observation/*_share`` of the window, empty if nothing was driven; a new window begins."""
        values = {}
        if self._frames:
            values["observation/uniform_share"] = self._uniform / self._frames
        if self._pairs:
            values["observation/repeated_share"] = self._repeated / self._pairs
        self._frames = self._uniform = self._pairs = self._repeated = 0
        return values


class ReturnScale:
    """Running standard deviation of the discounted return, by which rewards can be divided.

    The return is accumulated forwards, ``G <- gamma G + r``, for each actor, and its variance by Welford's method.
    """

    def __init__(self, gamma: float) -> None:
        self._gamma = gamma
        self._returns: dict[str, float] = {}
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, actor_id: str, reward: float, closes_episode: bool) -> None:
        """Take in one step."""
        value = self._gamma * self._returns.get(actor_id, 0.0) + reward
        self._returns[actor_id] = 0.0 if closes_episode else value
        self._count += 1
        delta = value - self._mean
        self._mean += delta / self._count
        self._squares += delta * (value - self._mean)

    @property
    def value(self) -> float:
        """The standard deviation; 1 as long as it is not known or zero."""
        if self._count < 2 or self._squares <= 0.0:
            return 1.0
        return float(np.sqrt(self._squares / (self._count - 1)))

    def state(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {"returns": self._returns, "count": self._count, "mean": self._mean, "squares": self._squares}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self._returns = dict(state["returns"])
        self._count = int(state["count"])
        self._mean, self._squares = float(state["mean"]), float(state["squares"])


def parameter_statistics(networks: Iterable[tuple[str, Network]]) -> dict[str, float]:
    """``agent/<name>_param_{mean,std}`` of the trunk and ``agent/<name>_cnn_param_{mean,std}`` of the encoder."""
    values = {}
    for name, network in networks:
        for part, label in (("mlp", name), ("cnn", f"{name}_cnn")):
            if not network.part(part):
                continue
            flat = torch.cat([parameter.detach().flatten() for parameter in network.part(part)]).double()
            values[f"agent/{label}_param_mean"] = float(flat.mean())
            values[f"agent/{label}_param_std"] = float(flat.std())
    return values


def is_extreme(tag: str) -> bool:
    """Whether a series keeps its extreme instead of its mean."""
    return tag.endswith(("_max", "_min"))


def _fold(tag: str) -> Callable[[Tensor, Tensor], Tensor]:
    if tag.endswith("_max"):
        return torch.maximum
    return torch.minimum if tag.endswith("_min") else torch.add
