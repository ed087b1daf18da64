# SPDX-License-Identifier: Apache-2.0
"""The statuses of a run on ``/diagnostics``. A rule feeds one of them by naming it in its ``status``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Watch:
    """A status of the run.

    Attributes:
        name: of the status.
        needs: series of which one suffices; without any the status is stale.
        shows: series -> key of the status with unit.
    """

    name: str
    needs: tuple[str, ...]
    shows: dict[str, str]


Q_HEALTH, GRADIENTS, LEDGER, LIVENESS, CONFIG, FILES = (
    "learner: q health",
    "learner: gradients",
    "reward: ledger",
    "environment: liveness",
    "config: honoured",
    "run: files",
)
WATCHES = (
    Watch(
        Q_HEALTH,
        ("q1", "actor_q", "actor_loss"),
        {
            "q1": "q on replay actions",
            "critic_loss": "critic loss",
            "actor_loss": "actor loss",
            "updates": "updates (count)",
        },
    ),
    Watch(
        GRADIENTS,
        ("grad_actor_pre", "grad_actor_mlp", "grad_critic_pre", "grad_critic_mlp"),
        {
            "grad_actor_pre": "actor norm before clipping",
            "grad_actor_post": "actor norm after clipping",
            "grad_critic_pre": "critic norm before clipping",
            "grad_critic_post": "critic norm after clipping",
            "clip_share_actor": "actor clip share (0..1)",
            "clip_share_critic": "critic clip share (0..1)",
        },
    ),
    Watch(LEDGER, ("reward_total", "step_reward"), {"reward_total": "mean reward per step"}),
    Watch(
        LIVENESS,
        ("speed", "episode_length"),
        {"speed": "speed (km/h)", "episode_length": "last episode (steps)"},
    ),
    Watch(CONFIG, ("updates",), {"lr_actor": "actor learning rate", "lr_critic": "critic learning rate"}),
    Watch(
        FILES,
        ("replay_left_out",),
        {
            "replay_left_out": "frames of the replay memory left out (count)",
            "checkpoints_passed_over": "damaged checkpoints passed over (count)",
        },
    ),
)
