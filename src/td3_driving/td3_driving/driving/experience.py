# SPDX-License-Identifier: Apache-2.0
"""One step of driving as it travels from the policy to the learner."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Experience:
    """The transition ``(o_t, a_t, r_t, o_{t+1})`` without what its neighbours carry.

    ``frame`` and ``state`` belong to ``o_t``. ``o_{t+1}`` is frame and state of the next message of the episode;
    only the message that closes an episode carries its own, in ``final_frame`` and ``final_state``. The frames that
    make up the stack of ``o_t`` are those of the messages before it in the same episode; before the first one the
    first frame is repeated.

    Attributes:
        actor_id: name of the actor; unique within a run.
        session_id: changes when the actor process is started anew.
        sequence: 0, 1, 2 … without gaps within one session.
        episode_id: 0, 1, 2 … within one session.
        step_index: 0, 1, 2 … within one episode.
        config_hash: :meth:`td3_driving.settings.Settings.digest` of the sender.
        policy_version: updates behind the weights that chose ``action``.
        frame: uint8, (height, width) in grey, (3, height, width) in colour.
        state: (state_dim,) float32, see ``driving/state_vector.py``.
        action: (2,) float32 in [-1, 1]: steer (right positive), drive (throttle positive, brake negative).
        reward: sum of ``reward_terms``.
        reward_terms: (terms,) float64, see :func:`td3_driving.driving.reward.term_names`.
        terminated: the task ended here: no value beyond.
        truncated: the episode was cut here for another reason: the value beyond counts.
        final_frame, final_state: of ``o_{t+1}`` on the closing message, else ``None``. A closing message without them
            (the simulator died) leaves the last transition without a next observation: it must never be sampled.
        privileged: (privileged_dim,) float32, what the critic alone may know of ``o_t``; empty without such a critic.
        final_privileged: that of ``o_{t+1}``, beside ``final_state``.
        teacher_action: (2,) float32, what the teacher would have done; ``None`` without one.
        after_gap: the messages before this one that the learner waits for cannot be sent again.
    """

    actor_id: str
    session_id: int
    sequence: int
    episode_id: int
    step_index: int
    config_hash: str
    policy_version: int
    frame: NDArray[np.uint8]
    state: NDArray[np.float32]
    action: NDArray[np.float32]
    reward: float
    reward_terms: NDArray[np.float64]
    terminated: bool = False
    truncated: bool = False
    final_frame: NDArray[np.uint8] | None = field(default=None)
    final_state: NDArray[np.float32] | None = field(default=None)
    privileged: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    final_privileged: NDArray[np.float32] | None = field(default=None)
    teacher_action: np.ndarray | None = field(default=None)
    after_gap: bool = False

    @property
    def closes_episode(self) -> bool:
        """Whether no further step of this episode follows."""
        return self.terminated or self.truncated
