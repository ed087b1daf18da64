# SPDX-License-Identifier: Apache-2.0
"""What a message of experience may contain in this run: the bounds of every field."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from td3_driving.driving.experience import Experience
from td3_driving.driving.observation import frame_shape
from td3_driving.driving.privileged import privileged_dim
from td3_driving.driving.reward import term_bounds
from td3_driving.driving.seeding import actor_names
from td3_driving.learning.pacing import RateLimiter
from td3_driving.settings import Settings

REWARD_TOLERANCE = 1e-6
ABSURD = 1000.0
"""Greatest absolute value of a scaled element of a state: far beyond what any is clipped to, far below an overflow."""
SESSIONS, EPISODES = 2**63, 2**32


class ExperienceBounds:
    """Finds what is wrong with a message.

    Args:
        state_dim: length of the state vector.

    Attributes:
        actors: names of the actors of the run.
    """

    def __init__(self, settings: Settings, state_dim: int) -> None:
        self._config_hash = settings.digest()
        self.actors = tuple(actor_names(settings.run.num_actors))
        self._steps = settings.run.steps
        self._versions = RateLimiter(settings.pacing).updates_due(settings.run.steps)
        self._frame_shape = frame_shape(settings.observation)
        self._state_dim = state_dim
        self._privileged_dim = privileged_dim(settings)
        self._least, self._greatest = term_bounds(settings.reward)

    def foreign(self, experience: Experience, gone: int = 0) -> str:
        """Why a message belongs to no stream of this run; empty if it belongs to one.

        Args:
            gone: steps of its stream that were lost for good, for which the actor drives others.
        """
        if experience.config_hash != self._config_hash:
            return (
                f"configuration {experience.config_hash[:12]!r} of the actor is not the learner's "
                f"{self._config_hash[:12]!r}"
            )
        if experience.actor_id not in self.actors:
            return f"actor {experience.actor_id[:40]!r} is not one of {', '.join(sorted(self.actors))}"
        if not 0 <= experience.session_id < SESSIONS:
            return f"session {experience.session_id} is outside 0 .. 2^63 - 1"
        if experience.sequence < 0:
            return f"sequence {experience.sequence} is negative"
        if experience.sequence >= self._steps + gone:
            return f"sequence {experience.sequence} is outside the {self._steps + gone} steps of the run"
        return ""

    def fault(self, experience: Experience) -> str:
        """What is wrong with the content of a message; empty if nothing is."""
        return (
            self._number_fault(experience)
            or _array_fault("frame", experience.frame, self._frame_shape, np.uint8)
            or _state_fault("state", experience.state, self._state_dim)
            or _state_fault("privileged", experience.privileged, self._privileged_dim)
            or _action_fault("action", experience.action)
            or ("" if experience.teacher_action is None else _action_fault("teacher_action", experience.teacher_action))
            or self._reward_fault(experience)
            or self._final_fault(experience)
        )

    def _number_fault(self, experience: Experience) -> str:
        if not 0 <= experience.policy_version <= self._versions:
            return f"policy version {experience.policy_version} is outside 0 .. {self._versions} updates of the run"
        if not 0 <= experience.step_index <= experience.sequence:
            sequence = experience.sequence
            return f"step {experience.step_index} cannot have been reached with {sequence} messages before it"
        if not 0 <= experience.episode_id < EPISODES:
            return f"episode {experience.episode_id} is outside 0 .. 2^32 - 1"
        if experience.terminated and experience.truncated:
            return "both terminated and truncated"
        return ""

    def _reward_fault(self, experience: Experience) -> str:
        terms = experience.reward_terms
        fault = _array_fault("reward_terms", terms, self._least.shape, np.float64)
        if fault:
            return fault
        outside = (terms < self._least - REWARD_TOLERANCE) | (terms > self._greatest + REWARD_TOLERANCE)
        if outside.any():
            place = int(np.argmax(outside))
            return (
                f"reward term {place} is {terms[place]}, outside its range {self._least[place]} .. "
                f"{self._greatest[place]}"
            )
        total = float(terms.sum())
        # Written so that a reward that is not a number is refused as well.
        if not abs(experience.reward - total) <= REWARD_TOLERANCE:
            return f"reward {experience.reward} is not the sum {total} of its terms"
        return ""

    def _final_fault(self, experience: Experience) -> str:
        frame, state, privileged = experience.final_frame, experience.final_state, experience.final_privileged
        if frame is None and state is None:
            return "" if privileged is None or not privileged.size else "final_privileged without a final_frame"
        if frame is None or state is None:
            return "final_frame and final_state must come together"
        if not experience.closes_episode:
            return "final_frame on a message that does not close the episode"
        return (
            _array_fault("final_frame", frame, self._frame_shape, np.uint8)
            or _state_fault("final_state", state, self._state_dim)
            or self._final_privileged_fault(privileged)
        )

    def _final_privileged_fault(self, privileged: NDArray[np.float32] | None) -> str:
        if privileged is None:
            return "final_privileged is missing beside final_state" if self._privileged_dim else ""
        return _state_fault("final_privileged", privileged, self._privileged_dim)


def _array_fault(name: str, array: NDArray[Any], shape: tuple[int, ...], dtype: type[np.generic]) -> str:
    if array.shape != shape or array.dtype != dtype:
        return f"{name} is {array.shape} {array.dtype}, needed is {shape} {np.dtype(dtype)}"
    # Bytes are finite; a frame has thousands of them.
    return "" if dtype is np.uint8 or np.isfinite(array).all() else f"{name} is not finite"


def _state_fault(name: str, state: NDArray[np.float32], length: int) -> str:
    fault = _array_fault(name, state, (length,), np.float32)
    if fault or not length:
        return fault
    highest = float(np.abs(state).max())
    return "" if highest <= ABSURD else f"{name} holds {highest:g}, no scaled value is beyond {ABSURD:g}"


def _action_fault(name: str, action: NDArray[Any]) -> str:
    fault = _array_fault(name, action, (2,), np.float32)
    return fault or ("" if np.abs(action).max() <= 1.0 else f"{name} {action.tolist()} is outside -1 .. 1")
