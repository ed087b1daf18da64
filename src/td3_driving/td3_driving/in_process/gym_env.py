# SPDX-License-Identifier: Apache-2.0
"""The embedded world as a Gymnasium environment, for learners of other projects: in this process, without ROS.

The classes of the training compute observations, actions, rewards and ends. This is the only
module that imports Gymnasium.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict
from numpy.typing import NDArray

from td3_driving.driving.drivers import Situation
from td3_driving.driving.observation import Observation, stack_shape
from td3_driving.driving.pilot import Pilot, TimeStep
from td3_driving.driving.state_vector import STATE_BOUND, state_dim
from td3_driving.in_process.run import PilotedWorld
from td3_driving.settings import Settings

SEEDS = 2**32
"""Episodes are drawn from as many seeds as in training."""


class DrivingEnv(gymnasium.Env[Any, NDArray[Any]]):
    """One ego vehicle on the routes of the embedded simulator.

    Observations are ``frames`` uint8, see :func:`td3_driving.driving.observation.stack_shape`, and ``state``
    (state_dim,) float32; actions (2,) float32 in [-1, 1]: steer (right positive), drive (throttle positive, brake
    negative). ``info`` has the terms of the reward, and at the end of an episode ``exit_reason`` and
    ``route_completion``.

    Args:
        settings: of the simulator, the observation, the reward and the episodes.

    Raises:
        MapError, RouteError: the map cannot be used.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium declares it as an instance variable

    def __init__(self, settings: Settings) -> None:
        observation = settings.observation
        self.observation_space = Dict(
            {
                "frames": Box(0, 255, stack_shape(observation), np.uint8),
                "state": Box(-STATE_BOUND, STATE_BOUND, (state_dim(observation),), np.float32),
            }
        )
        self.action_space = Box(-1.0, 1.0, (2,), np.float32)
        self._scene = PilotedWorld(settings)
        self._pilot = Pilot(settings, "gymnasium", 0, self._choose)
        self._action = np.zeros(2, dtype=np.float32)
        self._time_step: TimeStep | None = None

    def _choose(self, observation: Observation, situation: Situation) -> tuple[NDArray[np.float32], int]:
        return self._action, 0

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """A new episode; ``options["episode_seed"]`` asks for a certain route and traffic."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(SEEDS))
        self._scene.start(self._pilot, int((options or {}).get("episode_seed", drawn)))
        _, self._time_step = self._scene.look(self._pilot)
        return _observed(self._time_step), {}

    def step(self, action: NDArray[np.float32]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        """Act for one frame.

        Raises:
            RuntimeError: there is no episode, or it is over: call :meth:`reset`.
        """
        if self._time_step is None:
            raise RuntimeError("step() needs an episode: call reset() first")
        self._action = np.clip(np.asarray(action, dtype=np.float32), -1.0, 1.0)
        self._scene.act(self._pilot, self._time_step)
        frame, time_step = self._scene.look(self._pilot)
        scored = self._pilot.score(time_step, bool(frame.collisions))
        assert scored is not None and self._pilot.record is not None
        sent = scored.experience
        info: dict[str, Any] = {"reward_terms": dict(zip(scored.terms.names, scored.terms.values.tolist()))}
        self._time_step = time_step if scored.exit_reason is None else None
        if scored.exit_reason is not None:
            info["exit_reason"] = scored.exit_reason.name.lower()
            info["route_completion"] = self._pilot.record.route_completion
        return _observed(time_step), float(sent.reward), sent.terminated, sent.truncated, info

    def close(self) -> None:
        """Close the renderer."""
        self._scene.camera.close()


def _observed(time_step: TimeStep) -> dict[str, NDArray[Any]]:
    return {"frames": time_step.observation.stack, "state": time_step.observation.state}
