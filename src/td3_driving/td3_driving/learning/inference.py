# SPDX-License-Identifier: Apache-2.0
"""Runs a policy on one observation at a time."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from td3_driving.driving.observation import stack_shape
from td3_driving.learning.algorithms import make_actor
from td3_driving.learning.weights import FitWeights, fit, frozen_hash, load_frozen, needed_frozen, put, whole
from td3_driving.settings import Settings


class ActorPolicy:
    """Runs the actor on single observations; has no action before the first :meth:`load`.

    Attributes:
        version: updates behind the weights in use; ``None`` before the first came.
        frozen: SHA-256 of the frozen weights that it holds; "" where the encoder has none.
    """

    def __init__(self, settings: Settings, state_dim: int) -> None:
        self._actor = make_actor(settings, state_dim)
        self._shape = stack_shape(settings.observation)
        self._state_dim = state_dim
        self.version: int | None = None
        self.frozen = frozen_hash(self._actor)

    def load(self, data: bytes, sha256: str | None = None) -> int:
        """Take over the weights in ``data`` and return their version (updates behind them).

        Raises:
            WeightsError: they are corrupt or do not fit; the policy goes on with those it had.
        """
        self.take(fit(self._actor, data, sha256, self.frozen))
        assert self.version is not None
        return self.version

    def fit(self, data: bytes, sha256: str, version: int) -> FitWeights | None:
        """The weights in ``data``, ready for :meth:`take`; ``None`` where the frozen ones that they need are missing.

        Raises:
            WeightsError: they are corrupt, do not fit, or are not of ``version``.
        """
        if self.lacks_frozen(data):
            return None
        return fit(self._actor, data, sha256, self.frozen, version)

    def take(self, weights: FitWeights) -> None:
        """Take over weights that fit."""
        put(self._actor, weights)
        self._actor.encoder.before_acting()
        self.version = weights.version

    def load_frozen(self, data: bytes, sha256: str | None = None) -> None:
        """Take over the frozen weights of the encoder, as :func:`td3_driving.learning.weights.take_frozen` packs them.

        Raises:
            WeightsError: they are corrupt or do not fit; the policy goes on with those it had.
        """
        load_frozen(self._actor, data, sha256)
        self.frozen = frozen_hash(self._actor)

    def lacks_frozen(self, data: bytes) -> bool:
        """Whether the weights in ``data`` need frozen ones that are not here yet."""
        return needed_frozen(data) not in ("", self.frozen)

    def whole(self, data: bytes) -> bytes:
        """The weights in ``data`` with the frozen ones added, for files that must stand alone."""
        return whole(self._actor, data)

    def act(self, frames: NDArray[np.uint8], state: NDArray[np.float32]) -> NDArray[np.float32]:
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
            prepared = self._actor.encoder.prepare(torch.from_numpy(frames).unsqueeze(0))
            action: NDArray[np.float32] = self._actor(prepared, torch.from_numpy(state).unsqueeze(0))[0].numpy()
        return action
