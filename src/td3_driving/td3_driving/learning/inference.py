"""The policy as a driver uses it: one observation in, one action out, on one CPU thread."""

from __future__ import annotations

import numpy as np
import torch

from td3_driving.driving.observation import stack_shape
from td3_driving.learning.networks import Actor, make_actor, to_patches
from td3_driving.learning.weights import load_into
from td3_driving.settings import Settings


class ActorPolicy:
    """Runs the actor on single observations; has no action before the first :meth:`load`."""

    def __init__(self, settings: Settings, state_dim: int) -> None:
        self._actor: Actor = make_actor(settings, state_dim)
        self._shape = stack_shape(settings.observation)
        self._state_dim = state_dim
        self.version: int | None = None

    def load(self, data: bytes, sha256: str | None = None) -> int:
        """Take over the weights in ``data`` and return their version (updates behind them).

        Raises:
            WeightsError: they are corrupt or do not fit; the policy goes on with those it had.
        """
        metadata = load_into(self._actor, data, sha256)
        self._actor.encoder.first.freeze()
        self.version = int(metadata["version"])
        return self.version

    def act(self, frames: np.ndarray, state: np.ndarray) -> np.ndarray:
        """The deterministic action.

        Args:
            frames: uint8, see :func:`td3_driving.driving.observation.stack_shape`.
            state: (state_dim,) float32.

        Returns:
            (2,) float32 in [-1, 1]: steer (right positive), drive (throttle positive, brake negative).

        Raises:
            ValueError: a shape is wrong, or no weights were loaded yet.
        """
        if self.version is None:
            raise ValueError("no weights were loaded yet")
        if frames.shape != self._shape or state.shape != (self._state_dim,):
            raise ValueError(
                f"frames {frames.shape} and state {state.shape}, needed are {self._shape} and {(self._state_dim,)}"
            )
        with torch.inference_mode():
            patches = to_patches(torch.from_numpy(frames).unsqueeze(0))
            action: np.ndarray = self._actor(patches, torch.from_numpy(state).unsqueeze(0))[0].numpy()
        return action
